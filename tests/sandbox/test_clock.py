"""A world's clock: what it shows, how it is set, how far it goes, one call at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from seatledger.clock import ManualClock
from seatledger.engine.agenda import carry_out_due
from seatledger.engine.world import business_now
from seatledger.sandbox import clock, walk
from seatledger.settings import Settings
from seatledger.store import due, partners
from seatledger.store.rows import AnyConnection
from tests.conftest import ADMIN_TOKEN, MakeWorld
from tests.engine.conftest import another_process
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

SEATS = "80004567EA01A12"
START = "2025-07-07T18:00:00Z"
CLOCK, ADVANCE, RESET = "/sandbox/clock", "/sandbox/clock/advance", "/sandbox/reset"
ONE_YEAR_A_SECOND = 365 * 86_400
TOO_EARLY = ("1969-12-31T23:59:59Z", "1969-12-31", "0001-01-01T00:00:00Z", "0001-01-01")
TOO_LATE = ("9900-01-01T00:00:01Z", "9900-01-02", "9999-12-31T23:59:59Z")
NO_INSTANT = ("now", "2025-13-01", "2025-07-07T25:00:00Z", "10000-01-01")

Step = Callable[[], Awaitable[Reply]]


@pytest.fixture
def later(real_clock: ManualClock) -> ManualClock:
    """The real clock of another process; it may go on by itself."""
    return ManualClock(real_clock.now())


@pytest.fixture
async def elsewhere(world: World, settings: Settings, later: ManualClock) -> AsyncIterator[World]:
    """The test's world, reached through that process."""
    async with another_process(settings, later) as client:
        yield replace(world, client=client)


async def shown(world: World) -> tuple[str, str, int]:
    """What the clock shows: the instant, its mode and its rate."""
    clock = (await world.get(CLOCK)).ok(200)
    return clock["now"], clock["mode"], clock["rate"]


class TestItShows:
    async def test_how_fast_it_runs(self, world: World, database: AnyConnection) -> None:
        assert await shown(world) == (START, "frozen", 0)
        for body, mode, rate in (
            ({"mode": "running"}, "running", 1),
            ({"mode": "running", "rate": 3600}, "running", 3600),
            ({"mode": "running"}, "running", 3600),
            ({"mode": "frozen"}, "frozen", 0),
            ({"mode": "running"}, "running", 1),
        ):
            put = (await world.put(CLOCK, body)).ok(200)
            assert (put["mode"], put["rate"]) == (mode, rate)
            assert await shown(world) == (START, mode, rate)

    async def test_a_system_clock_at_its_own_rate(
        self, new_world: MakeWorld, database: AnyConnection
    ) -> None:
        world = await new_world()
        await database.execute(
            """UPDATE partner SET clock_mode = 'system', clock_rate = 0, version = version + 1
               WHERE partner_id = $1""",
            world.distributor_id,
        )
        _, mode, rate = await shown(world)
        assert (mode, rate) == ("running", 1)


class TestItIsSet:
    async def test_forwards_with_its_mode_and_rate(
        self, world: World, elsewhere: World, later: ManualClock
    ) -> None:
        await world.customer()
        (await world.put(CLOCK, {"mode": "running", "rate": 60})).ok(200)
        put = (await world.put(CLOCK, {"now": "2025-08-01T00:00:00Z"})).ok(200)
        assert (put["now"], put["mode"], put["rate"]) == ("2025-08-01T00:00:00Z", "running", 60)
        later.advance(timedelta(seconds=2))
        assert await shown(elsewhere) == ("2025-08-01T00:02:00Z", "running", 60)
        (await elsewhere.put(CLOCK, {"mode": "frozen"})).ok(200)
        (await elsewhere.put(CLOCK, {"now": "2025-08-02T00:00:00Z"})).ok(200)
        assert await shown(world) == ("2025-08-02T00:00:00Z", "frozen", 0)

    async def test_with_the_instant_the_mode_and_the_rate_at_once(self, world: World) -> None:
        body = {"now": "2025-08-01T00:00:00Z", "mode": "running", "rate": 5}
        (await world.put(CLOCK, body)).ok(200)
        assert await shown(world) == ("2025-08-01T00:00:00Z", "running", 5)

    async def test_what_it_passes_happens(self, world: World) -> None:
        customer = await world.customer()
        await world.settlement("delay", delaySeconds=60)
        placed = (await world.order(customer, line(SEATS))).ok()["orderId"]
        (await world.put(CLOCK, {"now": "2025-07-07T18:01:00Z"})).ok(200)
        assert (await world.read_order(customer, placed))["status"] == "1000"

    async def test_by_an_advance_without_losing_its_rate(
        self, world: World, elsewhere: World, later: ManualClock
    ) -> None:
        (await world.put(CLOCK, {"mode": "running", "rate": 60})).ok(200)
        (await world.post(ADVANCE, {"days": 40})).ok(200)
        assert await shown(world) == ("2025-08-16T18:00:00Z", "running", 60)
        later.advance(timedelta(minutes=1))
        assert await shown(elsewhere) == ("2025-08-16T19:00:00Z", "running", 60)

    async def test_by_a_reset_only_if_that_says_so(self, world: World) -> None:
        await world.at("2025-09-01T00:00:00Z")
        (await world.put(CLOCK, {"mode": "running", "rate": 60})).ok(200)
        (await world.post(RESET, {})).ok(200)
        assert await shown(world) == ("2025-09-01T00:00:00Z", "running", 60)
        (await world.post(RESET, {"clock": {"now": "2024-03-01T00:00:00Z"}})).ok(200)
        assert await shown(world) == ("2024-03-01T00:00:00Z", "frozen", 0)
        # What lay behind it is still to come: the month closes again.
        done = (await world.post(ADVANCE, {"to": "2024-04-01"})).ok(200)
        assert done["counts"] == {"reconciliation_month_end": 1}


class TestItsRange:
    @pytest.mark.proves("1117")
    @pytest.mark.parametrize("instant", [*TOO_EARLY, *TOO_LATE, *NO_INSTANT])
    async def test_of_a_new_world(self, client: httpx.AsyncClient, instant: str) -> None:
        reply = await client.post(
            "/sandbox/partners",
            json={"name": "out of range", "clock": {"now": instant}},
            headers={"X-Admin-Token": ADMIN_TOKEN},
        )
        told = reply.json()
        assert (reply.status_code, told["code"]) == (400, "1117")
        assert told["additionalDetails"] == ["clock.now"]

    @pytest.mark.proves("1117")
    async def test_of_a_call(self, world: World) -> None:
        for instant in (*TOO_EARLY, *TOO_LATE, *NO_INSTANT):
            (await world.put(CLOCK, {"now": instant})).refused(400, "1117", "now")
            (await world.post(ADVANCE, {"to": instant})).refused(400, "1117", "to")
            reset = await world.post(RESET, {"clock": {"now": instant}})
            reset.refused(400, "1117", "clock.now")
        assert await shown(world) == (START, "frozen", 0)

    @pytest.mark.proves("1117")
    @pytest.mark.parametrize(
        "step",
        [{"days": 36_500}, {"months": 1_200}, {"hours": 876_000}, {"seconds": 3_153_600_000}],
    )
    @pytest.mark.parametrize("start", ["9899-06-01T00:00:00Z", "9900-01-01T00:00:00Z"])
    async def test_of_a_step(self, new_world: MakeWorld, step: dict[str, int], start: str) -> None:
        world = await new_world(clock={"now": start})
        (await world.post(ADVANCE, step)).refused(400, "1117", *step)
        assert await shown(world) == (start, "frozen", 0)

    async def test_begins_before_there_is_anything_to_sell(self, new_world: MakeWorld) -> None:
        world = await new_world(clock={"now": "1970-01-01T00:00:00Z"})
        sold = await world.order(await world.customer(), line(SEATS))
        sold.refused(400, "2122", "Line Item: 1")
        await world.is_sound()

    async def test_leaves_room_for_every_date_behind_it(self, new_world: MakeWorld) -> None:
        world = await new_world(clock={"now": "9899-12-31T00:00:00Z"})
        customer = await world.customer()
        (await world.order(customer, line(SEATS, 20))).ok()
        (await world.post(ADVANCE, {"to": "9900-01-01"})).ok(200)
        assert await shown(world) == ("9900-01-01T00:00:00Z", "frozen", 0)
        (await world.order(customer, line(SEATS))).ok()
        (await world.three_year_commit(customer, "enroll")).ok(200)
        (commit,) = [one["commitment"] for one in (await world.read_customer(customer))["benefits"]]
        assert commit["endDate"][:4] == "9902"
        assert (await world.get(CLOCK)).ok(200)["nextDue"]["at"] == "9900-12-31T00:00:00Z"
        await world.is_sound()

    @pytest.mark.usefixtures("idle_worker")
    async def test_ends_a_run(
        self, new_world: MakeWorld, settings: Settings, later: ManualClock
    ) -> None:
        world = await new_world()
        body = {"mode": "running", "rate": ONE_YEAR_A_SECOND}
        (await world.put(CLOCK, body)).ok(200)
        later.advance(timedelta(hours=6))
        async with another_process(settings, later) as client:
            there = replace(world, client=client)
            assert await shown(there) == ("9900-01-01T00:00:00Z", "running", ONE_YEAR_A_SECOND)
            await there.reseller()
            (await there.post(ADVANCE, {"seconds": 1})).refused(400, "1117", "seconds")
            assert await shown(there) == ("9900-01-01T00:00:00Z", "running", ONE_YEAR_A_SECOND)
            admin = {"X-Admin-Token": ADMIN_TOKEN}
            gone = await client.delete(f"/sandbox/partners/{world.distributor_id}", headers=admin)
            assert gone.status_code == 204

    async def test_a_real_clock_that_is_put_back_stops_it(
        self, world: World, database: AnyConnection
    ) -> None:
        (await world.put(CLOCK, {"mode": "running", "rate": ONE_YEAR_A_SECOND})).ok(200)
        row = await partners.load(database, world.distributor_id)
        assert row is not None
        for back in (timedelta(seconds=1), timedelta(days=4000)):
            assert business_now(row, row.clock_real - back) == datetime(2025, 7, 7, 18, tzinfo=UTC)


class TestOneCallAtATime:
    """Where a call has come as far as its first due instant, and waits there."""

    @pytest.fixture
    async def walking(self, world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Step]:
        """An advance by 30 days under way; gives how to let it end."""
        reached, may_go = asyncio.Event(), asyncio.Event()

        async def held(*arguments: Any) -> Any:
            reached.set()
            await may_go.wait()
            return await carry_out_due(*arguments)

        customer = await world.customer()
        await world.settlement("delay", delaySeconds=86_400)
        (await world.order(customer, line(SEATS))).ok()
        monkeypatch.setattr(walk, "carry_out_due", held)
        call = asyncio.create_task(world.post(ADVANCE, {"days": 30}))
        await reached.wait()

        async def end() -> Reply:
            may_go.set()
            return await call

        yield end
        await end()

    async def test_a_moment_later_one_waits_its_turn(
        self,
        world: World,
        walking: Step,
        settings: Settings,
        later: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Without a connection: a process with two of them serves others meanwhile."""
        tried = asyncio.Semaphore(0)
        try_lock = due.try_lock_clock

        async def counted(*arguments: Any) -> bool:
            tried.release()
            return await try_lock(*arguments)

        monkeypatch.setattr(due, "try_lock_clock", counted)
        monkeypatch.setattr(clock, "TURNS", 1_000_000)
        few = settings.model_copy(update={"pool_size": 2})
        async with another_process(few, later) as client:
            there = replace(world, client=client)
            waiting = [asyncio.create_task(there.post(ADVANCE, {"days": 1})) for _ in range(3)]
            for _ in range(2 * len(waiting)):
                await tried.acquire()
            (await there.get(CLOCK)).ok(200)
            assert not any(one.done() for one in waiting)
            (await walking()).ok(200)
            ends = {(await one).ok(200)["now"] for one in waiting}
        assert ends == {f"2025-08-{day:02}T18:00:00Z" for day in (7, 8, 9)}

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", ADVANCE, {"days": 90}),
            ("POST", ADVANCE, {"days": 1, "dryRun": True}),
            ("PUT", CLOCK, {"now": "2026-01-01T00:00:00Z"}),
            ("PUT", CLOCK, {"mode": "running", "rate": 7}),
            ("PUT", CLOCK, {"mode": "frozen"}),
            ("POST", RESET, {}),
            ("POST", RESET, {"clock": {"now": "2024-01-01T00:00:00Z"}}),
        ],
    )
    async def test_the_later_one_is_refused(
        self,
        world: World,
        elsewhere: World,
        walking: Step,
        monkeypatch: pytest.MonkeyPatch,
        method: str,
        path: str,
        body: dict[str, Any],
    ) -> None:
        monkeypatch.setattr(clock, "TURNS", 2)
        for caller in (world, elsewhere):
            refused = await caller.call(method, path, body)
            assert (refused.status, refused.code) == (409, "409")
        assert (await walking()).ok(200)["now"] == "2025-08-06T18:00:00Z"
        assert await shown(world) == ("2025-08-06T18:00:00Z", "frozen", 0)
        assert await shown(elsewhere) == ("2025-08-06T18:00:00Z", "frozen", 0)
        (await world.call(method, path, body)).ok(200)

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", ADVANCE, {"days": 1}),
            ("PUT", CLOCK, {"now": "2025-07-08T18:00:00Z"}),
            ("PUT", CLOCK, {"mode": "running"}),
            ("POST", RESET, {}),
        ],
    )
    async def test_one_that_began_before_another_ended_does_not_set_the_clock_back(
        self,
        world: World,
        monkeypatch: pytest.MonkeyPatch,
        method: str,
        path: str,
        body: dict[str, Any],
    ) -> None:
        try_lock = due.try_lock_clock
        before = [world.at("2026-03-01T00:00:00Z")]

        async def late(*arguments: Any) -> bool:
            while before:
                await before.pop()
            return await try_lock(*arguments)

        monkeypatch.setattr(due, "try_lock_clock", late)
        done = await world.call(method, path, body)
        if "now" in body:
            assert (done.status, done.code) == (409, "409")
        else:
            done.ok(200)
        expected = "2026-03-02" if path == ADVANCE else "2026-03-01"
        assert (await shown(world))[0] == f"{expected}T00:00:00Z"

    async def test_many_at_once_never_set_it_back(self, world: World, elsewhere: World) -> None:
        async def move(caller: World, number: int) -> int:
            path, body = (
                (ADVANCE, {"days": 1}),
                (ADVANCE, {"to": f"2025-08-{1 + number:02}"}),
                (CLOCK, {"now": f"2025-08-{1 + number:02}T12:00:00Z"}),
                (CLOCK, {"mode": "frozen"}),
            )[number % 4]
            return (await caller.call("POST" if path == ADVANCE else "PUT", path, body)).status

        async def watch() -> list[str]:
            seen = []
            while not moved.is_set():
                seen.append((await world.get(CLOCK)).ok(200)["now"])
            return seen

        moved = asyncio.Event()
        watching = asyncio.create_task(watch())
        done: list[int] = []
        for _ in range(3):
            callers = [world, elsewhere] * 6
            done += await asyncio.gather(*(move(one, n) for n, one in enumerate(callers)))
        moved.set()
        seen = await watching
        assert seen == sorted(seen)
        assert set(done) == {200, 409}
