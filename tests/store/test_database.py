"""The pool: what becomes of statements nobody waits for any more."""

import asyncio
from collections.abc import AsyncIterator

import pytest

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


async def is_there(pool: AnyPool, key: str) -> bool:
    return bool(await pool.fetchval("SELECT count(*) FROM config WHERE key = $1", key))


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
        first, second = unique("key"), unique("key")
        with pytest.raises(Exception) as caught:
            async with transaction(pool) as connection:
                await connection.execute("INSERT INTO config VALUES ($1, '')", first)
                await connection.execute(INSERT, second, timeout=SHORT)
        assert is_away(caught.value)
        assert not await is_there(pool, first)
        async with pool.acquire() as connection:
            await connection.execute("INSERT INTO config VALUES ($1, '')", first)  # nobody holds it
        assert not await is_there(pool, second)

    async def test_within_a_transaction_ends_the_budget_that_ran_out(self, pool: AnyPool) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT) as budget, transaction(pool) as connection:
                await connection.execute(INSERT, unique("key"))
        assert budget.expired()
