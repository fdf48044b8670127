"""Refusals before any rule: routes, methods, sizes, and the envelope of them all (platform.md)."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from seatledger.api.table import OPERATIONS
from seatledger.contract import limits
from tests.harness import World, line, order
from tests.wire import TOKEN_PATH, application, elsewhere, keys, listening, send

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
CUSTOMER = "/v3/customers/1005999999"
MEBIBYTE = 1024 * 1024
NOT_FOUND = b'{"code":"404","message":"Resource not found","additionalDetails":[]}'
NOT_OFFERED = b'{"code":"405","message":"Method not allowed","additionalDetails":[]}'
TOO_LARGE = b'{"code":"413","message":"Request body too large","additionalDetails":[]}'
TOO_LONG = b'{"code":"414","message":"URI too long","additionalDetails":[]}'
TOO_MANY_HEADERS = (
    b'{"code":"431","message":"Request header fields too large","additionalDetails":[]}'
)
BROKEN = b'{"code":"1124","message":"Internal Server Error","additionalDetails":[]}'


def refused(response: httpx.Response, status: int, content: bytes) -> None:
    """Assert a refusal to the byte, as JSON."""
    assert (response.status_code, response.content) == (status, content)
    assert response.headers["Content-Type"] == "application/json"


# --- routes and methods ----------------------------------------------------------------------


@pytest.mark.proves("platform.md 24", "404")
@pytest.mark.parametrize(
    "path",
    [
        "/v3/nothing", "/v3", "/", "/v2/customers/1005999999", "/V3/customers/1005999999",
        "/v3/Customers/1005999999", "/v3/customers/1005999999/", "/v3/customers/",
        "/v3/customers//orders", "/v3/customers/1005999999/orders/", "/v3/resellers%0A",
        "/v3/pricelists", "/metrics/x", "/livez/x", "/livezzz", "/sandboxes", "/favicon.ico",
    ],
)  # fmt: skip
async def test_unknown_routes(world: World, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        refused(await send(world.client, method, path, keys(world)), 404, NOT_FOUND)
    without = await send(world.client, "GET", path, keys(world, X_Api_Key=None))
    assert (without.status_code, without.json()["code"]) == (403, "4115")


async def test_a_trailing_slash_is_no_redirect(world: World) -> None:
    customer = await world.customer()
    found = await world.post(f"/v3/customers/{customer}/orders/", order(line(OFFER)))
    assert (found.status, found.content) == (404, NOT_FOUND)
    assert "Location" not in found.headers


async def test_a_base_address_may_end_in_a_slash(world: World) -> None:
    customer = await world.customer()
    read = await send(
        world.client, "GET", f"http://testserver//v3/customers/{customer}", keys(world)
    )
    assert read.json()["customerId"] == customer
    fields = {
        "grant_type": "client_credentials",
        "client_id": world.client_id,
        "client_secret": world.secret,
        "scope": "openid",
    }
    token = await elsewhere(world.client).post(f"http://testserver/{TOKEN_PATH}", data=fields)
    assert token.status_code == 200


@pytest.mark.proves("platform.md 24", "405")
async def test_methods_that_are_not_offered(world: World) -> None:
    by_path: dict[str, set[str]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, set()).add(operation.method)
    for pattern, offered in by_path.items():
        path = re.sub(r"\{.*?\}", "99999999", pattern)
        allowed = offered | {"OPTIONS"} | ({"HEAD"} if "GET" in offered else set())
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - allowed:
            response = await send(world.client, method, path, keys(world))
            assert response.headers["Allow"] == ", ".join(sorted(allowed))
            refused(response, 405, b"" if method == "HEAD" else NOT_OFFERED)
        options = await send(world.client, "OPTIONS", path, keys(world))
        assert (options.status_code, options.content) == (204, b"")
        assert options.headers["Allow"] == ", ".join(sorted(allowed))


@pytest.mark.proves("platform.md 24")
async def test_delete_of_a_customer(world: World) -> None:
    response = await send(world.client, "DELETE", "/v3/customers/1", keys(world))
    refused(response, 405, NOT_OFFERED)
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS, PATCH"


@pytest.mark.parametrize("path", ["/ping", "/livez", "/readyz", TOKEN_PATH])
async def test_other_methods_of_open_paths(client: httpx.AsyncClient, path: str) -> None:
    refused(await client.delete(path), 405, NOT_OFFERED)
    options = await client.options(path)
    assert (options.status_code, options.content) == (204, b"")


async def test_cross_origin_answers_are_off(world: World) -> None:
    sent = [*keys(world), ("Origin", "https://example.com"),
            ("Access-Control-Request-Method", "GET")]  # fmt: skip
    for method in ("GET", "OPTIONS"):
        response = await send(world.client, method, CUSTOMER, sent)
        assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("customer_id", "code"),
    [
        ("1005%2Forders", "1116"), ("%2F", "1116"), ("abc", "1116"), ("x" * 41, "1116"),
        ("a.b.c.d", "1116"), ("1005%0A99", "1116"), ("1005%00", "1116"), ("%FF%FE%FF%FE", "1116"),
        ("'; DROP TABLE orders", "1116"), ("%25%32%46", "1116"), ("кириллица", "1116"),
    ],
)  # fmt: skip
async def test_ids_that_nobody_can_have(world: World, customer_id: str, code: str) -> None:
    """Unknown, never malformed; what is encoded is decoded once and ends no segment."""
    for path in (f"/v3/customers/{customer_id}", f"/v3/customers/{customer_id}/orders"):
        (await world.get(path)).refused(404, code)


async def test_an_encoded_slash_leads_nowhere(world: World) -> None:
    customer = await world.customer()
    (await world.get(f"/v3/customers/{customer}%2Forders")).refused(404, "1116")
    (await world.get(f"/v3%2Fcustomers/{customer}")).refused(404, "404")
    assert (await world.get(f"/v3/customers/{customer[:-1]}%3{customer[-1]}")).status == 200


# --- sizes -----------------------------------------------------------------------------------


@pytest.mark.proves("414")
async def test_request_targets(world: World) -> None:
    path = CUSTOMER + "?x=" + "y" * (8192 - len(CUSTOMER) - 3)
    assert (await world.get(path)).code == "1116"
    refused(await send(world.client, "GET", path + "y"), 414, TOO_LONG)
    bare = "/v3/" + "y" * 8188
    refused(await send(world.client, "GET", bare, keys(world)), 404, NOT_FOUND)
    refused(await send(world.client, "GET", bare + "y", keys(world)), 414, TOO_LONG)


@pytest.mark.proves("431")
async def test_header_sizes(world: World) -> None:
    large = [*keys(world), ("X-Large", "y" * 31_000)]
    assert (await send(world.client, "GET", CUSTOMER, large)).json()["code"] == "1116"
    many = [("X-Large", "y" * 31_000), ("X-More", "y" * 2_000)]
    refused(await send(world.client, "GET", CUSTOMER, many), 431, TOO_MANY_HEADERS)


@pytest.mark.proves("413")
async def test_declared_body_sizes(world: World) -> None:
    exact, beyond = b" " * (2 * MEBIBYTE), b" " * (2 * MEBIBYTE + 1)
    (await world.post("/v3/resellers", content=exact)).refused(400, "400")
    found = await world.post("/v3/resellers", content=beyond)
    assert (found.status, found.content) == (413, TOO_LARGE)
    unknown = await send(world.client, "POST", "/v3/resellers", content=beyond)
    refused(unknown, 413, TOO_LARGE)  # before the missing key


@pytest.mark.proves("413")
async def test_streamed_body_sizes(world: World) -> None:
    produced = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal produced
        while True:
            produced += 65536
            yield b" " * 65536

    sent = keys(world, Content_Type="application/json")
    response = await send(world.client, "POST", "/v3/resellers", sent, content=endless())
    refused(response, 413, TOO_LARGE)
    assert produced <= 2 * MEBIBYTE + 2 * 65536


@pytest.mark.proves("platform.md 23", "413")
async def test_a_large_body_is_refused_before_it_is_sent(client: httpx.AsyncClient) -> None:
    async with listening(application(client)) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /v3/resellers HTTP/1.1\r\nHost: x\r\nContent-Length: 2097153\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(len(TOO_LARGE))
        writer.close()
    assert head.startswith(b"HTTP/1.1 413 ")
    assert body == TOO_LARGE


async def test_a_body_that_does_not_arrive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CALL_SECONDS", 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    sent = keys(world, Content_Type="application/json")
    response = await send(world.client, "POST", "/v3/resellers", sent, content=stalled())
    assert (response.status_code, response.json()["code"]) == (503, "503")


# --- our own faults --------------------------------------------------------------------------


async def _broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("secret detail")


BREAKAGES = {
    "in a handler": "seatledger.store.accounts.customer",
    "at the gate": "seatledger.engine.credentials.Credentials.find",
}


@pytest.mark.proves("1124")
@pytest.mark.parametrize("target", BREAKAGES.values(), ids=BREAKAGES.keys())
async def test_our_own_faults(world: World, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.setattr(target, _broken)
    path = "/v3/customers/1005999999/orders"
    sent = keys(world, X_Request_Id="request-1", X_Correlation_Id="intent-1")
    response = await send(world.client, "GET", path, sent)
    monkeypatch.undo()
    refused(response, 500, BROKEN)
    assert response.headers["X-Request-Id"] == "request-1"
    assert response.headers["X-Correlation-Id"] == "intent-1"


@pytest.mark.proves("1124")
async def test_faults_of_open_paths_have_the_envelope_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatledger.engine.credentials.Credentials.read", _broken)
    monkeypatch.setattr("seatledger.engine.credentials.Credentials.find", _broken)
    data = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "x"}
    token = await elsewhere(world.client).post(TOKEN_PATH, data=data)
    ping = await send(world.client, "GET", "/ping", keys(world))
    control = await send(world.client, "GET", "/sandbox", keys(world))
    monkeypatch.undo()
    for response in (token, ping, control):
        refused(response, 500, BROKEN)


# --- over a real connection ------------------------------------------------------------------


@pytest.fixture
async def served(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the same application behind a real server."""
    async with (
        listening(application(client)) as (host, port),
        httpx.AsyncClient(base_url=f"http://{host}:{port}") as opened,
    ):
        yield opened


async def test_head_is_get_without_a_body(world: World, served: httpx.AsyncClient) -> None:
    customer = await world.customer()
    for path in (f"/v3/customers/{customer}", CUSTOMER, "/v3/nothing", "/ping", "/sandbox"):
        sent = keys(world, X_Request_Id="request-1", X_Correlation_Id="intent-1")
        got = await send(served, "GET", path, sent)
        head = await send(served, "HEAD", path, sent)
        assert head.content == b""
        assert head.status_code == got.status_code
        assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


async def test_answers_have_date_and_length(world: World, served: httpx.AsyncClient) -> None:
    calls: list[Callable[[], Awaitable[httpx.Response]]] = [
        lambda: send(served, "GET", CUSTOMER, keys(world)),
        lambda: send(served, "GET", CUSTOMER),
        lambda: send(served, "POST", TOKEN_PATH),
        lambda: send(served, "GET", "/livez"),
    ]
    for call in calls:
        response = await call()
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", response.headers["Date"])
        assert response.headers["Content-Length"] == str(len(response.content))
        assert "Server" not in response.headers


async def test_a_double_slash_over_a_real_connection(
    world: World, served: httpx.AsyncClient
) -> None:
    response = await send(served, "GET", f"{served.base_url}/{CUSTOMER}", keys(world))
    assert response.json()["code"] == "1116"
