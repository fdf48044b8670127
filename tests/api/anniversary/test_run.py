"""The anniversary run over HTTP: what renews, what expires, and what follows from it."""

from typing import Any

import pytest

from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A, B, C, D = "65304479CA", "11073058CA", "65304600CA", "69804578CA"
ANNIVERSARY = "2026-07-07T00:00:00Z"


async def bought(world: World, *lines: dict[str, Any]) -> str:
    """A customer whose first order completed on 2025-07-07."""
    customer = await world.customer()
    (await world.order(customer, *lines)).ok()
    return customer


async def seats_of(world: World, customer: str) -> dict[str, dict[str, Any]]:
    """Its subscriptions by product; a later one of a product hides the earlier."""
    return {one["offerId"][:10]: one for one in await world.seats(customer)}


async def set_renewal(world: World, customer: str, product: str, **settings: Any) -> Reply:
    held = (await seats_of(world, customer))[product]
    path = f"/v3/customers/{customer}/subscriptions/{held['subscriptionId']}"
    return await world.patch(path, {"autoRenewal": {"enabled": True, **settings}})


async def schedule(world: World, customer: str, product: str, quantity: int) -> Reply:
    """POST of a subscription that starts at the anniversary."""
    settings = {"enabled": True, "renewalQuantity": quantity}
    body = {"offerId": product + "01A12", "autoRenewal": settings}
    return await world.post(f"/v3/customers/{customer}/subscriptions", body)


async def renewals_of(world: World, customer: str) -> list[dict[str, Any]]:
    reply = await world.get(
        f"/v3/customers/{customer}/orders?order-type=RENEWAL&start-date=2024-01-01"
    )
    return list(reply.ok(200)["items"])


@pytest.mark.proves("subscriptions.md 28", "S-167", "S-168", "S-169")
async def test_what_is_set_to_renew_renews_and_the_rest_expires(world: World) -> None:
    customer = await bought(
        world, line(A + "02A12", 10, 1), line(B + "02A12", 5, 2), line(C + "02A12", 4, 3)
    )
    (await set_renewal(world, customer, B, renewalQuantity=7)).ok(200)
    (await set_renewal(world, customer, C, enabled=False)).ok(200)
    await world.at("2026-06-20T12:00:00Z")
    (await schedule(world, customer, D, 20)).ok(200)
    await world.at(ANNIVERSARY)
    (renewal,) = await renewals_of(world, customer)
    assert renewal["source"] == "System"
    assert renewal["status"] == "1000"
    assert renewal["externalReferenceId"] == renewal["referenceOrderId"] == ""
    assert renewal["creationDate"] == ANNIVERSARY
    assert [
        (one["extLineItemNumber"], one["offerId"], one["quantity"]) for one in renewal["lineItems"]
    ] == [(1, A + "02A12", 10), (2, B + "02A12", 7), (3, D + "02A12", 20)]
    held = await seats_of(world, customer)
    assert [(held[one]["status"], held[one]["currentQuantity"]) for one in (A, B, C, D)] == [
        ("1000", 10),
        ("1000", 7),
        ("1004", 4),
        ("1000", 20),
    ]
    assert held[C]["allowedActions"] == ["MANUAL_RENEWAL"]
    assert held[C]["renewalDate"] == "2026-07-07"
    assert {held[one]["renewalDate"] for one in (A, B, D)} == {"2027-07-07"}
    shown = await world.read_customer(customer)
    assert shown["cotermDate"] == "2027-07-07"
    assert shown["discounts"][0] == {"offerType": "LICENSE", "level": "02"}


@pytest.mark.proves("subscriptions.md 29")
async def test_an_explicit_quantity_takes_seats_and_level_down(world: World) -> None:
    customer = await bought(world, line(A + "03A12", 60))
    (await set_renewal(world, customer, A, renewalQuantity=8)).ok(200)
    await world.at(ANNIVERSARY)
    (renewal,) = await renewals_of(world, customer)
    assert [(one["offerId"], one["quantity"]) for one in renewal["lineItems"]] == [(A + "01A12", 8)]
    held = (await seats_of(world, customer))[A]
    assert (held["currentQuantity"], held["autoRenewal"]["renewalQuantity"]) == (8, 8)
    (await world.order(customer, line(A + "01A12", 3))).ok()
    held = (await seats_of(world, customer))[A]
    assert (held["currentQuantity"], held["autoRenewal"]["renewalQuantity"]) == (11, 8)
    assert (await world.read_customer(customer))["discounts"][0]["level"] == "01"


@pytest.mark.proves("subscriptions.md 30")
async def test_with_everything_switched_off_nothing_is_ordered(world: World) -> None:
    customer = await bought(world, line(A + "02A12", 10, 1), line(B + "02A12", 5, 2))
    for product in (A, B):
        (await set_renewal(world, customer, product, enabled=False)).ok(200)
    await world.at(ANNIVERSARY)
    assert await renewals_of(world, customer) == []
    held = await world.seats(customer)
    assert [(one["status"], one["allowedActions"]) for one in held] == [
        ("1004", ["MANUAL_RENEWAL"]),
        ("1004", ["MANUAL_RENEWAL"]),
    ]
    shown = await world.read_customer(customer)
    assert shown["cotermDate"] == "2026-07-07"
    assert shown["discounts"][0]["level"] == "01"


@pytest.mark.proves("subscriptions.md 31", "3119", "5122")
async def test_settings_and_purchases_wait_for_a_held_renewal(world: World) -> None:
    customer = await bought(world, line(A + "02A12", 10))
    await world.settlement("manual")
    await world.at("2026-07-07T09:00:00Z")
    (renewal,) = await renewals_of(world, customer)
    assert renewal["status"] == "1002"
    refused = await set_renewal(world, customer, A, renewalQuantity=4)
    refused.refused(400, "3119")
    closed = await world.order(customer, line(B + "01A12", 1))
    closed.refused(400, "5122", "Order placement not allowed before anniversary")
    (await world.settle()).ok(200)
    (await set_renewal(world, customer, A, renewalQuantity=4)).ok(200)
    (renewal,) = await renewals_of(world, customer)
    assert renewal["status"] == "1000"


@pytest.mark.proves("subscriptions.md 33")
async def test_a_second_run_of_an_anniversary_changes_nothing(world: World) -> None:
    customer = await bought(world, line(A + "02A12", 10))
    path = f"/sandbox/customers/{customer}/renewal-run"
    early = await world.post(path, {})
    assert early.ok(200).body == {"ran": False, "due": "2026-07-07"}
    await world.settlement("manual")
    await world.at(ANNIVERSARY)
    (await world.settle()).ok(200)
    before = await world.seats(customer)
    again = await world.post(path, {})
    assert again.ok(200).body == {"ran": False, "due": "2027-07-07"}
    assert await world.seats(customer) == before
    assert len(await renewals_of(world, customer)) == 1


async def test_a_run_by_force_takes_place_today(world: World) -> None:
    customer = await bought(world, line(A + "02A12", 10, 1), line(B + "02A12", 5, 2))
    (await set_renewal(world, customer, B, enabled=False)).ok(200)
    await world.at("2026-02-10T15:00:00Z")
    held = await seats_of(world, customer)
    ran = (await world.post(f"/sandbox/customers/{customer}/renewal-run", {"force": True})).ok(200)
    assert ran["ran"] is True
    assert ran["renewed"] == [held[A]["subscriptionId"]]
    assert ran["expired"] == [held[B]["subscriptionId"]]
    assert ran["failed"] is None
    (renewal,) = await renewals_of(world, customer)
    assert renewal["orderId"] == ran["orderId"]
    assert (await world.read_customer(customer))["cotermDate"] == "2027-02-10"


async def test_a_subscription_can_be_let_expire(world: World) -> None:
    customer = await bought(world, line(A + "02A12", 10, 1), line(B + "02A12", 5, 2))
    held = await seats_of(world, customer)
    path = f"/sandbox/customers/{customer}/subscriptions/{held[B]['subscriptionId']}/expire"
    shown = (await world.post(path, {})).ok(200)
    assert (shown["status"], shown["allowedActions"]) == ("1004", ["MANUAL_RENEWAL"])
    assert (await world.post(path, {})).status == 409


@pytest.mark.proves("subscriptions.md 34")
async def test_an_inactive_reseller_fails_the_run(world: World) -> None:
    reseller = await world.reseller()
    customer = await world.customer(reseller)
    (await world.order(customer, line(A + "02A12", 10))).ok()
    await world.at("2026-06-20T12:00:00Z")
    (await schedule(world, customer, B, 20)).ok(200)
    (await world.patch(f"/sandbox/resellers/{reseller}", {"status": "1004"})).ok(200)
    await world.at(ANNIVERSARY)
    (renewal,) = await renewals_of(world, customer)
    assert renewal["status"] == "1022"
    held, scheduled = await world.seats(customer)
    assert (held["status"], held["currentQuantity"]) == ("1004", 10)
    assert held["allowedActions"] == ["MANUAL_RENEWAL"]
    assert (scheduled["status"], scheduled["currentQuantity"]) == ("1004", 0)
    assert "allowedActions" not in scheduled
    assert (await world.read_customer(customer))["cotermDate"] == "2026-07-07"
    (await world.patch(f"/sandbox/resellers/{reseller}", {"status": "1000"})).ok(200)
    late = await world.order(
        customer,
        line(A + "02A12", 10, subscriptionId=held["subscriptionId"]),
        orderType="RENEWAL",
    )
    late.ok()
    held = (await seats_of(world, customer))[A]
    assert (held["status"], held["currentQuantity"]) == ("1000", 10)


@pytest.mark.proves("subscriptions.md 36")
async def test_settings_of_the_last_day_count(world: World) -> None:
    customer = await bought(world, line(A + "02A12", 10))
    await world.at("2026-07-06T23:00:00Z")
    (await set_renewal(world, customer, A, renewalQuantity=3)).ok(200)
    await world.at(ANNIVERSARY)
    (held,) = await world.seats(customer)
    assert held["currentQuantity"] == 3


@pytest.mark.proves("subscriptions.md 27")
async def test_a_scheduled_subscription_switched_off_never_starts(world: World) -> None:
    customer = await bought(world, line(A + "02A12", 10))
    await world.at("2026-06-20T12:00:00Z")
    (await schedule(world, customer, B, 20)).ok(200)
    (await set_renewal(world, customer, B, enabled=False)).ok(200)
    await world.at(ANNIVERSARY)
    held = (await seats_of(world, customer))[B]
    assert held["status"] == "1004"
    assert "allowedActions" not in held
    (renewal,) = await renewals_of(world, customer)
    assert [one["offerId"][:10] for one in renewal["lineItems"]] == [A]


@pytest.mark.proves("subscriptions.md 17")
async def test_an_invented_code_renews_at_full_price(world: World) -> None:
    customer = await bought(world, line(A + "02A12", 10))
    (await set_renewal(world, customer, A, flexDiscountCodes=["NOPE"])).ok(200)
    await world.at(ANNIVERSARY)
    (renewal,) = await renewals_of(world, customer)
    order = await world.read_order(customer, renewal["orderId"], **{"fetch-price": "true"})
    (sold,) = order.ok(200)["lineItems"]
    assert sold["flexDiscounts"][0]["result"] == "FAILURE"
    pricing = sold["pricing"]
    assert pricing["partnerPrice"] == pricing["discountedPartnerPrice"]


@pytest.mark.proves("subscriptions.md 41")
async def test_the_anniversary_of_a_leap_day(new_world: Any) -> None:
    world = await new_world(clock={"now": "2024-02-29T12:00:00Z"})
    customer = await bought(world, line(A + "01A12", 1))
    (held,) = await world.seats(customer)
    assert held["renewalDate"] == "2025-02-28"
    await world.at("2025-02-28T00:00:00Z")
    (held,) = await world.seats(customer)
    assert held["renewalDate"] == "2026-02-28"


@pytest.mark.proves("subscriptions.md 8")
async def test_credit_packs_end_on_days_of_their_own(world: World) -> None:
    customer = await bought(world, line(A + "01A12", 1))
    await world.at("2025-08-01T12:00:00Z")
    (await world.order(customer, line("65327733CA01A12", 1))).ok()
    await world.at("2026-07-31T23:59:59Z")
    pack = (await seats_of(world, customer))["65327733CA"]
    assert (pack["status"], pack["renewalDate"]) == ("1000", "2026-08-01")
    done = (await world.post("/sandbox/clock/advance", {"seconds": 1})).ok(200)
    assert [one["kind"] for one in done["events"]] == ["credit_pack_expired"]
    pack = (await seats_of(world, customer))["65327733CA"]
    assert pack["status"] == "1004"
    assert "allowedActions" not in pack


async def test_the_clock_tells_what_is_due_and_what_happened(world: World) -> None:
    customer = await bought(world, line(A + "02A12", 10, 1), line(B + "02A12", 5, 2))
    (await set_renewal(world, customer, B, enabled=False)).ok(200)
    clock = (await world.get("/sandbox/clock")).ok(200)
    assert clock["nextDue"] == {"at": ANNIVERSARY, "kind": "renewal", "customerId": customer}
    listed = (await world.post("/sandbox/clock/advance", {"days": 400, "dryRun": True})).ok(200)
    renewals = [one for one in listed["events"] if one["kind"] == "renewal"]
    assert [(one["at"], one["customerId"]) for one in renewals] == [(ANNIVERSARY, customer)]
    done = (await world.post("/sandbox/clock/advance", {"toNext": "renewal"})).ok(200)
    assert done["counts"] == {
        "reconciliation_month_end": 12,
        "renewal": 1,
        "subscription_expired": 1,
    }
    assert done["now"] == ANNIVERSARY
    done = (await world.post("/sandbox/clock/advance", {"days": 60})).ok(200)
    assert [(one["kind"], one["at"]) for one in done["events"]] == [
        ("reconciliation_month_end", "2026-08-01T06:00:00Z"),
        ("late_renewal_window_closed", "2026-08-07T00:00:00Z"),
        ("reconciliation_month_end", "2026-09-01T06:00:00Z"),
    ]
    kinds = [one["kind"] for one in (await world.get("/sandbox/events")).ok(200)["items"]]
    told = [one for one in kinds if one != "reconciliation_month_end"]
    assert told[-3:] == ["renewal", "subscription_expired", "late_renewal_window_closed"]


async def test_years_go_by_in_one_leap(world: World) -> None:
    customer = await bought(world, line(A + "01A12", 5))
    done = (await world.post("/sandbox/clock/advance", {"to": "2030-01-01"})).ok(200)
    assert done["counts"] == {"reconciliation_month_end": 53, "renewal": 4}
    assert [one["creationDate"] for one in reversed(await renewals_of(world, customer))] == [
        f"{year}-07-07T00:00:00Z" for year in range(2026, 2030)
    ]
