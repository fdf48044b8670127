"""Server processes: started, waited for, stopped; their logs are shown when the bench fails."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx

WAIT_SECONDS = 120
_POLL_SECONDS = 0.01


class ServerError(Exception):
    """A server did not start; the message says which."""


class Running(NamedTuple):
    """A server that answers: its address and process id."""

    address: str
    pid: int


def program(name: str) -> str:
    """A program of the environment we run in."""
    return str(Path(sys.executable).with_name(name))


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@asynccontextmanager
async def process(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str],
    folder: Path | None = None,
) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """A process for as long as the context lasts, none of our own settings in its environment."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SEATLEDGER_")}
    with log.open("wb") as output:
        started = subprocess.Popen(
            [str(word) for word in command],
            env={**own, "COLUMNS": "200", **environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the bench, which stops what it started
        )
    try:
        yield started
    except Exception as error:
        error.add_note(f"{log.name} ends with:\n{log.read_text(errors='replace')[-2000:]}")
        raise
    finally:
        started.terminate()
        started.wait(timeout=WAIT_SECONDS)


async def run(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str],
    folder: Path | None = None,
) -> None:
    """Run a program to its end; ServerError when it fails."""
    async with process(command, log, environment, folder) as started:
        if await asyncio.to_thread(started.wait):
            raise ServerError(f"{log.name}: exit code {started.returncode}")


async def ready(server: "subprocess.Popen[bytes]", url: str) -> None:
    """Wait until `url` answers without a server error; ServerError when it does not."""
    with suppress(TimeoutError):
        async with asyncio.timeout(WAIT_SECONDS), httpx.AsyncClient(timeout=5) as probe:
            while server.poll() is None:
                with suppress(httpx.TransportError):
                    if not (await probe.get(url)).is_server_error:
                        return
                await asyncio.sleep(_POLL_SECONDS)
    raise ServerError(f"no answer from {url}")


@asynccontextmanager
async def production(database_url: str, log: Path) -> AsyncIterator[Running]:
    """One `seatledger serve` process in production mode."""
    port = free_port()
    command = [program("seatledger"), "serve", "--port", str(port), "--mode", "production"]
    environment = {
        "SEATLEDGER_SIGNING_KEY": secrets.token_hex(32),
        "SEATLEDGER_DATABASE_URL": database_url,
        "SEATLEDGER_LOG_FORMAT": "json",
        "SEATLEDGER_TLS_PROXIES": "127.0.0.1",  # the load plays the proxy in front
    }
    async with process(command, log, environment) as server:
        address = f"http://127.0.0.1:{port}"
        await ready(server, f"{address}/readyz")
        yield Running(address, server.pid)
