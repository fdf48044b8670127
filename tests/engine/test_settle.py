"""Settlement that fails halfway has done nothing; done again it does everything once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from seatledger.engine import orders, writes
from seatledger.engine.claims import ATTEMPTS_BEFORE_PARKING
from seatledger.store import settling
from tests.failing import Failing
from tests.harness import World, line

pytestmark = pytest.mark.anyio

SEATS = "80004567EA01A12"
OTHER_SEATS = "11073058CA01A12"
STEPS = ("orders", "subscriptions", "ledger", "customer", "events", "redemptions")

Strike = Callable[[], Awaitable[None]]


class _Struck:
    """A connection on which something happens right after one of its writes."""

    def __init__(self, connection: Any, step: int, strike: Strike) -> None:
        self._connection = connection
        self._left = step
        self._strike = strike

    async def execute(self, *arguments: Any) -> str:
        done: str = await self._connection.execute(*arguments)
        if self._left == 0:
            await self._strike()
        self._left -= 1
        return done


def strike_at(monkeypatch: pytest.MonkeyPatch, step: int, strike: Strike) -> None:
    """Make something happen right after a step of every settlement."""
    save = settling.save

    async def struck(connection: Any, *arguments: Any) -> None:
        await save(_Struck(connection, step, strike), *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(settling, "save", struck)


async def crash() -> None:
    """The database goes away."""
    raise ConnectionResetError


async def break_down() -> None:
    """A fault of our own."""
    raise ZeroDivisionError


async def with_held_orders(world: World) -> str:
    """A customer who has 5 seats and holds: more of them, another product, a return."""
    customer = await world.customer()
    first = (await world.order(customer, line(SEATS, 5))).ok()
    await world.settlement("manual")
    (await world.order(customer, line(SEATS, 3), line(OTHER_SEATS, 2, number=2))).ok()
    (await world.give_back(customer, first.body)).ok()
    (await world.order(customer, line(SEATS, 4))).ok()
    return customer


async def state(world: World, customer: str) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """Type and status of every order, sorted, and the seats held by product."""
    found = (await world.get(f"/v3/customers/{customer}/orders")).ok(200)
    statuses = sorted((one["orderType"], one["status"]) for one in found["items"])
    seats: Counter[str] = Counter()
    for one in await world.seats(customer):
        seats[one["offerId"][:10]] += one["currentQuantity"]
    await world.is_sound()
    return statuses, dict(seats)


HELD = (
    [("NEW", "1000"), ("NEW", "1002"), ("NEW", "1002"), ("RETURN", "1002")],
    {SEATS[:10]: 5},
)
SETTLED = (
    [("NEW", "1000"), ("NEW", "1000"), ("NEW", "1008"), ("RETURN", "1000")],
    {SEATS[:10]: 7, OTHER_SEATS[:10]: 2},
)


@pytest.mark.usefixtures("idle_worker")
@pytest.mark.proves("orders.md 80")
@pytest.mark.parametrize("step", range(len(STEPS)), ids=STEPS)
async def test_it_is_all_or_nothing_and_happens_once(
    world: World, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    customer = await with_held_orders(world)
    assert await state(world, customer) == HELD
    with monkeypatch.context() as struck:
        strike_at(struck, step, crash)
        assert (await world.post("/sandbox/settle", {})).status == 503
    assert await state(world, customer) == HELD
    with monkeypatch.context() as struck:
        strike_at(struck, step, break_down)
        failed = await world.settle()
        assert (failed["settled"], failed["remaining"]) == ([], 3)
    assert await state(world, customer) == HELD
    with monkeypatch.context() as struck:
        reached, never = asyncio.Event(), asyncio.Event()

        async def hang() -> None:
            reached.set()
            await never.wait()

        strike_at(struck, step, hang)
        call = asyncio.create_task(world.settle())
        await reached.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert await state(world, customer) == HELD
    for expected in (3, 0):
        assert len((await world.settle())["settled"]) == expected
        assert await state(world, customer) == SETTLED


@pytest.mark.usefixtures("idle_worker")
async def test_a_customer_that_keeps_failing_is_parked_and_stops_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = await world.customer(), await world.customer()
    await world.settlement("manual")
    with monkeypatch.context() as patched:
        failing = Failing(patched, bad, "seats")
        for attempt in range(1, ATTEMPTS_BEFORE_PARKING + 1):
            (await world.order(bad, line(SEATS))).ok()
            placed = (await world.order(good, line(SEATS))).ok()
            done = await world.settle()
            assert [one["id"] for one in done["settled"]] == [placed["orderId"]]
            parked = attempt == ATTEMPTS_BEFORE_PARKING
            assert done["remaining"] == (0 if parked else attempt)
        # Each attempt counts once in the batch and once alone.
        assert failing.attempts == 2 * ATTEMPTS_BEFORE_PARKING
        report = (await world.get("/sandbox/invariants")).ok(200)
        reason = {"customerId": bad, "reason": "ZeroDivisionError: seats"}
        assert (report["ok"], report["parked"]) == (True, [reason])
        # Neither the clock nor another customer's work is its own.
        (await world.post("/sandbox/clock/advance", {"days": 1})).ok(200)
        assert (await world.settle(customerId=good))["settled"] == []
        assert failing.attempts == 2 * ATTEMPTS_BEFORE_PARKING
        assert (await world.settle(customerId=bad))["remaining"] == ATTEMPTS_BEFORE_PARKING
        assert failing.attempts == 2 * ATTEMPTS_BEFORE_PARKING + 1
    assert len((await world.settle())["settled"]) == ATTEMPTS_BEFORE_PARKING
    (held,) = await world.seats(bad)
    assert held["currentQuantity"] == ATTEMPTS_BEFORE_PARKING
    assert (await world.get("/sandbox/invariants")).ok(200)["parked"] == []


@pytest.mark.usefixtures("idle_worker")
async def test_a_call_for_everything_resumes_who_is_parked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = await world.customer()
    await world.settlement("manual")
    placed = (await world.order(bad, line(SEATS))).ok()
    with monkeypatch.context() as patched:
        failing = Failing(patched, bad)
        for _ in range(ATTEMPTS_BEFORE_PARKING):
            assert (await world.settle())["settled"] == []
        assert failing.attempts == ATTEMPTS_BEFORE_PARKING
    assert [one["id"] for one in (await world.settle())["settled"]] == [placed["orderId"]]


@pytest.mark.usefixtures("idle_worker")
async def test_an_account_whose_validation_fails_stops_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.settlement("manual")
    reseller = await world.reseller()
    bad, good = await world.customer(reseller), await world.customer(reseller)
    for customer in (bad, good):
        (await world.order(customer, line(SEATS))).ok()
    with monkeypatch.context() as patched:
        Failing(patched, bad, "name")
        first = await world.settle()
        assert {one["id"] for one in first["settled"]} >= {reseller, good}
        assert (await world.read_customer(good))["status"] == "1000"
        assert len(await world.seats(good)) == 1
        assert (await world.read_customer(bad))["status"] == "1002"
        assert first["remaining"] == 1  # the account; its order waits for it
        for _ in range(ATTEMPTS_BEFORE_PARKING - 1):
            left = (await world.settle())["remaining"]
        assert left == 0
        report = (await world.get("/sandbox/invariants")).ok(200)
        assert report["parked"] == [{"customerId": bad, "reason": "ZeroDivisionError: name"}]
    await world.settle()
    assert (await world.read_customer(bad))["status"] == "1000"
    assert len(await world.seats(bad)) == 1


class TestAcceptedWorkIsAnsweredAsAccepted:
    """Even when its settlement, a transaction of its own, fails right after."""

    async def fails(*_: Any, **__: Any) -> Any:
        raise ConnectionResetError

    async def test_an_order(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        customer = await world.customer()
        with monkeypatch.context() as failing:
            failing.setattr(orders, "settle_orders", self.fails)
            placed = (await world.order(customer, line(SEATS, 2))).ok()
        assert (await world.read_order(customer, placed["orderId"]))["status"] == "1002"
        (await world.order(customer, line(SEATS, 3))).ok()  # settles what is due before it
        assert (await world.read_order(customer, placed["orderId"]))["status"] == "1000"
        (seats,) = await world.seats(customer)
        assert seats["currentQuantity"] == 5

    async def test_a_customer(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        reseller = await world.reseller()
        with monkeypatch.context() as failing:
            failing.setattr(writes, "settle_accounts", self.fails)
            customer = await world.customer(reseller)
        assert (await world.read_customer(customer))["status"] == "1002"
        await world.settle()
        assert (await world.read_customer(customer))["status"] == "1000"
