"""Several batches at once: in one process as between processes, each piece of work is done once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import asyncpg
import pytest

from seatledger.clock import ManualClock
from seatledger.engine import claims
from seatledger.engine.agenda import run_agenda
from seatledger.engine.claims import Scope, work_off
from seatledger.engine.context import Engine
from seatledger.store import agenda as due_agenda
from seatledger.store.database import connect
from seatledger.store.rows import AnyConnection, AnyPool
from seatledger.store.settling import Claim
from tests.failing import Failing
from tests.harness import World, line

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("idle_worker")]

SEATS = "80004567EA01A12"
LONG_ENOUGH = 10  # seconds after which a test that waits in vain fails


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[AnyPool]:
    """Connections for every lane."""
    async with await connect(database_url, 4) as opened:
        yield opened


async def renewing(world: World, count: int) -> tuple[list[str], datetime]:
    """Customers with an anniversary in common, and an instant after it."""
    customers = [await world.customer() for _ in range(count)]
    for one in customers:
        (await world.order(one, line(SEATS))).ok()
    day = (await world.read_customer(customers[0]))["cotermDate"]
    return customers, datetime.fromisoformat(f"{day}T00:00:00+00:00")


async def runs(world: World, customer: str) -> list[str]:
    """The status of each renewal order of a customer."""
    found = (await world.get(f"/v3/customers/{customer}/orders")).ok(200)
    return [one["status"] for one in found["items"] if one["orderType"] == "RENEWAL"]


async def test_batches_are_under_way_at_once(pool: AnyPool) -> None:
    together = asyncio.Barrier(2)
    left = ["a", "b"]

    async def lock(_: AnyConnection, claim: Claim) -> list[str]:
        return [left.pop()] if left else []

    async def carry_out(_: AnyConnection, locked: Sequence[str]) -> list[str]:
        await together.wait()
        return list(locked)

    async with asyncio.timeout(LONG_ENOUGH):
        done = await work_off(pool, Scope(lanes=2), lock, carry_out, str, in_turns=True)
    assert sorted(done) == ["a", "b"]


async def test_an_error_ends_all_lanes_but_no_batch(pool: AnyPool) -> None:
    failed = asyncio.Event()
    finished: list[str] = []
    left = ["c", "b", "a"]

    async def lock(_: AnyConnection, claim: Claim) -> list[str]:
        return [left.pop()]

    async def carry_out(_: AnyConnection, locked: Sequence[str]) -> list[str]:
        if locked == ["a"]:
            failed.set()
            raise asyncpg.DeadlockDetectedError
        await failed.wait()
        finished.extend(locked)
        return list(locked)

    with pytest.raises(asyncpg.DeadlockDetectedError):
        async with asyncio.timeout(LONG_ENOUGH):
            await work_off(pool, Scope(lanes=2), lock, carry_out, str, in_turns=True)
    assert finished == ["b"]
    assert left == ["c"]


async def test_what_another_holds_is_passed_over_for_the_next(world: World, pool: AnyPool) -> None:
    customers, at = await renewing(world, 3)
    one_each = Claim(None, (), 1, wait=False)
    async with pool.acquire() as first, pool.acquire() as second, pool.acquire() as third:
        held = []
        for connection in (first, second, third):
            await connection.execute("BEGIN")
            held += await due_agenda.lock_due(connection, world.distributor_id, at, one_each)
        assert held == sorted(customers)
        for connection in (first, second, third):
            await connection.execute("ROLLBACK")


@pytest.mark.parametrize("bad", [None, 2], ids=["all well", "one fails"])
async def test_every_anniversary_runs_once(
    world: World, pool: AnyPool, monkeypatch: pytest.MonkeyPatch, bad: int | None
) -> None:
    customers, at = await renewing(world, 7)
    failing = set() if bad is None else {customers[bad]}
    for one in failing:
        Failing(monkeypatch, one)
    monkeypatch.setattr(claims, "TURN_CUSTOMERS", 2)
    engine = Engine(pool, ManualClock(at), sandbox=True)
    known = await engine.worlds.get(world.distributor_id)
    assert known is not None
    scope = Scope(lanes=3, failed=set())
    done = await run_agenda(pool, known, engine.ids, at, scope)
    assert scope.failed == failing
    assert sorted(one.customer_id for one in done) == sorted(set(customers) - failing)
    for one in customers:
        assert await runs(world, one) == ([] if one in failing else ["1000"])
