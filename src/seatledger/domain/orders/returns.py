"""RETURN: giving whole lines of a completed order back (orders.md 2.8, 5)."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE, PENDING, RETURNED
from seatledger.domain.calendar import pacific_day, utc_day
from seatledger.domain.catalog import Catalog
from seatledger.domain.commitments import committed_minimum, counts_toward, held_quantity
from seatledger.domain.levels import CONSUMABLES, OFFER_TYPES, OfferType
from seatledger.domain.model import Account, Basis, Order, OrderLine, Partner, Subscription
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.request import OrderRequest, RequestLine, common_refusal
from seatledger.domain.outcome import Refused, on_lines

_RETURNABLE = frozenset({"NEW", "RENEWAL"})
Fails = Callable[[RequestLine, OrderLine], bool]


def decide(
    request: OrderRequest, account: Account, partner: Partner, catalog: Catalog, now: datetime
) -> Accepted | Refused:
    """Judge a RETURN at the business instant `now`; the credit is the original line's price."""
    refused = common_refusal(request)
    if refused is not None:
        return refused
    original = account.reference
    if original is None:
        return Refused("2115")
    refused = _order_refusal(request, original, partner, now) or _line_refusal(
        request, account, original, partner, catalog, now
    )
    if refused is not None:
        return refused
    lines = tuple(_credit_line(original, line) for line in request.lines)
    return Accepted(lines, Basis(now, pacific_day(now), account.customer.coterm_date))


def _order_refusal(
    request: OrderRequest, original: Order, partner: Partner, now: datetime
) -> Refused | None:
    """Checks 51-55: the referenced order as a whole."""
    numbers = [line.number for line in request.lines]
    if original.order_type == "SWITCH":
        return on_lines("2127", numbers, "SWITCH_ORDER_CANCELLATION_NOT_ALLOWED")
    if original.order_type not in _RETURNABLE:
        return on_lines("2127", numbers, "ORDER_TYPE_NOT_RETURNABLE")
    if original.status == RETURNED:
        return Refused("2118")
    if original.status != ACTIVE:
        return Refused("2116")
    last_day = utc_day(original.created_at) + timedelta(days=partner.settings.return_window_days)
    return Refused("2117") if utc_day(now) > last_day else None


def _line_refusal(
    request: OrderRequest,
    account: Account,
    original: Order,
    partner: Partner,
    catalog: Catalog,
    now: datetime,
) -> Refused | None:
    """Checks 56-66: each requested line beside the one it gives back."""
    unmatched = [line.number for line in request.lines if original.line(line.number) is None]
    if unmatched:
        return on_lines("2131", unmatched)
    pairs = tuple(_pairs(request.lines, original))
    in_return = {
        line.number
        for order in account.pending_orders
        if order.order_type == "RETURN" and order.reference_order_id == original.order_id
        for line in order.lines
    }
    held = {one.subscription_id: one for one in account.subscriptions}
    leaving = _leaving(account, pairs)
    missed = () if partner.settings.relaxed_3yc else _missed_minimums(account, catalog, leaving)

    def is_consumed(line: OrderLine) -> bool:
        product = catalog.product_of(line.offer_id)
        seats = held.get(line.subscription_id)
        if product is None or product.offer_type != CONSUMABLES or seats is None:
            return False
        left = seats.current_quantity - leaving[seats.subscription_id]
        return seats.used_quantity > max(0, left)

    def is_committed(line: OrderLine) -> bool:
        return any(counts_toward(catalog, line.product_key, one) for one in missed)

    def are_gone(line: OrderLine) -> bool:
        seats = held.get(line.subscription_id)
        return seats is None or seats.current_quantity < leaving[seats.subscription_id]

    checks: tuple[tuple[str, str | None, Fails], ...] = (
        ("2130", None, lambda sent, line: sent.offer_id != line.offer_id),
        ("2133", None, lambda _, line: line.status == RETURNED),
        ("2132", None, lambda sent, line: sent.quantity != line.quantity),
        ("2137", None, lambda sent, line: _currency(request, sent) not in ("", line.currency)),
        ("2138", None, lambda sent, line: sent.deployment_id not in ("", line.deployment_id)),
        ("2134", None, lambda _, line: _term_is_over(line, account, held, now)),
        ("4122", None, lambda _, line: line.number in in_return),
        ("2129", "INELIGIBLE_CONSUMED", lambda _, line: is_consumed(line)),
        ("2127", "THREE_YEAR_COMMIT", lambda _, line: is_committed(line)),
        ("2127", "INSUFFICIENT_QUANTITY", lambda _, line: are_gone(line)),
    )
    for code, reason, fails in checks:
        numbers = [sent.number for sent, line in pairs if fails(sent, line)]
        if numbers:
            return on_lines(code, numbers, reason)
    return None


def _currency(request: OrderRequest, sent: RequestLine) -> str:
    return request.currency_of(sent)


def _pairs(
    lines: Iterable[RequestLine], original: Order
) -> Iterator[tuple[RequestLine, OrderLine]]:
    for sent in lines:
        line = original.line(sent.number)
        assert line is not None
        yield sent, line


def _term_is_over(
    line: OrderLine, account: Account, held: dict[str, Subscription], now: datetime
) -> bool:
    """61: the term a line was bought for has ended (orders.md 5.1)."""
    seats = held.get(line.subscription_id)
    if seats is not None and seats.own_line:
        return utc_day(now) >= seats.renewal_date
    # A run that renewed nothing, or has not settled yet, ends a term without opening the next.
    is_past = seats is not None and seats.renewal_date <= utc_day(now)
    return is_past or line.term < account.customer.term


def _leaving(account: Account, pairs: Iterable[tuple[RequestLine, OrderLine]]) -> Counter[str]:
    """What this RETURN and those in flight take from each subscription (63, 66)."""
    leaving: Counter[str] = Counter()
    for _, line in pairs:
        leaving[line.subscription_id] += line.quantity
    shared = {one.key: one.subscription_id for one in account.open_coterm}
    own = {one.own_line: one.subscription_id for one in account.subscriptions if one.own_line}
    for order in account.pending_orders:
        if order.order_type == "RETURN":
            for line in order.lines:
                bought = f"{order.reference_order_id}:{line.number}"
                leaving[own.get(bought) or shared.get(line.key, "")] += line.quantity
    return leaving


def _missed_minimums(
    account: Account, catalog: Catalog, leaving: Counter[str]
) -> tuple[OfferType, ...]:
    """65: offerTypes of a commitment in force that what stays would fall short of."""
    subscriptions = tuple(
        replace(one, current_quantity=max(0, one.current_quantity - leaving[one.subscription_id]))
        for one in account.subscriptions
    )
    left = replace(account, subscriptions=subscriptions)
    return tuple(
        offer_type
        for offer_type in OFFER_TYPES
        if held_quantity(left, catalog, offer_type)
        < committed_minimum(account.customer, offer_type)
    )


def _credit_line(original: Order, sent: RequestLine) -> OrderLine:
    line = original.line(sent.number)
    assert line is not None
    return OrderLine(
        number=line.number,
        offer_id=line.offer_id,
        quantity=line.quantity,
        currency=line.currency,
        status=PENDING,
        deployment_id=line.deployment_id,
        discount_code=line.discount_code,
        flex=line.flex,
        price=line.price,
    )
