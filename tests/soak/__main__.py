"""`python -m tests.soak [minutes]`: mixed load on one server while clocks move (make soak)."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import asyncpg

from bench.machine import descendants, machine, memory, versions
from tests.harness import World, make_world
from tests.soak import report
from tests.soak.clients import Account, Client
from tests.soak.samples import Sample, Soak, percentile, write
from tests.system.server import (
    ADMIN_TOKEN,
    Server,
    database_of,
    database_process,
    folder,
    run,
    serving,
)

WORLDS = 4  # in every other one the clock runs by itself, and the worker does what it makes due
CLIENTS = 2  # in each world
DAYS = 1_100  # that each clock moves in a run: three anniversaries of the first customers
_SAMPLE_SECONDS = 5.0
_STEP_SECONDS = 2.0  # between two moves of a clock that its caller moves
_DOCS = Path(__file__).parents[2] / "docs" / "reference"
_MIB = 2**20


def main(minutes: float) -> int:
    """Run, check, write the report; ends with an error if anything was answered or kept wrong."""
    with folder() as place, serving(place, SEATLEDGER_ACCESS_LOG="false") as server:
        soak = asyncio.run(_soak(place, server, minutes))
        server.end()
        checked = run("check", "--data-dir", place / "data")
        assert checked.returncode == 0, checked.stdout
    write(soak, _DOCS / "soak.json")
    report.draw(soak, _DOCS / "soak.svg")
    report.write_page(soak, checked.stdout.strip(), _DOCS / "soak.md")
    print(report.told(soak, checked.stdout.strip()))
    return 0


async def _soak(place: Path, server: Server, minutes: float) -> Soak:
    account, over, random = Account(), asyncio.Event(), Random(1)
    async with server.client() as http:
        worlds = [await make_world(http, ADMIN_TOKEN) for _ in range(WORLDS)]
        watched = _Watched(place, server, account)
        async with asyncio.TaskGroup() as tasks:
            for number, world in enumerate(worlds):
                tasks.create_task(_move(world, minutes, over, runs_by_itself=bool(number % 2)))
                for _ in range(CLIENTS):
                    tasks.create_task(Client(world, account, Random(random.random())).run(over))
            samples = await watched.samples(minutes * 60)
            over.set()
        for world in worlds:
            await world.is_sound()
    with database_of(place) as url:
        return await _counted(url, minutes, account, samples)


async def _move(world: World, minutes: float, over: asyncio.Event, *, runs_by_itself: bool) -> None:
    """Let DAYS pass in a world: by its own clock at the pace of the run, or step by step."""
    if runs_by_itself:
        await world.settlement("auto")
        rate = round(DAYS * 86_400 / (minutes * 60))
        (await world.put("/sandbox/clock", {"mode": "running", "rate": rate})).ok(200)
        return
    steps = minutes * 60 / _STEP_SECONDS
    seconds = round(DAYS * 86_400 / steps)
    while not over.is_set():
        moved = await world.post("/sandbox/clock/advance", {"seconds": seconds})
        assert moved.status in (200, 503), moved
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _STEP_SECONDS)


class _Watched:
    """The processes looked at, and what their clients have seen since the last look."""

    def __init__(self, place: Path, server: Server, account: Account) -> None:
        postmaster = database_process(place)
        assert postmaster is not None
        self._server = server.process.pid
        self._postmaster = postmaster
        self._account = account

    async def samples(self, seconds: float) -> list[Sample]:
        """Look every few seconds, for so long."""
        loop = asyncio.get_running_loop()
        began = last = loop.time()
        found: list[Sample] = []
        while last - began < seconds:
            await asyncio.sleep(_SAMPLE_SECONDS)
            now = loop.time()
            found.append(self._sample(now - began, now - last))
            last = now
            if len(found) % 12 == 0:
                print(report.in_a_line(found[-1]), flush=True)
        return found

    def _sample(self, seconds: float, since: float) -> Sample:
        orders, others = self._account.drain()
        databases = [self._postmaster, *descendants(self._postmaster)]
        return Sample(
            round(seconds, 1),
            round(memory([self._server], "Rss") / _MIB, 1),
            round(memory(databases, "Pss") / _MIB, 1),
            round((len(orders) + len(others)) / since, 1),
            round(len(orders) / since, 1),
            *(
                round(percentile(latencies, share) * 1e3, 2)
                for latencies in (orders, others)
                for share in (0.5, 0.99)
            ),
        )


async def _counted(url: str, minutes: float, account: Account, samples: Sequence[Sample]) -> Soak:
    connection = await asyncpg.connect(url)
    try:
        counts = await connection.fetchrow(
            """SELECT (SELECT count(*) FROM orders) AS orders,
                 (SELECT count(*) FROM orders WHERE order_type = 'RENEWAL') AS renewals,
                 (SELECT count(*) FROM customer) AS customers"""
        )
        server = connection.get_server_version()
    finally:
        await connection.close()
    assert counts is not None
    return Soak(
        minutes=minutes,
        machine=machine(),
        versions=versions(f"{server.major}.{server.minor}"),
        worlds=WORLDS,
        clients=WORLDS * CLIENTS,
        days=DAYS,
        calls=dict(account.calls),
        repeated=account.repeated,
        orders=counts["orders"],
        renewals=counts["renewals"],
        customers=counts["customers"],
        samples=list(samples),
    )


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0))
