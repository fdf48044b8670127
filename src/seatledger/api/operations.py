"""The table of operations, and the way from a route to its handler (platform.md 3, 7-9)."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from seatledger.api import answers
from seatledger.api.context import Context, Handler
from seatledger.api.gate import read_body
from seatledger.api.interception import FAULT_HEADER, Interceptor
from seatledger.contract import limits
from seatledger.engine.bodies import may_be_id
from seatledger.engine.calls import Answer

Access = Literal["read", "write", "preview"]

UNKNOWN_ID = ""  # no row has it


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

    @property
    def is_kept(self) -> bool:
        """Whether it takes part in idempotency: calls that only read do not (platform.md 5.2)."""
        return self.access != "read"


def routes(operations: Iterable[Operation], interceptor: Interceptor | None) -> list[Route]:
    """Starlette routes of a table: one per path, so that 405 names all its methods.

    Orders come first: routes are tried one after another, and most calls are theirs.
    """
    by_path: dict[str, list[Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, []).append(operation)
    return [
        Route(
            path.replace("-id}", "_id}"),
            _Endpoint(found, interceptor),
            methods=[one.method for one in found],
        )
        for path, found in sorted(by_path.items(), key=lambda one: "/orders" not in one[0])
    ]


class _Endpoint:
    """Serves the operations of one path."""

    def __init__(self, operations: Sequence[Operation], interceptor: Interceptor | None) -> None:
        self._operations = {one.method: one for one in operations}
        if "GET" in self._operations:
            self._operations["HEAD"] = self._operations["GET"]
        self._interceptor = interceptor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Steps 8-14 of the order of checks."""
        request = Request(scope, receive)
        context: Context = scope["state"]["context"]
        context.params = {
            name.replace("_id", "-id"): value if may_be_id(value) else UNKNOWN_ID
            for name, value in request.path_params.items()
        }
        operation = self._operations[request.method]
        scope["state"]["parameters"] = operation.query
        answer = await self._answer(request, context, operation)
        await answers.response(scope, answer)(scope, receive, send)

    async def _answer(self, request: Request, context: Context, operation: Operation) -> Answer:
        body = await read_body(request)
        if body is None:
            return answers.refusal("413")
        context.body = body
        refused = _header_refusal(request, context, operation)
        if refused is not None:
            return refused

        async def handle(context: Context) -> Answer:
            try:
                async with asyncio.timeout(limits.CALL_SECONDS) as budget:
                    return await operation.handler(context)
            except TimeoutError as error:
                if budget.expired():
                    raise answers.OverBudget from error
                raise  # the database's

        if self._interceptor is not None and (
            context.world.row.faults_armed or context.headers.one(FAULT_HEADER) is not None
        ):
            return await self._interceptor.intercept(request, context, handle)
        return await handle(context)


def _header_refusal(request: Request, context: Context, operation: Operation) -> Answer | None:
    """Steps 8 and 9: Accept, Content-Type, correlation and request id, the credential's role."""
    headers = context.headers
    if not _admits_json(headers.all(b"accept")):
        return answers.refusal("406")
    if context.body and operation.method in ("POST", "PATCH") and not _is_json(context):
        return answers.refusal("415")
    if operation.needs_correlation_id and not context.correlation_id:
        return answers.refusal("4119")
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
    """Whether an Accept header lets JSON through; an absent one does (client_facts.md C1).

    Of several ranges that fit, the most specific one counts.
    """
    ranges: dict[str, bool] = {}
    for part in ",".join(values).split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if media:
            ranges[media] = not any(_NO_QUALITY.fullmatch(one) for one in parameters)
    for media in ("application/json", "application/*", "*/*"):
        if media in ranges:
            return ranges[media]
    return not ranges


_NO_QUALITY = re.compile(r"q\s*=\s*0(\.0*)?")


def _is_json(context: Context) -> bool:
    headers = context.headers
    if headers.one(b"content-encoding") not in (None, "", "identity"):
        return False
    media, _, parameters = (headers.one(b"content-type") or "").partition(";")
    if media.strip().lower() != "application/json":
        return False
    charset = parameters.strip().lower().replace('"', "")
    return charset in ("", "charset=utf-8")
