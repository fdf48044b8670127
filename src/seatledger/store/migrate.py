"""Bringing a database to this release's schema, and asking whether it is there."""

import asyncio
from typing import Final

import asyncpg
from msgspec import Struct

from seatledger.store.rows import AnyPool

CURRENT_REVISION: Final = "0001"  # the newest of migrations/versions, numbered as they follow


class SchemaError(Exception):
    """A schema this release cannot work with or bring up to date; the message says why."""


class Schema(Struct, frozen=True):
    """The schema of a database: the last revision it was brought to, None for an empty one."""

    revision: str | None

    @property
    def is_current(self) -> bool:
        """Whether it is the one this release works with."""
        return self.revision == CURRENT_REVISION

    @property
    def is_unknown(self) -> bool:
        """Whether a later release, or another program, has made it."""
        if self.revision is None:
            return False
        return not self.revision.isdecimal() or int(self.revision) > int(CURRENT_REVISION)


def schema_of(database_url: str) -> Schema:
    """The schema a database has."""
    return asyncio.run(_schema(database_url))


def upgrade(database_url: str) -> None:
    """Run every migration the database lacks. Safe to call from several processes at once.

    Raises SchemaError for a schema of a later release, and when the database refuses a migration.
    """
    schema = schema_of(database_url)
    if schema.is_current:
        return
    if schema.is_unknown:
        raise SchemaError(describe(schema))
    # Only now: its libraries take longer to load than all the rest of the service.
    from seatledger.store.migrate_alembic import run_migrations

    asyncio.run(run_migrations(database_url, CURRENT_REVISION))


def describe(schema: Schema) -> str:
    """A schema in words, beside the one that is needed."""
    if schema.is_current:
        return f"the database has schema {CURRENT_REVISION}, the one of this release"
    if schema.is_unknown:
        return (
            f"the database has schema {schema.revision}, which this release does not know "
            f"(its own is {CURRENT_REVISION}): use the release that made it, or a later one"
        )
    found = "no schema" if schema.revision is None else f"schema {schema.revision}"
    return f"the database has {found}, this release needs {CURRENT_REVISION}"


async def stored_revision(pool: AnyPool) -> str | None:
    """The revision a database has."""
    revision: str | None = await pool.fetchval("SELECT version_num FROM alembic_version")
    return revision


async def _schema(database_url: str) -> Schema:
    connection = await asyncpg.connect(database_url)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return Schema(None)
        return Schema(await connection.fetchval("SELECT version_num FROM alembic_version"))
    finally:
        await connection.close()
