"""Bringing a database to this release's schema, and asking whether it is there."""

import asyncio
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from seatledger.store.rows import AnyPool

# Processes that start together migrate one after the other.
_LOCK_KEY = 5_401_337


def upgrade(database_url: str) -> None:
    """Run every migration the database lacks. Safe to call from several processes at once."""
    asyncio.run(_with_connection(database_url, _upgrade))


@cache
def current_revision() -> str:
    """The revision this release expects."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


async def stored_revision(pool: AnyPool) -> str | None:
    """The revision a database has."""
    revision: str | None = await pool.fetchval("SELECT version_num FROM alembic_version")
    return revision


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _upgrade(connection: Connection) -> None:
    connection.execute(text(f"SELECT pg_advisory_lock({_LOCK_KEY})"))
    connection.commit()
    try:
        if MigrationContext.configure(connection).get_current_revision() == current_revision():
            return
        connection.rollback()
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK_KEY})"))
        connection.commit()


async def _with_connection(database_url: str, work: object) -> None:
    url = database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(work)  # type: ignore[arg-type]
    finally:
        await engine.dispose()
