"""What comes before every route: sizes, API key, token, rate (platform.md 3, steps 1-6)."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from seatledger.api import answers
from seatledger.api.context import Context, Headers, new_request_id
from seatledger.contract.limits import MAX_BODY_BYTES, MAX_HEADER_BYTES, MAX_TARGET_BYTES
from seatledger.engine.calls import Answer
from seatledger.engine.context import Engine
from seatledger.engine.credentials import Credentials, Tokens
from seatledger.engine.world import World
from seatledger.store import partners
from seatledger.store.partners import Credential

MAX_CONCURRENT_CALLS = 256  # per partner and process (platform.md 13)
OPEN_PREFIXES = ("/ims/token/", "/livez", "/readyz", "/metrics")

log = structlog.get_logger()


class Gate:
    """ASGI middleware that lets only sized, authenticated, unthrottled calls through.

    Handlers behind it find a `Context` in the scope's state. Paths of `OPEN_PREFIXES`, pings and
    the control API authenticate by rules of their own.
    """

    def __init__(
        self,
        app: ASGIApp,
        engine: Engine,
        credentials: Credentials,
        tokens: Tokens,
        *,
        own_rules: tuple[str, ...] = (),
    ) -> None:
        self.app = app
        self.engine = engine
        self.credentials = credentials
        self.tokens = tokens
        self.own_rules = (*OPEN_PREFIXES, *own_rules)
        self._running: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope["headers"])
        request_id, bad_request_id = _request_id(headers)
        scope.setdefault("state", {})
        scope["state"] |= {
            "headers": headers,
            "request_id": request_id,
            "bad_request_id": bad_request_id,
        }
        outcome: Answer | Context | None
        try:
            outcome = _size_refusal(scope, headers) or await self._authenticated(scope, headers)
            if isinstance(outcome, Answer):
                refused = answers.response(scope, outcome, request_id=request_id)
                await refused(scope, receive, send)
                return
            with self._counted(outcome) as allowed:
                if allowed:
                    await self.app(scope, receive, send)
                    return
            busy = answers.refusal("4118", retry_after_seconds=1)
            await answers.response(scope, busy, request_id=request_id)(scope, receive, send)
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
            log.warning("database unreachable", error=str(error))
            away = answers.refusal("503", retry_after_seconds=5)
            await answers.response(scope, away, request_id=request_id)(scope, receive, send)

    async def _authenticated(self, scope: Scope, headers: Headers) -> Answer | Context | None:
        path: str = scope["path"]
        if path.startswith(self.own_rules) or path in ("/ping", "/partnerservice/ping"):
            return None
        return await self.context(scope, headers)

    async def context(self, scope: Scope, headers: Headers) -> Answer | Context:
        """Steps 2-6 for one call: its context, or the refusal."""
        credential = await self.credential_of(headers)
        if credential is None:
            return answers.refusal("4115")
        refused = self.token_refusal(headers, credential)
        if refused is not None:
            return refused
        world = await self.engine.worlds.get(credential.partner_id)
        if world is None:
            return answers.refusal("4115")
        refused = await self._rate_refusal(world, credential)
        if refused is not None:
            return refused
        context = Context(
            self.engine,
            world,
            credential,
            scope["method"],
            scope["path"],
            scope["query_string"],
            headers,
        )
        context.request_id = scope["state"]["request_id"]
        scope["state"]["context"] = context
        return context

    async def credential_of(self, headers: Headers) -> Credential | None:
        """The credential of the X-Api-Key header (step 2)."""
        key = headers.one(b"x-api-key")
        if not key or headers.is_repeated(b"x-api-key"):
            return None
        return await self.credentials.find(key.strip())

    def token_refusal(self, headers: Headers, credential: Credential) -> Answer | None:
        """Steps 3-5: the bearer token of the same credential."""
        value = headers.one(b"authorization")
        if not value or not value.strip():
            return answers.refusal("4117")
        scheme, _, token = value.partition(" ")
        client_id = self.tokens.client_of(token) if scheme.lower() == "bearer" else None
        is_dead = credential.status == "disabled" or headers.is_repeated(b"authorization")
        if client_id is None or is_dead:
            return answers.refusal("4116")
        return None if client_id == credential.client_id else answers.refusal("4115")

    async def _rate_refusal(self, world: World, credential: Credential) -> Answer | None:
        per_minute = world.partner.settings.rate_limit_per_minute
        if not per_minute:
            return None
        async with self.engine.pool.acquire() as connection:
            wait = await partners.take_call(
                connection, credential.client_id, per_minute, self.engine.clock.now()
            )
        if wait <= 0:
            return None
        return answers.refusal("4118", retry_after_seconds=max(1, round(wait + 0.5)))

    @contextmanager
    def _counted(self, context: Context | None) -> Iterator[bool]:
        """Count the partner's running calls; False when it has too many."""
        if context is None:
            yield True
            return
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


def _request_id(headers: Headers) -> tuple[str, bool]:
    """The id to echo, and whether the caller's own was bad (4.1)."""
    value = headers.one(b"x-request-id")
    if value is None:
        return new_request_id(), False
    value = value.strip()
    if headers.is_repeated(b"x-request-id") or not is_printable(value):
        return new_request_id(), True
    return value, False


def is_printable(value: str) -> bool:
    """1 to 255 printable ASCII characters."""
    return 1 <= len(value) <= 255 and value.isascii() and value.isprintable()


def _size_refusal(scope: Scope, headers: Headers) -> Answer | None:
    """Step 1: target, headers, declared body."""
    if len(scope["raw_path"]) + 1 + len(scope["query_string"]) > MAX_TARGET_BYTES:
        return answers.refusal("414")
    if sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > MAX_HEADER_BYTES:
        return answers.refusal("431")
    declared = headers.one(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        return answers.refusal("413")
    return None


async def read_body(request: Request) -> bytes | None:
    """The body, None when it streams beyond the limit. Raises ClientDisconnect."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)
