"""`python -m bench [--quick] [ROOM...]`: how fast, beside what PostgreSQL and others allow.

`make bench` runs it. It brings its own database and servers, asks for nothing, and fails when an
acknowledged order is not there; speed never fails it. FULL=1 stores five million orders instead
of one, PEERS=1 measures peers as well that take minutes to install. With ROOMs, or with --quick
(one short round on little data), it only shows what it finds; without, results/latest.json and
the table in the docs are written.
"""

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import structlog
import uvloop
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import limit, load, report, results
from bench.accounts import CallError
from bench.house import House, Size, Untrue, open_house
from bench.machine import machine, versions
from bench.results import Measure, Results, Series
from bench.rooms import history, lines, orders, renewal, start
from bench.servers import ServerError
from bench.stage import StageError
from seatledger.clock import SystemClock
from seatledger.store.embedded import EmbeddedError

ROOMS: dict[str, Callable[[House], AbstractAsyncContextManager[list[Measure]]]] = {
    "orders": orders.room,
    "lines": lines.room,
    "history": history.room,
    "renewal": renewal.room,
    "start": start.room,
}
QUICK = Size(seconds=1, rounds=1, stored=20_000, renewing=2_000)
FAILURES = (
    CallError, EmbeddedError, ServerError, StageError, limit.LimitError, load.LoadError, Untrue,
)  # fmt: skip

console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)


async def measure(folder: Path, size: Size, rooms: Sequence[str]) -> Results:
    """Open the house, go through `rooms`, give the figures."""
    clock = SystemClock()
    began = clock.monotonic()
    series: list[Series] = []
    console.print("starting PostgreSQL and one server process in production mode ...")
    async with open_house(folder, size) as house:
        for name in rooms:
            series += await _rounds(house, name)
        release = await house.main.stage.connection.fetchval("SHOW server_version")
    return Results(
        at=clock.now(),
        machine=machine(),
        versions=versions(release),
        seconds=size.seconds,
        stored=size.stored,
        took=clock.monotonic() - began,
        series=series,
        skipped=house.skipped,
    )


async def _rounds(house: House, name: str) -> list[Series]:
    """Every measure of a room once per round, so that a busy minute hits them all."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(f"{name}: making data", total=None)
        async with ROOMS[name](house) as measures:
            series = [Series(one.name, one.title, one.unit) for one in measures]
            progress.update(task, total=house.size.rounds * len(measures))
            for number in range(1, house.size.rounds + 1):
                for one, found in zip(measures, series, strict=True):
                    progress.update(task, description=one.title)
                    found.rounds.append(await one.run())
                    progress.advance(task)
                seen = ", ".join(f"{one.name} {report.number(one.rounds[-1].value)}"
                                 for one in series)  # fmt: skip
                console.print(f"{name} {number}/{house.size.rounds}: {seen}", soft_wrap=True)
    return series


def main(words: Sequence[str]) -> None:
    """Measure, tell, write."""
    # What the service's own code, run here for renewals, would say of each step.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    rooms = [word for word in words if word != "--quick"]
    if unknown := set(rooms) - ROOMS.keys():
        console.print(f"no such room: {', '.join(unknown)}; there are {', '.join(ROOMS)}")
        sys.exit(2)
    stored = 5_000_000 if os.environ.get("FULL") == "1" else Size().stored
    full = Size(stored=stored, peers=os.environ.get("PEERS") == "1")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        size = replace(QUICK, peers=full.peers) if "--quick" in words else full
        found = uvloop.run(measure(Path(name), size, rooms or list(ROOMS)))
    report.show(found, console)
    console.print("every acknowledged order is in the database, seat for seat; invariants hold")
    if not words:
        results.write(found)
        report.write_docs(found)
        console.print(f"written to {results.FILE} and {report.DOCS}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except FAILURES as error:
        console.print(f"[red]{type(error).__name__}[/]: {error}", soft_wrap=True)
        console.print("\n".join(getattr(error, "__notes__", ())), markup=False, soft_wrap=True)
        sys.exit(1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("stopped; nothing was written")
        sys.exit(130)
