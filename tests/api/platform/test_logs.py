"""What the log says of calls: a line for each, and why the ones that failed did."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from structlog.testing import capture_logs

from seatledger import telemetry
from seatledger.api import answers
from seatledger.api.gate import Gate
from seatledger.app import build, prepare
from seatledger.clock import ManualClock, SystemClock
from seatledger.contract import limits
from seatledger.engine.context import Engine
from seatledger.engine.credentials import Tokens
from seatledger.settings import Settings
from seatledger.store.database import connect
from seatledger.tracing import tracing
from tests.conftest import ADMIN_TOKEN
from tests.harness import World, line, make_world, order
from tests.wire import TOKEN_PATH, arm, keys, listening, send

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
NOBODY = "/v3/customers/1005999999"
Lines = list[dict[str, Any]]


class Logged:
    """A server of the test's own, and what it logs of its calls."""

    def __init__(self, app: Any, gate: Gate, capture: pytest.CaptureFixture[str]) -> None:
        self.app = app
        self._gate = gate
        self._capture = capture

    def written(self) -> str:
        """What has been logged since the last time."""
        assert self._gate.access_log is not None
        self._gate.access_log.write()
        return self._capture.readouterr().err

    def lines(self) -> Lines:
        """The calls since the last time, from JSON."""
        return [json.loads(one) for one in self.written().splitlines()]


@pytest.fixture
def changes() -> dict[str, Any]:
    """Settings the server under test differs in."""
    return {"log_format": "json"}


@pytest.fixture
async def logged(
    settings: Settings, changes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Logged]:
    """That server, over the tests' database."""
    assert settings.database_url is not None
    await prepare(settings, settings.database_url)
    async with await connect(settings.database_url, 4) as pool:
        engine = Engine(pool, SystemClock(), sandbox=True)
        own = settings.model_copy(update=changes)
        app, gate = build(own, engine, Tokens(b"k" * 32, engine.clock))
        yield Logged(app, gate, capsys)


@pytest.fixture
async def seller(logged: Logged) -> AsyncIterator[World]:
    """A partner on it; what was logged while it was made is forgotten."""
    transport = httpx.ASGITransport(app=logged.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        made = await make_world(client, ADMIN_TOKEN)
        logged.written()
        yield made


class TestEveryCall:
    async def test_has_a_line(self, seller: World, logged: Logged) -> None:
        sent = keys(seller, X_Request_Id="request-1", X_Correlation_Id="intent 1")
        path = "/v3/customers/1234567890/orders"
        body = order(line(OFFER), orderType="PREVIEW")
        answer = await send(seller.client, "POST", path, sent, json=body)
        (said,) = logged.lines()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", said.pop("timestamp"))
        assert said.pop("duration_ms") > 0
        assert answer.status_code == 201
        assert said == {
            "event": "call",
            "level": "info",
            "component": "access",
            "method": "POST",
            "path": path,
            "status": 201,
            "request_id": "request-1",
            "correlation_id": "intent 1",
            "partner_id": seller.distributor_id,
        }

    async def test_names_the_code_of_its_refusal(self, seller: World, logged: Logged) -> None:
        await send(seller.client, "GET", NOBODY, keys(seller))
        await send(seller.client, "GET", NOBODY)
        await send(seller.client, "POST", TOKEN_PATH)
        found = [(one["status"], one.get("code")) for one in logged.lines()]
        assert found == [(404, "1116"), (403, "4115"), (400, "invalid_request")]

    async def test_is_not_that_of_a_sound_probe(self, seller: World, logged: Logged) -> None:
        for path, status in (("/livez", 200), ("/readyz", 200), ("/metrics", 401)):
            assert (await send(seller.client, "GET", path)).status_code == status
        assert [(one["path"], one["status"]) for one in logged.lines()] == [("/metrics", 401)]

    @pytest.mark.proves("platform.md 11")
    async def test_says_when_it_was_answered_from_memory(
        self, seller: World, logged: Logged
    ) -> None:
        path = "/v3/customers/1234567890/orders"
        for quantity in (1, 1, 2):
            body = order(line(OFFER, quantity), orderType="PREVIEW")
            await seller.post(path, body, correlation_id="intent-1")
        found = [(one["level"], one.get("replayed"), one.get("mismatch")) for one in logged.lines()]
        assert found == [("info", None, None), ("info", True, None), ("warning", True, True)]

    async def test_notes_parameters_nobody_asked_for(self, seller: World, logged: Logged) -> None:
        customer = await seller.customer()
        logged.written()
        path = f"/v3/customers/{customer}/orders"
        await seller.get(f"{path}?limit=1&Limit=2&order-type=NEW&status=&extra=secret&extra=b")
        assert logged.lines()[0]["ignored"] == ["Limit", "extra"]

    async def test_tells_who_called(self, seller: World, logged: Logged) -> None:
        sent = [*keys(seller), ("User-Agent", "client/1 (x)" + "y" * 300)]
        await send(seller.client, "GET", NOBODY, sent)
        (said,) = logged.lines()
        assert said["user_agent"].startswith("client/1 (x)yyy")
        assert len(said["user_agent"]) == 200

    async def test_names_its_trace_when_there_is_one(
        self, seller: World, logged: Logged, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider = TracerProvider()
        monkeypatch.setattr(tracing, "tracer", provider.get_tracer("test"))
        trace = "0af7651916cd43dd8448eb211c80319c"
        sent = [*keys(seller), ("traceparent", f"00-{trace}-b7ad6b7169203331-01")]
        await send(seller.client, "GET", NOBODY, sent)
        monkeypatch.undo()
        await send(seller.client, "GET", NOBODY, sent)
        assert [one.get("trace_id") for one in logged.lines()] == [trace, None]
        provider.shutdown()

    async def test_that_is_cut_off_has_no_status(self, seller: World, logged: Logged) -> None:
        await arm(seller, {"type": "timeout_before", "seconds": 0})
        async with listening(logged.app) as (host, port), httpx.AsyncClient() as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await send(client, "GET", f"http://{host}:{port}{NOBODY}", keys(seller))
        (said,) = (one for one in logged.lines() if one["path"] == NOBODY)
        assert said["event"] == "call cut off"
        assert "status" not in said

    async def test_shows_no_body_and_no_query(self, seller: World, logged: Logged) -> None:
        fields = {"client_id": seller.client_id, "client_secret": seller.secret}
        await seller.client.post(TOKEN_PATH, params=fields)
        await seller.post("/v3/resellers", {"companyProfile": {"companyName": "Hidden Ltd"}})
        said = logged.written()
        for hidden in (seller.client_id, seller.secret, seller.token, "Hidden"):
            assert hidden not in said


class TestAsText:
    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        """The form for people."""
        return {"log_format": "console"}

    async def test_it_is_one_line_that_nothing_sent_can_break_or_fake(
        self, seller: World, logged: Logged
    ) -> None:
        sent = keys(seller, X_Correlation_Id='a" status=200', X_Request_Id="request-1")
        sent.append(("User-Agent", "client status=201"))
        await send(seller.client, "GET", "/v3/customers/x%0Ay%1Bz?a%0Ab=1", sent)
        (said,) = logged.written().splitlines()
        assert re.match(r"[\d-]{10}T[\d:.]{15}Z \[info     \] call +component=access ", said)
        assert "path=/v3/customers/x%0Ay%1Bz " in said
        assert r'correlation_id="a\" status=200"' in said
        assert r'ignored=["a\nb"]' in said
        assert said.endswith('user_agent="client status=201"')


class TestSwitchedOff:
    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        """No line for calls."""
        return {"access_log": False}

    async def test_there_are_no_lines(
        self, settings: Settings, changes: dict[str, Any], database_url: str
    ) -> None:
        async with await connect(database_url, 1) as pool:
            engine = Engine(pool, SystemClock(), sandbox=True)
            own = settings.model_copy(update=changes)
            _, gate = build(own, engine, Tokens(b"k" * 32, engine.clock))
            assert gate.access_log is None


# --- failures --------------------------------------------------------------------------------


def where(world: World) -> dict[str, str]:
    """What every failure of `failing` is logged with."""
    return {
        "method": "POST",
        "path": "/v3/resellers",
        "request_id": "request-1",
        "correlation_id": "intent-1",
        "partner_id": world.distributor_id,
    }


async def failing(world: World, content: Any = b"{}") -> tuple[httpx.Response, Lines]:
    """A call that is to fail, and what is logged of it."""
    sent = keys(
        world,
        Content_Type="application/json",
        X_Request_Id="request-1",
        X_Correlation_Id="intent-1",
    )
    away = telemetry.DatabaseAway(SystemClock())
    with patch.object(answers, "database_away", away), capture_logs() as said:
        response = await send(world.client, "POST", "/v3/resellers", sent, content=content)
    return response, [dict(one) for one in said if "request_id" in one]


def raising(error: BaseException) -> Any:
    async def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


async def test_a_slow_body_is_its_senders(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    monkeypatch.setattr(limits, "CALL_SECONDS", 0.05)
    response, said = await failing(world, stalled())
    monkeypatch.undo()
    assert (response.status_code, response.json()["code"]) == (503, "503")
    assert response.headers["Retry-After"] == "5"
    assert response.headers["Connection"] == "close"
    event = {"event": "request body too slow", "log_level": "info", "seconds": 0.05}
    assert said == [{**event, **where(world)}]


async def test_a_call_over_its_budget(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stalled(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(limits, "CALL_SECONDS", 0.05)
    monkeypatch.setattr("seatledger.engine.writes.Writes._attempt", stalled)
    response, said = await failing(world)
    monkeypatch.undo()
    assert (response.status_code, response.json()["code"]) == (503, "503")
    event = {"event": "call took too long", "log_level": "warning", "seconds": 0.05}
    assert said == [{**event, **where(world)}]


@pytest.mark.parametrize("error", [ConnectionRefusedError("refused"), TimeoutError()])
async def test_a_database_that_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """A statement that got no answer in time says so, too."""
    monkeypatch.setattr("seatledger.engine.writes.Writes._attempt", raising(error))
    response, said = await failing(world)
    monkeypatch.undo()
    assert (response.status_code, response.json()["code"]) == (503, "503")
    assert said == [
        {
            "event": "database away",
            "log_level": "warning",
            "component": "database",
            "error_type": type(error).__name__,
            "error": str(error),
            "more_since_last": 0,
            **where(world),
        }
    ]


async def test_our_own_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    error = ZeroDivisionError("by zero")
    monkeypatch.setattr("seatledger.engine.writes.Writes._attempt", raising(error))
    response, said = await failing(world)
    monkeypatch.undo()
    assert response.status_code == 500
    event = {"event": "unhandled error", "log_level": "error", "error_type": "ZeroDivisionError"}
    assert said == [{**event, "exc_info": error, **where(world)}]


def test_a_database_that_stays_away_is_mentioned_now_and_then() -> None:
    clock = ManualClock(SystemClock().now())
    away = telemetry.DatabaseAway(clock)
    with capture_logs() as said:
        for _ in range(40):
            away.note(ConnectionRefusedError("refused"), met_by="worker")
            clock.advance(timedelta(seconds=0.25))
    assert [one["more_since_last"] for one in said] == [0, 19]
    assert {one["error_type"] for one in said} == {"ConnectionRefusedError"}
    assert {one["met_by"] for one in said} == {"worker"}
