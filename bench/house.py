"""What every measurement finds: a database server, one service process on it, and a partner."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from msgspec import Struct

from bench import servers
from bench.load import Load, Requests, send
from bench.machine import Processor
from bench.results import Round, percentile
from bench.slow_disk import SlowDisk
from bench.stage import CUSTOMERS, Stage, Sums
from seatledger.store.embedded import EmbeddedPostgres
from seatledger.telemetry import get_logger


class Untrue(Exception):
    """The database does not hold what was acknowledged; the message says what differs."""


class Size(Struct, frozen=True):
    """How much is measured: seconds and rounds, orders stored, customers renewed."""

    seconds: float = 3
    rounds: int = 5
    stored: int = 1_000_000
    renewing: int = 100_000
    peers: bool = False


class Setting:
    """One service process in production mode, its database and partner.

    Each run begins on the same data and proves what it did.
    """

    def __init__(self, stage: Stage, cpu: Processor) -> None:
        self.stage = stage
        self._cpu = cpu

    @property
    def process(self) -> int:
        """The number of the service process."""
        return self._cpu.server

    async def accept(self, requests: Requests, connections: int, seconds: float) -> Round:
        """Orders accepted over HTTP and held: nothing settles meanwhile."""
        await self.begin("manual")
        done, used = await self.load(requests, connections, seconds)
        await self.prove(held(done))
        return as_round(done, done.rate, used)

    async def load(
        self, requests: Requests, connections: int, seconds: float
    ) -> tuple[Load, tuple[float | None, float | None]]:
        """Send; gives what came back and the processor seconds of each."""
        before = self._cpu.seconds()
        done = await send(requests, connections, seconds)
        return done, self.used(before, done.accepted)

    async def begin(self, settlement: str) -> None:
        """Put everything back and set how accepted orders settle."""
        await self.stage.settle(settlement)
        await self.stage.reset()
        await self.stage.connection.execute("CHECKPOINT")

    def clock(self) -> tuple[float, float] | None:
        """Processor seconds so far of service and PostgreSQL."""
        return self._cpu.seconds()

    def used(
        self, before: tuple[float, float] | None, orders: int
    ) -> tuple[float | None, float | None]:
        """Processor seconds per order of service and PostgreSQL since `before`."""
        after = self._cpu.seconds()
        if before is None or after is None:
            return None, None
        return (after[0] - before[0]) / orders, (after[1] - before[1]) / orders

    async def prove(self, acknowledged: Sums) -> None:
        """Untrue unless the database holds what was acknowledged, and invariants hold."""
        await self.count(acknowledged)
        violations = await self.stage.violations()
        if violations:
            raise Untrue(f"{len(violations)} violated invariants, the first: {violations[0]}")

    async def count(self, acknowledged: Sums) -> None:
        """Untrue unless the database holds what was acknowledged since the run began."""
        found = (await self.stage.sums()).since(self.stage.start)
        if found != acknowledged:
            raise Untrue(f"acknowledged {acknowledged}, the database has {found}")


class House:
    """The database server with its databases, and the setting most rooms share."""

    def __init__(self, url: str, folder: Path, size: Size, disk: SlowDisk | None) -> None:
        self.folder = folder
        self.size = size
        self.disk = disk
        self.skipped: dict[str, str] = {}
        self.main: Setting
        self._url = url

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[str]:
        """A database of its own for as long as the context lasts: its address."""
        server = await asyncpg.connect(self._url)
        try:
            await server.execute(f'CREATE DATABASE "{name}"')
            yield urlsplit(self._url)._replace(path=f"/{name}").geturl()
            await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        finally:
            await server.close()

    @asynccontextmanager
    async def setting(self, name: str, customers: int = CUSTOMERS) -> AsyncIterator[Setting]:
        """A service process on a database of its own, with a partner and customers."""
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(self.database(name))
            log = self.folder / f"{name}.log"
            server = await stack.enter_async_context(servers.production(url, log))
            connection = await asyncpg.connect(url)
            stack.push_async_callback(connection.close)
            # Between rounds the ledger is put back, which triggers refuse everybody else.
            await connection.execute("SET session_replication_role = replica")
            stage = Stage(url, connection)
            await stage.build(server.address, self.folder, customers)
            yield Setting(stage, Processor(server.pid, connection.get_server_pid()))


@asynccontextmanager
async def open_house(folder: Path, size: Size) -> AsyncIterator[House]:
    """A database server in `folder`, and the main setting on it."""
    folder.chmod(0o711)  # so that as root, too, the database lies in it and goes with it
    missing = SlowDisk.missing()
    disk = SlowDisk(folder) if missing is None else None
    database = EmbeddedPostgres(folder / "data", user=None, log=get_logger("postgresql"))
    with disk.under_new_servers() if disk else nullcontext():
        url = database.start()
    try:
        house = House(url, folder, size, disk)
        if missing is not None:
            house.skipped["a slower disk"] = missing
        async with house.setting("bench") as house.main:
            yield house
    finally:
        database.stop()


def held(done: Load) -> Sums:
    """What a load adds while nothing settles."""
    return Sums(done.accepted, 0, 0, done.accepted)


def as_round(done: Load, value: float, used: tuple[float | None, float | None]) -> Round:
    """What a load saw, around `value`."""
    p50, p99 = (percentile(done.latencies, percent) for percent in (50, 99))
    return Round(value, p50, p99, *used, repeated=done.repeated)
