"""Failure injection (sandbox.md 5.3)."""

from typing import Any

from starlette.requests import Request

from seatledger.api.context import Context, Handler
from seatledger.engine.calls import Answer
from seatledger.engine.context import Engine
from seatledger.sandbox.control import Control


class Faults:
    """Steps between a call and its handler when the caller's world has armed faults."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def intercept(self, request: Request, context: Context, handler: Handler) -> Answer:
        """Run the call."""
        return await handler(context)


async def show(control: Control) -> tuple[int, Any]:
    """GET /sandbox/faults."""
    return 200, {"totalCount": 0, "items": []}


async def arm(control: Control) -> tuple[int, Any]:
    """POST /sandbox/faults."""
    return 201, {}


async def disarm(control: Control) -> tuple[int, Any]:
    """DELETE /sandbox/faults/{fault-id}."""
    return 204, None


async def disarm_all(control: Control) -> tuple[int, Any]:
    """DELETE /sandbox/faults."""
    return 204, None


async def count(control: Control) -> int:
    """How many faults are armed."""
    return 0
