"""Traces: what spans there are, what they tell, and that nothing is done while nobody listens."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from seatledger.tracing import Tracing, TracingError, tracing
from tests.harness import World, line
from tests.wire import keys, send

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
CUSTOMER = "/v3/customers/{customer-id}"
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Listening:
    """The spans that have ended since the last look."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def heard(self) -> list[ReadableSpan]:
        """All of them, in the order of their ends."""
        spans = list(self._exporter.get_finished_spans())
        self._exporter.clear()
        return spans


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    """An SDK that keeps what it is told."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("test"))
    yield Listening(exporter)
    provider.shutdown()


def named(spans: list[ReadableSpan], name: str) -> ReadableSpan:
    """The one span of that name."""
    (found,) = (one for one in spans if one.name == name)
    return found


def place(span: ReadableSpan) -> tuple[int, int | None]:
    """A span's trace, and the span it lies within."""
    assert span.context is not None
    return span.context.trace_id, span.parent.span_id if span.parent is not None else None


def own_id(span: ReadableSpan) -> int:
    """The id of a span."""
    assert span.context is not None
    found: int = span.context.span_id
    return found


async def test_a_call_goes_on_with_its_callers_trace(world: World, listening: Listening) -> None:
    customer = await world.customer()
    listening.heard()
    sent = keys(world, traceparent=CALLER, X_Request_Id="request-1", X_Correlation_Id="intent-1")
    await send(world.client, "GET", f"/v3/customers/{customer}", sent)
    (span,) = listening.heard()
    assert (span.name, span.kind) == (f"GET {CUSTOMER}", SpanKind.SERVER)
    assert place(span) == (0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": CUSTOMER,
        "http.response.status_code": 200,
        "seatledger.partner_id": world.distributor_id,
        "seatledger.request_id": "request-1",
        "seatledger.correlation_id": "intent-1",
    }


async def test_a_refusal_names_its_code_and_is_no_error_of_ours(
    world: World, listening: Listening
) -> None:
    await world.get("/v3/customers/1005999999")
    await world.get("/v3/nothing")
    refused, unknown = listening.heard()
    assert (refused.attributes or {})["error.type"] == "1116"
    assert refused.status.status_code is StatusCode.UNSET
    assert (unknown.name, (unknown.attributes or {})["error.type"]) == ("GET", "404")


async def test_probes_leave_no_trace(world: World, listening: Listening) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        await send(world.client, "GET", path)
    assert listening.heard() == []


async def test_a_failure_is_an_error_without_its_words(
    world: World, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError("what a caller sent")

    customer = await world.customer()
    listening.heard()
    monkeypatch.setattr("seatledger.store.placing.read", fail)
    (await world.order(customer, line(OFFER))).refused(500, "1124")
    monkeypatch.undo()
    spans = listening.heard()
    call = spans[-1]
    assert (call.status.status_code, call.status.description) == (StatusCode.ERROR, None)
    assert not [event for one in spans for event in one.events]


async def test_an_order_shows_its_batch_and_its_settlement(
    world: World, listening: Listening
) -> None:
    customer = await world.customer()
    listening.heard()
    (await world.order(customer, line(OFFER))).ok()
    spans = listening.heard()
    call, batch = named(spans, f"POST {CUSTOMER}/orders"), named(spans, "order batch")
    assert place(batch) == (place(call)[0], own_id(call))
    for name in ("order read", "order write", "settlement"):
        assert place(named(spans, name)) == (place(call)[0], own_id(batch))
    assert (batch.attributes or {})["seatledger.calls"] == 1
    assert (named(spans, "settlement").attributes or {})["seatledger.customers"] == 1


async def test_calls_that_share_a_batch_are_linked_to_it(
    world: World, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatledger.engine.batcher.LANES", 1)
    customers = [await world.customer() for _ in range(4)]
    listening.heard()
    await asyncio.gather(*(world.order(one, line(OFFER)) for one in customers))
    spans = listening.heard()
    calls = {own_id(one) for one in spans if one.kind is SpanKind.SERVER}
    batches = [one for one in spans if one.name == "order batch"]
    assert [one for one in batches if len(one.links) > 0]
    parents = [place(one)[1] for one in batches]
    linked = [link.context.span_id for one in batches for link in one.links]
    assert sorted([*filter(None, parents), *linked]) == sorted(calls)


async def test_an_anniversary_is_traced(world: World, listening: Listening) -> None:
    customer = await world.customer()
    (await world.order(customer, line(OFFER))).ok()
    listening.heard()
    (await world.post("/sandbox/clock/advance", {"toNext": "renewal"})).ok(200)
    spans = listening.heard()
    call = named(spans, "POST /sandbox/clock/advance")
    found = [one for one in spans if one.name == "anniversary"]
    assert found
    assert {place(one)[0] for one in found} == {place(call)[0]}


async def test_spans_hold_no_names_and_no_secrets(world: World, listening: Listening) -> None:
    customer = await world.customer()
    (await world.order(customer, line(OFFER))).ok()
    (await world.get(f"/v3/customers/{customer}")).ok(200)
    told = repr([(one.name, dict(one.attributes or {}), one.events) for one in listening.heard()])
    for hidden in (world.token, world.secret, world.client_id, "example.com", "Company", "Lee"):
        assert hidden not in told


def test_while_nobody_listens_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_TRACES_EXPORTER", raising=False)
    silent = Tracing()
    silent.configure()
    assert silent.tracer is None
    assert silent.span("a") is silent.span("b", orders=1) is silent.batch("c", [None])
    for off in ("", "none"):
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", off)
        silent.configure()
        assert silent.tracer is None


def test_an_exporter_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "pigeon")
    with pytest.raises(TracingError, match="names pigeon, of which no package is installed"):
        Tracing().configure()


def test_the_standard_variable_switches_traces_on() -> None:
    """In a process of its own: a tracer provider is set once and for all."""
    program = (
        "from seatledger.tracing import tracing\n"
        "tracing.configure()\n"
        "with tracing.span('of a test', orders=2): pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "OTEL_TRACES_EXPORTER": "console", "OTEL_SERVICE_NAME": "seats"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"name": "of a test"' in done.stdout
    assert '"seatledger.orders": 2' in done.stdout
    assert '"service.name": "seats"' in done.stdout
