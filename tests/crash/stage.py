"""Two servers on one data directory, one with two API processes, and ways to kill parts of them."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from urllib.parse import quote

import asyncpg
import httpx

from seatledger.store import embedded_process
from tests.crash.traffic import PATIENCE_SECONDS
from tests.harness import World, make_world
from tests.system.server import (
    ADMIN_TOKEN,
    MOST_CONNECTIONS,
    Server,
    database_of,
    folder,
    kill_database,
    run,
    serving,
)

VICTIMS = (
    "API process", "database", "server", "database backend", "API process",
    "second server", "database", "API process", "database backend", "everything",
)  # fmt: skip
"""What dies in turn; the dear ones, whose processes all have to start again, less often."""

_WORKERS = ("2", "1")  # API processes of each server; every one has a worker in it
_POLL_SECONDS = 0.02
_LAST_WORDS = 40  # lines of a log


class Stage:
    """Two servers that share one embedded PostgreSQL; each would keep it alive alone.

    A killed server is started again at once, as a supervisor of services does; all the rest
    comes back by itself.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ports = [free_port() for _ in _WORKERS]
        self._runs = [ExitStack() for _ in _WORKERS]
        self._servers: list[Server] = []

    def start(self) -> None:
        """Start both servers."""
        for number in range(len(_WORKERS)):
            self._servers.append(self._started(number))

    def stop(self) -> None:
        """Kill both servers."""
        for one in self._runs:
            one.close()

    @property
    def addresses(self) -> list[str]:
        """Where the servers listen, whatever dies and comes back."""
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    @property
    def database_url(self) -> str:
        """The address of their database, of which the test does not take care itself."""
        found = embedded_process.Server(self.place / "data", None).find()
        assert found is not None, "it is running"
        name = embedded_process.NAME
        return f"postgresql://{name}@/{name}?host={quote(str(found.sockets))}&port=5432"

    async def kill(self, victim: str, random: Random) -> None:
        """Kill one of VICTIMS with SIGKILL and wait until everything is there again."""
        dead: list[int] = []  # servers
        if victim == "API process":
            os.kill(random.choice(self._servers[0].api_processes()), signal.SIGKILL)
        elif victim in ("server", "second server"):
            dead = [int(victim == "second server")]
        elif victim == "database backend":
            await self._kill_backend()
        else:
            kill_database(self.place)
            dead = [0, 1] if victim == "everything" else []
        for number in dead:
            self._servers[number].kill()
        await asyncio.gather(*(self._restart(number) for number in dead))
        await asyncio.to_thread(self._wait_until_whole)

    def check(self) -> None:
        """Assert that `seatledger check` finds nothing."""
        report = run("check", "--data-dir", self.place / "data")
        assert report.stdout.endswith(" checked, 0 violated\n"), report.stdout + report.stderr
        assert report.stdout.count("\n") == 1, "nobody is parked either"
        assert report.returncode == 0

    def last_words(self) -> str:
        """The end of the servers' logs."""
        logs = [one.errors.read_text().splitlines() for one in self._servers]
        return "\n\n".join("\n".join(words[-_LAST_WORDS:]) for words in logs)

    def _started(self, number: int) -> Server:
        port = str(self._ports[number])
        return self._runs[number].enter_context(
            serving(
                self.place,
                "--port",
                port,
                "--workers",
                _WORKERS[number],
                SEATLEDGER_ACCESS_LOG="false",
            )
        )

    async def _restart(self, number: int) -> None:
        self._runs[number].close()
        self._servers[number] = await asyncio.to_thread(self._started, number)

    async def _kill_backend(self) -> None:
        connection = await asyncpg.connect(self.database_url)
        try:
            pid = await connection.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'seatledger' "
                "ORDER BY (state = 'active') DESC, random() LIMIT 1"
            )
        finally:
            await connection.close()
        os.kill(pid, signal.SIGKILL)

    def _wait_until_whole(self) -> None:
        for server in self._servers:
            server.wait_until_ready()
        first = self._servers[0]
        while len(first.api_processes()) < int(_WORKERS[0]):
            with suppress(subprocess.TimeoutExpired):
                first.process.wait(_POLL_SECONDS)
                raise AssertionError(f"ended\n{self.last_words()}")


@contextmanager
def staged() -> Iterator[Stage]:
    """Both servers, running, on a data directory of their own."""
    with folder() as place:
        stage = Stage(place)
        try:
            stage.start()
            yield stage
        finally:
            stage.stop()
            with database_of(place):
                pass  # whoever leaves last stops it


@asynccontextmanager
async def open_clients(addresses: Sequence[str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A client of each server."""
    limits = httpx.Limits(max_connections=MOST_CONNECTIONS)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=address, limits=limits, timeout=PATIENCE_SECONDS)
            )
            for address in addresses
        ]


async def new_worlds(clients: Sequence[httpx.AsyncClient]) -> list[World]:
    """A new partner, reached through each client."""
    world = await make_world(clients[0], ADMIN_TOKEN)
    return [replace(world, client=one) for one in clients]


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
