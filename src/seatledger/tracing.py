"""Traces through the OpenTelemetry API. Unless somebody listens, nothing is done for them.

Listening is a tracer provider: one that is set when the process starts (`opentelemetry-instrument`)
or that the standard variable OTEL_TRACES_EXPORTER asks for, where the SDK is installed.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import entry_points
from types import MappingProxyType

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Tracer
from opentelemetry.trace.status import Status, StatusCode
from structlog.typing import EventDict, WrappedLogger

_EXPORTER = "OTEL_TRACES_EXPORTER"
_NOTHING: AbstractContextManager[None] = nullcontext()
_SILENT = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)


class TracingError(Exception):
    """The environment asks for traces that cannot be had; the message says why."""


class Tracing:
    """The spans of this process. `tracer` is None while nobody listens."""

    def __init__(self) -> None:
        self.tracer: Tracer | None = None

    def configure(self) -> None:
        """Find out whether somebody listens; raises TracingError."""
        exporters = [name.strip() for name in os.environ.get(_EXPORTER, "").split(",")]
        wanted = [name for name in exporters if name not in ("", "none")]
        provider = trace.get_tracer_provider()
        if wanted and isinstance(provider, _SILENT):
            _export(wanted)
            provider = trace.get_tracer_provider()
        is_silent = isinstance(provider, _SILENT)
        self.tracer = None if is_silent else provider.get_tracer("seatledger")

    def call(
        self, method: str, headers: Sequence[tuple[bytes, bytes]]
    ) -> AbstractContextManager[object]:
        """The span of a call, within the caller's trace if its headers name one (traceparent)."""
        if self.tracer is None:
            return _NOTHING
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        within = propagate.extract(carrier)
        return self._begin(self.tracer, method, within, SpanKind.SERVER)

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[object]:
        """A span within the present one."""
        if self.tracer is None:
            return _NOTHING
        return self._begin(self.tracer, name, attributes=attributes)

    def batch(
        self, name: str, calls: Sequence[SpanContext | None]
    ) -> AbstractContextManager[object]:
        """A span of what several calls share: within the first one's, linked to all others."""
        if self.tracer is None:
            return _NOTHING
        first, *others = [one for one in calls if one is not None] or [trace.INVALID_SPAN_CONTEXT]
        within = trace.set_span_in_context(NonRecordingSpan(first))
        links = [Link(one) for one in others]
        return self._begin(self.tracer, name, within, links=links, attributes={"calls": len(calls)})

    def _begin(
        self,
        tracer: Tracer,
        name: str,
        within: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
        attributes: Mapping[str, str | int] = MappingProxyType({}),
    ) -> AbstractContextManager[Span]:
        # What an error says may hold what a caller sent; the log has it, found by the trace id.
        return tracer.start_as_current_span(
            name,
            within,
            kind,
            {f"seatledger.{key}": value for key, value in attributes.items()},
            links,
            record_exception=False,
            set_status_on_exception=False,
        )


tracing = Tracing()


def end_call(route: str, status: int, facts: dict[str, str]) -> None:
    """Tell the present span, a call's, what came of it; `facts` without a value are left out.

    `status` 0: its connection was gone.
    """
    span = trace.get_current_span()
    if route:
        span.update_name(f"{facts['http.request.method']} {route}")
        span.set_attribute("http.route", route)
    if status:
        span.set_attribute("http.response.status_code", status)
    span.set_attributes({name: value for name, value in facts.items() if value})
    if status >= 500 or not status:
        span.set_status(Status(StatusCode.ERROR))


def here() -> SpanContext:
    """The present span."""
    return trace.get_current_span().get_span_context()


def trace_id() -> str:
    """The id of the trace the present span belongs to, as traceparent writes it; "" outside."""
    found = here()
    return trace.format_trace_id(found.trace_id) if found.is_valid else ""


def add_trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A step of logging: lines written within a span name its trace."""
    if tracing.tracer is not None and (found := trace_id()):
        event["trace_id"] = found
    return event


def _export(names: Sequence[str]) -> None:
    """Set up the SDK with these exporters, as its own settings say (OTEL_...)."""
    try:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracingError(f"{_EXPORTER} is set, but opentelemetry-sdk is not installed") from error
    provider = TracerProvider()
    for name in names:
        found = list(entry_points(group="opentelemetry_traces_exporter", name=name))
        if not found:
            raise TracingError(f"{_EXPORTER} names {name}, of which no package is installed")
        provider.add_span_processor(BatchSpanProcessor(found[0].load()()))
    trace.set_tracer_provider(provider)


def flush() -> None:
    """Export the spans that wait, with what exporters allow themselves of time.

    To be called where a process ends: those of a server with several end without the hook that
    the SDK relies on.
    """
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)  # the SDK's alone has one
    if shutdown is not None:
        shutdown()
