"""Advancing a clock: what it would do, how much of it, how far, and where it stops."""

from typing import Any

import pytest

from seatledger.engine import orders
from seatledger.engine.agenda import carry_out_due
from seatledger.sandbox import walk
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


def told(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events without ids of orders: those a rehearsal makes are no others' ids."""
    return [{key: one[key] for key in one if key != "orderId"} for one in events]


async def log(world: World) -> Any:
    return (await world.get("/sandbox/events")).ok(200).body


async def now(world: World) -> str:
    return str((await world.get("/sandbox/clock")).ok(200)["now"])


class TestADryRun:
    """It tells what the call would do, because it does it and undoes it."""

    async def test_tells_what_then_comes_true(self, world: World) -> None:
        made = await with_work(world)
        for step, most in (({"seconds": 59}, 0), ({"seconds": 60}, 4), ({"days": 800}, None)):
            would = (await advance(world, dryRun=True, **step)).ok(200)
            if most is not None:
                assert sum(would["counts"].values()) == most
            done = (await advance(world, **step)).ok(200)
            assert told(would["events"]) == told(done["events"])
            for name in ("from", "now", "counts", "pending"):
                assert would[name] == done[name]
        assert done["counts"]["renewal"] == 4
        assert (await world.read_order(made["ready"], made["order"]))["status"] == "1000"

    async def test_does_nothing(self, world: World) -> None:
        made = await with_work(world)
        before = await log(world)
        would = (await advance(world, dryRun=True, days=400)).ok(200)
        assert would["counts"]["renewal"] == 2
        assert (await now(world), await log(world)) == (START, before)
        assert (await world.read_customer(made["new"]))["status"] == "1002"
        orders = (await world.get(f"/v3/customers/{made['ready']}/orders")).ok(200)
        assert [one["status"] for one in orders["items"]] == ["1002"]
        assert await world.seats(made["ready"]) == []

    async def test_stops_where_the_call_would(self, world: World) -> None:
        await with_work(world)
        would = (await advance(world, dryRun=True, days=800, stopOn="renewal")).ok(200)
        assert (would["now"], would["stopped"]) == ("2026-07-07T00:00:00Z", "stopOn")
        assert would["counts"]["renewal"] == 2


class TestALimit:
    async def test_counts_everything_on_the_way(self, world: World) -> None:
        made = await with_work(world)
        for limit in (1, 3):  # the order of the customer that is validated is the fourth
            refused = await advance(world, seconds=60, limit=limit)
            assert (refused.status, refused.code) == (409, "409")
            assert refused["message"] == f"more than the limit of {limit} events would run"
        assert await now(world) == START
        assert (await world.read_order(made["ready"], made["order"]))["status"] == "1002"
        assert (await advance(world, seconds=60, limit=4)).ok(200)["counts"] == {"settlement": 4}
        assert (await world.read_order(made["ready"], made["order"]))["status"] == "1000"
        years = await advance(world, days=1200, limit=45)
        assert (years.status, await now(world)) == (409, SETTLED)

    async def test_counts_no_further_than_the_call_goes(self, world: World) -> None:
        await with_work(world)
        done = await advance(world, days=800, stopOn="settlement", limit=4)
        assert done.ok(200)["stopped"] == "stopOn"

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
            assert refused.status == 409
            assert refused["message"].startswith(f"no {kind} is anybody's next event")
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
        patched.setattr(walk, "carry_out_due", carried_out)
        done = (await advance(world, to="2025-09-02")).ok(200)
    assert (done["now"], done["counts"]["reconciliation_month_end"]) == ("2025-09-02T00:00:00Z", 2)
    assert instants == 2
    assert done["pending"] == 1
    (await advance(world, seconds=0)).ok(200)
    assert sum(one["currentQuantity"] for one in await world.seats(customer)) == 3
