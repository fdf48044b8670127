"""Requests that two readers could take for different ones (platform.md 3), over real sockets."""

from collections.abc import AsyncIterator

import pytest

from tests.harness import World, unique
from tests.security.raw import MALFORMED, Address, request, say
from tests.wire import application, listening

pytestmark = pytest.mark.anyio

CUSTOMER = "/v3/customers/1005999999"
SMUGGLED = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


@pytest.fixture
async def address(world: World) -> AsyncIterator[Address]:
    """Where the application listens, behind the server the service runs on."""
    async with listening(application(world.client)) as found:
        yield found


def posted(world: World, *framing: str) -> bytes:
    """The head of a write with these framing headers."""
    head = request(world, "POST", "/v3/resellers", Content_Type="application/json")
    return head[:-2] + "".join(f"{line}\r\n" for line in framing).encode("latin-1") + b"\r\n"


FRAMINGS: dict[str, tuple[tuple[str, ...], bytes]] = {
    "two lengths": (("Content-Length: 2", "Content-Length: 3"), b"{} "),
    "one length twice": (("Content-Length: 2", "Content-Length: 2"), b"{}"),
    "a list of lengths": (("Content-Length: 2, 2",), b"{}"),
    "a length with a sign": (("Content-Length: +2",), b"{}"),
    "a negative length": (("Content-Length: -2",), b"{}"),
    "a hexadecimal length": (("Content-Length: 0x2",), b"{}"),
    "an endless length": (("Content-Length: " + "9" * 40,), b"{}"),
    "length and chunks": (("Content-Length: 5", "Transfer-Encoding: chunked"), LAST_CHUNK),
    "chunks and length": (("Transfer-Encoding: chunked", "Content-Length: 0"), LAST_CHUNK),
    "an unknown coding": (("Transfer-Encoding: xchunked",), LAST_CHUNK),
    "chunked twice": (("Transfer-Encoding: chunked, chunked",), LAST_CHUNK),
    "chunked, then another": (("Transfer-Encoding: chunked, identity",), LAST_CHUNK),
    "two codings": (("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), LAST_CHUNK),
    "a blank before the colon": (("Transfer-Encoding : chunked",), LAST_CHUNK),
    "a vertical tab": (("Transfer-Encoding: \x0bchunked",), LAST_CHUNK),
    "a folded coding": (("Transfer-Encoding:", " chunked"), LAST_CHUNK),
    "a folded header": (("X-Other: a", " Content-Length: 2"), b""),
    "a line without a colon": (("Content-Length",), b""),
    "a NUL in a value": (("X-Other: a\0b",), b""),
    "a NUL in a name": (("X-\0ther: a",), b""),
    "a bare line feed": (("X-Other: a\nContent-Length: 2",), b""),
    "a bare carriage return": (("X-Other: a\rContent-Length: 2",), b""),
    "no size of a chunk": (("Transfer-Encoding: chunked",), b"zz\r\n{}\r\n" + LAST_CHUNK),
    "a negative chunk": (("Transfer-Encoding: chunked",), b"-2\r\n{}\r\n" + LAST_CHUNK),
    "an endless chunk": (("Transfer-Encoding: chunked",), b"f" * 40 + b"\r\n{}\r\n"),
    "a longer chunk": (("Transfer-Encoding: chunked",), b"2\r\n{}{}\r\n" + LAST_CHUNK),
    "chunks by line feeds": (("Transfer-Encoding: chunked",), b"2\n{}\n0\n\n"),
}


@pytest.mark.proves("400")
async def test_ambiguous_framing_is_refused_and_the_connection_closed(
    world: World, address: Address
) -> None:
    """Nothing behind it is taken for a request of its own."""
    for name, (framing, body) in FRAMINGS.items():
        answers = await say(address, posted(world, *framing) + body + SMUGGLED)
        assert [(one.status, one.body) for one in answers] == [(400, MALFORMED)], name
        headers = answers[0].headers
        assert headers["connection"] == "close"
        assert headers["content-type"] == "application/json"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-request-id"]


TARGETS = {
    "an authority": b"GET evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an address without a path": b"GET http://evil.example HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes beyond ASCII": b"GET /liv\xc3\xa9z HTTP/1.1\r\nHost: x\r\n\r\n",
    "blanks": b"GET /livez /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a later version": b"GET /livez HTTP/1.2\r\nHost: x\r\n\r\n",
    "an unknown method": b"GETS /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in lower case": b"get /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    "line feeds alone": b"GET /livez HTTP/1.1\nHost: x\n\n",
    "no host": b"GET /livez HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "one host twice": b"GET /livez HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


async def test_what_is_no_request_is_refused_in_the_envelope(address: Address) -> None:
    for name, sent in TARGETS.items():
        answers = await say(address, sent)
        assert [(one.status, one.body) for one in answers] == [(400, MALFORMED)], name
        assert answers[0].headers["connection"] == "close"
        assert "server" not in answers[0].headers


async def test_the_host_decides_nothing(world: World, address: Address) -> None:
    """Neither a Host header nor an absolute target leads to another route or to a link."""
    path = f"/v3/customers/{await world.customer()}"
    usual = (await world.get(path)).content
    for target, host in (
        (path, "evil.example"),
        (path, "evil.example:99999"),
        (path, "<script>"),
        (f"http://evil.example{path}", "seatledger.example"),
        (f"http://user:word@evil.example{path}", "seatledger.example"),
        (f"{path}#fragment", "seatledger.example"),
    ):
        sent = request(
            world, "GET", target, Host=host, X_Forwarded_Host="evil.example", Connection="close"
        )
        (answer,) = await say(address, sent)
        assert (answer.status, answer.body) == (200, usual), target


async def test_trailers_are_no_headers(world: World, address: Address) -> None:
    """What a proxy does not see in the head cannot come behind the body."""
    head = request(
        world, "POST", "/v3/resellers", Authorization="", Transfer_Encoding="chunked",
        Connection="close",
    )  # fmt: skip
    token = f"Authorization: Bearer {world.token}\r\n".encode()
    (answer,) = await say(address, head + b"2\r\n{}\r\n0\r\n" + token + b"\r\n")
    assert (answer.status, answer.code) == (403, "4117")


async def test_no_connection_becomes_another_protocols(world: World, address: Address) -> None:
    for protocol in ("websocket", "h2c", "TLS/1.2"):
        sent = request(
            world, "GET", CUSTOMER, Connection="Upgrade, close", Upgrade=protocol,
            Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", Sec_WebSocket_Version="13",
        )  # fmt: skip
        (answer,) = await say(address, sent + SMUGGLED)
        assert (answer.status, answer.code) == (404, "1116")


async def test_a_body_behind_an_offer_to_upgrade_is_its_body(
    world: World, address: Address
) -> None:
    """Whether it comes with the head or later; clients offer h2c with their first call."""
    body = b'{"distributorId": 5}' + SMUGGLED
    head = request(
        world, "POST", "/v3/resellers", Connection="Upgrade, HTTP2-Settings, close", Upgrade="h2c",
        HTTP2_Settings="AAMAAABkAAQAoAAAAAIAAAAA", Content_Type="application/json",
        Content_Length=str(len(body)),
    )  # fmt: skip
    for parts in ((head + body,), (head, body)):
        (answer,) = await say(address, *parts)
        assert (answer.status, answer.json()["message"]) == (400, "Malformed request body")


async def test_an_offer_to_upgrade_that_was_not_left_out_is_refused(
    world: World, address: Address
) -> None:
    """The parser would take its body for the next request."""
    head = request(world, "POST", CUSTOMER, SMUGGLED, Connection="uPgRaDe")
    (answer,) = await say(address, head.replace(b"\r\n", b"\r\nuPgRaDe: h2c\r\n", 1))
    assert (answer.status, answer.body) == (400, MALFORMED)


async def test_transfer_codings_but_chunked_are_refused(world: World, address: Address) -> None:
    for coding in ("gzip, chunked", "identity, chunked", "chunked, chunked"):
        head = request(world, "POST", "/v3/resellers", Transfer_Encoding=coding)
        (answer,) = await say(address, head + b"2\r\n{}\r\n0\r\n\r\n")
        assert (answer.status, answer.body) == (400, MALFORMED), coding


async def test_what_follows_a_call_on_its_connection_is_a_call_of_its_own(
    world: World, address: Address
) -> None:
    """The body ends where its length says, also for methods that have no use for one."""
    correlation_ids = [unique("intent"), unique("intent")]
    first, second = (
        request(world, "GET", CUSTOMER, SMUGGLED, X_Correlation_Id=one, Connection=connection)
        for one, connection in zip(correlation_ids, ("keep-alive", "close"), strict=True)
    )
    answers = await say(address, first + second)
    assert [one.code for one in answers] == ["1116", "1116"]
    assert [one.headers["x-correlation-id"] for one in answers] == correlation_ids


async def test_garbage_behind_a_call_is_not_answered_in_its_place(
    world: World, address: Address
) -> None:
    """An answer to the garbage could be taken for that of the call: there is none at all."""
    answers = await say(address, request(world, "GET", CUSTOMER) + b"garbage\r\n\r\n")
    assert answers == []


async def test_a_header_value_cannot_begin_another_header(world: World, address: Address) -> None:
    """Ids are echoed, and everything that could end their line is refused."""
    for hostile in ("a\tb", "caf\xe9", "a\x7fb"):
        sent = request(
            world, "GET", CUSTOMER, X_Request_Id=hostile, X_Correlation_Id=hostile,
            Connection="close",
        )  # fmt: skip
        (answer,) = await say(address, sent)
        assert answer.status == 400
        assert hostile not in answer.headers["x-request-id"]
        assert "x-correlation-id" not in answer.headers
