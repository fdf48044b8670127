"""The control API's plumbing: who calls, with what body, and how refusals look (sandbox.md 1)."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from seatledger.api import answers
from seatledger.api.body import Malformed, parse_object
from seatledger.api.context import Context, Headers
from seatledger.api.gate import Gate, read_body
from seatledger.api.query import Query
from seatledger.contract.walker import FieldFaults, decode
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.calls import Answer, refused
from seatledger.engine.context import Engine
from seatledger.engine.world import World
from seatledger.store.partners import Credential


class Conflict(Exception):
    """An action the present state refuses; the message names the reason (409)."""


class Refusal(Exception):
    """A refusal from deep within a control call."""

    def __init__(self, refusal: Refused) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class Document(Struct, frozen=True):
    """An answer that is no JSON."""

    content: bytes
    media_type: str


class Control:
    """One control call: the caller's world, path parameters, query, body, and what it accepts."""

    __slots__ = ("accept", "base_url", "engine", "params", "query", "raw", "world")

    def __init__(
        self,
        engine: Engine,
        world: World | None,
        params: dict[str, str],
        query: Query,
        raw: dict[str, Any],
        base_url: str,
        accept: str,
    ) -> None:
        self.engine = engine
        self.world = world
        self.params = params
        self.query = query
        self.raw = raw
        self.base_url = base_url
        self.accept = accept

    @property
    def own(self) -> World:
        """The caller's world."""
        assert self.world is not None
        return self.world

    @property
    def partner_id(self) -> str:
        """The caller's partner."""
        return self.own.partner_id

    def body(self, shape: type[Struct]) -> Any:
        """The body as a Struct; Refusal with all its field faults otherwise."""
        value = decode(self.raw, shape)
        if isinstance(value, FieldFaults):
            code, details = value.first() or ("400", [])
            raise Refusal(Refused(code, tuple(details)))
        return value


Action = Callable[[Control], Awaitable[tuple[int, Any]]]


class Desk:
    """Turns actions into routes: authentication, body, errors."""

    def __init__(
        self, engine: Engine, gate: Gate, admin_token: str | None, *, is_open: bool
    ) -> None:
        self._engine = engine
        self._gate = gate
        self._admin_token = admin_token
        self._is_open = is_open

    def own(self, path: str, **actions: Action) -> Route:
        """A route that acts on the caller's own partner; one action per method."""
        return self._route(path, actions, admin=False)

    def instance(self, path: str, **actions: Action) -> Route:
        """A route that acts on the whole instance: the admin token opens it."""
        return self._route(path, actions, admin=True)

    def _route(self, path: str, actions: dict[str, Action], *, admin: bool) -> Route:
        async def serve(request: Request) -> Response:
            action = actions["get" if request.method == "HEAD" else request.method.lower()]
            answer = await self._serve(request, action, admin=admin)
            return answers.response(request.scope, answer)

        return Route(path, serve, methods=[method.upper() for method in actions])

    async def _serve(self, request: Request, action: Action, *, admin: bool) -> Answer:
        headers: Headers = request.scope["state"]["headers"]
        world: World | None = None
        if admin:
            if not self._is_admin(headers):
                return answers.refusal("4116", "X-Admin-Token")
        else:
            found = await self._world_of(request, headers)
            if isinstance(found, Answer):
                return found
            world = found
        body = await read_body(request)
        if body is None:
            return answers.refusal("413")
        try:
            raw = {} if _is_text(headers) else parse_object(body)
            control = Control(
                self._engine,
                world,
                {name.replace("_", "-"): value for name, value in request.path_params.items()},
                Query(request.scope["query_string"]),
                {"text": body.decode("utf-8", "replace")} if _is_text(headers) else raw,
                str(request.base_url).rstrip("/"),
                headers.one(b"accept") or "",
            )
            status, value = await action(control)
        except Malformed as error:
            return answers.refusal("400", *error.details)
        except Refusal as error:
            return refused(error.refusal)
        except Conflict as error:
            return answers.conflict(str(error))
        if isinstance(value, Document):
            return Answer(status, value.content, media_type=value.media_type)
        return Answer(status, b"" if value is None else render.encode(value))

    def _is_admin(self, headers: Headers) -> bool:
        if self._is_open:
            return True
        given = headers.one(b"x-admin-token") or ""
        return bool(self._admin_token) and hmac.compare_digest(
            given.encode(), (self._admin_token or "").encode()
        )

    async def _world_of(self, request: Request, headers: Headers) -> World | Answer:
        if self._is_open and headers.one(b"authorization") is None:
            credential = await self._gate.credential_of(headers)
            if credential is None:
                return answers.refusal("4115")
            partner_id = credential.partner_id
        else:
            context = await self._gate.context(request.scope)
            if not isinstance(context, Context):
                return context
            if not _may(context.credential, request.method):
                return answers.refusal("4121")
            partner_id = context.partner_id
        async with self._engine.pool.acquire() as connection:
            world = await self._engine.worlds.current(partner_id, connection)
        return world if world is not None else answers.refusal("4115")


def _may(credential: Credential | None, method: str) -> bool:
    """Whether a credential's role and state allow a control call (sandbox.md 1)."""
    if credential is None or credential.status == "suspended":
        return False
    return credential.role != "read" or method in ("GET", "HEAD")


def _is_text(headers: Headers) -> bool:
    return (headers.one(b"content-type") or "").startswith("text/csv")
