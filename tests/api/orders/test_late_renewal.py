"""RENEWAL over HTTP: its form, what it meets in flight, and what comes of it (orders.md 6.3)."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A, B, FOLIO = "11073058CA01A12", "69804578CA01A12", "65304479CA01A12"
SUITE, CLASSIC, STARTER = "80004567EA01A12", "65322447CA01A12", "65322450CAT1A12"
SCRIPT_EU = "65305345CA01A12"
LATE = "2026-07-20T12:00:00Z"


async def lapsed(world: World, *lines: dict[str, Any], until: str = LATE, **customer: Any) -> str:
    """A customer all of whose subscriptions expired on 2026-07-07."""
    made = await world.customer(**customer)
    (await world.order(made, *lines)).ok()
    for one in await world.seats(made):
        off = {"autoRenewal": {"enabled": False}}
        (await world.patch(one["links"]["self"]["uri"], off)).ok(200)
    await world.at(until)
    return made


async def seats_of(world: World, customer: str) -> dict[str, Any]:
    """The subscriptions of a customer by their offer; a later one hides an earlier."""
    return {one["offerId"]: one for one in await world.seats(customer)}


async def wanted(world: World, customer: str, offer_id: str, *line_of: int, **more: Any) -> Any:
    """A line that renews a subscription: quantity and line number."""
    seats = (await seats_of(world, customer))[offer_id]
    return line(offer_id, *line_of, subscriptionId=seats["subscriptionId"], **more)


async def renew(world: World, customer: str, *lines: Any, **more: Any) -> Reply:
    """RENEWAL without an order currency; not asserted."""
    body = {"orderType": "RENEWAL", "lineItems": list(lines), **more}
    return await world.post(f"/v3/customers/{customer}/orders", body)


@pytest.mark.proves(
    "orders.md 70", "S-062", "S-158", "S-160", "S-161", "S-162", "S-164", "3118", "3115"
)
async def test_an_expired_subscription_is_renewed(world: World) -> None:
    customer = await lapsed(world, line(A, 5))
    asked = await wanted(world, customer, A, 5)
    more = {**asked, "quantity": 6}
    (await renew(world, customer, more)).refused(400, "3118", "Line Item: 1")
    other = await lapsed(world, line(A, 5))
    foreign = await wanted(world, other, A, 5)
    (await renew(world, customer, foreign)).refused(400, "3115", "Line Item: 1")
    placed = (await renew(world, customer, asked, externalReferenceId="759")).ok()
    order_id = placed["orderId"]
    assert placed.body == {
        "referenceOrderId": "",
        "orderType": "RENEWAL",
        "externalReferenceId": "759",
        "customerId": customer,
        "orderId": order_id,
        "currencyCode": "USD",
        "creationDate": LATE,
        "status": "1002",
        "source": "API",
        "lineItems": [
            {
                "extLineItemNumber": 1,
                "offerId": A,
                "quantity": 5,
                "status": "1002",
                "currencyCode": "USD",
                "subscriptionId": asked["subscriptionId"],
            }
        ],
        "links": {
            "self": {
                "uri": f"/v3/customers/{customer}/orders/{order_id}",
                "method": "GET",
                "headers": [],
            }
        },
    }
    read = await world.read_order(customer, order_id, **{"fetch-price": "true"})
    assert (read["status"], read["source"]) == ("1000", "API")
    (done,) = read["lineItems"]
    assert (done["status"], done["subscriptionId"]) == ("1000", asked["subscriptionId"])
    assert (done["proratedDays"], done["pricing"]["lineItemPrice"]) == (365, Decimal("1945.00"))
    assert (await world.read_customer(customer))["cotermDate"] == "2027-07-07"


@pytest.mark.proves("orders.md 70", "3121", "3122")
async def test_before_and_after_the_window(world: World) -> None:
    customer = await lapsed(world, line(A, 5), until="2026-07-06T23:59:59Z")
    asked = await wanted(world, customer, A, 5)
    early = await renew(world, customer, asked)
    early.refused(400, "3121", "Line Item: 1")
    assert early["message"] == "Subscription is Active. Subscription Not allowed for Renewal."
    await world.at("2026-08-07T00:00:00Z")
    (await renew(world, customer, asked)).refused(400, "3122", "Line Item: 1")


@pytest.mark.proves("S-004", "S-159", "S-007", "1121", "1122", "1117", "2126")
async def test_faults_of_the_form(world: World) -> None:
    customer = await lapsed(world, line(A, 5))
    asked = await wanted(world, customer, A, 5)
    without = {key: one for key, one in asked.items() if key != "subscriptionId"}
    cases: list[tuple[dict[str, Any], tuple[str, ...]]] = [
        ({"lineItems": [without]}, ("1122", "lineItems[0].subscriptionId")),
        (
            {"lineItems": [{**asked, "subscriptionId": " "}]},
            ("1122", "lineItems[0].subscriptionId"),
        ),
        ({"lineItems": [{**asked, "quantity": None}]}, ("1122", "lineItems[0].quantity")),
        ({"lineItems": []}, ("1122", "lineItems")),
        ({}, ("1122", "lineItems")),
        ({"lineItems": [{**asked, "foo": 1}]}, ("1121", "lineItems[0].foo")),
        ({"lineItems": [asked], "referenceOrderId": "1"}, ("1121", "referenceOrderId")),
        (
            {"lineItems": [{**asked, "subscriptionId": "S" * 41}]},
            ("1117", "lineItems[0].subscriptionId"),
        ),
        ({"lineItems": [{**asked, "quantity": True}]}, ("1117", "lineItems[0].quantity")),
        ({"lineItems": [asked], "externalReferenceId": "9" * 36}, ("2126",)),
    ]
    path = f"/v3/customers/{customer}/orders"
    for body, expected in cases:
        (await world.post(path, {"orderType": "RENEWAL", **body})).refused(400, *expected)
    (await renew(world, customer, asked, referenceOrderId="", currencyCode="USD")).ok()


@pytest.mark.proves("3122", "3123", "2122", "2137", "2138", "2129")
async def test_refusals_of_lines(world: World) -> None:
    customer = await lapsed(world, line(A, 5, 1), line(CLASSIC, 2, 2), line(STARTER, 1, 3))
    asked = await wanted(world, customer, A, 5)
    (await renew(world, customer, await wanted(world, customer, STARTER, 1))).refused(
        400, "3122", "Line Item: 1, Reason: NOT_RENEWABLE"
    )
    (await renew(world, customer, await wanted(world, customer, CLASSIC, 2, 7))).refused(
        400, "3123", "Line Item: 7"
    )
    changes: list[tuple[dict[str, Any], int, str, str]] = [
        ({"offerId": B}, 400, "2122", "Line Item: 1, Reason: OFFER_DOES_NOT_MATCH_SUBSCRIPTION"),
        ({"currencyCode": "EUR"}, 400, "2137", "Line Item: 1"),
        ({"deploymentId": "9"}, 404, "2138", "Line Item: 1"),
        (
            {"offerId": "11073058CA02A12"},
            400,
            "2129",
            "Line Item: 1, Reason: INELIGIBLE_DISCOUNT_LEVEL",
        ),
    ]
    for change, status, code, detail in changes:
        (await renew(world, customer, {**asked, **change})).refused(status, code, detail)
    assert {one["status"] for one in await world.seats(customer)} == {"1004"}


@pytest.mark.proves("orders.md 70", "4122")
async def test_one_renewal_of_a_subscription_at_a_time(world: World) -> None:
    customer = await lapsed(world, line(A, 5, 1), line(B, 5, 2))
    await world.settlement("manual")
    asked = await wanted(world, customer, A, 3)
    placed = (await renew(world, customer, asked)).ok()
    (await renew(world, customer, asked)).refused(400, "4122", "Line Item: 1")
    body = {"orderType": "PREVIEW_RENEWAL", "lineItems": [asked]}
    path = f"/v3/customers/{customer}/orders"
    (await world.post(path, body)).refused(400, "4122", "Line Item: 1")
    other = await wanted(world, customer, B, 5, 2)
    both = await renew(world, customer, other, asked)
    both.refused(400, "4122", "Line Item: 1")
    (await renew(world, customer, other)).ok()
    await world.settle()
    assert (await world.read_order(customer, placed["orderId"]))["status"] == "1000"
    (await renew(world, customer, asked)).refused(400, "3121", "Line Item: 1")
    assert (await world.read_customer(customer))["cotermDate"] == "2027-07-07"


@pytest.mark.proves("4122")
async def test_of_renewals_at_once_one_is_accepted(world: World) -> None:
    customer = await lapsed(world, line(A, 5))
    await world.settlement("manual")
    asked = await wanted(world, customer, A, 5)
    answers = await asyncio.gather(*(renew(world, customer, asked) for _ in range(6)))
    assert sorted(one.status for one in answers) == [201] + [400] * 5
    assert {one.code for one in answers if one.status == 400} == {"4122"}
    await world.settle()
    (seats,) = await world.seats(customer)
    assert (seats["status"], seats["currentQuantity"]) == ("1000", 5)


async def test_a_failed_renewal_leaves_the_subscription_to_be_renewed(world: World) -> None:
    customer = await lapsed(world, line(A, 5))
    asked = await wanted(world, customer, A, 5)
    failing = {"X-Sandbox-Fault": "order_fails;status=1004"}
    body = {"orderType": "RENEWAL", "lineItems": [asked]}
    path = f"/v3/customers/{customer}/orders"
    failed = (await world.post(path, body, headers=failing)).ok()
    assert (await world.read_order(customer, failed["orderId"]))["status"] == "1004"
    (seats,) = await world.seats(customer)
    assert (seats["status"], seats["allowedActions"]) == ("1004", ["MANUAL_RENEWAL"])
    assert (await world.read_customer(customer))["cotermDate"] == "2026-07-07"
    (await renew(world, customer, asked)).ok()
    (seats,) = await world.seats(customer)
    assert seats["status"] == "1000"


@pytest.mark.proves("subscriptions.md 39", "3122")
async def test_a_purchase_in_between_closes_the_window(world: World) -> None:
    customer = await lapsed(world, line(A, 5))
    asked = await wanted(world, customer, A, 5)
    (await world.order(customer, line(B, 1))).ok()
    assert (await world.read_customer(customer))["cotermDate"] == "2027-07-20"
    (await renew(world, customer, asked)).refused(400, "3122", "Line Item: 1")


async def test_a_renewal_overtaken_by_a_purchase_fails(world: World) -> None:
    customer = await lapsed(world, line(A, 5))
    asked = await wanted(world, customer, A, 5)
    await world.settlement("manual")
    bought = (await world.order(customer, line(A, 2))).ok()
    renewal = (await renew(world, customer, asked)).ok()  # nothing speaks against it yet
    await world.settle()
    assert (await world.read_order(customer, bought["orderId"]))["status"] == "1000"
    assert (await world.read_order(customer, renewal["orderId"]))["status"] == "1004"
    assert sorted(
        (one["status"], one["currentQuantity"]) for one in await world.seats(customer)
    ) == [
        ("1000", 2),
        ("1004", 5),
    ]


async def test_lines_take_currency_and_deployment_from_their_subscription(world: World) -> None:
    customer = await world.customer(top={"globalSalesEnabled": True})
    place = await world.deployment(customer, "DE")
    sold = line(SCRIPT_EU, 2, deploymentId=place)
    (await world.order(customer, sold, currencyCode="EUR")).ok()
    (seats,) = await world.seats(customer)
    off = {"autoRenewal": {"enabled": False}}
    (await world.patch(seats["links"]["self"]["uri"], off)).ok(200)
    await world.at(LATE)
    placed = (await renew(world, customer, await wanted(world, customer, SCRIPT_EU, 2))).ok()
    (shown,) = placed["lineItems"]
    assert (shown["currencyCode"], shown["deploymentId"]) == ("EUR", place)
    read = await world.read_order(customer, placed["orderId"], **{"fetch-price": "true"})
    assert read["pricingSummary"][0]["totalLineItemPrice"] == Decimal("749.28")


@pytest.mark.proves("5135", "S-010", "S-011", "S-035")
async def test_codes_of_migrated_customers(world: World) -> None:
    customer = await lapsed(world, line(SUITE, 2))
    asked = await wanted(world, customer, SUITE, 2, discountCode="HVD_L18_PRE")
    (await renew(world, customer, asked)).refused(
        400, "5135", "Line Item: 1, Reason: NOT_HVD_CUSTOMER"
    )
    changes = {
        "tags": ["HVD_MIGRATED_CUSTOMER"],
        "discounts": [{"offerType": "LICENSE", "discountCode": "HVD_L18_PRE"}],
    }
    (await world.patch(f"/sandbox/customers/{customer}", changes)).ok(200)
    other = {**asked, "discountCode": "HVD_L17_PRE"}
    (await renew(world, customer, other)).refused(
        400, "5135", "Line Item: 1, Reason: CODE_MISMATCH"
    )
    placed = (await renew(world, customer, asked)).ok()
    read = await world.read_order(customer, placed["orderId"], **{"fetch-price": "true"})
    assert read["lineItems"][0]["pricing"]["lineItemPrice"] == Decimal("599.98")


@pytest.mark.proves("S-012", "S-013")
async def test_flexible_discounts_are_named_on_the_line(world: World) -> None:
    customer = await lapsed(world, line(A, 5))
    code = "BLACK_FRIDAY_10_PERCENT_OFF"
    asked = await wanted(world, customer, A, 5, promotionCodes=[code])
    placed = (await renew(world, customer, asked)).ok()
    (shown,) = placed["lineItems"]
    assert shown["promotions"] == [{"code": code, "result": "SUCCESS"}]
    assert shown["flexDiscounts"][0]["code"] == code
    read = await world.read_order(customer, placed["orderId"], **{"fetch-price": "true"})
    assert read["lineItems"][0]["pricing"]["lineItemPrice"] == Decimal("1750.50")


async def test_how_a_renewal_came_about_is_told(world: World) -> None:
    customer = await lapsed(world, line(A, 5))
    asked = await wanted(world, customer, A, 5)
    body = {"orderType": "RENEWAL", "customerId": customer, "lineItems": [asked]}
    ahead = (await world.post("/sandbox/explain/preview", body)).ok(200)
    assert ahead["preview"]["orderType"] == "RENEWAL"
    placed = (await renew(world, customer, asked)).ok()
    told = (await world.get(f"/sandbox/explain/orders/{placed['orderId']}")).ok(200)
    assert (told["orderType"], told["anniversary"]) == ("RENEWAL", "2026-07-07")
    assert told["lines"] == ahead["lines"]
    assert told["levels"] == ahead["levels"]


async def test_status_codes_seen_in_production(world: World) -> None:
    customer = await lapsed(world, line(A, 5))
    await world.set(flags={"http_status_profile": "observed"})
    (await renew(world, customer, await wanted(world, customer, A, 5))).ok(202)
