"""Rows of the reconciliation file, and which month is which (orders.md 9)."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.calendar import pacific_day
from seatledger.domain.model import Basis, Deployment, Order, OrderLine, Price, Reseller
from seatledger.domain.reconciliation import (
    HEADER,
    NUMBERS,
    Invoiced,
    charge_days,
    closing_after,
    month_bounds,
    month_closed_at,
    month_code,
    rows_of,
    with_totals,
)
from tests import samples
from tests.samples import at

FIRST = "2025-07-07T18:00:00Z"
TEAM, TRANSACTIONS, CREDIT_PACK = "11073058CA01A12", "65322435CAT1A12", "65327733CA01A12"
ADDRESS = {"country": "US", "region": "CA", "city": "San Jose", "addressLine1": "1 Main St"}


def sold_line(number: int = 1, amount: str = "389.00", **changes: Any) -> OrderLine:
    """A completed line of one seat in USD."""
    price = Price("NA", "row", Decimal(amount), Decimal(amount), 365, Decimal(amount), Decimal(1))
    usual = OrderLine(number, TEAM, 1, "USD", "1000", f"S{number}", price=price)
    return replace(usual, **changes)


def order(*lines: OrderLine, kind: str = "NEW", now: str = FIRST, anniversary: str = "") -> Order:
    """A completed order; with an `anniversary` it was judged in a running term."""
    end = date.fromisoformat(anniversary) if anniversary else None
    return Order(
        order_id="9200008001",
        partner_id="P1",
        customer_id=samples.CUSTOMER_ID,
        reseller_id="R1",
        order_type=kind,
        status="1000",
        source="API",
        external_reference_id="ref-1",
        reference_order_id="",
        created_at=at(now),
        lines=lines or (sold_line(),),
        basis=Basis(at(now), pacific_day(at(now)), end),
    )


def rows(one: Order, original: Order | None = None, **profile: Any) -> list[dict[str, str]]:
    """The rows of an order by column; of two with one name the last counts."""
    buyer = samples.customer()
    buyer = replace(
        buyer, profile={**buyer.profile, "companyName": "Acme", "address": ADDRESS, **profile}
    )
    seller = {"companyName": "Shop", "address": {"country": "DE", "region": "SN"}}
    reseller = Reseller("R1", "P1", "1000", "", seller, at(FIRST))
    branch = Deployment(
        "D1", buyer.customer_id, "P1", "1000", {"country": "JP", "city": "Tokyo"}, at(FIRST)
    )
    invoiced = Invoiced(one, buyer, reseller, (branch,), original, 100_000_001)
    found = rows_of(invoiced, samples.partner(), samples.catalog())
    return [
        dict(zip(HEADER, with_totals(row.cells, row.amount, row.currency), strict=True))
        for row in found
    ]


def test_the_header_has_66_names() -> None:
    assert len(HEADER) == 66
    assert [HEADER[0], HEADER[7], HEADER[14], HEADER[18]] == [
        "Sold To Company ID", "Bill To Company ID", "Reseller ID", "Ship To Customer ID",
    ]  # fmt: skip
    assert (HEADER[25], HEADER[27], HEADER[41]) == (
        "Order Number", "External Reference", "Ext Price",
    )  # fmt: skip
    assert (HEADER[62], HEADER[65]) == ("Sub Total", "Market Segment")
    assert [HEADER.index("Taxes")] == [index for index in NUMBERS if HEADER[index] == "Taxes"]


def test_who_sold_to_whom() -> None:
    (row,) = rows(order(sold_line()))
    assert row["Sold To Company ID"] == row["Bill To Company ID"] == "P1"
    assert (row["Reseller ID"], row["Reseller Name"]) == ("R1", "Shop")
    assert (row["Reseller State"], row["Reseller Country"]) == ("SN", "DE")
    assert (row["Ship To Customer ID"], row["Ship To Name"]) == (samples.CUSTOMER_ID, "Acme")
    assert (row["Ship To City"], row["Ship To Postal Code"]) == ("San Jose", "")
    assert row["Market Segment"] == "COM"


def test_a_line_of_a_deployment_ships_there() -> None:
    home, branch = rows(order(sold_line(1), sold_line(2, deployment_id="D1")))
    assert (home["Ship To Country"], home["Ship To City"]) == ("US", "San Jose")
    assert (branch["Ship To Country"], branch["Ship To City"]) == ("JP", "Tokyo")
    assert branch["Ship To Address"] == ""


def test_what_a_row_says_of_its_line() -> None:
    first, second = rows(order(sold_line(4), sold_line(999_999, quantity=3, enlarged=True)))
    assert (first["Line Item"], second["Line Item"]) == ("000010", "000020")
    assert (first["Order Number"], first["Invoice Number"]) == ("9200008001", "100000001")
    assert (first["External Reference"], first["Subscription ID"]) == ("ref-1", "S4")
    assert (first["SKU"], second["Quantity"]) == (TEAM, "3")
    assert first["Product Description"] == samples.catalog().products["11073058CA"].family
    assert (first["Order Reason"], second["Order Reason"]) == ("", "ADD SEATS")
    assert (first["Order Date"], first["Billing Cycle"]) == ("07-Jul-2025", "YEARLY")
    assert (first["Tax (Y/N)"], first["Tax Rate"]) == ("N", "0%")
    assert (first["Exchange Rate"], first["Exchange Date"]) == ("1.00000", "07-Jul-2025")
    assert first["Currency"] == first["Local Currency"] == "USD"
    assert first["Line Total Amount"] == first["Ext Price"] == "389.00"


def test_the_totals_of_an_order_are_those_of_a_currency() -> None:
    yen = sold_line(3, "54700", currency="JPY")
    shown = rows(order(sold_line(1, "10.10"), sold_line(2, "0.95"), yen))
    assert [one["Invoice Total Amount"] for one in shown] == ["11.05", "11.05", "54700"]
    assert [one["Invoice Total Local"] for one in shown] == ["11.05", "11.05", "54700"]
    assert [one["Ext Price"] for one in shown] == ["10.10", "0.95", "54700"]
    assert [one["Tax Total"] for one in shown] == ["0.00", "0.00", "0"]


def test_a_return_is_a_credit_for_the_days_of_what_it_gives_back() -> None:
    bought = order(sold_line(1, quantity=2), now=FIRST, anniversary="2026-03-01")
    credit = replace(
        order(sold_line(1, quantity=2), kind="RETURN", now="2025-07-20T12:00:00Z"),
        order_id="550000001",
        external_reference_id="credit",
    )
    (row,) = rows(credit, bought)
    assert (row["Charge Type"], row["Order Reason"], row["Quantity"]) == ("RETURN", "", "2")
    assert (row["Order Number"], row["External Reference"]) == ("550000001", "credit")
    assert row["Order Date"] == "20-Jul-2025"
    assert (row["Charge Start Date"], row["Charge End Date"]) == ("07-Jul-2025", "28-Feb-2026")
    assert row["Product Price"] == row["Ext Price"] == "-389.00"
    assert row["Invoice Total Amount"] == row["Extended Price Local"] == "-389.00"


def test_nothing_given_back_is_not_negative() -> None:
    free = order(sold_line(1, "0.00"), kind="RETURN")
    (row,) = rows(free, order(sold_line(1, "0.00")))
    assert row["Ext Price"] == row["Invoice Total Amount"] == row["Grand Total"] == "0.00"


@pytest.mark.parametrize(
    ("now", "anniversary", "offer_id", "days"),
    [
        (FIRST, "", TEAM, ("2025-07-07", "2026-07-06")),
        ("2024-02-29T12:00:00Z", "", TEAM, ("2024-02-29", "2025-02-27")),
        # UTC opens the term, the Pacific day bills what is added to it.
        ("2025-07-08T03:00:00Z", "", TEAM, ("2025-07-08", "2026-07-07")),
        ("2025-11-02T03:00:00Z", "2026-07-07", TEAM, ("2025-11-01", "2026-07-06")),
        (FIRST, "2027-01-31", TEAM, ("2025-07-07", "2027-01-30")),  # an extended term
        ("2025-08-01T12:00:00Z", "2026-07-07", TRANSACTIONS, ("2025-08-01", "2026-07-06")),
        ("2025-08-01T12:00:00Z", "2026-07-07", CREDIT_PACK, ("2025-08-01", "2026-07-31")),
    ],
)
def test_the_days_a_purchase_is_billed_for(
    now: str, anniversary: str, offer_id: str, days: tuple[str, str]
) -> None:
    line = sold_line(offer_id=offer_id)
    found = charge_days(order(line, now=now, anniversary=anniversary), line, samples.catalog())
    assert found == (date.fromisoformat(days[0]), date.fromisoformat(days[1]))


@pytest.mark.parametrize(
    ("now", "anniversary", "last"),
    [
        ("2026-07-07T00:00:00Z", "2026-07-07", "2027-07-06"),
        ("2026-07-20T09:00:00Z", "2026-07-07", "2027-07-06"),  # late
        ("2025-02-28T00:00:00Z", "2025-02-28", "2026-02-27"),
        ("2027-07-07T00:00:00Z", "2027-07-07", "2028-07-06"),  # over a 29 February
    ],
)
def test_a_renewal_is_billed_from_its_anniversary(now: str, anniversary: str, last: str) -> None:
    renewal = order(sold_line(), kind="RENEWAL", now=now, anniversary=anniversary)
    found = charge_days(renewal, renewal.lines[0], samples.catalog())
    assert found == (date.fromisoformat(anniversary), date.fromisoformat(last))


def test_a_renewal_says_so() -> None:
    (row,) = rows(order(sold_line(), kind="RENEWAL", anniversary="2026-07-07"))
    assert (row["Charge Type"], row["Order Reason"]) == ("INVOICE", "RENEWAL")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("202602", "202602"),
        ("2026-02", "202602"),
        ("20-2602", None),
        ("2026-2", None),
        ("2026-02-01", None),
        ("٢٠٢٦٠٢", None),
        (" 202602", None),
        ("202602\n", None),
        ("", None),
    ],
)
def test_how_a_month_is_written(text: str, code: str | None) -> None:
    assert month_code(text) == code


def test_where_a_month_begins_and_ends() -> None:
    assert month_bounds("202602") == (at("2026-02-01T00:00:00Z"), at("2026-03-01T00:00:00Z"))
    assert month_bounds("202512") == (at("2025-12-01T00:00:00Z"), at("2026-01-01T00:00:00Z"))
    for none in ("202600", "202613", "196912", "000001", "990001", "999912"):
        assert month_bounds(none) is None


def test_a_month_closes_on_the_first_of_the_next_one_at_six() -> None:
    assert closing_after(at("2025-12-15T00:00:00Z")) == at("2026-01-01T06:00:00Z")
    assert closing_after(at("2026-01-01T05:59:59Z")) == at("2026-01-01T06:00:00Z")
    assert closing_after(at("2026-01-01T06:00:00Z")) == at("2026-02-01T06:00:00Z")
    assert month_closed_at(at("2026-01-01T06:00:00Z")) == "202512"


def test_closings_leave_no_month_out() -> None:
    closing, closed = closing_after(at("2023-11-20T00:00:00Z")), []
    for _ in range(36):
        closed.append(month_closed_at(closing))
        closing = closing_after(closing)
    assert closed == [f"{2023 + (10 + n) // 12}{(10 + n) % 12 + 1:02d}" for n in range(36)]
    assert closing_after(closing - timedelta(seconds=1)) == closing
