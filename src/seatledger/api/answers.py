"""Answers as HTTP responses: envelope, status, and the headers every answer carries."""

from starlette.responses import Response
from starlette.types import Scope

from seatledger.contract import errors
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.calls import Answer

_SECURITY = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_JSON = {"Content-Type": "application/json", **_SECURITY}
_HSTS = "max-age=31536000"


def response(
    scope: Scope, answer: Answer, *, request_id: str = "", correlation_id: str = ""
) -> Response:
    """An API answer with its headers (platform.md 4.2)."""
    headers = {**_JSON}
    if request_id:
        headers["X-Request-Id"] = request_id
    if correlation_id:
        headers["X-Correlation-Id"] = correlation_id
    if answer.retry_after_seconds is not None:
        headers["Retry-After"] = str(answer.retry_after_seconds)
    if answer.replayed:
        headers["Seatledger-Replayed"] = "true"
    if answer.mismatch:
        headers["Seatledger-Mismatch"] = "body"
    if scope["scheme"] == "https":
        headers["Strict-Transport-Security"] = _HSTS
    return Response(answer.body, answer.http_status, headers)


def plain(scope: Scope, text: str, status: int = 200) -> Response:
    """A plain-text answer: pings and probes."""
    headers = {**_SECURITY, "Content-Type": "text/plain; charset=utf-8"}
    if scope["scheme"] == "https":
        headers["Strict-Transport-Security"] = _HSTS
    return Response(text, status, headers)


def refusal(
    code: str, *details: str, retry_after_seconds: int | None = None, variant: str | None = None
) -> Answer:
    """A catalogued refusal that nothing is stored of."""
    status, body = render.refusal(Refused(code, details, variant))
    return Answer(status, body, retry_after_seconds=retry_after_seconds)


def conflict(reason: str) -> Answer:
    """409 of the control API; the message names the reason (sandbox.md 1)."""
    form = errors.form("409")
    body = {"code": form.code, "message": reason, "additionalDetails": []}
    return Answer(form.http_status, render.encode(body))
