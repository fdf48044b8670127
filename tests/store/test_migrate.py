"""The schema: one revision that everybody agrees on, and no cost where it is there already."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from seatledger.store import migrate_alembic
from seatledger.store.migrate import (
    CURRENT_REVISION,
    Schema,
    SchemaError,
    describe,
    schema_of,
    upgrade,
)
from seatledger.store.migrate_alembic import run_migrations
from tests.harness import unique
from tests.store.migrations import CONTRACTING, EXPANDING, INDEXING, Later
from tests.wire import another_database

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 60
WAITING = """SELECT count(*) FROM pg_stat_activity
             WHERE wait_event_type = 'Lock' AND datname = current_database()"""

LOADED = """
import sys
import seatledger.cli.service
from seatledger.store.migrate import upgrade
upgrade(sys.argv[1])
print([name for name in ("alembic", "sqlalchemy") if name in sys.modules])
"""

# Columns with their defaults, constraints, indexes, triggers, functions, sequences, and the notes.
EVERYTHING = """
SELECT 'column', c.relname, format('%s %s %s %s', a.attname, format_type(a.atttypid, a.atttypmod),
       a.attnotnull, a.attidentity), pg_get_expr(d.adbin, d.adrelid)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'S')
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
  FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function', '', proname, pg_get_functiondef(oid)
  FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'sequence', '', sequencename, format('%s %s %s', min_value, max_value, cycle)
  FROM pg_sequences WHERE schemaname = 'public'
UNION ALL SELECT 'note', '', key, value FROM config
UNION ALL SELECT 'revision', '', '', version_num FROM alembic_version
ORDER BY 1, 2, 3"""


@pytest.fixture
def later(tmp_path: Path) -> Later:
    """Migrations of releases to come."""
    return Later(tmp_path)


def test_a_migrated_database_stays_as_it_is(database_url: str) -> None:
    upgrade(database_url)
    asyncio.run(run_migrations(database_url, CURRENT_REVISION))


def ask(database_url: str, sql: str) -> None:
    """Run a statement."""

    async def run() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(run())


@contextmanager
def empty_database(database_url: str) -> Iterator[str]:
    """A database on the same server in which there is nothing."""
    name = unique("empty").replace("-", "_")
    ask(database_url, f"CREATE DATABASE {name}")
    try:
        yield urlsplit(database_url)._replace(path=f"/{name}").geturl()
    finally:
        ask(database_url, f"DROP DATABASE {name} WITH (FORCE)")


def loaded(database_url: str) -> str:
    """What a process has loaded of the migrations' libraries once it has the schema."""
    return subprocess.run(
        [sys.executable, "-c", LOADED, database_url], capture_output=True, text=True, check=True
    ).stdout


def test_only_an_older_schema_costs_start_time(database_url: str) -> None:
    with empty_database(database_url) as url:
        assert loaded(url) == "[]\n"
        assert schema_of(url) == Schema(CURRENT_REVISION, "0100")
        assert loaded(url) == "[]\n"


def test_a_new_database_has_what_the_migrations_make(database_url: str) -> None:
    """Or an upgraded server and a new one would differ."""

    async def told(url: str) -> list[str]:
        connection = await asyncpg.connect(url)
        try:
            return [str(row) for row in await connection.fetch(EVERYTHING)]
        finally:
            await connection.close()

    with empty_database(database_url) as written, empty_database(database_url) as migrated:
        upgrade(written)
        asyncio.run(run_migrations(migrated, CURRENT_REVISION))
        found = asyncio.run(told(written))
        assert found == asyncio.run(told(migrated))
    assert len(found) > 100


def test_several_processes_migrate_an_empty_database_at_once(database_url: str) -> None:
    with empty_database(database_url) as url:
        code = "import sys; from seatledger.store.migrate import upgrade; upgrade(sys.argv[1])"
        address = f"{url}&sslmode=disable&target_session_attrs=read-write"
        running = [subprocess.Popen([sys.executable, "-c", code, address]) for _ in range(2)]
        assert [process.wait(60) for process in running] == [0, 0]
        upgrade(url)


@pytest.mark.parametrize(
    ("revision", "serves", "is_served", "is_unknown", "told"),
    [
        (None, None, False, False, "no schema, this release needs"),
        ("0001", None, False, True, "before the first release"),
        (CURRENT_REVISION, CURRENT_REVISION, True, False, "the one of this release"),
        ("9999", CURRENT_REVISION, True, False, "which serves this one"),
        ("9999", "0100", True, False, "which serves this one"),
        ("9999", "9998", False, True, "does not know"),
        ("9999", None, False, True, "does not know"),
        ("3f1c0ffee", None, False, True, "does not know"),
    ],
)
def test_which_schemas_a_release_works_on(
    revision: str | None, serves: str | None, is_served: bool, is_unknown: bool, told: str
) -> None:
    schema = Schema(revision, serves)
    assert (schema.is_served, schema.is_unknown) == (is_served, is_unknown)
    assert (revision or "no schema") in describe(schema)
    assert told in describe(schema)


def test_a_later_schema_that_only_adds_is_left_alone(database_url: str, later: Later) -> None:
    number = later.add(EXPANDING)
    with empty_database(database_url) as url:
        assert schema_of(url) == Schema(None)
        upgrade(url)
        assert schema_of(url) == Schema(CURRENT_REVISION, "0100")
        asyncio.run(run_migrations(url, number, later.folder))
        upgrade(url)
        assert schema_of(url) == Schema(number, "0100")


def test_a_later_schema_that_took_something_away_is_refused(
    database_url: str, later: Later
) -> None:
    oldest = later.add(EXPANDING)
    number = later.add(CONTRACTING, serves=oldest)
    with empty_database(database_url) as url:
        asyncio.run(run_migrations(url, number, later.folder))
        with pytest.raises(SchemaError, match=f"schema {number}, which this release does not know"):
            upgrade(url)
        assert schema_of(url) == Schema(number, oldest)


def test_a_schema_of_an_unreleased_build_is_refused(database_url: str) -> None:
    """Whatever it holds; it did not note whom it serves."""
    with empty_database(database_url) as url:
        ask(url, "CREATE TABLE config (key text PRIMARY KEY, value text)")
        ask(url, "CREATE TABLE alembic_version (version_num varchar(32))")
        ask(url, "INSERT INTO alembic_version VALUES ('0001')")
        with pytest.raises(SchemaError, match="another data directory or database"):
            upgrade(url)


def test_another_programs_database_is_refused(database_url: str) -> None:
    with empty_database(database_url) as url:
        ask(url, "CREATE TABLE alembic_version (version_num varchar(32))")
        ask(url, "INSERT INTO alembic_version VALUES ('3f1c0ffee')")
        with pytest.raises(SchemaError, match="schema 3f1c0ffee"):
            upgrade(url)


class TestUnderUse:
    """Migrations of a database that others work on."""

    @pytest.fixture
    async def used(self, database_url: str) -> AsyncIterator[str]:
        async with another_database(database_url) as url:
            yield url

    async def test_a_table_in_use_is_asked_for_again(
        self, used: str, later: Later, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody who comes meanwhile waits behind the migration for long."""
        monkeypatch.setattr(migrate_alembic, "LOCK_TIMEOUT_MS", 20)
        number = later.add(EXPANDING)
        user, watcher = await asyncpg.connect(used), await asyncpg.connect(used)
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with user.transaction():
                await user.execute("SELECT FROM customer")
                migration = asyncio.create_task(run_migrations(used, number, later.folder))
                for wanted in (1, 0, 1, 0):  # it waits, gives up, and comes again
                    while await watcher.fetchval(WAITING) != wanted:
                        pass
            await migration
        assert await watcher.fetchval("SELECT version_num FROM alembic_version") == number
        await user.close()
        await watcher.close()

    async def test_an_index_is_built_beside_writers_and_anew_where_it_was_broken(
        self, used: str, later: Later
    ) -> None:
        number = later.add(INDEXING)
        writer, other = await asyncpg.connect(used), await asyncpg.connect(used)
        await other.execute("CREATE INDEX orders_later ON orders (source)")
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with writer.transaction():
                await writer.execute("UPDATE orders SET status = status")
                # Two starting servers, and a transaction that makes the index wait.
                both = [
                    asyncio.create_task(run_migrations(used, number, later.folder))
                    for _ in range(2)
                ]
                while not await other.fetchval(WAITING):
                    pass
                await other.execute("UPDATE orders SET status = status")
            await asyncio.gather(*both)
        made = await other.fetchval("SELECT pg_get_indexdef('orders_later'::regclass)")
        assert made.endswith("(status)")
        await writer.close()
        await other.close()


def test_a_database_that_refuses_a_migration_says_why(database_url: str) -> None:
    with empty_database(database_url) as url:
        ask(url, "CREATE TABLE config ()")
        with pytest.raises(SchemaError) as refused:
            upgrade(url)
        assert str(refused.value) == (
            'the schema cannot be upgraded: relation "config" already exists'
        )
