"""Late renewals by hand, and what the anniversary leaves to them (subscriptions.md 9.2)."""

from dataclasses import replace
from typing import Any

import pytest

from seatledger.store import agenda
from tests.api.anniversary.test_run import (
    ANNIVERSARY,
    A,
    B,
    bought,
    renewals_of,
    seats_of,
    set_renewal,
)
from tests.harness import Reply, World, line
from tests.system.server import folder, serving

pytestmark = pytest.mark.anyio


async def lapsed(world: World, *lines: dict[str, Any]) -> str:
    """A customer all of whose subscriptions expired on 2026-07-07."""
    customer = await bought(world, *lines)
    for one in lines:
        (await set_renewal(world, customer, one["offerId"][:10], enabled=False)).ok(200)
    await world.at(ANNIVERSARY)
    return customer


async def renew(world: World, customer: str, product: str, quantity: int, **more: Any) -> Reply:
    """A RENEWAL of one subscription at level 01."""
    held = (await seats_of(world, customer))[product]
    wanted = line(product + "01A12", quantity, subscriptionId=held["subscriptionId"])
    return await world.order(customer, wanted, orderType="RENEWAL", **more)


@pytest.mark.proves("subscriptions.md 37", "3121", "S-158", "S-159")
async def test_a_part_of_the_seats_is_renewed_late(world: World) -> None:
    customer = await lapsed(world, line(A + "02A12", 10))
    await world.at("2026-07-20T12:00:00Z")
    placed = (await renew(world, customer, A, 5, externalReferenceId="late-1")).ok()
    assert (placed["orderType"], placed["status"]) == ("RENEWAL", "1002")
    held = (await seats_of(world, customer))[A]
    assert (held["status"], held["currentQuantity"]) == ("1000", 5)
    assert held["renewalDate"] == "2027-07-07"
    assert held["autoRenewal"] == {"enabled": True, "renewalQuantity": 5}
    assert "allowedActions" not in held
    assert (await world.read_customer(customer))["cotermDate"] == "2027-07-07"
    (await renew(world, customer, A, 1)).refused(400, "3121", "Line Item: 1")
    (renewal,) = await renewals_of(world, customer)
    assert (renewal["source"], renewal["externalReferenceId"]) == ("API", "late-1")


@pytest.mark.proves("subscriptions.md 38", "3122")
async def test_the_late_window_closes(world: World) -> None:
    customer = await lapsed(world, line(A + "01A12", 4, 1), line(B + "01A12", 4, 2))
    await world.at("2026-08-06T23:59:59Z")
    (await renew(world, customer, A, 4)).ok()
    await world.at("2026-08-07T00:00:00Z")
    (await renew(world, customer, B, 4)).refused(400, "3122", "Line Item: 1")
    assert "allowedActions" not in (await seats_of(world, customer))[B]


@pytest.mark.proves("subscriptions.md 38", "3122")
async def test_a_setting_closes_it_earlier(world: World) -> None:
    await world.set(flags={"late_renewal_days": 14})
    customer = await lapsed(world, line(A + "01A12", 4))
    await world.at("2026-07-21T12:00:00Z")
    assert (await seats_of(world, customer))[A]["allowedActions"] == ["MANUAL_RENEWAL"]
    await world.at("2026-07-22T00:00:00Z")
    (await renew(world, customer, A, 4)).refused(400, "3122", "Line Item: 1")


@pytest.mark.proves("subscriptions.md 49", "3121")
async def test_nothing_is_renewed_before_its_anniversary(world: World) -> None:
    customer = await bought(world, line(A + "01A12", 4))
    await world.at("2026-07-06T23:59:59Z")
    (await renew(world, customer, A, 4)).refused(400, "3121", "Line Item: 1")


@pytest.mark.proves("3118", "S-160")
async def test_no_more_is_renewed_than_was_held(world: World) -> None:
    customer = await lapsed(world, line(A + "01A12", 4))
    (await renew(world, customer, A, 5)).refused(400, "3118", "Line Item: 1")


async def test_several_late_renewals_share_the_term_and_its_level(world: World) -> None:
    customer = await lapsed(world, line(A + "02A12", 8, 1), line(B + "02A12", 8, 2))
    (await renew(world, customer, A, 6)).ok()
    assert (await world.read_customer(customer))["discounts"][0]["level"] == "01"
    (await renew(world, customer, B, 6)).ok()
    shown = await world.read_customer(customer)
    assert shown["discounts"][0]["level"] == "02"  # twelve renewed so far
    assert shown["cotermDate"] == "2027-07-07"


async def test_a_late_renewal_is_returned_like_a_sale(world: World) -> None:
    customer = await lapsed(world, line(A + "01A12", 4))
    placed = (await renew(world, customer, A, 4)).ok()
    (await world.give_back(customer, placed.body)).ok()
    held = (await seats_of(world, customer))[A]
    assert (held["status"], held["currentQuantity"]) == ("1004", 0)
    assert "allowedActions" not in held


@pytest.mark.proves("subscriptions.md 42")
async def test_an_extended_term_ends_on_its_own_day(world: World) -> None:
    customer = await world.customer(top={"cotermDate": "2027-12-31"})
    (await world.order(customer, line(A + "01A12", 4))).ok()
    await world.at("2027-12-31T00:00:00Z")
    held = (await seats_of(world, customer))[A]
    assert (held["status"], held["renewalDate"]) == ("1000", "2028-12-31")
    assert len(await renewals_of(world, customer)) == 1
    # In the Pacific it is the day before: a term extended like the first would bill 367 days.
    (sold,) = (await world.preview(customer, line(B + "01A12", 1))).ok()["lineItems"]
    assert sold["proratedDays"] == 366


@pytest.mark.proves("subscriptions.md 32")
async def test_a_run_killed_before_it_settles_is_settled_once_by_the_next_process(
    world: World, database_url: str
) -> None:
    customer = await bought(world, line(A + "02A12", 10, 1), line(B + "02A12", 5, 2))
    (await set_renewal(world, customer, B, renewalQuantity=7)).ok(200)
    await world.settlement("delay", delaySeconds=3_600)
    database = ("--database-url", database_url)
    with folder() as place, serving(place, *database, data_dir=False) as server:
        async with server.client() as client:
            await replace(world, client=client).at(ANNIVERSARY)
        server.kill()
    (made,) = await renewals_of(world, customer)
    assert made["status"] == "1002"
    (await set_renewal(world, customer, A, renewalQuantity=4)).refused(400, "3119")
    await world.at("2026-07-07T01:00:00Z")
    (renewal,) = await renewals_of(world, customer)
    assert (renewal["orderId"], renewal["status"]) == (made["orderId"], "1000")
    held = await world.seats(customer)
    assert [one["currentQuantity"] for one in held] == [10, 7]
    assert {one["renewalDate"] for one in held} == {"2027-07-07"}


async def test_a_run_that_breaks_off_before_its_order_is_made_is_done_once_afterwards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await bought(world, line(A + "02A12", 10, 1), line(B + "02A12", 5, 2))
    save = agenda.save
    struck = 0

    async def strike(connection: Any, changes: Any) -> None:
        nonlocal struck
        await save(connection, changes)
        struck += 1
        if struck == 1:
            raise RuntimeError("killed before the commit")

    monkeypatch.setattr(agenda, "save", strike)
    await world.at(ANNIVERSARY)
    assert await renewals_of(world, customer) == []
    assert {one["currentQuantity"] for one in await world.seats(customer)} == {10, 5}
    (await world.post("/sandbox/clock/advance", {"seconds": 1})).ok(200)
    (renewal,) = await renewals_of(world, customer)
    assert renewal["status"] == "1000"
    assert [one["quantity"] for one in renewal["lineItems"]] == [10, 5]
    assert {one["renewalDate"] for one in await world.seats(customer)} == {"2027-07-07"}


@pytest.mark.proves("orders.md 58", "2134")
async def test_the_run_takes_the_place_of_sales_before_it(world: World) -> None:
    customer = await bought(world, line(A + "01A12", 2))
    await world.at("2026-07-02T12:00:00Z")
    sold = (await world.order(customer, line(A + "01A12", 3))).ok()
    await world.at("2026-07-08T12:00:00Z")
    assert (await world.give_back(customer, sold.body)).code == "2134"
    (renewal,) = await renewals_of(world, customer)
    (await world.give_back(customer, renewal)).ok()
    assert (await seats_of(world, customer))[A]["status"] == "1004"


@pytest.mark.proves("2138")
async def test_nothing_is_renewed_where_a_deployment_is_closed(world: World) -> None:
    customer = await world.customer(top={"globalSalesEnabled": True})
    branch = await world.deployment(customer)
    place: dict[str, Any] = {"deploymentId": branch, "currencyCode": "EUR"}
    (await world.order(customer, line(A + "01A12", 2, **place), currencyCode="")).ok()
    (await set_renewal(world, customer, A, enabled=False)).ok(200)
    await world.at(ANNIVERSARY)
    path = f"/v3/customers/{customer}/deployments/{branch}"
    (await world.patch(path, {"status": "1004"})).ok(200)
    refused = await renew(world, customer, A, 2, currencyCode="EUR")
    refused.refused(404, "2138", "Line Item: 1")
    (await world.patch(path, {"status": "1000"})).ok(200)
    (await renew(world, customer, A, 2, currencyCode="EUR")).ok()
