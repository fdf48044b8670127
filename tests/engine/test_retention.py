"""Sweeps: what has expired goes, what could still be asked for stays."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from seatledger.clock import ManualClock, SystemClock
from seatledger.contract.limits import REPLAY_SECONDS
from seatledger.engine import partners as partner_rules
from seatledger.engine.context import Engine
from seatledger.engine.retention import SWEEP_EVERY, Retention
from seatledger.store import partners, retention
from seatledger.store.database import connect
from seatledger.store.retention import REPLAYS
from seatledger.store.rows import AnyConnection, AnyPool
from seatledger.work.loop import Worker
from tests.conftest import MakeWorld
from tests.harness import World, line, unique
from tests.wire import another_database

pytestmark = pytest.mark.anyio

LIFE = timedelta(seconds=REPLAY_SECONDS)
START = datetime.fromisoformat("2025-07-07T18:00:00Z")


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[AnyPool]:
    """Connections of a worker's own."""
    async with await connect(database_url, 2) as opened:
        yield opened


@pytest.fixture
def clock(real_clock: ManualClock) -> ManualClock:
    """The real clock of the sweeping process."""
    return ManualClock(real_clock.now())


async def sweep(pool: AnyPool, clock: ManualClock, events_live: timedelta | None = None) -> None:
    """A sweep from its beginning to its end."""
    async for _ in Retention(pool, clock, events_live).sweep():
        pass


async def rows_of(database: AnyConnection, world: World) -> tuple[int, int]:
    """How many stored answers and request ids a partner has."""
    answers = "SELECT count(*) FROM idempotency WHERE partner_id = $1"
    ids = "SELECT count(*) FROM request_id WHERE partner_id = $1"
    return (
        await database.fetchval(answers, world.distributor_id),
        await database.fetchval(ids, world.distributor_id),
    )


async def preview(world: World, customer: str, request_id: str) -> None:
    """A call whose answer and request id are kept."""
    headers = {"X-Request-Id": request_id}
    (await world.preview(customer, line("80004567EA01A12"), headers=headers)).ok()


@pytest.mark.proves("platform.md 19")
async def test_answers_go_ten_days_after_they_were_given_on_their_partners_clock(
    world: World, new_world: MakeWorld, pool: AnyPool, clock: ManualClock, database: AnyConnection
) -> None:
    young = await new_world()
    for one in (world, young):
        await preview(one, await one.customer(), "first")
    kept = await rows_of(database, world)
    assert kept == (3, 1)  # reseller, customer, preview
    await world.at((START + LIFE).strftime("%Y-%m-%dT%H:%M:%SZ"))
    await sweep(pool, clock)
    assert await rows_of(database, world) == kept
    await world.at((START + LIFE + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    await preview(world, "1234567890", "second")
    await sweep(pool, clock)
    assert await rows_of(database, world) == (1, 1)
    assert await rows_of(database, young) == kept


async def test_what_a_sweep_leaves_is_replayed_to_the_second(
    world: World, pool: AnyPool, clock: ManualClock
) -> None:
    """As long as the contract promises, whatever else is kept for a shorter time."""
    customer = await world.customer()
    headers = {"X-Correlation-Id": unique("intent"), "X-Request-Id": unique("request")}
    placed = (await world.order(customer, line("80004567EA01A12"), headers=headers)).ok()
    await world.at((START + LIFE).strftime("%Y-%m-%dT%H:%M:%SZ"))
    await sweep(pool, clock, timedelta(days=1))
    again = await world.order(customer, line("80004567EA01A12"), headers=headers)
    assert again.ok().content == placed.content
    assert again.headers["Seatledger-Replayed"] == "true"
    duplicate = {**headers, "X-Correlation-Id": unique("intent")}
    refused = await world.order(customer, line("80004567EA01A12"), headers=duplicate)
    refused.refused(400, "4120")
    await world.at((START + LIFE + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    await sweep(pool, clock, timedelta(days=1))
    afresh = (await world.order(customer, line("80004567EA01A12"), headers=headers)).ok()
    assert afresh["orderId"] != placed["orderId"]


async def test_events_go_by_age_where_that_is_wanted_and_orders_stay(
    world: World, pool: AnyPool, clock: ManualClock
) -> None:
    async def kinds() -> list[str]:
        return [one["kind"] for one in (await world.get("/sandbox/events")).ok(200)["items"]]

    customer = await world.customer()
    placed = (await world.order(customer, line("80004567EA01A12"))).ok()["orderId"]
    await world.at("2025-08-07T18:00:00Z")
    (await world.order(customer, line("80004567EA01A12"))).ok()
    everything = await kinds()
    await sweep(pool, clock)
    assert await kinds() == everything
    await sweep(pool, clock, timedelta(days=30))
    left = await kinds()
    assert 0 < len(left) < len(everything)
    assert left == everything[-len(left) :]
    assert (await world.read_order(customer, placed))["status"] == "1000"
    assert (await world.get("/sandbox/invariants")).ok(200)["violations"] == []


async def test_all_pages_are_walked(
    world: World, pool: AnyPool, clock: ManualClock, database: AnyConnection
) -> None:
    count = 20_000
    pages = {walk.table: walk.pages for walk in REPLAYS}
    await database.execute(
        """INSERT INTO request_id SELECT $1, 'old ' || i, $2 FROM generate_series(1, $3) i""",
        world.distributor_id,
        START - timedelta(days=11),
        count,
    )
    await preview(world, "1234567890", "young")
    swept = [found async for found in Retention(pool, clock).sweep()]
    assert await rows_of(database, world) == (1, 1)
    assert sum(swept) >= count
    assert max(swept) < 200 * pages["request_id"]  # little by little


async def test_a_world_whose_clock_was_set_back_meanwhile_loses_nothing(
    world: World,
    pool: AnyPool,
    clock: ManualClock,
    database: AnyConnection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its rows may be younger than they looked when the sweep read its clock."""
    await world.at("2026-07-07T18:00:00Z")
    await preview(world, "1234567890", "late")
    worlds_on = retention.worlds_on

    async def set_back(*arguments: object) -> object:
        found = await worlds_on(*arguments)  # type: ignore[arg-type]
        (await world.post("/sandbox/reset", {"clock": {"now": "2025-01-01T00:00:00Z"}})).ok(200)
        await preview(world, "1234567890", "early")
        return found

    monkeypatch.setattr(retention, "worlds_on", set_back)
    await sweep(pool, clock)
    assert await rows_of(database, world) == (1, 1)


async def test_rows_somebody_holds_are_left_for_the_next_sweep(
    world: World, pool: AnyPool, clock: ManualClock, database: AnyConnection
) -> None:
    await preview(world, "1234567890", "held")
    await world.at("2025-08-01T00:00:00Z")
    async with database.transaction():
        held = "SELECT FROM request_id WHERE partner_id = $1 FOR UPDATE"
        await database.execute(held, world.distributor_id)
        await sweep(pool, clock)
    assert await rows_of(database, world) == (0, 1)
    await sweep(pool, clock)
    assert await rows_of(database, world) == (0, 0)


async def test_full_rate_buckets_go(
    world: World, pool: AnyPool, clock: ManualClock, database: AnyConnection
) -> None:
    await world.set(flags={"rate_limit_per_minute": 60})
    assert (await world.get("/v3/customers/1005999999")).status == 404
    bucket = "SELECT count(*) FROM rate_bucket WHERE client_id = $1"
    await sweep(pool, clock)
    assert await database.fetchval(bucket, world.client_id) == 1
    clock.advance(timedelta(minutes=3))
    await sweep(pool, clock)
    assert await database.fetchval(bucket, world.client_id) == 0


async def test_data_sets_nobody_uses_go(
    world: World, pool: AnyPool, clock: ManualClock, database: AnyConnection
) -> None:
    text = await database.fetchval("SELECT body FROM data_set WHERE kind = 'catalog' LIMIT 1")
    versions = []
    for _ in range(3):
        put = await world.put(
            "/sandbox/catalog", content=text.encode(), headers={"Content-Type": "text/csv"}
        )
        versions.append(put.ok(200)["version"])
    everyones = [await partners.latest_data_set(database, kind) for kind in partner_rules.SAMPLES]
    await sweep(pool, clock)
    left = {row["version"] for row in await database.fetch("SELECT version FROM data_set")}
    assert {*everyones, versions[-1]} <= left
    assert left.isdisjoint(versions[:-1])
    (await world.preview("1234567890", line("80004567EA01A12"))).ok()


class TestTurns:
    @pytest.fixture
    async def alone(self, database_url: str) -> AsyncIterator[AnyPool]:
        """A database with nobody else to sweep it, and pages enough for several turns."""
        async with another_database(database_url) as url, await connect(url, 2) as opened:
            async with opened.acquire() as connection:
                await partner_rules.ensure_samples(connection)
                now = SystemClock().now()
                partner = partner_rules.default_partner(unique("partner"), "Partner")
                world = partner_rules.NewWorld("system", now, "auto")
                await partner_rules.create(connection, partner, world, now)
                await connection.execute(
                    """INSERT INTO request_id SELECT $1, i::text, $2
                       FROM generate_series(1, 10000) i""",
                    partner.partner_id,
                    now - timedelta(days=11),
                )
            yield opened

    async def left(self, pool: AnyPool) -> int:
        count: int = await pool.fetchval("SELECT count(*) FROM request_id")
        return count

    async def test_do_a_sweep_bit_by_bit(self, alone: AnyPool) -> None:
        one = Retention(alone, ManualClock(SystemClock().now()))
        seen: list[int] = []
        while not seen or seen[-1]:
            await one.turn()
            seen.append(await self.left(alone))
        assert seen[0] == 10_000
        assert len(set(seen)) > 3

    async def test_one_process_sweeps_and_not_before_it_is_time_again(self, alone: AnyPool) -> None:
        clock = ManualClock(SystemClock().now())
        one, other = Retention(alone, clock), Retention(alone, clock)
        for _ in range(20):
            await one.turn()
        assert await self.left(alone) == 0
        await self.add_one(alone)
        for _ in range(20):
            await other.turn()
            await one.turn()
        assert await self.left(alone) == 1
        clock.advance(SWEEP_EVERY + timedelta(seconds=1))
        for _ in range(20):
            await other.turn()
        assert await self.left(alone) == 0

    async def add_one(self, pool: AnyPool) -> None:
        await pool.execute(
            """INSERT INTO request_id SELECT partner_id, 'one', clock_at - interval '11 days'
               FROM partner"""
        )

    async def test_a_sweep_that_fails_is_over(
        self, alone: AnyPool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = ManualClock(SystemClock().now())
        one = Retention(alone, clock)

        async def away(*_: object) -> int:
            raise ConnectionResetError

        with monkeypatch.context() as failing:
            failing.setattr(retention, "page_count", away)
            await one.turn()
            with pytest.raises(ConnectionResetError):
                await one.turn()
        for _ in range(20):
            await one.turn()
        assert await self.left(alone) == 10_000
        clock.advance(SWEEP_EVERY + timedelta(seconds=1))
        for _ in range(20):
            await one.turn()
        assert await self.left(alone) == 0


async def test_the_worker_takes_its_turns(database_url: str) -> None:
    """Nobody has to call for it."""
    async with another_database(database_url) as url, await connect(url, 2) as pool:
        worker = Worker(Engine(pool, SystemClock(), sandbox=True))
        swept = "SELECT EXISTS (SELECT FROM config WHERE key = 'swept_at')"

        async def round_() -> int:
            if await pool.fetchval(swept):
                worker.stop()
            return 1

        worker.round = round_  # type: ignore[method-assign]
        await worker.run()
