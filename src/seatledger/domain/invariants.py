"""The equations that must always hold for a customer (subscriptions.md 12, DESIGN of the ledger).

Run by `seatledger check`, the control API and every whole-system test.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

from msgspec import Struct

from seatledger.contract.statuses import (
    ACTIVE,
    COMPLETED_ORDER_STATUSES,
    PENDING,
    RETURNED,
    SCHEDULED,
)
from seatledger.domain.benefits import ACCEPTED, NONCOMPLIANT
from seatledger.domain.levels import CONSUMABLES, LEVELS, OFFER_TYPES
from seatledger.domain.model import Customer, LedgerEntry, Order, Subscription
from seatledger.domain.pricing import Charge, price_line


class History(Struct, frozen=True):
    """Everything stored about one customer."""

    customer: Customer
    orders: tuple[Order, ...]
    subscriptions: tuple[Subscription, ...]
    entries: tuple[LedgerEntry, ...]


def violations(history: History) -> Iterator[str]:
    """One sentence per broken equation; nothing for a sound customer."""
    for check in (
        _balances,
        _keys,
        _subscription_states,
        _order_states,
        _ledger_matches_orders,
        _returns,
        _anniversaries,
        _terms,
        _prices,
        _levels,
        _commitments,
    ):
        for sentence in check(history):
            yield f"customer {history.customer.customer_id}: {sentence}"


def _balances(history: History) -> Iterator[str]:
    """A subscription's seats are the sum of its ledger entries, entry by entry."""
    totals: Counter[str] = Counter()
    for entry in sorted(history.entries, key=lambda one: (one.version, one.position)):
        totals[entry.subscription_id] += entry.delta
        if totals[entry.subscription_id] != entry.balance:
            yield (
                f"ledger entry {entry.version}.{entry.position} states balance {entry.balance}, "
                f"its subscription then had {totals[entry.subscription_id]}"
            )
    for one in history.subscriptions:
        if totals[one.subscription_id] != one.current_quantity:
            yield (
                f"subscription {one.subscription_id} has {one.current_quantity} seats, "
                f"its ledger {totals[one.subscription_id]}"
            )
    unknown = set(totals) - {one.subscription_id for one in history.subscriptions}
    yield from (f"ledger names unknown subscription {one}" for one in sorted(unknown))


def _keys(history: History) -> Iterator[str]:
    """One open subscription per product, deployment and currency."""
    open_ones = Counter((*one.key, one.own_line) for one in history.subscriptions if one.is_open)
    for key, count in open_ones.items():
        if count > 1:
            yield f"{count} open subscriptions for {key}"


def _subscription_states(history: History) -> Iterator[str]:
    for one in history.subscriptions:
        if one.status == SCHEDULED and one.current_quantity != 0:
            yield f"scheduled subscription {one.subscription_id} holds seats"
        if one.status == ACTIVE and one.current_quantity < 1:
            yield f"active subscription {one.subscription_id} holds no seats"
        if not 0 <= one.used_quantity <= max(0, one.current_quantity):
            yield f"subscription {one.subscription_id} uses more than it holds"
        if (
            one.status == ACTIVE
            and not one.own_line
            and one.renewal_date != history.customer.coterm_date
        ):
            yield f"subscription {one.subscription_id} does not end on the anniversary"


def _order_states(history: History) -> Iterator[str]:
    for order in history.orders:
        if order.forced:
            continue
        states = {line.status for line in order.lines}
        if order.status == ACTIVE:
            sound = states <= COMPLETED_ORDER_STATUSES and ACTIVE in states
        else:
            sound = states == {order.status}
        if not sound:
            yield f"order {order.order_id} is {order.status} with lines {sorted(states)}"
        for line in order.lines:
            if line.status in COMPLETED_ORDER_STATUSES and not line.subscription_id:
                yield f"line {line.number} of order {order.order_id} names no subscription"


def _ledger_matches_orders(history: History) -> Iterator[str]:
    """Every completed line has one entry of its quantity and seats; nothing else has any.

    A RENEWAL states what its subscription holds from then on, whatever it held before.
    """
    renewals = {order.order_id for order in history.orders if order.order_type == "RENEWAL"}
    expected = {
        (order.order_id, line.number): (
            line.subscription_id,
            -line.quantity if order.order_type == "RETURN" else line.quantity,
        )
        for order in history.orders
        if order.status in COMPLETED_ORDER_STATUSES and not order.forced
        for line in order.lines
    }
    forced = {order.order_id for order in history.orders if order.forced}
    found: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    for entry in history.entries:
        if entry.order_id and entry.order_id not in forced:
            amount = entry.balance if entry.order_id in renewals else entry.delta
            found[entry.order_id, entry.line_number].append((entry.subscription_id, amount))
    for key in sorted(expected.keys() | found.keys()):
        wanted = [expected[key]] if key in expected else []
        if found.get(key, []) != wanted:
            yield f"line {key[1]} of order {key[0]}: ledger has {found.get(key, [])}, not {wanted}"


def _returns(history: History) -> Iterator[str]:
    """A line is 1008 exactly when a completed RETURN gave it back, once.

    A RETURN forced into another state takes the lines it names out of the equation.
    """
    known = {order.order_id: order for order in history.orders}
    given_back: Counter[tuple[str, int]] = Counter()
    excused: set[tuple[str, int]] = set()
    for order in history.orders:
        if order.order_type != "RETURN":
            continue
        keys = {(order.reference_order_id, line.number) for line in order.lines}
        original = known.get(order.reference_order_id)
        if order.forced or (original is not None and original.forced):
            excused |= keys
        elif order.status == ACTIVE:
            given_back.update(keys)
    returned = _returned_lines(history.orders)
    for key in sorted((set(given_back) | returned) - excused):
        if given_back[key] != (1 if key in returned else 0):
            yield f"line {key[1]} of order {key[0]} was given back {given_back[key]} times"


def _anniversaries(history: History) -> Iterator[str]:
    """An anniversary makes one order at most (subscriptions.md 12); nothing open waits for one
    whose order has settled."""
    runs = Counter(one.anniversary for one in history.orders if one.anniversary is not None)
    for day, count in runs.items():
        if count > 1:
            yield f"{count} orders of the anniversary {day}"
    for one in history.subscriptions:
        if one.is_open and not one.own_line and has_run(history, one.renewal_date):
            yield f"subscription {one.subscription_id} waits for an anniversary that has passed"


def has_run(history: History, day: date) -> bool:
    """Whether the anniversary `day` has made its order, and that has settled."""
    return any(one.anniversary == day and one.status != PENDING for one in history.orders)


def _terms(history: History) -> Iterator[str]:
    """Every completed run opens a term of its own, and no line bills one that is to come."""
    opened: set[int] = set()
    for order in history.orders:
        terms = {line.term for line in order.lines}
        if any(term > history.customer.term for term in terms):
            yield f"order {order.order_id} bills a term that has not begun"
        if order.anniversary is not None and order.status in COMPLETED_ORDER_STATUSES:
            if opened & terms and not order.forced:
                yield f"order {order.order_id} renews into a term that another run opened"
            opened |= terms


def _prices(history: History) -> Iterator[str]:
    """Amounts are what unit price, days and quantity make (orders.md 4.4)."""
    for order in history.orders:
        if order.order_type == "RETURN":
            continue
        for line in order.lines:
            price = line.price
            if price is None:
                continue
            charge = Charge(price.days, price.base_days, full_term=price.daily is None)
            made = price_line(price.unit_price, line.quantity, charge, line.currency)
            if (made.daily, made.amount, made.net) != (price.daily, price.amount, price.net):
                yield f"line {line.number} of order {order.order_id} costs {made.amount}"


def _levels(history: History) -> Iterator[str]:
    """A customer holds a level of either scale, 06-09 being those of large agencies."""
    for offer_type in OFFER_TYPES:
        level = history.customer.level(offer_type)
        if level not in LEVELS or level.startswith("T") != (offer_type == CONSUMABLES):
            yield f"{level!r} is no level of {offer_type}"


def _commitments(history: History) -> Iterator[str]:
    """A commitment has its days and minimums, and the day it lapsed exactly if it was missed."""
    commit = history.customer.three_year_commit
    if commit is None:
        return
    held = commit.commitment
    if held is not None:
        if held.start_date > held.end_date or not held.minimums:
            yield f"commitment {held.number} has no days or no minimums"
        if (held.status == NONCOMPLIANT) != (held.lapsed_on is not None):
            yield f"commitment {held.number} is {held.status}, lapsed on {held.lapsed_on}"
    for one in (commit.request, commit.recommitment):
        if one is None:
            continue
        if one.status == ACCEPTED and (one.start_date is None or one.end_date is None):
            yield "an accepted request for a commitment has no days"
        if one.counted_from is not None and not one.is_live:
            yield f"a request for a commitment is {one.status} and its time runs"


def _returned_lines(orders: Iterable[Order]) -> set[tuple[str, int]]:
    return {
        (order.order_id, line.number)
        for order in orders
        if not order.forced and order.status != PENDING
        for line in order.lines
        if line.status == RETURNED
    }
