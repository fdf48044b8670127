"""Metrics as they are asked for (platform.md 14), and what every call adds to them."""

import asyncio
import hmac
from collections.abc import Awaitable
from datetime import datetime
from typing import TypeVar

import asyncpg
from prometheus_client import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from seatledger import metrics, tracing
from seatledger.api import answers
from seatledger.api.context import Context, Headers
from seatledger.contract.errors import catalogue
from seatledger.engine.context import Engine
from seatledger.metrics import Cells
from seatledger.metrics_board import Board
from seatledger.store import backlog
from seatledger.store.backlog import Backlog
from seatledger.store.migrate import can_serve
from seatledger.store.rows import AnyPool

WRITE_SECONDS = 1.0  # how old another process's numbers may be

_DATABASE_SECONDS = 1.0
T = TypeVar("T")

_NO_ROUTE = "none"
_OTHER = "other"
_METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"})
_CODES = frozenset({"", *(row.code for row in catalogue())})


class Monitoring:
    """Answers GET /metrics for all processes of this server.

    At the port of its own everyone may ask, elsewhere only who has the admin token.
    """

    def __init__(
        self, engine: Engine, board: Board, admin_token: str | None, port: int | None
    ) -> None:
        self._engine = engine
        self._board = board
        self._admin_token = admin_token
        self._port = port

    async def metrics(self, request: Request) -> Response:
        """Everything counted and everything the database says, in the form asked for."""
        if not self._may_ask(request.scope):
            return answers.response(request.scope, answers.refusal("4116"))
        note_pool(self._engine.pool)
        numbers = {**self._board.numbers(), **await self._stated()}
        families = [metric.family(numbers[metric.name]) for metric in metrics.ALL]
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        response = answers.plain(request.scope, "")
        response.body = encode(_Families(families))
        response.headers["Content-Type"] = media_type
        response.headers["Content-Length"] = str(len(response.body))
        return response

    def _may_ask(self, scope: Scope) -> bool:
        if self._port is not None and is_at(scope, self._port):
            return True
        headers: Headers = scope["state"]["headers"]
        given = headers.one(b"x-admin-token") or _bearer(headers.one(b"authorization") or "")
        return bool(self._admin_token) and hmac.compare_digest(
            given.encode(), (self._admin_token or "").encode()
        )

    async def _stated(self) -> dict[str, Cells]:
        """What the database says of itself; what it could not say in time is left out."""
        stated: dict[str, Cells] = {metric.name: {} for metric in metrics.STATED}
        stated[metrics.BUILD.name] = metrics.BUILD.cells
        pool, now = self._engine.pool, self._engine.clock.now()
        is_up = await _in_time(can_serve(pool))
        stated[metrics.DATABASE_UP.name] = {(): [float(bool(is_up))]}
        found = await _in_time(_backlog(pool, now)) if is_up else None
        if found is not None:
            stated[metrics.PARKED_CUSTOMERS.name] = {(): [found.parked_customers]}
            stated[metrics.DUE_WORK.name] = {(one.kind,): [one.count] for one in found.due}
            stated[metrics.OVERDUE_SECONDS.name] = {
                (one.kind,): [(now - (one.oldest or now)).total_seconds()] for one in found.due
            }
        return stated


class _Families(Collector):
    """Families that are there already, as the Prometheus client wants to collect them."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> list[Family]:
        """All of them."""
        return self._families


async def publish(pool: AnyPool, board: Board) -> None:
    """Show this process's numbers to the other processes of its server, until cancelled."""
    while board.is_shared:
        note_pool(pool)
        board.write()
        await asyncio.sleep(WRITE_SECONDS)


def note_pool(pool: AnyPool) -> None:
    """State how this process's database connections are used."""
    idle = pool.get_idle_size()
    metrics.POOL_CONNECTIONS.set("in_use", value=pool.get_size() - idle)
    metrics.POOL_CONNECTIONS.set("idle", value=idle)
    metrics.POOL_SIZE.set(value=pool.get_max_size())
    metrics.PROCESSES.set(value=1)


async def _in_time(asked: Awaitable[T]) -> T | None:
    """What the database answers; None when it does not, or takes too long."""
    try:
        async with asyncio.timeout(_DATABASE_SECONDS):
            return await asked
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None


async def _backlog(pool: AnyPool, now: datetime) -> Backlog:
    async with pool.acquire() as connection:
        return await backlog.read(connection, now)


def is_at(scope: Scope, port: int) -> bool:
    """Whether a call came in at a port of ours."""
    return bool(scope["server"] and scope["server"][1] == port)


def count_call(scope: Scope, status: int, code: str, seconds: float) -> None:
    """Count a call that has ended; `status` 0: its connection was gone."""
    method = scope["method"] if scope["method"] in _METHODS else _OTHER
    route = _template(scope) or _NO_ROUTE
    known = code if code in _CODES else _OTHER  # a fault may answer any
    metrics.REQUESTS.add(method, route, str(status), known)
    metrics.REQUEST_SECONDS.observe(seconds, method, route)


def trace_call(scope: Scope, status: int, code: str) -> None:
    """Tell the span of a call what came of it: ids, no names, nothing secret."""
    state = scope["state"]
    context: Context | None = state.get("context")
    tracing.end_call(
        _template(scope),
        status,
        {
            "http.request.method": scope["method"],
            "error.type": code,
            "seatledger.partner_id": context.partner_id if context is not None else "",
            "seatledger.request_id": state["request_id"],
            "seatledger.correlation_id": state["correlation_id"],
        },
    )


def _template(scope: Scope) -> str:
    """The route of a call with its placeholders; "" when none was found."""
    route = scope.get("route")
    return route.path.replace("_id}", "-id}") if route is not None else ""


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    return token if scheme.lower() == "bearer" else ""
