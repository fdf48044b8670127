"""Bringing a database to this release's schema, and asking whether it is there.

Schemas have the numbers of their migrations. A schema stores the number of the oldest one whose
servers work on it as well: adding things leaves it, taking things away raises it. So servers of two
releases run side by side on one database (docs/decisions/0011-schemas-expand-before-they-contract).
"""

import asyncio
from pathlib import Path
from typing import Final

import asyncpg
from msgspec import Struct

from seatledger.store.rows import AnyConnection, AnyPool

CURRENT_REVISION: Final = "0101"  # the newest of migrations/versions, numbered as they follow
_FIRST_REVISION: Final = "0100"  # what came before was never released, and never twice the same
# All migrations written down by `migrate_alembic.script`, for a database in which there is nothing.
NEW_DATABASE: Final = Path(__file__).parent / "migrations" / "new_database.sql"
LOCK_KEY: Final = 5_401_337  # processes that start together migrate one after the other


class SchemaError(Exception):
    """A schema this release cannot work with or bring up to date; the message says why."""


class Schema(Struct, frozen=True):
    """The schema of a database: the last revision it was brought to, None for an empty one.

    `serves` is the oldest revision whose servers work on it; None where nobody noted it.
    """

    revision: str | None
    serves: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether it is the one this release makes."""
        return self.revision == CURRENT_REVISION

    @property
    def is_served(self) -> bool:
        """Whether this release works on it: its own, or a later one that only added to it."""
        if self.is_current:
            return True
        is_known = self.serves is not None and _is_number(self.serves)
        return self._is_later and is_known and str(self.serves) <= CURRENT_REVISION

    @property
    def is_unreleased(self) -> bool:
        """Whether a build from before the first release made it."""
        return _is_number(self.revision) and str(self.revision) < _FIRST_REVISION

    @property
    def is_unknown(self) -> bool:
        """Whether this release can neither work on it nor bring it up to date."""
        if self.revision is None or self.is_served:
            return False
        return self.is_unreleased or self._is_later or not _is_number(self.revision)

    @property
    def _is_later(self) -> bool:
        return _is_number(self.revision) and str(self.revision) > CURRENT_REVISION


def _is_number(revision: str | None) -> bool:
    """Whether it numbers a schema of ours: four digits, which compare as text too."""
    return revision is not None and len(revision) == len(CURRENT_REVISION) and revision.isdecimal()


def schema_of(database_url: str) -> Schema:
    """The schema a database has."""
    return asyncio.run(_schema(database_url))


def upgrade(database_url: str) -> None:
    """Run every migration the database lacks. Safe to call from several processes at once.

    Raises SchemaError for a schema it cannot work on, and when the database refuses a migration.
    """
    schema = schema_of(database_url)
    if schema.is_served:
        return
    if schema.is_unknown:
        raise SchemaError(describe(schema))
    if schema.revision is None and asyncio.run(_made_new(database_url)):
        return
    # Only now: its libraries take longer to load than all the rest of the service.
    from seatledger.store.migrate_alembic import run_migrations

    asyncio.run(run_migrations(database_url, CURRENT_REVISION))


def describe(schema: Schema) -> str:
    """A schema in words, beside the one that is needed."""
    if schema.is_current:
        return f"the database has schema {CURRENT_REVISION}, the one of this release"
    if schema.is_served:
        return (
            f"the database has schema {schema.revision} of a later release, "
            f"which serves this one ({CURRENT_REVISION}) too"
        )
    if schema.is_unreleased:
        return (
            f"the database has schema {schema.revision} of a build from before the first release, "
            "which no release can bring up to date: give another data directory or database"
        )
    if schema.is_unknown:
        return (
            f"the database has schema {schema.revision}, which this release does not know "
            f"(its own is {CURRENT_REVISION}): use the release that made it, or a later one"
        )
    found = "no schema" if schema.revision is None else f"schema {schema.revision}"
    return f"the database has {found}, this release needs {CURRENT_REVISION}"


async def can_serve(pool: AnyPool) -> bool:
    """Whether this release works on the schema of a database that had one at the start."""
    async with pool.acquire() as connection:
        return (await _read(connection)).is_served


async def _schema(database_url: str) -> Schema:
    connection = await asyncpg.connect(database_url)
    try:
        if not await _is_versioned(connection):
            return Schema(None)
        if await connection.fetchval("SELECT to_regclass('config')") is None:
            return Schema(await connection.fetchval("SELECT version_num FROM alembic_version"))
        return await _read(connection)
    finally:
        await connection.close()


async def _made_new(database_url: str) -> bool:
    """Make the schema in an empty database, all or nothing.

    False when another process is at it or was faster: its turn is waited for as with any migration.
    Raises SchemaError when the database refuses, with its own words.
    """
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            is_ours = await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK_KEY)
            if not is_ours or await _is_versioned(connection):
                return False
            await connection.execute(NEW_DATABASE.read_text("utf-8"))
            return True
    except asyncpg.PostgresError as error:
        raise SchemaError(f"the schema cannot be upgraded: {error}") from error
    finally:
        await connection.close()


async def _is_versioned(connection: AnyConnection) -> bool:
    return await connection.fetchval("SELECT to_regclass('alembic_version')") is not None


async def _read(connection: AnyConnection) -> Schema:
    record = await connection.fetchrow(
        """SELECT v.version_num, c.value FROM alembic_version v
           LEFT JOIN config c ON c.key = 'schema_serves'"""
    )
    return Schema(None) if record is None else Schema(record[0], record[1])
