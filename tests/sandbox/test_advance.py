"""Advancing a clock: what it would do, how much of it, how far, and where it stops."""

from typing import Any

import pytest

from seatledger.engine import orders
from seatledger.engine.agenda import carry_out_due
from seatledger.sandbox import time_control
from tests.failing import Failing
from tests.harness import Reply, World, line

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("idle_worker")]

SEATS = "80004567EA01A12"
START, SETTLED = "2025-07-07T18:00:00Z", "2025-07-07T18:01:00Z"
ANNIVERSARY, MONTH_END = "2026-07-07T00:00:00Z", "2025-08-01T06:00:00Z"


async def advance(world: World, **body: Any) -> Reply:
    return await world.post("/sandbox/clock/advance", body)


async def with_work(world: World) -> dict[str, str]:
    """A reseller, a customer and an order that settle in a minute; another order waits for its
    customer."""
    ready = await world.customer()
    await world.settlement("delay", delaySeconds=60)
    reseller = await world.reseller()
    new = await world.customer(reseller)
    placed = (await world.order(ready, line(SEATS))).ok()["orderId"]
    waiting = (await world.order(new, line(SEATS))).ok()["orderId"]
    return {
        "ready": ready, "reseller": reseller, "new": new, "order": placed, "waiting": waiting
    }  # fmt: skip


def due(made: dict[str, str]) -> list[dict[str, str]]:
    """What of it is due, as listed."""
    settlement = {"at": SETTLED, "kind": "settlement"}
    return [
        {**settlement, "resellerId": made["reseller"]},
        {**settlement, "customerId": made["new"]},
        {**settlement, "customerId": made["ready"], "orderId": made["order"]},
    ]


async def now(world: World) -> str:
    return str((await world.get("/sandbox/clock")).ok(200)["now"])


class TestADryRun:
    async def test_lists_accounts_and_orders_and_does_nothing(self, world: World) -> None:
        made = await with_work(world)
        for step in ({"seconds": 60}, {"hours": 1}, {"toNext": "settlement"}, {"to": SETTLED}):
            would = (await advance(world, dryRun=True, **step)).ok(200)
            assert would["events"] == due(made)
            assert (would["from"], would["now"], would["pending"]) == (START, START, 3)
        assert await now(world) == START
        assert (await world.read_customer(made["new"]))["status"] == "1002"
        assert (await world.read_order(made["ready"], made["order"]))["status"] == "1002"
        early = (await advance(world, dryRun=True, seconds=59)).ok(200)
        assert (early["events"], early["pending"]) == ([], 0)

    async def test_lists_what_happens_by_itself(self, world: World) -> None:
        customer = await world.customer()
        (await world.order(customer, line(SEATS))).ok()
        would = (await advance(world, dryRun=True, days=365)).ok(200)
        assert would["events"] == [
            {"at": MONTH_END, "kind": "reconciliation_month_end"},
            {"at": ANNIVERSARY, "kind": "renewal", "customerId": customer},
        ]
        assert await now(world) == START
        assert [one["status"] for one in await world.seats(customer)] == ["1000"]

    async def test_lists_what_then_comes_true(self, world: World) -> None:
        made = await with_work(world)
        would = (await advance(world, dryRun=True, seconds=60)).ok(200)
        done = (await advance(world, seconds=60)).ok(200)
        told = [{key: one[key] for key in one if key != "result"} for one in done["events"]]
        last = {"at": SETTLED, "kind": "settlement"}
        last |= {"customerId": made["new"], "orderId": made["waiting"]}
        assert [one for one in told if one != last] == would["events"]
        assert last in told  # set free by its customer
        assert {one["result"] for one in done["events"]} == {"1000"}
        assert (done["counts"], done["pending"]) == ({"settlement": 4}, 0)


class TestALimit:
    async def test_counts_accounts_as_well(self, world: World) -> None:
        made = await with_work(world)
        for limit in (1, 2):
            refused = await advance(world, seconds=60, limit=limit)
            assert (refused.status, refused.code) == (409, "409")
            assert refused["message"] == f"3 events would run, more than the limit of {limit}"
        assert await now(world) == START
        assert (await world.read_order(made["ready"], made["order"]))["status"] == "1002"
        (await advance(world, seconds=60, limit=3)).ok(200)
        assert (await world.read_order(made["ready"], made["order"]))["status"] == "1000"

    async def test_leaves_steps_alone_that_pass_nothing(self, world: World) -> None:
        await with_work(world)
        assert (await advance(world, seconds=59, limit=1)).ok(200)["counts"] == {}


class TestToTheNext:
    @pytest.mark.parametrize(
        ("kind", "instant"),
        [
            ("settlement", SETTLED),
            ("reconciliation_month_end", MONTH_END),
            ("renewal", ANNIVERSARY),
        ],
    )
    async def test_of_a_kind(self, world: World, kind: str, instant: str) -> None:
        customer = await world.customer()
        (await world.order(customer, line(SEATS))).ok()
        await world.settlement("delay", delaySeconds=60)
        await world.reseller()
        done = (await advance(world, toNext=kind)).ok(200)
        assert (done["now"], done["counts"][kind]) == (instant, 1)
        assert {one["at"] for one in done["events"] if one["kind"] == kind} == {instant}

    async def test_settlement_of_an_account(self, world: World) -> None:
        await world.settlement("delay", delaySeconds=60)
        reseller = await world.reseller()
        done = (await advance(world, toNext="settlement")).ok(200)
        assert done["events"] == [
            {"at": SETTLED, "kind": "settlement", "resellerId": reseller, "result": "1000"}
        ]

    async def test_of_a_kind_that_is_not_due(self, world: World) -> None:
        await world.customer()
        for kind in ("settlement", "renewal", "commitment_end", "credit_pack_expired"):
            refused = await advance(world, toNext=kind)
            assert (refused.status, refused["message"]) == (409, f"no {kind} is due next")
        assert await now(world) == START

    @pytest.mark.proves("1117")
    async def test_of_an_unknown_kind(self, world: World) -> None:
        for name in ("toNext", "stopOn"):
            (await advance(world, **{name: "doomsday"})).refused(400, "1117", name)

    @pytest.mark.proves("1117", "1122")
    async def test_with_no_step_or_more_than_one(self, world: World) -> None:
        (await advance(world)).refused(400, "1122", "days")
        (await advance(world, stopOn="renewal")).refused(400, "1122", "days")
        (await advance(world, days=1, toNext="renewal")).refused(400, "1117", "days", "toNext")


class TestAStop:
    @pytest.mark.parametrize(
        ("kind", "instant"),
        [
            ("settlement", SETTLED),
            ("reconciliation_month_end", MONTH_END),
            ("renewal", ANNIVERSARY),
            ("subscription_expired", ANNIVERSARY),
        ],
    )
    async def test_on_a_kind(self, world: World, kind: str, instant: str) -> None:
        kept, ending = await world.customer(), await world.customer()
        for customer in (kept, ending):
            (await world.order(customer, line(SEATS))).ok()
        (held,) = await world.seats(ending)
        path = f"/v3/customers/{ending}/subscriptions/{held['subscriptionId']}"
        (await world.patch(path, {"autoRenewal": {"enabled": False}})).ok(200)
        await world.settlement("delay", delaySeconds=60)
        await world.reseller()
        done = (await advance(world, days=800, stopOn=kind)).ok(200)
        assert done["now"] == await now(world) == instant
        assert done["counts"][kind] == 1
        assert {one["at"] for one in done["events"] if one["kind"] == kind} == {instant}
        assert done["pending"] == 0

    async def test_on_what_does_not_come(self, world: World) -> None:
        await world.customer()
        done = (await advance(world, days=10, stopOn="renewal")).ok(200)
        assert done["now"] == await now(world) == "2025-07-17T18:00:00Z"


class TestACustomerWhoseWorkFails:
    @pytest.mark.parametrize("what", ["account", "order", "renewal"])
    async def test_holds_up_nobody_else(
        self, world: World, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        bad, second, third = await with_anniversaries(
            world, "2026-07-02", "2026-07-03", "2026-07-04"
        )
        if what != "renewal":
            await world.settlement("delay", delaySeconds=60)
        if what == "account":
            bad = await world.customer()
        if what == "order":
            (await world.order(bad, line(SEATS))).ok()
        with monkeypatch.context() as patched:
            failing = Failing(patched, bad)
            done = (await advance(world, to="2026-07-05")).ok(200)
        assert failing.attempts > 0
        result = "1000" if what == "renewal" else "1002"
        renewals = [one for one in done["events"] if one["kind"] == "renewal"]
        told = [(one["at"], one["customerId"], one["result"]) for one in renewals]
        assert told[-2:] == [
            ("2026-07-03T00:00:00Z", second, result),
            ("2026-07-04T00:00:00Z", third, result),
        ]
        assert len(told) == (3 if what == "account" else 2)
        assert (done["now"], done["pending"]) == ("2026-07-05T00:00:00Z", 1)
        assert (await advance(world, seconds=0)).ok(200)["pending"] == 0

    async def test_holds_up_nobody_whose_work_falls_on_its_instant(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        customers = await with_anniversaries(world, *["2026-07-02"] * 3)
        for bad in customers[1:]:
            Failing(monkeypatch, bad)
        done = (await advance(world, to="2026-07-03")).ok(200)
        renewals = [one for one in done["events"] if one["kind"] == "renewal"]
        assert [(one["at"], one["customerId"]) for one in renewals] == [
            ("2026-07-02T00:00:00Z", customers[0])
        ]
        assert done["pending"] == 2


async def with_anniversaries(world: World, *days: str) -> list[str]:
    """Customers with seats, each with an anniversary of its own."""
    customers = []
    for day in days:
        customer = await world.customer()
        (await world.order(customer, line(SEATS))).ok()
        (await world.patch(f"/sandbox/customers/{customer}", {"cotermDate": day})).ok(200)
        customers.append(customer)
    return customers


async def test_work_that_keeps_coming_in_does_not_hold_the_clock(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers whose orders are accepted at every instant the clock reaches settle them."""
    customer = await world.customer()
    (await world.order(customer, line(SEATS))).ok()
    instants = 0

    async def fails(*_: Any, **__: Any) -> Any:
        raise ConnectionResetError

    async def carried_out(*arguments: Any) -> Any:
        nonlocal instants
        instants += 1
        assert instants < 10
        done = await carry_out_due(*arguments)
        with monkeypatch.context() as failing:
            failing.setattr(orders, "settle_orders", fails)
            (await world.order(customer, line(SEATS))).ok()
        return done

    with monkeypatch.context() as patched:
        patched.setattr(time_control, "carry_out_due", carried_out)
        done = (await advance(world, to="2025-09-02")).ok(200)
    assert (done["now"], done["counts"]["reconciliation_month_end"]) == ("2025-09-02T00:00:00Z", 2)
    assert instants == 2
    assert done["pending"] == 1
    (await advance(world, seconds=0)).ok(200)
    assert sum(one["currentQuantity"] for one in await world.seats(customer)) == 3
