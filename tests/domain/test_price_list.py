"""Price lists by their rules alone: months, windows, filters, order, pages, the contract."""

import csv
from calendar import monthrange
from datetime import date
from typing import Any, get_args

import pytest
from msgspec.structs import fields, replace

from seatledger.contract.bodies.price_lists import OfferAttribute
from seatledger.contract.resources import PriceListOfferOut
from seatledger.domain.catalog import OPEN_END, Catalog, PriceRow
from seatledger.domain.catalog_file import read_catalog
from seatledger.domain.model import Partner
from seatledger.domain.outcome import Refused
from seatledger.domain.price_list import (
    PriceListPage,
    PriceListRequest,
    RowFilter,
    month_number,
    page_of_list,
)
from tests import samples

TODAY = date(2026, 2, 10)
EVERYWHERE = samples.partner(
    regions=("NA", "WE", "JP", "PA", "AP", "LA", "MX", "EE"),
    currencies={
        **dict.fromkeys(("NA", "AP", "LA", "MX", "EE"), ("USD",)),
        "WE": ("EUR", "GBP"),
        "JP": ("JPY",),
        "PA": ("AUD",),
    },
    country="US",
    lga_enabled=True,
)
CELLS = list(csv.DictReader(samples.data_file("sample_catalog.csv").splitlines()))
LISTS = sorted(
    {(row["priceListType"], row["region"], row["marketSegment"], row["currency"]) for row in CELLS}
)


def month(text: str) -> int:
    return month_number(int(text[:4]), int(text[4:]))


def ask(
    when: str = "202602",
    price_list: str = "STANDARD",
    region: str = "NA",
    segment: str = "COM",
    currency: str = "USD",
    limit: int = 1_000,
    offset: int = 0,
    **wanted: Any,
) -> PriceListRequest:
    return PriceListRequest(
        price_list, region, segment, currency, month(when), RowFilter(**wanted), limit, offset
    )


def page(
    *args: Any,
    seller: Partner = EVERYWHERE,
    goods: Catalog | None = None,
    today: date = TODAY,
    **more: Any,
) -> PriceListPage | Refused:
    return page_of_list(ask(*args, **more), goods or samples.catalog(), seller, today)


def rows(*args: Any, **more: Any) -> list[PriceRow]:
    found = page(*args, **more)
    assert isinstance(found, PriceListPage), found
    return list(found.rows)


def code(*args: Any, **more: Any) -> tuple[str, ...]:
    found = page(*args, **more)
    assert isinstance(found, Refused), found
    return (found.code, *found.details)


def with_row(**changes: Any) -> Catalog:
    """The sample catalogue with a changed copy of its first row instead of that row."""
    goods = samples.catalog()
    first, *rest = goods.rows
    return Catalog(goods.offers.values(), (replace(first, **changes), *rest))


def expected_ids(kind: tuple[str, ...], when: str) -> list[tuple[str, str, str]]:
    """The rows of a list by its text in the contract, told from the file's cells alone."""
    year, number = int(when[:4]), int(when[4:])
    first = date(year, number, 1).isoformat()
    last_day = date(year, number, monthrange(year, number)[1]).isoformat()
    found = []
    for row in CELLS:
        place = (row["priceListType"], row["region"], row["marketSegment"], row["currency"])
        begins, ends = row["firstOrderDate"], row["lastOrderDate"] or "9999-12-31"
        touches = begins <= last_day and ends >= first
        is_deleted = (
            row["acdIndicator"] == "Delete" and first <= row["acdEffectiveDate"] <= last_day
        )
        belongs = begins <= last_day if kind[0] == "3YC" else touches or is_deleted
        if place == kind and belongs:
            found.append((row["offerId"], row["discountCode"], begins))
    return sorted(found)


@pytest.mark.parametrize("kind", LISTS, ids="/".join)
def test_every_list_of_every_month_is_what_the_file_says(kind: tuple[str, str, str, str]) -> None:
    for number in range(month("201801"), month("202603") + 1):
        when = f"{number // 12}{number % 12 + 1:02}"
        listed = [
            (row.offer_id, row.discount_code, row.first_day.isoformat())
            for row in rows(when, *kind)
        ]
        assert listed == expected_ids(kind, when), when


@pytest.mark.proves("catalog.md 2")
def test_a_changed_price_is_in_the_list_of_its_month() -> None:
    (before,) = rows("202601", offer_id="65304600CA01A12")
    (after,) = rows("202602", offer_id="65304600CA01A12")
    assert (str(before.partner_price), before.last_day) == ("296.28", date(2026, 1, 31))
    assert (str(after.partner_price), after.first_day) == ("311.04", date(2026, 2, 1))


def test_a_change_within_a_month_shows_both_windows() -> None:
    goods = samples.catalog()
    first, *rest = goods.rows
    split = (
        replace(first, first_day=date(2026, 2, 11)),
        replace(first, last_day=date(2026, 2, 10)),
    )
    changed = Catalog(goods.offers.values(), (*split, *rest))
    for when, windows in (("202601", 1), ("202602", 2), ("202603", 1)):
        found = rows(when, goods=changed, offer_id=first.offer_id)
        assert [row.first_day for row in found] == sorted(row.first_day for row in found)
        assert len(found) == windows


@pytest.mark.proves("catalog.md 4")
def test_committed_lists_keep_every_older_window() -> None:
    wanted: dict[str, Any] = {"price_list": "3YC", "offer_id": "65304479CA13A12"}
    now = rows("202602", **wanted)
    assert [(str(row.partner_price), row.first_day, row.last_day) for row in now] == [
        ("199.56", date(2022, 5, 3), date(2023, 11, 1)),
        ("214.08", date(2023, 11, 2), date(2025, 3, 31)),
        ("229.56", date(2025, 4, 1), OPEN_END),
    ]
    assert len(rows("202503", **wanted)) == 2
    assert len(rows("202205", **wanted)) == 1
    assert rows("202204", **wanted) == []


@pytest.mark.proves("catalog.md 8")
def test_a_deleted_row_is_announced_for_one_month() -> None:
    ended = "65322447CA01A12"
    for when, count in (("202511", 1), ("202512", 1), ("202601", 0)):
        assert len(rows(when, offer_id=ended)) == count
    (last,) = rows("202512", offer_id=ended)
    assert last.description.acd_indicator == "Delete"


@pytest.mark.proves("catalog.md 6")
def test_the_first_day_filter_is_strict() -> None:
    begun = "65304600CA01A12"
    assert rows(offer_id=begun, first_day_after=date(2026, 2, 1)) == []
    (row,) = rows(offer_id=begun, first_day_after=date(2026, 1, 31))
    assert row.first_day == date(2026, 2, 1)
    assert {row.first_day for row in rows(first_day_after=date(2026, 1, 31))} == {date(2026, 2, 1)}


@pytest.mark.proves("catalog.md 7")
def test_the_last_day_filter_includes_its_day() -> None:
    ended: dict[str, Any] = {"when": "202511", "offer_id": "65322447CA01A12"}
    assert len(rows(**ended, last_day_from=date(2025, 11, 30))) == 1
    assert page(**ended, last_day_from=date(2025, 12, 1)) == PriceListPage(0, ())
    assert len(rows(last_day_from=OPEN_END)) == len(rows("202602"))


@pytest.mark.proves("catalog.md 11")
def test_rows_of_a_discount_code() -> None:
    found = rows(price_list="3YC", discount_code="HVD_L18_PRE")
    assert [(row.offer_id, str(row.partner_price)) for row in found] == [
        ("65322447CA01A12", "299.99"),
        ("80004567EA01A12", "299.99"),
    ]
    assert rows(discount_code="HVD_L18_PRE") == []


def test_filters_work_together() -> None:
    family = "Canvas Studio All Apps for Teams"
    found = rows(family=family)
    assert {row.offer_id[:10] for row in found} == {"11073058CA"}
    assert rows(family=family.lower()) == []
    assert rows(family=family, offer_id="65304600CA01A12") == []
    (one,) = rows(family=family, offer_id="11073058CA02A12", last_day_from=TODAY)
    assert str(one.partner_price) == "365.00"


def test_rows_without_a_code_come_first() -> None:
    found = rows(price_list="3YC", offer_id="80004567EA01A12")
    codes = [row.discount_code for row in found]
    assert codes == sorted(codes)
    plain = with_row(price_list="3YC", offer_id="80004567EA01A12")
    more = rows(price_list="3YC", offer_id="80004567EA01A12", goods=plain)
    assert [row.discount_code for row in more] == ["", *codes]


@pytest.mark.proves("catalog.md 9", "1162")
def test_pages_cover_the_list_once() -> None:
    everything = rows()
    assert len(everything) == 50
    paged = [row for start in range(0, 50, 7) for row in rows(limit=7, offset=start)]
    assert paged == everything
    assert page(offset=50) == page(offset=51) == Refused("1162")
    assert page(offset=50, offer_id="unknown") == PriceListPage(0, ())


@pytest.mark.proves("catalog.md 3", "1162")
@pytest.mark.parametrize(
    ("when", "today", "exists"),
    [
        ("202603", "2026-02-10", True),
        ("202604", "2026-02-10", False),
        ("202604", "2026-02-28", False),
        ("202604", "2026-03-01", True),
        ("202701", "2026-12-31", True),
        ("202702", "2026-12-31", False),
        ("201801", "2026-02-10", True),
        ("201712", "2026-02-10", False),
        ("000001", "2026-02-10", False),
        ("999912", "2026-02-10", False),
    ],
)
def test_lists_exist_from_the_first_month_to_the_next(
    when: str, today: str, *, exists: bool
) -> None:
    found = page(when, today=date.fromisoformat(today))
    assert isinstance(found, PriceListPage) is exists
    assert exists or found == Refused("1162")


@pytest.mark.proves("1162")
def test_a_list_without_any_row_does_not_exist() -> None:
    assert code(region="LA", segment="EDU") == ("1162",)
    assert code(price_list="3YC", region="WE", currency="EUR") == ("1162",)
    assert rows("202205", price_list="3YC")
    late = with_row(price_list="3YC", first_day=date(2026, 2, 1))
    only = Catalog(late.offers.values(), late.rows[:1])
    assert code("202601", price_list="3YC", goods=only) == ("1162",)
    assert len(rows("202602", price_list="3YC", goods=only)) == 1


@pytest.mark.proves("catalog.md 10", "1160", "1161", "1164")
@pytest.mark.parametrize(
    ("contract", "wanted", "refusal"),
    [
        ({"market_segments": ("COM",)}, {"segment": "GOV"}, ("1160", "marketSegment")),
        ({"regions": ("WE",)}, {}, ("1161", "region")),
        ({}, {"currency": "EUR"}, ("1161", "currency")),
        ({"currencies": {"WE": ("EUR",)}}, {"region": "WE", "currency": "GBP"},
         ("1161", "currency")),
        ({"lga_enabled": False}, {"price_list": "STD-LGA", "segment": "GOV"}, ("1164",)),
        ({"lga_enabled": False}, {"price_list": "STD-LGA"}, ("1164",)),
        ({}, {"price_list": "STD-LGA"}, ("1162",)),
        ({"market_segments": ("COM",), "regions": ("WE",)}, {"segment": "EDU"},
         ("1160", "marketSegment")),
        ({"regions": ("WE",), "lga_enabled": False}, {"price_list": "STD-LGA"},
         ("1161", "region")),
        ({"lga_enabled": False}, {"when": "209901", "price_list": "STD-LGA"}, ("1164",)),
    ],
)  # fmt: skip
def test_what_the_contract_does_not_cover(
    contract: dict[str, Any], wanted: dict[str, Any], refusal: tuple[str, ...]
) -> None:
    assert code(seller=replace(EVERYWHERE, **contract), **wanted) == refusal


def test_lists_of_large_agencies_are_for_government_alone() -> None:
    levels = [row.offer_id[10:12] for row in rows(price_list="STD-LGA", segment="GOV")]
    assert levels == ["06", "07", "08", "09"]
    to_all = with_row(price_list="STD-LGA")
    assert code(price_list="STD-LGA", goods=to_all) == ("1162",)


def test_every_attribute_of_an_answer_can_be_asked_for() -> None:
    answered = {field.encode_name for field in fields(PriceListOfferOut)}
    assert answered == set(get_args(OfferAttribute))


def test_descriptions_come_from_the_file() -> None:
    for cells, row in zip(CELLS, samples.catalog().rows, strict=True):
        told = row.description
        assert told.level_details == cells["levelDetails"]
        assert told.metric == cells["metric"]
        assert told.additional_detail == cells["additionalDetail"]
        assert str(told.estimated_street_price) == cells["estimatedStreetPrice"]
        shown = told.acd_effective_date.isoformat() if told.acd_effective_date else ""
        assert shown == cells["acdEffectiveDate"]
        assert told.version == "ALL"


def test_a_file_may_tell_more_than_the_sample_does() -> None:
    header, first, *_ = samples.data_file("sample_catalog.csv").splitlines()
    text = f"{header},version,upcEanCode,estimatedShipDate\n{first},5,883919,2026-03-01\n"
    (row,) = read_catalog(text).catalog.rows
    told = row.description
    assert (told.version, told.upc_ean_code) == ("5", "883919")
    assert told.estimated_ship_date == date(2026, 3, 1)
