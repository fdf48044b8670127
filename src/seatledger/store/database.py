"""The connection pool."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from seatledger.store.rows import AnyConnection, AnyPool

STATEMENT_TIMEOUT_MS = 15_000  # platform.md 13
# A row that stays locked for longer is somebody's long work: better answer 503 than hold a
# connection that others wait for.
LOCK_TIMEOUT_MS = 2_000
# Waiting for a turn is done without a connection (platform.md 5.4); this much lets somebody finish
# who is about to.
_BRIEF_LOCK_MS = 10
_END_SECONDS = 1.0  # for a statement that is not waited for to end by itself
_CONNECT_SECONDS = 2.0  # an unreachable database is reported by then (platform.md 33)

if TYPE_CHECKING:  # generic in its stubs alone
    _BaseConnection = asyncpg.Connection[asyncpg.Record]
else:
    _BaseConnection = asyncpg.Connection

_AWAY = (
    OSError,  # refused, reset, not answering in time
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # starting, stopping, or a statement took too long
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # met on a connection whose server was killed
    asyncpg.ReadOnlySQLTransactionError,  # a primary no more, or not yet
)


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot serve now, and may do so again later."""
    # The driver's own complaints about arguments are interface errors too.
    return isinstance(error, _AWAY) and not isinstance(error, ValueError)


def is_locked(error: BaseException) -> bool:
    """Whether an error says that a row stayed locked for too long."""
    return isinstance(error, asyncpg.LockNotAvailableError)


@asynccontextmanager
async def transaction(source: AnyPool | AnyConnection) -> AsyncIterator[AnyConnection]:
    """A transaction on a connection of a pool, or on the one the caller already holds.

    Who holds a connection passes it on: waiting for a second one could last for ever.
    """
    async with AsyncExitStack() as stack:
        if isinstance(source, asyncpg.Pool):
            connection: AnyConnection = await stack.enter_async_context(source.acquire())
        else:
            connection = source
        await stack.enter_async_context(connection.transaction())
        yield connection


@asynccontextmanager
async def brief_transaction(source: AnyPool | AnyConnection) -> AsyncIterator[AnyConnection]:
    """The same, but a row that somebody holds is not waited for: LockNotAvailableError.

    The caller pauses without a connection and tries again (`engine.writes.in_rounds`).
    """
    async with transaction(source) as connection:
        await connection.execute(f"SET LOCAL lock_timeout = {_BRIEF_LOCK_MS}")
        yield connection


class _Connection(_BaseConnection):
    """A connection that never asks the server to cancel what nobody waits for any more.

    PostgreSQL has a commit that waits for a standby, and is cancelled, end as if it had one. The
    answer stored with it would then be given to whoever repeats the call, and die with the primary.
    """

    async def _cancel(
        self, waiter: "asyncio.Future[None]", cancel_waiter: "asyncio.Future[None] | None" = None
    ) -> None:
        """Let the statement end by itself, or drop the connection if it does not soon."""
        if not waiter.done():
            waiter.set_result(None)
        if cancel_waiter is not None:
            ended, _ = await asyncio.wait([cancel_waiter], timeout=_END_SECONDS)
            if ended:
                return
        self.terminate()


async def _keep(_: AnyConnection) -> None:
    """Nothing to reset: settings of pooled connections are never changed."""


async def connect(database_url: str, size: int, *, reads: bool = False) -> AnyPool:
    """Open a pool of `size` connections, all in UTC with the contract's statement timeout.

    Only servers that take writes are connected to, unless the pool merely `reads`: behind one
    address a failed primary may answer as a standby, and would be kept for as long as it lives.
    """
    pool = await asyncpg.create_pool(
        database_url,
        min_size=1,
        max_size=size,
        connection_class=_Connection,
        reset=_keep,
        target_session_attrs=SessionAttribute.any if reads else SessionAttribute.read_write,
        timeout=_CONNECT_SECONDS,
        command_timeout=STATEMENT_TIMEOUT_MS / 1000,
        server_settings={
            "timezone": "UTC",
            "application_name": "seatledger",
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "lock_timeout": str(LOCK_TIMEOUT_MS),
        },
    )
    assert pool is not None
    return pool
