"""The clock of a world: what it passes happens, in order, in this world alone (sandbox.md 5.1)."""

from typing import Any

import pytest

from tests.harness import World, line

pytestmark = pytest.mark.anyio

A, B = "65304479CA01A12", "11073058CA01A12"


async def bought(world: World, *lines: dict[str, Any]) -> str:
    customer = await world.customer()
    (await world.order(customer, *(lines or (line(A, 2),)))).ok()
    return customer


@pytest.mark.proves("sandbox.md 2")
async def test_a_clock_moves_one_world_only(new_world: Any) -> None:
    mine, other = await new_world(), await new_world()
    customer = await bought(other)
    before = (await other.get("/sandbox/clock")).ok(200).body
    seats = await other.seats(customer)
    (await mine.post("/sandbox/clock/advance", {"days": 400})).ok(200)
    assert (await other.get("/sandbox/clock")).ok(200).body == before
    assert await other.seats(customer) == seats


@pytest.mark.proves("sandbox.md 4")
async def test_what_is_held_is_settled_once(world: World) -> None:
    customer = await world.customer()
    await world.settlement("manual")
    placed = (await world.order(customer, line(A))).ok()
    settled = (await world.settle()).ok(200)
    assert settled.body == {
        "settled": [{"kind": "order", "id": placed["orderId"], "from": "1002", "to": "1000"}],
        "remaining": 0,
    }
    again = (await world.settle()).ok(200)
    assert again.body == {"settled": [], "remaining": 0}


@pytest.mark.proves("sandbox.md 8")
async def test_a_renewal_on_the_way_is_told_once(world: World) -> None:
    customer = await bought(world)
    done = (await world.post("/sandbox/clock/advance", {"to": "2026-07-07"})).ok(200)
    renewals = [one for one in done["events"] if one["kind"] == "renewal"]
    assert [(one["at"], one["customerId"], one["result"]) for one in renewals] == [
        ("2026-07-07T00:00:00Z", customer, "1000")
    ]
    (await world.read_order(customer, renewals[0]["orderId"])).ok(200)
    assert done["now"] == "2026-07-07T00:00:00Z"


@pytest.mark.proves("sandbox.md 9")
async def test_renewals_come_by_day_then_by_customer(world: World) -> None:
    first, second = await bought(world), await bought(world)
    third = await bought(world)
    edit = {"cotermDate": "2026-07-05"}
    (await world.patch(f"/sandbox/customers/{third}", edit)).ok(200)
    done = (await world.post("/sandbox/clock/advance", {"to": "2026-07-08"})).ok(200)
    renewals = [one for one in done["events"] if one["kind"] == "renewal"]
    assert [(one["at"][:10], one["customerId"]) for one in renewals] == [
        ("2026-07-05", third),
        *(("2026-07-07", one) for one in sorted((first, second))),
    ]


@pytest.mark.proves("sandbox.md 11")
async def test_a_clock_does_not_run_backwards(world: World) -> None:
    now = (await world.get("/sandbox/clock")).ok(200)["now"]
    for body in ({"now": "2024-01-01T00:00:00Z"}, {"now": "2025-07-07T17:59:59Z"}):
        assert (await world.put("/sandbox/clock", body)).status == 409
    assert (await world.post("/sandbox/clock/advance", {"to": "2024-01-01"})).status == 409
    assert (await world.get("/sandbox/clock")).ok(200)["now"] == now


@pytest.mark.proves("sandbox.md 14")
async def test_the_portals_eight_steps_in_two_calls(world: World) -> None:
    customer = await bought(world)
    await world.at("2026-02-10T12:00:00Z")
    (held,) = await world.seats(customer)
    path = f"/sandbox/customers/{customer}"
    off = {"autoRenewal": {"enabled": False}}
    (await world.patch(f"{path}/subscriptions/{held['subscriptionId']}", off)).ok(200)
    ran = (await world.post(f"{path}/renewal-run", {"force": True})).ok(200)
    assert (ran["ran"], ran["orderId"], ran["expired"]) == (True, None, [held["subscriptionId"]])
    (held,) = await world.seats(customer)
    assert (held["status"], held["allowedActions"]) == ("1004", ["MANUAL_RENEWAL"])


@pytest.mark.proves("sandbox.md 20")
async def test_the_invariants_are_told(world: World) -> None:
    await bought(world)
    (await world.post("/sandbox/clock/advance", {"days": 800})).ok(200)
    report = (await world.get("/sandbox/invariants")).ok(200)
    assert report.body == {"ok": True, "checked": 1, "violations": [], "parked": []}


async def test_the_walk_stops_where_it_is_told_to(world: World) -> None:
    await bought(world)
    done = (await world.post("/sandbox/clock/advance", {"days": 800, "stopOn": "renewal"})).ok(200)
    assert done["now"] == "2026-07-07T00:00:00Z"
    assert done["counts"]["renewal"] == 1


async def test_shorter_late_windows_move_what_is_due(world: World) -> None:
    customer = await bought(world)
    (held,) = await world.seats(customer)
    path = f"/sandbox/customers/{customer}/subscriptions/{held['subscriptionId']}/expire"
    (await world.post(path, {})).ok(200)
    await world.set(flags={"late_renewal_days": 3})
    due = (await world.get("/sandbox/clock")).ok(200)["nextDue"]
    assert due["at"] == "2025-07-11T00:00:00Z"
    assert due["kind"] == "late_renewal_window_closed"
