"""Calls from pages of other origins: none unless a setting lists them (platform.md 3)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from seatledger.app import build, prepare
from seatledger.clock import SystemClock
from seatledger.engine.context import Engine
from seatledger.engine.credentials import Tokens
from seatledger.settings import Settings
from seatledger.store.database import connect

pytestmark = pytest.mark.anyio

PAGE = "https://console.example.com"
ORDERS = "/v3/customers/1234567890/orders"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, x-api-key, x-correlation-id, content-type",
}


@asynccontextmanager
async def serving(settings: Settings, *origins: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that lists these origins."""
    assert settings.database_url is not None
    await prepare(settings, settings.database_url)
    async with await connect(settings.database_url, 2) as pool:
        engine = Engine(pool, SystemClock(), sandbox=True)
        own = settings.model_copy(update={"cors_origins": origins})
        app, _ = build(own, engine, Tokens(b"k" * 32, engine.clock))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client


async def preflight(client: httpx.AsyncClient, origin: str, **changes: str) -> httpx.Response:
    """What a browser asks before a call with headers of its own."""
    return await client.options(ORDERS, headers={**PREFLIGHT, "Origin": origin, **changes})


def is_allowed(response: httpx.Response, origin: str) -> bool:
    """Whether a browser would let a page of this origin see an answer."""
    return response.headers.get("Access-Control-Allow-Origin") in (origin, "*")


async def test_by_default_no_page_may_call(settings: Settings) -> None:
    async with serving(settings) as client:
        asked = await preflight(client, PAGE)
        called = await client.get("/livez", headers={"Origin": PAGE})
    assert asked.status_code == 403  # a call like any other: it has no key
    for response in (asked, called):
        assert not [name for name in response.headers if name.startswith("access-control")]


async def test_pages_of_listed_origins_may_call(settings: Settings) -> None:
    async with serving(settings, PAGE, "http://localhost:3000") as client:
        for origin in (PAGE, "http://localhost:3000"):
            asked = await preflight(client, origin)
            assert (asked.status_code, is_allowed(asked, origin)) == (200, True)
            assert "POST" in asked.headers["Access-Control-Allow-Methods"]
            refused = await client.post(ORDERS, headers={"Origin": origin})
            assert (refused.status_code, is_allowed(refused, origin)) == (403, True)
            seen = refused.headers["Access-Control-Expose-Headers"].split(", ")
            assert {"X-Request-Id", "Retry-After", "Seatledger-Replayed"} <= set(seen)
            assert "Origin" in refused.headers["Vary"]
            assert "Access-Control-Allow-Credentials" not in refused.headers


async def test_pages_of_other_origins_may_not(settings: Settings) -> None:
    async with serving(settings, PAGE) as client:
        for origin in (
            "https://evil.example.com",
            f"{PAGE}.evil.example",
            "http://console.example.com",
        ):
            asked = await preflight(client, origin)
            assert (asked.status_code, is_allowed(asked, origin)) == (400, False)
            called = await client.get("/livez", headers={"Origin": origin})
            assert (called.status_code, is_allowed(called, origin)) == (200, False)


async def test_every_origin(settings: Settings) -> None:
    async with serving(settings, "*") as client:
        assert is_allowed(await preflight(client, PAGE), PAGE)


async def test_a_header_the_service_does_not_know(settings: Settings) -> None:
    async with serving(settings, PAGE) as client:
        asked = await preflight(client, PAGE, **{"Access-Control-Request-Headers": "x-other"})
    assert asked.status_code == 400
