"""What the form of an order must be (orders.md 1.2, 2.1, 2.2), and which fault answers first."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.harness import World, line, order

pytestmark = pytest.mark.anyio

A = "11073058CA01A12"
B = "69804578CA01A12"
E = "80004567EA01A12"
X = "65322447CA01A12"

Body = dict[str, Any]


def changed(**fields: Any) -> Body:
    """A line with other values, whatever their type."""
    return {**line(A), **fields}


def without(name: str, **more: Any) -> Body:
    """A line that lacks a field."""
    return {key: value for key, value in line(A, **more).items() if key != name}


NO_INTEGERS: list[Any] = ["10", True, 1.5, 1.0, [1], {}]
UNEXPECTED = [
    (order({**without("quantity"), "foo": 1}), ["lineItems[0].foo"]),
    (
        order(line(A, foo=1), line(A, 1, 2, OfferId=A), colour="red"),
        ["lineItems[0].foo", "lineItems[1].OfferId", "colour"],
    ),
    (order(line(A), referenceOrderId="1"), ["referenceOrderId"]),
    (
        order(line(A), cancellingItems=[{}], recommendationTrackerId="x"),
        ["cancellingItems", "recommendationTrackerId"],
    ),
    (
        order(line(A, flexDiscountCodes=["X"], promotionCodes=["X"])),
        ["lineItems[0].promotionCodes"],
    ),
]
MISSING = [
    (order(), ["lineItems"]),
    ({**order(), "lineItems": None}, ["lineItems"]),
    (
        order(line(A), {"extLineItemNumber": 2}),
        ["lineItems[1].offerId", "lineItems[1].quantity"],
    ),
    (
        order(line("", 1, 1), line(A, 1, 2), line("  ", 1, 3)),
        ["lineItems[0].offerId", "lineItems[2].offerId"],
    ),
    (
        order(changed(extLineItemNumber=None, quantity=None)),
        ["lineItems[0].extLineItemNumber", "lineItems[0].quantity"],
    ),
]
INVALID: list[tuple[Body, list[str]]] = [
    *((order(changed(quantity=value)), ["lineItems[0].quantity"]) for value in NO_INTEGERS),
    *(
        (order(changed(extLineItemNumber=value)), ["lineItems[0].extLineItemNumber"])
        for value in ("4", False, 4.0)
    ),
    (order(changed(offerId=5)), ["lineItems[0].offerId"]),
    (order(line("1" * 41)), ["lineItems[0].offerId"]),
    (order(line(A, deploymentId="1" * 41)), ["lineItems[0].deploymentId"]),
    (order(line(A, discountCode="1" * 41)), ["lineItems[0].discountCode"]),
    (order(line(A, flexDiscountCodes="X")), ["lineItems[0].flexDiscountCodes"]),
    (order(line(A, flexDiscountCodes=["X", 5])), ["lineItems[0].flexDiscountCodes[1]"]),
    ({**order(), "lineItems": {}}, ["lineItems"]),
    ({**order(), "lineItems": [line(A), 5]}, ["lineItems[1]"]),
    *(
        (order(line(A), currencyCode=value), ["currencyCode"])
        for value in ("usd", "US", "USDX", " USD", "USD\n", 5)
    ),
    (order(line(A, currencyCode="eur")), ["lineItems[0].currencyCode"]),
    (order(line(A), externalReferenceId=759), ["externalReferenceId"]),
    (order(line(A), externalReferenceId="a\tb"), ["externalReferenceId"]),
    (order(line(A), customerId="1005"), ["customerId"]),
    (
        order(changed(quantity="1"), changed(offerId=7), externalReferenceId=5),
        ["lineItems[0].quantity", "lineItems[1].offerId", "externalReferenceId"],
    ),
]
FIELD_FAULTS = [
    (body, code, details)
    for code, table in (("1121", UNEXPECTED), ("1122", MISSING), ("1117", INVALID))
    for body, details in table
]


@pytest.mark.parametrize(("body", "code", "details"), FIELD_FAULTS)
@pytest.mark.proves(
    "orders.md 13", "orders.md 14", "orders.md 16", "orders.md 20", "1117", "1121", "1122",
    "S-007", "S-028", "S-029", "S-030", "S-032", "S-058", "S-106", "S-110",
)  # fmt: skip
async def test_field_faults_list_every_path(
    world: World, body: Body, code: str, details: list[str]
) -> None:
    customer = await world.customer()
    path = f"/v3/customers/{customer}/orders"
    for order_type in ("NEW", "PREVIEW"):
        sent = await world.post(path, {**body, "orderType": order_type})
        sent.refused(400, code, *details)
    assert (await world.get(path))["totalCount"] == 0


@pytest.mark.proves("orders.md 12", "S-002", "S-003", "S-062", "4121")
async def test_order_type_is_judged_before_every_field(world: World) -> None:
    customer = await world.customer()
    path = f"/v3/customers/{customer}/orders"
    missing: list[Body] = [{}, {"orderType": None}, {"orderType": "", "foo": 1}]
    for body in missing:
        (await world.post(path, body)).refused(400, "1122", "orderType")
    for value in ("new", "TRANSFER", " NEW", 1, ["NEW"], True):
        (await world.post(path, {"orderType": value, "foo": 1})).refused(400, "1117", "orderType")
    for value in ("SWITCH", "PREVIEW_SWITCH", "REVERT_SWITCH", "PREVIEW_REVERT_SWITCH"):
        (await world.post(path, {"orderType": value, "foo": 1})).refused(403, "4121")
    for value in ("NEW", "PREVIEW", "RETURN", "RENEWAL", "PREVIEW_RENEWAL"):
        (await world.post(path, {"orderType": value, "foo": 1})).refused(400, "1121", "foo")


@pytest.mark.proves("orders.md 11", "1116", "S-061", "S-108")
async def test_unknown_customers_come_before_the_body(world: World, new_world: MakeWorld) -> None:
    other = await new_world()
    for customer in ("1999999999", await other.customer()):
        path = f"/v3/customers/{customer}/orders"
        for content in (b"[", b"{}", b'{"orderType":"new"}'):
            (await world.post(path, content=content)).refused(404, "1116")
        for order_type in ("NEW", "PREVIEW", "SWITCH"):
            sent = await world.order(customer, line(A, foo=1), orderType=order_type)
            sent.refused(404, "1116")


@pytest.mark.proves("1116", "400")
async def test_placeholders_are_judged_after_the_order_type(world: World) -> None:
    path = "/v3/customers/1234567890/orders"
    (await world.post(path, content=b"[]")).refused(400, "400")
    (await world.post(path, {})).refused(400, "1122", "orderType")
    (await world.post(path, {"orderType": "new"})).refused(400, "1117", "orderType")
    for order_type in ("NEW", "RETURN", "SWITCH", "RENEWAL"):
        (await world.post(path, {"orderType": order_type, "foo": 1})).refused(404, "1116")
    (await world.post(path, order(line(A), orderType="PREVIEW", foo=1))).refused(400, "1121", "foo")


@pytest.mark.proves("400")
async def test_bodies_that_are_no_json_object(world: World) -> None:
    path = f"/v3/customers/{await world.customer()}/orders"
    for content in (b"[]", b"5", b'{"orderType":', b"\xff", b'{"a":1} // comment'):
        (await world.post(path, content=content)).refused(400, "400")
    twice = b'{"orderType":"NEW","lineItems":[{"quantity":1,"quantity":2}]}'
    (await world.post(path, content=twice)).refused(
        400, "400", "lineItems[0].quantity: duplicate key"
    )


@pytest.mark.proves("orders.md 15", "2126", "S-174", "S-179")
async def test_length_of_the_reference_counts_characters(world: World) -> None:
    customer = await world.customer()
    for _ in range(2):
        (await world.order(customer, line(A), externalReferenceId="r" * 35)).ok()
    placed = (await world.order(customer, line(A), externalReferenceId="\U0001f4b6" * 35)).ok()
    assert placed["externalReferenceId"] == "\U0001f4b6" * 35
    for order_type in ("NEW", "PREVIEW"):
        for long in ("r" * 36, "\U0001f4b6" * 36):
            sent = await world.order(
                customer, line(A), orderType=order_type, externalReferenceId=long
            )
            sent.refused(400, "2126")


NUMBERS = [
    ([-1], "2123", [-1]),
    ([1_000_000], "2123", [1_000_000]),
    ([10**30, 1, -7], "2123", [10**30, -7]),
    ([4, 4], "2121", [4]),
    ([5, 4, 5, 0, 4, 4], "2121", [5, 4]),
    ([-1, -1], "2123", [-1, -1]),
    ([0, 999_999], None, []),
]


@pytest.mark.parametrize(("numbers", "code", "named"), NUMBERS)
@pytest.mark.proves("orders.md 17", "2121", "2123", "S-030", "S-180")
async def test_line_numbers(
    world: World, numbers: list[int], code: str | None, named: list[int]
) -> None:
    customer = await world.customer()
    sent = await world.order(customer, *(line(A, 1, number) for number in numbers))
    if code is None:
        assert [one["extLineItemNumber"] for one in sent.ok()["lineItems"]] == numbers
    else:
        sent.refused(400, code, *(f"Line Item: {number}" for number in named))


@pytest.mark.proves("orders.md 8", "2119", "S-178")
async def test_at_most_499_lines(world: World) -> None:
    customer = await world.customer()
    lines = [line(A, 1, number) for number in range(500)]
    (await world.order(customer, *lines)).refused(400, "2119")
    (await world.preview(customer, *lines)).refused(400, "2119")
    placed = (await world.order(customer, *lines[:499])).ok()
    assert len(placed["lineItems"]) == 499
    (seats,) = await world.seats(customer)
    assert seats["currentQuantity"] == 499


@pytest.mark.parametrize("quantity", [0, -1, 10_001, 10**30])
@pytest.mark.proves("orders.md 16", "2120", "S-032")
async def test_quantities_outside_every_range(world: World, quantity: int) -> None:
    customer = await world.customer()
    lines = [line(A, quantity, 4), line(A, 1, 5), line(B, quantity, 2)]
    (await world.order(customer, *lines)).refused(400, "2120", "Line Item: 4", "Line Item: 2")


@pytest.mark.parametrize(("offer_id", "most"), [(A, 10_000), (E, 200_000)])
@pytest.mark.proves("orders.md 18", "2120", "S-176", "S-177")
async def test_most_seats_of_a_line(world: World, offer_id: str, most: int) -> None:
    for order_type in ("NEW", "PREVIEW"):
        customer = await world.customer()
        over = await world.order(customer, line(offer_id, most + 1, 4), orderType=order_type)
        over.refused(400, "2120", "Line Item: 4")
        (await world.order(customer, line(offer_id, most, 4), orderType=order_type)).ok()


@pytest.mark.proves("orders.md 19", "3117")
async def test_most_seats_of_a_subscription(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line(A, 9_995))).ok()
    for order_type in ("NEW", "PREVIEW"):
        over = await world.order(customer, line(A, 6, 4), line(B, 1, 5), orderType=order_type)
        over.refused(400, "3117", "Line Item: 4")
        split = await world.order(customer, line(A, 3, 2), line(A, 3, 1), orderType=order_type)
        split.refused(400, "3117", "Line Item: 2", "Line Item: 1")
    await world.settlement("manual")
    (await world.order(customer, line(A, 5))).ok()
    (await world.order(customer, line(A, 1))).refused(400, "3117", "Line Item: 1")


@pytest.mark.proves("orders.md 20", "S-028")
async def test_empty_values_of_forbidden_and_optional_fields(world: World) -> None:
    customer = await world.customer()
    sent = line(A, deploymentId=" ", discountCode="", flexDiscountCodes=[], promotionCodes=None)
    for reference in ("", None):
        placed = await world.order(
            customer,
            sent,
            referenceOrderId=reference,
            cancellingItems=[],
            recommendationTrackerId="",
        )
        assert placed.ok()["lineItems"] == [
            {**line(A), "subscriptionId": "", "status": "1002", "currencyCode": "USD"}
        ]


@pytest.mark.proves("orders.md 21", "S-036", "S-101")
async def test_an_order_can_be_posted_as_it_was_read(world: World) -> None:
    """Read-only names are ignored, as real clients send them (also client_facts.md C6)."""
    customer = await world.customer()
    code = "BLACK_FRIDAY_10_PERCENT_OFF"
    placed = (await world.order(customer, line(A, promotionCodes=[code]))).ok()
    read = await world.read_order(customer, placed["orderId"], **{"fetch-price": "true"})
    assert {"pricing", "flexDiscounts", "promotions"} <= read["lineItems"][0].keys()
    again = (await world.post(f"/v3/customers/{customer}/orders", read.body)).ok()
    assert again["orderId"] != placed["orderId"]
    (sold,) = again["lineItems"]
    plain = {**line(A), "subscriptionId": "", "status": "1002", "currencyCode": "USD"}
    assert sold == plain
    quote = (await world.preview(customer, *read["lineItems"])).ok()
    (await world.post(f"/v3/customers/{customer}/orders", {**quote.body, "orderType": "NEW"})).ok()
    anything: list[Any] = ["", None, 7, {}]
    for value in anything:
        ignored = {"orderId": value, "status": value, "eligibleOffers": value}
        (await world.order(customer, line(A, remainingQuantity=value), **ignored)).ok()


@pytest.mark.proves("orders.md 21")
async def test_the_customer_id_of_the_body_must_be_the_one_of_the_path(world: World) -> None:
    """client_facts.md C6: the vendor's application sends it; another one is misrouted."""
    customer, other = await world.customer(), await world.customer()
    for order_type in ("NEW", "PREVIEW"):
        for same in (customer, "", None):
            (await world.order(customer, line(A), orderType=order_type, customerId=same)).ok()
        for wrong in (other, 5):
            sent = await world.order(customer, line(A), orderType=order_type, customerId=wrong)
            sent.refused(400, "1117", "customerId")


@pytest.mark.proves("S-031")
async def test_blanks_around_ids_are_removed(world: World) -> None:
    customer = await world.customer(top={"globalSalesEnabled": True})
    deployment = await world.deployment(customer, "CA")
    sent = line(f" {A}  ", deploymentId=f" {deployment} ")
    (placed,) = (await world.order(customer, sent)).ok()["lineItems"]
    assert (placed["offerId"], placed["deploymentId"]) == (A, deployment)


@pytest.mark.parametrize("value", ["yes", "1", "0", "true,false"])
@pytest.mark.proves("1117", "S-109")
async def test_fetch_price_is_true_or_false(world: World, value: str) -> None:
    customer = await world.customer()
    params = {"fetch-price": value}
    sent = await world.preview(customer, line(A), params=params)
    sent.refused(400, "1117", "fetch-price")
    both = await world.preview(customer, changed(quantity="1"), params=params)
    both.refused(400, "1117", "lineItems[0].quantity", "fetch-price")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("true", True),
        ("TRUE", True),
        ("True", True),
        ("false", False),
        ("False", False),
        ("", False),
    ],
)
@pytest.mark.proves("S-088", "S-107", "S-109", "S-122")
async def test_fetch_price_in_any_letter_case(world: World, value: str, shown: bool) -> None:
    customer = await world.customer()
    params = {"fetch-price": value, "unknown": "1"}
    quote = (await world.preview(customer, line(A), params=params)).ok()
    assert ("pricingSummary" in quote.body) is shown
    keys = {"pricing", "proratedDays"}
    assert quote["lineItems"][0].keys() & keys == (keys if shown else set())
    placed = (await world.order(customer, line(A), params=params)).ok()
    assert "pricingSummary" not in placed.body


def _repeat(body: Body) -> None:
    body["lineItems"][1]["extLineItemNumber"] = body["lineItems"][0]["extLineItemNumber"]


def _foreign_line(body: Body) -> None:
    body.pop("currencyCode")
    body["lineItems"][0]["currencyCode"] = body["lineItems"][1]["currencyCode"] = "USD"
    body["lineItems"][2]["currencyCode"] = "USD"
    body["lineItems"][3]["currencyCode"] = "EUR"


def _too_many(body: Body) -> None:
    body["lineItems"] += [line(A, 1, number) for number in range(100, 600)]


CHECKS: list[tuple[str, int, list[str], Callable[[Body], object]]] = [
    ("1122", 400, ["orderType"], lambda body: body.pop("orderType")),
    ("1117", 400, ["orderType"], lambda body: body.update(orderType="new")),
    ("4121", 403, [], lambda body: body.update(orderType="SWITCH")),
    ("1121", 400, ["foo"], lambda body: body.update(foo=1)),
    ("1122", 400, ["lineItems[1].offerId"], lambda body: body["lineItems"][1].pop("offerId")),
    ("2126", 400, [], lambda body: body.update(externalReferenceId="r" * 36)),
    (
        "1117",
        400,
        ["lineItems[0].quantity", "fetch-price"],
        lambda body: body["lineItems"][0].update(quantity="1"),
    ),
    ("2119", 400, [], _too_many),
    (
        "2123",
        400,
        ["Line Item: 1000000"],
        lambda body: body["lineItems"][2].update(extLineItemNumber=1_000_000),
    ),
    ("2121", 400, ["Line Item: 1"], _repeat),
    ("2140", 400, [], lambda body: body.update(currencyCode="USD")),
    ("2148", 400, [], _foreign_line),
    ("2122", 400, ["Line Item: 1"], lambda body: body["lineItems"][0].update(offerId="nothing")),
]


@pytest.mark.parametrize("first", range(len(CHECKS)))
@pytest.mark.proves("orders.md 22", "2119", "2121", "2122", "2123", "2126", "2140", "2148")
async def test_of_many_faults_the_first_check_answers(world: World, first: int) -> None:
    """The order has the fault of check `first` and of every check after it (orders.md 2.2)."""
    customer = await world.customer()
    lines = [line(offer_id, 1, number) for number, offer_id in enumerate((A, B, E, X), start=1)]
    body = order(*lines, orderType="PREVIEW")
    for _, _, _, spoil in reversed(CHECKS[first:]):
        spoil(body)
    code, status, details, _ = CHECKS[first]
    params = {"fetch-price": "maybe" if "fetch-price" in details or first < 6 else "true"}
    sent = await world.post(f"/v3/customers/{customer}/orders", body, params=params)
    sent.refused(status, code, *details)
