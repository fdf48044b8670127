"""From nothing to the first order: a start on an empty folder, and what an idle server takes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter

from bench import servers
from bench.accounts import Accounts
from bench.house import House
from bench.machine import PROC, descendants, memory
from bench.results import Measure, Round
from bench.stage import HELD_OFFERS, order_body
from seatledger.app import DEMO_CLIENT_ID, DEMO_PARTNER, DEMO_SECRET

_MEGABYTE = 1e6


@asynccontextmanager
async def room(house: House) -> AsyncIterator[list[Measure]]:
    """A sandbox on a database of its own, timed to its first order, weighed when idle."""
    started = Start(house.folder)
    measures = [
        Measure("start", "start on an empty folder to the first 201 of an order", "s",
                started.first_order),
        Measure("memory", "idle memory of that server process", "MB", started.memory),
        Measure("memory_postgresql", "idle memory of all its PostgreSQL processes", "MB",
                started.memory_of_postgresql),
    ]  # fmt: skip
    if not PROC.exists():
        house.skipped["memory"] = "there is no /proc"
        measures = measures[:1]
    yield measures


class Start:
    """Starts a server; what it weighs is noted once its first order is in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._weight: tuple[int, int] = (0, 0)

    async def first_order(self) -> Round:
        """Seconds from the call of the program to an order's 201: log in, reseller, customer."""
        data = Path(mkdtemp(dir=self._folder))
        data.chmod(0o711)
        port = servers.free_port()
        address = f"http://127.0.0.1:{port}"
        command = [servers.program("seatledger"), "serve", "--port", str(port)]
        settings = {"SEATLEDGER_DATA_DIR": str(data / "data")}
        began = perf_counter()
        async with servers.process(command, self._folder / "start.log", settings) as server:
            await servers.ready(server, f"{address}/readyz")
            async with Accounts(address, DEMO_PARTNER, DEMO_CLIENT_ID, DEMO_SECRET) as accounts:
                customer = await accounts.customer(await accounts.reseller())
                await accounts.order(customer, order_body(HELD_OFFERS[:1]))
            took = perf_counter() - began
            if PROC.exists():
                self._weight = (
                    memory([server.pid], "Rss"),
                    memory(descendants(server.pid), "Pss"),
                )
        return Round(took)

    async def memory(self) -> Round:
        """Megabytes of the server last started: all that is resident."""
        return Round(self._weight[0] / _MEGABYTE)

    async def memory_of_postgresql(self) -> Round:
        """Megabytes of its database server, shared pages counted once."""
        return Round(self._weight[1] / _MEGABYTE)
