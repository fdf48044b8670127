"""A server over a real PostgreSQL for every whole-system test; a world for each test."""

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import structlog

from seatledger.app import Application, prepare
from seatledger.clock import ManualClock, SystemClock
from seatledger.settings import Settings
from seatledger.store.embedded import EmbeddedPostgres
from seatledger.store.migrate import upgrade
from seatledger.store.rows import AnyConnection
from seatledger.work.loop import Worker
from tests.harness import World, make_world

ADMIN_TOKEN = "admin-token-of-the-tests"

# The default form of a traceback shows local variables and takes seconds.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)

MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Everything runs on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """An embedded PostgreSQL of this test process, migrated; or the one the environment names."""
    given = os.environ.get("SEATLEDGER_TEST_DATABASE_URL")
    if given:
        upgrade(given)
        yield given
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # within reach of the database's own account
        server = EmbeddedPostgres(Path(folder) / "data", user=None, log=structlog.get_logger())
        url = server.start()
        try:
            upgrade(url)
            yield url
        finally:
            server.stop()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AnyConnection]:
    """A connection of the test's own."""
    connection: AnyConnection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def settings(database_url: str) -> Settings:
    """A sandbox on that database."""
    return Settings(database_url=database_url, admin_token=ADMIN_TOKEN, mode="sandbox")


@pytest.fixture(scope="session")
def real_clock() -> ManualClock:
    """The server's real clock, which stands still unless a test moves it."""
    return ManualClock(SystemClock().now())


@pytest.fixture(scope="session")
async def client(settings: Settings, real_clock: ManualClock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, in process, without authentication of its own."""
    assert settings.database_url is not None
    await prepare(settings, settings.database_url)
    application = Application(settings, real_clock)
    async with application.running():
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as opened:
            yield opened


@pytest.fixture
def new_world(client: httpx.AsyncClient) -> MakeWorld:
    """Makes isolated partners."""

    async def make(**changes: Any) -> World:
        return await make_world(client, ADMIN_TOKEN, **changes)

    return make


@pytest.fixture
async def world(new_world: MakeWorld) -> AsyncIterator[World]:
    """A partner of the test's own at 2025-07-07T18:00:00Z; its invariants are checked after."""
    made = await new_world()
    yield made
    await made.is_sound()


@pytest.fixture
def idle_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's own worker does nothing: what is settled, the test's calls settle."""

    async def nothing(_: Worker) -> int:
        return 0

    monkeypatch.setattr(Worker, "round", nothing)
