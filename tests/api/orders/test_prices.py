"""Prices over HTTP: what previews quote and completed orders were charged (orders.md 4)."""

import csv
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.harness import Reply, World, line
from tests.samples import data_file

pytestmark = pytest.mark.anyio

A, B, E = "11073058CA01A12", "69804578CA02A12", "80004567EA01A12"
STANDARD = "65322651CA01A12"
YEN_1, YEN_2 = "11073064CA01A12", "11073064CA02A12"
TEMPO = "65304600CA01A12"  # 296.28 until 2026-01-31, 311.04 after
TEN_PERCENT, TWENTY_OFF = "BLACK_FRIDAY_10_PERCENT_OFF", "BLACK_FRIDAY_20_DOLLAR_OFF"
LINE_KEYS = ("partnerPrice", "discountedPartnerPrice", "netPartnerPrice", "lineItemPrice")


def prices(priced: dict[str, Any]) -> list[str]:
    """The amounts of a line as printed; both names of the line amount carry the same."""
    pricing = priced["pricing"]
    assert pricing["lineItemPartnerPrice"] == pricing["lineItemPrice"]
    return [str(pricing[key]) for key in LINE_KEYS]


def total(reply: Reply) -> tuple[str, str]:
    """Amount and currency of the summary; both names carry the same."""
    (summary,) = reply["pricingSummary"]
    assert summary["totalLineItemPartnerPrice"] == summary["totalLineItemPrice"]
    return str(summary["totalLineItemPrice"]), summary["currencyCode"]


def price_keys(reply: Reply) -> set[str]:
    """Names that only priced answers carry, as found anywhere in an answer."""
    names = {*reply.body, *(key for one in reply["lineItems"] for key in one)}
    return names & {"pricing", "proratedDays", "pricingSummary"}


async def with_anniversary(world: World, offer_id: str = A, quantity: int = 5) -> str:
    """A customer whose first order has just completed."""
    customer = await world.customer()
    (await world.order(customer, line(offer_id, quantity))).ok()
    return customer


@pytest.mark.proves("orders.md 39", "S-086", "S-087", "S-090", "S-095", "S-107", "S-109", "S-115")
@pytest.mark.proves("S-116", "S-117", "S-118", "S-119", "S-120", "S-121", "S-123", "S-124")
@pytest.mark.proves("S-125", "S-126", "S-127", "S-128", "S-129", "orders.md 4.6 #6")
@pytest.mark.proves("orders.md 4.6 #7")
async def test_a_quote_of_ninety_days(world: World) -> None:
    customer = await with_anniversary(world)
    await world.at("2026-04-08T18:00:00Z")
    quote = await world.preview(
        customer,
        line(A, 10, 1, flexDiscountCodes=[TEN_PERCENT]),
        line(B, 10, 2, flexDiscountCodes=[TWENTY_OFF]),
    )
    first, second = quote.ok()["lineItems"]
    assert (first["offerId"], second["offerId"]) == ("11073058CA02A12", "69804578CA02A12")
    assert first["proratedDays"] == second["proratedDays"] == 90
    assert prices(first) == ["365.00", "328.50", "81.00", "810.00"]
    assert prices(second) == ["365.00", "345.00", "85.068", "850.68"]
    assert total(quote) == ("1660.68", "USD")
    assert [one["flexDiscounts"] for one in (first, second)] == [
        [{"id": "55555555-5bb8-4476-bd3f-5562299ab3f5", "code": TEN_PERCENT, "result": "SUCCESS"}],
        [{"id": "55555555-5bb8-4476-bd3f-5562299ab3f6", "code": TWENTY_OFF, "result": "SUCCESS"}],
    ]
    history = (await world.get(f"/v3/customers/{customer}/orders")).ok(200)
    assert history["totalCount"] == 1  # the first order alone


@pytest.mark.proves("orders.md 40", "S-088", "S-109", "S-122", "1117")
async def test_prices_are_shown_when_asked_for(world: World) -> None:
    customer = await with_anniversary(world)
    for params in ({}, {"fetch-price": "false"}, {"fetch-price": "FALSE"}, {"fetch-price": ""}):
        quote = (await world.preview(customer, line(A, 10), params=params)).ok()
        assert price_keys(quote) == set()
    quote = (await world.preview(customer, line(A, 10), params={"fetch-price": "True"})).ok()
    assert price_keys(quote) == {"pricing", "proratedDays", "pricingSummary"}
    bad = await world.preview(customer, line(A, 10), params={"fetch-price": "yes"})
    bad.refused(400, "1117", "fetch-price")


@pytest.mark.proves("orders.md 41", "S-123")
@pytest.mark.parametrize(("now", "days"), [("2025-07-07", 365), ("2027-07-07", 366)])
async def test_a_first_order_is_quoted_a_full_term(
    new_world: MakeWorld, now: str, days: int
) -> None:
    world = await new_world(clock={"now": f"{now}T18:00:00Z"})
    quote = (await world.preview(await world.customer(), line("11073058CA02A12", 10))).ok()
    (quoted,) = quote["lineItems"]
    assert quoted["proratedDays"] == days
    assert prices(quoted) == ["365.00", "365.00", "365.00", "3650.00"]


@pytest.mark.proves("orders.md 42", "orders.md 4.6 #2", "orders.md 4.6 #5")
@pytest.mark.parametrize(
    ("first", "later", "days", "amount"),
    [("2019-03-10", "2020-02-16", 23, "10.89"), ("2022-03-10", "2022-07-25", 228, "108.24")],
)
async def test_lines_of_leap_years_and_others(
    new_world: MakeWorld, first: str, later: str, days: int, amount: str
) -> None:
    world = await new_world(clock={"now": f"{first}T18:00:00Z"})
    customer = await with_anniversary(world, STANDARD, 1)
    await world.at(f"{later}T18:00:00Z")
    (quoted,) = (await world.preview(customer, line(STANDARD))).ok()["lineItems"]
    assert quoted["proratedDays"] == days
    assert prices(quoted) == ["173.28", "173.28", amount, amount]


@pytest.mark.proves("orders.md 43", "orders.md 4.6 #10", "orders.md 4.6 #11")
async def test_a_fixed_discount_a_day_into_the_term(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2026-03-10T18:00:00Z"})
    customer = await with_anniversary(world, STANDARD, 1)
    await world.at("2026-03-11T18:00:00Z")
    quote = await world.preview(
        customer,
        line("65304578CA01A12", 1, 1, flexDiscountCodes=["EASTER_26"]),
        line("65304839CA01A12", 1, 2),
    )
    first, second = quote.ok()["lineItems"]
    assert first["proratedDays"] == second["proratedDays"] == 364
    assert prices(first) == ["875.16", "849.16", "846.83", "846.83"]
    assert prices(second) == ["1363.56", "1363.56", "1359.82", "1359.82"]
    assert total(quote) == ("2206.65", "USD")


@pytest.mark.proves("orders.md 44", "orders.md 4.6 #20", "S-097", "S-098")
async def test_days_follow_the_pacific_calendar(world: World) -> None:
    customer = await with_anniversary(world)
    for now, days in (("2025-11-02T03:00:00Z", 248), ("2025-11-02T09:00:00Z", 247)):
        await world.at(now)
        (quoted,) = (await world.preview(customer, line(A))).ok()["lineItems"]
        assert quoted["proratedDays"] == days


@pytest.mark.proves("orders.md 45", "orders.md 4.6 #15", "platform.md 31")
async def test_yen_have_no_fraction(world: World) -> None:
    customer = await world.customer(
        address={
            "country": "JP",
            "region": "13",
            "city": "Tokyo",
            "addressLine1": "Street 1",
            "postalCode": "100-0001",
        }
    )
    (await world.order(customer, line(YEN_1, 10), currencyCode="JPY")).ok()
    await world.at("2025-12-19T18:00:00Z")
    quote = (await world.preview(customer, line(YEN_1, 3), currencyCode="JPY")).ok()
    (quoted,) = quote["lineItems"]
    assert (quoted["offerId"], quoted["proratedDays"]) == (YEN_2, 200)
    assert prices(quoted) == ["54700", "54700", "29972.7", "89918"]
    assert total(quote) == ("89918", "JPY")
    assert b'"partnerPrice":54700,' in quote.content


@pytest.mark.proves("orders.md 46", "S-098")
async def test_the_price_is_frozen_at_acceptance(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2026-01-31T18:00:00Z"})
    customer = await world.customer()
    await world.settlement("manual")
    await world.settle()  # the customer
    placed = (await world.order(customer, line(TEMPO))).ok()
    await world.at("2026-02-01T18:00:00Z")
    assert prices((await world.preview(customer, line(TEMPO)))["lineItems"][0])[0] == "311.04"
    await world.settle()
    charged = await world.read_order(customer, placed["orderId"], **{"fetch-price": "true"})
    assert charged["status"] == "1000"
    assert prices(charged["lineItems"][0]) == ["296.28"] * 4


@pytest.mark.proves("orders.md 47", "S-100")
async def test_orders_show_prices_once_they_are_complete(world: World) -> None:
    asked = {"fetch-price": "true"}
    customer = await world.customer(top={"globalSalesEnabled": True})
    branch = await world.deployment(customer, "DE")
    await world.settlement("manual")
    placed = (await world.order(customer, line(A, 3), params=asked)).ok()
    assert price_keys(placed) == set()
    assert price_keys(await world.read_order(customer, placed["orderId"], **asked)) == set()
    await world.settle()
    done = await world.read_order(customer, placed["orderId"], **asked)
    assert price_keys(done) == {"pricing", "proratedDays", "pricingSummary"}
    assert total(done) == ("1167.00", "USD")
    assert price_keys(await world.read_order(customer, placed["orderId"])) == set()
    mixed = await world.order(
        customer,
        line(A, 1, 1),
        line("65304479CA01A12", 1, 2, currencyCode="EUR", deploymentId=branch),
        currencyCode=None,
    )
    mixed.refused(400, "1122", "lineItems[0].currencyCode")
    mixed = await world.order(
        customer,
        line(A, 1, 1, currencyCode="USD"),
        line("65304479CA01A12", 1, 2, currencyCode="EUR", deploymentId=branch),
        currencyCode=None,
    )
    await world.settle()
    done = await world.read_order(customer, mixed.ok()["orderId"], **asked)
    assert (done["status"], done["currencyCode"], price_keys(done)) == ("1000", "", set())
    history = (await world.get(f"/v3/customers/{customer}/orders", params=asked)).ok(200)
    shown = {one["orderId"]: "pricingSummary" in one for one in history["items"]}
    assert shown == {placed["orderId"]: True, mixed["orderId"]: False}


@pytest.mark.proves("S-100", "2148")
async def test_a_preview_of_two_currencies_has_no_prices(world: World) -> None:
    customer = await world.customer(top={"globalSalesEnabled": True})
    branch = await world.deployment(customer, "JP")
    lines = (
        line(A, 1, 1, currencyCode="USD"),
        line(YEN_1, 1, 2, currencyCode="JPY", deploymentId=branch),
    )
    refused = await world.preview(customer, *lines, currencyCode=None)
    refused.refused(400, "2148")
    quote = (await world.preview(customer, *lines, currencyCode=None, params={})).ok()
    assert (quote["currencyCode"], price_keys(quote)) == ("", set())


async def test_an_order_given_back_still_shows_what_it_cost(world: World) -> None:
    asked = {"fetch-price": "true"}
    customer = await world.customer()
    placed = (await world.order(customer, line(A, 3))).ok()
    credit = (await world.give_back(customer, placed)).ok()
    done = await world.read_order(customer, placed["orderId"], **asked)
    assert (done["status"], total(done)) == ("1008", ("1167.00", "USD"))
    credited = await world.read_order(customer, credit["orderId"], **asked)
    assert total(credited) == ("1167.00", "USD")
    assert prices(credited["lineItems"][0]) == prices(done["lineItems"][0])
    assert "proratedDays" not in credited["lineItems"][0]


async def test_consumables_are_never_prorated_and_show_no_days(world: World) -> None:
    customer = await with_anniversary(world)
    await world.at("2026-06-30T18:00:00Z")
    (quoted,) = (await world.preview(customer, line("65322435CAT1A12", 100))).ok()["lineItems"]
    assert "proratedDays" not in quoted
    assert prices(quoted) == ["4.32", "4.32", "4.32", "432.00"]


async def test_an_extended_first_term_costs_more_than_a_year(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2025-12-29T20:00:00Z"})
    customer = await world.customer(top={"cotermDate": "2027-06-30"})
    (quoted,) = (await world.preview(customer, line(STANDARD))).ok()["lineItems"]
    assert quoted["proratedDays"] == 548
    assert prices(quoted) == ["173.28", "173.28", "260.16", "260.16"]


@pytest.mark.proves("orders.md 38", "S-108", "platform.md 28")
async def test_a_placeholder_is_quoted_and_never_sold_to(world: World) -> None:
    quote = (await world.preview("1234567890", line(A, 10))).ok()
    (quoted,) = quote["lineItems"]
    assert quote["customerId"] == "1234567890"
    assert quoted["offerId"] == "11073058CA02A12"
    assert prices(quoted) == ["365.00", "365.00", "365.00", "3650.00"]
    (await world.order("1234567890", line(A, 10))).refused(404, "1116")
    segment = (await world.preview("1234567890GOV", line("30001475CC01A12"))).ok()
    assert segment["lineItems"][0]["offerId"] == "30001475CC01A12"
    other = await world.preview("1234567890EDU", line(A))
    other.refused(400, "2129", "Line Item: 1, Reason: INELIGIBLE_MARKET_SEGMENT")


@pytest.mark.proves("S-099", "S-117")
async def test_prices_are_those_the_partner_pays(world: World) -> None:
    listed = {
        row["offerId"]: (row["partnerPrice"], row["estimatedStreetPrice"])
        for row in csv.DictReader(data_file("sample_catalog.csv").splitlines())
        if (row["region"], row["priceListType"]) == ("NA", "STANDARD")
    }
    customer = await world.customer()
    for offer_id in (A, E, STANDARD):
        quote = (await world.preview(customer, line(offer_id))).ok()
        pays, street = listed[offer_id]
        assert prices(quote["lineItems"][0]) == [pays] * 4
        assert street.encode() not in quote.content


@pytest.mark.proves("catalog.md 35")
async def test_a_refused_price_list_leaves_the_old_one_in_force(world: World) -> None:
    customer = await world.customer()
    header, first, *rest = data_file("sample_catalog.csv").splitlines()
    cheaper = "\n".join((header, first.replace(",389.00,", ",387.00,"), *rest))
    twice = "\n".join((header, first.replace(",389.00,", ",386.00,"), first, *rest))
    headers = {"Content-Type": "text/csv"}

    async def unit() -> str:
        quote = (await world.preview(customer, line(A))).ok()
        return prices(quote["lineItems"][0])[0]

    assert await unit() == "389.00"
    loaded = await world.put("/sandbox/catalog", content=cheaper.encode(), headers=headers)
    assert (loaded.ok(200)["rows"], await unit()) == (125, "387.00")
    refused = await world.put("/sandbox/catalog", content=twice.encode(), headers=headers)
    refused.refused(400, "400", f"row 3: window of {A} overlaps that of row 2")
    assert await unit() == "387.00"


@pytest.mark.proves("S-098")
async def test_a_placed_order_keeps_its_price_when_the_list_changes(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, line(A))).ok()
    dearer = data_file("sample_catalog.csv").replace(",389.00,", ",399.00,", 1)
    await world.put(
        "/sandbox/catalog", content=dearer.encode(), headers={"Content-Type": "text/csv"}
    )
    charged = await world.read_order(customer, placed["orderId"], **{"fetch-price": "true"})
    assert charged["lineItems"][0]["pricing"]["lineItemPrice"] == Decimal("389.00")
    assert prices((await world.preview(customer, line(A)))["lineItems"][0])[0] == "399.00"
