"""Commands and the schema: two make it, the others want it as it is, and none shows a traceback."""

import asyncio
import subprocess
from pathlib import Path

import asyncpg
import pytest

from seatledger.store.migrate import CURRENT_REVISION
from tests.system.server import database_of, run

THEIRS = f"the database has schema {CURRENT_REVISION}, the one of this release\n"
PARTNER = 'distributorId = "345434543"'


def execute(place: Path, sql: str) -> None:
    """Change the database of a data directory behind everybody's back."""

    async def change(url: str) -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(sql)
        await connection.close()

    with database_of(place) as url:
        asyncio.run(change(url))


def commands(place: Path) -> list[tuple[str | Path, ...]]:
    """Everything that works on a database and does not make it."""
    file = place / "partner.toml"
    file.write_text(PARTNER, "utf-8")
    return [("check",), ("partner", "apply", file), ("catalog", "load", file)]


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line a command ended with."""
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_where_there_is_no_database_none_is_made(place: Path) -> None:
    where = ("--data-dir", place / "data")
    for command in [*commands(place), ("db", "check")]:
        assert "there is no database in" in refusal(run(*command, *where))
        assert not (place / "data").exists()


def test_an_older_schema_is_left_as_it_is(place: Path) -> None:
    where = ("--data-dir", place / "data")
    assert run("db", "upgrade", *where).stdout == THEIRS
    assert run("db", "check", *where).stdout == THEIRS
    assert run("check", *where).stdout == "0 checked, 0 violated\n"
    execute(place, "UPDATE alembic_version SET version_num = '0000'")
    with database_of(place):  # so that each command needs no start and stop
        for command in commands(place):
            told = refusal(run(*command, *where))
            assert f"schema 0000, this release needs {CURRENT_REVISION}" in told
            assert "`seatledger serve` or `seatledger db upgrade`" in told
        asked = run("db", "check", *where)
        assert (asked.returncode, asked.stderr) == (1, "")
        assert "schema 0000" in asked.stdout


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("check",), ("db", "upgrade")])
def test_a_later_schema_ends_everything_with_one_line(
    place: Path, command: tuple[str, ...]
) -> None:
    where = ("--data-dir", place / "data")
    assert run("db", "upgrade", *where).returncode == 0
    execute(place, "UPDATE alembic_version SET version_num = '0815'")
    assert "schema 0815, which this release does not know" in refusal(run(*command, *where))
