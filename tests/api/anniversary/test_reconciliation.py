"""The reconciliation file of a month, as CSV and as a workbook (orders.md 9)."""

import csv
import io
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from seatledger.domain.reconciliation import HEADER, NUMBERS
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A, B = "65304479CA", "11073058CA"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def file_of(world: World, month: str, **more: Any) -> Reply:
    body = {"month": month, "currency": "USD"}
    return await world.post("/sandbox/reconciliation-files", body, **more)


def table(reply: Reply) -> list[dict[str, str]]:
    assert reply.status == 200, reply.content
    header, *rows = csv.reader(io.StringIO(reply.content.decode(), newline=""))
    assert tuple(header) == HEADER
    assert [name for name in header if header.count(name) == 2] == ["Taxes", "Taxes"]
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.proves("orders.md 79", "S-173")
async def test_a_row_for_every_invoiced_line(world: World) -> None:
    customer = await world.customer()
    first = (
        await world.order(
            customer, line(A + "02A12", 10, 4), line(B + "02A12", 2, 7), externalReferenceId="759"
        )
    ).ok()
    await world.at("2025-07-20T18:00:00Z")
    (await world.give_back(customer, first.body, 7)).ok()
    more = (await world.order(customer, line(A + "02A12", 5))).ok()
    await world.at("2025-08-01T00:00:00Z")
    rows = table(await file_of(world, "202507"))
    shown = [
        (one["Charge Type"], one["Line Item"], one["SKU"], one["Quantity"], one["Order Reason"])
        for one in sorted(rows, key=lambda one: one["Order Date"])
    ]
    assert sorted(shown) == sorted(
        [
            ("INVOICE", "000010", A + "02A12", "10", ""),
            ("INVOICE", "000020", B + "02A12", "2", ""),
            ("RETURN", "000010", B + "02A12", "2", ""),
            ("INVOICE", "000010", A + "02A12", "5", "ADD SEATS"),
        ]
    )
    by_order = {one["Order Number"]: one for one in rows}
    added = by_order[more["orderId"]]
    assert (added["Charge Start Date"], added["Charge End Date"]) == ("20-Jul-2025", "06-Jul-2026")
    opening = by_order[first["orderId"]]
    assert opening["External Reference"] == "759"
    assert (opening["Charge Start Date"], opening["Charge End Date"]) == (
        "07-Jul-2025",
        "06-Jul-2026",
    )
    assert rows == sorted(rows, key=lambda one: (one["Order Number"], one["Line Item"]))


async def test_the_amounts_add_up(world: World) -> None:
    customer = await world.customer()
    for quantity in (1, 3, 7):
        (await world.order(customer, line(A + "01A12", quantity, 1), line(B + "01A12", 1, 2))).ok()
    await world.at("2025-08-01T00:00:00Z")
    rows = table(await file_of(world, "202507"))
    totals: dict[str, Decimal] = {}
    for one in rows:
        number = one["Order Number"]
        totals[number] = totals.get(number, Decimal(0)) + Decimal(one["Ext Price"])
    for one in rows:
        assert Decimal(one["Invoice Total Amount"]) == totals[one["Order Number"]]
        assert Decimal(one["Sub Total"]) == Decimal(one["Grand Total"]) == sum(totals.values())
    assert len({one["Invoice Number"] for one in rows}) == 3
    order = await world.read_order(customer, rows[0]["Order Number"], **{"fetch-price": "true"})
    priced = sum(Decimal(str(one["pricing"]["lineItemPrice"])) for one in order["lineItems"])
    assert priced == totals[rows[0]["Order Number"]]


@pytest.mark.proves("orders.md 78", "S-183")
async def test_a_reference_changed_later_does_not_reach_a_file(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, line(A + "01A12"), externalReferenceId="before")).ok()
    path = f"/v3/customers/{customer}/orders/{placed['orderId']}"
    (await world.patch(path, {"externalReferenceId": "in time"})).ok(200)
    await world.at("2025-08-01T00:00:00Z")
    first = await file_of(world, "202507")
    (await world.patch(path, {"externalReferenceId": "too late"})).ok(200)
    again = await file_of(world, "2025-07")
    assert [one["External Reference"] for one in table(first)] == ["in time"]
    assert again.content == first.content


async def test_the_workbook_says_the_same(world: World) -> None:
    customer = await world.customer()
    formula = "=1+1"
    (await world.order(customer, line(A + "01A12", 3), externalReferenceId=formula)).ok()
    await world.at("2025-08-01T00:00:00Z")
    (row,) = csv.reader(
        io.StringIO((await file_of(world, "202507")).content.decode().split("\r\n", 1)[1])
    )
    reply = await file_of(world, "202507", headers={"Accept": XLSX})
    book = openpyxl.load_workbook(io.BytesIO(reply.content))
    assert book.sheetnames == ["Data"]
    header, cells = book["Data"].iter_rows()
    assert tuple(one.value for one in header) == HEADER
    for index, cell in enumerate(cells):
        if index in NUMBERS and row[index]:
            assert Decimal(str(cell.value)) == Decimal(row[index])
        else:
            assert (cell.value or "") == row[index]
            assert cell.data_type != "f"


async def test_renewals_are_invoiced_for_their_year(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line(A + "01A12", 3))).ok()
    await world.at("2026-08-01T00:00:00Z")
    (row,) = table(await file_of(world, "202607"))
    assert (row["Order Reason"], row["Charge Type"]) == ("RENEWAL", "INVOICE")
    assert (row["Charge Start Date"], row["Charge End Date"]) == ("07-Jul-2026", "06-Jul-2027")
    assert row["Order Date"] == "07-Jul-2026"


async def test_failed_orders_and_other_months_are_left_out(world: World) -> None:
    customer = await world.customer()
    await world.settlement("manual")
    placed = (await world.order(customer, line(A + "01A12"))).ok()
    path = f"/sandbox/customers/{customer}/orders/{placed['orderId']}"
    (await world.settle()).ok(200)
    failing = (await world.order(customer, line(B + "01A12"))).ok()
    path = f"/sandbox/customers/{customer}/orders/{failing['orderId']}"
    (await world.patch(path, {"status": "1004"})).ok(200)
    await world.at("2025-09-01T00:00:00Z")
    assert len(table(await file_of(world, "202507"))) == 1
    assert table(await file_of(world, "202508")) == []


async def test_what_is_no_finished_month_is_refused(world: World) -> None:
    for month in ("202507", "202513", "2025-7", "099912", "999912", "２０２５０６"):
        (await file_of(world, month)).refused(400, "1117", "month")
    path = "/sandbox/reconciliation-files"
    (await world.post(path, {})).refused(400, "1122", "month")
    (await world.post(path, {"month": "202506", "currency": "XXX"})).refused(
        400, "1117", "currency"
    )
    (await world.post(path, {"month": "202506"})).refused(400, "1122", "currency")
