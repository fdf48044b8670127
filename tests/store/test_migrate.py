"""The schema: one revision that everybody agrees on, and no cost where it is there already."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from seatledger.store.migrate import (
    CURRENT_REVISION,
    Schema,
    SchemaError,
    describe,
    schema_of,
    upgrade,
)
from seatledger.store.migrate_alembic import _config, run_migrations
from tests.harness import unique

LOADED = """
import sys
from seatledger.cli import app
from seatledger.store.migrate import upgrade
upgrade(sys.argv[1])
print([name for name in ("alembic", "sqlalchemy") if name in sys.modules])
"""


def test_the_expected_revision_is_the_newest_there_is() -> None:
    assert ScriptDirectory.from_config(_config()).get_current_head() == CURRENT_REVISION


def test_a_migrated_database_stays_as_it_is(database_url: str) -> None:
    upgrade(database_url)
    asyncio.run(run_migrations(database_url, CURRENT_REVISION))


def test_a_migrated_database_costs_no_start_time(database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, database_url], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


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


def test_several_processes_migrate_an_empty_database_at_once(database_url: str) -> None:
    with empty_database(database_url) as url:
        code = "import sys; from seatledger.store.migrate import upgrade; upgrade(sys.argv[1])"
        running = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(2)]
        assert [process.wait(60) for process in running] == [0, 0]
        upgrade(url)


@pytest.mark.parametrize(
    ("revision", "is_current", "is_unknown"),
    [
        (None, False, False),
        ("0000", False, False),
        (CURRENT_REVISION, True, False),
        ("9999", False, True),
        ("3f1c0ffee", False, True),
    ],
)
def test_a_schema_is_older_current_or_unknown(
    revision: str | None, is_current: bool, is_unknown: bool
) -> None:
    schema = Schema(revision)
    assert (schema.is_current, schema.is_unknown) == (is_current, is_unknown)
    assert (revision or "no schema") in describe(schema)


def test_a_schema_of_a_later_release_is_left_alone(database_url: str) -> None:
    with empty_database(database_url) as url:
        assert schema_of(url) == Schema(None)
        upgrade(url)
        assert schema_of(url) == Schema(CURRENT_REVISION)
        ask(url, "UPDATE alembic_version SET version_num = '0815'")
        with pytest.raises(SchemaError, match="schema 0815, which this release does not know"):
            upgrade(url)
        assert schema_of(url) == Schema("0815")


def test_a_database_that_refuses_a_migration_says_why(database_url: str) -> None:
    with empty_database(database_url) as url:
        ask(url, "CREATE TABLE config ()")
        with pytest.raises(SchemaError) as refused:
            upgrade(url)
        assert str(refused.value) == (
            'the schema cannot be upgraded: relation "config" already exists'
        )
