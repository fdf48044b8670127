"""Commands and the schema: two make it, the others want it as it is, and none shows a traceback."""

import asyncio
import subprocess
from pathlib import Path

import asyncpg
import pytest

from seatledger.store.migrate import CURRENT_REVISION
from seatledger.store.migrate_alembic import run_migrations
from tests.harness import line
from tests.store.migrations import CONTRACTING, EXPANDING, INDEXING, Later
from tests.system.server import database_of, run, serving

CURRENT = f"the database has schema {CURRENT_REVISION}, the one of this release\n"
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
    assert run("db", "upgrade", *where).stdout == CURRENT
    assert run("db", "check", *where).stdout == CURRENT
    assert run("check", *where).stdout == "0 checked, 0 violated\n"
    execute(place, "DROP TABLE alembic_version")
    with database_of(place):  # so that each command needs no start and stop
        for command in commands(place):
            told = refusal(run(*command, *where))
            assert f"no schema, this release needs {CURRENT_REVISION}" in told
            assert "`seatledger serve` or `seatledger db upgrade`" in told
        asked = run("db", "check", *where)
        assert (asked.returncode, asked.stderr) == (1, "")
        assert "no schema" in asked.stdout


def test_a_schema_of_others_ends_everything_with_one_line(place: Path) -> None:
    where = ("--data-dir", place / "data")
    assert run("db", "upgrade", *where).returncode == 0
    for number, told in (
        ("0815", "schema 0815, which this release does not know"),
        ("0001", "before the first release, which no release can bring up to date"),
    ):
        with database_of(place):
            execute(
                place,
                f"UPDATE alembic_version SET version_num = '{number}'; "
                "DELETE FROM config WHERE key = 'schema_serves'",
            )
            for command in (("serve", "--port", "0"), ("check",), ("db", "upgrade")):
                assert told in refusal(run(*command, *where))


@pytest.mark.anyio
async def test_a_server_serves_on_while_a_later_release_adds_to_its_schema(
    place: Path, tmp_path: Path
) -> None:
    """Two releases side by side; taking something away ends the older one (decision 11)."""
    later = Later(tmp_path)
    where = ("--data-dir", place / "data")
    with serving(place) as server:
        async with server.world() as world:
            customer = await world.customer()
            (await world.order(customer, line("80004567EA01A12"))).ok()
            with database_of(place) as url:
                added = [later.add(EXPANDING), later.add(INDEXING)]
                for number in added:
                    await run_migrations(url, number, later.folder)
                    (await world.order(customer, line("80004567EA01A12"))).ok()
                    (await world.order(await world.customer(), line("80004567EA01A12"))).ok()
                    assert (await world.client.get("/readyz")).status_code == 200
            (seats,) = await world.seats(customer)
            assert seats["currentQuantity"] == 3
        assert server.end() == 0
    checked = run("db", "check", *where)
    assert checked.returncode == 0
    assert f"schema {added[-1]} of a later release, which serves this one" in checked.stdout
    with serving(place) as server:
        async with server.world() as world:
            (await world.order(await world.customer(), line("80004567EA01A12"))).ok()
            with database_of(place) as url:
                taken = later.add(CONTRACTING, serves=added[0])
                await run_migrations(url, taken, later.folder)
            assert (await world.client.get("/readyz")).status_code == 503
        checked = run("db", "check", *where)
        assert (checked.returncode, checked.stderr) == (1, "")
        assert f"schema {taken}, which this release does not know" in checked.stdout
