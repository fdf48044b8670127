"""NEW and PREVIEW: one decision, which PREVIEW shows and NEW stores (orders.md 2.3, 3, 4)."""

from datetime import datetime

from msgspec import Struct

from seatledger.domain.catalog import Catalog
from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.model import (
    Account,
    Basis,
    OrderLine,
    Partner,
    Price,
)
from seatledger.domain.orders.case import LineCase, OrderCase
from seatledger.domain.orders.checks import CHECKS
from seatledger.domain.orders.flex import SUCCESS
from seatledger.domain.orders.request import OrderRequest, common_refusal
from seatledger.domain.outcome import Refused
from seatledger.domain.pricing import (
    Charge,
    full_term_charge,
    midterm_charge,
    price_line,
    unprorated_charge,
)


class Accepted(Struct, frozen=True):
    """A decision to sell: the lines with their frozen prices and what they were judged on.

    `one_time_codes` are ids of closed one-time discounts this order takes.
    """

    lines: tuple[OrderLine, ...]
    basis: Basis
    one_time_codes: frozenset[str] = frozenset()


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
    taken = frozenset(
        result.id
        for line in lines
        for result in line.flex
        if any(one.one_time_closed and one.id == result.id for one in discounts.all)
    )
    return Accepted(lines, Basis(now, case.day, case.anniversary, steps), taken)


def _priced_line(case: OrderCase, line: LineCase) -> OrderLine:
    assert line.row is not None
    request = line.request
    partner_price = line.row.partner_price
    unit = partner_price
    if line.flex and line.flex[0].result == SUCCESS:
        found = next(
            one for one in case.discounts.with_code(line.flex[0].code) if one.id == line.flex[0].id
        )
        unit = found.unit_price(partner_price, line.country, line.currency)
    charge = _charge(case, line)
    amounts = price_line(unit, request.quantity, charge, line.currency)
    return OrderLine(
        number=request.number,
        offer_id=line.offer_id,
        quantity=request.quantity,
        currency=line.currency,
        status="1002",
        deployment_id=request.deployment_id,
        discount_code=line.discount_code,
        flex=line.flex,
        alias_used=request.alias_used,
        price=Price(
            region=line.region,
            row=line.row.row_id,
            partner_price=partner_price,
            unit_price=unit,
            base_days=charge.base_days,
            amount=amounts.amount,
            net=amounts.net,
            days=charge.days,
            daily=amounts.daily,
        ),
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
