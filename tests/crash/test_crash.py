"""kill -9 under load, and many at once over two servers: a lean run of `make test-crash`."""

from collections.abc import Iterator
from random import Random, SystemRandom

import pytest

from tests.crash import many
from tests.crash.kills import kill_and_recount
from tests.crash.stage import Stage, open_clients, staged

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Two servers on one data directory."""
    with staged() as made:
        yield made


@pytest.mark.proves("platform.md 15", "orders.md 80")
async def test_twenty_kills_lose_and_double_nothing(stage: Stage) -> None:
    seed = SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    tally = await kill_and_recount(
        stage, 20, Random(seed), lambda number, victim: print(f"kill {number}: {victim}")
    )
    print(tally)


@pytest.mark.proves("orders.md 10")
async def test_sixty_four_clients_of_one_customer_get_every_order_once(stage: Stage) -> None:
    async with open_clients(stage.addresses) as clients:
        await many.clients_on_one_customer(clients, clients_at_once=64, orders_each=2)


@pytest.mark.proves("platform.md 16")
async def test_copies_of_an_intent_are_one_order_with_one_answer(stage: Stage) -> None:
    async with open_clients(stage.addresses) as clients:
        await many.copies_of_intents(clients, intents=20, copies=100)


async def test_workers_of_two_servers_settle_every_order_once(stage: Stage) -> None:
    async with open_clients(stage.addresses) as clients:
        await many.workers_at_once(clients, stage.database_url, customers=10, orders_each=5)
