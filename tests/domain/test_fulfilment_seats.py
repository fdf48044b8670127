"""Settling orders as a pure function: seats, ledger entries, returns."""

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from tests import samples
from tests.samples import at
from tests.settling import (
    AD,
    ALL_APPS,
    FOLIO,
    NOW,
    PACK,
    STARTER,
    folio,
    giving_back,
    line,
    order,
    settled,
)


@pytest.mark.proves("subscriptions.md 3", "S-065", "S-066")
def test_more_of_a_product_grows_its_subscription() -> None:
    buyer = samples.customer(anniversary=AD)
    result = settled(order(line(1, "65304479CA02A12", 5)), buyer, [folio(10, used_quantity=4)])
    (seats,) = result.subscriptions
    assert seats == folio(15, used_quantity=4)
    assert seats.renewal_quantity == 15
    assert result.order.lines[0].subscription_id == seats.subscription_id
    assert result.order.lines[0].enlarged


@pytest.mark.proves("subscriptions.md 4", "subscriptions.md 5")
@pytest.mark.parametrize(
    ("settings", "renewal_quantity"),
    [
        ({"auto_renewal": True, "explicit_quantity": 8}, 8),
        ({"auto_renewal": False, "explicit_quantity": 8}, 8),
        ({"auto_renewal": False, "explicit_quantity": None}, 20),
    ],
)
def test_renewal_settings_survive_orders_and_returns(
    settings: dict[str, Any], renewal_quantity: int
) -> None:
    buyer = samples.customer(anniversary=AD)
    bought = settled(order(line(1, FOLIO, 5)), buyer, [folio(15, **settings)])
    (grown,) = bought.subscriptions
    assert grown == folio(20, **settings)
    assert grown.renewal_quantity == renewal_quantity
    returned = settled(
        giving_back(bought.order, 1), bought.customer, [grown], original=bought.order
    )
    assert returned.subscriptions == (folio(15, **settings),)


def test_a_scheduled_subscription_starts_with_the_ordered_seats() -> None:
    buyer = samples.customer(anniversary=AD)
    scheduled = folio(0, status="1009", explicit_quantity=20)
    (seats,) = settled(order(line(1, FOLIO, 4)), buyer, [scheduled]).subscriptions
    assert seats == folio(4, status="1000", explicit_quantity=20)


@pytest.mark.parametrize(
    "other",
    [
        {"deployment_id": "1450043516"},
        {"currency": "EUR"},
        {"status": "1004"},
        {"own_line": "9200000000:1"},
        {"product_key": "65304479CB"},
    ],
)
def test_another_key_is_another_subscription(other: dict[str, Any]) -> None:
    buyer = samples.customer(anniversary=AD)
    neighbour = folio(10, position=4, **other)
    (seats,) = settled(order(line(1, FOLIO, 5)), buyer, [neighbour]).subscriptions
    assert (seats.subscription_id, seats.current_quantity, seats.position) == ("NEW1", 5, 5)


def test_a_deployment_line_feeds_the_subscription_of_its_key() -> None:
    buyer = samples.customer(anniversary=AD)
    there = folio(10, subscription_id="SDE", deployment_id="1450043516", currency="EUR")
    bought = order(line(1, FOLIO, 5, deployment_id="1450043516", currency="EUR"))
    assert settled(bought, buyer, [folio(1), there]).subscriptions == (
        replace(there, current_quantity=15),
    )


def test_several_lines_of_one_key_add_up() -> None:
    result = settled(order(line(1, FOLIO, 2), line(2, ALL_APPS, 3), line(3, FOLIO, 4)))
    folio_seats, all_apps_seats = result.subscriptions
    assert (folio_seats.subscription_id, folio_seats.current_quantity) == ("NEW1", 6)
    assert (all_apps_seats.subscription_id, all_apps_seats.current_quantity) == ("NEW2", 3)
    assert [one.subscription_id for one in result.order.lines] == ["NEW1", "NEW2", "NEW1"]
    assert [one.enlarged for one in result.order.lines] == [False, False, True]
    assert [(one.line_number, one.delta, one.balance) for one in result.entries] == [
        (1, 2, 2), (2, 3, 3), (3, 4, 6),
    ]  # fmt: skip


@pytest.mark.proves("subscriptions.md 8")
def test_a_pack_has_a_subscription_and_year_of_its_own_per_line() -> None:
    buyer = samples.customer(anniversary=AD)
    earlier = samples.seats(PACK, 1, "2026-08-01", own_line="9200000000:1", auto_renewal=False)
    result = settled(
        order(line(1, PACK, 2), line(2, PACK, 3)), buyer, [earlier], now="2025-09-01T09:00:00Z"
    )
    first, second = result.subscriptions
    assert (first.own_line, second.own_line) == ("9200000001:1", "9200000001:2")
    assert (first.current_quantity, second.current_quantity) == (2, 3)
    assert first.renewal_date == second.renewal_date == date(2026, 9, 1)
    assert (first.auto_renewal, second.auto_renewal) == (False, False)
    assert not any(one.enlarged for one in result.order.lines)
    assert result.customer.coterm_date == date(2026, 7, 7)


def test_a_one_time_product_ends_on_the_anniversary_without_renewal() -> None:
    buyer = samples.customer(anniversary=AD)
    (seats,) = settled(order(line(1, STARTER)), buyer, now="2025-09-01T09:00:00Z").subscriptions
    assert (seats.auto_renewal, seats.renewal_date) == (False, date(2026, 7, 7))


def test_every_change_has_its_ledger_entry() -> None:
    buyer = samples.customer(anniversary=AD, version=41)
    result = settled(order(line(4, FOLIO, 5), line(9, ALL_APPS, 2)), buyer, [folio(10)])
    assert result.customer.version == 42
    first, second = result.entries
    assert (first.customer_id, first.partner_id) == (buyer.customer_id, "P1")
    assert (first.version, first.position, first.kind) == (42, 1, "NEW")
    assert (first.order_id, first.line_number) == ("9200000001", 4)
    assert (first.subscription_id, first.delta, first.balance) == (f"S{FOLIO}", 5, 15)
    assert first.at == at(NOW)
    assert (second.position, second.delta, second.balance) == (2, 2, 2)


@pytest.mark.proves("S-080", "S-081", "S-082")
def test_lines_are_given_back_one_by_one() -> None:
    bought = settled(order(line(1, FOLIO, 5), line(2, ALL_APPS, 2)))
    folio_seats, all_apps_seats = bought.subscriptions
    first = settled(
        giving_back(bought.order, 2), bought.customer, bought.subscriptions, original=bought.order
    )
    assert first.original is not None
    assert [one.status for one in first.original.lines] == ["1000", "1008"]
    assert first.original.status == "1000"
    (credit,) = first.order.lines
    assert (first.order.status, credit.status) == ("1000", "1000")
    assert (credit.subscription_id, credit.term) == (all_apps_seats.subscription_id, 1)
    assert [(e.kind, e.delta, e.balance) for e in first.entries] == [("RETURN", -2, 0)]

    second = settled(
        giving_back(bought.order, 1), first.customer, [folio_seats, *first.subscriptions],
        original=first.original,
    )  # fmt: skip
    assert second.original is not None
    assert [one.status for one in second.original.lines] == ["1008", "1008"]
    assert second.original.status == "1008"


@pytest.mark.proves("subscriptions.md 6")
def test_the_last_seat_given_back_closes_the_subscription_for_good() -> None:
    bought = settled(order(line(1, FOLIO, 5)))
    (seats,) = bought.subscriptions
    seats = replace(seats, explicit_quantity=3, used_quantity=2)
    returned = settled(
        giving_back(bought.order, 1), bought.customer, [seats], original=bought.order
    )
    (closed,) = returned.subscriptions
    assert (closed.status, closed.current_quantity, closed.used_quantity) == ("1004", 0, 0)
    assert closed.explicit_quantity is None
    assert closed.expired_on is None
    again = settled(order(line(1, FOLIO, 1)), returned.customer, [replace(closed, position=1)])
    (reopened,) = again.subscriptions
    assert (reopened.subscription_id, reopened.position) == ("NEW1", 2)


def test_usage_never_exceeds_what_is_left() -> None:
    bought = settled(order(line(1, FOLIO, 5)))
    seats = folio(7, used_quantity=6, subscription_id="NEW1")
    returned = settled(
        giving_back(bought.order, 1), bought.customer, [seats], original=bought.order
    )
    assert returned.subscriptions == (replace(seats, current_quantity=2, used_quantity=2),)


def test_several_returned_lines_leave_one_subscription() -> None:
    bought = settled(order(line(1, FOLIO, 5), line(2, FOLIO, 2), line(3, FOLIO, 1)))
    returned = settled(
        giving_back(bought.order, 1, 3), bought.customer, bought.subscriptions,
        original=bought.order,
    )  # fmt: skip
    assert [one.current_quantity for one in returned.subscriptions] == [2]
    assert [(e.delta, e.balance) for e in returned.entries] == [(-5, 3), (-1, 2)]


def test_a_return_fails_when_its_seats_are_gone() -> None:
    bought = settled(order(line(1, FOLIO, 5), line(2, FOLIO, 2)))
    (seats,) = bought.subscriptions
    left = [replace(seats, current_quantity=6)]
    result = settled(giving_back(bought.order, 1, 2), bought.customer, left, original=bought.order)
    assert (result.order.status, {one.status for one in result.order.lines}) == ("1004", {"1004"})
    assert (result.original, result.subscriptions, result.entries) == (None, (), ())
    half = settled(giving_back(bought.order, 1), bought.customer, left, original=bought.order)
    assert half.order.status == "1000"
