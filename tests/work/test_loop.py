"""The worker: what it settles, what it leaves to callers, and what does not stop it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from seatledger.clock import ManualClock
from seatledger.engine import agenda, orders, settle
from seatledger.engine.claims import ATTEMPTS_BEFORE_PARKING
from seatledger.engine.context import Engine
from seatledger.sandbox import settlement
from seatledger.store import due, settling
from seatledger.store.database import connect
from seatledger.store.rows import AnyConnection
from seatledger.work import loop
from seatledger.work.loop import FIRST_REST_SECONDS, LEFT_SECONDS, Worker
from tests.conftest import MakeWorld
from tests.failing import Failing
from tests.harness import World, line

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("idle_worker")]

SEATS = "80004567EA01A12"
SECOND = timedelta(seconds=1)
ONE_YEAR_A_SECOND = 365 * 86_400


class Told(Worker):
    """A worker that does a round when it is told to, while the server's own does nothing."""

    round = Worker.round


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
    return Told(engine)


async def leave_behind(world: World, customer: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An order whose process failed between its acceptance and its settlement."""

    async def fails(*_: Any, **__: Any) -> Any:
        raise ConnectionResetError

    with monkeypatch.context() as failing:
        failing.setattr(orders, "settle_orders", fails)
        return str((await world.order(customer, line(SEATS))).ok()["orderId"])


async def status(world: World, customer: str, order_id: str) -> str:
    return str((await world.read_order(customer, order_id))["status"])


async def orders_of(world: World, customer: str) -> list[tuple[str, str]]:
    """Type and status of every order, sorted."""
    found = (await world.get(f"/v3/customers/{customer}/orders")).ok(200)
    return sorted((one["orderType"], one["status"]) for one in found["items"])


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

    async def test_what_a_change_of_mode_sets_free(self, world: World, worker: Worker) -> None:
        customer = await world.customer()
        await world.settlement("manual")
        placed = (await world.order(customer, line(SEATS))).ok()["orderId"]
        await world.settlement("auto")
        assert await status(world, customer, placed) == "1002"
        await worker.round()
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
        await worker.round()
        assert await status(world, customer, placed) == "1000"


class TestWhereSettlementIsManual:
    async def test_it_settles_nothing(
        self, world: World, worker: Worker, clock: ManualClock
    ) -> None:
        customer = await world.customer()
        await world.settlement("manual")
        placed = (await world.order(customer, line(SEATS))).ok()["orderId"]
        for _ in range(3):
            await worker.round()
            clock.advance(timedelta(seconds=LEFT_SECONDS))
        assert await status(world, customer, placed) == "1002"

    async def test_it_leaves_what_is_set_free_to_the_call_that_does_it(
        self, world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.settlement("manual")
        reseller = await world.reseller()
        customer = await world.customer(reseller)
        placed = (await world.order(customer, line(SEATS))).ok()["orderId"]

        async def late(*arguments: Any, **more: Any) -> Any:
            await worker.round()
            return await settle.settle_accounts(*arguments, **more)

        monkeypatch.setattr(settlement, "settle_accounts", late)
        settled = (await world.settle())["settled"]
        assert [one["id"] for one in settled] == [reseller, customer, placed]

    async def test_what_happens_by_itself_does(
        self, world: World, worker: Worker, clock: ManualClock
    ) -> None:
        customer = await world.customer()
        (await world.order(customer, line(SEATS))).ok()
        await world.settlement("manual")
        (await world.put("/sandbox/clock", {"mode": "running", "rate": ONE_YEAR_A_SECOND})).ok(200)
        clock.advance(2 * SECOND)
        while await worker.round():
            pass
        assert await orders_of(world, customer) == [("NEW", "1000"), ("RENEWAL", "1002")]


class TestACustomerWhoseWorkFails:
    async def test_rests_longer_each_time_and_is_parked_after_the_fifth(
        self,
        world: World,
        worker: Worker,
        clock: ManualClock,
        database: AnyConnection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async def attempts() -> tuple[int, bool]:
            found = await database.fetchrow(
                "SELECT attempts, parked_reason IS NOT NULL FROM customer WHERE customer_id = $1",
                customer,
            )
            assert found is not None
            return tuple(found)

        customer = await world.customer()
        await world.settlement("auto")
        placed = (await world.order(customer, line(SEATS))).ok()["orderId"]
        rest = timedelta(seconds=FIRST_REST_SECONDS)
        with monkeypatch.context() as failing:
            Failing(failing, customer)
            await worker.round()
            for attempt in range(1, ATTEMPTS_BEFORE_PARKING):
                assert await attempts() == (attempt, False)
                clock.advance(rest - SECOND / 100)
                await worker.round()
                assert await attempts() == (attempt, False)
                clock.advance(SECOND / 100)
                await worker.round()
                rest *= 2
            assert await attempts() == (ATTEMPTS_BEFORE_PARKING, True)
            clock.advance(10 * rest)
            await worker.round()
            assert await attempts() == (ATTEMPTS_BEFORE_PARKING, True)
        await worker.round()
        assert await status(world, customer, placed) == "1002"
        assert await due.resume(database, None, [customer]) == [customer]
        await worker.round()
        assert await attempts() == (0, False)
        assert await status(world, customer, placed) == "1000"

    async def test_starts_with_a_short_rest_again_once_it_went_well(
        self,
        world: World,
        worker: Worker,
        clock: ManualClock,
        database: AnyConnection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        customer = await world.customer()
        await world.settlement("auto")
        count = "SELECT attempts FROM customer WHERE customer_id = $1"
        rest = timedelta(seconds=FIRST_REST_SECONDS)
        for _ in range(ATTEMPTS_BEFORE_PARKING + 1):
            (await world.order(customer, line(SEATS))).ok()
            with monkeypatch.context() as failing:
                Failing(failing, customer)
                await worker.round()
            assert await database.fetchval(count, customer) == 1
            clock.advance(rest)
            await worker.round()
            assert await database.fetchval(count, customer) == 0
            clock.advance(rest)

    @pytest.mark.parametrize("parked", [False, True], ids=["rests", "is parked"])
    async def test_keeps_nobody_waiting_where_the_clock_runs(
        self,
        world: World,
        worker: Worker,
        clock: ManualClock,
        database: AnyConnection,
        monkeypatch: pytest.MonkeyPatch,
        parked: bool,
    ) -> None:
        bad, good = await world.customer(), await world.customer()
        (await world.order(good, line(SEATS))).ok()
        await world.settlement("auto")
        (await world.order(bad, line(SEATS))).ok()
        Failing(monkeypatch, bad)
        if parked:
            assert await settling.count_attempt(database, bad, "seats", limit=1)
        await worker.round()
        running = {"mode": "running", "rate": ONE_YEAR_A_SECOND}
        (await world.put("/sandbox/clock", running)).ok(200)
        clock.advance(2 * SECOND)
        await worker.round()  # a rest is over, and the next one begins
        while await worker.round():
            pass
        assert ("RENEWAL", "1000") in await orders_of(world, good)


class TestItGoesOn:
    async def test_when_one_partner_fails(
        self, new_world: MakeWorld, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        worlds = [await new_world(), await new_world()]
        customers = [await world.customer() for world in worlds]

        async def failing(source: Any, world: Any, *rest: Any, **more: Any) -> Any:
            if world.partner_id == worlds[0].distributor_id:
                raise ZeroDivisionError
            return await agenda.carry_out_due(source, world, *rest, **more)

        monkeypatch.setattr(loop, "carry_out_due", failing)
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
