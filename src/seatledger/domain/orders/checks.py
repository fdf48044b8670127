"""The checks of NEW and PREVIEW, one function per row of orders.md 2.3, in its order."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta

from seatledger.contract.limits import MAX_QUANTITY
from seatledger.contract.statuses import ACTIVE, FAILED_ORDER_STATUSES, RETURNED
from seatledger.domain.commitments import price_lock
from seatledger.domain.orders.case import LineCase, OrderCase
from seatledger.domain.orders.entitlement import is_better_than_entitled
from seatledger.domain.orders.flex import check_flexible_discounts
from seatledger.domain.outcome import Refused, on_lines

Check = Callable[[OrderCase], Refused | None]

GROWTH_VARIANTS = frozenset("XYZ")
_HVD_CODES = frozenset(f"HVD_L{level}_{era}" for level in range(17, 23) for era in ("PRE", "POST"))
_CLOSED_DETAIL = "Order placement not allowed before anniversary"


def _refuse(lines: Iterable[LineCase], code: str, reason: str | None = None) -> Refused | None:
    numbers = [line.number for line in lines]
    return on_lines(code, numbers, reason) if numbers else None


def check_closed_period(case: OrderCase) -> Refused | None:
    """20: the anniversary or its blackout has begun, its run has not settled (orders.md 2.7)."""
    blackout = timedelta(days=case.partner.settings.order_blackout_hours // 24)
    if any(
        one.renewal_date <= case.today or one.renewal_date - blackout <= case.day
        for one in case.account.open_coterm
    ):
        return Refused("5122", (_CLOSED_DETAIL,))
    return None


def check_global_sales(case: OrderCase) -> Refused | None:
    """22-24: deployments need partner and customer enabled, and a commercial customer."""
    if not any(line.request.deployment_id for line in case.lines):
        return None
    if not case.partner.global_sales_enabled:
        return Refused("1139")
    if not case.customer.global_sales:
        return Refused("1140")
    return Refused("1142") if case.customer.segment != "COM" else None


def check_deployments(case: OrderCase) -> Refused | None:
    """25: deployment unknown for the customer, or inactive. Finds country and region."""
    active = {one.deployment_id: one for one in case.account.deployments if one.status == ACTIVE}
    unknown = []
    for line in case.lines:
        if line.request.deployment_id:
            line.deployment = active.get(line.request.deployment_id)
            if line.deployment is None:
                unknown.append(line)
            else:
                line.place(line.deployment.country)
    return _refuse(unknown, "2138")


def check_deployment_region(case: OrderCase) -> Refused | None:
    """26: the deployment's country lies outside the partner's regions."""
    outside = (
        one for one in case.lines if one.deployment and one.region not in case.partner.regions
    )
    return _refuse(outside, "2139")


def check_offers(case: OrderCase) -> Refused | None:
    """27: offer unknown or not yet on sale; then: product ended. Finds product and offer."""
    unknown: list[LineCase] = []
    ended: list[LineCase] = []
    for line in case.lines:
        line.offer = case.catalog.offers.get(line.request.offer_id)
        line.product = line.offer.product if line.offer else None
        since = case.catalog.first_day_of(line.request.offer_id)
        if line.offer is None or since is None or since > case.day:
            unknown.append(line)
        elif case.catalog.has_ended(line.key[0], case.day) and not _is_locked(case, line):
            ended.append(line)
    return _refuse(unknown, "2122") or _refuse(ended, "3123")


def _is_locked(case: OrderCase, line: LineCase) -> bool:
    """Whether a commitment keeps the price of an ended product usable (catalog.md 5.4)."""
    start = price_lock(case.customer, line.known_product.offer_type)
    rows = case.catalog.rows_of_product(line.key[0])
    return start is not None and any(row.price_list == "3YC" and row.covers(start) for row in rows)


def check_program(case: OrderCase) -> Refused | None:
    """28: the partner may not sell the offer's program."""
    return _refuse(
        (one for one in case.lines if one.known_product.program not in case.partner.programs),
        "2124",
    )


def check_contracted_currency(case: OrderCase) -> Refused | None:
    """29: currency not contracted for the region, or the offer not sold there in it."""
    failing = [line for line in case.lines if not _sold_in_region(case, line)]
    if failing and all(not line.request.currency for line in failing):
        return Refused("2125")
    return _refuse(failing, "2125")


def _sold_in_region(case: OrderCase, line: LineCase) -> bool:
    if not case.partner.sells(line.region, line.currency):
        return False
    regions = case.catalog.regions_of(line.request.offer_id, line.currency)
    return not regions or line.region in regions


def check_offer_currency(case: OrderCase) -> Refused | None:
    """30: the offer has no price in the currency at all (S-171)."""
    return _refuse(
        (
            line
            for line in case.lines
            if not case.catalog.regions_of(line.request.offer_id, line.currency)
        ),
        "2128",
    )


def check_aligned_currencies(case: OrderCase) -> Refused | None:
    """31: one product and deployment in two currencies."""
    currencies: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in case.lines:
        currencies[line.key[:2]].add(line.currency)
    return _refuse((one for one in case.lines if len(currencies[one.key[:2]]) > 1), "2137")


def check_quantity(case: OrderCase) -> Refused | None:
    """32: below 1 or the minimum purchase, above the program's maximum (S-176, S-177)."""
    return _refuse((line for line in case.lines if not _quantity_fits(line)), "2120")


def _quantity_fits(line: LineCase) -> bool:
    most = MAX_QUANTITY[line.known_product.program]
    return line.known_offer.minimum_purchase <= line.request.quantity <= most


def check_segment(case: OrderCase) -> Refused | None:
    """33: segment differs, is not the reseller's, or the EDU sub-segment is missing."""
    own = set(case.customer.sub_segments)

    def mismatched(line: LineCase) -> bool:
        segment = line.known_product.segment
        if segment != case.customer.segment or segment not in case.account.reseller_segments:
            return True
        needed = line.known_offer.sub_segments if segment == "EDU" else frozenset()
        return bool(needed) and not needed & own

    return _refuse(filter(mismatched, case.lines), "2129", "INELIGIBLE_MARKET_SEGMENT")


def check_add_ons(case: OrderCase) -> Refused | None:
    """35: an add-on without its base, active in the same deployment or in this order."""
    held = {
        (one.product_key, one.deployment_id)
        for one in case.account.subscriptions
        if one.status == ACTIVE
    } | {line.key[:2] for line in case.lines}

    def lacks_base(line: LineCase) -> bool:
        bases = line.known_product.add_on_for
        deployment = line.request.deployment_id
        return bool(bases) and not any((base, deployment) in held for base in bases)

    return _refuse(filter(lacks_base, case.lines), "2129", "INELIGIBLE_ADD_ON")


def check_incompatible(case: OrderCase) -> Refused | None:
    """36: a product that excludes another line's or an active subscription's."""
    held = {one.product_key for one in case.account.subscriptions if one.status == ACTIVE}
    held |= {line.key[0] for line in case.lines}
    return _refuse(
        (line for line in case.lines if line.known_product.incompatible_with & held),
        "2129",
        "INELIGIBLE_SWITCH",
    )


def check_purchase_limit(case: OrderCase) -> Refused | None:
    """37: bought as often as a term allows, in earlier orders or in this one."""
    limited = [line for line in case.lines if line.known_product.max_orders_per_term is not None]
    if not limited:
        return None
    # An order that opens a term starts the count: what completed before it was of the term before.
    bought = Counter(
        line.product_key
        for order in case.account.term_orders
        if order.order_type == "NEW" and not (case.opens_term and order.status == ACTIVE)
        for line in order.lines
        if line.status != RETURNED and line.status not in FAILED_ORDER_STATUSES
    )
    in_order = Counter(line.key[0] for line in limited)

    def exceeds(line: LineCase) -> bool:
        limit = line.known_product.max_orders_per_term
        return limit is not None and bought[line.key[0]] + in_order[line.key[0]] > limit

    return _refuse(filter(exceeds, limited), "2129", "CUSTOMER_NOT_ELIGIBLE_FOR_PURCHASE")


def check_growth_offers(case: OrderCase) -> Refused | None:
    """38: buying High Growth offers is not served yet (orders.md 2.5)."""
    return _refuse(
        (one for one in case.lines if one.known_offer.variant in GROWTH_VARIANTS), "4121"
    )


def check_level(case: OrderCase) -> Refused | None:
    """39: NEW buys the level it names if entitled; PREVIEW takes the best one (S-104)."""
    better: list[LineCase] = []
    unsold: list[LineCase] = []
    for line in case.lines:
        case.resolve(line)
        if case.is_preview:
            if line.best is not None:
                line.offer_id = line.best.offer.offer_id
                line.row = line.best.row
                line.discount_code = line.best.discount_code
        else:
            entitled = case.entitled(line)
            if is_better_than_entitled(line.known_offer, entitled, line.best):
                better.append(line)
            line.row = case.catalog.price_row(
                line.offer_id,
                line.region,
                line.currency,
                case.day,
                commitment_start=entitled.commitment_start,
            )
        if line.row is None and not (line.request.discount_code and case.hvd_code):
            unsold.append(line)
    return _refuse(better, "2129", "INELIGIBLE_DISCOUNT_LEVEL") or _refuse(unsold, "3123")


def check_discount_codes(case: OrderCase) -> Refused | None:
    """40: HVD codes (orders.md 2.6). PREVIEW has already taken the customer's own code."""
    failing: dict[int, str] = {}
    for line in case.lines:
        code = line.request.discount_code
        if code and not case.corrects_codes:
            reason = _code_refusal(case, line, code)
            if reason is not None:
                failing[line.number] = reason
    if not failing:
        return None
    details = (f"Line Item: {number}, Reason: {reason}" for number, reason in failing.items())
    return Refused("5135", tuple(details))


def _code_refusal(case: OrderCase, line: LineCase, code: str) -> str | None:
    if code not in _HVD_CODES:
        return "NOT_FOUND"
    if case.hvd_code is None:
        return "NOT_HVD_CUSTOMER"
    if code != case.hvd_code:
        return "CODE_MISMATCH"
    row = case.catalog.price_row(
        line.offer_id, line.region, line.currency, case.day, discount_code=code
    )
    if row is None:
        return "OFFER_NOT_COVERED"
    line.row = row
    line.discount_code = code
    return None


def check_subscription_quantity(case: OrderCase) -> Refused | None:
    """42: seats of the subscription after this order above the program's maximum."""
    totals: Counter[tuple[str, str, str]] = Counter()
    for line in case.lines:
        totals[line.key] += line.request.quantity
    for one in case.account.subscriptions:
        if one.is_open and not one.own_line:
            totals[one.key] += one.current_quantity
    for pending in case.in_flight():
        totals[pending.key] += pending.quantity

    def exceeds(line: LineCase) -> bool:
        product = line.known_product
        return not product.own_term and totals[line.key] > MAX_QUANTITY[product.program]

    return _refuse(filter(exceeds, case.lines), "3117")


CHECKS: tuple[Check, ...] = (
    check_closed_period,
    check_global_sales,
    check_deployments,
    check_deployment_region,
    check_offers,
    check_program,
    check_contracted_currency,
    check_offer_currency,
    check_aligned_currencies,
    check_quantity,
    check_segment,
    check_add_ons,
    check_incompatible,
    check_purchase_limit,
    check_growth_offers,
    check_level,
    check_discount_codes,
    check_flexible_discounts,
    check_subscription_quantity,
)
