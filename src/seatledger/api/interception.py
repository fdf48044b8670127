"""The place where a sandbox may step between a call and its handler."""

from typing import Protocol

from starlette.requests import Request

from seatledger.api.context import Context, Handler
from seatledger.engine.calls import Answer


class Interceptor(Protocol):
    """Fault injection as the API sees it; production has none."""

    async def intercept(self, request: Request, context: Context, handler: Handler) -> Answer:
        """Answer a call of a world that has faults, with or without running its handler."""
        ...
