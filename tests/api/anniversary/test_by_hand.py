"""The anniversary by hand: runs by force and expiries, more than one of a day (sandbox.md 3)."""

from typing import Any

import pytest

from seatledger.store import agenda
from tests.api.anniversary.test_late import renew
from tests.api.anniversary.test_run import A, B, bought, renewals_of, seats_of, set_renewal
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

MANUAL = ["MANUAL_RENEWAL"]
C = "65304600CA"


async def run_now(world: World, customer: str) -> Reply:
    return await world.post(f"/sandbox/customers/{customer}/renewal-run", {"force": True})


async def expire(world: World, customer: str, product: str) -> Reply:
    held = (await seats_of(world, customer))[product]
    path = f"/sandbox/customers/{customer}/subscriptions/{held['subscriptionId']}/expire"
    return await world.post(path, {})


async def state_of(world: World, customer: str) -> tuple[Any, ...]:
    """Everything a run could change."""
    shown = await world.read_customer(customer)
    return shown["cotermDate"], await world.seats(customer), await renewals_of(world, customer)


async def test_a_day_has_one_run_however_often_it_is_forced(world: World) -> None:
    customer = await bought(world, line(A + "01A12", 4))
    await world.at("2025-12-01T10:00:00Z")
    assert (await run_now(world, customer)).ok(200)["ran"] is True
    before = await state_of(world, customer)
    again = await run_now(world, customer)
    assert again.ok(200).body == {"ran": False, "due": "2026-12-01"}
    assert await state_of(world, customer) == before
    await world.at("2025-12-02T10:00:00Z")
    assert (await run_now(world, customer)).ok(200)["ran"] is True
    assert (await world.read_customer(customer))["cotermDate"] == "2026-12-02"


async def test_one_after_the_other_expires_on_a_day(world: World) -> None:
    customer = await bought(
        world, line(A + "01A12", 4, 1), line(B + "01A12", 3, 2), line(C + "01A12", 2, 3)
    )
    await world.at("2025-12-01T10:00:00Z")
    for product in (A, B):
        ended = (await expire(world, customer, product)).ok(200)
        assert (ended["status"], ended["allowedActions"]) == ("1004", MANUAL)
        assert ended["renewalDate"] == "2025-12-01"
    held = await seats_of(world, customer)
    assert [held[one]["status"] for one in (A, B, C)] == ["1004", "1004", "1000"]
    assert held[C]["renewalDate"] == "2026-12-01"
    assert len(await renewals_of(world, customer)) == 1
    (await renew(world, customer, B, 3)).ok()
    assert (await seats_of(world, customer))[B]["renewalDate"] == "2026-12-01"
    events = (await world.get("/sandbox/events")).ok(200)["items"]
    assert sum(one["kind"] == "subscription_expired" for one in events) == 2


async def test_what_expired_twice_on_a_day_is_renewed_once(world: World) -> None:
    customer = await bought(world, line(A + "01A12", 4, 1), line(B + "01A12", 3, 2))
    await world.at("2025-12-01T10:00:00Z")
    (await expire(world, customer, A)).ok(200)
    (await world.order(customer, line(A + "01A12", 2))).ok()
    (await expire(world, customer, A)).ok(200)
    twins = [one for one in await world.seats(customer) if one["offerId"][:10] == A]
    assert [one["allowedActions"] for one in twins] == [MANUAL, MANUAL]
    lines = [
        line(A + "01A12", 1, number, subscriptionId=one["subscriptionId"])
        for number, one in enumerate(twins, start=1)
    ]
    both = await world.order(customer, *lines, orderType="RENEWAL")
    both.refused(400, "3122", "Line Item: 2")
    (await world.order(customer, lines[0], orderType="RENEWAL")).ok()
    (await world.order(customer, lines[1], orderType="RENEWAL")).refused(
        400, "3122", "Line Item: 2"
    )


async def test_accepted_orders_come_first_and_nothing_moves(world: World) -> None:
    customer = await bought(world, line(A + "01A12", 4))
    await world.settlement("manual")
    (await world.order(customer, line(B + "01A12", 1))).ok()
    before = await state_of(world, customer)
    for refused in (await run_now(world, customer), await expire(world, customer, A)):
        assert (refused.status, refused["message"]) == (
            409,
            "accepted orders of the customer settle first",
        )
    assert await state_of(world, customer) == before


async def test_a_run_that_fails_moves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await bought(world, line(A + "01A12", 4))
    before = await state_of(world, customer)

    async def strike(*_: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(agenda, "save", strike)
    for refused in (await run_now(world, customer), await expire(world, customer, A)):
        assert (refused.status, refused["message"]) == (409, "the run failed; the log says why")
    assert await state_of(world, customer) == before


async def test_no_edit_goes_back_to_an_anniversary_that_has_run(world: World) -> None:
    customer = await bought(world, line(A + "01A12", 4))
    await world.at("2026-07-07T00:00:00Z")
    before = await state_of(world, customer)
    edit = {"cotermDate": "2026-07-07"}
    assert (await world.patch(f"/sandbox/customers/{customer}", edit)).status == 409
    assert await state_of(world, customer) == before
    (await set_renewal(world, customer, A, renewalQuantity=2)).ok(200)


async def test_an_edit_shows_what_may_be_done_as_any_reading_does(world: World) -> None:
    customer = await bought(world, line(A + "01A12", 4))
    (await expire(world, customer, A)).ok(200)
    (held,) = await world.seats(customer)
    path = f"/sandbox/customers/{customer}/subscriptions/{held['subscriptionId']}"
    shown = (await world.patch(path, {"usedQuantity": 1})).ok(200)
    assert shown["allowedActions"] == MANUAL
    assert await world.seats(customer) == [shown.body]
