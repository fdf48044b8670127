"""Bringing a database to this release's schema, and asking whether it is there."""

import asyncio
from typing import Final

import asyncpg

from seatledger.store.rows import AnyPool

CURRENT_REVISION: Final = "0001"  # the newest of migrations/versions


def upgrade(database_url: str) -> None:
    """Run every migration the database lacks. Safe to call from several processes at once."""
    if asyncio.run(_is_current(database_url)):
        return
    # Only now: its libraries take longer to load than all the rest of the service.
    from seatledger.store.migrate_alembic import run_migrations

    asyncio.run(run_migrations(database_url, CURRENT_REVISION))


def current_revision() -> str:
    """The revision this release expects."""
    return CURRENT_REVISION


async def stored_revision(pool: AnyPool) -> str | None:
    """The revision a database has."""
    revision: str | None = await pool.fetchval("SELECT version_num FROM alembic_version")
    return revision


async def _is_current(database_url: str) -> bool:
    connection = await asyncpg.connect(database_url)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return False
        stored = await connection.fetchval("SELECT version_num FROM alembic_version")
        return bool(stored == CURRENT_REVISION)
    finally:
        await connection.close()
