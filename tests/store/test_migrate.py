"""The schema: one revision that everybody agrees on, and no cost where it is there already."""

import asyncio
import subprocess
import sys
from urllib.parse import urlsplit

import asyncpg

from seatledger.store.migrate import current_revision, upgrade
from seatledger.store.migrate_alembic import newest_revision, run_migrations

LOADED = """
import sys
from seatledger.cli import app
from seatledger.store.migrate import upgrade
upgrade(sys.argv[1])
print([name for name in ("alembic", "sqlalchemy") if name in sys.modules])
"""


def test_the_expected_revision_is_the_newest_there_is() -> None:
    assert current_revision() == newest_revision()


def test_a_migrated_database_stays_as_it_is(database_url: str) -> None:
    upgrade(database_url)
    asyncio.run(run_migrations(database_url, current_revision()))


def test_a_migrated_database_costs_no_start_time(database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, database_url], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_several_processes_migrate_an_empty_database_at_once(database_url: str) -> None:
    async def ask(sql: str) -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(ask("CREATE DATABASE empty"))
    url = urlsplit(database_url)._replace(path="/empty").geturl()
    try:
        code = "import sys; from seatledger.store.migrate import upgrade; upgrade(sys.argv[1])"
        running = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(2)]
        assert [process.wait(60) for process in running] == [0, 0]
        upgrade(url)
    finally:
        asyncio.run(ask("DROP DATABASE empty"))
