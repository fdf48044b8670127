"""Pings and probes (platform.md 14)."""

import asyncio

import asyncpg
from starlette.requests import Request
from starlette.responses import Response

from seatledger.api import answers
from seatledger.api.context import Headers
from seatledger.api.gate import Gate
from seatledger.engine.context import Engine
from seatledger.store.migrate import can_serve

_DATABASE_SECONDS = 1.0


class Health:
    """Answers whether the process lives and can serve."""

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._engine = engine
        self._gate = gate

    async def ping(self, request: Request) -> Response:
        """`pong` for a known API key; a token is optional, but checked when sent."""
        headers: Headers = request.scope["state"]["headers"]
        credential = await self._gate.credential_of(headers)
        if credential is None:
            return answers.response(request.scope, answers.refusal("4115"))
        if any(value.strip() for value in headers.all(b"authorization")):
            refused = self._gate.token_refusal(headers, credential, may_be_bare=True)
            if refused is not None:
                return answers.response(request.scope, refused)
        if not await self._can_serve():
            away = answers.refusal("503", retry_after_seconds=answers.AWAY_SECONDS)
            return answers.response(request.scope, away)
        return answers.plain(request.scope, "pong")

    async def livez(self, request: Request) -> Response:
        """The process serves."""
        return answers.plain(request.scope, "ok")

    async def readyz(self, request: Request) -> Response:
        """The database answers with a schema we work on, and the server is not draining."""
        ready = not self._engine.draining and await self._can_serve()
        return answers.plain(request.scope, "ok" if ready else "not ready", 200 if ready else 503)

    async def _can_serve(self) -> bool:
        try:
            async with asyncio.timeout(_DATABASE_SECONDS):
                return await can_serve(self._engine.pool)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
