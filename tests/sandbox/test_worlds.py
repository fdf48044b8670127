"""Emptying and deleting worlds while others work in them: nothing fails, nothing is left over."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from seatledger.engine.writes import Writes
from seatledger.sandbox.fixture_maker import Maker
from seatledger.store import faults, partners, placing, settling
from seatledger.store.rows import AnyConnection
from tests.conftest import ADMIN_TOKEN, MakeWorld
from tests.harness import Reply, World, line, order, profile, unique

pytestmark = pytest.mark.anyio

SEATS, OTHER_SEATS = "80004567EA01A12", "11073058CA01A12"
PATIENCE_SECONDS = 20
ROUNDS = 6
_LEFT_OVER = """
SELECT 'orders', order_id FROM orders o WHERE partner_id = $1
  AND NOT EXISTS (SELECT FROM customer c WHERE c.customer_id = o.customer_id)
UNION ALL SELECT 'subscription', subscription_id FROM subscription s WHERE partner_id = $1
  AND NOT EXISTS (SELECT FROM customer c WHERE c.customer_id = s.customer_id)
UNION ALL SELECT 'ledger_entry', customer_id FROM ledger_entry l WHERE partner_id = $1
  AND NOT EXISTS (SELECT FROM customer c WHERE c.customer_id = l.customer_id)
UNION ALL SELECT 'redemption', order_id FROM redemption r WHERE partner_id = $1
  AND NOT EXISTS (SELECT FROM orders o WHERE o.order_id = r.order_id)
UNION ALL SELECT 'deployment', deployment_id FROM deployment d WHERE partner_id = $1
  AND NOT EXISTS (SELECT FROM customer c WHERE c.customer_id = d.customer_id)
UNION ALL SELECT 'customer', customer_id FROM customer c WHERE partner_id = $1
  AND NOT EXISTS (SELECT FROM reseller r WHERE r.reseller_id = c.reseller_id)
"""
_TABLES = """
SELECT table_name::text FROM information_schema.columns
WHERE table_schema = current_schema() AND column_name = 'partner_id'
"""

_IDLE_FAULT = {"match": {"path": "/nowhere"}, "effect": {"type": "rate_limit"}}

End = Callable[[World], Coroutine[Any, Any, Reply]]


async def left_over(database: AnyConnection, world: World) -> list[tuple[str, str]]:
    """Rows of a world that belong to something that is gone."""
    found = await database.fetch(_LEFT_OVER, world.distributor_id)
    return [(name, key) for name, key in found]


async def rows_of(database: AnyConnection, world: World) -> dict[str, int]:
    """How many rows each table has of a partner, where it has any."""
    counts = {}
    for (table,) in await database.fetch(_TABLES):
        count = f"SELECT count(*) FROM {table} WHERE partner_id = $1"
        counts[table] = await database.fetchval(count, world.distributor_id)
    return {table: count for table, count in counts.items() if count}


async def delete(world: World) -> Reply:
    """DELETE the world, as its operator does."""
    path = f"/sandbox/partners/{world.distributor_id}"
    return await world.call("DELETE", path, headers={"X-Admin-Token": ADMIN_TOKEN})


async def reset(world: World) -> Reply:
    """Empty the world."""
    return await world.post("/sandbox/reset", {})


class Traffic:
    """Clients who open accounts, buy, give back and settle until told to stop."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.accepted = 0
        self.failed: list[Reply] = []
        self._stopping = False
        self._news = asyncio.Event()

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Traffic from here on; it has ended on leaving."""
        clients = [self._seller, self._seller, self._seller, self._seller, self._operator]
        tasks = [asyncio.create_task(one()) for one in clients]
        try:
            yield
        finally:
            self._stopping = True
            await asyncio.gather(*tasks)

    async def until(self, more: int) -> None:
        """Wait until so many more accounts and orders have been accepted."""
        wanted = self.accepted + more
        while self.accepted < wanted:
            await self.next()

    async def next(self) -> None:
        """Wait for the next answer that any of them gets."""
        self._news.clear()
        await self._news.wait()

    def _met(self, reply: Reply) -> Reply:
        self._news.set()
        self.accepted += reply.status == 201
        had_no_turn = reply.status == 503 and reply.headers["Retry-After"] == "1"
        if reply.status >= 500 and not had_no_turn:  # platform.md 5.4: a busy machine may say so
            self.failed.append(reply)
        return reply

    async def _seller(self) -> None:
        world = self.world
        while not self._stopping:
            with suppress(KeyError, TypeError):  # what it was about to use is gone
                company = profile(marketSegments=["COM"])
                body = {"distributorId": world.distributor_id, "companyProfile": company}
                reseller = self._met(await world.post("/v3/resellers", body))["resellerId"]
                body = {"resellerId": reseller, "companyProfile": profile()}
                customer = self._met(await world.post("/v3/customers", body))["customerId"]
                placed = self._met(await world.order(customer, line(SEATS, 3)))
                self._met(await world.order(customer, line(OTHER_SEATS, 2)))
                self._met(await world.give_back(customer, placed.body))

    async def _operator(self) -> None:
        world = self.world
        while not self._stopping:
            for mode in ("manual", "immediate", "delay"):
                self._met(await world.put("/sandbox/settlement", {"mode": mode}))
                self._met(await world.post("/sandbox/settle", {}))
                self._met(await world.post("/sandbox/clock/advance", {"hours": 1}))
                self._met(await world.put("/sandbox/clock", {"mode": "frozen"}))
                self._met(await world.get("/sandbox/invariants"))
                self._met(await world.post("/sandbox/faults", _IDLE_FAULT))
                self._met(await world.post("/sandbox/fixtures", {"set": "reseller"}))


class TestUnderTraffic:
    async def test_a_reset_leaves_nothing_that_belongs_to_nothing(
        self, new_world: MakeWorld, database: AnyConnection
    ) -> None:
        world = await new_world()
        traffic = Traffic(world)
        async with asyncio.timeout(PATIENCE_SECONDS), traffic.flowing():
            for _ in range(ROUNDS):
                await traffic.until(12)
                while (reply := await reset(world)).status == 409:
                    pass  # the clock is being moved
                reply.ok(200)
                assert await left_over(database, world) == []
        assert traffic.failed == []
        assert await left_over(database, world) == []
        await world.settlement("immediate")
        await world.is_sound()

    async def test_a_delete_leaves_nothing(
        self, new_world: MakeWorld, database: AnyConnection
    ) -> None:
        for _ in range(ROUNDS):
            world = await new_world()
            traffic = Traffic(world)
            async with asyncio.timeout(PATIENCE_SECONDS), traffic.flowing():
                await traffic.until(12)
                (await delete(world)).ok(204)
                await traffic.next()
            assert traffic.failed == []
            assert await rows_of(database, world) == {}

    async def test_resets_from_everywhere_at_once(
        self, new_world: MakeWorld, database: AnyConnection
    ) -> None:
        world = await new_world()
        traffic = Traffic(world)
        async with asyncio.timeout(PATIENCE_SECONDS), traffic.flowing():
            await traffic.until(12)
            replies = await asyncio.gather(*(reset(world) for _ in range(4)))
        assert {one.status for one in replies} <= {200, 409}
        assert traffic.failed == []
        assert await left_over(database, world) == []
        (await reset(world)).ok(200)


ENDINGS = pytest.mark.parametrize("end", [reset, delete], ids=["reset", "delete"])


class TestInTheMiddle:
    """The world is emptied or goes between the decision of a call and its writes."""

    @ENDINGS
    async def test_of_an_order(
        self,
        new_world: MakeWorld,
        database: AnyConnection,
        monkeypatch: pytest.MonkeyPatch,
        end: End,
    ) -> None:
        world = await new_world()
        customer = await world.customer()
        write = placing.write
        endings = [end(world)]

        async def late(*arguments: Any) -> set[int]:
            while endings:
                (await endings.pop()).ok(200 if end is reset else 204)
            return await write(*arguments)

        monkeypatch.setattr(placing, "write", late)
        placed = await world.post(f"/v3/customers/{customer}/orders", order(line(SEATS)))
        assert (placed.status, placed.code) == ((404, "1116") if end is reset else (403, "4115"))
        await self.nothing_is_left(database, world, end)

    @ENDINGS
    @pytest.mark.parametrize("wanted", ["customer", "deployment"])
    async def test_of_an_account(
        self,
        new_world: MakeWorld,
        database: AnyConnection,
        monkeypatch: pytest.MonkeyPatch,
        end: End,
        wanted: str,
    ) -> None:
        world = await new_world()
        reseller = await world.reseller()
        path, code = "/v3/customers", "1115"
        body: dict[str, Any] = {"resellerId": reseller, "companyProfile": profile()}
        if wanted == "deployment":
            customer = await world.customer(reseller, top={"globalSalesEnabled": True})
            path, code = f"/v3/customers/{customer}/deployments", "1116"
            place = {"country": "DE", "region": "SN", "city": "Dresden", "postalCode": "01067"}
            body = {"companyProfile": {"address": {**place, "addressLine1": "Street 1"}}}
        write = Writes._write
        endings = [end(world)]

        async def late(writes: Writes, *arguments: Any) -> None:
            while endings:
                (await endings.pop()).ok(200 if end is reset else 204)
            await write(writes, *arguments)

        monkeypatch.setattr(Writes, "_write", late)
        made = await world.post(path, body)
        assert 400 <= made.status < 500
        assert made.code == (code if end is reset else "4115")
        await self.nothing_is_left(database, world, end)

    @ENDINGS
    async def test_of_a_settlement(
        self,
        new_world: MakeWorld,
        database: AnyConnection,
        monkeypatch: pytest.MonkeyPatch,
        end: End,
    ) -> None:
        """Whoever settles comes first, and the emptying waits for it."""
        world = await new_world()
        customer = await world.customer()
        load_due = settling.load_due
        ending: list[asyncio.Task[Reply]] = []

        async def late(*arguments: Any) -> Sequence[settling.Due]:
            if not ending:
                ending.append(asyncio.create_task(end(world)))
                await waits_for_a_lock(database)
            return await load_due(*arguments)

        monkeypatch.setattr(settling, "load_due", late)
        (await world.order(customer, line(SEATS, 3))).ok()
        (await ending[0]).ok(200 if end is reset else 204)
        await self.nothing_is_left(database, world, end)

    async def nothing_is_left(self, database: AnyConnection, world: World, end: End) -> None:
        rows = await rows_of(database, world)
        if end is reset:
            expected = {"partner", "credential"}
            assert rows.keys() - {"idempotency", "request_id"} == expected
        else:
            assert rows == {}


async def waits_for_a_lock(database: AnyConnection) -> None:
    """Return once somebody waits for a lock."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await database.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            pass


class TestAWorldThatGoesWhileItsOwnCallsRun:
    @pytest.mark.proves("4115")
    @pytest.mark.parametrize(
        ("what", "path", "body"),
        [
            ("set_settlement", "/sandbox/settlement", {"mode": "immediate"}),
            ("set_settlement", "/sandbox/settlement", {"mode": "manual"}),
            ("set_clock", "/sandbox/clock", {"mode": "running"}),
        ],
    )
    async def test_has_neither_settlement_nor_clock(
        self,
        new_world: MakeWorld,
        monkeypatch: pytest.MonkeyPatch,
        what: str,
        path: str,
        body: dict[str, Any],
    ) -> None:
        world = await new_world()
        change = getattr(partners, what)
        endings = [delete(world)]

        async def late(*arguments: Any, **more: Any) -> Any:
            while endings:
                (await endings.pop()).ok(204)
            return await change(*arguments, **more)

        monkeypatch.setattr(partners, what, late)
        reply = await world.put(path, body)
        assert (reply.status, reply.code) == (403, "4115")

    @pytest.mark.proves("4115")
    @pytest.mark.parametrize(
        ("owner", "step", "path", "body"),
        [
            (faults, "insert", "/sandbox/faults", _IDLE_FAULT),
            (Maker, "begin", "/sandbox/fixtures", {"set": "orders"}),
            (Maker, "customer", "/sandbox/fixtures", {"set": "orders"}),
            (Maker, "order", "/sandbox/fixtures", {"set": "orders"}),
            (Maker, "ids", "/sandbox/fixtures", {"set": "orders"}),
        ],
    )
    async def test_gets_neither_faults_nor_fixtures(
        self,
        new_world: MakeWorld,
        database: AnyConnection,
        monkeypatch: pytest.MonkeyPatch,
        owner: Any,
        step: str,
        path: str,
        body: dict[str, Any],
    ) -> None:
        world = await new_world()
        take = getattr(owner, step)
        endings = [delete(world)]

        async def late(*arguments: Any, **more: Any) -> Any:
            while endings:
                (await endings.pop()).ok(204)
            return await take(*arguments, **more)

        monkeypatch.setattr(owner, step, late)
        reply = await world.post(path, body)
        assert (reply.status, reply.code) == (403, "4115")
        assert await rows_of(database, world) == {}


class TestWhatANewWorldMayBeTold:
    @pytest.mark.proves("sandbox.md 2", "1121", "1122", "1117")
    @pytest.mark.parametrize(
        ("body", "code", "details"),
        [
            ({"settlement": {"mode": "manual"}}, "1121", ["settlement"]),
            ({"clock": {"now": "2025-07-07", "mode": "running", "rate": 2}}, "1121",
             ["clock.mode", "clock.rate"]),
            ({"flags": {"foo": 1, "\ud800": 2}, "quirks": ["bar"], "baz": 1, "clock": []}, "1121",
             ["flags.foo", "flags.?", "quirks.bar", "baz"]),
            ({"clock": {}}, "1122", ["clock.now"]),
            ({"clock": [], "flags": [], "fixtures": {}, "name": "a\0b"}, "1117",
             ["clock", "flags", "fixtures", "name"]),
            ({"fixtures": [{}], "distributorId": "\ud800"}, "1117",
             ["fixtures[0]", "distributorId"]),
            ({"fixtures": ["default", "unknown"]}, "1117", ["fixtures[1]"]),
            ({"clock": {"now": "9999-12-31T23:59:59Z"}}, "1117", ["clock.now"]),
        ],
    )  # fmt: skip
    async def test_what_is_wrong_is_named(
        self, world: World, body: dict[str, Any], code: str, details: list[str]
    ) -> None:
        reply = await world.post("/sandbox/partners", body, headers={"X-Admin-Token": ADMIN_TOKEN})
        reply.refused(400, code, *details)

    async def test_null_says_nothing(self, new_world: MakeWorld) -> None:
        nothing = dict.fromkeys(("name", "flags", "quirks", "fixtures", "distributorId", "status"))
        world = await new_world(**nothing)
        (await world.patch("/sandbox/partner", {"flags": None, "lgaEnabled": None})).ok(200)

    async def test_a_set_it_cannot_have_leaves_no_world(self, world: World) -> None:
        body = {"distributorId": unique("given"), "fixtures": ["reseller", "global-customer"]}
        headers = {"X-Admin-Token": ADMIN_TOKEN}
        for _ in range(2):
            reply = await world.post("/sandbox/partners", body, headers=headers)
            assert (reply.status, reply.code) == (409, "409")
            assert "globalSalesEnabled" in reply["message"]

    async def test_an_id_is_given_once(self, world: World) -> None:
        body = {"distributorId": unique("given")}
        headers = {"X-Admin-Token": ADMIN_TOKEN}
        replies = await asyncio.gather(
            *(world.post("/sandbox/partners", body, headers=headers) for _ in range(4))
        )
        assert sorted(one.status for one in replies) == [201, 409, 409, 409]
