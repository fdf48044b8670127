"""The worker: what it settles, what it leaves to callers, and what does not stop it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from seatledger.clock import ManualClock
from seatledger.engine import orders, settle
from seatledger.engine.context import Engine
from seatledger.store.database import connect
from seatledger.work import loop
from seatledger.work.loop import LEFT_SECONDS, Worker
from tests.conftest import MakeWorld
from tests.harness import World, line

pytestmark = pytest.mark.anyio

SEATS = "80004567EA01A12"


@pytest.fixture
def clock(real_clock: ManualClock) -> ManualClock:
    """The real clock of the worker's process: it shows what the server's shows."""
    return ManualClock(real_clock.now())


@pytest.fixture
async def engine(database_url: str, clock: ManualClock) -> AsyncIterator[Engine]:
    """The engine of a process of its own beside the server under test."""
    pool = await connect(database_url, 2)
    async with pool:
        yield Engine(pool, clock, sandbox=True)


@pytest.fixture
def worker(engine: Engine) -> Worker:
    """A worker that does a round when it is told to."""
    return Worker(engine)


async def leave_behind(world: World, customer: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An order whose process failed between its acceptance and its settlement."""

    async def fails(*_: Any, **__: Any) -> Any:
        raise ConnectionResetError

    with monkeypatch.context() as failing:
        failing.setattr(orders, "settle_orders", fails)
        return str((await world.order(customer, line(SEATS))).ok()["orderId"])


async def status(world: World, customer: str, order_id: str) -> str:
    return str((await world.read_order(customer, order_id))["status"])


MOST_ROUNDS = 50


class TestItSettles:
    async def test_what_is_due_where_settlement_is_automatic(
        self, world: World, worker: Worker
    ) -> None:
        await world.settlement("auto")
        customer = await world.customer()
        placed = (await world.order(customer, line(SEATS))).ok()["orderId"]
        await worker.round()
        assert (await world.read_customer(customer))["status"] == "1000"
        assert await status(world, customer, placed) == "1000"

    async def test_what_callers_left_behind(
        self,
        world: World,
        worker: Worker,
        clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        customer = await world.customer()
        left = await leave_behind(world, customer, monkeypatch)
        await worker.round()
        assert await status(world, customer, left) == "1002"  # its caller may still be at it
        clock.advance(timedelta(seconds=LEFT_SECONDS))
        await worker.round()
        assert await status(world, customer, left) == "1000"

    async def test_delayed_work_in_its_time(
        self, world: World, worker: Worker, clock: ManualClock
    ) -> None:
        customer = await world.customer()
        await world.settlement("delay", delaySeconds=60)
        (await world.put("/sandbox/clock", {"mode": "running"})).ok(200)
        placed = (await world.order(customer, line(SEATS))).ok()["orderId"]
        await worker.round()
        assert await status(world, customer, placed) == "1002"
        clock.advance(timedelta(seconds=90))
        for _ in range(MOST_ROUNDS):  # the server's own worker may hold the customer just now
            await worker.round()
            if await status(world, customer, placed) == "1000":
                break
        assert await status(world, customer, placed) == "1000"

    async def test_nothing_where_settlement_is_manual(
        self, world: World, worker: Worker, clock: ManualClock
    ) -> None:
        customer = await world.customer()
        await world.settlement("manual")
        placed = (await world.order(customer, line(SEATS))).ok()["orderId"]
        for _ in range(3):
            await worker.round()
            clock.advance(timedelta(seconds=LEFT_SECONDS))
        assert await status(world, customer, placed) == "1002"


class TestItGoesOn:
    async def test_when_one_partner_fails(
        self, new_world: MakeWorld, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        worlds = [await new_world(), await new_world()]
        customers = [await world.customer() for world in worlds]

        async def failing(source: Any, world: Any, *rest: Any, **more: Any) -> Any:
            if world.partner_id == worlds[0].distributor_id:
                raise ZeroDivisionError
            return await settle.settle_due(source, world, *rest, **more)

        monkeypatch.setattr(loop, "settle_due", failing)
        placed = []
        for world, customer in zip(worlds, customers, strict=True):
            await world.settlement("auto")
            placed.append((await world.order(customer, line(SEATS))).ok()["orderId"])
        await worker.round()
        found = [await status(*one) for one in zip(worlds, customers, placed, strict=True)]
        assert found == ["1002", "1000"]
        for world in worlds:
            await world.settlement("immediate")

    async def test_when_a_round_fails(
        self, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        errors = [ConnectionRefusedError(), ZeroDivisionError()]

        async def round_() -> int:
            if errors:
                raise errors.pop()
            worker.stop()
            return 0

        monkeypatch.setattr(loop, "IDLE_SECONDS", 0)
        monkeypatch.setattr(worker, "round", round_)
        await worker.run()
        assert errors == []
