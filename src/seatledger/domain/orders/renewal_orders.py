"""RENEWAL and PREVIEW_RENEWAL: what a partner renews late, and what would renew (orders.md 6)."""

from datetime import datetime

from seatledger.contract.statuses import PENDING
from seatledger.domain.catalog import Catalog
from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.growth import eligible_offers
from seatledger.domain.model import Account, Basis, OrderLine, Partner
from seatledger.domain.orders.case import LineCase
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.prices import frozen_price, unit_price
from seatledger.domain.orders.renewal import plan_renewal
from seatledger.domain.orders.renewal_case import RenewalCase, completed
from seatledger.domain.orders.renewal_checks import CHECKS
from seatledger.domain.orders.request import OrderRequest, common_refusal
from seatledger.domain.outcome import Refused
from seatledger.domain.pricing import full_term_charge, unprorated_charge


def decide_renewal(
    request: OrderRequest,
    account: Account,
    partner: Partner,
    catalog: Catalog,
    discounts: FlexDiscounts,
    now: datetime,
) -> Accepted | Refused:
    """Judge a RENEWAL, or a PREVIEW_RENEWAL with lines, at the business instant `now`.

    The same checks and prices serve both. `account` holds the deployments, the orders in flight,
    the RENEWAL orders of the term and, where codes are sent, the redemptions.
    """
    request = completed(request, account)
    refused = common_refusal(request)
    if refused is not None:
        return refused
    case = RenewalCase(request, account, partner, catalog, discounts, now)
    for check in CHECKS:
        refused = check(case)
        if refused is not None:
            return refused
    lines = tuple(_priced_line(case, line) for line in case.lines)
    steps = tuple(entitled.step for entitled in case.entitlements())
    return Accepted(lines, Basis(now, case.day, case.anniversary, steps))


def decide_preview_renewal(
    request: OrderRequest,
    account: Account,
    partner: Partner,
    catalog: Catalog,
    discounts: FlexDiscounts,
    now: datetime,
) -> Accepted | Refused:
    """Judge a PREVIEW_RENEWAL: with lines as the RENEWAL it simulates, without by the settings.

    `account` holds what RENEWAL needs, redemptions included.
    """
    if request.lines:
        decision = decide_renewal(request, account, partner, catalog, discounts, now)
        if isinstance(decision, Refused):
            return decision
        lines, basis = decision.lines, decision.basis
    else:
        anniversary = account.customer.coterm_date
        if anniversary is None:
            return Refused("2136")
        plan = plan_renewal(account, partner, catalog, discounts, anniversary, now)
        if not plan.lines:
            return Refused("2136")
        if request.fetch_price and len({line.currency for line in plan.lines}) > 1:
            return Refused("2148")
        lines, basis = plan.lines, plan.basis
    return Accepted(lines, basis, eligible_offers(account, catalog))


def _priced_line(case: RenewalCase, line: LineCase) -> OrderLine:
    assert line.row is not None
    request = line.request
    unit = unit_price(line.row, line.flex, line.country, case.discounts)
    start = case.term_start(line)
    is_prorated = line.known_product.prorated
    charge = full_term_charge(start) if is_prorated else unprorated_charge(start)
    return OrderLine(
        number=request.number,
        offer_id=line.offer_id,
        quantity=request.quantity,
        currency=line.currency,
        status=case.status(line) if case.is_preview else PENDING,
        subscription_id=request.subscription_id,
        deployment_id=request.deployment_id,
        discount_code=line.discount_code,
        flex=line.flex,
        alias_used=request.alias_used,
        price=frozen_price(line.row, unit, request.quantity, charge),
    )
