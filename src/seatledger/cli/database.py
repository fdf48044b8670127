"""The database a command works on: reached or started, with a schema it works on."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import asyncpg

from seatledger import telemetry
from seatledger.cli.common import fail, settings_of
from seatledger.settings import Settings
from seatledger.store import migrate, partners
from seatledger.store.database import connect
from seatledger.store.embedded import EmbeddedError, EmbeddedPostgres
from seatledger.store.embedded_place import OLDEST_MAJOR, find_home
from seatledger.store.migrate import SchemaError, describe, schema_of
from seatledger.store.rows import AnyConnection

_CONNECT_SECONDS = 10
T = TypeVar("T")


@contextmanager
def current_database(data_dir: Path | None, database_url: str | None) -> Iterator[str]:
    """The address of a database whose schema this release works on; ends with one line if not."""
    with database(settings_of(data_dir=data_dir, database_url=database_url)) as url:
        schema = schema_of(url)
        if schema.is_unknown:
            fail(describe(schema))
        if not schema.is_served:
            fail(f"{describe(schema)}; run `seatledger serve` or `seatledger db upgrade`")
        yield url


@contextmanager
def database(settings: Settings, *, creates: bool = False) -> Iterator[str]:
    """The address of the database, reachable; `creates` makes an embedded one where there is none.

    Ends with one line when it cannot be reached.
    """
    if settings.database_url is not None:
        asyncio.run(_reach(settings.database_url))
        yield settings.database_url
        return
    log = telemetry.get_logger("postgresql")
    postgres = EmbeddedPostgres(settings.data_dir, user=settings.postgres_user, log=log)
    try:
        if not creates and find_home(settings.data_dir) is None:
            fail(
                f"there is no database in {settings.data_dir}; "
                "`seatledger serve` or `seatledger db upgrade` makes one"
            )
        url = postgres.start()
    except EmbeddedError as error:
        fail(str(error))
    try:
        yield url
    finally:
        postgres.stop()


def upgrade(url: str) -> None:
    """Bring a database's schema to the one of this release; ends with one line if that fails."""
    try:
        migrate.upgrade(url)
    except SchemaError as error:
        fail(str(error))


def run(url: str, work: Callable[[AnyConnection], Awaitable[T]]) -> T:
    """Work in one transaction that nobody else sets up partners beside."""

    async def opened() -> T:
        async with (
            await connect(url, 1) as pool,
            pool.acquire() as connection,
            connection.transaction(),
        ):
            await partners.lock_setup(connection)
            return await work(connection)

    return asyncio.run(opened())


async def _reach(url: str) -> None:
    place = url.partition("?")[0].partition("://")[2].rpartition("@")[2]  # without the password
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    except ValueError:  # what it says may hold a piece of the password
        fail("the database address cannot be read: are its special characters percent-encoded?")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        fail(f"cannot reach the database at {place}: {str(error) or 'no answer in time'}")
    major = connection.get_server_version().major
    await connection.close()
    if major < OLDEST_MAJOR:
        fail(f"the database at {place} is PostgreSQL {major}, {OLDEST_MAJOR} is needed")
