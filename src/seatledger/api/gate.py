"""What comes before every route: sizes, API key, token, rate (platform.md 3, steps 1-6)."""

import asyncio
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seatledger.api import answers
from seatledger.api.access import AccessLog
from seatledger.api.context import Context, Headers, new_request_id
from seatledger.api.interception import Aborted
from seatledger.api.monitoring import count_call, is_at, trace_call
from seatledger.contract import limits
from seatledger.engine.calls import Answer
from seatledger.engine.context import Engine
from seatledger.engine.credentials import Credentials, Tokens
from seatledger.metrics import REQUESTS_IN_FLIGHT
from seatledger.store import partners
from seatledger.store.partners import Credential
from seatledger.tracing import trace_id, tracing

MAX_CONCURRENT_CALLS = 256  # per partner and process (platform.md 13)

_OPEN_PATHS = frozenset({"/ping", "/partnerservice/ping", "/livez", "/readyz", "/metrics"})
_MONITORING_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
_OPEN_ROOTS = ("/ims",)
_NOT_IN_A_SEGMENT = re.compile(r"[/\x00-\x1f\x7f]")


class Gate:
    """ASGI middleware that lets only sized, authenticated, unthrottled calls through.

    Handlers behind it find a `Context` in the scope's state. Token endpoint, pings, probes and
    what lies under `own_roots` authenticate by rules of their own. Whatever goes wrong behind it
    is answered in the envelope. While it drains, answers close their connections: their clients
    come back to a server that stays.
    """

    def __init__(
        self,
        app: ASGIApp,
        engine: Engine,
        credentials: Credentials,
        tokens: Tokens,
        *,
        own_roots: tuple[str, ...] = (),
        access_log: AccessLog | None = None,
        metrics_port: int | None = None,
    ) -> None:
        self.app = app
        self.engine = engine
        self.credentials = credentials
        self.tokens = tokens
        self.access_log = access_log
        self._metrics_port = metrics_port
        self._own_roots = (*_OPEN_ROOTS, *own_roots)
        self._running: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        _prepare(scope)
        if tracing.tracer is None or scope["path"] in _MONITORING_PATHS:
            await self._call(scope, receive, send)
            return
        with tracing.call(scope["method"], scope["headers"]):
            scope["state"]["trace_id"] = trace_id()
            await self._call(scope, receive, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a prepared call, whatever happens behind here, and note what came of it."""
        began = self.engine.clock.monotonic()
        status = 0
        REQUESTS_IN_FLIGHT.add(1)

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.engine.draining or scope["state"]["closes"]:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        try:
            await self._serve(scope, receive, noting)
        except Aborted:
            raise
        except ClientDisconnect:
            return  # nobody is left to be answered
        except asyncio.CancelledError:
            if status or not self.engine.draining:
                raise
            # The time to finish in is over: what the call had begun is rolled back by now.
            late = answers.refusal("503", retry_after_seconds=answers.AWAY_SECONDS)
            await answers.response(scope, late)(scope, receive, noting)
        except HTTPException as error:
            await answers.unrouted(scope, error)(scope, receive, noting)
        except Exception as error:
            if status:
                raise  # part of an answer is out: the server cuts the connection
            await answers.response(scope, answers.failure(scope, error))(scope, receive, noting)
        finally:
            self._end(scope, status, self.engine.clock.monotonic() - began)

    def _end(self, scope: Scope, status: int, seconds: float) -> None:
        """Count, trace and log a call that has ended."""
        REQUESTS_IN_FLIGHT.add(-1)
        answer: Answer | None = scope["state"].get("answer")
        code = answer.code if answer is not None and status >= 400 else ""
        count_call(scope, status, code, seconds)
        if "trace_id" in scope["state"]:
            trace_call(scope, status, code)
        is_sound_probe = status < 400 and scope["path"] in _MONITORING_PATHS
        if self.access_log is not None and not is_sound_probe:  # they outnumber quiet hours' calls
            self.access_log.note(scope, status, code, seconds)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        outcome = _size_refusal(scope) or await self._admitted(scope)
        if isinstance(outcome, Answer):
            await answers.response(scope, outcome)(scope, receive, send)
            return
        if outcome is None:
            await self._within_budget(scope, receive, send)
            return
        with self._counted(outcome) as allowed:
            if allowed:
                await self.app(scope, receive, send)
                return
        busy = answers.refusal("4118", retry_after_seconds=1)
        await answers.response(scope, busy)(scope, receive, send)

    async def _within_budget(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a call with rules of its own; operations see to their time themselves."""
        try:
            async with asyncio.timeout(limits.CALL_SECONDS) as budget:
                await self.app(scope, receive, send)
        except TimeoutError as error:
            if not budget.expired():
                raise  # the database's
            scope["state"]["closes"] = True  # its body may still be on the way
            raise answers.OverBudget from error

    async def _admitted(self, scope: Scope) -> Answer | Context | None:
        """Steps 2-6; None for a path that has rules of its own."""
        path: str = scope["path"]
        if self._metrics_port is not None and is_at(scope, self._metrics_port):
            return None if path in _MONITORING_PATHS else answers.refusal("404")
        if path in _OPEN_PATHS or any(
            path == root or path.startswith(f"{root}/") for root in self._own_roots
        ):
            return None
        context = await self.context(scope)
        if isinstance(context, Answer):
            return context
        return await self._rate_refusal(context) or context

    async def context(self, scope: Scope) -> Answer | Context:
        """Steps 2-5 for one call: its context, or the refusal."""
        state = scope["state"]
        headers: Headers = state["headers"]
        credential = await self.credential_of(headers)
        if credential is None:
            return answers.refusal("4115")
        refused = self.token_refusal(headers, credential)
        if refused is not None:
            return refused
        world = await self.engine.worlds.get(credential.partner_id)
        if world is None:
            return answers.refusal("4115")
        context = Context(
            self.engine,
            world,
            credential,
            scope["method"],
            scope["path"],
            scope["query_string"],
            headers,
        )
        context.request_id = state["request_id"]
        context.correlation_id = state["correlation_id"]
        state["context"] = context
        return context

    async def credential_of(self, headers: Headers) -> Credential | None:
        """The credential of the X-Api-Key header (step 2)."""
        key = (headers.one(b"x-api-key") or "").strip()
        if not key or headers.is_repeated(b"x-api-key"):
            return None
        return await self.credentials.find(key)

    def token_refusal(
        self, headers: Headers, credential: Credential, *, may_be_bare: bool = False
    ) -> Answer | None:
        """Steps 3-5: the bearer token of the same credential.

        `may_be_bare`: a token without the scheme is accepted too.
        """
        value = (headers.one(b"authorization") or "").strip()
        if not value and not headers.is_repeated(b"authorization"):
            return answers.refusal("4117")
        scheme, _, token = value.partition(" ")
        if scheme.lower() != "bearer":
            token = value if may_be_bare else ""
        client_id = self.tokens.client_of(token)
        is_dead = credential.status == "disabled" or headers.is_repeated(b"authorization")
        if client_id is None or is_dead:
            return answers.refusal("4116")
        return None if client_id == credential.client_id else answers.refusal("4115")

    async def _rate_refusal(self, context: Context) -> Answer | None:
        """Step 6."""
        per_minute = context.world.partner.settings.rate_limit_per_minute
        if not per_minute or context.credential is None:
            return None
        async with self.engine.pool.acquire() as connection:
            wait = await partners.take_call(
                connection, context.credential.client_id, per_minute, self.engine.clock.now()
            )
        if wait <= 0:
            return None
        return answers.refusal("4118", retry_after_seconds=max(1, math.ceil(wait)))

    @contextmanager
    def _counted(self, context: Context) -> Iterator[bool]:
        """Count the partner's running calls; False when it has too many."""
        partner_id = context.partner_id
        running = self._running.get(partner_id, 0)
        if running >= MAX_CONCURRENT_CALLS:
            yield False
            return
        self._running[partner_id] = running + 1
        try:
            yield True
        finally:
            left = self._running[partner_id] - 1
            if left:
                self._running[partner_id] = left
            else:
                del self._running[partner_id]


def _prepare(scope: Scope) -> None:
    """Put what every answer needs into the scope: headers, ids, the path to route by."""
    headers = Headers(scope["headers"])
    request_id, bad_request_id = _request_id(headers)
    correlation_id = (headers.one(b"x-correlation-id") or "").strip()
    is_sound = _is_printable(correlation_id) and not headers.is_repeated(b"x-correlation-id")
    scope["path"] = _path(scope)
    scope["app"] = None  # with it the router raises what it would else answer in plain text
    scope.setdefault("state", {})
    scope["state"] |= {
        "headers": headers,
        "request_id": request_id,
        "bad_request_id": bad_request_id,
        "correlation_id": correlation_id if is_sound else "",
        "closes": False,
    }


def _path(scope: Scope) -> str:
    """The path, percent-decoded once (platform.md 1).

    What an encoded slash or control character stands for ends no segment and matches no id. Two
    slashes at the start are a base address with a slash and count as one.
    """
    path: str = scope["path"]
    raw: bytes = scope["raw_path"]
    if b"%" in raw:
        segments = [unquote_to_bytes(one).decode("utf-8", "replace") for one in raw.split(b"/")]
        path = "/".join(_NOT_IN_A_SEGMENT.sub("\ufffd", one) for one in segments)
    return "/" + path.lstrip("/")


def _request_id(headers: Headers) -> tuple[str, bool]:
    """The id to echo, and whether the caller's own was bad (4.1)."""
    value = headers.one(b"x-request-id")
    if value is None:
        return new_request_id(), False
    value = value.strip()
    if headers.is_repeated(b"x-request-id") or not _is_printable(value):
        return new_request_id(), True
    return value, False


def _is_printable(value: str) -> bool:
    """1 to 255 printable ASCII characters."""
    return 1 <= len(value) <= 255 and value.isascii() and value.isprintable()


def _size_refusal(scope: Scope) -> Answer | None:
    """Step 1: target, headers, declared body."""
    query: bytes = scope["query_string"]
    target = len(scope["raw_path"]) + (len(query) + 1 if query else 0)
    if target > limits.MAX_TARGET_BYTES:
        return answers.refusal("414")
    if (
        sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        > limits.MAX_HEADER_BYTES
    ):
        return answers.refusal("431")
    headers: Headers = scope["state"]["headers"]
    declared = (headers.one(b"content-length") or "").lstrip("0")
    too_many_digits = len(declared) > len(str(limits.MAX_BODY_BYTES))
    if declared.isdecimal() and (too_many_digits or int(declared) > limits.MAX_BODY_BYTES):
        return answers.refusal("413")
    return None


async def read_body(request: Request) -> bytes | None:
    """The body, None when it streams beyond the limit.

    Raises ClientDisconnect, and SlowBody when it does not arrive in time.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.CALL_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > limits.MAX_BODY_BYTES:
                    return None
                parts.append(part)
    except TimeoutError as error:
        raise answers.SlowBody from error
    return b"".join(parts)
