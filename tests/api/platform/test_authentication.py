"""API key and bearer token on every call, and what credentials may do (platform.md 3, 4, 12)."""

import base64
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from seatledger.api.operations import Operation
from seatledger.api.table import OPERATIONS
from seatledger.clock import ManualClock
from tests.conftest import ADMIN_TOKEN, MakeWorld
from tests.harness import World, line, unique
from tests.wire import keys, put_credential, send, with_credential

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
CUSTOMER = "/v3/customers/1005999999"
NO_KEY = b'{"code":"4115","message":"Api Key is invalid or missing"}'
BAD_TOKEN = b'{"code":"4116","message":"Authorization token is invalid"}'
NO_TOKEN = b'{"code":"4117","message":"Authorization token is missing"}'
NOT_ALLOWED = (
    b'{"code":"4121","message":"You are not allowed to perform that action on this resource",'
    b'"additionalDetails":[]}'
)


async def answer(world: World, **headers: str | None) -> httpx.Response:
    """GET a customer with changed headers."""
    return await send(world.client, "GET", CUSTOMER, keys(world, **headers))


def is_let_in(response: httpx.Response) -> bool:
    """Whether a call came as far as its path ids."""
    return bool(response.status_code == 404 and response.json()["code"] == "1116")


def refused(response: httpx.Response, status: int, content: bytes) -> None:
    """Assert a refusal to the byte."""
    assert (response.status_code, response.content) == (status, content)
    assert response.headers["Content-Type"] == "application/json"
    challenge = response.headers.get("WWW-Authenticate")
    assert challenge == ("Bearer" if status == 401 else None)


@pytest.mark.proves("platform.md 5", "4115", "S-024", "S-060")
@pytest.mark.parametrize("key", [None, "", " ", "nobody", "x" * 500])
async def test_api_key(world: World, key: str | None) -> None:
    refused(await answer(world, X_Api_Key=key), 403, NO_KEY)


async def test_the_api_key_is_no_query_parameter(world: World) -> None:
    path = f"{CUSTOMER}?api_key={world.client_id}"
    refused(await send(world.client, "GET", path, keys(world, X_Api_Key=None)), 403, NO_KEY)


@pytest.mark.proves("platform.md 6", "4117", "S-023")
@pytest.mark.parametrize("value", [None, "", "  "])
async def test_token_missing(world: World, value: str | None) -> None:
    refused(await answer(world, Authorization=value), 403, NO_TOKEN)


@pytest.mark.proves("platform.md 6", "4116", "S-023", "S-059")
@pytest.mark.parametrize(
    "form",
    ["Bearer x", "Bearer", "Bearer a.b.c", "{token}", "Basic {token}", "Bearer  {token}",
     "Bearer\t{token}", "Bearer {token} {token}", "Token {token}"],
)  # fmt: skip
async def test_token_invalid(world: World, form: str) -> None:
    refused(await answer(world, Authorization=form.format(token=world.token)), 401, BAD_TOKEN)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "beaReR"])
async def test_the_scheme_has_no_letter_case(world: World, scheme: str) -> None:
    assert is_let_in(await answer(world, Authorization=f"{scheme} {world.token}"))


@pytest.mark.proves("platform.md 6", "4115")
async def test_a_token_of_another_key(new_world: MakeWorld, database_url: str) -> None:
    world, stranger = await new_world(), await new_world()
    refused(await answer(world, Authorization=f"Bearer {stranger.token}"), 403, NO_KEY)
    sibling = await with_credential(world, database_url)
    refused(await answer(world, Authorization=f"Bearer {sibling.token}"), 403, NO_KEY)
    assert is_let_in(await answer(sibling))


@pytest.mark.proves("4116")
async def test_forged_tokens(world: World, real_clock: ManualClock) -> None:
    now = int(real_clock.now().timestamp())
    claims = {"sub": world.client_id, "iat": now, "exp": now + 3600, "jti": "forged"}
    header, payload, signature = world.token.split(".")
    for token in (
        jwt.encode({"alg": "HS256"}, claims, OctKey.import_key("k" * 64)),
        f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{_segment(claims)}.",
        f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{payload}.{signature}",
        f"{header}.{_segment({**claims, 'exp': now + 10**9})}.{signature}",
        f"{header}.{_segment([])}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[::-1]}",
        f"{header}.{payload}",
        "é.é.é",
        "." * 1000,
    ):
        sent = [*keys(world, Authorization=None), ("Authorization", f"Bearer {token}")]
        raw = [(name.encode(), value.encode()) for name, value in sent]
        refused(await world.client.get(CUSTOMER, headers=raw), 401, BAD_TOKEN)


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.proves("4115", "4116")
async def test_headers_sent_twice(world: World) -> None:
    usual = keys(world)
    key, token, *_ = usual
    refused(await send(world.client, "GET", CUSTOMER, [*usual, key]), 403, NO_KEY)
    refused(await send(world.client, "GET", CUSTOMER, [*usual, token]), 401, BAD_TOKEN)
    empty = ("Authorization", "")
    refused(await send(world.client, "GET", CUSTOMER, [*usual, empty]), 401, BAD_TOKEN)


async def test_the_first_failing_check_answers(world: World) -> None:
    """Key, token, route, then headers, then the id in the path (platform.md 3)."""
    bad = {"Accept": "text/html", "X_Correlation_Id": None}
    unknown = "/v3/nothing"
    without = keys(world, X_Api_Key=None, Authorization="Bearer x", **bad)
    refused(await send(world.client, "GET", unknown, without), 403, NO_KEY)
    tokenless = keys(world, Authorization=None, **bad)
    refused(await send(world.client, "DELETE", CUSTOMER, tokenless), 403, NO_TOKEN)
    forged = keys(world, Authorization="Bearer x", **bad)
    refused(await send(world.client, "GET", unknown, forged), 401, BAD_TOKEN)
    refused(await send(world.client, "OPTIONS", CUSTOMER, forged), 401, BAD_TOKEN)
    known = keys(world, **bad)
    assert (await send(world.client, "GET", unknown, known)).json()["code"] == "404"
    assert (await send(world.client, "DELETE", CUSTOMER, known)).json()["code"] == "405"
    assert (await send(world.client, "GET", CUSTOMER, known)).json()["code"] == "406"
    odd_type = keys(world, X_Correlation_Id=None, Content_Type="text/plain")
    wrong = await send(world.client, "POST", f"{CUSTOMER}/orders", odd_type, content=b"x")
    assert wrong.json()["code"] == "415"
    plain = keys(world, X_Correlation_Id=None)
    assert (await send(world.client, "GET", CUSTOMER, plain)).json()["code"] == "4119"


async def test_a_disabled_credential_is_shut_out(
    world: World, database_url: str, real_clock: ManualClock
) -> None:
    other = await with_credential(world, database_url)
    assert is_let_in(await answer(other))
    await put_credential(other, database_url, other.client_id, other.secret, status="disabled")
    real_clock.advance(timedelta(seconds=5))
    refused(await answer(other), 401, BAD_TOKEN)
    assert is_let_in(await answer(world))


async def test_a_deleted_partner_is_unknown(new_world: MakeWorld) -> None:
    world = await new_world()
    assert is_let_in(await answer(world))
    gone = await world.call(
        "DELETE",
        f"/sandbox/partners/{world.distributor_id}",
        headers={"X-Admin-Token": ADMIN_TOKEN},
    )
    assert gone.status == 204
    refused(await answer(world), 403, NO_KEY)


def fill(path: str, ids: Mapping[str, str]) -> str:
    """A path of the table with ids in place."""
    return re.sub(r"\{([a-z-]+)\}", lambda match: ids[match[1]], path)


@pytest.fixture
async def ids(world: World) -> dict[str, str]:
    """One of everything in the world."""
    reseller = await world.reseller()
    customer = await world.customer(reseller, top={"globalSalesEnabled": True})
    placed = (await world.order(customer, line(OFFER, 3))).ok()
    seats = await world.seats(customer)
    return {
        "reseller-id": reseller,
        "customer-id": customer,
        "deployment-id": await world.deployment(customer),
        "order-id": str(placed["orderId"]),
        "subscription-id": str(seats[0]["subscriptionId"]),
    }


async def everything(world: World, ids: Mapping[str, str]) -> list[bytes]:
    """All that can be read."""
    reads = [one for one in OPERATIONS if one.method == "GET"]
    needed = {"/v3/flex-discounts": {"country": "US", "market-segment": "COM"}}
    return [
        (await world.get(fill(one.path, ids), params=needed.get(one.path))).ok(200).content
        for one in reads
    ]


@pytest.mark.proves("platform.md 29", "4121")
async def test_a_read_only_credential(world: World, database_url: str, ids: dict[str, str]) -> None:
    reader = await with_credential(world, database_url, role="read")
    before = await everything(world, ids)
    customer = ids["customer-id"]
    (await reader.order(customer, line(OFFER))).refused(403, "4121")
    (await reader.preview(customer, line(OFFER))).ok()
    placed = await world.read_order(customer, ids["order-id"])
    (await reader.give_back(customer, placed)).refused(403, "4121")
    assert await everything(reader, ids) == before


@pytest.mark.proves("4121")
@pytest.mark.parametrize("body", [b"", b"{}", b"[", b'{"orderType":"X"}', b'{"orderType":null}'])
async def test_only_previews_of_a_read_only_credential_are_looked_at(
    world: World, database_url: str, body: bytes
) -> None:
    reader = await with_credential(world, database_url, role="read")
    found = await reader.post("/v3/customers/1005999999/orders", content=body)
    found.refused(403, "4121")


@pytest.mark.proves("4121")
@pytest.mark.parametrize(
    "operation",
    [one for one in OPERATIONS if one.access == "write"],
    ids=lambda one: f"{one.method} {one.path}",
)
async def test_writes_of_a_read_only_credential(
    world: World, database_url: str, operation: Operation
) -> None:
    reader = await with_credential(world, database_url, role="read")
    unknown = dict.fromkeys(re.findall(r"\{([a-z-]+)\}", operation.path), "99999999")
    path = fill(operation.path, unknown)
    for content in (b"{}", b"", b"not json"):
        found = await reader.call(operation.method, path, content=content)
        assert (found.status, found.content) == (403, NOT_ALLOWED)


def test_every_write_is_refused_to_readers() -> None:
    preview = [one.path for one in OPERATIONS if one.access == "preview"]
    assert preview == ["/v3/customers/{customer-id}/orders"]
    reads = [one.path for one in OPERATIONS if one.access == "read" and one.method != "GET"]
    assert reads == ["/v3/pricelist"]
    assert all(one.access == "read" for one in OPERATIONS if one.method == "GET")


@pytest.mark.proves("4121")
async def test_a_suspended_credential_may_do_nothing(
    world: World, database_url: str, ids: dict[str, str]
) -> None:
    other = await with_credential(world, database_url, status="suspended")
    for operation in OPERATIONS:
        body: Any = None if operation.method == "GET" else {}
        found = await other.call(operation.method, fill(operation.path, ids), body)
        assert (found.status, found.content) == (403, NOT_ALLOWED), operation.path
    preview = await other.preview(ids["customer-id"], line(OFFER))
    preview.refused(403, "4121")


async def test_a_refusal_of_permission_is_not_stored(world: World, database_url: str) -> None:
    reader = await with_credential(world, database_url, role="read")
    customer, correlation_id = await world.customer(), unique("intent")
    path, body = (
        f"/v3/customers/{customer}/orders",
        {
            "orderType": "NEW",
            "currencyCode": "USD",
            "lineItems": [line(OFFER)],
        },
    )
    (await reader.post(path, body, correlation_id=correlation_id)).refused(403, "4121")
    accepted = (await world.post(path, body, correlation_id=correlation_id)).ok()
    assert "Seatledger-Replayed" not in accepted.headers
