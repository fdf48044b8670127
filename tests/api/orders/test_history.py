"""The order history: filters, paging, links, bad values (orders.md 7.2)."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.conftest import MakeWorld
from tests.harness import Reply, World, line, unique

pytestmark = pytest.mark.anyio

A, E, FOLIO = "11073058CA01A12", "80004567EA01A12", "65304479CA01A12"


async def history(world: World, customer: str, params: Any = None) -> Reply:
    """GET the history; not asserted."""
    return await world.get(f"/v3/customers/{customer}/orders", params=params)


async def ids(world: World, customer: str, params: Any = None) -> list[str]:
    """The order ids of a page."""
    found = (await history(world, customer, params)).ok(200)
    assert found["count"] == len(found["items"])
    return [one["orderId"] for one in found["items"]]


async def place(world: World, customer: str, offer_id: str = A, **more: Any) -> str:
    """Place an order of one seat."""
    return str((await world.order(customer, line(offer_id), **more)).ok()["orderId"])


def query(link: dict[str, Any]) -> list[tuple[str, str]]:
    """The parameters of a link."""
    assert (link["method"], link["headers"]) == ("GET", [])
    return parse_qsl(urlsplit(link["uri"]).query)


@pytest.mark.proves("orders.md 73", "1133", "1132", "platform.md 25")
async def test_paging(world: World) -> None:
    customer = await world.customer()
    placed = [await place(world, customer) for _ in range(9)]
    newest_first = placed[::-1]
    page = (await history(world, customer, {"offset": 3, "limit": 3})).ok(200)
    assert [page[name] for name in ("totalCount", "count", "offset", "limit")] == [9, 3, 3, 3]
    assert [one["orderId"] for one in page["items"]] == newest_first[3:6]
    path = f"/v3/customers/{customer}/orders"
    assert {name: link["uri"] for name, link in page["links"].items()} == {
        "self": f"{path}?limit=3&offset=3",
        "next": f"{path}?limit=3&offset=6",
        "prev": f"{path}?limit=3&offset=0",
    }
    last = (await history(world, customer, {"offset": 9})).ok(200)
    assert (last["items"], last["count"], last["limit"]) == ([], 0, 25)
    assert set(last["links"]) == {"self", "prev"}
    assert query(last["links"]["prev"]) == [("limit", "25"), ("offset", "0")]
    (await history(world, customer, {"offset": 10})).refused(400, "1133", "offset")
    large = (await history(world, customer, {"limit": 500})).ok(200)
    assert (large["limit"], query(large["links"]["self"])[0]) == (100, ("limit", "100"))
    for bad in ("0", "-1", "x", "1.5"):
        (await history(world, customer, {"limit": bad})).refused(400, "1132", "limit")
    for bad in ("-1", "x"):
        (await history(world, customer, {"offset": bad})).refused(400, "1132", "offset")


async def test_a_customer_without_orders_has_an_empty_page(world: World) -> None:
    customer = await world.customer()
    page = (await history(world, customer)).ok(200)
    assert (page["totalCount"], page["items"], set(page["links"])) == (0, [], {"self"})


@pytest.mark.proves("1116", "S-061")
async def test_an_unknown_customer_comes_before_bad_values(world: World) -> None:
    (await history(world, "1005999999", {"limit": "0"})).refused(404, "1116")


@pytest.mark.proves("orders.md 74")
async def test_dates(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2025-07-07T18:00:00Z"})
    customer = await world.customer()
    first = await place(world, customer)
    await world.at("2025-07-08T00:00:00Z")
    second = await place(world, customer)
    both, everything = [second, first], {"start-date": "2000-01-01"}
    for params, expected in (
        ({}, both),
        ({"end-date": "2025-07-07"}, []),
        ({"end-date": "2025-07-07T17:59:59Z"}, []),
        ({"end-date": "2025-07-07T18:00:00Z"}, [first]),
        ({"end-date": "2025-07-08"}, both),
        ({"start-date": "2025-07-08"}, [second]),
        ({"start-date": "2025-07-07T18:00Z"}, both),
        ({"start-date": "2025-07-07T18:00:00.001Z"}, [second]),
        ({"start-date": "2025-07-08T00:00:01Z"}, []),
    ):
        assert await ids(world, customer, params) == expected, params
    # A new term: what came before it is shown on demand.
    (seats,) = await world.seats(customer)
    path = f"/sandbox/customers/{customer}/subscriptions/{seats['subscriptionId']}"
    (await world.patch(path, {"status": "1004", "currentQuantity": 0})).ok(200)
    await world.at("2026-08-01T12:00:00Z")
    third = await place(world, customer)
    assert await ids(world, customer) == [third]
    assert await ids(world, customer, everything) == [third, *both]
    assert await ids(world, customer, {**everything, "end-date": "2026-01-01"}) == both


@pytest.mark.proves("orders.md 75", "1132")
async def test_filters(world: World) -> None:
    customer = await world.customer()
    bought = await place(world, customer)
    await world.at("2025-07-07T18:01:00Z")
    kept = await place(world, customer, E)
    await world.at("2025-07-07T18:02:00Z")
    placed = await world.read_order(customer, bought)
    credit = str((await world.give_back(customer, placed)).ok()["orderId"])
    await world.at("2025-07-07T18:03:00Z")
    failed = await place(world, customer, headers={"X-Sandbox-Fault": "order_fails;status=1022"})
    await world.settlement("manual")
    waiting = await place(world, customer, FOLIO)
    (seats,) = (one for one in await world.seats(customer) if one["offerId"] == E)
    reseller = (await world.read_customer(customer))["resellerId"]
    everything = [waiting, failed, credit, kept, bought]
    for params, expected in (
        ([("status", "1000"), ("status", "1002"), ("order-type", "NEW")], [waiting, kept]),
        ([("status", "1008")], [bought]),
        ([("status", "1022"), ("status", "1004")], [failed]),
        ([("order-type", "RETURN")], [credit]),
        ([("order-type", "RENEWAL"), ("order-type", "SWITCH")], []),
        ([("offer-id", A)], [failed, credit, bought]),
        ([("offer-id", E), ("offer-id", FOLIO)], [waiting, kept]),
        ([("offer-id", "11073058CA02A12")], []),
        ([("offer-id", A), ("order-type", "NEW"), ("status", "1008")], [bought]),
        ([("subscription-id", seats["subscriptionId"])], [kept]),
        ([("reference-order-id", bought)], [credit]),
        ([("reference-order-id", "9299999999")], []),
        ([("reseller-id", reseller)], everything),
        ([("reseller-id", "9999999999")], []),
        ([("colour", "red")], everything),
        ([("status", "")], everything),
    ):
        assert await ids(world, customer, params) == expected, params
    for name, value in (
        ("order-type", "PREVIEW"),
        ("order-type", "new"),
        ("status", "1009"),
        ("status", "1000,1002"),
        ("start-date", "2025-07-07T18:00:00+02:00"),
        ("start-date", "2025-07-07T18:00:00z"),
        ("start-date", "2025-02-30"),
        ("end-date", "07.07.2025"),
        ("fetch-price", "yes"),
    ):
        (await history(world, customer, [(name, value)])).refused(400, "1132", name)
    bad = [("limit", "0"), ("status", "1"), ("start-date", "x")]
    (await history(world, customer, bad)).refused(400, "1132", "limit", "status", "start-date")
    await world.settle()


@pytest.mark.proves("orders.md 75", "1132")
async def test_a_single_parameter_may_be_repeated_with_its_value(world: World) -> None:
    customer = await world.customer()
    placed = await place(world, customer)
    same = [("start-date", "2025-07-07"), ("start-date", "2025-07-07")]
    assert await ids(world, customer, same) == [placed]
    for name, one, other in (
        ("start-date", "2025-07-07", "2025-07-08"),
        ("reseller-id", "1", "2"),
        ("offset", "0", "1"),
    ):
        refused = await history(world, customer, [(name, one), (name, other)])
        refused.refused(400, "1132", name)


@pytest.mark.proves("orders.md 76", "platform.md 18")
async def test_following_the_links_as_clients_do(world: World) -> None:
    """A client adds its filters to `next.uri`, which already carries them."""
    customer = await world.customer()
    placed = [await place(world, customer, E if n % 3 else A) for n in range(14)]
    wanted = [one for n, one in enumerate(placed) if n % 3][::-1]
    own = [("offer-id", E), ("status", "1000"), ("start-date", "2025-07-07"), ("limit", "4")]
    headers = {"X-Correlation-Id": unique(), "X-Request-Id": unique()}
    path = f"/v3/customers/{customer}/orders"
    carried: list[tuple[str, str]] = []
    seen: list[str] = []
    for _ in range(10):
        page = (await world.get(path, params=[*carried, *own], headers=headers)).ok(200)
        seen += [one["orderId"] for one in page["items"]]
        if "next" not in page["links"]:
            break
        assert query(page["links"]["self"]).count(("offer-id", E)) == 1
        carried = query(page["links"]["next"])
    assert seen == wanted


async def test_links_keep_filters_percent_encoded_and_leave_default_dates_out(
    world: World,
) -> None:
    customer = await world.customer()
    await place(world, customer)
    await place(world, customer)
    params = [("reference-order-id", ""), ("end-date", "2025-07-07T18:00:00Z"), ("limit", "1")]
    page = (await history(world, customer, params)).ok(200)
    uri = page["links"]["next"]["uri"]
    assert uri.endswith("?end-date=2025-07-07T18%3A00%3A00Z&limit=1&offset=1")
    assert len((await world.get(uri)).ok(200)["items"]) == 1


@pytest.mark.proves("S-174", "S-037")
async def test_items_are_orders_with_links_and_references(world: World) -> None:
    customer = await world.customer()
    await place(world, customer, externalReferenceId="same")
    await place(world, customer, externalReferenceId="same")
    await place(world, customer)
    page = (await history(world, customer)).ok(200)
    assert [one["externalReferenceId"] for one in page["items"]] == ["", "same", "same"]
    for one in page["items"]:
        by_id = await world.read_order(customer, one["orderId"])
        assert by_id.body == {**one, "referencedOrderId": ""}
        assert one["links"]["self"]["uri"].endswith(f"/orders/{one['orderId']}")
        assert "pricingSummary" not in one


@pytest.mark.proves("S-086")
async def test_previews_are_not_listed(world: World) -> None:
    customer = await world.customer()
    (await world.preview(customer, line(A))).ok()
    assert await ids(world, customer) == []


@pytest.mark.proves("S-122", "orders.md 47")
async def test_prices_in_the_history(world: World) -> None:
    customer = await world.customer()
    await place(world, customer)
    await world.settlement("manual")
    await place(world, customer, E)
    page = (await history(world, customer, {"fetch-price": "TRUE"})).ok(200)
    waiting, done = page["items"]
    assert "pricingSummary" not in waiting
    assert str(done["pricingSummary"][0]["totalLineItemPrice"]) == "389.00"
    assert done["lineItems"][0]["proratedDays"] == 365
    assert ("fetch-price", "TRUE") in query(page["links"]["self"])
    await world.settle()
