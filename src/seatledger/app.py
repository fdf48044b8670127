"""The server put together: engine, API, sandbox and worker of one process."""

import asyncio
import importlib.metadata
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from seatledger import telemetry
from seatledger.api import answers
from seatledger.api.gate import Gate
from seatledger.api.health import Health
from seatledger.api.operations import routes
from seatledger.api.table import OPERATIONS
from seatledger.api.tokens import FAILURES_PER_MINUTE, TokenEndpoint
from seatledger.clock import RealClock, SystemClock
from seatledger.engine import partners as partner_rules
from seatledger.engine.context import Engine
from seatledger.engine.credentials import MIN_KEY_BYTES, Credentials, Throttle, Tokens
from seatledger.engine.partners import NewWorld
from seatledger.sandbox.faults import Faults
from seatledger.sandbox.routes import Sandbox
from seatledger.settings import Settings
from seatledger.store import partners
from seatledger.store.database import connect
from seatledger.store.rows import AnyConnection
from seatledger.work.loop import Worker

PRODUCT = "Seatledger"
DEMO_PARTNER = "345434543"
DEMO_CLIENT_ID = "seatledger-demo"
DEMO_SECRET = "p8e-seatledger-demo-secret"  # noqa: S105 - printed at every sandbox start
_SIGNING_KEY = "signing_key"
_GZIP_BYTES = 1024 + 1  # answers above 1 KiB (platform.md 4.1)


class UnsafeSettings(Exception):
    """Settings a server must not start with; the message names the cause in one line."""


class Demo(Struct, frozen=True):
    """The demo partner of a sandbox."""

    distributor_id: str
    client_id: str
    client_secret: str


class Welcome(Struct, frozen=True):
    """What a starting server has to say."""

    product: str
    version: str
    mode: str
    demo: Demo | None
    admin_token: str | None


def version() -> str:
    """The installed version."""
    return importlib.metadata.version("seatledger")


async def prepare(settings: Settings, database_url: str) -> Welcome:
    """Make a migrated database ready to serve: data, signing key, in a sandbox a demo partner.

    Raises UnsafeSettings in production with sandbox credentials, without a signing key of its
    own, or with an open sandbox (platform.md 2.4).
    """
    now = SystemClock().now()
    pool = await connect(database_url, 1)
    try:
        async with pool.acquire() as connection, connection.transaction():
            await partners.lock_setup(connection)
            if settings.mode == "production":
                await _refuse_unsafe(settings, connection)
                await partner_rules.ensure_samples(connection, now)
                return Welcome(PRODUCT, version(), settings.mode, None, settings.admin_token)
            await partners.put_config(connection, _SIGNING_KEY, secrets.token_hex(32), keep=True)
            await partner_rules.ensure_samples(connection, now)
            if await partners.load(connection, DEMO_PARTNER) is None:
                await _create_demo(connection, now)
    finally:
        await pool.close()
    admin_token = settings.admin_token or secrets.token_urlsafe(24)
    demo = Demo(DEMO_PARTNER, DEMO_CLIENT_ID, DEMO_SECRET)
    return Welcome(PRODUCT, version(), settings.mode, demo, admin_token)


async def _refuse_unsafe(settings: Settings, connection: AnyConnection) -> None:
    if await partners.has_sandbox_credentials(connection):
        raise UnsafeSettings("production refuses a database with demo or sandbox credentials")
    if settings.sandbox_open:
        raise UnsafeSettings("production refuses --sandbox-open")
    key = settings.signing_secret()
    if key is None or len(key) < MIN_KEY_BYTES:
        raise UnsafeSettings(
            f"production needs a token-signing key of at least {MIN_KEY_BYTES} bytes: "
            "SEATLEDGER_SIGNING_KEY or SEATLEDGER_SIGNING_KEY_FILE"
        )


async def _create_demo(connection: AnyConnection, now: datetime) -> None:
    partner = partner_rules.changed_partner(
        partner_rules.default_partner(DEMO_PARTNER, "Demo partner"),
        {
            "regions": ["NA", "WE", "JP", "PA"],
            "marketSegments": ["COM", "EDU", "GOV"],
            "globalSalesEnabled": True,
        },
    )
    world = NewWorld("frozen", now.replace(microsecond=0), "immediate")
    await partner_rules.create(connection, partner, world, now)
    await partner_rules.give_credential(
        connection, DEMO_PARTNER, DEMO_CLIENT_ID, DEMO_SECRET, origin="sandbox"
    )


class Application:
    """One process: opens everything at start-up, closes it in order at shutdown."""

    def __init__(self, settings: Settings, clock: RealClock) -> None:
        assert settings.database_url is not None
        self._settings = settings
        self._clock = clock
        self._serving: ASGIApp | None = None
        self._outer = Starlette(lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] == "lifespan" or self._serving is None:
            await self._outer(scope, receive, send)
        else:
            await self._serving(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with self.running():
            yield

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything open: pool, worker, routes. On leaving, what was accepted is finished.

        Raises UnsafeSettings as `prepare` does.
        """
        assert self._settings.database_url is not None
        pool = await connect(self._settings.database_url, self._settings.pool_size)
        async with pool:
            engine = Engine(pool, self._clock, sandbox=self._settings.mode == "sandbox")
            async with pool.acquire() as connection:
                key = await self._signing_key(connection)
            self._serving, health = build(self._settings, engine, Tokens(key, self._clock))
            worker = Worker(engine)
            task = asyncio.create_task(worker.run())
            try:
                yield
            finally:
                health.draining = True
                worker.stop()
                await task
                await engine.drain()

    async def _signing_key(self, connection: AnyConnection) -> bytes:
        if self._settings.mode == "production":
            await _refuse_unsafe(self._settings, connection)
        key = self._settings.signing_secret()
        if key is None:  # a sandbox, which keeps one of its own
            key = (await partners.config(connection, _SIGNING_KEY) or "").encode()
        return key


def build(settings: Settings, engine: Engine, tokens: Tokens) -> tuple[ASGIApp, Health]:
    """The ASGI application over an engine."""
    credentials = Credentials(engine.pool, engine.clock)
    throttle = Throttle(engine.clock, FAILURES_PER_MINUTE)
    token_endpoint = TokenEndpoint(engine, credentials, tokens, throttle)
    is_sandbox = settings.mode == "sandbox"
    router = Router(redirect_slashes=False)
    app = ExceptionMiddleware(router, {HTTPException: _refuse_route})
    gate = Gate(app, engine, credentials, tokens, own_roots=("/sandbox",) if is_sandbox else ())
    health = Health(engine, gate)
    router.routes += [
        Route("/ims/token/v3", token_endpoint.v3, methods=["POST"]),
        Route("/ims/token/v2", token_endpoint.v2, methods=["POST"]),
        Route("/ping", health.ping),
        Route("/partnerservice/ping", health.ping),
        Route("/livez", health.livez),
        Route("/readyz", health.readyz),
        *routes(OPERATIONS, Faults(engine) if is_sandbox else None),
    ]
    if is_sandbox:
        router.routes += Sandbox(engine, gate, settings, version()).routes()
    return GZipMiddleware(gate, minimum_size=_GZIP_BYTES), health


async def _refuse_route(request: Request, error: Exception) -> Response:
    """Unknown routes and wrong methods in the envelope of everything else; OPTIONS of any route."""
    assert isinstance(error, HTTPException)
    if error.status_code != 405:
        return answers.response(request.scope, answers.refusal("404"))
    offered = (error.headers or {}).get("Allow", "").split(", ")
    allowed = ", ".join(sorted({*offered, "OPTIONS"}))
    if request.method == "OPTIONS":
        return answers.options(request.scope, allowed)
    refused = answers.response(request.scope, answers.refusal("405"))
    refused.headers["Allow"] = allowed
    return refused


def create_app() -> Application:
    """The ASGI factory for uvicorn: settings from the environment, real time."""
    settings = Settings()
    telemetry.configure(settings)
    return Application(settings, SystemClock())
