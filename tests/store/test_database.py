"""The pool: what becomes of statements nobody waits for any more."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from seatledger.store import database
from seatledger.store.database import connect, is_away, transaction
from seatledger.store.rows import AnyPool
from tests.harness import unique

pytestmark = pytest.mark.anyio

INSERT = "INSERT INTO config SELECT $1, '' FROM pg_sleep(0.1)"
SHORT = 0.01  # seconds, and less than the statement takes


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[AnyPool]:
    """A pool of one connection."""
    async with await connect(database_url, 1) as opened:
        yield opened


@pytest.fixture(params=[10, 0.01], ids=["in time", "too late"])
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many seconds a statement has to end by itself; else its connection is dropped."""
    monkeypatch.setattr(database, "_END_SECONDS", request.param)


async def is_there(pool: AnyPool, key: str) -> bool:
    return bool(await pool.fetchval("SELECT count(*) FROM config WHERE key = $1", key))


@pytest.mark.usefixtures("patience")
class TestAStatementNobodyWaitsFor:
    """It is not cancelled: a cancelled commit would look replicated when it is not."""

    async def test_ends_as_it_would_have(self, pool: AnyPool) -> None:
        timed_out, cancelled = unique("key"), unique("key")
        with pytest.raises(TimeoutError):
            await pool.execute(INSERT, timed_out, timeout=SHORT)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT):
                await pool.execute(INSERT, cancelled)
        for key in (timed_out, cancelled):
            while not await is_there(pool, key):
                pass

    async def test_is_undone_with_its_transaction(self, pool: AnyPool) -> None:
        key = unique("key")

        async def give_up() -> None:
            async with transaction(pool) as connection:
                await connection.execute("INSERT INTO config VALUES ($1, '')", key)
                await connection.execute(INSERT, unique("key"), timeout=SHORT)

        with pytest.raises(Exception) as caught:
            await give_up()
        assert is_away(caught.value)
        await pool.execute("INSERT INTO config VALUES ($1, '')", key)  # once the other is gone
