"""Request and response headers (platform.md 4)."""

import gzip
import re
import uuid

import httpx
import pytest

from seatledger.api.table import OPERATIONS
from tests.harness import World, line, order, unique
from tests.wire import elsewhere, keys, send

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
CUSTOMER = "/v3/customers/1005999999"
NO_CORRELATION = (
    b'{"code":"4119","message":"Correlation ID is Invalid or Missing","additionalDetails":[]}'
)
NOT_ACCEPTABLE = b'{"code":"406","message":"Not acceptable","additionalDetails":[]}'
UNSUPPORTED = b'{"code":"415","message":"Unsupported media type","additionalDetails":[]}'
SECURITY = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


async def read(world: World, **headers: str | None) -> httpx.Response:
    """GET a customer nobody has: 1116 when the headers are right."""
    return await send(world.client, "GET", CUSTOMER, keys(world, **headers))


def code(response: httpx.Response) -> str:
    """The error code."""
    return str(response.json()["code"])


@pytest.mark.proves("platform.md 8", "4119")
@pytest.mark.parametrize(
    "value", [None, "", "   ", "x" * 256, "tab\there", "caf\xe9", "snow\u2603", "nul\x00"]
)
async def test_bad_correlation_ids(world: World, value: str | None) -> None:
    usual = keys(world, X_Correlation_Id=None)
    pairs = [*usual] if value is None else [*usual, ("X-Correlation-Id", value)]
    raw = [(name.encode(), text.encode()) for name, text in pairs]
    response = await world.client.get(CUSTOMER, headers=raw)
    assert (response.status_code, response.content) == (400, NO_CORRELATION)
    assert "X-Correlation-Id" not in response.headers


@pytest.mark.proves("platform.md 8")
@pytest.mark.parametrize(
    "value",
    ["x", "x" * 255, "Renewal of order 4711, line 2", "9" * 64, "a_b_1", "~!#$%^&*()<>{}[]\"'\\"],
)
async def test_any_printable_correlation_id(world: World, value: str) -> None:
    response = await read(world, X_Correlation_Id=value)
    assert code(response) == "1116"
    assert response.headers["X-Correlation-Id"] == value


async def test_blanks_around_an_id_are_not_part_of_it(world: World) -> None:
    response = await read(world, X_Correlation_Id="  a b ", X_Request_Id=" c d  ")
    assert code(response) == "1116"
    assert response.headers["X-Correlation-Id"] == "a b"
    assert response.headers["X-Request-Id"] == "c d"


@pytest.mark.proves("4119", "S-017")
async def test_every_operation_wants_a_correlation_id(world: World) -> None:
    for operation in OPERATIONS:
        path = re.sub(r"\{.*?\}", "99999999", operation.path)
        content = None if operation.method == "GET" else b"{}"
        found = await world.call(
            operation.method, path, content=content, headers={"X-Correlation-Id": None}
        )
        assert (found.status, found.content) == (400, NO_CORRELATION), operation.path


@pytest.mark.proves("4119", "1117")
async def test_ids_sent_twice(world: World) -> None:
    usual = keys(world)
    for name, expected in (("X-Correlation-Id", "4119"), ("X-Request-Id", "1117")):
        twice = [*usual, (name, "a"), (name, "a")]
        response = await send(world.client, "GET", CUSTOMER, twice)
        assert (response.status_code, code(response)) == (400, expected)


@pytest.mark.proves("1117")
@pytest.mark.parametrize("value", ["", "  ", "x" * 256, "caf\xe9", "a\tb"])
async def test_bad_request_ids(world: World, value: str) -> None:
    raw = [(name.encode(), text.encode()) for name, text in keys(world, X_Request_Id=value)]
    customer = await world.customer()
    path = f"/v3/customers/{customer}/orders"
    for method, content in (("GET", None), ("POST", b"{}")):
        response = await world.client.request(
            method, path, headers=[*raw, (b"Content-Type", b"application/json")], content=content
        )
        assert response.status_code == 400
        assert response.content == (
            b'{"code":"1117","message":"Some Fields are Invalid",'
            b'"additionalDetails":["X-Request-Id"]}'
        )
        assert uuid.UUID(response.headers["X-Request-Id"]).version == 4


@pytest.mark.proves("S-014", "S-015")
async def test_request_ids_are_echoed_or_made(world: World) -> None:
    own = await read(world, X_Request_Id="my request no. 1")
    assert own.headers["X-Request-Id"] == "my request no. 1"
    made = {(await read(world)).headers["X-Request-Id"] for _ in range(3)}
    assert len(made) == 3
    assert all(uuid.UUID(one).version == 4 for one in made)


@pytest.mark.parametrize(
    "changes",
    [
        {"X_Api_Key": None},
        {"Authorization": None},
        {"Authorization": "Bearer x"},
        {"Accept": "text/html"},
    ],
)
async def test_refusals_echo_both_ids(world: World, changes: dict[str, str | None]) -> None:
    sent = keys(world, X_Request_Id="request-1", X_Correlation_Id="intent-1", **changes)
    for method, path in (("GET", CUSTOMER), ("GET", "/v3/nothing"), ("DELETE", CUSTOMER)):
        response = await send(world.client, method, path, sent)
        assert response.headers["X-Request-Id"] == "request-1"
        assert response.headers["X-Correlation-Id"] == "intent-1"


@pytest.mark.proves("platform.md 9", "S-021")
@pytest.mark.parametrize(
    "value",
    [
        None, "", "*/*", "application/*", "application/json", "APPLICATION/JSON",
        "application/json;charset=utf-8", "text/html, */*;q=0.1", "application/json;q=0.001",
        "text/html;q=1,application/json;q=0.5", "text/plain, */*",
    ],
)  # fmt: skip
async def test_accept_that_admits_json(world: World, value: str | None) -> None:
    assert code(await read(world, Accept=value)) == "1116"


@pytest.mark.proves("platform.md 9", "406", "S-021")
@pytest.mark.parametrize(
    "value",
    [
        "text/html", "application/xml", "application/json;q=0", "*/*; q=0.0",
        "application/json;q=0, */*", "text/html, application/*; q=0", "application/jsonp",
    ],
)  # fmt: skip
async def test_accept_that_excludes_json(world: World, value: str) -> None:
    response = await read(world, Accept=value)
    assert (response.status_code, response.content) == (406, NOT_ACCEPTABLE)


@pytest.mark.proves("platform.md 9")
async def test_orders_without_accept(world: World) -> None:
    customer = await world.customer()
    accepted = await world.order(customer, line(OFFER), headers={"Accept": None})
    assert accepted.status == 201


@pytest.mark.proves("platform.md 9", "415", "S-022")
@pytest.mark.parametrize(
    "sent",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/vnd.api+json"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br"},
    ],
)
async def test_content_types_that_are_not_json(world: World, sent: dict[str, str]) -> None:
    content = gzip.compress(b"{}") if sent.get("Content-Encoding") == "gzip" else b"{}"
    for method in ("POST", "PATCH"):
        path = "/v3/resellers" if method == "POST" else "/v3/resellers/1000999999"
        found = await world.call(method, path, content=content, headers=sent)
        assert (found.status, found.content) == (415, UNSUPPORTED)


@pytest.mark.proves("platform.md 9")
@pytest.mark.parametrize(
    "value",
    [
        "application/json; charset=UTF-8", "application/json;charset=utf-8", "Application/JSON",
        'application/json; charset="utf-8"', "application/json",
    ],
)  # fmt: skip
async def test_content_types_that_are_json(world: World, value: str) -> None:
    customer = await world.customer()
    accepted = await world.order(customer, line(OFFER), headers={"Content-Type": value})
    assert accepted.status == 201


async def test_content_type_counts_on_bodies_of_writes_alone(world: World) -> None:
    odd = {"Content-Type": "text/plain"}
    assert (await world.get(CUSTOMER, headers=odd)).code == "1116"
    assert (await world.get(CUSTOMER, content=b"x", headers=odd)).code == "1116"
    (await world.post("/v3/resellers", content=b"", headers=odd)).refused(
        400, "1122", "distributorId", "companyProfile"
    )


async def test_a_recommendation_tracker_is_accepted(world: World) -> None:
    customer = await world.customer()
    headers = {"x-recommendation-tracker-id": "tracker-1"}
    (await world.order(customer, line(OFFER), headers=headers)).ok()


async def test_header_names_have_no_letter_case(world: World) -> None:
    for change in (str.lower, str.upper):
        sent = [(change(name), value) for name, value in keys(world)]
        assert code(await send(world.client, "GET", CUSTOMER, sent)) == "1116"


async def answers(world: World) -> list[httpx.Response]:
    """Answers of every kind."""
    customer = await world.customer()
    usual = keys(world)
    body = order(line(OFFER))
    client = world.client
    return [
        await send(client, "GET", f"/v3/customers/{customer}", usual),
        await send(client, "POST", f"/v3/customers/{customer}/orders", usual, json=body),
        await send(client, "POST", f"/v3/customers/{customer}/orders", usual, json=body),
        await send(client, "GET", CUSTOMER, usual),
        await send(client, "GET", CUSTOMER),
        await send(client, "GET", "/v3/nothing", usual),
        await send(client, "DELETE", CUSTOMER, usual),
        await send(client, "OPTIONS", CUSTOMER, usual),
        await send(client, "GET", "/ping", usual),
        await send(client, "GET", "/ping"),
        await send(client, "GET", "/livez"),
        await send(client, "GET", "/readyz"),
        await send(client, "POST", "/ims/token/v3"),
        await send(client, "GET", "/ims/token/v3"),
        await send(client, "GET", "/sandbox", usual),
    ]


async def test_security_headers_are_on_every_answer(world: World) -> None:
    for response in await answers(world):
        found = {name: response.headers.get(name) for name in SECURITY}
        assert found == SECURITY, response.request.url
        assert response.headers["X-Request-Id"]
        assert "Strict-Transport-Security" not in response.headers
        for never in ("Set-Cookie", "ETag", "Location", "Server"):
            assert never not in response.headers


async def test_answers_over_tls_ask_for_tls(world: World) -> None:
    world.client = elsewhere(world.client, "https://testserver")
    for response in await answers(world):
        assert response.headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_content_types_of_answers(world: World) -> None:
    for response in await answers(world):
        plain = response.request.url.path in ("/livez", "/readyz") or response.text == "pong"
        expected = "text/plain; charset=utf-8" if plain else "application/json"
        assert response.headers["Content-Type"] == expected
        if response.status_code != 204:
            assert response.headers["Content-Length"] == str(len(response.content))


async def test_large_answers_are_compressed_for_those_who_can(world: World) -> None:
    customer = await world.customer()
    for _ in range(3):
        (await world.order(customer, line(OFFER))).ok()
    large, small = f"/v3/customers/{customer}/orders", f"/v3/customers/{customer}/deployments"

    async def get(path: str, encoding: str) -> httpx.Response:
        sent = keys(world, Accept_Encoding=encoding)
        return await send(world.client, "GET", path, sent)

    plain, packed = await get(large, "identity"), await get(large, "gzip")
    assert len(plain.content) > 1024
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"])
    assert packed.content == plain.content  # the client unpacks
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in (await get(small, "gzip")).headers


async def test_unknown_headers_do_not_matter(world: World) -> None:
    sent = [*keys(world), ("X-Unknown", unique()), ("Cookie", "a=b"), ("User-Agent", "client/1")]
    assert code(await send(world.client, "GET", CUSTOMER, sent)) == "1116"
