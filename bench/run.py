"""How many orders a second: one server process beside what PostgreSQL itself allows.

`make bench` runs it. It brings its own database and server, asks for nothing, takes less than two
minutes, and fails when an acknowledged order is not there. Speed never fails it.
"""

import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import limit
import load
import msgspec
import report
import uvloop
from machine import Processor, machine, versions
from report import Results, Round, Series
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from stage import FIRST_CUSTOMER, OFFER, Stage, StageError, Sums, order_body, server

from seatledger.clock import SystemClock
from seatledger.store.embedded import EmbeddedError, EmbeddedPostgres
from seatledger.store.migrate import upgrade
from seatledger.telemetry import get_logger

ROUNDS = 5
SECONDS = 3
CUSTOMERS = 2_000  # a multiple of pgbench's clients, so that each has customers of its own
FIRST_ORDER = 920_000_000_000  # a multiple of CUSTOMERS; ids as long as the service's own
RESULTS = Path(__file__).parent / "results" / "latest.json"

console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)


class Untrue(Exception):
    """The database does not hold what was acknowledged; the message says what differs."""


class Bench:
    """What is measured. Each run begins on the same data and proves what it did."""

    def __init__(self, ready: Stage, address: str, cpu: Processor, folder: Path) -> None:
        body = msgspec.json.encode(order_body((OFFER,))).replace(b"%", b"%%")
        body = body.replace(b'"quantity":1', b'"quantity":%d')
        self._stage = ready
        self._cpu = cpu
        self._orders = load.Orders(address, ready.headers, body, ready.customers)
        self._script = folder / "order.sql"
        self._script.write_text(limit.script(), encoding="utf-8")

    async def limit(self) -> Round:
        """Our two statements under pgbench."""
        await self._begin("manual")
        variables = {
            **self._stage.sample,
            "turn": -1,
            "first_order": FIRST_ORDER,
            "first_customer": FIRST_CUSTOMER,
            "customers": CUSTOMERS,
        }
        before = self._cpu.seconds()
        done = await limit.run(self._stage.url, self._script, variables, SECONDS)
        used = self._used(before, done.orders)
        await self._prove(Sums(done.orders, 0, 0, done.orders))
        return Round(done.rate, postgresql=used[1])

    async def accept(self, connections: int, seconds: float = SECONDS) -> Round:
        """Orders accepted over HTTP and held: nothing settles meanwhile."""
        await self._begin("manual")
        before = self._cpu.seconds()
        done = await load.send(self._orders, connections, seconds)
        used = self._used(before, done.accepted)
        await self._prove(Sums(done.accepted, 0, 0, done.accepted))
        return _round(done, done.rate, used)

    async def fulfil(self, connections: int) -> Round:
        """Orders accepted while the worker settles them, until the last one is settled."""
        await self._begin("auto")
        before = self._cpu.seconds()
        clock = SystemClock()
        began = clock.monotonic()
        done = await load.send(self._orders, connections, SECONDS)
        await self._stage.drained()
        seconds = clock.monotonic() - began
        used = self._used(before, done.accepted)
        await self._prove(Sums(done.accepted, done.seats, done.seats, 0))
        return _round(done, done.accepted / seconds, used)

    async def _begin(self, settlement: str) -> None:
        await self._stage.settle(settlement)
        await self._stage.reset()

    def _used(
        self, before: tuple[float, float] | None, orders: int
    ) -> tuple[float | None, float | None]:
        """Processor seconds per order of server and PostgreSQL."""
        after = self._cpu.seconds()
        if before is None or after is None:
            return None, None
        return (after[0] - before[0]) / orders, (after[1] - before[1]) / orders

    async def _prove(self, acknowledged: Sums) -> None:
        found = (await self._stage.sums()).since(self._stage.start)
        if found != acknowledged:
            raise Untrue(f"acknowledged {acknowledged}, the database has {found}")
        violations = await self._stage.violations()
        if violations:
            raise Untrue(f"{len(violations)} violated invariants, the first: {violations[0]}")


def _round(done: load.Load, rate: float, used: tuple[float | None, float | None]) -> Round:
    p50, p99 = (report.percentile(done.latencies, percent) for percent in (50, 99))
    return Round(rate, p50, p99, *used, repeated=done.repeated)


async def measure(url: str, address: str, server_pid: int, folder: Path) -> Results:
    """Set the stage, run the rounds, give the figures."""
    connection = await asyncpg.connect(url)
    try:
        with console.status("making a partner and its customers"):
            ready = Stage(url, connection)
            await ready.build(address, folder, CUSTOMERS)
        cpu = Processor(server_pid, connection.get_server_pid())
        series = await _rounds(Bench(ready, address, cpu, folder))
        release = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    limited, narrow, _, fulfilled = series
    return Results(
        at=SystemClock().now(),
        machine=machine(),
        versions=versions(release),
        customers=CUSTOMERS,
        seconds=SECONDS,
        ratios={
            **{f"{one.name} / limit": report.ratio(one, limited) for one in series[1:]},
            f"{fulfilled.name} / {narrow.name}": report.ratio(fulfilled, narrow),
        },
        series=series,
    )


async def _rounds(bench: Bench) -> list[Series]:
    """Every series once per round, so that a busy minute of the machine hits them all."""
    wanted: list[tuple[Series, Callable[[], Awaitable[Round]]]] = [
        (Series("limit", "limit (pgbench, 8 clients)"), bench.limit),
        (Series("accept_32", "accepted, 32 connections"), lambda: bench.accept(32)),
        (Series("accept_128", "accepted, 128 connections"), lambda: bench.accept(128)),
        (Series("fulfil_32", "accepted + fulfilled, 32"), lambda: bench.fulfil(32)),
    ]
    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("warming up", total=ROUNDS * len(wanted))
        await bench.accept(32, seconds=1)
        for number in range(1, ROUNDS + 1):
            rates = []
            for series, run in wanted:
                progress.update(task, description=series.title)
                series.rounds.append(await run())
                rates.append(f"{series.name} {series.rounds[-1].rate:,.0f}")
                progress.advance(task)
            progress.console.print(f"round {number}/{ROUNDS}, orders/s: {', '.join(rates)}")
    return [series for series, _ in wanted]


def main() -> None:
    """Bring everything up, measure, tell, take it down."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # so that as root, too, the database lies in it and goes with it
        console.print("starting PostgreSQL and one server process in production mode ...")
        database = EmbeddedPostgres(folder / "data", user=None, log=get_logger("postgresql"))
        with database as url:
            upgrade(url)
            with server(url, folder) as (address, pid):
                results = uvloop.run(measure(url, address, pid, folder))
    report.write(results, RESULTS)
    report.show(results, console)
    console.print("every acknowledged order is in the database, seat for seat; invariants hold")
    console.print(f"written to {RESULTS}")


if __name__ == "__main__":
    try:
        main()
    except (EmbeddedError, StageError, limit.LimitError, load.LoadError, Untrue) as error:
        console.print(f"[red]{type(error).__name__}[/]: {error}", soft_wrap=True)
        console.print("\n".join(getattr(error, "__notes__", ())), markup=False, soft_wrap=True)
        sys.exit(1)
