"""Choosing offers and price rows: lists, windows, regions, commitments, product life."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.catalog import OPEN_END, Catalog, PriceRow
from seatledger.domain.levels import CONSUMABLES, LICENSE
from seatledger.domain.model import Customer, OrderLine
from tests import samples
from tests.samples import want

FOLIO, FOLIO_13 = "65304479CA01A12", "65304479CA13A12"


def day(text: str) -> date:
    return date.fromisoformat(text)


def committed(start: str, quantity: int = 50, level: str = "13", **changes: Any) -> Customer:
    """A customer whose commitment covers licences since `start`."""
    benefit = samples.committed(start, (LICENSE, quantity))
    return samples.customer(benefits=(benefit,), license_level=level, **changes)


def offer_and_price(line: OrderLine) -> tuple[str, Decimal]:
    assert line.price is not None
    return line.offer_id, line.price.partner_price


def preview(offer_id: str, quantity: int = 1, **more: Any) -> tuple[str, Decimal]:
    (line,) = samples.sold(want(offer_id, quantity), **more)
    return offer_and_price(line)


def price(offer_id: str, on: str, *, region: str = "NA", currency: str = "USD", **more: Any) -> str:
    row = samples.catalog().price_row(offer_id, region, currency, day(on), **more)
    return "none" if row is None else str(row.partner_price)


def with_rows(*rows: PriceRow) -> Catalog:
    """The sample catalogue with more price rows."""
    known = samples.catalog()
    return Catalog(known.offers.values(), (*known.rows, *rows))


@pytest.mark.proves("S-170")
def test_the_window_contains_the_pacific_day() -> None:
    assert price("65304600CA01A12", "2026-01-31") == "296.28"
    assert price("65304600CA01A12", "2026-02-01") == "311.04"
    assert price("65331462CA01A12", "2026-01-31") == "none"
    # 2026-02-01 in UTC is still 31 January in California.
    before = preview("65304600CA01A12", now="2026-02-01T07:59:59Z")
    after = preview("65304600CA01A12", now="2026-02-01T08:00:00Z")
    assert (before[1], after[1]) == (Decimal("296.28"), Decimal("311.04"))


@pytest.mark.proves("S-171")
@pytest.mark.parametrize(
    ("region", "currency", "expected"),
    [
        ("NA", "USD", "263.88"),
        ("WE", "EUR", "252.00"),
        ("WE", "GBP", "none"),
        ("JP", "JPY", "none"),
    ],
)
def test_one_number_may_be_sold_in_several_places(
    region: str, currency: str, expected: str
) -> None:
    assert price(FOLIO, "2026-02-10", region=region, currency=currency) == expected


def test_step_1_an_accepted_code_has_a_row_of_its_own() -> None:
    code = "HVD_L18_PRE"
    assert price("80004567EA01A12", "2026-02-10", discount_code=code) == "299.99"
    assert price("80004567EA01A12", "2026-02-10") == "359.99"
    assert price("65322447CA01A12", "2025-11-30", discount_code=code) == "299.99"
    assert price("65322447CA01A12", "2025-12-01", discount_code=code) == "none"
    assert price(FOLIO, "2026-02-10", discount_code=code) == "none"


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2022-05-03", "199.56"),
        ("2023-11-01", "199.56"),
        ("2023-11-02", "214.08"),
        ("2025-03-31", "214.08"),
        ("2025-04-01", "229.56"),
        ("2026-01-15", "229.56"),
    ],
)
def test_step_2_a_commitment_locks_the_price_of_its_first_day(start: str, expected: str) -> None:
    assert price(FOLIO_13, "2026-02-10", commitment_start=day(start)) == expected


@pytest.mark.parametrize("start", ["2018-01-01", "2020-06-30", "2022-05-02"])
def test_step_5_a_commitment_older_than_the_list_takes_the_earliest_later_window(
    start: str,
) -> None:
    assert price(FOLIO_13, "2026-02-10", commitment_start=day(start)) == "199.56"
    assert preview(FOLIO, 5, buyer=committed(start)) == (FOLIO_13, Decimal("199.56"))


def test_without_a_commitment_its_levels_have_no_price() -> None:
    assert price(FOLIO_13, "2026-02-10") == "none"
    assert price("65324918CA14X12", "2026-02-10") == "none"


def test_step_2_locks_plain_levels_too() -> None:
    locked = PriceRow(
        FOLIO, "3YC", "NA", "USD", "", day("2024-01-01"), day("2024-12-31"), Decimal("240.00")
    )
    goods = with_rows(locked)
    found = goods.price_row(
        FOLIO, "NA", "USD", day("2026-02-10"), commitment_start=day("2024-06-01")
    )
    assert found == locked
    small = committed("2024-06-01", 10, "01")
    assert preview(FOLIO, 1, buyer=small, goods=goods) == (FOLIO, Decimal("240.00"))


def test_step_4_without_a_locked_row_the_standard_one_serves() -> None:
    later = PriceRow(FOLIO, "3YC", "NA", "USD", "", day("2025-01-01"), OPEN_END, Decimal("240.00"))
    found = with_rows(later).price_row(
        FOLIO, "NA", "USD", day("2026-02-10"), commitment_start=day("2024-06-01")
    )
    assert found is not None
    assert (found.price_list, found.partner_price) == ("STANDARD", Decimal("263.88"))


def test_a_commitment_for_consumables_does_not_lock_licences() -> None:
    benefit = samples.committed("2023-06-01", (CONSUMABLES, 1_000))
    buyer = samples.customer(benefits=(benefit,))
    assert preview(FOLIO, 50, buyer=buyer) == ("65304479CA03A12", Decimal("242.76"))


@pytest.mark.proves("catalog.md 12")
def test_scenario_12_the_level_of_the_order() -> None:
    assert preview("11073058CA01A12", 10) == ("11073058CA02A12", Decimal("365.00"))


@pytest.mark.proves("catalog.md 13", "2128", "S-171")
def test_scenario_13_no_price_in_the_currency() -> None:
    assert samples.refusal(want("11073061CA01A12")) == ("2128", "Line Item: 1")
    british = samples.customer(country="GB")
    refused = samples.refusal(want("11073058CA01A12"), buyer=british, currency="EUR")
    assert refused == ("2128", "Line Item: 1")


@pytest.mark.proves("catalog.md 14", "3123")
@pytest.mark.parametrize("order_type", ["PREVIEW", "NEW"])
def test_scenario_14_an_ended_product(order_type: str) -> None:
    refused = samples.refusal(want("65322447CA01A12"), order_type=order_type)
    assert refused == ("3123", "Line Item: 1")
    assert preview("65322447CA01A12", now="2025-11-30T12:00:00Z")[1] == Decimal("359.99")


@pytest.mark.proves("catalog.md 15", "2122")
@pytest.mark.parametrize("order_type", ["PREVIEW", "NEW"])
def test_scenario_15_an_unknown_offer(order_type: str) -> None:
    refused = samples.refusal(want("99999999CA01A12"), order_type=order_type)
    assert refused == ("2122", "Line Item: 1")


@pytest.mark.proves("2122")
def test_a_product_not_yet_on_sale_is_unknown() -> None:
    refused = samples.refusal(want("65331462CA01A12"), now="2026-02-01T07:59:59Z")
    assert refused == ("2122", "Line Item: 1")
    assert preview("65331462CA01A12", now="2026-02-01T08:00:00Z")[1] == Decimal("899.00")


@pytest.mark.proves("catalog.md 16", "2129")
def test_scenario_16_an_add_on_needs_its_base() -> None:
    add_on = "30005893CA01A12"
    assert samples.refusal(want(add_on)) == ("2129", "Line Item: 1, Reason: INELIGIBLE_ADD_ON")
    together = samples.sold(want(add_on), want(FOLIO, 1, 2))
    assert [line.offer_id for line in together] == [add_on, FOLIO]
    held = samples.seats(FOLIO, 1, "2026-07-07")
    running = samples.customer(anniversary="2026-07-07")
    assert preview(add_on, buyer=running, subscriptions=(held,))[0] == add_on
    gone = replace(held, status="1004", current_quantity=0)
    refused = samples.refusal(want(add_on), buyer=running, subscriptions=(gone,))
    assert refused == ("2129", "Line Item: 1, Reason: INELIGIBLE_ADD_ON")


@pytest.mark.proves("catalog.md 17", "2129")
@pytest.mark.parametrize("order_type", ["PREVIEW", "NEW"])
def test_scenario_17_a_product_limited_per_term(order_type: str) -> None:
    pack = "65322450CAT1A12"
    twice = samples.refusal(want(pack), want(pack, 1, 2), order_type=order_type)
    reason = "Reason: CUSTOMER_NOT_ELIGIBLE_FOR_PURCHASE"
    assert twice == ("2129", f"Line Item: 1, {reason}", f"Line Item: 2, {reason}")


@pytest.mark.proves("catalog.md 17", "2129")
def test_scenario_17_incompatible_products() -> None:
    held = samples.seats("65322461CA01A12", 1, "2026-07-07")
    refused = samples.refusal(
        want("65331462CA01A12"),
        buyer=samples.customer(anniversary="2026-07-07"),
        subscriptions=(held,),
    )
    assert refused == ("2129", "Line Item: 1, Reason: INELIGIBLE_SWITCH")


@pytest.mark.proves("catalog.md 18", "2120", "2129")
def test_scenario_18_minimum_purchase_and_sub_segment() -> None:
    lab = "30001772CB01A12"
    school = samples.customer(segment="EDU", sub_segments=("K_12",))
    assert samples.refusal(want(lab, 24), buyer=school) == ("2120", "Line Item: 1")
    assert preview(lab, 25, buyer=school) == (lab, Decimal("18.00"))
    university = samples.customer(segment="EDU", sub_segments=("HIGHER_ED",))
    refused = samples.refusal(want(lab, 25), buyer=university)
    assert refused == ("2129", "Line Item: 1, Reason: INELIGIBLE_MARKET_SEGMENT")


@pytest.mark.proves("catalog.md 19")
@pytest.mark.parametrize(("start", "locked"), [("2023-06-01", "199.56"), ("2026-01-15", "229.56")])
def test_scenario_19_the_price_of_the_start_of_the_commitment(start: str, locked: str) -> None:
    assert preview(FOLIO, 5, buyer=committed(start)) == (FOLIO_13, Decimal(locked))


@pytest.mark.proves("catalog.md 20")
def test_scenario_20_a_product_without_rows_of_the_commitment() -> None:
    buyer = committed("2023-06-01")
    assert preview("11083117CA01A12", 5, buyer=buyer) == ("11083117CA03A12", Decimal("365.00"))


@pytest.mark.proves("catalog.md 21", "2120", "S-176", "S-177")
@pytest.mark.parametrize(
    ("offer_id", "most"), [("11073058CA01A12", 10_000), ("80004567EA01A12", 200_000)]
)
@pytest.mark.parametrize("order_type", ["PREVIEW", "NEW"])
def test_scenario_21_the_largest_lines(offer_id: str, most: int, order_type: str) -> None:
    assert samples.sold(want(offer_id, most), order_type=order_type)
    refused = samples.refusal(want(offer_id, most + 1), order_type=order_type)
    assert refused == ("2120", "Line Item: 1")


@pytest.mark.proves("catalog.md 34", "orders.md 4.6 #15")
def test_scenario_34_prices_without_minor_units() -> None:
    (line,) = samples.sold(
        want("11073064CA02A12", 3),
        buyer=samples.customer(country="JP", anniversary="2026-08-29", license_level="02"),
        currency="JPY",
    )
    assert line.price is not None
    assert line.price.days == 200
    assert [str(line.price.amount), str(line.price.net)] == ["89918", "29972.7"]


def test_a_commitment_keeps_an_ended_product_buyable() -> None:
    ended = "65322461CA01A12"
    assert samples.refusal(want(ended, 10)) == ("3123", "Line Item: 1")
    buyer = committed("2024-06-01", 10, "12")
    expected = ("65322461CA12A12", Decimal("259.20"))
    assert preview(ended, 10, buyer=buyer) == expected
    assert preview("65322461CA12A12", 10, buyer=buyer, order_type="NEW") == expected
    accepted_later = committed("2026-01-05", 10, "12")
    assert samples.refusal(want(ended, 10), buyer=accepted_later) == ("3123", "Line Item: 1")


def test_a_customer_of_the_older_program_takes_the_row_of_its_code() -> None:
    buyer = samples.customer(
        tags=("HVD_MIGRATED_CUSTOMER",), hvd_code="HVD_L17_POST", license_level="03"
    )
    assert preview("80004567EA03A12", 1, buyer=buyer) == ("80004567EA01A12", Decimal("309.99"))
    assert preview(FOLIO, 1, buyer=buyer) == ("65304479CA03A12", Decimal("242.76"))


def test_every_sample_offer_is_sold_somewhere() -> None:
    goods = samples.catalog()
    assert (len(goods.rows), len(goods.offers), len(goods.products)) == (125, 108, 32)
    assert {row.offer_id for row in goods.rows} == set(goods.offers)


def test_base_ids_are_known_even_where_their_level_is_not_sold() -> None:
    goods = samples.catalog()
    known = goods.product_of("65322435CAT1A12")
    assert known is not None
    assert known.base_offer_id == "65322435CAT1A12"
    without_base = Catalog(
        [offer for offer in goods.offers.values() if offer.offer_id != FOLIO], goods.rows
    )
    assert without_base.product_of(FOLIO) == without_base.product_of(FOLIO_13)
    assert without_base.product_of("65304479CA05A12") is None
