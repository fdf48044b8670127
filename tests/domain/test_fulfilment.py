"""Settling orders as a pure function: status, term and levels."""

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.fulfilment import Standing, verdict
from seatledger.domain.model import Subscription
from tests import samples
from tests.samples import at
from tests.settling import (
    AD,
    ADD_ON,
    ALL_APPS,
    FOLIO,
    NOW,
    PACK,
    SIGN,
    STARTER,
    folio,
    giving_back,
    line,
    order,
    settled,
)

# partner, reseller, customer -> what a NEW order and a RETURN settle to (orders.md 1.6)
VERDICTS = [
    ("1000", "1000", "1000", "1000", "1000"),
    ("1000", "1002", "1000", "1000", "1000"),
    ("1004", "1000", "1000", "1020", "1004"),
    ("1004", "1004", "1004", "1020", "1004"),
    ("1000", "1004", "1000", "1022", "1000"),
    ("1000", "1010", "1004", "1022", "1000"),
    ("1000", "1012", "1002", "1022", "1000"),
    ("1000", "1000", "1002", None, "1000"),
    ("1000", "1000", "1004", "1024", "1000"),
    ("1000", "1000", "1010", "1024", "1000"),
    ("1000", "1000", "1012", "1024", "1000"),
    ("1000", "1000", "1014", "1024", "1000"),
]


@pytest.mark.proves("S-079")
@pytest.mark.parametrize(("partner", "reseller", "customer", "new", "credit"), VERDICTS)
def test_partner_reseller_and_customer_decide_in_this_order(
    partner: str, reseller: str, customer: str, new: str | None, credit: str
) -> None:
    buyer = samples.customer(status=customer)
    standing = Standing(partner, reseller)
    assert verdict(order(line(1, FOLIO)), buyer, standing) == new
    assert verdict(order(line(1, FOLIO), order_type="RETURN"), buyer, standing) == credit


def test_an_injected_failure_comes_last() -> None:
    failing = order(line(1, FOLIO), injected_status="1004")
    sound = Standing("1000", "1000")
    assert verdict(failing, samples.customer(), sound) == "1004"
    assert verdict(failing, samples.customer(), Standing("1000", "1004")) == "1022"
    assert verdict(failing, samples.customer(status="1002"), sound) is None
    assert verdict(replace(failing, order_type="RETURN"), samples.customer(), sound) == "1004"


@pytest.mark.parametrize("status", ["1004", "1020", "1022", "1024", "1026"])
def test_a_failed_order_changes_nothing_else(status: str) -> None:
    buyer = samples.customer(anniversary=AD)
    result = settled(order(line(1, FOLIO, 100), line(2, SIGN, 9)), buyer, [folio(3)], status=status)
    assert result.failed
    assert [one.status for one in result.order.lines] == [status] * 2
    assert (result.order.status, result.order.completed_at) == (status, at(NOW))
    assert result.order.run_at is None
    assert (result.subscriptions, result.entries) == ((), ())
    assert result.customer == replace(buyer, version=buyer.version + 1)


@pytest.mark.proves("subscriptions.md 1", "subscriptions.md 2", "S-064")
def test_the_first_order_opens_term_and_subscription() -> None:
    result = settled(order(line(7, "65304479CA03A12", 60)))
    (seats,) = result.subscriptions
    assert not result.failed
    assert seats == Subscription(
        subscription_id="NEW1",
        customer_id=samples.CUSTOMER_ID,
        partner_id="P1",
        product_key="65304479CA",
        offer_id=FOLIO,
        current_quantity=60,
        used_quantity=0,
        auto_renewal=True,
        explicit_quantity=None,
        created_at=at(NOW),
        renewal_date=date(2026, 7, 7),
        status="1000",
        deployment_id="",
        currency="USD",
        position=1,
    )
    (sold,) = result.order.lines
    assert (sold.status, sold.subscription_id, sold.term) == ("1000", "NEW1", 1)
    assert result.customer.coterm_date == date(2026, 7, 7)
    assert (result.customer.term, result.customer.term_started_at) == (1, at(NOW))


@pytest.mark.proves("accounts.md 21")
@pytest.mark.parametrize(
    ("now", "anniversary"),
    [
        ("2025-07-07T18:00:00Z", date(2026, 7, 7)),
        ("2024-02-29T12:00:00Z", date(2025, 2, 28)),
        ("2025-03-01T00:30:00Z", date(2026, 3, 1)),  # still 28 February in California
    ],
)
def test_the_anniversary_is_a_year_after_the_utc_day(now: str, anniversary: date) -> None:
    result = settled(order(line(1, FOLIO)), now=now)
    assert result.customer.coterm_date == anniversary
    assert result.subscriptions[0].renewal_date == anniversary


def test_later_orders_end_with_the_first() -> None:
    buyer = samples.customer(anniversary=AD)
    result = settled(order(line(1, ALL_APPS, 2)), buyer, [folio(5)], now="2026-01-15T00:00:00Z")
    assert result.customer.coterm_date == date(2026, 7, 7)
    assert result.customer.term == 1
    assert result.subscriptions[0].renewal_date == date(2026, 7, 7)


def test_an_extended_first_term_keeps_the_date_of_the_customer() -> None:
    buyer = samples.customer(coterm_date=date(2028, 1, 31), extended_term=True)
    result = settled(order(line(1, FOLIO)), buyer)
    assert result.customer.coterm_date == date(2028, 1, 31)
    assert result.customer.extended_term
    assert (result.customer.term, result.customer.term_started_at) == (1, at(NOW))
    assert result.order.lines[0].term == 1


@pytest.mark.parametrize("today", ["2026-07-07T00:00:00Z", "2027-01-31T10:00:00Z"])
def test_an_order_after_the_lapse_opens_a_fresh_term(today: str) -> None:
    buyer = samples.customer(anniversary=AD, extended_term=True)
    expired = folio(5, status="1004", expired_on=date(2026, 7, 7), position=1)
    pack = samples.seats(PACK, 2, "2027-03-01", own_line="9200000000:1", position=2)
    result = settled(order(line(1, FOLIO, 3), created_at=at(today)), buyer, [expired, pack],
                     now=today)  # fmt: skip
    (fresh,) = result.subscriptions
    assert result.customer.coterm_date == date.fromisoformat(today[:10]).replace(
        year=int(today[:4]) + 1
    )
    assert (result.customer.term, result.customer.term_started_at) == (2, at(today))
    assert not result.customer.extended_term
    assert (fresh.subscription_id, fresh.current_quantity, fresh.position) == ("NEW1", 3, 3)
    assert fresh.renewal_date == result.customer.coterm_date
    assert result.order.lines[0].term == 2


def test_levels_start_over_in_a_fresh_term() -> None:
    buyer = samples.customer(anniversary=AD, license_level="04", consumables_level="T3")
    result = settled(order(line(1, FOLIO, 10)), buyer, now="2026-07-07T00:00:00Z")
    assert (result.customer.license_level, result.customer.consumables_level) == ("02", "T1")
    result = settled(order(line(1, FOLIO, 10)), buyer, now="2026-07-06T23:59:59Z")
    assert (result.customer.license_level, result.customer.consumables_level) == ("04", "T3")


@pytest.mark.parametrize("running", [{"status": "1000"}, {"status": "1009"}, {"status": "1002"}])
def test_no_fresh_term_while_anything_co_terminating_is_open(running: dict[str, Any]) -> None:
    buyer = samples.customer(anniversary=AD)
    result = settled(
        order(line(1, ALL_APPS)), buyer, [folio(5, **running)], now="2026-07-08T00:00:00Z"
    )
    assert result.customer.coterm_date == date(2026, 7, 7)
    assert result.customer.term == 1


@pytest.mark.proves("accounts.md 23")
@pytest.mark.parametrize(
    ("held", "quantities", "level"),
    [
        ("01", (9,), "01"), ("01", (10,), "02"), ("01", (49,), "02"), ("01", (50,), "03"),
        ("01", (99,), "03"), ("01", (100,), "04"), ("01", (30, 25), "03"), ("03", (10,), "03"),
        ("04", (1,), "04"),
    ],
)  # fmt: skip
def test_one_order_alone_earns_a_level_and_never_lowers_it(
    held: str, quantities: tuple[int, ...], level: str
) -> None:
    buyer = samples.customer(anniversary=AD, license_level=held)
    lines = [
        line(number, offer_id, quantity)
        for number, (offer_id, quantity) in enumerate(
            zip((FOLIO, ALL_APPS), quantities, strict=False), start=1
        )
    ]
    result = settled(order(*lines), buyer)
    assert (result.customer.license_level, result.customer.consumables_level) == (level, "T1")


def test_two_small_orders_earn_no_level() -> None:
    first = settled(order(line(1, FOLIO, 6)))
    second = settled(order(line(1, FOLIO, 6)), first.customer, first.subscriptions)
    assert second.subscriptions[0].current_quantity == 12
    assert second.customer.license_level == "01"


@pytest.mark.proves("accounts.md 25")
def test_licences_and_consumables_have_levels_of_their_own() -> None:
    both = settled(order(line(1, FOLIO, 10), line(2, SIGN, 2_500)))
    assert (both.customer.license_level, both.customer.consumables_level) == ("02", "T3")
    only = settled(order(line(1, SIGN, 2_500)))
    assert (only.customer.license_level, only.customer.consumables_level) == ("01", "T3")


@pytest.mark.parametrize("offer_id", [ADD_ON, STARTER, PACK])
def test_what_does_not_count_earns_nothing(offer_id: str) -> None:
    result = settled(order(line(1, FOLIO, 9), line(2, offer_id, 5_000)))
    assert (result.customer.license_level, result.customer.consumables_level) == ("01", "T1")


def test_a_committed_customer_rises_on_its_own_scale() -> None:
    benefit = samples.committed("2025-01-01", ("LICENSE", 10))
    buyer = samples.customer(anniversary=AD, benefits=(benefit,), license_level="12")
    result = settled(order(line(1, FOLIO, 50), line(2, SIGN, 1_000)), buyer)
    assert (result.customer.license_level, result.customer.consumables_level) == ("13", "T2")


def test_levels_of_large_agencies_are_left_alone() -> None:
    buyer = samples.customer(anniversary=AD, license_level="06")
    assert settled(order(line(1, FOLIO, 100)), buyer).customer.license_level == "06"


@pytest.mark.proves("accounts.md 24")
def test_a_return_lowers_neither_level_nor_anniversary() -> None:
    bought = settled(order(line(1, FOLIO, 100)))
    assert bought.customer.license_level == "04"
    returned = settled(
        giving_back(bought.order, 1), bought.customer, bought.subscriptions, original=bought.order
    )
    assert returned.customer == replace(bought.customer, version=bought.customer.version + 1)
    few = settled(order(line(1, FOLIO, 8)), returned.customer, returned.subscriptions)
    assert few.customer.license_level == "04"
    assert few.customer.coterm_date == bought.customer.coterm_date


def test_a_product_that_left_the_catalogue_stops_the_settlement() -> None:
    with pytest.raises(LookupError, match="99999999CA01A12"):
        settled(order(line(1, "99999999CA01A12")))
