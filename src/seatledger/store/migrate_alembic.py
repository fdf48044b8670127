"""Alembic at work on one connection; loaded only where there is an older schema to migrate.

Migrations run while servers serve (docs/decisions/0011-schemas-expand-before-they-contract.md).
"""

import asyncio
import io
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from seatledger.store.migrate import LOCK_KEY, NEW_DATABASE, SchemaError

VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"
# Whoever waits for a table makes all later users of it wait behind: shorter than these would stand.
LOCK_TIMEOUT_MS: Final = 1_000
_ATTEMPTS = 30
_LONGEST_PAUSE_SECONDS = 5.0
_TURN_SECONDS = 0.2


async def run_migrations(database_url: str, revision: str, versions: Path = VERSIONS) -> None:
    """Bring a database to a revision, unless another process has done it meanwhile.

    Each migration of the folder is a transaction of its own, tried again when a table it needs
    stays locked. Raises SchemaError when one fails, with the database's own words; those before it
    stay.
    """
    # The driver reads the address itself, as everywhere: not all it may say has another spelling.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(asyncpg.connect, database_url)
    )
    try:
        async with engine.connect() as connection:
            await _take_turn(connection)
            await _insist(connection, partial(_upgrade, revision=revision, versions=versions))
    except (SQLAlchemyError, CommandError) as error:
        raise SchemaError(f"the schema cannot be upgraded: {_cause(error)}") from error
    finally:
        await engine.dispose()  # and with the connection goes the lock


def script(versions: Path = VERSIONS) -> str:
    """All migrations of a folder as the SQL that makes their schema in an empty database."""
    written = io.StringIO()
    config = _config(versions)
    config.output_buffer = written
    command.upgrade(config, "head", sql=True)
    return written.getvalue()


async def _take_turn(connection: AsyncConnection) -> None:
    """Wait until no other process migrates.

    By asking again, not by waiting in the database: an index built concurrently waits for every
    statement under way, and that one would wait for the index.
    """
    ask = text(f"SELECT pg_try_advisory_lock({LOCK_KEY})")
    while not await connection.scalar(ask):
        await connection.rollback()
        await asyncio.sleep(_TURN_SECONDS)
    await connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
    await connection.execute(text("SET statement_timeout = 0"))
    await connection.commit()


async def _insist(connection: AsyncConnection, migrate: "partial[None]") -> None:
    """Migrate, and again after a pause when a lock was not to be had."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            await connection.run_sync(migrate)
        except DBAPIError as error:
            await connection.rollback()
            if attempt == _ATTEMPTS or not isinstance(_cause(error), asyncpg.LockNotAvailableError):
                raise
            await asyncio.sleep(min(_LONGEST_PAUSE_SECONDS, 0.1 * 2**attempt))
        else:
            return


def _cause(error: Exception) -> BaseException:
    """What the driver said, without the statement and parameters that are printed around it."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def _config(versions: Path = VERSIONS) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions))
    return config


def _upgrade(connection: Connection, *, revision: str, versions: Path) -> None:
    if MigrationContext.configure(connection).get_current_revision() == revision:
        return
    connection.rollback()
    config = _config(versions)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    connection.commit()


if __name__ == "__main__":  # after adding a migration
    NEW_DATABASE.write_text(script(), "utf-8")
