"""GET flex-discounts, of the partner and of a customer: acceptance scenarios and refusals."""

import csv
from collections.abc import AsyncIterator
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.harness import Reply, World, line
from tests.samples import data_file

pytestmark = pytest.mark.anyio

PATH = "/v3/flex-discounts"
NOW = "2026-02-10T12:00:00Z"
US = {"market-segment": "COM", "country": "US"}
CLOSED = "H4SQ82RETAINVW6K3MPD7TZ1"
FOLIO, FOLIO_PRO, PHOTON = "65304479CA01A12", "65324918CA01A12", "11083117CA01A12"
EASTER_ID = "55555555-5bb8-4476-bd3f-5562299ab3fb"


@pytest.fixture
async def seller(new_world: MakeWorld) -> AsyncIterator[World]:
    made = await new_world(clock={"now": NOW})
    yield made
    await made.is_sound()


async def ask(world: World, **filters: str) -> Reply:
    """A search in the US; `_` in names of parameters stands for `-`."""
    params = {name.replace("_", "-"): value for name, value in filters.items()}
    return await world.get(PATH, params={**US, **params})


async def found(world: World, **filters: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await ask(world, **filters)).ok(200)["flexDiscounts"]
    return items


async def codes(world: World, **filters: str) -> list[str]:
    return [one["code"] for one in await found(world, **filters)]


@pytest.mark.proves("catalog.md 22")
async def test_upcoming_discounts_are_listed_and_closed_ones_never(seller: World) -> None:
    page = (await ask(seller)).ok(200)
    listed = page["flexDiscounts"]
    assert [page[name] for name in ("totalCount", "count", "offset", "limit")] == [12, 12, 0, 20]
    assert listed == sorted(listed, key=lambda one: (one["startDate"], one["code"], one["id"]))
    winter = next(one for one in listed if one["code"] == "WINTER_SALE_123")
    assert winter == {
        "id": "55555555-5bb8-4476-bd3f-5562299ab3fa",
        "category": "STANDARD",
        "code": "WINTER_SALE_123",
        "name": "Winter sale",
        "description": "Upcoming discount, visible before its start",
        "startDate": "2026-12-01T00:00:00Z",
        "endDate": "2027-02-28T23:59:59Z",
        "status": "ACTIVE",
        "qualification": {"baseOfferIds": ["65324918CA01A12", "80004567EA01A12"]},
        "outcomes": [
            {"type": "PERCENTAGE_DISCOUNT", "discountValues": [{"value": Decimal("12.5")}]}
        ],
    }
    live = await codes(seller, start_date="2026-02-10")
    assert "WINTER_SALE_123" not in live
    assert "NEW YEAR" in live
    for closed in (CLOSED, "J7KQ91FAILUREMN4TT5PZRW2"):
        assert closed not in [one["code"] for one in listed]


async def test_a_discount_for_every_product_names_none(seller: World) -> None:
    (new_year,) = await found(seller, flex_discount_code="NEW YEAR")
    assert new_year["qualification"] == {"baseOfferIds": []}
    assert new_year["discountLockEndDate"] == "2027-03-01T23:59:59Z"


async def test_amounts_are_those_of_the_country(seller: World) -> None:
    for country, currency, value in (("US", "USD", 20), ("GB", "GBP", 16), ("JP", "JPY", 3000)):
        asked = {"country": country, "flex_discount_code": "BLACK_FRIDAY_20_DOLLAR_OFF"}
        (one,) = await found(seller, **asked)
        values = [{"country": country, "currency": currency, "value": value}]
        assert one["outcomes"] == [{"type": "FIXED_DISCOUNT", "discountValues": values}]
    assert "BLACK_FRIDAY_20_DOLLAR_OFF" not in await codes(seller, country="ES")


async def test_filters(seller: World) -> None:
    assert await codes(seller, categories="INTRO") == ["INTRO-PHOTON"]
    assert len(await codes(seller, categories="INTRO,STANDARD")) == 12
    photon = await codes(seller, offer_ids="11083117CA03A12, 99999999CA01A12")
    assert {"INTRO-PHOTON", "NEW YEAR"} <= set(photon)
    assert "WINTER_SALE_123" not in photon
    assert await codes(seller, flex_discount_id=EASTER_ID) == ["EASTER_26"]
    assert await codes(seller, flex_discount_id="unknown") == []
    assert await codes(seller, flex_discount_code="unknown") == []
    assert await codes(seller, market_segment="GOV") == ["GOV_ALLAPPS_7"]
    in_spring = {"start_date": "2026-04-10", "end_date": "2026-06-01", "categories": "STANDARD"}
    assert {"EASTER_26", "SUMMER_SALE_123"} <= set(await codes(seller, **in_spring))
    assert "WINTER_SALE_123" not in await codes(seller, **in_spring)
    assert await codes(seller, end_date="2017-12-31T23:59:59Z") == []


@pytest.mark.parametrize(
    "name", ["include-eligible-reusable-discounts", "include-eligbile-reusable-discounts"]
)
async def test_reusable_discounts_are_shown_on_request(new_world: MakeWorld, name: str) -> None:
    world = await new_world(clock={"now": "2026-05-01T12:00:00Z"})
    assert "EASTER_26" not in await codes(world)
    shown = {one["code"]: one["status"] for one in await found(world, **{name: "True"})}
    assert shown.pop("EASTER_26") == "REUSABLE"
    assert set(shown.values()) == {"ACTIVE"}


@pytest.mark.proves("catalog.md 23", "2142")
async def test_a_closed_code_shows_little_and_nothing_once_it_is_spent(seller: World) -> None:
    asked = {"flex_discount_code": CLOSED}
    assert await found(seller, **asked) == [
        {
            "code": CLOSED,
            "codeExpiryDate": "2099-09-10T23:59:59Z",
            "qualification": {"baseOfferIds": [FOLIO_PRO]},
            "outcomes": [{"type": "PERCENTAGE_DISCOUNT", "discountValues": [{"value": 20}]}],
        }
    ]
    assert await found(seller, **asked, market_segment="EDU") == []
    assert await found(seller, **asked, offer_ids=PHOTON) == []
    customer = await seller.customer()
    coded = line(FOLIO_PRO, 1, flexDiscountCodes=[CLOSED])
    placed = (await seller.order(customer, coded)).ok()
    for offset in ("0", "7"):
        (await ask(seller, **asked, offset=offset)).refused(400, "2142")
    assert await found(seller, **asked, market_segment="EDU") == []
    (await seller.give_back(customer, placed)).ok()
    (await ask(seller, **asked)).refused(400, "2142")


@pytest.mark.proves("catalog.md 24", "1178", "1132", "1160")
async def test_country_and_segment_are_those_of_the_contract(new_world: MakeWorld) -> None:
    world = await new_world(
        clock={"now": NOW},
        regions=["NA"],
        currencies={"NA": ["USD"]},
        marketSegments=["COM"],
    )
    for country in ("JP", "DE", "us", "USA", "XX"):
        (await ask(world, country=country)).refused(400, "1178", "country")
    (await world.get(PATH, params={"market-segment": "COM"})).refused(400, "1132", "country")
    (await world.get(PATH, params={"country": "US"})).refused(400, "1132", "market-segment")
    (await world.get(PATH)).refused(400, "1132", "country", "market-segment")
    (await ask(world, market_segment="")).refused(400, "1132", "market-segment")
    (await ask(world, market_segment="ORG")).refused(400, "1132", "market-segment")
    (await ask(world, market_segment="EDU")).refused(400, "1160", "marketSegment")
    both = await ask(world, market_segment="EDU", country="JP")
    both.refused(400, "1160", "marketSegment")


@pytest.mark.proves("catalog.md 25", "1121")
async def test_an_id_stands_alone(seller: World) -> None:
    asked = {"flex_discount_id": EASTER_ID}
    (await ask(seller, **asked, categories="STANDARD")).refused(400, "1121", "categories")
    others = await ask(seller, **asked, end_date="x", offer_ids=FOLIO, limit="0")
    others.refused(400, "1121", "offer-ids", "end-date")
    (await ask(seller, **asked, categories="", limit="5", offset="0")).ok(200)
    (await ask(seller, flex_discount_id="x" * 41)).refused(400, "1132", "flex-discount-id")


@pytest.mark.proves("1132")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("categories", "STANDARD,GIFT"),
        ("start-date", "2026-02-30"),
        ("start-date", "2026-02-10T12:00:00+01:00"),
        ("end-date", "tomorrow"),
        ("include-eligible-reusable-discounts", "yes"),
        ("limit", "0"),
        ("limit", "ten"),
        ("offset", "-1"),
    ],
)
async def test_a_bad_value_is_named(seller: World, name: str, value: str) -> None:
    (await ask(seller, **{name: value})).refused(400, "1132", name)


async def test_pages_and_their_links(seller: World) -> None:
    first = (await ask(seller, limit="5", categories="STANDARD")).ok(200)
    query = "market-segment=COM&country=US&categories=STANDARD&limit=5&offset={}"
    assert first["links"] == {
        "self": {"uri": f"{PATH}?{query.format(0)}", "method": "GET", "headers": []},
        "next": {"uri": f"{PATH}?{query.format(5)}", "method": "GET", "headers": []},
    }
    seen, reply = list(first["flexDiscounts"]), first
    while "next" in reply["links"]:
        reply = (await seller.get(reply["links"]["next"]["uri"])).ok(200)
        seen += reply["flexDiscounts"]
    assert seen == await found(seller, categories="STANDARD")
    assert set(reply["links"]) == {"self", "prev"}
    beyond = (await ask(seller, offset="12", limit="500")).ok(200)
    assert (beyond["flexDiscounts"], beyond["count"], beyond["totalCount"]) == ([], 0, 12)
    assert beyond["limit"] == 50


async def test_a_code_bound_to_a_customer_is_unknown_to_other_partners(
    new_world: MakeWorld,
) -> None:
    world, other = await new_world(clock={"now": NOW}), await new_world(clock={"now": NOW})
    customer, stranger = await world.customer(), await other.customer()
    colleague = await world.customer()
    rows = list(csv.DictReader(data_file("sample_flex_discounts.csv").splitlines()))
    bound = next(row for row in rows if row["code"] == CLOSED)
    bound["customerId"] = customer
    written = StringIO()
    writer = csv.DictWriter(written, list(bound))
    writer.writeheader()
    writer.writerow(bound)
    for one in (world, other):
        headers = {"Content-Type": "text/csv"}
        content = written.getvalue().encode()
        (await one.put("/sandbox/flex-discounts", headers=headers, content=content)).ok(200)
    coded = line(FOLIO_PRO, 1, flexDiscountCodes=[CLOSED])
    assert await codes(other, flex_discount_code=CLOSED) == []
    refused = await other.preview(stranger, coded)
    refused.refused(400, "2146", "Line Item: 1, Reason: NOT_FOUND")
    assert await codes(world, flex_discount_code=CLOSED) == [CLOSED]
    refused = await world.preview(colleague, coded)
    refused.refused(400, "2141", "Line Item: 1, Reason: Invalid Flexible Discount")
    (await world.order(customer, coded)).ok()


@pytest.mark.proves("catalog.md 30")
async def test_what_a_customer_can_go_on_using(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2026-04-01T12:00:00Z"})
    user, other = await world.customer(), await world.customer()
    path = f"/v3/customers/{user}/flex-discounts"

    async def shown(customer: str) -> list[tuple[str, str]]:
        reply = (await world.get(f"/v3/customers/{customer}/flex-discounts")).ok(200)
        return [(one["code"], one["status"]) for one in reply["flexDiscounts"]]

    assert await shown(user) == []
    for number, code in enumerate(("EASTER_26", "NEW YEAR", "NON3YC_TERM_5"), start=1):
        (await world.order(user, line(FOLIO, 1, number, flexDiscountCodes=[code]))).ok()
        await world.at(f"2026-04-0{number + 1}T12:00:00Z")
    assert await shown(user) == [("NEW YEAR", "ACTIVE"), ("EASTER_26", "ACTIVE")]
    await world.at("2026-05-01T12:00:00Z")
    assert await shown(user) == [("NEW YEAR", "ACTIVE"), ("EASTER_26", "REUSABLE")]
    assert await shown(other) == []
    page = (await world.get(path, params={"limit": "1", "offset": "1", "country": "DE"})).ok(200)
    assert (page["totalCount"], page["count"], page["limit"]) == (2, 1, 1)
    (easter,) = page["flexDiscounts"]
    assert easter["outcomes"][0]["discountValues"] == [
        {"country": "US", "currency": "USD", "value": 26}
    ]
    assert page["links"]["prev"]["uri"] == f"{path}?limit=1&offset=0"
    (await world.get(path, params={"limit": "0"})).refused(400, "1132", "limit")
    unknown = await world.get("/v3/customers/1999999999/flex-discounts", params={"limit": "0"})
    unknown.refused(404, "1116")


async def test_what_was_given_back_is_used_no_more(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2026-04-01T12:00:00Z"})
    customer = await world.customer()
    placed = (await world.order(customer, line(FOLIO, 1, flexDiscountCodes=["EASTER_26"]))).ok()
    path = f"/v3/customers/{customer}/flex-discounts"
    assert (await world.get(path)).ok(200)["totalCount"] == 1
    (await world.give_back(customer, placed)).ok()
    assert (await world.get(path)).ok(200)["totalCount"] == 0
