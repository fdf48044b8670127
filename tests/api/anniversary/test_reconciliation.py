"""The reconciliation file of a month, as CSV and as a workbook (orders.md 9)."""

import asyncio
import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from seatledger.clock import ManualClock
from seatledger.domain.reconciliation import HEADER, NUMBERS
from tests.conftest import MakeWorld
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A, B = "65304479CA", "11073058CA"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PATH = "/sandbox/reconciliation-files"
DRESDEN = {
    "country": "DE",
    "region": "SN",
    "city": "Dresden",
    "addressLine1": "Street 1",
    "postalCode": "01067",
}


async def file_of(world: World, month: str, currency: str = "USD", **more: Any) -> Reply:
    return await world.post(PATH, {"month": month, "currency": currency}, **more)


def table(reply: Reply) -> list[dict[str, str]]:
    assert reply.status == 200, reply.content
    header, *rows = csv.reader(io.StringIO(reply.content.decode(), newline=""))
    assert tuple(header) == HEADER
    assert [name for name in header if header.count(name) == 2] == ["Taxes", "Taxes"]
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.proves("S-173")
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


@pytest.mark.proves("orders.md 79")
async def test_an_order_and_its_full_return(new_world: MakeWorld) -> None:
    world = await new_world(regions=["WE"], currencies={"WE": ["EUR"]}, country="DE")
    customer = await world.customer(await world.reseller(address=DRESDEN), address=DRESDEN)
    skus = ["65305345CA01A12", "65305369CA01A12", "65305414CA01A12"]
    lines = [line(sku, 2, number) for number, sku in enumerate(skus, start=1)]
    placed = (await world.order(customer, *lines, currencyCode="EUR")).ok()
    credit = (await world.give_back(customer, placed.body)).ok()
    await world.at("2025-08-01T06:00:00Z")
    rows = table(await world.post(PATH, {"month": "202507"}))
    sold = [one for one in rows if one["Order Number"] == placed["orderId"]]
    given_back = [one for one in rows if one["Order Number"] == credit["orderId"]]
    assert len(rows) == len(sold) + len(given_back) == 6
    for number, (one, other) in enumerate(zip(sold, given_back, strict=True), start=1):
        assert (one["Charge Type"], other["Charge Type"]) == ("INVOICE", "RETURN")
        assert one["Line Item"] == other["Line Item"] == f"{number}0".zfill(6)
        assert one["Quantity"] == other["Quantity"] == "2"
        for name in ("Product Price", "Ext Price", "Line Total Amount", "Invoice Total Amount"):
            assert Decimal(other[name]) == -Decimal(one[name]) < 0
        for name in ("SKU", "Subscription ID", "Charge Start Date", "Charge End Date"):
            assert one[name] == other[name] != ""
    assert [one["Product Price"] for one in sold] == ["374.64", "321.12", "321.12"]
    assert [one["Ext Price"] for one in sold] == ["749.28", "642.24", "642.24"]
    assert {one["Invoice Total Amount"] for one in sold} == {"2033.76"}
    assert {one["Invoice Total Amount"] for one in given_back} == {"-2033.76"}
    assert {one["Grand Total"] for one in rows} == {one["Sub Total"] for one in rows} == {"0.00"}
    assert {one["Currency"] for one in rows} == {"EUR"}


@pytest.mark.proves("orders.md 78", "S-183")
async def test_a_reference_changed_later_does_not_reach_a_file(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, line(A + "01A12"), externalReferenceId="before")).ok()
    path = f"/v3/customers/{customer}/orders/{placed['orderId']}"
    await world.at("2025-07-31T12:00:00Z")
    (await world.patch(path, {"externalReferenceId": "in time"})).ok(200)
    await world.at("2025-08-01T06:00:00Z")
    (await world.patch(path, {"externalReferenceId": "after the run"})).ok(200)
    as_xlsx = {"Accept": XLSX}
    first, book = await file_of(world, "202507"), await file_of(world, "202507", headers=as_xlsx)
    assert [one["External Reference"] for one in table(first)] == ["in time"]
    await world.at("2025-08-02T12:00:00Z")
    (await world.patch(path, {"externalReferenceId": "too late"})).ok(200)
    assert (await world.read_order(customer, placed["orderId"]))[
        "externalReferenceId"
    ] == "too late"
    assert (await file_of(world, "2025-07")).content == first.content
    assert (await file_of(world, "202507", headers=as_xlsx)).content == book.content
    made = openpyxl.load_workbook(io.BytesIO(book.content)).properties.created
    assert made is not None
    assert made.isoformat() == "2025-08-01T06:00:00"


async def test_a_file_asked_for_early_is_frozen_as_well(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, line(A + "01A12"), externalReferenceId="early")).ok()
    path = f"/v3/customers/{customer}/orders/{placed['orderId']}"
    await world.at("2025-08-01T00:00:00Z")
    first = await file_of(world, "202507")
    (await world.patch(path, {"externalReferenceId": "before the run"})).ok(200)
    await world.at("2025-08-01T06:00:00Z")
    assert [one["External Reference"] for one in table(first)] == ["early"]
    assert (await file_of(world, "202507")).content == first.content


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


async def test_a_late_renewal_is_invoiced_from_the_anniversary(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line(A + "01A12", 3))).ok()
    (held,) = await world.seats(customer)
    path = f"/v3/customers/{customer}/subscriptions/{held['subscriptionId']}"
    (await world.patch(path, {"autoRenewal": {"enabled": False}})).ok(200)
    await world.at("2026-07-20T09:00:00Z")
    late = await world.order(
        customer,
        line(A + "01A12", 2, subscriptionId=held["subscriptionId"]),
        orderType="RENEWAL",
        externalReferenceId="late",
    )
    (await world.give_back(customer, late.ok().body)).ok()
    await world.at("2026-08-01T06:00:00Z")
    sold, given_back = sorted(
        table(await file_of(world, "202607")), key=lambda one: one["Charge Type"]
    )
    assert (sold["Order Reason"], sold["External Reference"]) == ("RENEWAL", "late")
    assert (given_back["Charge Type"], given_back["Order Reason"]) == ("RETURN", "")
    for one in (sold, given_back):
        assert (one["Charge Start Date"], one["Charge End Date"]) == ("07-Jul-2026", "06-Jul-2027")
        assert one["Subscription ID"] == held["subscriptionId"]
    assert (sold["Order Date"], sold["Grand Total"]) == ("20-Jul-2026", "0.00")


async def test_an_order_in_two_currencies_is_in_two_files(world: World) -> None:
    customer = await world.customer(top={"globalSalesEnabled": True})
    branch = await world.deployment(customer, "JP")
    placed = await world.order(
        customer,
        line(A + "01A12", 1, 1, currencyCode="USD"),
        line("11073064CA01A12", 3, 2, currencyCode="JPY", deploymentId=branch),
        currencyCode=None,
    )
    number = placed.ok()["orderId"]
    await world.at("2025-08-01T06:00:00Z")
    (dollars,) = table(await file_of(world, "202507"))
    (yen,) = table(await file_of(world, "202507", "JPY"))
    assert dollars["Order Number"] == yen["Order Number"] == number
    assert dollars["Invoice Number"] == yen["Invoice Number"]
    assert (dollars["Line Item"], yen["Line Item"]) == ("000010", "000020")
    assert (dollars["Ship To Country"], yen["Ship To Country"]) == ("US", "JP")
    assert yen["Ext Price"] == yen["Grand Total"]
    assert yen["Ext Price"].isdecimal()
    assert dollars["Grand Total"] == dollars["Ext Price"] != yen["Ext Price"]
    (await world.post(PATH, {"month": "202507"})).refused(400, "1122", "currency")
    assert table(await file_of(world, "202507", "GBP")) == []


async def test_without_a_currency_the_file_with_rows_is_meant(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, line(A + "01A12"))).ok()
    (await world.give_back(customer, placed.body)).ok()  # the total is nothing, the rows are not
    await world.at("2025-08-01T06:00:00Z")
    reply = await world.post(PATH, {"month": "202507"})
    assert [one["Currency"] for one in table(reply)] == ["USD", "USD"]


async def test_an_empty_month_has_a_header_alone(world: World) -> None:
    for currency in (None, "USD", "JPY"):
        assert table(await world.post(PATH, {"month": "202506", "currency": currency})) == []
    reply = await world.post(PATH, {"month": "202506"}, headers={"Accept": XLSX.upper()})
    assert reply.headers["content-type"] == XLSX
    (header,) = openpyxl.load_workbook(io.BytesIO(reply.content))["Data"].iter_rows()
    assert tuple(one.value for one in header) == HEADER


async def test_what_completes_on_the_first_belongs_to_the_new_month(world: World) -> None:
    customer = await world.customer()
    await world.settlement("manual")
    await world.at("2025-07-31T23:59:59Z")
    early = (await world.order(customer, line(A + "01A12"))).ok()
    (await world.settle()).ok(200)
    late = (await world.order(customer, line(B + "01A12"))).ok()
    await world.at("2025-08-01T00:00:00Z")
    (await world.settle()).ok(200)
    await world.at("2025-09-01T06:00:00Z")
    july, august = table(await file_of(world, "202507")), table(await file_of(world, "202508"))
    assert [one["Order Number"] for one in july] == [early["orderId"]]
    assert [one["Order Number"] for one in august] == [late["orderId"]]
    assert august[0]["Order Date"] == "31-Jul-2025"


async def test_asked_for_at_once_a_month_is_generated_once(world: World) -> None:
    customer = await world.customer()
    for _ in range(3):
        (await world.order(customer, line(A + "01A12", 1, 1), line(B + "01A12", 1, 2))).ok()
    await world.at("2025-08-01T00:00:00Z")
    replies = await asyncio.gather(*(file_of(world, "202507") for _ in range(4)))
    assert len(table(replies[0])) == 6
    assert {reply.content for reply in replies} == {replies[0].content}


async def test_a_world_emptied_has_no_files(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line(A + "01A12"))).ok()
    await world.at("2025-08-01T06:00:00Z")
    assert len(table(await file_of(world, "202507"))) == 1
    (await world.post("/sandbox/reset", {"clock": {"now": "2025-07-10T00:00:00Z"}})).ok(200)
    customer = await world.customer()
    again = (await world.order(customer, line(B + "01A12"))).ok()
    (await file_of(world, "202507")).refused(400, "1117", "month")
    await world.at("2025-08-01T06:00:00Z")
    rows = table(await file_of(world, "202507"))
    assert [one["Order Number"] for one in rows] == [again["orderId"]]


async def test_while_the_clock_runs_a_month_is_over_five_minutes_later(
    world: World, real_clock: ManualClock
) -> None:
    await world.at("2025-08-01T00:00:00Z")
    (await world.put("/sandbox/clock", {"mode": "running"})).ok(200)
    (await file_of(world, "202507")).refused(400, "1117", "month")
    real_clock.advance(timedelta(seconds=299))
    (await file_of(world, "202507")).refused(400, "1117", "month")
    real_clock.advance(timedelta(seconds=1))
    assert table(await file_of(world, "202507")) == []


async def test_what_is_no_finished_month_is_refused(world: World) -> None:
    for month in ("202507", "202513", "2025-7", "20-2506", "099912", "999912", "２０２５０６"):
        (await file_of(world, month)).refused(400, "1117", "month")
    (await world.post(PATH, {})).refused(400, "1122", "month")
    (await file_of(world, "202506", "XXX")).refused(400, "1117", "currency")
