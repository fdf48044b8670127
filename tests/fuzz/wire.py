"""A valid request as bytes, with faults anywhere in it."""

from dataclasses import dataclass
from random import Random
from urllib.parse import quote

from seatledger.contract import limits
from tests.fuzz.mutator import BYTE_FAULTS, STRINGS, mutated
from tests.fuzz.recorded import Request

METHODS = (
    *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"),
    *("get", "G" * 40, "PO ST", "", "GET\t", "PURGE", "M-SEARCH", "\xc9TAT", "QUERY"),
)
SEGMENTS = (
    *("", ".", "..", "...", "%2e%2e", "%2F", "%5c", "%00", "%", "%zz", "%ff", "%F0%9F%92%A9"),
    *("1005999999", "0", "-1", "a" * 41, "a" * 9_000, "*", "?", "#", ";a=b", "{customer-id}"),
    *("v3", "V3", "orders", "sandbox", "%252e", "1234567890", "1234567890GOV", "\xe9", "a b"),
)
HEADERS = (
    *("X-Api-Key", "Authorization", "X-Correlation-Id", "X-Request-Id", "Accept", "Content-Type"),
    *("Accept-Encoding", "Content-Encoding", "Cookie", "Range", "If-None-Match", "Origin", "Host"),
    *("X-Forwarded-For", "X-Forwarded-Proto", "X-HTTP-Method-Override", "X-Admin-Token", "Te"),
    *("traceparent", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Expect"),
)
VALUES = (
    *("", " ", "x", "*", "gzip", "br, gzip;q=1", "identity;q=0", "chunked", "100-continue"),
    *("close", "keep-alive", "upgrade", "websocket", "h2c", "0", "1", "-1", "9" * 30, "bytes=0-"),
    *("application/json", "text/csv", "application/json;charset=utf-16", "text/html", "a/b;q=0"),
    *("Bearer", "Basic Og==", "Basic !", "Bearer a.b.c", "null", "https://evil.example", "\xe9"),
    *("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-0-0-0", "evil.example"),
)
FRAMING = frozenset(
    {"content-length", "transfer-encoding", "connection", "upgrade", "host", "expect"}
)
MOST_TEXT = 2_000


@dataclass
class Shot:
    """Bytes to send: `route` is what they began as.

    `is_doubtful`: where it ends is not clear, so it is the last on its connection, and a closed
    connection is an answer, too.
    """

    content: bytes
    route: str
    method: str
    is_doubtful: bool


def shot(request: Request, route: str, random: Random) -> Shot:
    """A request with one to three faults in it, in rare cases none; it is used up by that."""
    content: bytes | None = None
    number = random.choice((0, 1, 1, 1, 2, 3))
    for fault in random.choices(
        (_body, _path, _query, _header, _method), (10, 3, 5, 4, 1), k=number
    ):
        content = fault(request, random) or content
    return _spelled(request, route, request.content() if content is None else content, random)


def _text(random: Random) -> str:
    return str(random.choice(STRINGS))[:MOST_TEXT]


def _body(request: Request, random: Random) -> bytes | None:
    if isinstance(request.body, dict):
        return mutated(request.body, random)
    if request.body:
        return random.choice(BYTE_FAULTS)(request.body, random)
    if random.random() < 0.2:
        return random.choice((b"", b"{}", b"[]", b"x" * 5_000, b"\xff"))
    return None


def _path(request: Request, random: Random) -> None:
    segments = request.path.split("/")
    place = random.randrange(len(segments))
    how = random.randrange(6)
    if how <= 2:
        text = (
            random.choice(SEGMENTS)
            if random.random() < 0.6
            else quote(_text(random), errors="replace")
        )
        segments[place] = text
    elif how == 3:
        segments.insert(place, random.choice(SEGMENTS))
    elif how == 4:
        del segments[place]
    else:
        other = random.randrange(len(segments))
        segments[place], segments[other] = segments[other], segments[place]
    request.path = "/".join(segments)


def _query(request: Request, random: Random) -> None:
    value = random.choice(
        ("", "0", "-1", "1e9", "true", "9" * 40, "2025-02-30", "a,b,,", _text(random))
    )
    if request.query and random.random() < 0.8:
        place = random.randrange(len(request.query))
        name, old = request.query[place]
        request.query[place : place + 1] = random.choice(
            (
                [],
                [(name, value)],
                [(name, value)],
                [(name, old), (name, value)],
                [(name.upper(), old)],
            )
        )
    else:
        request.query.append(
            (random.choice(("limit", "offset", "colour", "", _text(random))), value)
        )


def _header(request: Request, random: Random) -> None:
    value = random.choice(VALUES) if random.random() < 0.7 else _text(random)
    how = random.randrange(4)
    if how == 0 and request.headers:
        del request.headers[random.randrange(len(request.headers))]
    elif how == 1 and request.headers:
        place = random.randrange(len(request.headers))
        request.headers[place] = (request.headers[place][0], value)
    elif how == 2 and request.headers:
        request.headers.append(random.choice(request.headers))
    else:
        request.headers.append((random.choice(HEADERS), value))


def _method(request: Request, random: Random) -> None:
    request.method = random.choice(METHODS)


def _spelled(request: Request, route: str, content: bytes, random: Random) -> Shot:
    """The bytes, with a body of known length or, now and then, in chunks."""
    framing: list[tuple[str, str]] = [("Host", "localhost")]
    if content:
        framing.append(("Content-Type", request.media_type))
        if random.random() < 0.05:
            content = _chunked(content, random)
            framing.append(("Transfer-Encoding", "chunked"))
        else:
            framing.append(("Content-Length", str(len(content))))
    target = request.path
    if request.query:
        safe = random.choice(("", "/:,", "%"))
        target += "?" + "&".join(
            f"{quote(name, safe, errors='replace')}={quote(value, safe, errors='replace')}"
            for name, value in request.query
        )
    first = f"{request.method} {target} HTTP/1.1".encode("utf-8", "replace")
    lines = [
        f"{name}: {value}".encode("utf-8", "replace")
        for name, value in (*framing, *request.headers)
    ]
    head = [first, *lines]
    is_doubtful = (
        any(name.lower() in FRAMING for name, _ in request.headers)
        or any(b"\r" in line or b"\n" in line for line in head)
        or request.method.upper() == "CONNECT"
        or len(content) > limits.MAX_MESSAGE_BYTES / 2  # what is sent too late meets a closed door
    )
    return Shot(b"\r\n".join(head) + b"\r\n\r\n" + content, route, request.method, is_doubtful)


def _chunked(content: bytes, random: Random) -> bytes:
    size = random.choice((7, 1_000, 100_000))
    parts = [content[place : place + size] for place in range(0, len(content), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))
