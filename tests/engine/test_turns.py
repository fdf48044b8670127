"""Writes of one customer take effect one after the other, and keep nobody else waiting."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import asyncpg
import pytest

from seatledger.clock import ManualClock
from seatledger.engine import writes
from seatledger.settings import Settings
from seatledger.store.rows import AnyConnection
from tests.conftest import MakeWorld
from tests.engine.conftest import another_process
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

SEATS = "80004567EA01A12"
LOCK = "SELECT 1 FROM customer WHERE customer_id = $1 FOR NO KEY UPDATE"
PATIENCE_SECONDS = 30
CROWD = 20

T = TypeVar("T")
Write = Callable[[World, str], Coroutine[Any, Any, Reply]]


async def amend(world: World, customer: str) -> Reply:
    """A PATCH by the public API."""
    known = (await world.read_customer(customer))["companyProfile"]
    return await world.patch(f"/v3/customers/{customer}", {"companyProfile": known})


async def edit(world: World, customer: str) -> Reply:
    """A direct edit by the control API."""
    return await world.patch(f"/sandbox/customers/{customer}", {"tags": ["EDITED"]})


async def enroll(world: World, customer: str) -> Reply:
    """What the customer does in its console."""
    return await world.three_year_commit(customer, "enroll")


@pytest.fixture
async def narrow(world: World, settings: Settings, real_clock: ManualClock) -> AsyncIterator[World]:
    """The test's partner through a process that has one connection for all."""
    own = settings.model_copy(update={"pool_size": 1})
    async with another_process(own, real_clock) as client:
        yield replace(world, client=client)


@pytest.fixture
def locked_out(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set once a write has met a lock."""
    met, in_rounds = asyncio.Event(), writes.in_rounds

    async def noting(attempt: Callable[[], Awaitable[T]], deadline: float | None = None) -> T:
        async def noted() -> T:
            try:
                return await attempt()
            except asyncpg.LockNotAvailableError:
                met.set()
                raise

        return await in_rounds(noted, deadline)

    monkeypatch.setattr(writes, "in_rounds", noting)
    return met


@pytest.mark.parametrize("write", [amend, edit, enroll])
async def test_who_waits_for_a_locked_customer_holds_no_connection(
    narrow: World,
    new_world: MakeWorld,
    database: AnyConnection,
    locked_out: asyncio.Event,
    write: Write,
) -> None:
    customer = await narrow.customer()
    other = replace(await new_world(), client=narrow.client)
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with database.transaction():
            await database.execute(LOCK, customer)
            crowd = [asyncio.create_task(write(narrow, customer)) for _ in range(CROWD)]
            await locked_out.wait()
            for _ in range(2):
                ping = await other.get("/ping")
                assert (ping.status, ping.content) == (200, b"pong")
                buyer = await other.customer()
                (await other.order(buyer, line(SEATS))).ok()
                (await amend(other, buyer)).ok(200)
        replies = await asyncio.gather(*crowd)
    for reply in replies:
        assert reply.status != 503 or reply.headers["Retry-After"] == "1"
        assert reply.status in (200, 409, 503)


async def test_a_crowd_at_one_customer_is_served_whole(world: World) -> None:
    customer = await world.customer()
    replies = await asyncio.gather(*(amend(world, customer) for _ in range(CROWD)))
    assert {one.status for one in replies} == {200}
