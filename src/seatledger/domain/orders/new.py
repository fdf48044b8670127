"""NEW and PREVIEW: one decision, which PREVIEW shows and NEW stores (orders.md 2.3, 3, 4)."""

from datetime import datetime

from msgspec import Struct

from seatledger.contract.statuses import PENDING
from seatledger.domain.catalog import Catalog
from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.growth import EligibleOffer
from seatledger.domain.model import Account, Basis, OrderLine, Partner
from seatledger.domain.orders.case import LineCase, OrderCase
from seatledger.domain.orders.checks import CHECKS
from seatledger.domain.orders.prices import frozen_price, unit_price
from seatledger.domain.orders.request import OrderRequest, common_refusal
from seatledger.domain.outcome import Refused
from seatledger.domain.pricing import (
    Charge,
    full_term_charge,
    midterm_charge,
    unprorated_charge,
)


class Accepted(Struct, frozen=True):
    """A decision to sell: the lines with their frozen prices and what they were judged on.

    `eligible` are the High Growth offers a preview of a renewal lists.
    """

    lines: tuple[OrderLine, ...]
    basis: Basis
    eligible: tuple[EligibleOffer, ...] = ()


def decide(
    request: OrderRequest,
    account: Account,
    partner: Partner,
    catalog: Catalog,
    discounts: FlexDiscounts,
    now: datetime,
) -> Accepted | Refused:
    """Judge a NEW or PREVIEW order at the business instant `now`.

    The same checks and prices serve both: PREVIEW answers with the best offers, NEW sells what
    it names (S-101, S-106).
    """
    refused = common_refusal(request)
    if refused is not None:
        return refused
    case = OrderCase(request, account, partner, catalog, discounts, now)
    for check in CHECKS:
        refused = check(case)
        if refused is not None:
            return refused
    lines = tuple(_priced_line(case, line) for line in case.lines)
    steps = tuple(entitled.step for entitled in case.entitlements())
    return Accepted(lines, Basis(now, case.day, case.anniversary, steps))


def _priced_line(case: OrderCase, line: LineCase) -> OrderLine:
    assert line.row is not None
    request = line.request
    unit = unit_price(line.row, line.flex, line.country, case.discounts)
    return OrderLine(
        number=request.number,
        offer_id=line.offer_id,
        quantity=request.quantity,
        currency=line.currency,
        status=PENDING,
        deployment_id=request.deployment_id,
        discount_code=line.discount_code,
        flex=line.flex,
        alias_used=request.alias_used,
        price=frozen_price(line.row, unit, request.quantity, _charge(case, line)),
    )


def _charge(case: OrderCase, line: LineCase) -> Charge:
    """Days billed for a line (orders.md 4.3)."""
    product = line.known_product
    if product.own_term:
        return full_term_charge(case.day)
    if not product.prorated:
        return unprorated_charge(case.day)
    if case.anniversary is None:
        return full_term_charge(case.today)
    return midterm_charge(case.day, case.anniversary, extended_term=case.customer.extended_term)
