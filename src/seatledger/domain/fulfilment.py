"""Settling an accepted order: its effects on seats, term, levels and the ledger.

orders.md 1.5 and 1.6; subscriptions.md 4; accounts.md 6 and 7.2. An order settles as a whole.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from seatledger.contract.statuses import (
    ACTIVE,
    CUSTOMER_INACTIVE,
    INACTIVE,
    PARTNER_INACTIVE,
    PENDING,
    RESELLER_INACTIVE,
    RETURNED,
)
from seatledger.domain import renewal
from seatledger.domain.calendar import add_years, utc_day
from seatledger.domain.catalog import Catalog, Product
from seatledger.domain.commitments import scale_of, with_held
from seatledger.domain.effects import Rules, Seats, Settlement
from seatledger.domain.hvd import level_with_code
from seatledger.domain.levels import CONSUMABLES, LICENSE, rank_of_level, rank_of_quantity
from seatledger.domain.model import Account, Customer, Order, OrderLine, Subscription
from seatledger.domain.terms import opens_term, present_customer

NewId = Callable[[], str]


class Standing(Struct, frozen=True):
    """Statuses that decide whether an order may complete."""

    partner_status: str
    reseller_status: str


def verdict(order: Order, customer: Customer, standing: Standing) -> str | None:
    """The status an order settles to; None while it waits for its customer (orders.md 1.6)."""
    if order.order_type == "RETURN":
        if standing.partner_status != ACTIVE:
            return INACTIVE
        return order.injected_status or ACTIVE
    if standing.partner_status != ACTIVE:
        return PARTNER_INACTIVE
    if standing.reseller_status not in (ACTIVE, PENDING):
        return RESELLER_INACTIVE
    if customer.status == PENDING:
        return None
    if customer.status != ACTIVE:
        return CUSTOMER_INACTIVE
    return order.injected_status or ACTIVE


def settle(
    order: Order, account: Account, status: str, rules: Rules, at: datetime, new_id: NewId
) -> Settlement:
    """Carry out a verdict at the business instant `at`.

    A failure touches the order alone; a success changes seats, term, levels and the ledger under
    the customer's next version. A RETURN whose seats went away meanwhile fails (orders.md 5.1),
    and so does a RENEWAL of what can no longer be renewed. A failed run of the anniversary lets
    the subscriptions expire (subscriptions.md 9.1).
    """
    account = replace(
        account,
        customer=replace(account.customer, version=account.customer.version + 1, attempts=0),
    )
    customer = account.customer
    if order.anniversary is not None:
        return renewal.settle_run(order, account, status, rules, at)
    if status == ACTIVE and not _is_still_possible(order, account):
        status = INACTIVE
    if status != ACTIVE:
        lines = tuple(replace(line, status=status) for line in order.lines)
        failed = replace(order, status=status, lines=lines, completed_at=at, run_at=None)
        return Settlement(failed, customer)
    if order.order_type == "RETURN":
        return _complete_return(order, account, customer, at)
    if order.order_type == "RENEWAL":
        return renewal.complete_late(order, account, rules, at)
    return _complete_new(order, account, customer, rules, at, new_id)


def _is_still_possible(order: Order, account: Account) -> bool:
    if order.order_type == "RETURN":
        return _can_give_back(order, account)
    return order.order_type != "RENEWAL" or renewal.is_still_possible(order, account)


def _complete_new(
    order: Order,
    account: Account,
    customer: Customer,
    rules: Rules,
    at: datetime,
    new_id: NewId,
) -> Settlement:
    products = {line.product_key: _product(rules.catalog, line) for line in order.lines}
    customer = _with_term(customer, account, order, at)
    customer = _with_levels(customer, order, products)
    seats = Seats(account, customer, at)
    lines = []
    for line in order.lines:
        held, enlarged = _grown(
            seats, line, products[line.product_key], customer, order, at, new_id
        )
        seats.put(held, order, line)
        lines.append(
            replace(
                line,
                status=ACTIVE,
                subscription_id=held.subscription_id,
                term=customer.term,
                enlarged=enlarged,
            )
        )
    done = replace(order, status=ACTIVE, lines=tuple(lines), completed_at=at, run_at=None)
    holding = replace(account, customer=customer, subscriptions=tuple(seats))
    customer = with_held(holding, rules.catalog)
    return Settlement(done, customer, seats.changed, tuple(seats.entries))


def _grown(
    seats: Seats,
    line: OrderLine,
    product: Product,
    customer: Customer,
    order: Order,
    at: datetime,
    new_id: NewId,
) -> tuple[Subscription, bool]:
    """The subscription a line feeds after it (subscriptions.md 4), and whether it was there."""
    held = None if product.own_term else seats.find_open(line)
    if held is not None:
        quantity = held.current_quantity + line.quantity
        return replace(held, status=ACTIVE, current_quantity=quantity), True
    assert customer.coterm_date is not None
    created = Subscription(
        subscription_id=new_id(),
        customer_id=customer.customer_id,
        partner_id=customer.partner_id,
        product_key=product.key,
        offer_id=product.base_offer_id,
        current_quantity=line.quantity,
        used_quantity=0,
        auto_renewal=product.renewable,
        explicit_quantity=None,
        created_at=at,
        renewal_date=add_years(utc_day(at), 1) if product.own_term else customer.coterm_date,
        status=ACTIVE,
        deployment_id=line.deployment_id,
        currency=line.currency,
        own_line=f"{order.order_id}:{line.number}" if product.own_term else "",
        position=seats.next_position,
    )
    return created, False


def _with_term(customer: Customer, account: Account, order: Order, at: datetime) -> Customer:
    """The first completed order sets the anniversary; so does the first of a fresh term."""
    today = utc_day(at)
    if opens_term(account, today):
        return replace(
            present_customer(replace(account, customer=customer), today),
            coterm_date=add_years(today, 1),
            extended_term=False,
            term=customer.term + 1,
            term_started_at=order.created_at,
        )
    if customer.term == 0:
        return replace(customer, term=1, term_started_at=order.created_at)
    return customer


def _with_levels(customer: Customer, order: Order, products: Mapping[str, Product]) -> Customer:
    """max(current, earned by this order alone), per offerType (accounts.md 7.2)."""
    levels = {}
    for offer_type in (LICENSE, CONSUMABLES):
        quantity = sum(
            line.quantity
            for line in order.lines
            if products[line.product_key].offer_type == offer_type
            and products[line.product_key].counts_toward_level
        )
        held = rank_of_level(customer.level(offer_type))
        earned = rank_of_quantity(offer_type, quantity)
        if quantity and held is not None and earned > held:
            scale = scale_of(customer, offer_type)
            levels[offer_type] = level_with_code(customer, offer_type, scale, earned)
    return replace(
        customer,
        license_level=levels.get(LICENSE, customer.license_level),
        consumables_level=levels.get(CONSUMABLES, customer.consumables_level),
    )


def _can_give_back(order: Order, account: Account) -> bool:
    original = account.reference
    assert original is not None
    held = Counter({one.subscription_id: one.current_quantity for one in account.subscriptions})
    for line in order.lines:
        bought = original.line(line.number)
        assert bought is not None
        held[bought.subscription_id] -= line.quantity
    return min(held.values()) >= 0


def _complete_return(
    order: Order, account: Account, customer: Customer, at: datetime
) -> Settlement:
    original = account.reference
    assert original is not None
    seats = Seats(account, customer, at)
    lines = []
    for line in order.lines:
        bought = original.line(line.number)
        assert bought is not None
        seats.put(_shrunk(seats.get(bought.subscription_id), line.quantity), order, line)
        lines.append(
            replace(
                line,
                status=ACTIVE,
                subscription_id=bought.subscription_id,
                term=bought.term,
            )
        )
    done = replace(order, status=ACTIVE, lines=tuple(lines), completed_at=at, run_at=None)
    given_back = with_returned_lines(original, {line.number for line in order.lines})
    return Settlement(done, customer, seats.changed, tuple(seats.entries), given_back)


def with_returned_lines(original: Order, numbers: set[int]) -> Order:
    """The original after a RETURN: its lines 1008, itself too once all are (S-080, S-081)."""
    lines = tuple(
        replace(line, status=RETURNED) if line.number in numbers else line
        for line in original.lines
    )
    done = all(line.status == RETURNED for line in lines)
    return replace(original, lines=lines, status=RETURNED if done else original.status)


def _shrunk(seats: Subscription, quantity: int) -> Subscription:
    left = seats.current_quantity - quantity
    used = min(seats.used_quantity, left)
    if left > 0:
        return replace(seats, current_quantity=left, used_quantity=used)
    return replace(
        seats,
        current_quantity=0,
        used_quantity=0,
        status=INACTIVE,
        explicit_quantity=None,
        expired_on=None,
    )


def _product(catalog: Catalog, line: OrderLine) -> Product:
    product = catalog.product_of(line.offer_id)
    if product is None:
        raise LookupError(f"offer {line.offer_id} is not in the catalogue any more")
    return product
