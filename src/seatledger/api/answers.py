"""Answers as HTTP responses: envelope, status, and the headers every answer carries."""

import structlog
from starlette.responses import Response
from starlette.types import Scope

from seatledger.contract import errors
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.calls import Answer, InjectedFailure, Unavailable
from seatledger.store.database import is_away

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


def response(scope: Scope, answer: Answer) -> Response:
    """An API answer with its headers (platform.md 4.2)."""
    headers = _headers(scope, _JSON)
    if answer.retry_after_seconds is not None:
        headers["Retry-After"] = str(answer.retry_after_seconds)
    if answer.replayed:
        headers["Seatledger-Replayed"] = "true"
    if answer.mismatch:
        headers["Seatledger-Mismatch"] = "body"
    if answer.http_status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(answer.body, answer.http_status, headers)


def plain(scope: Scope, text: str, status: int = 200) -> Response:
    """A plain-text answer: pings and probes."""
    return Response(text, status, _headers(scope, _TEXT))


def options(scope: Scope, allowed: str) -> Response:
    """The answer to OPTIONS: the methods of a path, no body."""
    return Response(status_code=204, headers={**_headers(scope, _JSON), "Allow": allowed})


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
    """What a call answers that could not be finished: 503 while the database is away, else 1124.

    No detail leaves the server: the request id finds it in the log.
    """
    if isinstance(error, Unavailable):
        return refusal("503", retry_after_seconds=error.retry_after_seconds)
    if isinstance(error, InjectedFailure):
        return refusal("1124")
    if is_away(error):
        log.warning("database unreachable", error=str(error))
        return refusal("503", retry_after_seconds=AWAY_SECONDS)
    log.error(
        "unhandled error",
        method=scope["method"],
        path=scope["path"],
        request_id=scope["state"]["request_id"],
        correlation_id=scope["state"]["correlation_id"],
        exc_info=error,
    )
    return refusal("1124")


def conflict(reason: str) -> Answer:
    """409 of the control API; the message names the reason (sandbox.md 1)."""
    form = errors.form("409")
    body = {"code": form.code, "message": reason, "additionalDetails": []}
    return Answer(form.http_status, render.encode(body))
