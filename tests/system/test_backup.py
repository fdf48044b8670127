"""docs/how-to/backup.md walked through: copies taken from a live server, and what is in them."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from seatledger.store.embedded_place import find_home
from tests.harness import World, line
from tests.system.server import database_of, run, serving

pytestmark = pytest.mark.anyio


def shell(place: Path, *commands: str) -> str:
    """Run the guide's commands, as somebody who has sourced `seatledger db env`."""
    told = run("db", "env", "--data-dir", place / "data")
    assert (told.returncode, told.stderr) == (0, "")
    done = subprocess.run(
        ["bash", "-euc", "\n".join([told.stdout, *commands])],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "BACKUPS": str(place)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def read(world: World, customer: str) -> list[Any]:
    """All a client sees of a customer."""
    at = f"/v3/customers/{customer}"
    return [(await world.get(at + part)).ok(200).body for part in ("", "/orders", "/subscriptions")]


def give_to_the_account_of(place: Path) -> None:
    """Tests may run as root, who takes copies for himself and not for the database's account."""
    home = find_home(place / "data")
    assert home is not None
    owner = (home / "data").stat()
    (place / "copy" / "postgres").chmod(0o711)
    for path in [place / "copy" / "postgres" / "data", *(place / "copy").rglob("data/**/*")]:
        os.chown(path, owner.st_uid, owner.st_gid)


async def test_copies_of_a_live_server_hold_all_that_was_acknowledged(place: Path) -> None:
    with serving(place) as server:
        async with server.world() as world:
            customer = await world.customer()
            (await world.order(customer, line("80004567EA01A12", 7))).ok()
            before = await read(world, customer)
            await asyncio.to_thread(
                shell,
                place,
                'pg_dump --format=custom --file="$BACKUPS/seatledger.dump"',
                'mkdir -p "$BACKUPS/copy/postgres"',
                'pg_basebackup --pgdata="$BACKUPS/copy/postgres/data" --wal-method=stream'
                " --checkpoint=fast",
            )
            (await world.order(customer, line("80004567EA01A12", 1))).ok()
            shell(
                place,
                "createdb restored",
                "pg_restore --exit-on-error --no-owner --dbname=restored"
                ' "$BACKUPS/seatledger.dump"',
            )
            with database_of(place) as url:
                restored = url.replace("/seatledger?", "/restored?")
                checked = run("check", "--database-url", restored)
                assert (checked.returncode, checked.stdout) == (0, "1 checked, 0 violated\n")
                connection = await asyncpg.connect(restored)
                orders = "SELECT count(*) FROM orders WHERE customer_id = $1"
                assert await connection.fetchval(orders, customer) == 1
                await connection.close()
        assert server.end() == 0
    give_to_the_account_of(place)
    (place / "data").rename(place / "lost")
    (place / "copy").rename(place / "data")
    with serving(place) as server:
        async with server.client() as client:
            world.client = client
            assert await read(world, customer) == before
            (await world.order(customer, line("80004567EA01A12", 2))).ok()
            await world.is_sound()
