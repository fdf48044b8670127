"""What tests of the operator's commands work with: a connection, a partner's name, its files."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from seatledger.app import Application, prepare
from seatledger.clock import ManualClock, RealClock, SystemClock
from seatledger.settings import Settings
from tests.harness import World, make_world, unique
from tests.wire import another_database

FileOf = Callable[..., Path]
NewWorld = Callable[[], Awaitable[World]]
ADMIN_TOKEN = "admin-token-of-the-tests"


@pytest.fixture
def partner_id() -> str:
    """An id no other partner has."""
    return unique("partner")


@pytest.fixture
def file_of(tmp_path: Path, partner_id: str) -> FileOf:
    """Writes a JSON file of the partner; a field of None is left out."""

    def write(**fields: Any) -> Path:
        doc = {"distributorId": partner_id, **fields}
        path = tmp_path / f"{unique('file')}.json"
        known = {name: value for name, value in doc.items() if value is not None}
        path.write_text(json.dumps(known), "utf-8")
        return path

    return write


@pytest.fixture
async def apart_url(database_url: str) -> AsyncIterator[str]:
    """A migrated database that no other test shares."""
    async with another_database(database_url) as url:
        yield url


@pytest.fixture
async def apart(apart_url: str) -> AsyncIterator[NewWorld]:
    """Makes partners on a server of the test's own, over that database."""
    settings = Settings(database_url=apart_url, admin_token=ADMIN_TOKEN, mode="sandbox")
    await prepare(settings, apart_url)
    application = Application(settings, ManualClock(SystemClock().now()))
    async with application.running():
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:

            async def make() -> World:
                return await make_world(client, ADMIN_TOKEN)

            yield make


@asynccontextmanager
async def another_process(settings: Settings, clock: RealClock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of one more server on the same database: nothing but that is shared."""
    application = Application(settings, clock)
    async with application.running():
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as opened:
            yield opened


@pytest.fixture
async def elsewhere(
    world: World, settings: Settings, real_clock: ManualClock
) -> AsyncIterator[World]:
    """The test's partner, reached through another process."""
    async with another_process(settings, real_clock) as client:
        yield replace(world, client=client)
