"""The frozen price of a line, whatever the order it stands in (orders.md 4.4, 4.5)."""

from decimal import Decimal

from seatledger.domain.catalog import PriceRow
from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.model import FlexResult, Price
from seatledger.domain.orders.flex import SUCCESS
from seatledger.domain.pricing import Charge, price_line


def frozen_price(row: PriceRow, unit: Decimal, quantity: int, charge: Charge) -> Price:
    """The price of `quantity` at a row's offer; `unit` is the full-term unit price after discount.

    Money in major units of the row's currency.
    """
    amounts = price_line(unit, quantity, charge, row.currency)
    return Price(
        region=row.region,
        row=row.row_id,
        partner_price=row.partner_price,
        unit_price=unit,
        base_days=charge.base_days,
        amount=amounts.amount,
        net=amounts.net,
        days=charge.days,
        daily=amounts.daily,
    )


def unit_price(
    row: PriceRow, flex: tuple[FlexResult, ...], country: str, discounts: FlexDiscounts
) -> Decimal:
    """The full-term unit price of a row after the flexible discount that was granted, if any."""
    granted = next((one for one in flex if one.result == SUCCESS), None) if flex else None
    if granted is None:
        return row.partner_price
    found = next(one for one in discounts.with_code(granted.code) if one.id == granted.id)
    return found.unit_price(row.partner_price, country, row.currency)
