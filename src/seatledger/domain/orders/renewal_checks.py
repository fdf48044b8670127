"""The checks of RENEWAL and of PREVIEW_RENEWAL with lines, by the rows of orders.md 2.9."""

from collections.abc import Callable, Iterable

from seatledger.contract.statuses import ACTIVE
from seatledger.domain.orders.case import LineCase
from seatledger.domain.orders.checks import (
    Check,
    check_add_ons,
    check_discount_codes,
    check_growth_offers,
    check_level,
    check_segment,
)
from seatledger.domain.orders.flex import check_flexible_discounts
from seatledger.domain.orders.renewal_case import RenewalCase
from seatledger.domain.outcome import Refused, on_lines
from seatledger.domain.subscriptions import in_late_window

RenewalCheck = Callable[[RenewalCase], Refused | None]


def _refuse(
    lines: Iterable[LineCase],
    code: str,
    reason: str | None = None,
    variant: int | None = None,
) -> Refused | None:
    numbers = [line.number for line in lines]
    if not numbers:
        return None
    return Refused(code, on_lines(code, numbers, reason).details, variant)


def check_subscriptions(case: RenewalCase) -> Refused | None:
    """70: subscription unknown, or another customer's."""
    unknown = [one for one in case.lines if one.request.subscription_id not in case.held]
    if not unknown:
        case.find_places()
    return _refuse(unknown, "3115", variant=400)


def check_named_once(case: RenewalCase) -> Refused | None:
    """71: a subscription stands in one line at most."""
    named: set[str] = set()
    twice = []
    for index, line in enumerate(case.lines):
        if line.request.subscription_id in named:
            twice.append(f"lineItems[{index}].subscriptionId")
        named.add(line.request.subscription_id)
    return Refused("1117", tuple(twice)) if twice else None


def check_in_flight(case: RenewalCase) -> Refused | None:
    """72: another RENEWAL of the subscription has not settled."""
    renewing = {
        line.subscription_id
        for order in case.account.pending_orders
        if order.order_type == "RENEWAL"
        for line in order.lines
    }
    return _refuse(
        (one for one in case.lines if case.seats(one).subscription_id in renewing), "4122"
    )


def check_lapsed(case: RenewalCase) -> Refused | None:
    """73: only what has expired is renewed by hand; previews may look at the rest."""
    if case.is_preview:
        return None
    return _refuse((one for one in case.lines if case.seats(one).is_open), "3121")


def check_window(case: RenewalCase) -> Refused | None:
    """74: returned, switched away, window over, or its key bought anew or renewed by a line
    before."""
    taken: set[tuple[str, str, str]] = set()

    def is_outside(line: LineCase) -> bool:
        seats = case.seats(line)
        if seats.is_open:
            return False
        is_second = seats.key in taken
        taken.add(seats.key)
        return is_second or not in_late_window(
            seats, case.account, case.partner.settings, case.today
        )

    return _refuse(filter(is_outside, case.lines), "3122")


def check_renewable(case: RenewalCase) -> Refused | None:
    """75: one-time and introductory products do not renew."""

    def is_one_time(line: LineCase) -> bool:
        product = case.catalog.products.get(case.seats(line).product_key)
        return product is not None and not product.renewable

    return _refuse(filter(is_one_time, case.lines), "3122", "NOT_RENEWABLE")


def check_offers(case: RenewalCase) -> Refused | None:
    """76: offer unknown, or of another product than the subscription. Finds product and offer."""
    foreign = []
    for line in case.lines:
        line.offer = case.catalog.offers.get(line.request.offer_id)
        line.product = line.offer.product if line.offer else None
        if line.product is None or line.product.key != case.seats(line).product_key:
            foreign.append(line)
    return _refuse(foreign, "2122", "OFFER_DOES_NOT_MATCH_SUBSCRIPTION")


def check_life(case: RenewalCase) -> Refused | None:
    """77: the product of an expired subscription has ended since."""
    return _refuse(
        (one for one in case.lines if not case.seats(one).is_open and not case.will_renew(one)),
        "3123",
    )


def check_places(case: RenewalCase) -> Refused | None:
    """78: currency or deployment differ from the subscription's, or that deployment is closed."""

    def is_elsewhere(line: LineCase) -> bool:
        is_closed = line.deployment is not None and line.deployment.status != ACTIVE
        return is_closed or line.request.deployment_id != case.seats(line).deployment_id

    return _refuse(
        (one for one in case.lines if one.currency != case.seats(one).currency), "2137"
    ) or _refuse(filter(is_elsewhere, case.lines), "2138")


def check_least(case: RenewalCase) -> Refused | None:
    """79: a quantity below 1."""
    return _refuse((one for one in case.lines if one.request.quantity < 1), "2120")


def check_most(case: RenewalCase) -> Refused | None:
    """80: more seats than the subscription has, or is set to renew (S-160)."""

    def is_too_much(line: LineCase) -> bool:
        seats = case.seats(line)
        most = seats.current_quantity
        if seats.is_open and seats.auto_renewal:
            most = max(most, seats.renewal_quantity)
        return line.request.quantity > most

    return _refuse(filter(is_too_much, case.lines), "3118")


CHECKS: tuple[RenewalCheck | Check, ...] = (
    check_subscriptions,
    check_named_once,
    check_in_flight,
    check_lapsed,
    check_window,
    check_renewable,
    check_offers,
    check_life,
    check_places,
    check_least,
    check_most,
    check_segment,
    check_add_ons,
    check_growth_offers,
    check_level,
    check_discount_codes,
    check_flexible_discounts,
)
