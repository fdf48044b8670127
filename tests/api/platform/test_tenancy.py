"""Nobody sees, changes or notices what belongs to another partner (platform.md 12)."""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pytest

from seatledger.api.operations import Operation
from seatledger.api.table import OPERATIONS
from tests.conftest import MakeWorld
from tests.harness import Reply, World, line, order, profile, unique
from tests.tenants import UNKNOWN, fill, seen, stored

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
UNKNOWN_CODE = {  # per route: what an unknown id in the path answers
    "/v3/resellers/{reseller-id}": "1115",
    "/v3/customers/{customer-id}": "1116",
    "/v3/customers/{customer-id}/deployments": "1116",
    "/v3/customers/{customer-id}/flex-discounts": "1116",
    "/v3/customers/{customer-id}/deployments/{deployment-id}": "1116",
    "/v3/customers/{customer-id}/orders": "1116",
    "/v3/customers/{customer-id}/orders/{order-id}": "2115",
    "/v3/customers/{customer-id}/subscriptions": "1116",
    "/v3/customers/{customer-id}/subscriptions/{subscription-id}": "3115",
}
WITH_IDS = [one for one in OPERATIONS if "{" in one.path]
EVERY = pytest.mark.parametrize(
    "operation", WITH_IDS, ids=[f"{one.method} {one.path}" for one in WITH_IDS]
)
Ids = dict[str, str]


async def furnish(world: World) -> Ids:
    """One of everything in a world."""
    reseller = await world.reseller()
    customer = await world.customer(reseller, top={"globalSalesEnabled": True})
    placed = (await world.order(customer, line(OFFER, 3))).ok()
    (seats,) = await world.seats(customer)
    return {
        "reseller-id": reseller,
        "customer-id": customer,
        "deployment-id": await world.deployment(customer),
        "order-id": str(placed["orderId"]),
        "subscription-id": str(seats["subscriptionId"]),
    }


@pytest.fixture
async def stranger(new_world: MakeWorld) -> World:
    """Another partner."""
    return await new_world()


@pytest.fixture
async def foreign(stranger: World) -> Ids:
    """One of everything of the other partner."""
    return await furnish(stranger)


@pytest.fixture
async def own(world: World) -> Ids:
    """One of everything of the caller."""
    return await furnish(world)


def bodies(operation: Operation) -> Iterator[Any]:
    """Valid bodies for a write, nothing for a read."""
    if operation.method == "GET":
        yield None
        return
    company = profile(marketSegments=["COM"])
    plain = profile()
    address = {"country": "DE", "region": "SN", "city": "Dresden", "addressLine1": "Weg 1",
               "postalCode": "01067"}  # fmt: skip
    of_path: dict[str, list[dict[str, Any]]] = {
        "/v3/resellers/{reseller-id}": [{"companyProfile": company}],
        "/v3/customers/{customer-id}": [{"companyProfile": plain}],
        "/v3/customers/{customer-id}/deployments": [{"companyProfile": {"address": address}}],
        "/v3/customers/{customer-id}/deployments/{deployment-id}": [
            {"companyProfile": {"address": address}},
            {"status": "1004"},
        ],
        "/v3/customers/{customer-id}/orders": [
            order(line(OFFER)),
            order(line(OFFER), orderType="PREVIEW"),
            order(line(OFFER, 3), orderType="RETURN", referenceOrderId="9200000001"),
        ],
        "/v3/customers/{customer-id}/orders/{order-id}": [{"externalReferenceId": "stolen"}],
        "/v3/customers/{customer-id}/subscriptions": [
            {"offerId": OFFER, "autoRenewal": {"renewalQuantity": 1}, "currencyCode": "USD"}
        ],
        "/v3/customers/{customer-id}/subscriptions/{subscription-id}": [
            {"autoRenewal": {"enabled": False}}
        ],
    }
    yield from of_path[operation.path]
    yield {}
    yield {"unexpected": 1}


async def answers(world: World, operation: Operation, ids: Mapping[str, str]) -> list[Reply]:
    """What a route says to ids, for every body."""
    path = fill(operation.path, ids)
    found = [await world.call(operation.method, path, body) for body in bodies(operation)]
    if operation.method == "GET":
        found.append(await world.call("HEAD", path))
        found.append(await world.get(path, params={"limit": "0", "fetch-price": "x"}))
    return found


def mixtures(operation: Operation, own: Ids, other: Ids) -> Iterator[Ids]:
    """Every way to fill a path with own and other ids, except all own."""
    names = re.findall(r"\{([a-z-]+)\}", operation.path)
    for choice in product((own, other), repeat=len(names)):
        ids = {name: source[name] for name, source in zip(names, choice, strict=True)}
        if ids != {name: own[name] for name in names}:
            yield ids


@pytest.mark.proves("platform.md 27", "1115", "1116", "2115", "3115", "2138")
@EVERY
async def test_foreign_ids_are_unknown_ids(
    world: World, stranger: World, own: Ids, foreign: Ids, operation: Operation, database_url: str
) -> None:
    theirs = await stored(database_url, stranger)
    foreign_paths = list(mixtures(operation, own, foreign))
    unknown_paths = list(mixtures(operation, own, UNKNOWN))
    for to_foreign, to_unknown in zip(foreign_paths, unknown_paths, strict=True):
        got = await answers(world, operation, to_foreign)
        expected = await answers(world, operation, to_unknown)
        assert [seen(one) for one in got] == [seen(one) for one in expected]
        assert {one.status for one in got} == {404}
    assert await stored(database_url, stranger) == theirs


@pytest.mark.proves("platform.md 27")
@EVERY
async def test_unknown_ids_answer_the_code_of_their_resource(
    world: World, operation: Operation
) -> None:
    for reply in await answers(world, operation, UNKNOWN):
        if reply.content:
            reply.refused(404, UNKNOWN_CODE[operation.path])


@pytest.mark.proves("platform.md 27")
async def test_reading_what_belongs_to_another(world: World, own: Ids, foreign: Ids) -> None:
    customer, theirs = own["customer-id"], foreign["customer-id"]
    for tail, code in (
        ("", "1116"),
        (f"/orders/{foreign['order-id']}", "2115"),
        (f"/subscriptions/{foreign['subscription-id']}", "3115"),
        (f"/deployments/{foreign['deployment-id']}", "1116"),
    ):
        (await world.get(f"/v3/customers/{theirs}{tail}")).refused(404, code)
    deployment = foreign["deployment-id"]
    (await world.get(f"/v3/customers/{customer}/deployments/{deployment}")).refused(404, "2138")


@EVERY
async def test_own_ids_are_let_in(world: World, own: Ids, operation: Operation) -> None:
    """The counterpart, without which the tests above would prove nothing."""
    first = (await answers(world, operation, own))[0]
    # A name is protected, and a term is not open for the next one yet.
    assert first.status in (200, 201) or first.code in ("1119", "3122"), first.body


# --- ids within bodies -----------------------------------------------------------------------


async def same_answer(world: World, path: str, *bodies: dict[str, Any]) -> Reply:
    """Assert that bodies with a foreign and an unknown id are answered alike; that answer."""
    replies = [await world.post(path, body) for body in bodies]
    assert len({str(seen(one)) for one in replies}) == 1
    return replies[0]


@pytest.mark.proves("1114", "1115")
async def test_foreign_accounts_in_bodies(world: World, stranger: World, foreign: Ids) -> None:
    company = profile(marketSegments=["COM"])
    bodies = [
        {"distributorId": one, "companyProfile": company}
        for one in (stranger.distributor_id, "99999999")
    ]
    found = await same_answer(world, "/v3/resellers", *bodies)
    found.refused(400, "1114", "distributorId")
    customers = [
        {"resellerId": one, "companyProfile": profile()}
        for one in (foreign["reseller-id"], UNKNOWN["reseller-id"])
    ]
    found = await same_answer(world, "/v3/customers", *customers)
    assert (found.status, found.code) == (404, "1115")


@pytest.mark.proves("2115", "2138")
@pytest.mark.parametrize("order_type", ["NEW", "PREVIEW", "RETURN"])
async def test_foreign_ids_in_orders(world: World, own: Ids, foreign: Ids, order_type: str) -> None:
    path = f"/v3/customers/{own['customer-id']}/orders"
    reference = {"referenceOrderId": own["order-id"]} if order_type == "RETURN" else {}

    def on_deployment(deployment_id: str) -> dict[str, Any]:
        one = line(OFFER, 3, deploymentId=deployment_id, currencyCode="EUR")
        return {"orderType": order_type, "lineItems": [one], **reference}

    found = await same_answer(
        world, path, *(on_deployment(one["deployment-id"]) for one in (foreign, UNKNOWN))
    )
    assert found.status in (400, 404)
    if order_type != "RETURN":
        assert found.code == "2138"
        return
    returns = [
        order(line(OFFER, 3), orderType="RETURN", referenceOrderId=one)
        for one in (foreign["order-id"], UNKNOWN["order-id"])
    ]
    found = await same_answer(world, path, *returns)
    found.refused(404, "2115")


async def test_ids_of_a_sibling_customer_are_unknown_too(world: World, own: Ids) -> None:
    sibling = await furnish(world)
    path = f"/v3/customers/{own['customer-id']}"
    for tail, code in (
        (f"/orders/{sibling['order-id']}", "2115"),
        (f"/subscriptions/{sibling['subscription-id']}", "3115"),
        (f"/deployments/{sibling['deployment-id']}", "2138"),
    ):
        (await world.get(path + tail)).refused(404, code)
    body = order(line(OFFER, 3), orderType="RETURN", referenceOrderId=sibling["order-id"])
    (await world.post(f"{path}/orders", body)).refused(404, "2115")


# --- filters, replays, request ids -----------------------------------------------------------


@pytest.mark.parametrize("name", ["reseller-id", "reference-order-id", "subscription-id"])
async def test_foreign_filters_match_nothing(
    world: World, own: Ids, foreign: Ids, name: str
) -> None:
    path = f"/v3/customers/{own['customer-id']}/orders"
    value = foreign.get(name, foreign["order-id"])
    found = (await world.get(path, params={name: value})).ok(200)
    assert (found["totalCount"], found["items"]) == (0, [])


async def test_correlation_and_request_ids_are_the_partners_own(
    world: World, stranger: World, own: Ids, foreign: Ids
) -> None:
    headers: dict[str, str | None] = {"X-Request-Id": "request-1", "X-Correlation-Id": "intent-1"}
    made = []
    for one in (world, stranger):
        body = {
            "distributorId": one.distributor_id,
            "companyProfile": profile(marketSegments=["COM"]),
        }
        made.append((await one.post("/v3/resellers", body, headers=headers)).ok())
    assert made[0]["resellerId"] != made[1]["resellerId"]
    assert not any("Seatledger-Replayed" in one.headers for one in made)


async def test_a_foreign_customers_answers_are_not_replayed(
    world: World, stranger: World, foreign: Ids
) -> None:
    path, correlation_id = f"/v3/customers/{foreign['customer-id']}/orders", unique("intent")
    body = order(line(OFFER))
    (await stranger.post(path, body, correlation_id=correlation_id)).ok()
    found = await world.post(path, body, correlation_id=correlation_id)
    found.refused(404, "1116")
    assert "Seatledger-Replayed" not in found.headers


async def test_ids_are_never_shared(own: Ids, foreign: Ids) -> None:
    assert not set(own.values()) & set(foreign.values())


async def test_the_control_api_acts_on_its_caller_alone(
    world: World, stranger: World, foreign: Ids, database_url: str
) -> None:
    before = await stored(database_url, stranger)
    for path in (
        f"/sandbox/customers/{foreign['customer-id']}",
        f"/sandbox/resellers/{foreign['reseller-id']}",
        f"/sandbox/customers/{foreign['customer-id']}/orders/{foreign['order-id']}",
    ):
        assert (await world.patch(path, {"status": "1004"})).status == 404
    (await world.post("/sandbox/reset")).ok(200)
    (await world.post("/sandbox/clock/advance", {"days": 10})).ok(200)
    assert await stored(database_url, stranger) == before
    assert (await stranger.get("/sandbox/clock")).ok(200)["now"] == "2025-07-07T18:00:00Z"
