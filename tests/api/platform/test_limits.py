"""Rate, concurrency and time limits (platform.md 13)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from seatledger import metrics
from seatledger.api.gate import MAX_CONCURRENT_CALLS
from seatledger.app import Application
from seatledger.clock import ManualClock, SystemClock
from seatledger.contract import limits
from seatledger.settings import Settings
from tests.conftest import MakeWorld
from tests.harness import Reply, World, line, order, profile
from tests.repeats import fresh
from tests.wire import keys, listening, send, with_credential

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
CUSTOMER = "/v3/customers/1005999999"
TOO_MANY = b'{"code":"4118","message":"Too many requests"}'


def refused(response: httpx.Response | Reply, retry_after_seconds: int) -> None:
    """Assert a refusal for calling too often, to the byte."""
    status = response.status if isinstance(response, Reply) else response.status_code
    assert (status, response.content) == (429, TOO_MANY)
    assert response.headers["Retry-After"] == str(retry_after_seconds)
    assert response.headers["Content-Type"] == "application/json"


async def codes(world: World, calls: int) -> list[str]:
    """The codes of calls one after the other."""
    return [(await world.get(CUSTOMER)).code for _ in range(calls)]


@pytest.fixture
async def limited(world: World) -> World:
    """A world whose key may call 60 times a minute; its bucket is full."""
    await world.set(flags={"rate_limit_per_minute": 60})
    return world


async def test_there_is_no_limit_unless_set(world: World) -> None:
    assert await codes(world, 50) == ["1116"] * 50


@pytest.mark.proves("platform.md 30", "4118")
async def test_two_hundred_calls_in_a_second(limited: World, real_clock: ManualClock) -> None:
    """The bucket holds ten calls and gets one back every second."""
    replies = []
    for _ in range(20):
        replies += await asyncio.gather(*(limited.get(CUSTOMER) for _ in range(10)))
        real_clock.advance(timedelta(seconds=0.05))
    accepted = [one for one in replies if one.code == "1116"]
    assert 10 <= len(accepted) <= 11
    for one in replies:
        if one.code != "1116":
            refused(one, 1)


async def test_a_full_bucket_and_its_refill(limited: World, real_clock: ManualClock) -> None:
    assert await codes(limited, 12) == ["1116"] * 10 + ["4118"] * 2
    real_clock.advance(timedelta(seconds=3.5))
    assert await codes(limited, 5) == ["1116"] * 3 + ["4118"] * 2
    real_clock.advance(timedelta(hours=1))
    assert await codes(limited, 11) == ["1116"] * 10 + ["4118"]


async def test_who_asks_too_often_still_gets_the_allowed_rate(
    limited: World, real_clock: ManualClock
) -> None:
    await codes(limited, 10)
    found = []
    for _ in range(40):
        real_clock.advance(timedelta(seconds=0.25))
        found += await codes(limited, 1)
    assert found.count("1116") == 10


async def test_retry_after_is_when_the_next_call_fits(
    world: World, real_clock: ManualClock
) -> None:
    await world.set(flags={"rate_limit_per_minute": 2})
    assert await codes(world, 1) == ["1116"]
    refused(await world.get(CUSTOMER), 30)
    real_clock.advance(timedelta(seconds=10.5))
    refused(await world.get(CUSTOMER), 20)
    real_clock.advance(timedelta(seconds=19.5))
    assert await codes(world, 1) == ["1116"]


@pytest.mark.proves("platform.md 30")
async def test_a_refusal_for_the_rate_is_never_replayed(
    limited: World, real_clock: ManualClock
) -> None:
    customer = await limited.customer()
    path, body = f"/v3/customers/{customer}/orders", order(line(OFFER))
    await codes(limited, 10)
    refused(await limited.post(path, body, correlation_id="intent-1"), 1)
    real_clock.advance(timedelta(seconds=1))
    placed = (await limited.post(path, body, correlation_id="intent-1")).ok()
    assert fresh(placed)
    refused(await limited.post(path, body, correlation_id="intent-1"), 1)
    real_clock.advance(timedelta(seconds=1))
    again = (await limited.post(path, body, correlation_id="intent-1")).ok()
    assert (again.content, again.headers["Seatledger-Replayed"]) == (placed.content, "true")
    assert await codes(limited, 1) == ["4118"]  # a replay counts


async def test_every_key_has_a_bucket_of_its_own(
    limited: World, new_world: MakeWorld, database_url: str
) -> None:
    sibling, stranger = await with_credential(limited, database_url), await new_world()
    assert await codes(limited, 11) == ["1116"] * 10 + ["4118"]
    assert await codes(sibling, 11) == ["1116"] * 10 + ["4118"]
    assert await codes(stranger, 11) == ["1116"] * 11


async def test_the_rate_comes_after_the_token_and_before_the_route(limited: World) -> None:
    for _ in range(12):
        bad = await send(limited.client, "GET", CUSTOMER, keys(limited, Authorization="Bearer x"))
        assert bad.json()["code"] == "4116"
    assert await codes(limited, 10) == ["1116"] * 10
    for method, path in (("GET", "/v3/nothing"), ("DELETE", CUSTOMER), ("OPTIONS", CUSTOMER)):
        refused(await send(limited.client, method, path, keys(limited)), 1)
    for path in ("/ping", "/readyz"):
        assert (await send(limited.client, "GET", path, keys(limited))).status_code == 200


async def test_the_control_api_can_lift_the_limit(limited: World) -> None:
    await codes(limited, 11)
    await limited.set(flags={"rate_limit_per_minute": 0})
    assert await codes(limited, 20) == ["1116"] * 20


async def test_processes_share_the_bucket(
    limited: World, settings: Settings, real_clock: ManualClock
) -> None:
    server = Application(settings, real_clock)
    async with server.running():
        transport = httpx.ASGITransport(app=server)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as other:
            calls = [
                send(client, "GET", CUSTOMER, keys(limited))
                for client in (limited.client, other) * 20
            ]
            replies = await asyncio.gather(*calls)
    accepted = [one for one in replies if one.status_code == 404]
    assert len(accepted) == 10
    for one in replies:
        if one.status_code != 404:
            refused(one, 1)


@pytest.mark.proves("4118")
async def test_calls_at_once(world: World, new_world: MakeWorld) -> None:
    stranger = await new_world()
    gate = asyncio.Event()
    began = 0
    all_began = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        nonlocal began
        began += 1
        if began == MAX_CONCURRENT_CALLS:
            all_began.set()
        await gate.wait()
        yield b"{}"

    running = [
        asyncio.create_task(
            send(
                world.client,
                "POST",
                "/v3/resellers",
                keys(world, Content_Type="application/json"),
                content=slow(),
            )
        )
        for _ in range(MAX_CONCURRENT_CALLS)
    ]
    await all_began.wait()
    refused(await send(world.client, "GET", CUSTOMER, keys(world)), 1)
    assert await codes(stranger, 1) == ["1116"]
    gate.set()
    assert {one.status_code for one in await asyncio.gather(*running)} == {400}
    assert await codes(world, 1) == ["1116"]


async def stalled(*_: Any, **__: Any) -> Any:
    """Work that never ends."""
    await asyncio.Event().wait()


@pytest.mark.proves("503")
async def test_a_control_call_that_takes_too_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("seatledger.engine.maintenance.check_partner", stalled)
        patched.setattr(limits, "CALL_SECONDS", 0.2)
        late = await world.get("/sandbox/invariants")
    late.refused(503, "503")
    assert (late.headers["Retry-After"], late.headers["Connection"]) == ("5", "close")
    (await world.get("/sandbox/invariants")).ok(200)


@pytest.mark.proves("503")
async def test_calls_that_are_not_done_when_the_server_must_stop(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are cancelled, and answered in the envelope before their connections close."""
    body = {"distributorId": world.distributor_id, "companyProfile": profile()}
    own = Application(settings, SystemClock())
    monkeypatch.setattr("seatledger.engine.maintenance.check_partner", stalled)
    monkeypatch.setattr("seatledger.engine.writes.Writes._attempt", stalled)
    async with own.running() as gate, httpx.AsyncClient() as client:
        async with listening(own, finish_seconds=0) as (host, port):
            sent = keys(world, Content_Type="application/json")
            running = [
                asyncio.create_task(
                    send(client, method, f"http://{host}:{port}{path}", sent, **more)
                )
                for method, path, more in (
                    ("GET", "/sandbox/invariants", {}),
                    ("POST", "/v3/resellers", {"json": body}),
                )
            ]
            before = metrics.REQUESTS_IN_FLIGHT.cells[()][0]
            while metrics.REQUESTS_IN_FLIGHT.cells[()][0] < before + len(running):
                await asyncio.sleep(0)
            gate.engine.draining = True
        replies = await asyncio.gather(*running)
    monkeypatch.undo()
    for one in replies:
        assert (one.status_code, one.json()["code"]) == (503, "503")
        assert one.headers["Connection"] == "close"


@pytest.mark.proves("503")
async def test_a_call_that_takes_too_long(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {
        "distributorId": world.distributor_id,
        "companyProfile": profile(marketSegments=["COM"]),
    }
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE idempotency IN EXCLUSIVE MODE")
        monkeypatch.setattr(limits, "CALL_SECONDS", 0.2)
        late = await world.post("/v3/resellers", body, correlation_id="intent-1")
        monkeypatch.undo()
    await connection.close()
    late.refused(503, "503")
    assert late.headers["Retry-After"] == "5"
    made = (await world.post("/v3/resellers", body, correlation_id="intent-1")).ok()
    assert fresh(made)
