"""The anniversary run, and what a RENEWAL order changes (subscriptions.md 9, orders.md 1.5)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime

from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE, INACTIVE, PENDING
from seatledger.domain.calendar import add_years, midnight, utc_day
from seatledger.domain.catalog import Catalog
from seatledger.domain.commitment_life import after_renewal, renewal_binding
from seatledger.domain.commitments import with_held
from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.effects import Ended, Rules, Seats, Settlement
from seatledger.domain.hvd import level_with_code
from seatledger.domain.levels import CONSUMABLES, LICENSE, rank_of_level, rank_of_quantity
from seatledger.domain.model import Account, Customer, Order, OrderLine, Subscription
from seatledger.domain.orders.flex import SUCCESS
from seatledger.domain.orders.renewal import plan_renewal
from seatledger.domain.terms import has_lapsed

SYSTEM = "System"


def run_order(
    account: Account, rules: Rules, order_id: str, at: datetime, run_at: datetime | None
) -> Order | None:
    """The order of a customer's anniversary at the business instant `at`; None for no line.

    Settings are read as they stand; prices are those of the Pacific day in which the anniversary
    begins (subscriptions.md 9.1 steps 3-5).
    """
    customer = account.customer
    anniversary = customer.coterm_date
    assert anniversary is not None
    plan = plan_renewal(
        account, rules.partner, rules.catalog, rules.discounts, anniversary, midnight(anniversary)
    )
    renewing = [line for line in plan.lines if line.status == ACTIVE]
    if not renewing:
        return None
    return Order(
        order_id=order_id,
        partner_id=customer.partner_id,
        customer_id=customer.customer_id,
        reseller_id=customer.reseller_id,
        order_type="RENEWAL",
        status=PENDING,
        source=SYSTEM,
        external_reference_id="",
        reference_order_id="",
        created_at=at,
        lines=tuple(
            replace(line, number=number, status=PENDING)
            for number, line in enumerate(renewing, start=1)
        ),
        basis=plan.basis,
        run_at=run_at,
        anniversary=anniversary,
    )


def settle_run(
    order: Order, account: Account, status: str, rules: Rules, at: datetime
) -> Settlement:
    """Carry out the verdict on the order of an anniversary (subscriptions.md 9.1 steps 6-9).

    What it names renews, everything else that followed the anniversary expires; if it fails, all
    of it expires. The customer carries its next version already.
    """
    open_ones = {one.subscription_id for one in account.open_coterm}
    if status == ACTIVE and not open_ones.issuperset(one.subscription_id for one in order.lines):
        status = INACTIVE
    if status != ACTIVE:
        ended = expire_all(account, rules, at)
        failed = replace(
            order,
            status=status,
            lines=tuple(replace(line, status=status) for line in order.lines),
            completed_at=at,
            run_at=None,
        )
        return Settlement(
            failed, ended.customer, ended.subscriptions, ended.entries, expired=ended.expired
        )
    anniversary = order.anniversary
    assert anniversary is not None
    customer = replace(
        account.customer,
        coterm_date=add_years(anniversary, 1),
        extended_term=False,
        term=account.customer.term + 1,
        term_started_at=order.created_at,
    )
    by_subscription = {line.subscription_id: line for line in order.lines}
    seats = Seats(account, customer, at)
    for one in account.open_coterm:
        line = by_subscription.get(one.subscription_id)
        if line is None:
            seats.expire(one)
        else:
            seats.put(_renewed(one, line, anniversary, rules.discounts, at), order, line)
    totals = renewed_totals([order], rules.catalog)
    customer = _with_levels(customer, totals, anniversary, rules)
    return Settlement(
        _completed(order, customer, at),
        _after(account, customer, seats, totals, anniversary, rules),
        seats.changed,
        tuple(seats.entries),
        expired=tuple(one for one in seats.changed if one.status == INACTIVE),
    )


def expire_all(account: Account, rules: Rules, at: datetime) -> Ended:
    """The anniversary of a customer with nothing to renew: everything that followed it ends."""
    customer, anniversary = account.customer, account.customer.coterm_date
    assert anniversary is not None
    seats = Seats(account, customer, at)
    for one in account.open_coterm:
        seats.expire(one)
    customer = _with_levels(customer, {}, anniversary, rules)
    customer = _after(account, customer, seats, {}, anniversary, rules)
    return Ended(customer, seats.changed, tuple(seats.entries), seats.changed)


def expire_one(account: Account, subscription_id: str, at: datetime) -> Ended:
    """End one subscription on the UTC day of `at`, an anniversary that has run: it may be renewed
    into the term that has begun then. The customer carries its next version already."""
    seats = Seats(account, account.customer, at)
    seats.expire(replace(seats.get(subscription_id), renewal_date=utc_day(at)))
    return Ended(account.customer, seats.changed, tuple(seats.entries), seats.changed)


def is_still_possible(order: Order, account: Account) -> bool:
    """Whether everything a late RENEWAL names can be renewed yet (subscriptions.md 9.2)."""
    taken = {one.key for one in account.open_coterm}
    lapsed = {one.subscription_id: one for one in account.subscriptions if _has_expired(one)}
    for line in order.lines:
        one = lapsed.get(line.subscription_id)
        if (
            one is None
            or one.expired_on is None
            or account.customer.coterm_date not in (one.expired_on, add_years(one.expired_on, 1))
            or line.quantity > one.current_quantity
            or one.key in taken
        ):
            return False
    return True


def complete_late(order: Order, account: Account, rules: Rules, at: datetime) -> Settlement:
    """Reopen what a late RENEWAL names; the first one rolls the anniversary (9.2).

    `account.term_orders` holds the RENEWAL orders of the customer since its anniversary.
    """
    customer = account.customer
    held = {one.subscription_id: one for one in account.subscriptions}
    lapsed_on = held[order.lines[0].subscription_id].expired_on
    assert lapsed_on is not None
    is_fresh = has_lapsed(account, lapsed_on)
    if customer.coterm_date == lapsed_on:
        customer = replace(
            customer,
            coterm_date=add_years(lapsed_on, 1),
            extended_term=False,
            term=customer.term + 1,
            term_started_at=midnight(lapsed_on),
        )
    seats = Seats(account, customer, at)
    for line in order.lines:
        seats.put(_reopened(held[line.subscription_id], line, lapsed_on), order, line)
    totals = renewed_totals([*renewals_since(account, lapsed_on), order], rules.catalog)
    customer = _with_levels(customer, totals, lapsed_on, rules, keeps_held=not is_fresh)
    holding = replace(account, customer=customer, subscriptions=tuple(seats))
    return Settlement(
        _completed(order, customer, at),
        with_held(holding, rules.catalog, totals),
        seats.changed,
        tuple(seats.entries),
    )


def renewals_since(account: Account, anniversary: date) -> list[Order]:
    """Completed RENEWAL orders of the term that `anniversary` opened."""
    return [
        one
        for one in account.term_orders
        if one.order_type == "RENEWAL"
        and one.status == ACTIVE
        and one.created_at >= midnight(anniversary)
    ]


def renewed_totals(orders: Iterable[Order], catalog: Catalog) -> dict[str, int]:
    """Renewed seats per offerType, of products that count toward the level alone."""
    totals: Counter[str] = Counter()
    for order in orders:
        for line in order.lines:
            product = catalog.product_of(line.offer_id)
            if line.status in (ACTIVE, PENDING) and product and product.counts_toward_level:
                totals[product.offer_type] += line.quantity
    return dict(totals)


def _renewed(
    one: Subscription, line: OrderLine, anniversary: date, discounts: FlexDiscounts, at: datetime
) -> Subscription:
    return replace(
        one,
        status=ACTIVE,
        current_quantity=line.quantity,
        used_quantity=min(one.used_quantity, line.quantity),
        renewal_date=add_years(anniversary, 1),
        flex_codes=one.flex_codes and _codes_left(one, line, discounts, at),
    )


def _codes_left(
    one: Subscription, line: OrderLine, discounts: FlexDiscounts, at: datetime
) -> tuple[str, ...]:
    used = {result.code for result in line.flex if result.result == SUCCESS}
    return tuple(
        code for code in one.flex_codes if code not in used or _is_reusable(discounts, code, at)
    )


def _is_reusable(discounts: FlexDiscounts, code: str, at: datetime) -> bool:
    return any(one.lock_end is not None and at <= one.lock_end for one in discounts.with_code(code))


def _reopened(one: Subscription, line: OrderLine, lapsed_on: date) -> Subscription:
    return replace(
        one,
        status=ACTIVE,
        current_quantity=line.quantity,
        used_quantity=min(one.used_quantity, line.quantity),
        renewal_date=add_years(lapsed_on, 1),
        auto_renewal=True,
        explicit_quantity=None,
        expired_on=None,
        flex_codes=(),
    )


def _has_expired(one: Subscription) -> bool:
    return one.status == INACTIVE and one.expired_on is not None and not one.own_line


def _completed(order: Order, customer: Customer, at: datetime) -> Order:
    lines = tuple(replace(line, status=ACTIVE, term=customer.term) for line in order.lines)
    return replace(order, status=ACTIVE, lines=lines, completed_at=at, run_at=None)


def _with_levels(
    customer: Customer,
    totals: Mapping[str, int],
    anniversary: date,
    rules: Rules,
    *,
    keeps_held: bool = False,
) -> Customer:
    """The levels that renewed totals earn for the term, up or down (accounts.md 7.2).

    A late renewal in a term that has begun never lowers them (`keeps_held`).
    """
    levels = {}
    for offer_type in (LICENSE, CONSUMABLES):
        binding = renewal_binding(customer, offer_type, totals, anniversary, rules.settings)
        rank = rank_of_quantity(offer_type, totals.get(offer_type, 0))
        if binding is not None:
            rank = max(rank, binding.floor_rank or 1)
        if keeps_held:
            rank = max(rank, rank_of_level(customer.level(offer_type)) or 1)
        scale = binding.scale if binding else "PLAIN"
        levels[offer_type] = level_with_code(customer, offer_type, scale, rank)
    return replace(customer, license_level=levels[LICENSE], consumables_level=levels[CONSUMABLES])


def _after(
    account: Account,
    customer: Customer,
    seats: Seats,
    totals: Mapping[str, int],
    anniversary: date,
    rules: Rules,
) -> Customer:
    holding = replace(account, customer=customer, subscriptions=tuple(seats))
    return after_renewal(holding, rules.catalog, totals, anniversary, rules.settings)
