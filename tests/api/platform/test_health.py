"""Pings and probes, and a database that goes away and comes back (platform.md 14, 6)."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import structlog

from seatledger import app
from seatledger.api.table import OPERATIONS
from seatledger.app import Application, build, prepare
from seatledger.clock import ManualClock, SystemClock
from seatledger.engine.context import Engine
from seatledger.engine.credentials import Tokens
from seatledger.settings import Settings
from seatledger.store.database import connect
from seatledger.store.embedded import EmbeddedPostgres
from seatledger.store.migrate import upgrade
from tests.conftest import ADMIN_TOKEN, MakeWorld
from tests.harness import World, fetch_token, line, make_world, order, unique
from tests.wire import TOKEN_PATH, another_database, keys, send, with_credential

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
PINGS = ["/ping", "/partnerservice/ping"]
AWAY = b'{"code":"503","message":"Service temporarily unavailable","additionalDetails":[]}'
NO_KEY = b'{"code":"4115","message":"Api Key is invalid or missing"}'
BAD_TOKEN = b'{"code":"4116","message":"Authorization token is invalid"}'


async def ping(world: World, path: str, **headers: str | None) -> httpx.Response:
    """A ping with the key alone, or more."""
    usual = {"Authorization": None, "X_Correlation_Id": None, "Accept": None}
    return await send(world.client, "GET", path, keys(world, **(usual | headers)))


def is_pong(response: httpx.Response) -> bool:
    """Whether a ping was answered."""
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    return (response.status_code, response.content) == (200, b"pong")


@pytest.mark.proves("platform.md 32")
@pytest.mark.parametrize("path", PINGS)
async def test_a_ping_needs_a_key_alone(world: World, path: str) -> None:
    assert is_pong(await ping(world, path))
    assert is_pong(await ping(world, path, Accept="text/html"))
    assert is_pong(await ping(world, path, Authorization="  "))


@pytest.mark.proves("platform.md 32", "4115")
@pytest.mark.parametrize("path", PINGS)
@pytest.mark.parametrize("key", [None, "", "nobody"])
async def test_a_ping_without_a_key(world: World, path: str, key: str | None) -> None:
    response = await ping(world, path, X_Api_Key=key, Authorization=f"Bearer {world.token}")
    assert (response.status_code, response.content) == (403, NO_KEY)


@pytest.mark.proves("platform.md 32", "4116")
@pytest.mark.parametrize("path", PINGS)
async def test_a_token_sent_with_a_ping_is_checked(world: World, path: str) -> None:
    for good in (world.token, f"Bearer {world.token}", f"bearer {world.token}"):
        assert is_pong(await ping(world, path, Authorization=good))
    for bad in ("x", "Bearer x", "Bearer", f"Basic {world.token}", f"Bearer  {world.token}"):
        response = await ping(world, path, Authorization=bad)
        assert (response.status_code, response.content) == (401, BAD_TOKEN)
        assert response.headers["WWW-Authenticate"] == "Bearer"
    token = ("Authorization", world.token)
    twice = [*keys(world, Authorization=None), token, token]
    assert (await send(world.client, "GET", path, twice)).content == BAD_TOKEN


@pytest.mark.proves("4115")
async def test_a_ping_with_a_token_of_another_key(
    world: World, new_world: MakeWorld, database_url: str
) -> None:
    for other in (await new_world(), await with_credential(world, database_url)):
        response = await ping(world, "/ping", Authorization=f"Bearer {other.token}")
        assert (response.status_code, response.content) == (403, NO_KEY)


async def test_probes_need_nothing(client: httpx.AsyncClient) -> None:
    for path in ("/livez", "/readyz"):
        response = await client.get(path)
        assert (response.status_code, response.text) == (200, "ok")


async def test_a_server_that_drains_is_not_ready(settings: Settings) -> None:
    assert settings.database_url is not None
    async with await connect(settings.database_url, 1) as pool:
        engine = Engine(pool, SystemClock(), sandbox=True)
        app, _ = build(settings, engine, Tokens(b"k" * 32, engine.clock))
        async with client_of(app) as client:
            assert (await client.get("/readyz")).status_code == 200
            engine.draining = True
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/livez")).status_code == 200


async def test_a_database_of_another_release_is_not_ready(database_url: str) -> None:
    async with another_database(database_url) as url, running(url) as world:
        assert (await world.client.get("/readyz")).status_code == 200
        connection = await asyncpg.connect(url)
        await connection.execute("UPDATE alembic_version SET version_num = '0000'")
        await connection.close()
        assert (await world.client.get("/readyz")).status_code == 503
        assert (await world.client.get("/livez")).status_code == 200


# --- without a database ----------------------------------------------------------------------


def client_of(app: Any) -> httpx.AsyncClient:
    """An in-process client of an application."""
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


@asynccontextmanager
async def running(url: str) -> AsyncIterator[World]:
    """A server of the test's own on a database, and a world on it."""
    settings = Settings(database_url=url, admin_token=ADMIN_TOKEN, mode="sandbox")
    await prepare(settings, url)
    application = Application(settings, ManualClock(SystemClock().now()))
    async with application.running(), client_of(application) as client:
        yield await make_world(client, ADMIN_TOKEN)


async def all_calls(world: World) -> list[httpx.Response]:
    """A call of every kind but probes."""
    replies = []
    for operation in OPERATIONS:
        path = operation.path.replace("{", "").replace("}", "")
        sent = keys(world, Content_Type="application/json")
        content = b"{}" if operation.method != "GET" else None
        replies.append(await send(world.client, operation.method, path, sent, content=content))
    data = {
        "grant_type": "client_credentials",
        "client_id": world.client_id,
        "client_secret": world.secret,
        "scope": "openid",
    }
    replies += [
        await world.client.post(TOKEN_PATH, data=data),
        await send(world.client, "GET", "/ping", keys(world)),
        await send(world.client, "GET", "/v3/nothing", keys(world, X_Api_Key="not-seen-yet")),
        await send(world.client, "GET", "/sandbox", keys(world)),
        await send(world.client, "POST", "/sandbox/settle", keys(world)),
    ]
    return replies


@pytest.mark.proves("platform.md 33", "503")
async def test_a_database_that_stops_and_comes_back() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # within reach of the database's own account
        postgres = EmbeddedPostgres(Path(folder) / "data", user=None, log=structlog.get_logger())
        url = await asyncio.to_thread(postgres.start)
        try:
            await asyncio.to_thread(upgrade, url)
            async with running(url) as world:
                await outage(world, postgres, url)
        finally:
            await asyncio.to_thread(postgres.stop)


class TestAProcessThatStartsMeanwhile:
    """It must not end: the supervisor of several would take that for a fault of every one."""

    @pytest.fixture
    def away(self, monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
        """Errors the next connections meet, one each."""
        errors: list[Exception] = []

        async def meet(*arguments: Any) -> Any:
            if errors:
                raise errors.pop(0)
            return await connect(*arguments)

        monkeypatch.setattr(app, "connect", meet)
        monkeypatch.setattr(app, "_AGAIN_SECONDS", 0)
        return errors

    async def test_waits_for_it(self, settings: Settings, away: list[Exception]) -> None:
        away += [ConnectionRefusedError(), asyncpg.CannotConnectNowError()]
        server = Application(settings, SystemClock())
        async with server.running(), client_of(server) as client:
            assert (await client.get("/readyz")).status_code == 200
        assert not away

    async def test_not_for_ever(
        self, settings: Settings, away: list[Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(app, "_PATIENCE_SECONDS", -1)
        away.append(ConnectionRefusedError())
        with pytest.raises(ConnectionRefusedError):
            async with Application(settings, SystemClock()).running():
                pass

    async def test_nor_where_waiting_does_not_help(
        self, settings: Settings, away: list[Exception]
    ) -> None:
        away.append(asyncpg.InvalidPasswordError())
        with pytest.raises(asyncpg.InvalidPasswordError):
            async with Application(settings, SystemClock()).running():
                pass


async def outage(world: World, postgres: EmbeddedPostgres, url: str) -> None:
    """Stop the database under a server, look, start it, look again."""
    customer = await world.customer()
    path, correlation_id = f"/v3/customers/{customer}/orders", unique("intent")
    body = order(line(OFFER))
    await asyncio.to_thread(postgres.stop)
    for response in await timed(all_calls(world)):
        assert (response.status_code, response.content) == (503, AWAY), response.request.url
        assert response.headers["Retry-After"] == "5"
        assert response.headers["Content-Type"] == "application/json"
    failed = await world.post(path, body, correlation_id=correlation_id)
    assert (failed.status, failed.content) == (503, AWAY)
    assert (await world.client.get("/livez")).status_code == 200
    assert (await world.client.get("/readyz")).status_code == 503
    assert await asyncio.to_thread(postgres.start) == url
    assert (await world.client.get("/readyz")).status_code == 200
    placed = (await world.post(path, body, correlation_id=correlation_id)).ok()
    assert "Seatledger-Replayed" not in placed.headers
    assert await fetch_token(world.client, world.client_id, world.secret)
    assert (await send(world.client, "GET", "/ping", keys(world))).text == "pong"
    assert not {one.status_code for one in await all_calls(world)} & {500, 503}
    await world.is_sound()


async def timed(calls: Any) -> list[httpx.Response]:
    """The answers, which are given up after two seconds for each."""
    started = time.monotonic()
    responses: list[httpx.Response] = await calls
    assert time.monotonic() - started < 2 * len(responses)
    return responses


@pytest.mark.proves("503")
async def test_a_statement_that_takes_too_long(world: World, database_url: str) -> None:
    """The database gives up on it: nothing is stored, the same id may be used again."""
    customer = await world.customer()
    path = f"/v3/customers/{customer}/orders"
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE idempotency IN EXCLUSIVE MODE")
        call = asyncio.create_task(world.post(path, order(line(OFFER)), correlation_id="intent-1"))
        waiting: list[asyncpg.Record] = []
        while not waiting and not call.done():
            waiting = await connection.fetch(WAITING)
        for (process,) in waiting:
            await connection.execute("SELECT pg_cancel_backend($1)", process)
        failed = await call
    await connection.close()
    assert (failed.status, failed.content) == (503, AWAY)
    assert failed.headers["Retry-After"] == "5"
    placed = (await world.post(path, order(line(OFFER)), correlation_id="intent-1")).ok()
    assert "Seatledger-Replayed" not in placed.headers


WAITING = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'idempotency'::regclass"
