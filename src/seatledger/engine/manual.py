"""An operator's hand on one customer: single orders settled, failed or given back.

The effects are those of the normal way (`domain.fulfilment`); nothing is validated, but a state
that breaks the customer's equations is never left behind (orders.md 1.6, sandbox.md 1 and 3).
"""

from datetime import datetime

from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE, PENDING
from seatledger.domain.calendar import pacific_day
from seatledger.domain.effects import Rules, Settlement
from seatledger.domain.fulfilment import settle
from seatledger.domain.invariants import History, violations
from seatledger.domain.model import Account, Basis, LedgerEntry, Order, Subscription
from seatledger.store.ids import subscription_id


def settle_order(
    history: History, order: Order, status: str, rules: Rules, at: datetime
) -> Settlement:
    """Settle one pending order of a customer to a status at the business instant `at`.

    Raises LookupError when a product has left the catalogue.
    """
    reference = find_order(history, order.reference_order_id)
    account = Account(history.customer, subscriptions=history.subscriptions, reference=reference)
    return settle(order, account, status, rules, at, subscription_id)


def give_back(
    history: History, original: Order, order_id: str, rules: Rules, at: datetime
) -> Settlement:
    """A RETURN of every line of a completed order that is left, whatever the return window.

    Raises LookupError while another RETURN of the order waits to be settled.
    """
    for other in history.orders:
        if other.status == PENDING and other.reference_order_id == original.order_id:
            raise LookupError(f"RETURN {other.order_id} of it is pending")
    lines = tuple(
        replace(line, status=PENDING, subscription_id="", alias_used=False, term=0, enlarged=False)
        for line in original.lines
        if line.status == ACTIVE
    )
    credit = Order(
        order_id=order_id,
        partner_id=original.partner_id,
        customer_id=original.customer_id,
        reseller_id=original.reseller_id,
        order_type="RETURN",
        status=PENDING,
        source="System",
        external_reference_id="",
        reference_order_id=original.order_id,
        created_at=at,
        lines=lines,
        basis=Basis(at, pacific_day(at), history.customer.coterm_date),
    )
    return settle_order(history, credit, ACTIVE, rules, at)


def set_seats(
    history: History, seats: Subscription, quantity: int, at: datetime
) -> LedgerEntry | None:
    """The ledger entry that takes a subscription to `quantity` seats; None for no difference.

    It carries the customer's next version: one such entry per change of the customer.
    """
    if quantity == seats.current_quantity:
        return None
    return LedgerEntry(
        customer_id=seats.customer_id,
        version=history.customer.version + 1,
        position=1,
        partner_id=seats.partner_id,
        subscription_id=seats.subscription_id,
        kind="EDIT",
        delta=quantity - seats.current_quantity,
        balance=quantity,
        order_id="",
        line_number=0,
        at=at,
    )


def find_order(history: History, order_id: str) -> Order | None:
    """An order of the customer."""
    return next((one for one in history.orders if one.order_id == order_id), None)


def with_order(history: History, order: Order) -> History:
    """The history with an order changed, or added."""
    kept = tuple(order if one.order_id == order.order_id else one for one in history.orders)
    return replace(history, orders=kept if order in kept else (*kept, order))


def with_settlement(history: History, settlement: Settlement) -> History:
    """The history after a settlement."""
    changed = {one.subscription_id: one for one in settlement.subscriptions}
    kept = [changed.pop(one.subscription_id, one) for one in history.subscriptions]
    history = with_order(history, settlement.order)
    if settlement.original is not None:
        history = with_order(history, settlement.original)
    return replace(
        history,
        customer=settlement.customer,
        subscriptions=(*kept, *changed.values()),
        entries=(*history.entries, *settlement.entries),
    )


def newly_broken(before: History, after: History) -> list[str]:
    """The equations of a customer that held before a change and do not after it."""
    known = set(violations(before))
    return [sentence for sentence in violations(after) if sentence not in known]
