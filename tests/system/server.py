"""A `seatledger serve` of its own: real processes on a real data directory."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from seatledger import telemetry
from seatledger.store import embedded_place
from seatledger.store.embedded import EmbeddedPostgres
from tests.harness import World, make_world, unique

ADMIN_TOKEN = "admin-token-of-the-tests"
PATIENCE_SECONDS = 60
MOST_CONNECTIONS = 50

_POLL_SECONDS = 0.02
_LABEL = 17  # columns
_SHOWN = 20_000  # characters of a log that tell why a test failed
_ADDRESS = re.compile(r"Listening on\s+(http://\S+)")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that the database's own account can reach when the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="seatledger-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def command(*arguments: str | Path) -> list[str]:
    """The command line of `seatledger`."""
    return [sys.executable, "-m", "seatledger", *map(str, arguments)]


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a `seatledger` command to its end."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env={**os.environ, **environment},
        check=False,
    )


@dataclass
class Server:
    """A running server: its process group, what it printed, where it listens."""

    process: subprocess.Popen[bytes]
    output: Path
    errors: Path
    url: str = ""

    def wait_until_ready(self) -> None:
        """Wait until connections to it succeed and it says that it can serve."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._is_ready():
            assert time.monotonic() < deadline, f"not ready in time\n{self.errors.read_text()}"
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_POLL_SECONDS)
                raise AssertionError(f"ended early\n{self.errors.read_text()}")

    def _is_ready(self) -> bool:
        found = _ADDRESS.search(self.output.read_text())
        if found is None:
            return False
        self.url = found[1]
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    @property
    def banner(self) -> dict[str, str]:
        """What it printed at start, by label."""
        lines = self.output.read_text().splitlines()
        return {line[:_LABEL].strip(): line[_LABEL:] for line in lines if line.startswith("  ")}

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait, and give the exit code."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """Kill it and its API processes where they stand; its database lives on."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)

    def api_processes(self) -> list[int]:
        """The process numbers of its API processes (`--workers`)."""
        listed = subprocess.run(
            ["ps", "-Aww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        )
        rows = [row.split(None, 2) for row in listed.stdout.splitlines()]
        return [
            int(number)
            for number, parent, program in rows
            if int(parent) == self.process.pid and "spawn_main" in program
        ]

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the server; more calls at once than it has connections wait for one."""
        limits = httpx.Limits(max_connections=MOST_CONNECTIONS)
        async with httpx.AsyncClient(
            base_url=self.url, limits=limits, timeout=PATIENCE_SECONDS
        ) as opened:
            yield opened

    @asynccontextmanager
    async def world(self) -> AsyncIterator[World]:
        """A partner of its own on the server, reached over HTTP."""
        async with self.client() as client:
            yield await make_world(client, ADMIN_TOKEN)


@contextmanager
def serving(
    place: Path, *arguments: str | Path, data_dir: bool = True, **environment: str
) -> Iterator[Server]:
    """A ready server with its output in `place` and its data directory below it.

    Whatever a test leaves running is killed; the data directory's database is not.
    """
    name = unique("serve")  # of its own also for servers that start at the same time
    output, errors = place / f"{name}.out", place / f"{name}.err"
    where = ("--data-dir", place / "data") if data_dir else ()
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            command("serve", "--port", "0", *where, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, "SEATLEDGER_ADMIN_TOKEN": ADMIN_TOKEN, **environment},
            start_new_session=True,
        )
    server = Server(process, output, errors)
    try:
        server.wait_until_ready()
        yield server
    except BaseException:
        print(errors.read_text()[-_SHOWN:])
        raise
    finally:
        server.kill()


def database_process(place: Path) -> int | None:
    """The process number of the database server of `place`'s data directory, if it has one."""
    home = embedded_place.find_home(place / "data")
    lock = None if home is None else home / "data" / "postmaster.pid"
    if lock is None or not lock.exists():
        return None
    return int(lock.read_text(encoding="utf-8").splitlines()[0])


@contextmanager
def database_of(place: Path) -> Iterator[str]:
    """The address of the database of `place`'s data directory, kept running meanwhile."""
    log = telemetry.get_logger("test")
    with EmbeddedPostgres(place / "data", user=None, log=log) as url:
        yield url


def kill_database(place: Path) -> None:
    """Kill the database server of `place`'s data directory where it stands."""
    number = database_process(place)
    assert number is not None
    os.kill(number, signal.SIGKILL)
