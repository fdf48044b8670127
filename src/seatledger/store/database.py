"""The connection pool."""

import asyncpg

from seatledger.store.rows import AnyConnection, AnyPool

STATEMENT_TIMEOUT_MS = 15_000  # platform.md 13


async def _keep(_: AnyConnection) -> None:
    """Nothing to reset: settings of pooled connections are never changed."""


async def connect(database_url: str, size: int) -> AnyPool:
    """Open a pool of `size` connections, all in UTC with the contract's statement timeout."""
    pool = await asyncpg.create_pool(
        database_url,
        min_size=1,
        max_size=size,
        reset=_keep,
        command_timeout=STATEMENT_TIMEOUT_MS / 1000,
        server_settings={
            "timezone": "UTC",
            "application_name": "seatledger",
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        },
    )
    assert pool is not None
    return pool
