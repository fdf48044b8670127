"""POST /v3/pricelist: the acceptance scenarios of catalog.md 4, its refusals and its promises."""

import csv
from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest

from seatledger.contract.bodies.price_lists import OfferAttribute
from tests.conftest import MakeWorld
from tests.harness import Reply, World, line, unique
from tests.samples import data_file
from tests.wire import with_credential

pytestmark = pytest.mark.anyio

PATH = "/v3/pricelist"
NOW = "2026-02-10T12:00:00Z"
LIST = {
    "region": "NA",
    "marketSegment": "COM",
    "currency": "USD",
    "priceListMonth": "202602",
}
TEMPO, MOTION, HVD = "65304600CA01A12", "65322447CA01A12", "80004567EA01A12"


@pytest.fixture
async def seller(new_world: MakeWorld) -> AsyncIterator[World]:
    made = await new_world(clock={"now": NOW})
    yield made
    await made.is_sound()


async def ask(world: World, params: Any = None, **changes: Any) -> Reply:
    return await world.post(PATH, {**LIST, **changes}, params=params)


async def offers(world: World, params: Any = None, **changes: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await ask(world, params, **changes)).ok(200)["offers"]
    return found


@pytest.mark.proves("catalog.md 1")
async def test_the_first_page(seller: World) -> None:
    found = (await ask(seller)).ok(200)
    head = {name: value for name, value in found.body.items() if name != "offers"}
    assert head == {
        **LIST,
        "priceListType": "STANDARD",
        "totalCount": 50,
        "count": 20,
        "limit": 20,
        "offset": 0,
    }
    listed = found["offers"]
    assert [one["offerId"] for one in listed] == sorted(one["offerId"] for one in listed)
    assert len(listed) == 20
    for one in listed:
        assert list(one) == [
            "offerId", "productFamily", "firstOrderDate", "lastOrderDate", "partnerPrice",
        ]  # fmt: skip
    assert all(isinstance(one["partnerPrice"], str) for one in listed)


@pytest.mark.proves("catalog.md 2")
async def test_a_row_as_it_is_printed(seller: World) -> None:
    wanted = {"filters": {"offerId": TEMPO}}
    (before,) = await offers(seller, **wanted, priceListMonth="202601")
    assert before["partnerPrice"] == "296.28"
    assert before["lastOrderDate"] == "2026-01-31T00:00:00.000+00:00"
    assert await offers(seller, **wanted) == [
        {
            "offerId": TEMPO,
            "productFamily": "Tempo Cut for Teams",
            "firstOrderDate": "2026-02-01T00:00:00.000+00:00",
            "lastOrderDate": "9999-12-31T00:00:00.000+00:00",
            "partnerPrice": "311.04",
        }
    ]


@pytest.mark.proves("catalog.md 3", "1162", "5122")
async def test_months(seller: World) -> None:
    (await ask(seller, priceListMonth="202603")).ok(200)
    (await ask(seller, priceListMonth="202604")).refused(404, "1162")
    (await ask(seller, priceListMonth="2026-02")).refused(400, "5122", "priceListMonth")


async def test_the_next_month_begins_with_the_pacific_day(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2026-02-01T07:59:59Z"})
    (await ask(world, priceListMonth="202602")).ok(200)
    (await ask(world, priceListMonth="202603")).refused(404, "1162")
    await world.at("2026-02-01T08:00:00Z")
    (await ask(world, priceListMonth="202603")).ok(200)


@pytest.mark.proves("catalog.md 4")
async def test_historical_prices_of_commitments(seller: World) -> None:
    wanted = {"priceListType": "3YC", "filters": {"offerId": "65304479CA13A12"}}
    found = await offers(seller, **wanted)
    assert [
        (one["partnerPrice"], one["firstOrderDate"][:10], one["lastOrderDate"][:10])
        for one in found
    ] == [
        ("199.56", "2022-05-03", "2023-11-01"),
        ("214.08", "2023-11-02", "2025-03-31"),
        ("229.56", "2025-04-01", "9999-12-31"),
    ]


@pytest.mark.proves("catalog.md 5", "5122")
async def test_attributes_on_request(seller: World) -> None:
    wanted = ["levelDetails", "metric", "levelDetails", "offerId"]
    found = await offers(seller, {"limit": 100}, includeOfferAttributes=wanted)
    assert all(one["levelDetails"] for one in found)
    metrics = {one["offerId"]: one["metric"] for one in found if "metric" in one}
    assert metrics
    assert metrics.keys() < {one["offerId"] for one in found}
    assert "" not in metrics.values()
    refused = await ask(seller, includeOfferAttributes=["levelDetails", "colour", "colour", "é"])
    refused.refused(400, "5122", "includeOfferAttributes: colour", "includeOfferAttributes: é")
    plain = await offers(seller)
    assert await offers(seller, includeOfferAttributes=[]) == plain
    assert await offers(seller, includeOfferAttributes=["offerId", "partnerPrice"]) == plain


@pytest.mark.parametrize("kind", ["STANDARD", "3YC"])
async def test_every_attribute_of_every_row(seller: World, kind: str) -> None:
    every = list(get_args(OfferAttribute))
    found = await offers(seller, {"limit": 100}, priceListType=kind, includeOfferAttributes=every)
    cells = {
        (row["offerId"], row["discountCode"], row["firstOrderDate"]): row
        for row in csv.DictReader(data_file("sample_catalog.csv").splitlines())
        if (row["priceListType"], row["region"]) == (kind, "NA")
    }
    assert found
    for one in found:
        key = (one["offerId"], one.get("discountCode", ""), one["firstOrderDate"][:10])
        row = {**cells[key], "version": "ALL", "partNumber": one["offerId"]}
        row["lastOrderDate"] = row["lastOrderDate"] or "9999-12-31"
        for name in ("firstOrderDate", "lastOrderDate", "acdEffectiveDate"):
            row[name] = row[name] and f"{row[name]}T00:00:00.000+00:00"
        assert one == {name: row[name] for name in every if row.get(name)}


@pytest.mark.proves("catalog.md 6", "catalog.md 7")
async def test_dates_narrow_a_list(seller: World) -> None:
    begun = {
        row["offerId"] for row in await offers(seller, filters={"firstOrderDate": "2026-01-31"})
    }
    assert begun == {TEMPO, "65304600CA02A12", "65331462CA01A12"}
    for later in ("2026-02-01", "2026-02-01T23:59:59Z"):
        assert await offers(seller, filters={"firstOrderDate": later}) == []

    async def ended(last: str) -> Reply:
        filters = {"offerId": MOTION, "lastOrderDate": last}
        return (await ask(seller, priceListMonth="202511", filters=filters)).ok(200)

    assert len((await ended("2025-11-30"))["offers"]) == 1
    assert len((await ended("2025-11-30T23:59Z"))["offers"]) == 1
    nothing = await ended("2025-12-01")
    assert (nothing["totalCount"], nothing["count"], nothing["offers"]) == (0, 0, [])


@pytest.mark.proves("catalog.md 8")
async def test_a_deleted_offer(seller: World) -> None:
    wanted = {"filters": {"offerId": MOTION}, "includeOfferAttributes": ["acdIndicator"]}
    (row,) = await offers(seller, **wanted, priceListMonth="202512")
    assert row["acdIndicator"] == "Delete"
    assert await offers(seller, **wanted, priceListMonth="202601") == []


@pytest.mark.proves("catalog.md 9", "1162")
async def test_pages(seller: World) -> None:
    for limit in (100, 500, 10**30):
        whole = (await ask(seller, {"limit": limit})).ok(200)
        assert (whole["limit"], whole["count"], whole["totalCount"]) == (100, 50, 50)
    for below in (0, -1):
        (await ask(seller, {"limit": below})).refused(400, "5122", "limit")
    (await ask(seller, {"offset": 50})).refused(404, "1162")
    (await ask(seller, {"offset": 10**30})).refused(404, "1162")
    last = (await ask(seller, {"offset": 49, "limit": 3})).ok(200)
    assert (last["count"], last["limit"], last["offset"]) == (1, 3, 49)
    assert last["offers"] == whole["offers"][49:]
    nothing = await ask(seller, {"offset": 50}, filters={"offerId": "unknown"})
    assert nothing.ok(200)["offers"] == []


@pytest.mark.proves("catalog.md 9")
async def test_a_client_reads_until_it_has_all(seller: World) -> None:
    collected: list[dict[str, Any]] = []
    while True:
        found = (await ask(seller, {"offset": len(collected), "limit": 15})).ok(200)
        collected += found["offers"]
        if len(collected) >= found["totalCount"] or not found["count"]:
            break
    assert collected == await offers(seller, {"limit": 100})


@pytest.mark.proves("catalog.md 10", "1159", "1160", "1161", "1122", "1164", "1162")
async def test_contract(seller: World) -> None:
    (await ask(seller, currency="EUR")).refused(400, "1161", "currency")
    (await ask(seller, region="PA", currency="AUD")).refused(400, "1161", "region")
    agency = {"priceListType": "STD-LGA", "marketSegment": "GOV"}
    (await ask(seller, **agency)).refused(400, "1164")
    await seller.set(lgaEnabled=True)
    found = await offers(seller, **agency)
    assert [one["offerId"][10:12] for one in found] == ["06", "07", "08", "09"]
    (await ask(seller, priceListType="STD-LGA")).refused(404, "1162")
    await seller.set(marketSegments=["COM"])
    (await ask(seller, marketSegment="GOV")).refused(400, "1160", "marketSegment")
    missing = await seller.post(PATH, {"marketSegment": "COM", "priceListMonth": "202602"})
    missing.refused(400, "1122", "region", "currency")
    await seller.set(status="1004")
    (await ask(seller)).refused(400, "1159")


@pytest.mark.proves("catalog.md 11")
async def test_rows_of_a_discount_code(seller: World) -> None:
    found = await offers(seller, priceListType="3YC", filters={"discountCode": "HVD_L18_PRE"})
    assert [one["offerId"] for one in found] == [MOTION, HVD]
    assert {(one["partnerPrice"], one["discountCode"]) for one in found} == {
        ("299.99", "HVD_L18_PRE")
    }


# --- form ------------------------------------------------------------------------------------


@pytest.mark.proves("1122", "1121", "5122")
@pytest.mark.parametrize(
    ("changes", "code", "details"),
    [
        ({"currency": ""}, "1122", ["currency"]),
        ({"currency": None, "region": ""}, "1122", ["region", "currency"]),
        ({"limit": 5, "offset": 0}, "1121", ["limit", "offset"]),
        ({"filters": {"colour": "red"}}, "1121", ["filters.colour"]),
        ({"colour": 1, "region": "", "currency": "x"}, "1121", ["colour"]),
        ({"region": "", "currency": "x"}, "1122", ["region"]),
        ({"region": "XX"}, "5122", ["region"]),
        ({"region": "na"}, "5122", ["region"]),
        ({"region": 5}, "5122", ["region"]),
        ({"marketSegment": "ALL"}, "5122", ["marketSegment"]),
        ({"currency": "CHF"}, "5122", ["currency"]),
        ({"priceListMonth": 202602}, "5122", ["priceListMonth"]),
        ({"priceListMonth": "202613"}, "5122", ["priceListMonth"]),
        ({"priceListMonth": "202602\n"}, "5122", ["priceListMonth"]),
        ({"priceListType": "LGA"}, "5122", ["priceListType"]),
        ({"priceListType": ""}, "5122", ["priceListType"]),
        ({"filters": []}, "5122", ["filters"]),
        ({"filters": {"offerId": 1}}, "5122", ["filters.offerId"]),
        ({"filters": {"firstOrderDate": "2026-02-30"}}, "5122", ["filters.firstOrderDate"]),
        ({"filters": {"lastOrderDate": "2026-02-01T00:00:00+00:00"}}, "5122",
         ["filters.lastOrderDate"]),
        ({"filters": {"firstOrderDate": 5, "lastOrderDate": "x"}}, "5122",
         ["filters.firstOrderDate", "filters.lastOrderDate"]),
        ({"includeOfferAttributes": "metric"}, "5122", ["includeOfferAttributes"]),
        ({"includeOfferAttributes": ["metric", 5, None, "", "Metric", "a\x00b"]}, "5122",
         ["includeOfferAttributes[1]", "includeOfferAttributes[2]", "includeOfferAttributes[3]",
          "includeOfferAttributes: Metric", "includeOfferAttributes[5]"]),
        ({"includeOfferAttributes": ["\ud800"]}, "5122", ["includeOfferAttributes[0]"]),
        ({"filters": {"lastOrderDate": "x"}, "region": "XX", "priceListMonth": "2026"}, "5122",
         ["region", "priceListMonth", "filters.lastOrderDate"]),
    ],
)  # fmt: skip
async def test_form(seller: World, changes: dict[str, Any], code: str, details: list[str]) -> None:
    found = await ask(seller, **changes)
    found.refused(400, code, *details)
    if code == "5122":
        assert found["message"] == "Invalid Request"


@pytest.mark.proves("5122")
async def test_bad_paging_joins_the_bad_values(seller: World) -> None:
    for name, value in (("limit", "0"), ("limit", "ten"), ("offset", "-1"), ("offset", "1.0")):
        (await ask(seller, {name: value})).refused(400, "5122", name)
    found = await ask(seller, {"offset": "x", "limit": "-5"}, region="XX")
    found.refused(400, "5122", "region", "offset", "limit")
    (await ask(seller, [("limit", "5"), ("limit", "6")])).refused(400, "5122", "limit")
    assert len(await offers(seller, [("limit", "5"), ("limit", "5")])) == 5
    assert len(await offers(seller, {"limit": "", "colour": "red"})) == 20


@pytest.mark.proves("1159", "1121", "1122", "5122", "1160", "1161", "1164", "1162")
async def test_which_refusal_wins(seller: World) -> None:
    await seller.set(marketSegments=["COM"], status="1004")
    wrong: dict[str, Any] = {
        "colour": 1,
        "currency": "",
        "priceListMonth": "x",
        "marketSegment": "GOV",
        "region": "AP",
        "priceListType": "STD-LGA",
    }
    (await seller.post(PATH, content=b"[1]")).refused(400, "400")
    (await ask(seller, **wrong)).refused(400, "1159")
    await seller.set(status="1000")
    (await ask(seller, **wrong)).refused(400, "1121", "colour")
    del wrong["colour"]
    (await ask(seller, **wrong)).refused(400, "1122", "currency")
    wrong["currency"] = "EUR"
    (await ask(seller, **wrong)).refused(400, "5122", "priceListMonth")
    wrong["priceListMonth"] = "209901"
    (await ask(seller, **wrong)).refused(400, "1160", "marketSegment")
    wrong["marketSegment"] = "COM"
    (await ask(seller, **wrong)).refused(400, "1161", "region")
    wrong["region"] = "NA"
    (await ask(seller, **wrong)).refused(400, "1161", "currency")
    wrong["currency"] = "USD"
    (await ask(seller, **wrong)).refused(400, "1164")
    del wrong["priceListType"]
    (await ask(seller, **wrong)).refused(404, "1162")


async def test_what_counts_as_no_filter(seller: World) -> None:
    whole = await offers(seller)
    empty = dict.fromkeys(
        ("offerId", "productFamily", "firstOrderDate", "lastOrderDate", "discountCode")
    )
    for filters in (None, {}, empty, dict.fromkeys(empty, "")):
        assert await offers(seller, filters=filters) == whole
    assert await offers(seller, priceListType=None, includeOfferAttributes=None) == whole
    family = whole[0]["productFamily"]
    some = await offers(seller, filters={"productFamily": family})
    assert some == [one for one in whole if one["productFamily"] == family]
    assert await offers(seller, filters={"productFamily": family.upper()}) == []


async def test_an_empty_body_names_what_is_missing(seller: World) -> None:
    found = await seller.post(PATH, content=b"")
    found.refused(400, "1122", "region", "marketSegment", "currency", "priceListMonth")


# --- what else a caller may rely on ----------------------------------------------------------


@pytest.mark.proves("platform.md 20")
async def test_nothing_is_replayed(seller: World) -> None:
    headers = {"X-Request-Id": unique("request")}
    pages = [
        (
            await seller.post(
                PATH, LIST, params={"offset": offset}, headers=headers, correlation_id="one-intent"
            )
        ).ok(200)
        for offset in (0, 20, 40)
    ]
    ids = [one["offerId"] for page in pages for one in page["offers"]]
    assert len(ids) == len(set(ids)) == 50
    assert not any("Seatledger-Replayed" in page.headers for page in pages)
    reseller = {"distributorId": "unknown"}
    made = await seller.post("/v3/resellers", reseller, headers=headers)
    assert made.code == "1122"  # the request id counts as unused


async def test_ids_are_wanted_all_the_same(seller: World) -> None:
    found = await seller.post(PATH, LIST, headers={"X-Correlation-Id": None})
    found.refused(400, "4119")


async def test_a_read_only_credential_reads_lists(seller: World, database_url: str) -> None:
    reader = await with_credential(seller, database_url, role="read")
    (await ask(reader)).ok(200)


@pytest.mark.proves("S-170")
async def test_what_is_listed_can_be_bought_at_its_price(seller: World) -> None:
    customer = await seller.customer()
    listed = await offers(seller, {"limit": 100}, includeOfferAttributes=["levelDetails"])
    first_level = [one for one in listed if one["offerId"][10:12] == "01"]
    bought = 0
    for one in first_level:
        quote = await seller.preview(customer, line(one["offerId"]))
        if quote.status == 201:
            (priced,) = quote["lineItems"]
            assert priced["offerId"] == one["offerId"]
            assert str(priced["pricing"]["partnerPrice"]) == one["partnerPrice"]
            bought += 1
        else:
            assert quote.code == "2129", quote.body  # an add-on, or incompatible
    assert bought > 10


async def test_yen_have_no_fraction(seller: World) -> None:
    wanted = {"region": "JP", "currency": "JPY", "includeOfferAttributes": ["estimatedStreetPrice"]}
    found = await offers(seller, **wanted)
    assert [one["partnerPrice"] for one in found] == ["58300", "54700"]
    assert found[0]["estimatedStreetPrice"] == "62090"


async def test_a_new_catalogue_shows_at_once(seller: World) -> None:
    wanted = {"filters": {"offerId": "11073058CA01A12"}}
    assert (await offers(seller, **wanted))[0]["partnerPrice"] == "389.00"
    header, first, *rest = data_file("sample_catalog.csv").splitlines()
    text = "\n".join((header, first.replace(",389.00,", ",387.5,"), *rest))
    headers = {"Content-Type": "text/csv"}
    (await seller.put("/sandbox/catalog", content=text.encode(), headers=headers)).ok(200)
    assert (await offers(seller, **wanted))[0]["partnerPrice"] == "387.50"
