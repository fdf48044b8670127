"""PREVIEW_RENEWAL over HTTP: what renews, at which offers and prices (orders.md 6.1, 6.2)."""

from decimal import Decimal
from typing import Any

import pytest

from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A, B, FOLIO = "11073058CA01A12", "69804578CA01A12", "65304479CA01A12"
PRO, CLASSIC, SCRIPT_EU = "65324918CA01A12", "65322447CA01A12", "65305345CA01A12"
PRICES = {"fetch-price": "true"}


async def bought(world: World, *lines: dict[str, Any], **customer: Any) -> str:
    """A customer whose first order completed on 2025-07-07."""
    made = await world.customer(**customer)
    (await world.order(made, *lines)).ok()
    return made


async def seats_of(world: World, customer: str) -> dict[str, Any]:
    """The subscriptions of a customer by their offer."""
    return {one["offerId"]: one for one in await world.seats(customer)}


async def settings(world: World, customer: str, offer_id: str, **changes: Any) -> None:
    """Change the auto-renewal of a subscription."""
    seats = (await seats_of(world, customer))[offer_id]
    body = {"autoRenewal": {"enabled": True, **changes}}
    (await world.patch(seats["links"]["self"]["uri"], body)).ok(200)


async def preview(
    world: World, customer: str, *lines: dict[str, Any], params: Any = None, **more: Any
) -> Reply:
    """PREVIEW_RENEWAL; not asserted."""
    body: dict[str, Any] = {"orderType": "PREVIEW_RENEWAL", **more}
    if lines:
        body["lineItems"] = list(lines)
    return await world.post(f"/v3/customers/{customer}/orders", body, params=params)


@pytest.mark.proves("orders.md 64", "S-111", "S-113", "S-135", "S-139", "S-147", "S-149")
async def test_what_the_settings_say_is_shown(world: World) -> None:
    customer = await bought(world, line(A, 5))
    (seats,) = await world.seats(customer)
    shown = (await preview(world, customer, params=PRICES)).ok()
    assert shown.body == {
        "referenceOrderId": "",
        "externalReferenceId": "",
        "orderId": "",
        "customerId": customer,
        "currencyCode": "USD",
        "orderType": "PREVIEW_RENEWAL",
        "creationDate": "2025-07-07T18:00:00Z",
        "status": "",
        "lineItems": [
            {
                "extLineItemNumber": 1,
                "offerId": A,
                "quantity": 5,
                "subscriptionId": seats["subscriptionId"],
                "status": "1000",
                "currencyCode": "USD",
                "proratedDays": 365,
                "pricing": {
                    "partnerPrice": Decimal("389.00"),
                    "discountedPartnerPrice": Decimal("389.00"),
                    "netPartnerPrice": Decimal("389.00"),
                    "lineItemPrice": Decimal("1945.00"),
                    "lineItemPartnerPrice": Decimal("1945.00"),
                },
            }
        ],
        "pricingSummary": [
            {
                "totalLineItemPrice": Decimal("1945.00"),
                "totalLineItemPartnerPrice": Decimal("1945.00"),
                "currencyCode": "USD",
            }
        ],
    }


@pytest.mark.proves("S-095", "S-109", "S-122")
async def test_prices_are_shown_when_asked_for(world: World) -> None:
    customer = await bought(world, line(A, 5))
    shown = (await preview(world, customer, externalReferenceId="759")).ok()
    assert shown["externalReferenceId"] == "759"
    assert "pricingSummary" not in shown.body
    assert not {"pricing", "proratedDays"} & set(shown["lineItems"][0])
    refused = await preview(world, customer, params={"fetch-price": "yes"})
    refused.refused(400, "1117", "fetch-price")


@pytest.mark.proves("orders.md 65", "2136", "S-136", "S-141")
async def test_nothing_set_to_renew_is_refused(world: World) -> None:
    customer = await bought(world, line(A, 5))
    await settings(world, customer, A, enabled=False)
    refused = await preview(world, customer)
    refused.refused(400, "2136")
    assert refused["message"] == (
        "Please review the renewal settings. "
        "Auto-renewal needs to be turned on for at least 1 quantity"
    )
    (await preview(world, await world.customer())).refused(400, "2136")


@pytest.mark.proves("orders.md 66", "S-144", "S-145")
async def test_an_ended_product_is_shown_as_not_renewing(world: World) -> None:
    customer = await bought(world, line("80004567EA01A12", 1, 1), line(CLASSIC, 25, 2))
    changes = {
        "tags": ["HVD_MIGRATED_CUSTOMER"],
        "discounts": [{"offerType": "LICENSE", "discountCode": "HVD_L18_PRE"}],
    }
    (await world.patch(f"/sandbox/customers/{customer}", changes)).ok(200)
    await world.at("2026-06-20T12:00:00Z")
    shown = (await preview(world, customer, params=PRICES)).ok()
    assert [
        (one["offerId"], one["status"], one["discountCode"], one["pricing"]["lineItemPrice"])
        for one in shown["lineItems"]
    ] == [
        ("80004567EA01A12", "1000", "HVD_L18_PRE", Decimal("299.99")),
        (CLASSIC, "1004", "HVD_L18_PRE", Decimal("7499.75")),
    ]
    assert shown["pricingSummary"][0]["totalLineItemPrice"] == Decimal("7799.74")
    await world.at("2026-07-07T00:00:00Z")
    history = await world.get(f"/v3/customers/{customer}/orders?order-type=RENEWAL")
    (run,) = history.ok(200)["items"]
    assert [one["offerId"] for one in run["lineItems"]] == ["80004567EA01A12"]


@pytest.mark.proves("orders.md 68")
async def test_the_level_follows_the_renewing_quantity(world: World) -> None:
    customer = await bought(world, line("65304479CA03A12", 60))
    for quantity, level in ((8, "01"), (60, "03"), (10, "02"), (100, "04")):
        await settings(world, customer, FOLIO, renewalQuantity=quantity)
        shown = (await preview(world, customer)).ok()
        (found,) = shown["lineItems"]
        assert (found["offerId"], found["quantity"]) == (f"65304479CA{level}A12", quantity)


@pytest.mark.proves("S-146")
async def test_scheduled_subscriptions_take_part(world: World) -> None:
    customer = await bought(world, line(A, 5))
    await world.at("2026-06-20T12:00:00Z")
    body = {"offerId": B, "autoRenewal": {"enabled": True, "renewalQuantity": 20}}
    made = (await world.post(f"/v3/customers/{customer}/subscriptions", body)).ok(200)
    shown = (await preview(world, customer)).ok()
    assert [(one["offerId"], one["quantity"], one["status"]) for one in shown["lineItems"]] == [
        ("11073058CA02A12", 5, "1000"),
        ("69804578CA02A12", 20, "1000"),
    ]
    assert shown["lineItems"][1]["subscriptionId"] == made["subscriptionId"]


@pytest.mark.proves("2148")
async def test_several_currencies_have_no_common_price(world: World) -> None:
    customer = await bought(world, line(A, 5), top={"globalSalesEnabled": True})
    place = await world.deployment(customer, "DE")
    (await world.order(customer, line(SCRIPT_EU, 2, deploymentId=place), currencyCode="EUR")).ok()
    shown = (await preview(world, customer)).ok()
    assert shown["currencyCode"] == ""
    assert [(one["currencyCode"], one.get("deploymentId")) for one in shown["lineItems"]] == [
        ("USD", None),
        ("EUR", place),
    ]
    (await preview(world, customer, params=PRICES)).refused(400, "2148")


# --- with lines ------------------------------------------------------------------------------


@pytest.mark.proves("orders.md 67", "1122", "S-005", "S-140", "S-152")
async def test_chosen_subscriptions_are_previewed(world: World) -> None:
    customer = await bought(world, line(A, 5, 1), line(B, 3, 2))
    seats = (await seats_of(world, customer))[A]
    await settings(world, customer, A, renewalQuantity=7)
    asked = {"extLineItemNumber": 4, "offerId": A, "subscriptionId": seats["subscriptionId"]}
    sent: list[dict[str, Any]] = [asked, {**asked, "quantity": None}]
    for one in sent:
        (found,) = (await preview(world, customer, one)).ok()["lineItems"]
        assert found == {
            "extLineItemNumber": 4,
            "offerId": A,
            "quantity": 7,
            "subscriptionId": seats["subscriptionId"],
            "status": "1000",
            "currencyCode": "USD",
        }
    missing = {"extLineItemNumber": 4, "offerId": A}
    refused = await preview(world, customer, missing)
    refused.refused(400, "1122", "lineItems[0].subscriptionId")
    padded = {**asked, "subscriptionId": f" {seats['subscriptionId']} "}
    (found,) = (await preview(world, customer, padded)).ok()["lineItems"]
    assert found["subscriptionId"] == seats["subscriptionId"]


async def test_no_lines_may_be_sent_in_several_ways(world: World) -> None:
    customer = await bought(world, line(A, 5))
    sent: list[Any] = [[], None]
    for empty in sent:
        shown = (await preview(world, customer, lineItems=empty)).ok()
        assert len(shown["lineItems"]) == 1


@pytest.mark.proves("S-007", "S-138", "1121", "1117")
async def test_faults_of_the_form(world: World) -> None:
    customer = await bought(world, line(A, 5))
    (seats,) = await world.seats(customer)
    asked = line(A, 5, subscriptionId=seats["subscriptionId"])
    blank = {"orderId": "", "customerId": "", "status": "", "links": None}
    (await preview(world, customer, asked, referenceOrderId="", **blank)).ok()
    refused = await preview(world, customer, referenceOrderId="9200000001")
    refused.refused(400, "1121", "referenceOrderId")
    refused = await preview(world, customer, {**asked, "foo": 1})
    refused.refused(400, "1121", "lineItems[0].foo")
    refused = await preview(world, customer, {**asked, "quantity": "5"})
    refused.refused(400, "1117", "lineItems[0].quantity")
    refused = await preview(world, customer, lineItems={})
    refused.refused(400, "1117", "lineItems")
    refused = await preview(world, customer, {"offerId": A})
    refused.refused(400, "1122", "lineItems[0].extLineItemNumber", "lineItems[0].subscriptionId")


@pytest.mark.proves("3115", "S-012", "2141")
async def test_refusals_of_chosen_lines(world: World) -> None:
    customer = await bought(world, line(A, 5))
    other = await bought(world, line(A, 5))
    (foreign,) = await world.seats(other)
    (own,) = await world.seats(customer)
    asked = line(A, 5, 3, subscriptionId=foreign["subscriptionId"])
    (await preview(world, customer, asked)).refused(400, "3115", "Line Item: 3")
    asked = line(A, 5, 3, subscriptionId=own["subscriptionId"])
    twice = [asked, {**asked, "extLineItemNumber": 4}]
    refused = await preview(world, customer, *twice)
    refused.refused(400, "1117", "lineItems[1].subscriptionId")
    named = {**asked, "promotionCodes": ["BLACK_FRIDAY_10_PERCENT_OFF"]}
    (found,) = (await preview(world, customer, named)).ok()["lineItems"]
    result = {"code": "BLACK_FRIDAY_10_PERCENT_OFF", "result": "SUCCESS"}
    assert found["promotions"] == [result]
    failing = {**asked, "flexDiscountCodes": ["BLACK_FRIDAY_22_FAILURE_3"]}
    refused = await preview(world, customer, failing)
    refused.refused(400, "2141", "Line Item: 3, Reason: Invalid Flexible Discount")


# --- High Growth Offers ----------------------------------------------------------------------


@pytest.mark.proves("orders.md 69", "S-142", "S-153", "S-154", "S-155")
async def test_high_growth_offers_are_listed_by_the_seats_held(world: World) -> None:
    customer = await bought(world, line(PRO, 10))
    shown = (await preview(world, customer)).ok()
    assert shown["eligibleOffers"] == [
        {
            "offerId": f"65324918CA14{variant}12",
            "renewalCode": f"MOQ_{quantity}",
            "eligibilityCriteria": {
                "minQuantity": quantity,
                "additionalCriteria": ["THREE_YEAR_COMMIT"],
            },
        }
        for variant, quantity in (("X", 100), ("Y", 250), ("Z", 500))
    ]
    (await world.order(customer, line(PRO, 50))).ok()
    shown = (await preview(world, customer)).ok()
    assert [one["renewalCode"] for one in shown["eligibleOffers"]] == ["MOQ_250", "MOQ_500"]
    assert "eligibleOffers" not in (await preview(world, await bought(world, line(A)))).ok().body


# --- the call --------------------------------------------------------------------------------


@pytest.mark.proves("1116", "S-108")
async def test_previews_are_not_orders(world: World) -> None:
    customer = await bought(world, line(A, 5))
    (await preview(world, customer)).ok()
    history = (await world.get(f"/v3/customers/{customer}/orders")).ok(200)
    assert [one["orderType"] for one in history["items"]] == ["NEW"]
    for unknown in ("1999999999", "1234567890"):
        (await preview(world, unknown)).refused(404, "1116")
    await world.set(flags={"http_status_profile": "observed"})
    (await preview(world, customer)).ok(200)


@pytest.mark.proves("orders.md 71", "orders.md 72", "S-137")
async def test_the_run_renews_what_the_preview_showed(world: World) -> None:
    customer = await bought(world, line(A, 5, 1), line(B, 7, 2), line(FOLIO, 3, 3))
    await settings(world, customer, A, flexDiscountCodes=["BLACK_FRIDAY_10_PERCENT_OFF"])
    await settings(world, customer, B, renewalQuantity=2)
    await world.settlement("manual")
    await world.at("2026-07-06T23:59:59Z")
    before = (await preview(world, customer, params=PRICES)).ok()
    await world.at("2026-07-07T09:00:00Z")
    closed = ("5122", "Order placement not allowed before anniversary")
    (await world.order(customer, line(A))).refused(400, *closed)
    (await world.preview(customer, line(A))).refused(400, *closed)
    pending = (await preview(world, customer)).ok()  # the run is held, its preview is not
    assert [one["status"] for one in pending["lineItems"]] == ["1000"] * 3
    await world.settle()
    shown = (await world.preview(customer, line("11073058CA02A12"))).ok()
    assert shown["lineItems"][0]["proratedDays"] == 365
    history = await world.get(f"/v3/customers/{customer}/orders?order-type=RENEWAL")
    (run,) = history.ok(200)["items"]
    assert (run["source"], run["externalReferenceId"]) == ("System", "")
    read = await world.read_order(customer, run["orderId"], **PRICES)
    assert read["lineItems"] == before["lineItems"]
    assert read["pricingSummary"] == before["pricingSummary"]
    await world.at("2026-07-21T23:59:59Z")
    (await world.give_back(customer, run, 1)).ok()
    await world.at("2026-07-22T00:00:00Z")
    (await world.give_back(customer, run, 2)).refused(400, "2117")


@pytest.mark.proves("orders.md 72", "5122")
async def test_orders_may_stop_before_the_anniversary(world: World) -> None:
    customer = await bought(world, line(A, 5))
    await world.set(flags={"order_blackout_hours": 24})
    await world.at("2026-07-06T06:59:59Z")  # 5 July on the Pacific coast
    (await world.preview(customer, line(A))).ok()
    await world.at("2026-07-06T07:00:00Z")
    refused = await world.preview(customer, line(A))
    refused.refused(400, "5122", "Order placement not allowed before anniversary")
    (await preview(world, customer)).ok()


async def test_how_a_preview_came_about_is_told(world: World) -> None:
    customer = await bought(world, line("11073058CA02A12", 10))
    (seats,) = await world.seats(customer)
    body = {"orderType": "PREVIEW_RENEWAL", "customerId": customer}
    told = (await world.post("/sandbox/explain/preview", body)).ok(200)
    assert told["preview"]["orderType"] == "PREVIEW_RENEWAL"
    assert told["anniversary"] == "2026-07-07"
    (level,) = told["levels"]
    assert (level["orderedQuantity"], level["earnedRank"], level["heldRank"]) == (10, 2, 1)
    assert level["rule"].startswith("accounts.md 7.2")
    (days,) = [one for one in told["lines"][0]["steps"] if one["step"] == "days"]
    assert (days["proratedDays"], days["fullTerm"]) == (365, True)
    lines = [line(A, 4, subscriptionId=seats["subscriptionId"])]
    told = (await world.post("/sandbox/explain/preview", {**body, "lineItems": lines})).ok(200)
    assert told["levels"][0]["orderedQuantity"] == 4
