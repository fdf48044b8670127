"""Alembic at work on one connection; loaded only by processes that have something to migrate."""

from functools import partial
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

# Processes that start together migrate one after the other.
_LOCK_KEY = 5_401_337


async def run_migrations(database_url: str, revision: str) -> None:
    """Bring a database to a revision, unless another process has done it meanwhile."""
    url = database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(partial(_upgrade, revision=revision))
    finally:
        await engine.dispose()


def newest_revision() -> str | None:
    """The head of the migrations there are."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _upgrade(connection: Connection, *, revision: str) -> None:
    connection.execute(text(f"SELECT pg_advisory_lock({_LOCK_KEY})"))
    connection.commit()
    try:
        if MigrationContext.configure(connection).get_current_revision() == revision:
            return
        connection.rollback()
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK_KEY})"))
        connection.commit()
