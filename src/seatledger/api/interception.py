"""The place where a sandbox may step between a call and its handler."""

from typing import Final, Protocol

from starlette.requests import Request

from seatledger.api.context import Context, Handler
from seatledger.engine.calls import Answer

FAULT_HEADER: Final = b"x-sandbox-fault"
"""A fault for this one request (sandbox.md 5.3); it means nothing in production."""

ABORT: Final = "seatledger.abort"
"""The ASGI extension that drops the connection of a call."""

RESET: Final = "seatledger.reset"
"""The ASGI extension that resets it: the caller gets an error of its network, not an end."""


class Cut(Answer, frozen=True):
    """An answer of which half the body gets out before the connection is reset."""


class Aborted(Exception):
    """A call was to lose its connection, and the server it runs in cannot cut any."""


class Interceptor(Protocol):
    """Fault injection as the API sees it; production has none."""

    async def intercept(self, request: Request, context: Context, handler: Handler) -> Answer:
        """Answer a call of a world that has faults, with or without running its handler.

        Raises Aborted where a connection cannot be cut.
        """
        ...
