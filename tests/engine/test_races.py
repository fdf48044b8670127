"""Orders that meet others at work: over a one-time code, a locked customer, a changing world."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any

import pytest

from seatledger.contract.limits import MAX_WAIT_SECONDS
from seatledger.engine.batcher import LANES, Batcher
from seatledger.engine.claims import Scope
from seatledger.engine.settle import settle_orders
from seatledger.engine.world import World as EngineWorld
from seatledger.engine.world import Worlds
from seatledger.store import placing
from seatledger.store.placing import Asked, Known, Outcome
from seatledger.store.rows import AnyConnection
from tests.conftest import ADMIN_TOKEN, MakeWorld
from tests.harness import Reply, World, line, order, profile

pytestmark = pytest.mark.anyio

SEATS = "80004567EA01A12"
FOLIO_PRO = "65324918CA01A12"
ONE_TIME = "H4SQ82RETAINVW6K3MPD7TZ1"
REFUSED = "Line Item: 1, Reason: Invalid Flexible Discount"

LOCK = "SELECT 1 FROM customer WHERE customer_id = ANY ($1) FOR NO KEY UPDATE"
PATIENCE_SECONDS = 20
SETTLE = "seatledger.engine.orders.settle_orders"

Write = Callable[[AnyConnection, Sequence[Outcome]], Awaitable[set[int]]]


@asynccontextmanager
async def locked(database: AnyConnection, *customer_ids: str) -> AsyncIterator[None]:
    """Somebody's long work on these customers; what they keep waiting for too long fails."""
    async with asyncio.timeout(PATIENCE_SECONDS), database.transaction():
        await database.execute(LOCK, customer_ids)
        yield


class Crowd:
    """Sees to it that orders meet in one batch: the first few wait until all have come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._come = asyncio.Semaphore(0)
        self._may_go = asyncio.Event()
        submit, read = Batcher.submit, placing.read

        async def counted(batcher: Any, item: Any, group: Any) -> Any:
            self._come.release()
            return await submit(batcher, item, group)

        async def held(connection: AnyConnection, asked: Sequence[Asked]) -> list[Known]:
            await self._may_go.wait()
            return await read(connection, asked)

        monkeypatch.setattr(Batcher, "submit", counted)
        monkeypatch.setattr(placing, "read", held)

    async def order(
        self, worlds: Sequence[World], customers: Sequence[str], asked: dict[str, Any]
    ) -> list[Reply]:
        """Every customer orders at once, through one world's process after the other."""
        reseller = await worlds[0].reseller()
        first = [
            asyncio.create_task(world.order(await world.customer(reseller), line(SEATS)))
            for world in worlds
            for _ in range(LANES)
        ]
        for _ in first:
            await self._come.acquire()
        crowd = [
            asyncio.create_task(world.order(customer, asked))
            for world, customer in zip(cycle(worlds), customers, strict=False)
        ]
        for _ in crowd:
            await self._come.acquire()
        self._may_go.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            for reply in await asyncio.gather(*first):
                reply.ok()
            return await asyncio.gather(*crowd)


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """A crowd for the test's orders."""
    return Crowd(monkeypatch)


class TestOneTimeCodes:
    async def spend(self, crowd: Crowd, worlds: Sequence[World]) -> None:
        """Every customer uses the code at once; one gets it."""
        reseller = await worlds[0].reseller()
        customers = [await worlds[0].customer(reseller) for _ in range(40)]
        asked = line(FOLIO_PRO, flexDiscountCodes=[ONE_TIME])
        replies = await crowd.order(worlds, customers, asked)
        assert Counter((one.status, one.code) for one in replies) == {
            (201, ""): 1,
            (400, "2141"): 39,
        }
        for reply in replies:
            if reply.status != 201:
                reply.refused(400, "2141", REFUSED)
        assert sum([len(await worlds[0].seats(customer)) for customer in customers]) == 1

    @pytest.mark.proves("2141")
    async def test_go_to_one_of_many_customers(self, crowd: Crowd, world: World) -> None:
        await self.spend(crowd, [world])

    @pytest.mark.proves("2141")
    async def test_go_to_one_over_two_processes(
        self, crowd: Crowd, world: World, elsewhere: World
    ) -> None:
        await self.spend(crowd, [world, elsewhere])

    async def test_go_to_the_next_while_a_customer_who_wants_one_is_locked(
        self, crowd: Crowd, world: World, database: AnyConnection
    ) -> None:
        customers = [await world.customer() for _ in range(6)]
        asked = line(FOLIO_PRO, flexDiscountCodes=[ONE_TIME])
        async with locked(database, customers[0]):
            replies = await crowd.order([world], customers, asked)
        assert replies[0].status == 400
        assert Counter(one.status for one in replies) == {201: 1, 400: 5}
        for reply in replies:
            if reply.status == 400:
                reply.refused(400, "2141", REFUSED)

    async def test_are_free_again_for_those_who_came_behind_an_order_that_failed(
        self, world: World
    ) -> None:
        customers = [await world.customer() for _ in range(4)]
        asked = line(FOLIO_PRO, flexDiscountCodes=[ONE_TIME])
        fails = {"X-Sandbox-Fault": "internal_error;when=after_write"}
        replies = await asyncio.gather(
            world.order(customers[0], asked, headers=fails),
            *(world.order(customer, asked) for customer in customers[1:]),
        )
        assert Counter(one.status for one in replies) == {500: 1, 201: 1, 400: 2}


class TestLockedCustomers:
    async def test_keep_no_other_partners_orders_waiting(
        self, world: World, new_world: MakeWorld, database: AnyConnection
    ) -> None:
        other = await new_world()
        theirs = [await world.customer() for _ in range(8)]
        ours = await other.customer()
        async with locked(database, *theirs):
            held = [
                asyncio.create_task(world.order(customer, line(SEATS))) for customer in theirs * 4
            ]
            async with asyncio.timeout(MAX_WAIT_SECONDS):  # that is for one
                for _ in range(10):
                    (await other.order(ours, line(SEATS))).ok()
            for reply in await asyncio.gather(*held):
                reply.refused(503, "503")
                assert reply.headers["Retry-After"] == "1"
        for customer in theirs:
            (await world.order(customer, line(SEATS))).ok()

    async def test_keep_no_neighbours_orders_waiting(
        self, crowd: Crowd, world: World, database: AnyConnection
    ) -> None:
        customers = [await world.customer() for _ in range(8)]
        async with locked(database, customers[3]):
            replies = await crowd.order([world], customers, line(SEATS))
        assert [one.status for one in replies] == [201] * 3 + [503] + [201] * 4
        for customer in customers[:3] + customers[4:]:
            assert [one["currentQuantity"] for one in await world.seats(customer)] == [1]

    async def test_get_their_orders_when_they_are_soon_free(
        self, world: World, database: AnyConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write: Write = placing.write
        rounds = asyncio.Semaphore(0)

        async def counting(connection: AnyConnection, outcomes: Sequence[Outcome]) -> set[int]:
            won = await write(connection, outcomes)
            rounds.release()
            return won

        monkeypatch.setattr(placing, "write", counting)
        customer = await world.customer()
        async with locked(database, customer):
            placed = asyncio.create_task(world.order(customer, line(SEATS)))
            for _ in range(3):
                await rounds.acquire()
        (await placed).ok()
        assert [one["currentQuantity"] for one in await world.seats(customer)] == [1]

    async def test_are_settled_when_they_are_free_and_nobody_waits_for_them(
        self, world: World, new_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A settlement that takes long holds up those it settles, and no other world."""
        may_settle = asyncio.Event()
        begun = asyncio.Semaphore(0)

        async def slow(pool: Any, settled: EngineWorld, at: Any, scope: Scope) -> Any:
            if settled.partner_id == world.distributor_id:
                begun.release()
                await may_settle.wait()
            return await settle_orders(pool, settled, at, scope)

        monkeypatch.setattr(SETTLE, slow)
        other = await new_world()
        ours = await other.customer()
        theirs = [await world.customer() for _ in range(4)]
        waiting: list[asyncio.Task[Reply]] = []
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for customer in theirs:  # each in a batch of its own: more than there are lanes
                    waiting.append(asyncio.create_task(world.order(customer, line(SEATS))))
                    await begun.acquire()
                placed = (await other.order(ours, line(SEATS))).ok()
            assert (await other.read_order(ours, placed["orderId"]))["status"] == "1000"
            assert not any(one.done() for one in waiting)
        finally:
            may_settle.set()
        for customer, reply in zip(theirs, await asyncio.gather(*waiting), strict=True):
            found = await world.read_order(customer, reply.ok()["orderId"])
            assert found["status"] == "1000"

    async def test_do_not_keep_their_neighbours_from_settling(
        self, world: World, database: AnyConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One of several accepted orders meets a lock before it is settled."""
        customers = [await world.customer() for _ in range(8)]
        held = customers[5]
        work = database.transaction()
        settled_before: dict[str, bool] = {}

        async def meeting_a_lock(pool: Any, settled: EngineWorld, at: Any, scope: Scope) -> Any:
            if held in (scope.customer_ids or ()) and not scope.wait:
                settled_before.update(dict.fromkeys(scope.customer_ids or (), False))
                await work.start()
                await database.execute(LOCK, [held])
            elif scope.wait:
                for one in settled_before:
                    settled_before[one] = bool(await world.seats(one))
                await work.rollback()
            return await settle_orders(pool, settled, at, scope)

        monkeypatch.setattr(SETTLE, meeting_a_lock)
        replies = await asyncio.gather(*(world.order(one, line(SEATS)) for one in customers))
        for customer, reply in zip(customers, replies, strict=True):
            found = await world.read_order(customer, reply.ok()["orderId"])
            assert found["status"] == "1000"
        assert [one for one, settled in settled_before.items() if not settled] == [held]


class TestAChangingWorld:
    async def test_holds_no_order_that_was_judged_while_settlement_was_manual(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write: Write = placing.write
        changes = [world.settlement("immediate")]

        async def late(connection: AnyConnection, outcomes: Sequence[Outcome]) -> set[int]:
            while changes:
                await changes.pop()
            return await write(connection, outcomes)

        await world.settlement("manual")
        customer = await world.customer()
        await world.settle()
        monkeypatch.setattr(placing, "write", late)
        placed = (await world.order(customer, line(SEATS))).ok()
        assert (await world.read_order(customer, placed["orderId"]))["status"] == "1000"

    @pytest.mark.proves("4115")
    async def test_that_is_gone_answers_every_write_alike(
        self, new_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It goes between the look at the key and the work."""
        get = Worlds.get

        async def last_seen(worlds: Worlds, partner_id: str) -> EngineWorld | None:
            found = await get(worlds, partner_id)
            admin = {"X-Admin-Token": ADMIN_TOKEN}
            await gone.client.delete(f"/sandbox/partners/{partner_id}", headers=admin)
            return found

        for wanted in ("order", "reseller"):
            gone = await new_world()
            customer = await gone.customer()
            path, body = f"/v3/customers/{customer}/orders", order(line(SEATS))
            if wanted == "reseller":
                seller = profile(marketSegments=["COM"])
                path = "/v3/resellers"
                body = {"distributorId": gone.distributor_id, "companyProfile": seller}
            with monkeypatch.context() as patched:
                patched.setattr(Worlds, "get", last_seen)
                reply = await gone.post(path, body)
            assert (reply.status, reply.code) == (403, "4115")
