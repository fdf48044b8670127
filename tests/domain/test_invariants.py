"""Each equation of the ledger, violated once."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.benefits import ThreeYearCommit
from seatledger.domain.invariants import History, violations
from seatledger.domain.model import Customer, LedgerEntry, Order, Price, Subscription
from tests import samples
from tests.settling import ALL_APPS, FOLIO, PACK, giving_back, line, order, settled

TEN = Decimal("10.00")
A_CENT_TOO_MANY = Price(
    "NA", "row", TEN, TEN, base_days=365, amount=Decimal("40.01"), net=TEN, days=365
)
FIRST, SECOND, CREDIT = "9200000001", "9200000002", "5500000001"
Spoil = Callable[[History], History]


def sound() -> History:
    """A customer that bought three products, bought more of one, and gave a line back."""
    bought = settled(order(line(1, FOLIO, 5), line(2, ALL_APPS, 2), line(3, PACK, 1)))
    more = settled(order(line(1, FOLIO, 4), order_id=SECOND), bought.customer, bought.subscriptions)
    seats = {one.subscription_id: one for one in (*bought.subscriptions, *more.subscriptions)}
    returned = settled(
        giving_back(bought.order, 2), more.customer, seats.values(), original=bought.order
    )
    seats |= {one.subscription_id: one for one in returned.subscriptions}
    assert returned.original is not None
    return History(
        returned.customer,
        (returned.original, more.order, returned.order),
        tuple(seats.values()),
        (*bought.entries, *more.entries, *returned.entries),
    )


def with_seats(number: int, **changes: Any) -> Spoil:
    """Change the subscription in a place: 0 Folio, 1 All Apps (returned), 2 the pack."""

    def spoil(history: History) -> History:
        seats: list[Subscription] = list(history.subscriptions)
        seats[number] = replace(seats[number], **changes)
        return replace(history, subscriptions=tuple(seats))

    return spoil


def with_order(order_id: str, **changes: Any) -> Spoil:
    """Change an order."""
    return _orders(lambda one: replace(one, **changes) if one.order_id == order_id else one)


def with_line(order_id: str, number: int, **changes: Any) -> Spoil:
    """Change a line of an order."""

    def changed(one: Order) -> Order:
        if one.order_id != order_id:
            return one
        lines = [replace(s, **changes) if s.number == number else s for s in one.lines]
        return replace(one, lines=tuple(lines))

    return _orders(changed)


def _orders(change: Callable[[Order], Order]) -> Spoil:
    return lambda history: replace(history, orders=tuple(change(one) for one in history.orders))


def with_entry(number: int, **changes: Any) -> Spoil:
    """Change the entry in a place."""

    def spoil(history: History) -> History:
        entries: list[LedgerEntry] = list(history.entries)
        entries[number] = replace(entries[number], **changes)
        return replace(history, entries=tuple(entries))

    return spoil


def with_customer(**changes: Any) -> Spoil:
    """Change the customer."""
    return lambda history: replace(history, customer=replace(history.customer, **changes))


def with_commit(commit: ThreeYearCommit) -> Spoil:
    """Give the customer a three-year commit."""
    return with_customer(benefits=(commit,))


def without(name: str, number: int) -> Spoil:
    """Remove an entry, an order or a subscription."""

    def spoil(history: History) -> History:
        kept = [one for place, one in enumerate(getattr(history, name)) if place != number]
        return replace(history, **{name: tuple(kept)})

    return spoil


def twice(name: str, number: int, **changes: Any) -> Spoil:
    """Repeat an entry, an order or a subscription with changes."""

    def spoil(history: History) -> History:
        known = getattr(history, name)
        return replace(history, **{name: (*known, replace(known[number], **changes))})

    return spoil


def told(*spoils: Spoil) -> list[str]:
    """What is reported, without the customer that every sentence begins with."""
    history = sound()
    for spoil in spoils:
        history = spoil(history)
    start = f"customer {samples.CUSTOMER_ID}: "
    found = list(violations(history))
    assert all(one.startswith(start) for one in found)
    return [one.removeprefix(start) for one in found]


def test_a_sound_customer_violates_nothing() -> None:
    assert told() == []
    empty: tuple[Any, ...] = ()
    assert list(violations(History(samples.customer(), empty, empty, empty))) == []


SPOILED = {
    "seats without an entry": (
        with_seats(0, current_quantity=10),
        "subscription NEW1 has 10 seats, its ledger 9",
    ),
    "a balance that does not add up": (
        with_entry(3, balance=8),
        "ledger entry 3.1 states balance 8, its subscription then had 9",
    ),
    "an entry for nobody": (
        twice("entries", 0, version=9, subscription_id="S9", delta=0, balance=0, order_id=""),
        "ledger names unknown subscription S9",
    ),
    "two open subscriptions of one key": (
        twice("subscriptions", 1, subscription_id="S9", status="1009", product_key="65304479CA"),
        "2 open subscriptions for ('65304479CA', '', 'USD', '')",
    ),
    "a scheduled one with seats": (
        with_seats(0, status="1009"),
        "scheduled subscription NEW1 holds seats",
    ),
    "an active one without": (
        with_seats(1, status="1000"),
        "active subscription NEW2 holds no seats",
    ),
    "more used than held": (
        with_seats(0, used_quantity=10),
        "subscription NEW1 uses more than it holds",
    ),
    "used less than nothing": (
        with_seats(1, used_quantity=-1),
        "subscription NEW2 uses more than it holds",
    ),
    "another end than the anniversary": (
        with_seats(0, renewal_date=samples.at("2026-07-08T00:00:00Z").date()),
        "subscription NEW1 does not end on the anniversary",
    ),
    "a completed order with a waiting line": (
        with_line(SECOND, 1, status="1002"),
        f"order {SECOND} is 1000 with lines ['1002']",
    ),
    "a completed order with nothing left": (
        with_line(SECOND, 1, status="1008"),
        f"order {SECOND} is 1000 with lines ['1008']",
    ),
    "a returned order with a line left": (
        with_order(FIRST, status="1008"),
        f"order {FIRST} is 1008 with lines ['1000', '1008']",
    ),
    "a failed order with a completed line": (
        with_order(SECOND, status="1004"),
        f"order {SECOND} is 1004 with lines ['1000']",
    ),
    "a completed line of no subscription": (
        with_line(SECOND, 1, subscription_id=""),
        f"line 1 of order {SECOND} names no subscription",
    ),
    "a line without its entry": (
        without("entries", 3),
        f"line 1 of order {SECOND}: ledger has [], not [('NEW1', 4)]",
    ),
    "a line entered twice": (
        twice("entries", 3, version=9, balance=13),
        f"line 1 of order {SECOND}: ledger has [('NEW1', 4), ('NEW1', 4)], not [('NEW1', 4)]",
    ),
    "a line of another quantity": (
        with_line(SECOND, 1, quantity=5),
        f"line 1 of order {SECOND}: ledger has [('NEW1', 4)], not [('NEW1', 5)]",
    ),
    "seats entered for another subscription": (
        with_line(SECOND, 1, subscription_id="NEW2"),
        f"line 1 of order {SECOND}: ledger has [('NEW1', 4)], not [('NEW2', 4)]",
    ),
    "an entry of an unknown order": (
        without("orders", 1),
        f"line 1 of order {SECOND}: ledger has [('NEW1', 4)], not []",
    ),
    "a line returned without a RETURN": (
        with_line(FIRST, 1, status="1008"),
        f"line 1 of order {FIRST} was given back 0 times",
    ),
    "a RETURN whose line is not returned": (
        with_line(FIRST, 2, status="1000"),
        f"line 2 of order {FIRST} was given back 1 times",
    ),
    "a line of a term to come": (
        with_line(SECOND, 1, term=2),
        f"order {SECOND} bills a term that has not begun",
    ),
    "a term opened by two runs": (
        _orders(lambda one: replace(one, anniversary=date(2025 + int(one.order_id[-1]), 7, 7))),
        f"order {SECOND} renews into a term that another run opened",
    ),
    "an amount that does not follow": (
        with_line(SECOND, 1, price=A_CENT_TOO_MANY),
        f"line 1 of order {SECOND} costs 40.00",
    ),
    "a level of the other offer type": (
        with_customer(license_level="T2"),
        "'T2' is no level of LICENSE",
    ),
    "a level nobody has": (
        with_customer(consumables_level="T9"),
        "'T9' is no level of CONSUMABLES",
    ),
    "a commitment that ends before it begins": (
        with_commit(samples.committed("2026-01-01", ("LICENSE", 10), end="2025-12-31")),
        "commitment 1 has no days or no minimums",
    ),
    "a missed commitment that never lapsed": (
        with_commit(samples.committed("2026-01-01", ("LICENSE", 10), status="NONCOMPLIANT")),
        "commitment 1 is NONCOMPLIANT, lapsed on None",
    ),
    "an accepted request without days": (
        with_commit(samples.asked("ACCEPTED", ("LICENSE", 10))),
        "an accepted request for a commitment has no days",
    ),
    "a declined request that can run out": (
        with_commit(samples.asked("DECLINED", ("LICENSE", 10), counted_from=date(2026, 1, 1))),
        "a request for a commitment is DECLINED and its time runs",
    ),
    "a line given back twice": (
        twice("orders", 2, order_id="5500000002"),
        f"line 2 of order {FIRST} was given back 2 times",
    ),
}


@pytest.mark.parametrize(("spoil", "sentence"), SPOILED.values(), ids=SPOILED)
def test_a_broken_equation_is_told(spoil: Spoil, sentence: str) -> None:
    assert sentence in told(spoil)


def test_several_broken_equations_are_all_told() -> None:
    found = told(with_seats(0, used_quantity=99), with_line(SECOND, 1, status="1002"))
    assert len(found) == 2


@pytest.mark.parametrize("status", ["1004", "1020", "1022", "1024", "1026", "1002"])
def test_orders_that_moved_no_seats_are_sound(status: str) -> None:
    failed = replace(order(line(1, FOLIO, 3), order_id="9200000009"), status=status)
    failed = replace(failed, lines=(replace(failed.lines[0], status=status),))
    assert told(lambda history: replace(history, orders=(*history.orders, failed))) == []


@pytest.mark.parametrize("order_id", [FIRST, SECOND, CREDIT])
def test_a_status_set_by_force_is_not_held_against_an_order(order_id: str) -> None:
    everything = [with_line(order_id, number, status="1004") for number in (1, 2, 3)]
    assert told(*everything, with_order(order_id, status="1004", forced=True)) == []


def test_seats_may_end_apart_where_they_should() -> None:
    other_day = samples.at("2027-01-31T00:00:00Z").date()
    assert told(with_seats(2, renewal_date=other_day)) == []  # a pack has its own year
    assert told(with_seats(1, renewal_date=other_day)) == []  # it is over


def test_every_sentence_names_the_customer() -> None:
    customer: Customer = samples.customer(customer_id="1009999999")
    history = replace(with_seats(0, used_quantity=99)(sound()), customer=replace(
        customer, coterm_date=sound().customer.coterm_date, term=1
    ))  # fmt: skip
    assert list(violations(history)) == [
        "customer 1009999999: subscription NEW1 uses more than it holds"
    ]
