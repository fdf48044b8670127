"""What a database in the way answers: 503 with the time to come back, and nothing done."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from seatledger.app import prepare
from seatledger.clock import ManualClock
from seatledger.engine.claims import Scope, work_off
from seatledger.settings import Settings
from seatledger.store import database as pools
from seatledger.store import partners
from seatledger.store.rows import AnyConnection
from seatledger.store.settling import Claim
from tests.engine.conftest import ADMIN_TOKEN, another_process
from tests.harness import Reply, World, line, make_world, profile

pytestmark = pytest.mark.anyio

SEATS = "80004567EA01A12"
LOCK = "SELECT 1 FROM customer WHERE customer_id = $1 FOR NO KEY UPDATE"

Call = Callable[[World, str], Awaitable[Reply]]


async def place(world: World, customer: str) -> Reply:
    """An order: through the batcher."""
    return await world.order(customer, line(SEATS))


async def amend(world: World, customer: str) -> Reply:
    """A change of the customer: a write of its own."""
    known = (await world.read_customer(customer))["companyProfile"]
    changed = {"companyProfile": {**known, "preferredLanguage": "fr-FR"}}
    return await world.patch(f"/v3/customers/{customer}", changed)


async def settle(world: World, _: str) -> Reply:
    """A control call that locks customers."""
    return await world.post("/sandbox/settle", {})


class TestALockedCustomer:
    @pytest.fixture
    async def hasty(
        self,
        world: World,
        settings: Settings,
        real_clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> AsyncIterator[World]:
        """The test's partner through a process that does not wait long for locks."""
        monkeypatch.setattr(pools, "LOCK_TIMEOUT_MS", 20)
        async with another_process(settings, real_clock) as client:
            yield replace(world, client=client)

    @asynccontextmanager
    async def locked(self, database: AnyConnection, customer: str) -> AsyncIterator[None]:
        """Somebody's long work on the customer."""
        async with database.transaction():
            await database.execute(LOCK, customer)
            yield

    @pytest.mark.parametrize("call", [place, amend, settle])
    async def test_answers_503_until_it_is_free(
        self, hasty: World, database: AnyConnection, call: Call
    ) -> None:
        customer = await hasty.customer()
        await hasty.settlement("manual")
        (await hasty.order(customer, line(SEATS))).ok()
        async with self.locked(database, customer):
            reply = await call(hasty, customer)
            reply.refused(503, "503")
            assert reply.headers["Retry-After"] == "1"
        assert (await call(hasty, customer)).status in (200, 201)

    async def test_is_waited_for_more_than_once(
        self, hasty: World, database: AnyConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        customer = await hasty.customer()
        hold, attempts = partners.hold, 0
        work = database.transaction()

        async def third_time_lucky(connection: AnyConnection, partner_id: str, seen: int) -> bool:
            nonlocal attempts
            attempts += 1
            if attempts == 3:
                await work.rollback()
            return await hold(connection, partner_id, seen)

        monkeypatch.setattr(partners, "hold", third_time_lucky)
        await work.start()
        await database.execute(LOCK, customer)
        (await amend(hasty, customer)).ok(200)
        assert attempts == 3

    async def test_is_not_parked_for_it(self, world: World, database: AnyConnection) -> None:
        customer = await world.customer()

        async def claim(_: AnyConnection, __: Claim) -> list[str]:
            return [customer]

        async def meet_a_lock(_: AnyConnection, __: Sequence[str]) -> list[str]:
            raise asyncpg.LockNotAvailableError

        with pytest.raises(asyncpg.LockNotAvailableError):
            await work_off(database, Scope(), claim, meet_a_lock, str)
        attempts = "SELECT attempts FROM customer WHERE customer_id = $1"
        assert await database.fetchval(attempts, customer) == 0


async def test_a_primary_that_failed_over_is_away_until_the_address_leads_to_the_new_one(
    apart_url: str, settings: Settings, real_clock: ManualClock
) -> None:
    own = settings.model_copy(update={"database_url": apart_url, "pool_size": 1})
    await prepare(own, apart_url)
    async with another_process(own, real_clock) as client:
        world = await make_world(client, ADMIN_TOKEN)
        customer = await world.customer()
        await takes_writes(apart_url, False)
        new = {
            "distributorId": world.distributor_id,
            "companyProfile": profile(marketSegments=["COM"]),
        }
        for reply in (
            await world.order(customer, line(SEATS)),
            await world.post("/v3/resellers", new),
            await world.put("/sandbox/settlement", {"mode": "manual"}),
        ):
            reply.refused(503, "503")
            assert reply.headers["Retry-After"] == "5"
        await takes_writes(apart_url, True)
        (await world.order(customer, line(SEATS))).ok()


async def takes_writes(url: str, does: bool) -> None:
    """Make a database what a primary or a standby is to its clients.

    Connections are cut when it becomes read-only alone: those of a standby would live on.
    """
    connection = await asyncpg.connect(
        url, server_settings={"default_transaction_read_only": "off"}
    )
    try:
        name = await connection.fetchval("SELECT current_database()")
        is_read_only = "off" if does else "on"
        await connection.execute(
            f"ALTER DATABASE {name} SET default_transaction_read_only = {is_read_only}"
        )
        if not does:
            await connection.execute(
                """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()"""
            )
    finally:
        await connection.close()
