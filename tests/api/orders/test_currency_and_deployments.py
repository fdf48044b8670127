"""The currency and the place of a line (orders.md 1.4, checks 11-12 and 22-31; catalog.md 5.1)."""

from decimal import Decimal
from typing import Any

import pytest

from tests.harness import World, line

pytestmark = pytest.mark.anyio

USD = "11073058CA01A12"  # sold in NA for USD alone
EUR = "11073061CA01A12"  # sold in WE for EUR and GBP
JPY = "11073064CA01A12"  # sold in JP for JPY alone
BOTH = "65304479CA01A12"  # sold in NA for USD and in WE for EUR
ASIA = "11073070CA01A12"  # sold in AP for USD alone

GERMAN = {
    "country": "DE",
    "region": "SN",
    "city": "Dresden",
    "addressLine1": "Street 1",
    "postalCode": "01067",
}
LINES = ["Line Item: 4"]

Lines = list[dict[str, Any]]


async def global_customer(world: World, **changes: Any) -> str:
    """A customer that may have deployments."""
    return await world.customer(top={"globalSalesEnabled": True}, **changes)


CURRENCIES = [
    pytest.param("USD", [None], "USD", ["USD"], marks=pytest.mark.proves("S-009", "S-026")),
    pytest.param(None, ["USD"], "USD", ["USD"], marks=pytest.mark.proves("S-008", "S-033")),
    pytest.param("USD", ["USD"], "USD", ["USD"], marks=pytest.mark.proves("orders.md 24")),
    pytest.param("USD", ["", "USD"], "USD", ["USD", "USD"]),
    pytest.param("", ["USD", "USD"], "USD", ["USD", "USD"]),
]


@pytest.mark.parametrize(("of_order", "of_lines", "shown", "shown_on_lines"), CURRENCIES)
@pytest.mark.proves("S-042", "S-051")
async def test_effective_currency(
    world: World, of_order: str | None, of_lines: list[str], shown: str, shown_on_lines: list[str]
) -> None:
    customer = await world.customer()
    lines = [line(USD, 1, n, currencyCode=value) for n, value in enumerate(of_lines)]
    for order_type in ("PREVIEW", "NEW"):
        answer = await world.order(customer, *lines, orderType=order_type, currencyCode=of_order)
        assert answer.ok()["currencyCode"] == shown
        assert [one["currencyCode"] for one in answer["lineItems"]] == shown_on_lines


NO_CURRENCY = [
    pytest.param([None, ""], ["currencyCode"], marks=pytest.mark.proves("orders.md 24")),
    pytest.param(
        ["USD", None, "USD", ""], ["lineItems[1].currencyCode", "lineItems[3].currencyCode"]
    ),
]


@pytest.mark.parametrize(("of_lines", "paths"), NO_CURRENCY)
@pytest.mark.proves("1122")
async def test_there_is_no_default_currency(
    world: World, of_lines: list[str | None], paths: list[str]
) -> None:
    customer = await world.customer()
    lines = [line(USD, 1, n, currencyCode=value) for n, value in enumerate(of_lines)]
    for order_type in ("PREVIEW", "NEW"):
        answer = await world.order(customer, *lines, orderType=order_type, currencyCode=None)
        answer.refused(400, "1122", *paths)


@pytest.mark.proves("orders.md 24", "2140")
async def test_order_and_line_currency_must_agree(world: World) -> None:
    customer = await world.customer()
    lines = [line(USD, 1, 4, currencyCode="USD"), line(USD, 1, 5, currencyCode="EUR")]
    for order_type in ("PREVIEW", "NEW"):
        (await world.order(customer, *lines, orderType=order_type)).refused(400, "2140")


NOT_SOLD: list[Any] = [
    pytest.param("EUR", [line(USD, 1, 4)], "2125", [], marks=pytest.mark.proves("orders.md 25")),
    pytest.param(None, [line(USD, 1, 4, currencyCode="EUR")], "2125", LINES),
    pytest.param("EUR", [line(USD, 1, 4, currencyCode="EUR")], "2125", LINES),
    pytest.param("XYZ", [line(USD, 1, 4)], "2125", []),
    pytest.param("USD", [line(ASIA, 1, 4)], "2125", [], id="not in that region"),
    pytest.param(None, [line(ASIA, 1, 4, currencyCode="USD")], "2125", LINES),
    pytest.param("EUR", [line(BOTH, 1, 4)], "2125", []),
    pytest.param("USD", [line(EUR, 1, 4)], "2128", LINES, marks=pytest.mark.proves("orders.md 25")),
    pytest.param("USD", [line(JPY, 1, 4)], "2128", LINES),
    pytest.param(
        "USD", [line(EUR, 1, 3), line(USD, 1, 1), line(JPY, 1, 2)], "2128",
        ["Line Item: 3", "Line Item: 2"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("currency", "lines", "code", "details"), NOT_SOLD)
@pytest.mark.proves("2125", "2128", "S-171", "S-172")
async def test_currencies_not_sold(
    world: World, currency: str | None, lines: Lines, code: str, details: list[str]
) -> None:
    customer = await world.customer()
    for order_type in ("PREVIEW", "NEW"):
        answer = await world.order(customer, *lines, orderType=order_type, currencyCode=currency)
        answer.refused(400, code, *details)


@pytest.mark.proves("2125", "S-172")
async def test_the_region_decides_which_currencies_are_sold(world: World) -> None:
    """A WE customer buys in either contracted currency of WE, in no other (catalog.md 5.1)."""
    customer = await world.customer(address=GERMAN)
    for currency, price in (("EUR", Decimal("372.00")), ("GBP", Decimal("318.00"))):
        quote = (await world.preview(customer, line(EUR), currencyCode=currency)).ok()
        assert quote["lineItems"][0]["pricing"]["partnerPrice"] == price
    (await world.order(customer, line(BOTH), currencyCode="GBP")).refused(
        400, "2128", "Line Item: 1"
    )
    await world.set(currencies={"WE": ["EUR"]})
    (await world.order(customer, line(EUR), currencyCode="GBP")).refused(400, "2125")
    (await world.order(customer, line(EUR), currencyCode="EUR")).ok()


@pytest.mark.parametrize(
    ("partner_may", "customer_may", "answer"),
    [
        pytest.param(False, False, (400, "1139"), marks=pytest.mark.proves("1139")),
        pytest.param(False, True, (400, "1139"), marks=pytest.mark.proves("1139")),
        pytest.param(True, False, (400, "1140"), marks=pytest.mark.proves("1140")),
        pytest.param(True, True, (404, "2138", *LINES), marks=pytest.mark.proves("2138")),
    ],
)
@pytest.mark.proves("orders.md 26")
async def test_who_may_use_deployments(
    world: World, partner_may: bool, customer_may: bool, answer: tuple[Any, ...]
) -> None:
    customer = await world.customer(top={"globalSalesEnabled": customer_may})
    await world.set(globalSalesEnabled=partner_may)
    lines = [line("nothing"), line(USD, 1, 4, deploymentId="1400000000")]
    for order_type in ("PREVIEW", "NEW"):
        (await world.order(customer, *lines, orderType=order_type)).refused(*answer)


@pytest.mark.proves("1142")
async def test_deployments_are_for_commercial_customers(world: World) -> None:
    customer = await world.customer(marketSegment="EDU")
    forced = {"globalSalesEnabled": True, "force": True}
    (await world.patch(f"/sandbox/customers/{customer}", forced)).ok(200)
    for order_type in ("PREVIEW", "NEW"):
        sent = line(USD, deploymentId="1400000000")
        (await world.order(customer, sent, orderType=order_type)).refused(400, "1142")


@pytest.mark.proves("orders.md 26", "2138")
async def test_unknown_and_inactive_deployments(world: World) -> None:
    customer, other = await global_customer(world), await global_customer(world)
    foreign = await world.deployment(other, "CA")
    closed = await world.deployment(customer, "CA")
    path = f"/v3/customers/{customer}/deployments/{closed}"
    (await world.patch(path, {"status": "1004"})).ok(200)
    lines = [line(USD, 1, n, deploymentId=d) for n, d in ((3, foreign), (1, closed))]
    (await world.order(customer, line(USD, 1, 2), *lines)).refused(
        404, "2138", "Line Item: 3", "Line Item: 1"
    )
    (await world.patch(path, {"status": "1000"})).ok(200)
    (await world.order(customer, lines[1])).ok()


@pytest.mark.proves("orders.md 26", "2139")
async def test_deployments_outside_the_contract(world: World) -> None:
    customer = await global_customer(world)
    japan = await world.deployment(customer, "JP")
    canada = await world.deployment(customer, "CA")
    await world.set(regions=["NA", "WE"])
    lines = [line(USD, 1, n, deploymentId=d) for n, d in ((1, canada), (4, japan))]
    for order_type in ("PREVIEW", "NEW"):
        sent = await world.order(customer, *lines, orderType=order_type)
        sent.refused(400, "2139", *LINES)
    (await world.order(customer, lines[0])).ok()


@pytest.mark.proves("orders.md 27", "2148", "S-034", "S-042", "S-052", "S-093", "S-100")
async def test_an_order_in_two_currencies(world: World) -> None:
    customer = await global_customer(world)
    japan = await world.deployment(customer, "JP")
    lines = [
        line(USD, 1, 1, currencyCode="USD"),
        line(JPY, 3, 2, currencyCode="JPY", deploymentId=japan),
    ]
    priced = await world.preview(customer, *lines, currencyCode=None)
    priced.refused(400, "2148")
    quote = await world.preview(customer, *lines, currencyCode=None, params=None)
    placed = await world.order(customer, *lines, currencyCode=None, params={"fetch-price": "true"})
    read = await world.read_order(customer, placed.ok()["orderId"])
    for answer in (quote.ok(), placed, read):
        assert answer["currencyCode"] == ""
        shown = [(one["currencyCode"], one.get("deploymentId")) for one in answer["lineItems"]]
        assert shown == [("USD", None), ("JPY", japan)]


@pytest.mark.proves("2125", "2128", "S-034")
async def test_the_deployment_picks_the_price_region(world: World) -> None:
    customer = await global_customer(world)
    dresden = await world.deployment(customer, "DE")
    sent = line(BOTH, 1, 4, deploymentId=dresden)
    for currency, price in (("EUR", Decimal("252.00")), ("USD", None)):
        quote = await world.preview(customer, sent, currencyCode=currency)
        if price is None:
            quote.refused(400, "2125")
        else:
            assert quote.ok()["lineItems"][0]["pricing"]["partnerPrice"] == price
    (await world.order(customer, sent, currencyCode="GBP")).refused(400, "2128", *LINES)
    (await world.order(customer, sent, line(BOTH), currencyCode="EUR")).refused(400, "2125")


@pytest.mark.proves("2137")
async def test_one_product_and_deployment_have_one_currency(world: World) -> None:
    customer = await global_customer(world)
    dresden, bonn = await world.deployment(customer), await world.deployment(customer)

    def sent(number: int, currency: str, deployment: str, offer_id: str = EUR) -> dict[str, Any]:
        return line(offer_id, 1, number, currencyCode=currency, deploymentId=deployment)

    better = EUR.replace("01A", "02A")
    mixed = [
        sent(3, "EUR", dresden),
        sent(2, "EUR", bonn),
        sent(1, "GBP", dresden, better),
        sent(4, "EUR", dresden, "65305345CA01A12"),
    ]
    for order_type in ("PREVIEW", "NEW"):
        answer = await world.order(customer, *mixed, orderType=order_type, currencyCode=None)
        answer.refused(400, "2137", "Line Item: 3", "Line Item: 1")
    apart = [sent(1, "EUR", dresden), sent(2, "GBP", bonn)]
    (await world.order(customer, *apart, currencyCode=None)).ok()
    held = {(one["deploymentId"], one["currencyCode"]) for one in await world.seats(customer)}
    assert held == {(dresden, "EUR"), (bonn, "GBP")}
