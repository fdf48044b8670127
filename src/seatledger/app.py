"""The server put together: engine, API, sandbox and worker of one process."""

import asyncio
import gc
import importlib.metadata
import multiprocessing
import os
import secrets
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from functools import partial
from types import FrameType

from msgspec import Struct
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from seatledger import metrics, telemetry
from seatledger.api.access import AccessLog
from seatledger.api.gate import Gate
from seatledger.api.health import Health
from seatledger.api.monitoring import Monitoring, publish
from seatledger.api.operations import routes
from seatledger.api.table import OPERATIONS
from seatledger.api.tokens import FAILURES_PER_MINUTE, TokenEndpoint
from seatledger.clock import RealClock, SystemClock
from seatledger.engine import partners as partner_rules
from seatledger.engine.context import Engine
from seatledger.engine.credentials import MIN_KEY_BYTES, Credentials, Throttle, Tokens
from seatledger.engine.partners import NewWorld
from seatledger.metrics_board import Board
from seatledger.sandbox.faults import Faults
from seatledger.sandbox.routes import Sandbox
from seatledger.settings import Settings
from seatledger.store import partners
from seatledger.store.database import connect, is_away
from seatledger.store.rows import AnyConnection, AnyPool
from seatledger.tracing import flush as flush_spans
from seatledger.tracing import tracing
from seatledger.work.loop import Worker

PRODUCT = "Seatledger"
DEMO_PARTNER = "345434543"
DEMO_CLIENT_ID = "seatledger-demo"
DEMO_SECRET = "p8e-seatledger-demo-secret"  # noqa: S105 - printed at every sandbox start
MIN_ADMIN_CHARACTERS = 16
_SIGNING_KEY = "signing_key"
_PRODUCTION = "served_by_production"
_PATIENCE_SECONDS = 30.0  # with a database that is away while a process starts
_AGAIN_SECONDS = 0.5
_ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000  # Python's own: 700
_GZIP_BYTES = 1024 + 1  # answers above 1 KiB (platform.md 4.1)
_CORS_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
_CORS_REQUEST_HEADERS = (
    "Authorization", "Content-Type", "X-Admin-Token", "X-Api-Key", "X-Correlation-Id",
    "X-Recommendation-Tracker-Id", "X-Request-Id", "X-Sandbox-Fault",
)  # fmt: skip
_CORS_RESPONSE_HEADERS = (
    "Retry-After", "Seatledger-Mismatch", "Seatledger-Replayed", "X-Correlation-Id",
    "X-Request-Id",
)  # fmt: skip

log = telemetry.get_logger("server")


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

    Raises UnsafeSettings in production with sandbox credentials or worlds, without a signing key
    of its own or TLS, with a short admin token, or with an open sandbox; in a sandbox with a
    database that production has served (platform.md 2.4).
    """
    pool = await connect(database_url, 1)
    try:
        async with pool.acquire() as connection, connection.transaction():
            await partners.lock_setup(connection)
            if settings.mode == "production":
                await _refuse_unsafe(settings, connection)
                await partners.put_config(connection, _PRODUCTION, "yes")
                await partner_rules.ensure_samples(connection)
                return Welcome(PRODUCT, version(), settings.mode, None, settings.admin_token)
            if await partners.config(connection, _PRODUCTION) is not None:
                raise UnsafeSettings(
                    "a sandbox refuses a database that production has served: its demo partner "
                    "would open it to everybody. Start with --mode production, or elsewhere"
                )
            await partners.put_config(connection, _SIGNING_KEY, secrets.token_hex(32), keep=True)
            await partner_rules.ensure_samples(connection)
            if await partners.load(connection, DEMO_PARTNER) is None:
                await _create_demo(connection, SystemClock().now())
    finally:
        await pool.close()
    admin_token = settings.admin_token or secrets.token_urlsafe(24)
    demo = Demo(DEMO_PARTNER, DEMO_CLIENT_ID, DEMO_SECRET)
    return Welcome(PRODUCT, version(), settings.mode, demo, admin_token)


async def _refuse_unsafe(settings: Settings, connection: AnyConnection) -> None:
    if await partners.has_sandbox_credentials(connection, DEMO_CLIENT_ID):
        raise UnsafeSettings("production refuses a database with demo or sandbox credentials")
    world = await partners.sandbox_world(connection)
    if world is not None:
        raise UnsafeSettings(
            f"production refuses a database with sandbox worlds: partner {world} does not run on "
            "the system clock with automatic settlement"
        )
    if settings.sandbox_open:
        raise UnsafeSettings("production refuses --sandbox-open")
    if settings.tls_cert is None and not settings.tls_proxies:
        raise UnsafeSettings(
            "production needs TLS: --tls-cert with --tls-key, or --tls-proxies with the addresses "
            "of the proxies in front that terminate it"
        )
    if any(one.rpartition("/")[2] == "0" for one in settings.tls_proxies):
        raise UnsafeSettings(
            "production refuses --tls-proxies that name every address: anybody could say who calls"
        )
    if settings.admin_token is not None and len(settings.admin_token) < MIN_ADMIN_CHARACTERS:
        raise UnsafeSettings(
            f"production wants no admin token of less than {MIN_ADMIN_CHARACTERS} characters"
        )
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
        async with self.running() as gate:
            with self._drained_first(gate):
                yield

    @contextmanager
    def _drained_first(self, gate: Gate) -> Iterator[None]:
        """On SIGTERM serve on for the drain delay, not ready any more, before the server closes.

        The server alone would close its sockets at once, and no balancer could see it coming.
        Whoever presses Ctrl-C does not wait for a balancer.
        """
        handlers = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        supervisor = multiprocessing.parent_process()

        def orphaned(sentinel: int) -> None:
            loop.remove_reader(sentinel)
            log.error("supervisor gone", pid=os.getpid())
            signal.raise_signal(signal.SIGTERM)

        def drain(number: int, _: FrameType | None) -> None:
            close = handlers[signal.Signals(number)]
            if callable(close):
                loop.call_soon_threadsafe(self._drain, gate, number, partial(close, number, None))

        for one in handlers:
            signal.signal(one, drain)
        if supervisor is not None:
            loop.add_reader(supervisor.sentinel, orphaned, supervisor.sentinel)
        try:
            yield
        finally:
            if supervisor is not None:
                loop.remove_reader(supervisor.sentinel)
            for one, handler in handlers.items():
                signal.signal(one, handler)

    def _drain(self, gate: Gate, number: int, close: Callable[[], object]) -> None:
        if number == signal.SIGINT:
            gate.engine.draining = True
            close()
        elif not gate.engine.draining:  # a supervisor may tell the processes one by one and all
            gate.engine.draining = True
            log.info("draining", pid=os.getpid(), seconds=self._settings.drain_seconds)
            asyncio.get_running_loop().call_later(self._settings.drain_seconds, close)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Gate]:
        """Everything open: pool, worker, routes. On leaving, what was accepted is finished.

        Gives the gate all calls pass. Raises UnsafeSettings as `prepare` does.
        """
        pool, key = await self._opened()
        async with pool:
            engine = Engine(pool, self._clock, sandbox=self._settings.mode == "sandbox")
            board = Board(self._settings.metrics_dir)
            self._serving, gate = build(self._settings, engine, Tokens(key, self._clock), board)
            worker = Worker(engine, self._events_live())
            if self._settings.role == "api":
                worker.stop()
            task = asyncio.create_task(worker.run())
            publishing = asyncio.create_task(publish(engine.pool, board))
            log.info("serving", mode=self._settings.mode, version=version(), pid=os.getpid())
            try:
                yield gate
            finally:
                engine.draining = True
                worker.stop()
                await task
                await engine.drain()
                publishing.cancel()
                board.write()
                if gate.access_log is not None:
                    gate.access_log.write()
                await asyncio.to_thread(flush_spans)
                log.info("stopped", pid=os.getpid())

    async def _opened(self) -> tuple[AnyPool, bytes]:
        """The pool and the signing key, waited for while the database is away.

        A process that replaces a dead one may start just then; if it gave up, its supervisor would
        take that for a fault of every process and end the server.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + _PATIENCE_SECONDS
        while True:
            try:
                return await self._open()
            except Exception as error:
                if not is_away(error) or loop.time() > give_up:
                    raise
                log.warning("database unreachable", cause=repr(error), pid=os.getpid())
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _open(self) -> tuple[AnyPool, bytes]:
        assert self._settings.database_url is not None
        pool = await connect(self._settings.database_url, self._settings.pool_size)
        try:
            async with pool.acquire() as connection:
                return pool, await self._signing_key(connection)
        except BaseException:
            pool.terminate()
            raise

    def _events_live(self) -> timedelta | None:
        """How long events are kept; a sandbox can be asked for all of them."""
        if self._settings.mode == "sandbox":
            return None
        return timedelta(days=self._settings.event_days)

    async def _signing_key(self, connection: AnyConnection) -> bytes:
        if self._settings.mode == "production":
            await _refuse_unsafe(self._settings, connection)
        key = self._settings.signing_secret()
        if key is None:  # a sandbox, which keeps one of its own
            key = (await partners.config(connection, _SIGNING_KEY) or "").encode()
        return key


def build(
    settings: Settings, engine: Engine, tokens: Tokens, board: Board | None = None
) -> tuple[ASGIApp, Gate]:
    """The ASGI application over an engine, and the gate in it.

    `board` holds the metrics of this server's processes; without one, this process's are all.
    """
    credentials = Credentials(engine.pool, engine.clock)
    throttle = Throttle(engine.clock, FAILURES_PER_MINUTE)
    token_endpoint = TokenEndpoint(engine, credentials, tokens, throttle)
    is_sandbox = settings.mode == "sandbox"
    router = Router(redirect_slashes=False)
    gate = Gate(
        router,
        engine,
        credentials,
        tokens,
        own_roots=("/sandbox",) if is_sandbox else (),
        access_log=AccessLog(engine.clock, settings.log_format) if settings.access_log else None,
        metrics_port=settings.metrics_port,
    )
    health = Health(engine, gate)
    monitoring = Monitoring(
        engine, board or Board(None), settings.admin_token, settings.metrics_port
    )
    metrics.BUILD.set(version(), settings.mode, value=1)
    if settings.role != "worker":
        router.routes += [
            *routes(OPERATIONS, Faults(engine) if is_sandbox else None),
            Route("/ims/token/v3", token_endpoint.v3, methods=["POST"]),
            Route("/ims/token/v2", token_endpoint.v2, methods=["POST"]),
            Route("/ping", health.ping),
            Route("/partnerservice/ping", health.ping),
        ]
    router.routes += [
        Route("/livez", health.livez),
        Route("/readyz", health.readyz),
        Route("/metrics", monitoring.metrics),
    ]
    if is_sandbox:
        router.routes += Sandbox(engine, gate, settings, version()).routes()
    outer: ASGIApp = GZipMiddleware(gate, minimum_size=_GZIP_BYTES)
    if settings.cors_origins:
        outer = _with_cors(outer, settings.cors_origins)
    return outer, gate


def _with_cors(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """Pages of these origins may call; preflights are answered before any key is asked for."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=_CORS_METHODS,
        allow_headers=_CORS_REQUEST_HEADERS,
        expose_headers=_CORS_RESPONSE_HEADERS,
    )


def collect_seldom() -> None:
    """Let Python look for cycles of garbage seldom, and never among what is loaded by now.

    A call makes thousands of objects and next to no cycles: at Python's own pace, looking for them
    takes a tenth of the time of an order.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)


def create_app() -> Application:
    """The ASGI factory for uvicorn: settings from the environment, real time."""
    collect_seldom()
    settings = Settings()
    telemetry.configure(settings)
    tracing.configure()
    return Application(settings, SystemClock())
