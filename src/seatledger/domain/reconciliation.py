"""The monthly reconciliation file: which lines were invoiced, and what each row says (orders.md 9).

A file belongs to a partner, a month (UTC) and a currency. Cells are texts, in the order of HEADER.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from seatledger.domain.calendar import add_years, midnight, utc_day
from seatledger.domain.catalog import Catalog
from seatledger.domain.model import Customer, Deployment, Order, OrderLine, Partner, Reseller
from seatledger.domain.pricing import minor_digits

_PLACE = ("Company ID", "Name", "Address", "City", "State", "Postal Code", "Country")
HEADER: Final = (
    *(f"Sold To {one}" for one in _PLACE),
    *(f"Bill To {one}" for one in _PLACE),
    "Reseller ID", "Reseller Name", "Reseller State", "Reseller Country",
    "Ship To Customer ID", *(f"Ship To {one}" for one in _PLACE[1:]),
    "Order Number", "Invoice Number", "External Reference", "Order Date", "Billing Cycle",
    "Comments", "Line Item", "Subscription ID", "SKU", "Product Description",
    "Charge Start Date", "Charge End Date", "Quantity", "Product Price", "Charge Type",
    "Order Reason", "Ext Price", "Tax (Y/N)", "Tax Rate", "Taxes", "Line Total Amount",
    "Currency", "Local Currency", "Extended Price Local", "Taxes Local Currency",
    "GST Total Local Currency", "PST Total Local Currency", "QST Total Local Currency",
    "Invoice Total Local", "Exchange Rate", "Exchange Date", "Extended Price", "Taxes",
    "GST Total", "PST Total", "QST Total", "Invoice Total Amount", "Sub Total", "Tax Total",
    "Grand Total", "Market Segment",
)  # fmt: skip

NUMBERS: Final = frozenset(
    index
    for index, name in enumerate(HEADER)
    if name
    in {
        "Quantity", "Product Price", "Ext Price", "Line Total Amount", "Extended Price Local",
        "Invoice Total Local", "Extended Price", "Invoice Total Amount", "Sub Total",
        "Tax Total", "Grand Total",
    }
    or index == HEADER.index("Taxes")
)  # fmt: skip
"""Columns that hold amounts or quantities."""

_SUB_TOTAL = HEADER.index("Sub Total")
_LINE_ITEM_STEP = 10
_CLOSED_AFTER = timedelta(hours=6)
_MONTH = re.compile(r"([0-9]{4})-?([0-9]{2})")


class Invoiced(Struct, frozen=True):
    """A completed order with the accounts it was made for, and the order a RETURN gives back
    from. `invoice_number` has nine digits."""

    order: Order
    customer: Customer
    reseller: Reseller
    deployments: tuple[Deployment, ...]
    original: Order | None
    invoice_number: int


class Row(Struct, frozen=True):
    """A frozen row: everything but the totals of the file. Amounts in major units."""

    currency: str
    cells: tuple[str, ...]
    amount: Decimal


def month_code(text: str) -> str | None:
    """A month written `202602` or `2026-02` as `YYYYMM`; None for anything else."""
    found = _MONTH.fullmatch(text)
    return None if found is None else "".join(found.groups())


def month_bounds(month: str) -> tuple[datetime, datetime] | None:
    """First instant of a month `YYYYMM` and of the next one (UTC); None if there is none."""
    year, number = int(month[:4]), int(month[4:])
    if not (1970 <= year < 9900 and 1 <= number <= 12):
        return None
    first = date(year, number, 1)
    following = date(year + number // 12, number % 12 + 1, 1)
    return midnight(first), midnight(following)


def closing_after(instant: datetime) -> datetime:
    """When the next month is closed: on its following first at 06:00 UTC."""
    first = utc_day(instant).replace(day=1)
    closing = midnight(first) + _CLOSED_AFTER
    if closing > instant:
        return closing
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return midnight(following) + _CLOSED_AFTER


def month_closed_at(closing: datetime) -> str:
    """The month `YYYYMM` that a closing instant closes."""
    return f"{utc_day(closing).replace(day=1) - timedelta(days=1):%Y%m}"


def rows_of(invoiced: Invoiced, partner: Partner, catalog: Catalog) -> Iterator[Row]:
    """The rows of one order, in the order of its lines."""
    order = invoiced.order
    totals: dict[str, Decimal] = {}
    for line in order.lines:
        totals[line.currency] = totals.get(line.currency, Decimal(0)) + _amount(order, line)
    for position, line in enumerate(order.lines, start=1):
        total = totals[line.currency]
        cells = (
            *_account_cells(invoiced, partner, line),
            *_line_cells(invoiced, catalog, position, line),
            *_total_cells(order, line, total),
            invoiced.customer.segment,
        )
        assert len(cells) == len(HEADER) - 3
        yield Row(line.currency, cells, _amount(order, line))


def with_totals(cells: tuple[str, ...], total: Decimal, currency: str) -> tuple[str, ...]:
    """A frozen row with the totals of its file: nothing is taxed."""
    shown = money(total, currency)
    none = money(Decimal(0), currency)
    return (*cells[:_SUB_TOTAL], shown, none, shown, *cells[_SUB_TOTAL:])


def money(amount: Decimal, currency: str) -> str:
    """An amount with the digits of its currency."""
    return f"{amount:.{minor_digits(currency)}f}"


def _signed(order: Order, amount: Decimal) -> Decimal:
    """Credits are negative; nothing stays nothing (there is no -0.00)."""
    return -amount if order.order_type == "RETURN" else amount


def _amount(order: Order, line: OrderLine) -> Decimal:
    assert line.price is not None
    return _signed(order, line.price.amount)


def _account_cells(invoiced: Invoiced, partner: Partner, line: OrderLine) -> Iterator[str]:
    sold_to = (partner.partner_id, partner.name, "", "", "", "", partner.country)
    yield from sold_to
    yield from sold_to
    reseller = invoiced.reseller
    yield reseller.reseller_id
    yield str(reseller.profile.get("companyName", ""))
    yield _part(reseller.profile.get("address", {}), "region")
    yield _part(reseller.profile.get("address", {}), "country")
    customer = invoiced.customer
    yield customer.customer_id
    yield str(customer.profile.get("companyName", ""))
    branch = next(
        (one for one in invoiced.deployments if one.deployment_id == line.deployment_id), None
    )
    address = branch.address if branch is not None else customer.profile.get("address", {})
    for name in ("addressLine1", "city", "region", "postalCode", "country"):
        yield _part(address, name)


def _part(address: dict[str, Any], name: str) -> str:
    return str(address.get(name) or "")


def _line_cells(
    invoiced: Invoiced, catalog: Catalog, position: int, line: OrderLine
) -> Iterator[str]:
    order = invoiced.order
    assert line.price is not None
    product = catalog.products.get(line.product_key)
    start, end = charge_days(invoiced.original or order, line, catalog)
    amount = money(_amount(order, line), line.currency)
    yield order.order_id
    yield f"{invoiced.invoice_number:09d}"
    yield order.external_reference_id
    yield _day(utc_day(order.created_at))
    yield "YEARLY"
    yield ""
    yield f"{position * _LINE_ITEM_STEP:06d}"
    yield line.subscription_id
    yield line.offer_id
    yield product.family if product is not None else ""
    yield _day(start)
    yield _day(end)
    yield str(line.quantity)
    yield money(_signed(order, line.price.partner_price), line.currency)
    yield "RETURN" if order.order_type == "RETURN" else "INVOICE"
    yield _reason(order, line)
    yield amount
    yield "N"
    yield "0%"
    yield money(Decimal(0), line.currency)
    yield amount


def _reason(order: Order, line: OrderLine) -> str:
    if order.order_type == "RENEWAL":
        return "RENEWAL"
    return "ADD SEATS" if line.enlarged else ""


def _total_cells(order: Order, line: OrderLine, total: Decimal) -> Iterator[str]:
    shown = money(total, line.currency)
    yield line.currency
    yield line.currency  # invoiced in its own currency: nothing is exchanged
    yield shown
    yield from ("", "", "", "")
    yield shown
    yield "1.00000"
    yield _day(utc_day(order.created_at))
    yield shown
    yield from ("", "", "", "")
    yield shown


def charge_days(sold: Order, line: OrderLine, catalog: Catalog) -> tuple[date, date]:
    """First and last day a line of a sale is billed for (orders.md 4.3)."""
    basis = sold.basis
    assert basis is not None
    if sold.order_type == "RENEWAL" and basis.anniversary is not None:
        return _year_from(basis.anniversary)
    product = catalog.products.get(line.product_key)
    if product is not None and product.own_term:
        return _year_from(basis.pacific_day)
    if basis.anniversary is None:
        return _year_from(utc_day(basis.now))
    return basis.pacific_day, basis.anniversary - timedelta(days=1)


def _year_from(start: date) -> tuple[date, date]:
    return start, add_years(start, 1) - timedelta(days=1)


_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def _day(day: date) -> str:
    """`12-Jun-2020`, whatever the machine's language."""
    return f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year:04d}"
