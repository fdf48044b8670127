"""When MANUAL_RENEWAL shows, and how long a product renews (subscriptions.md 3, catalog.md 5.4)."""

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.benefits import Commitment, Minimum, ThreeYearCommit
from seatledger.domain.catalog import OPEN_END, Catalog
from seatledger.domain.life import can_renew, last_sale_day
from seatledger.domain.model import Account, Customer, PartnerSettings, Subscription
from seatledger.domain.subscriptions import allowed_actions, in_late_window
from tests import samples
from tests.samples import at
from tests.settling import AD, ALL_APPS, FOLIO, PACK, STARTER

LAPSED = date(2026, 7, 7)
NEXT = date(2027, 7, 7)
CLASSIC, TEXT = "65322447CA01A12", "65322461CA01A12"
MANUAL = ("MANUAL_RENEWAL",)


def expired(offer_id: str = FOLIO, **changes: Any) -> Subscription:
    """A subscription that ended on its anniversary."""
    usual = samples.seats(offer_id, 10, AD, status="1004", expired_on=LAPSED)
    return replace(usual, **changes)


def shown(
    one: Subscription,
    *others: Subscription,
    day: str = "2026-07-20",
    buyer: Customer | None = None,
    quirks: tuple[str, ...] = (),
    **settings: Any,
) -> tuple[str, ...]:
    """The allowed actions of a subscription at noon of a day."""
    account = Account(buyer or samples.customer(anniversary=AD), subscriptions=(one, *others))
    seller = samples.partner(settings=PartnerSettings(**settings), quirks=frozenset(quirks))
    instant = day if "T" in day else f"{day}T12:00:00Z"
    return allowed_actions(one, account, samples.catalog(), seller, at(instant))


@pytest.mark.proves("subscriptions.md 38", "S-163")
@pytest.mark.parametrize(
    ("day", "late_days", "is_shown"),
    [
        ("2026-07-07T00:00:00Z", 30, True),
        ("2026-08-06", 30, True),
        ("2026-08-06T23:59:59Z", 30, True),
        ("2026-08-07T00:00:00Z", 30, False),
        ("2026-07-21", 14, True),
        ("2026-07-22", 14, False),
        ("2026-07-07", 0, True),
        ("2026-07-08", 0, False),
        ("2026-07-06", 30, False),
    ],
)
def test_the_window_closes_after_its_days(day: str, late_days: int, is_shown: bool) -> None:
    found = shown(expired(), day=day, late_renewal_days=late_days)
    assert found == (MANUAL if is_shown else ())


@pytest.mark.parametrize("status", ["1000", "1002", "1009"])
def test_nothing_open_shows_it(status: str) -> None:
    assert shown(expired(status=status)) == ()


@pytest.mark.proves("subscriptions.md 6", "subscriptions.md 27")
def test_only_what_expired_on_its_anniversary_shows_it() -> None:
    given_back = expired(current_quantity=0, expired_on=None)
    assert shown(given_back) == ()


@pytest.mark.proves("subscriptions.md 39")
@pytest.mark.parametrize(
    ("coterm", "is_shown"),
    [
        (LAPSED, True),  # everything expired
        (NEXT, True),  # something renewed, or a fresh term that adjoins
        (date(2027, 7, 25), False),  # a purchase on 25 July
        (date(2027, 7, 8), False),
    ],
)
def test_a_fresh_term_ends_it(coterm: date, is_shown: bool) -> None:
    buyer = replace(samples.customer(anniversary=AD), coterm_date=coterm)
    assert shown(expired(), buyer=buyer, day="2026-07-26") == (MANUAL if is_shown else ())


def test_the_term_of_a_leap_day_adjoins_its_successor() -> None:
    buyer = samples.customer(anniversary="2029-02-28")
    lapsed = expired(expired_on=date(2028, 2, 29))
    assert shown(lapsed, buyer=buyer, day="2028-03-10") == MANUAL


@pytest.mark.parametrize(
    ("changes", "is_shown"),
    [
        ({}, False),
        ({"status": "1009"}, False),
        ({"status": "1004"}, True),
        ({"deployment_id": "1450043516"}, True),
        ({"currency": "EUR"}, True),
        ({"product_key": ALL_APPS[:10]}, True),
    ],
)
def test_a_purchase_of_the_same_takes_its_place(changes: dict[str, Any], is_shown: bool) -> None:
    bought = replace(samples.seats(FOLIO, 3, "2027-07-07"), **changes)
    assert shown(expired(), bought) == (MANUAL if is_shown else ())


@pytest.mark.proves("subscriptions.md 35")
def test_what_is_sold_no_more_is_not_renewed_late() -> None:
    assert shown(expired(CLASSIC)) == ()
    assert shown(expired(TEXT)) == ()
    promise = Commitment("COMMITTED", date(2025, 7, 7), date(2028, 7, 6), (Minimum("LICENSE", 10),))
    buyer = samples.customer(anniversary=AD, benefits=(ThreeYearCommit(promise),))
    assert shown(expired(TEXT), buyer=buyer) == MANUAL
    assert shown(expired(CLASSIC), buyer=buyer) == ()
    assert shown(expired(FOLIO, product_key="99999999CA")) == ()


QUIRK = ("manual_renewal_on_one_time",)


def test_one_time_products_show_it_in_one_quirk_alone() -> None:
    assert shown(expired(STARTER)) == ()
    assert shown(expired(STARTER), quirks=QUIRK) == MANUAL
    assert shown(expired(STARTER), day="2026-08-07", quirks=QUIRK) == ()
    assert shown(expired(CLASSIC), quirks=QUIRK) == ()
    pack = expired(PACK, own_line="9200000001:1", expired_on=date(2026, 9, 1))
    buyer = samples.customer(anniversary="2027-07-07")
    assert shown(pack, buyer=buyer, day="2026-09-02") == ()
    assert shown(pack, buyer=buyer, day="2026-09-02", quirks=QUIRK) == MANUAL


def test_the_term_alone_does_not_ask_what_is_sold() -> None:
    """A late RENEWAL refuses an ended product by a code of its own (orders.md 2.9 #75, #77)."""
    buyer = samples.customer(anniversary=AD)
    for offer_id in (CLASSIC, STARTER):
        account = Account(buyer, subscriptions=(expired(offer_id),))
        (one,) = account.subscriptions
        assert in_late_window(one, account, PartnerSettings(), LAPSED)


def goods() -> Catalog:
    return samples.catalog()


@pytest.mark.parametrize(
    ("product_key", "last"),
    [
        ("65322447CA", date(2025, 11, 30)),
        ("65322461CA", date(2025, 12, 31)),
        ("65304600CA", OPEN_END),  # its price changed, its sale goes on
        ("65304479CA", OPEN_END),
        ("99999999CA", OPEN_END),
    ],
)
def test_a_sale_ends_with_the_last_standard_row(product_key: str, last: date) -> None:
    assert last_sale_day(goods(), product_key) == last


def test_without_standard_rows_the_last_of_any_list_counts() -> None:
    known = goods()
    rows = [row for row in known.rows_of_product("65322461CA") if row.price_list == "3YC"]
    assert last_sale_day(Catalog(known.offers.values(), rows), "65322461CA") == date(2025, 12, 31)


@pytest.mark.parametrize(
    ("product_key", "day", "plain", "committed"),
    [
        ("65322447CA", date(2025, 11, 30), True, True),
        ("65322447CA", date(2025, 12, 1), False, True),
        ("65322447CA", date(2026, 5, 31), False, True),
        ("65322447CA", date(2026, 6, 1), False, False),
        ("65322461CA", date(2025, 12, 31), True, True),
        ("65322461CA", date(2026, 1, 1), False, True),
        ("65322461CA", date(2028, 12, 31), False, True),
        ("65322461CA", date(2029, 1, 1), False, False),
        ("65304479CA", date(2050, 1, 1), True, True),
    ],
)
def test_the_life_of_a_product(product_key: str, day: date, plain: bool, committed: bool) -> None:
    product = goods().products[product_key]
    assert can_renew(goods(), product, day, committed=False) is plain
    assert can_renew(goods(), product, day, committed=True) is committed
