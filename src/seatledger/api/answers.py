"""Answers as HTTP responses: envelope, status, and the headers every answer carries."""

import asyncio
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from seatledger.api.interception import RESET, Aborted, Cut
from seatledger.contract import errors, limits
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.calls import Answer, InjectedFailure, Unavailable
from seatledger.store.database import is_away, is_locked
from seatledger.telemetry import database_away

_UNTIL_SENT_SECONDS = 0.05  # a reset takes along what is still on its way
AWAY_SECONDS = 5  # Retry-After while the database is away (platform.md 6)

_SECURITY = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_HSTS = "max-age=31536000"

log = structlog.get_logger()


class SlowBody(Exception):
    """A request body that did not arrive in time (platform.md 13)."""


class OverBudget(Exception):
    """A call that was not done in time (platform.md 13): it is cancelled and rolled back."""


def response(scope: Scope, answer: Answer) -> Response:
    """An API answer with its headers (platform.md 4.2)."""
    scope["state"]["answer"] = answer
    headers = _headers(scope, answer.media_type)
    if answer.retry_after_seconds is not None:
        headers["Retry-After"] = str(answer.retry_after_seconds)
    if answer.replayed:
        headers["Seatledger-Replayed"] = "true"
    if answer.mismatch:
        headers["Seatledger-Mismatch"] = "body"
    if answer.http_status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    shape = _CutResponse if isinstance(answer, Cut) else Response
    return shape(answer.body, answer.http_status, headers)


class _CutResponse(Response):
    """Sends all of its head and half of its body, and resets the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        reset = scope.get("extensions", {}).get(RESET)
        if reset is None:
            raise Aborted
        await asyncio.sleep(_UNTIL_SENT_SECONDS)
        reset()
        while (await receive())["type"] != "http.disconnect":
            pass


def plain(scope: Scope, text: str, status: int = 200) -> Response:
    """A plain-text answer: pings and probes."""
    return Response(text, status, _headers(scope, _TEXT))


def unrouted(scope: Scope, error: HTTPException) -> Response:
    """The answer where the router found none: unknown paths, wrong methods, OPTIONS of any path."""
    if error.status_code != 405:
        return response(scope, refusal("404"))
    offered = (error.headers or {}).get("Allow", "").split(", ")
    allowed = ", ".join(sorted({*offered, "OPTIONS"}))
    if scope["method"] == "OPTIONS":
        return Response(status_code=204, headers={**_headers(scope, _JSON), "Allow": allowed})
    refused = response(scope, refusal("405"))
    refused.headers["Allow"] = allowed
    return refused


def _headers(scope: Scope, media_type: str) -> dict[str, str]:
    """Headers of every answer; `scope` has been through the gate, which put the ids there."""
    state = scope["state"]
    headers = {"Content-Type": media_type, "X-Request-Id": state["request_id"], **_SECURITY}
    if state["correlation_id"]:
        headers["X-Correlation-Id"] = state["correlation_id"]
    if scope["scheme"] == "https":
        headers["Strict-Transport-Security"] = _HSTS
    return headers


def refusal(code: str, *details: str, retry_after_seconds: int | None = None) -> Answer:
    """A catalogued refusal that nothing is stored of."""
    status, body = render.refusal(Refused(code, details))
    return Answer(status, body, retry_after_seconds=retry_after_seconds)


def failure(scope: Scope, error: Exception) -> Answer:
    """What a call answers that could not be finished: 503 when it was too slow or the database is
    away, else 1124.

    No detail leaves the server: the request id finds it in the log.
    """
    facts = _facts(scope)
    if isinstance(error, SlowBody):
        log.info("request body too slow", seconds=limits.CALL_SECONDS, **facts)
        scope["state"]["closes"] = True  # nobody waits for the rest of it
        return refusal("503", retry_after_seconds=AWAY_SECONDS)
    if isinstance(error, OverBudget):
        log.warning("call took too long", seconds=limits.CALL_SECONDS, **facts)
        return refusal("503", retry_after_seconds=AWAY_SECONDS)
    if isinstance(error, Unavailable):
        if error.__cause__ is not None and is_away(error.__cause__):
            database_away.note(error.__cause__, **facts)
        else:
            log.warning("no turn in time", **facts)
        return refusal("503", retry_after_seconds=error.retry_after_seconds)
    if isinstance(error, InjectedFailure):
        return refusal("1124")
    if is_locked(error):
        log.warning("a row stayed locked", **facts)
        return refusal("503", retry_after_seconds=1)
    if is_away(error):
        database_away.note(error, **facts)
        return refusal("503", retry_after_seconds=AWAY_SECONDS)
    log.error("unhandled error", error_type=type(error).__name__, **facts, exc_info=error)
    return refusal("1124")


def _facts(scope: Scope) -> dict[str, Any]:
    """What finds a failed call again."""
    state = scope["state"]
    context = state.get("context")
    return {
        "method": scope["method"],
        "path": scope["path"],
        "request_id": state["request_id"],
        "correlation_id": state["correlation_id"],
        "partner_id": context.partner_id if context is not None else "",
    }


def conflict(reason: str) -> Answer:
    """409 of the control API; the message names the reason (sandbox.md 1)."""
    form = errors.form("409")
    body = {"code": form.code, "message": reason, "additionalDetails": []}
    return Answer(form.http_status, render.encode(body))
