"""Alembic at work on one connection; loaded only by processes that have something to migrate."""

from functools import partial
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from seatledger.store.migrate import SchemaError

# Processes that start together migrate one after the other.
_LOCK_KEY = 5_401_337


async def run_migrations(database_url: str, revision: str) -> None:
    """Bring a database to a revision, unless another process has done it meanwhile.

    Raises SchemaError when that fails, with the database's own words.
    """
    url = database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(partial(_upgrade, revision=revision))
    except (SQLAlchemyError, CommandError) as error:
        raise SchemaError(f"the schema cannot be upgraded: {_cause(error)}") from error
    finally:
        await engine.dispose()


def _cause(error: Exception) -> BaseException:
    """What the driver said, without the statement and parameters that are printed around it."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


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
