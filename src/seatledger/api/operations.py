"""The table of operations, and the way from a route to its handler (platform.md 3, 7-9)."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import asyncpg
import structlog
from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from seatledger.api import answers
from seatledger.api.context import Context, Handler
from seatledger.api.gate import is_printable, read_body
from seatledger.api.interception import FAULT_HEADER, Aborted, Interceptor
from seatledger.engine.calls import Answer, InjectedFailure, Unavailable

Access = Literal["read", "write", "preview"]

UNKNOWN_ID = ""  # no row has it

log = structlog.get_logger()


class Operation(Struct, frozen=True):
    """One row of the API: where it is, who serves it, what goes in and out.

    `access` says what a read-only credential may do: "write" is refused, "preview" decides by the
    body. `codes` are those its own rules answer, beside the ones every call may get.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    access: Access
    success: int
    answer: Any
    body: Any = None
    codes: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    needs_correlation_id: bool = True


def routes(operations: Iterable[Operation], interceptor: Interceptor | None) -> list[Route]:
    """Starlette routes of a table: one per path, so that 405 names all its methods."""
    by_path: dict[str, list[Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, []).append(operation)
    return [
        Route(
            path.replace("-id}", "_id}"),
            _Endpoint(found, interceptor).serve,
            methods=[*(one.method for one in found), "OPTIONS"],
        )
        for path, found in by_path.items()
    ]


class _Endpoint:
    """Serves the operations of one path."""

    def __init__(self, operations: Sequence[Operation], interceptor: Interceptor | None) -> None:
        self._operations = {one.method: one for one in operations}
        if "GET" in self._operations:
            self._operations["HEAD"] = self._operations["GET"]
        self._interceptor = interceptor

    async def serve(self, request: Request) -> Response:
        """Steps 8-14 of the order of checks."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(self._operations)})
        context: Context = request.scope["state"]["context"]
        context.params = {
            name.replace("_id", "-id"): value if _is_id(value) else UNKNOWN_ID
            for name, value in request.path_params.items()
        }
        answer = await self._answer(request, context, self._operations[request.method])
        return answers.response(
            request.scope,
            answer,
            request_id=context.request_id,
            correlation_id=context.correlation_id,
        )

    async def _answer(self, request: Request, context: Context, operation: Operation) -> Answer:
        try:
            body = await read_body(request)
        except ClientDisconnect:
            return answers.refusal("400")
        if body is None:
            return answers.refusal("413")
        context.body = body
        refused = _header_refusal(request, context, operation)
        if refused is not None:
            return refused
        try:
            if self._interceptor is not None and (
                context.world.row.faults_armed or context.headers.one(FAULT_HEADER) is not None
            ):
                return await self._interceptor.intercept(request, context, operation.handler)
            return await operation.handler(context)
        except Unavailable as error:
            return answers.refusal("503", retry_after_seconds=error.retry_after_seconds)
        except InjectedFailure:
            return answers.refusal("1124")
        except Aborted:
            raise
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
            log.warning("database unreachable", error=str(error))
            return answers.refusal("503", retry_after_seconds=5)
        except Exception:
            log.exception(
                "unhandled error",
                path=context.path,
                method=context.method,
                request_id=context.request_id,
                correlation_id=context.correlation_id,
                partner_id=context.partner_id,
            )
            return answers.refusal("1124")


def _is_id(value: str) -> bool:
    """4 to 40 letters, digits and hyphens; anything else is nobody's id (platform.md 1)."""
    return 4 <= len(value) <= 40 and value.replace("-", "0").isalnum()


def _header_refusal(request: Request, context: Context, operation: Operation) -> Answer | None:
    """Steps 8 and 9: Accept, Content-Type, correlation and request id, the credential's role."""
    headers = context.headers
    if not _admits_json(headers.all(b"accept")):
        return answers.refusal("406")
    if context.body and operation.method in ("POST", "PATCH") and not _is_json(context):
        return answers.refusal("415")
    correlation_id = (headers.one(b"x-correlation-id") or "").strip()
    sound = is_printable(correlation_id) and not headers.is_repeated(b"x-correlation-id")
    if operation.needs_correlation_id and not sound:
        return answers.refusal("4119")
    context.correlation_id = correlation_id if sound else ""
    if request.scope["state"]["bad_request_id"]:
        return answers.refusal("1117", "X-Request-Id")
    context.own_request_id = (headers.one(b"x-request-id") or "").strip()
    credential = context.credential
    if credential is not None:
        read_only = credential.role == "read" and operation.access == "write"
        if read_only or credential.status == "suspended":
            return answers.refusal("4121")
    return None


def _admits_json(values: Sequence[str]) -> bool:
    """Whether an Accept header lets JSON through; an absent one does (client_facts.md C1)."""
    if not values:
        return True
    for part in ",".join(values).split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        refused = any(one.replace(" ", "") in _ZERO_QUALITY for one in parameters)
        if media in ("", "*/*", "application/*", "application/json") and not refused:
            return True
    return False


_ZERO_QUALITY = frozenset({"q=0", "q=0.0", "q=0.00", "q=0.000"})


def _is_json(context: Context) -> bool:
    headers = context.headers
    if headers.one(b"content-encoding") not in (None, "", "identity"):
        return False
    media, _, parameters = (headers.one(b"content-type") or "").partition(";")
    if media.strip().lower() != "application/json":
        return False
    charset = parameters.strip().lower().replace('"', "")
    return charset in ("", "charset=utf-8")
