"""`python -m tests.crash [kills] [seed]`: the crash suite at any length (make test-crash)."""

import asyncio
import sys
import time
from random import Random, SystemRandom

from tests.crash import many
from tests.crash.kills import kill_and_recount
from tests.crash.stage import Stage, open_clients, staged


def main(kills: int, seed: int) -> int:
    """Everything at once, then the kills; 0 if nothing was lost, else it ends with the error."""
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    with staged() as stage:
        asyncio.run(_run(stage, kills, Random(seed)))
    print(f"{time.monotonic() - began:.0f} s, seed {seed}")
    return 0


async def _run(stage: Stage, kills: int, random: Random) -> None:
    async with open_clients(stage.addresses) as clients:
        for line in (
            await many.clients_on_one_customer(clients, clients_at_once=64, orders_each=4),
            await many.copies_of_intents(clients, intents=200, copies=100),
            await many.workers_at_once(clients, stage.database_url, customers=40, orders_each=5),
        ):
            print(line, flush=True)
    tally = await kill_and_recount(
        stage, kills, random, lambda number, victim: _tell(number, kills, victim)
    )
    print(tally)


def _tell(number: int, kills: int, victim: str) -> None:
    if sys.stdout.isatty():
        print(f"\rkill {number} of {kills}: {victim:<20}", end="\n" * (number == kills), flush=True)
    elif number % 10 == 0 or number == kills:
        print(f"kill {number} of {kills}", flush=True)


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:3]]
    sys.exit(main(*given, *(20, SystemRandom().randrange(10**6))[len(given) :]))
