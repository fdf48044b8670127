"""What one caller can take from all others is bounded (platform.md 13): OWASP API4."""

import asyncio
import gzip
import json
import resource
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from seatledger.api import protocol, tokens
from seatledger.contract import limits
from seatledger.engine import credentials
from tests.harness import World, line, order
from tests.security.raw import Address, read_answer, request, say
from tests.wire import TOKEN_PATH, application, elsewhere, listening

pytestmark = pytest.mark.anyio

CUSTOMER = "/v3/customers/1005999999"
LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
BLOCK = b"a" * 65_536
MEBIBYTE = 1024 * 1024


@pytest.fixture
async def address(world: World) -> AsyncIterator[Address]:
    """Where the application listens, behind the server the service runs on."""
    async with listening(application(world.client)) as found:
        yield found


@pytest.fixture
def in_a_hurry(address: Address, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Once the server listens, a minute is a fifth of a second."""
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(limits, "CALL_SECONDS", 0.2)
    yield
    monkeypatch.undo()


# --- time ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_a_hurry")
@pytest.mark.parametrize(
    "sent", [b"", b"\r\n", b"GET /li", LIVE, LIVE + b"X-A: "], ids=lambda one: one[-9:].decode()
)
async def test_a_head_that_does_not_end_in_time(address: Address, sent: bytes) -> None:
    assert await say(address, sent) == []


@pytest.mark.usefixtures("in_a_hurry")
async def test_the_next_head_on_a_connection_has_no_more_time(address: Address) -> None:
    answers = await say(address, LIVE + b"\r\n" + LIVE)
    assert [one.status for one in answers] == [200]


@pytest.mark.usefixtures("in_a_hurry")
async def test_a_body_that_does_not_end_in_time(world: World, address: Address) -> None:
    head = request(world, "POST", "/v3/resellers", Content_Length="3", Connection="keep-alive")
    (answer,) = await say(address, head + b"{")
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "503", "5")


@pytest.mark.usefixtures("in_a_hurry")
async def test_a_body_nobody_reads_does_not_keep_its_connection(address: Address) -> None:
    (answer,) = await say(address, LIVE + b"Content-Length: 1000000\r\n\r\n{")
    assert answer.status == 200


# --- size ------------------------------------------------------------------------------------


async def drained(address: Address, first: bytes, block: bytes) -> tuple[int, list[int]]:
    """How many bytes of an endless request the server takes, and the answers before it closes."""
    reader, writer = await asyncio.open_connection(*address)
    statuses: list[int] = []

    async def listen() -> None:
        while (answer := await read_answer(reader)) is not None:
            statuses.append(answer.status)

    listening_ = asyncio.create_task(listen())
    writer.write(first)
    taken = 0
    while not listening_.done() and taken <= 4 * limits.MAX_MESSAGE_BYTES:
        try:
            writer.write(block)
            await writer.drain()
        except ConnectionError:
            break
        taken += len(block)
        await asyncio.sleep(0)
    writer.close()
    await listening_
    return taken, statuses


@pytest.mark.proves("431")
@pytest.mark.parametrize("first", [b"GET /", LIVE + b"X-A: ", LIVE + b"X-"])
async def test_a_head_without_an_end(address: Address, first: bytes) -> None:
    taken, statuses = await drained(address, first, BLOCK)
    assert taken < 2 * MEBIBYTE
    assert statuses in ([431], [])  # a reset may overtake the answer


@pytest.mark.proves("431")
async def test_headers_without_an_end(address: Address) -> None:
    taken, statuses = await drained(address, LIVE, b"A: b\r\n" * 10_000)
    assert taken < 2 * MEBIBYTE
    assert statuses in ([431], [])


@pytest.mark.parametrize(
    "block",
    [b"2\r\n{}\r\n" * 9_000, b"1;" + BLOCK, BLOCK],
    ids=["tiny chunks", "an endless extension", "a body that was refused"],
)
async def test_a_message_without_an_end(world: World, address: Address, block: bytes) -> None:
    framing = {"Transfer_Encoding": "chunked"}
    if block is BLOCK:
        framing = {"Content_Length": str(100 * limits.MAX_BODY_BYTES)}
    framing["Content_Type"] = "application/json"
    head = request(world, "POST", "/v3/resellers", **framing)
    taken, statuses = await drained(address, head, block)
    assert taken < 3 * limits.MAX_MESSAGE_BYTES
    assert statuses in ([413], [])


async def test_trailers_without_an_end(address: Address) -> None:
    head = LIVE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    taken, statuses = await drained(address, head, b"X-Trailer: a\r\n" * 4_000)
    assert taken < 3 * limits.MAX_MESSAGE_BYTES
    assert statuses in ([200], [])


# --- number ----------------------------------------------------------------------------------


@pytest.mark.proves("503")
async def test_connections(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CONNECTIONS", 3)
    held = [await asyncio.open_connection(*address) for _ in range(3)]
    for reader, writer in held:  # so they have been taken
        writer.write(LIVE + b"\r\n")
        assert await read_answer(reader) is not None
    (refused,) = await say(address)
    assert (refused.status, refused.code) == (503, "503")
    assert (refused.headers["retry-after"], refused.headers["connection"]) == ("1", "close")
    reader, writer = held.pop()
    writer.close()
    await writer.wait_closed()
    while True:  # until the server has noticed
        (answer,) = await say(address, LIVE + b"Connection: close\r\n\r\n")
        if answer.status == 200:
            break
    for _, writer in held:
        writer.close()


def test_connections_leave_files_for_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, expected in (
        (1024, 896),
        (100, 1),
        (10**6, 10_000),
        (resource.RLIM_INFINITY, 10_000),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert protocol.most_connections() == expected


async def test_calls_in_one_segment_are_answered_one_by_one(world: World, address: Address) -> None:
    one, last = (
        request(world, "GET", CUSTOMER, Connection=connection)
        for connection in ("keep-alive", "close")
    )
    answers = await say(address, one * 199 + last)
    assert [answer.code for answer in answers] == ["1116"] * 200


@pytest.mark.proves("2119")
async def test_lines_of_an_order(world: World) -> None:
    customer = await world.customer()
    lines = [line("80004567EA01A12", number=number) for number in range(1, 20_000)]
    path = f"/v3/customers/{customer}/orders"
    assert (await world.post(path, order(*lines))).code == "2119"
    (await world.post(path, order(*lines * 2))).refused(413, "413")


BOMBS = {
    "levels": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "brackets": b'{"a":' + b"[" * 1_000_000,
    "digits": b'{"a":' + b"9" * 2_000_000 + b"}",
    "an exponent": b'{"a":1e999999999999}',
    "escapes": b'{"' + b"\\u0041" * 300_000 + b'":1}',
    "surrogates": b'{"a":"' + b"\\ud800" * 300_000 + b'"}',
    "names": b"{" + b",".join(b'"%d":1' % n for n in range(150_000)) + b"}",
    "one name": b"{" + b'"a":1,' * 300_000 + b'"a":1}',
    "colliding integers": b"{"
    + b",".join(b'"%d":1' % (n * (2**61 - 1)) for n in range(60_000))
    + b"}",
    "empty objects": b'{"lineItems":[' + b"{}," * 600_000 + b"{}]}",
    "nothing in gzip": gzip.compress(b" " * 2_000_000),
}


async def test_bodies_made_to_be_costly(world: World) -> None:
    """Each is a refusal of bounded size, far within the time of a call."""
    path = f"/v3/customers/{await world.customer()}/orders"
    for name, content in BOMBS.items():
        async with asyncio.timeout(limits.CALL_SECONDS):
            found = await world.post(path, content=content)
        assert found.status == 400, name
        assert len(found.content) < 16_384, name


async def test_compressed_bodies_are_not_unpacked(world: World) -> None:
    packed = gzip.compress(b'{"a":"' + b"a" * 10 * MEBIBYTE + b'"}')
    for encoding in ("gzip", "deflate", "br", "zstd", "gzip, gzip"):
        found = await world.post(
            "/v3/resellers", content=packed, headers={"Content-Encoding": encoding}
        )
        found.refused(415, "415")


PAGES = {
    "/v3/customers/{customer}/orders": 100,
    "/v3/customers/{customer}/deployments": 100,
    "/v3/customers/{customer}/flex-discounts": 50,
    "/v3/flex-discounts?country=US&market-segment=COM": 50,
}


async def test_no_page_is_longer_than_its_limit(world: World) -> None:
    customer = await world.customer()
    for path, most in PAGES.items():
        mark = "&" if "?" in path else "?"
        for asked in (most + 1, 10**9, 10**30):
            target = f"{path.format(customer=customer)}{mark}limit={asked}"
            assert (await world.get(target)).ok(200)["limit"] == most
    body = {
        "region": "NA", "marketSegment": "COM", "currency": "USD", "priceListMonth": "202507",
    }  # fmt: skip
    for asked in (101, 10**30):
        listed = (await world.post(f"/v3/pricelist?limit={asked}", body)).ok(200)
        assert (listed["limit"], len(listed["offers"])) == (100, min(100, listed["totalCount"]))
    assert json.loads(listed.content)["count"] <= 100


@pytest.mark.proves("too_many_requests")
async def test_guesses_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst of them costs no more hashing than the same guesses one by one."""
    hashed = 0
    matches = credentials.secret_matches

    def counted(*parts: Any) -> bool:
        nonlocal hashed
        hashed += 1
        return matches(*parts)

    monkeypatch.setattr("seatledger.api.tokens.secret_matches", counted)
    wrong = {
        "grant_type": "client_credentials", "client_id": world.client_id,
        "client_secret": "wrong", "scope": "openid",
    }  # fmt: skip
    client = elsewhere(world.client)
    found = await asyncio.gather(*(client.post(TOKEN_PATH, data=wrong) for _ in range(60)))
    assert {one.status_code for one in found} == {400, 429}
    assert hashed <= tokens.FAILURES_PER_MINUTE + 4
