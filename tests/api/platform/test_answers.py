"""Pages, links, amounts and placeholder customers as clients read them (platform.md 8-12)."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.harness import Reply, World, line
from tests.repeats import fresh

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
ALL_APPS, VECTOR, YEN = "11073058CA01A12", "69804578CA02A12", "11073064CA02A12"
AMOUNT = re.compile(r'"(\w*(?:Price|LineItemPrice))":("?[^,}\]]+)')
PLACEHOLDERS = {
    "1234567890": "COM",
    "1234567890COM": "COM",
    "1234567890EDU": "EDU",
    "1234567890GOV": "GOV",
}


async def history(world: World, customer: str, query: str = "") -> Reply:
    """A page of orders."""
    return await world.get(f"/v3/customers/{customer}/orders{query}")


@pytest.fixture
async def buyer(world: World) -> str:
    """A customer with three orders."""
    customer = await world.customer()
    for _ in range(3):
        (await world.order(customer, line(OFFER))).ok()
    return customer


@pytest.mark.proves("platform.md 25", "1132", "1133")
async def test_limits_and_offsets(world: World, buyer: str) -> None:
    large = (await history(world, buyer, "?limit=500")).ok(200)
    assert large["limit"] == 100
    assert large["links"]["self"]["uri"].endswith("/orders?limit=100&offset=0")
    for query in ("limit=0", "limit=x", "limit=-5", "limit=1.0", "offset=-1"):
        found = await history(world, buyer, f"?{query}")
        found.refused(400, "1132", query.partition("=")[0])
    assert (await history(world, buyer, "?offset=")).ok(200)["count"] == 3
    at_the_end = (await history(world, buyer, "?offset=3")).ok(200)
    assert (at_the_end["items"], at_the_end["count"], at_the_end["totalCount"]) == ([], 0, 3)
    (await history(world, buyer, "?offset=4")).refused(400, "1133", "offset")
    (await history(world, buyer, f"?offset={10**30}")).refused(400, "1133", "offset")


@pytest.mark.proves("platform.md 26")
async def test_a_page_between_others(world: World) -> None:
    customer = await world.customer()
    for _ in range(60):
        (await world.order(customer, line(OFFER))).ok()
    query = "?limit=25&offset=25&order-type=NEW&order-type=NEW"
    page = (await history(world, customer, query)).ok(200)
    assert (page["totalCount"], page["count"], page["limit"], page["offset"]) == (60, 25, 25, 25)
    assert len(page["items"]) == 25
    links = page["links"]
    assert set(links) == {"self", "next", "prev"}
    for relation, offset in (("self", 25), ("next", 50), ("prev", 0)):
        assert links[relation] == {
            "uri": f"/v3/customers/{customer}/orders?order-type=NEW&limit=25&offset={offset}",
            "method": "GET",
            "headers": [],
        }
    assert await walked(world, customer) == 60


async def walked(world: World, customer: str) -> int:
    """How many orders a client finds that follows `next` and adds its own filters again."""
    seen: list[str] = []
    uri: str | None = f"/v3/customers/{customer}/orders?limit=25"
    while uri is not None:
        page = (await world.get(f"{uri}&order-type=NEW&limit=25")).ok(200)
        seen += [one["orderId"] for one in page["items"]]
        uri = page["links"].get("next", {}).get("uri")
    assert len(seen) == len(set(seen))
    return len(seen)


async def test_links_repeat_what_was_asked(world: World, buyer: str) -> None:
    query = f"?status=1000&foo=bar&offer-id=&status=1002&offer-id={OFFER}&limit=2&fetch-price=true"
    page = (await history(world, buyer, query)).ok(200)
    target = urlsplit(page["links"]["next"]["uri"])
    assert target.path == f"/v3/customers/{buyer}/orders"
    assert parse_qsl(target.query) == [
        ("status", "1000"), ("status", "1002"), ("offer-id", OFFER), ("fetch-price", "true"),
        ("limit", "2"), ("offset", "2"),
    ]  # fmt: skip


@pytest.mark.proves("1132")
async def test_single_parameters_sent_twice(world: World, buyer: str) -> None:
    assert (await history(world, buyer, "?limit=2&limit=2")).ok(200)["limit"] == 2
    (await history(world, buyer, "?limit=2&limit=3")).refused(400, "1132", "limit")
    found = await history(world, buyer, "?offset=0&offset=1&limit=0&Limit=7&fetch-price=x")
    found.refused(400, "1132", "offset", "limit", "fetch-price")


@pytest.mark.proves("1117")
async def test_bad_parameters_of_writes(world: World, buyer: str) -> None:
    found = await world.preview(buyer, line(OFFER), params={"fetch-price": "yes"})
    found.refused(400, "1117", "fetch-price")


def printed(reply: Reply) -> dict[str, list[str]]:
    """The amounts of an answer by name, as the JSON text has them."""
    found: dict[str, list[str]] = {}
    for name, text in AMOUNT.findall(reply.content.decode()):
        found.setdefault(name, []).append(text)
    assert found
    return found


@pytest.mark.proves("platform.md 31")
async def test_amounts_of_dollars(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line(ALL_APPS, 5))).ok()
    await world.at("2026-04-08T18:00:00Z")
    quote = await world.preview(
        customer,
        line(ALL_APPS, 10, 1, flexDiscountCodes=["BLACK_FRIDAY_10_PERCENT_OFF"]),
        line(VECTOR, 10, 2, flexDiscountCodes=["BLACK_FRIDAY_20_DOLLAR_OFF"]),
    )
    amounts = printed(quote.ok())
    assert amounts["netPartnerPrice"] == ["81.00", "85.068"]
    assert amounts["lineItemPrice"] == ["810.00", "850.68"]
    assert amounts["totalLineItemPrice"] == ["1660.68"]
    for quantity in (1, 3, 7, 999, 9_995):
        quote = (await world.preview(customer, line(ALL_APPS, quantity))).ok()
        for name, texts in printed(quote).items():
            digits = r"\d+\.\d{2,3}" if name == "netPartnerPrice" else r"\d+\.\d{2}"
            assert all(re.fullmatch(digits, text) for text in texts), (name, texts)


@pytest.mark.proves("platform.md 31")
async def test_amounts_of_yen(world: World) -> None:
    tokyo = {
        "country": "JP",
        "region": "13",
        "city": "Tokyo",
        "addressLine1": "1-1",
        "postalCode": "100-0001",
    }
    reseller = await world.reseller(address=tokyo)
    customer = await world.customer(reseller, address=tokyo, preferredLanguage="ja-JP")
    quote = await world.preview(customer, line(YEN, 10), currencyCode="JPY")
    amounts = printed(quote.ok())
    assert amounts["partnerPrice"] == ["54700"]
    assert amounts["lineItemPrice"] == amounts["totalLineItemPrice"] == ["547000"]
    (await world.order(customer, line(YEN, 10), currencyCode="JPY")).ok()
    await world.at("2025-12-19T18:00:00Z")
    quote = (await world.preview(customer, line(YEN, 3), currencyCode="JPY")).ok()
    for name, texts in printed(quote).items():
        digits = r"\d+(\.\d)?" if name == "netPartnerPrice" else r"\d+"
        assert all(re.fullmatch(digits, text) for text in texts), (name, texts)


@pytest.mark.proves("platform.md 28", "1116")
async def test_placeholders_are_for_previews(world: World) -> None:
    (await world.preview("1234567890GOV", line("30001475CC01A12"))).ok()
    (await world.order("1234567890GOV", line("30001475CC01A12"))).refused(404, "1116")


@pytest.mark.proves("platform.md 28", "1116")
@pytest.mark.parametrize("customer", PLACEHOLDERS)
async def test_nothing_but_previews_of_placeholders(world: World, customer: str) -> None:
    path = f"/v3/customers/{customer}"
    for order_type in ("NEW", "RETURN"):
        found = await world.order(
            customer, line(OFFER), orderType=order_type, referenceOrderId="9200000001"
        )
        found.refused(404, "1116")
    for tail in ("", "/orders", "/subscriptions", "/deployments"):
        (await world.get(path + tail)).refused(404, "1116")
    (await world.patch(path, {"externalReferenceId": "x"})).refused(404, "1116")
    (await world.post(f"{path}/deployments", {})).refused(404, "1116")


async def test_previews_of_placeholders_are_repeated_like_others(world: World) -> None:
    sent: dict[str, str | None] = {"X-Correlation-Id": "intent-1"}
    first = (await world.preview("1234567890", line(OFFER), headers=sent)).ok()
    again = (await world.preview("1234567890", line(OFFER), headers=sent)).ok()
    assert fresh(first)
    assert again.content == first.content
    assert again.headers["Seatledger-Replayed"] == "true"


async def test_nulls_are_never_sent(world: World, buyer: str) -> None:
    deployment = await world.deployment(await world.customer(top={"globalSalesEnabled": True}))
    assert deployment
    replies = [
        await world.get(f"/v3/customers/{buyer}"),
        await world.get(f"/v3/customers/{buyer}/orders", params={"fetch-price": "true"}),
        await world.get(f"/v3/customers/{buyer}/subscriptions"),
        await world.get(f"/v3/customers/{buyer}/deployments"),
        await world.preview(buyer, line(OFFER)),
    ]
    for reply in replies:
        assert reply.status in (200, 201)
        assert not any(value is None for value in _values(json.loads(reply.content)))


def _values(node: Any) -> list[Any]:
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        return [value for child in node for value in _values(child)]
    return [node]
