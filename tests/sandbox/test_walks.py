"""How a walk of the clock ends that has no time to finish, and what is seen of a running clock."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import httpx
import pytest

from seatledger.app import build, prepare
from seatledger.clock import ManualClock
from seatledger.engine import claims
from seatledger.engine.agenda import carry_out_due
from seatledger.engine.context import Engine
from seatledger.engine.credentials import Tokens
from seatledger.sandbox import walk
from seatledger.settings import Settings
from seatledger.store.database import connect
from tests.conftest import ADMIN_TOKEN
from tests.engine.conftest import another_process
from tests.harness import Reply, World, line, make_world

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("idle_worker")]

SEATS = "80004567EA01A12"
CLOCK, ADVANCE = "/sandbox/clock", "/sandbox/clock/advance"
TARGET = "2026-07-08T00:00:00Z"
ANNIVERSARY = "2026-07-07T00:00:00Z"
ONE_YEAR_A_SECOND = 365 * 86_400


class Slow(ManualClock):
    """A real clock on which a walk's time is over whenever a test says so."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock.now())

    def let_time_pass(self) -> None:
        self.advance(timedelta(seconds=walk.WALK_SECONDS))


@pytest.fixture
async def engine(settings: Settings, real_clock: ManualClock) -> AsyncIterator[Engine]:
    """The engine of a server of the test's own."""
    assert settings.database_url is not None
    await prepare(settings, settings.database_url)
    async with await connect(settings.database_url, 5) as pool:
        yield Engine(pool, Slow(real_clock), sandbox=True)


@asynccontextmanager
async def served(engine: Engine, settings: Settings) -> AsyncIterator[World]:
    """A world on that server with three customers who renew on one day."""
    app, _ = build(settings, engine, Tokens(b"k" * 32, engine.clock))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        world = await make_world(client, ADMIN_TOKEN)
        for _ in range(3):
            (await world.order(await world.customer(), line(SEATS))).ok()
        yield world
        await world.is_sound()


@pytest.fixture
def slow(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every instant takes all the time a walk has."""
    clock = engine.clock
    assert isinstance(clock, Slow)

    async def carried_out(*arguments: Any) -> Any:
        done = await carry_out_due(*arguments)
        clock.let_time_pass()
        return done

    monkeypatch.setattr(walk, "carry_out_due", carried_out)


async def advance(world: World, **body: Any) -> Reply:
    return (await world.post(ADVANCE, body)).ok(200)


async def to_the_end(world: World) -> list[Reply]:
    """The same call again and again until it arrives."""
    replies = [await advance(world, to=TARGET)]
    while "stopped" in replies[-1].body:
        replies.append(await advance(world, to=TARGET))
    return replies


def happened(*replies: Reply) -> list[tuple[str, str, str]]:
    return [
        (one["at"], one["kind"], one.get("customerId", ""))
        for reply in replies
        for one in reply["events"]
    ]


class TestItsTime:
    @pytest.mark.usefixtures("slow")
    async def test_ends_at_an_instant_and_calls_that_are_repeated_arrive(
        self, engine: Engine, settings: Settings
    ) -> None:
        async with served(engine, settings) as world:
            replies = await to_the_end(world)
            assert len(replies) == 14  # twelve ends of months, the anniversary, the rest
            for before, after in pairwise(replies):
                assert before["stopped"] == "time"
                assert before["now"] == after["from"] == before["events"][-1]["at"]
                assert before["pending"] == 0
            assert replies[-1]["now"] == (await world.get(CLOCK)).ok(200)["now"] == TARGET
            renewals = [one for one in happened(*replies) if one[1] == "renewal"]
            assert len(renewals) == len({one[2] for one in renewals}) == 3

    async def test_ends_in_the_midst_of_an_instant(
        self, engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is left of it is due, and comes next."""
        monkeypatch.setattr(claims, "TURN_CUSTOMERS", 1)
        clock, batch = engine.clock, claims.__dict__["_batch"]
        assert isinstance(clock, Slow)

        async def slow(*arguments: Any) -> Any:
            done = await batch(*arguments)
            clock.let_time_pass()
            return done

        async with served(engine, settings) as world:
            await advance(world, to="2026-07-06")
            monkeypatch.setattr(claims, "_batch", slow)
            replies = await to_the_end(world)
            assert [reply["pending"] for reply in replies[:3]] == [2, 1, 0]
            assert {reply["now"] for reply in replies[:3]} == {ANNIVERSARY}
            renewed = [one[2] for one in happened(*replies)]
            assert renewed == sorted(set(renewed))
            assert len(renewed) == 3

    @pytest.mark.usefixtures("slow")
    async def test_ends_a_clock_being_set(self, engine: Engine, settings: Settings) -> None:
        async with served(engine, settings) as world:
            for instant in ("2025-08-01T06:00:00Z", "2025-09-01T06:00:00Z"):
                put = await world.put(CLOCK, {"now": "2025-09-15T00:00:00Z"})
                put.refused(503, "503")
                assert put.headers["Retry-After"]
                assert (await world.get(CLOCK)).ok(200)["now"] == instant
            (await world.put(CLOCK, {"now": "2025-09-15T00:00:00Z"})).ok(200)

    @pytest.mark.usefixtures("slow")
    async def test_ends_a_rehearsal(self, engine: Engine, settings: Settings) -> None:
        async with served(engine, settings) as world:
            would = await advance(world, to=TARGET, dryRun=True)
            assert (would["now"], would["stopped"]) == ("2025-08-01T06:00:00Z", "time")
            unknown = await world.post(ADVANCE, {"to": TARGET, "limit": 1000})
            unknown.refused(503, "503")
            assert (await world.get(CLOCK)).ok(200)["now"] == "2025-07-07T18:00:00Z"


async def test_it_ends_at_the_next_instant_when_the_server_stops(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopping(*arguments: Any) -> Any:
        engine.draining = True
        return await carry_out_due(*arguments)

    async with served(engine, settings) as world:
        with monkeypatch.context() as patched:
            patched.setattr(walk, "carry_out_due", stopping)
            first = await advance(world, to=TARGET)
        assert (first["now"], first["stopped"]) == ("2025-08-01T06:00:00Z", "shutdown")
        assert first.headers["Connection"] == "close"
        (await world.put(CLOCK, {"now": TARGET})).refused(503, "503")
        engine.draining = False
        (last,) = await to_the_end(world)
        assert last["counts"] == {"reconciliation_month_end": 12, "renewal": 3}


class Ticking(ManualClock):
    """A real clock that goes on by ten milliseconds whenever somebody looks at it."""

    def now(self) -> Any:
        self.advance(timedelta(milliseconds=10))
        return super().now()


class TestARunningClock:
    @pytest.fixture
    async def elsewhere(
        self, world: World, settings: Settings, real_clock: ManualClock
    ) -> AsyncIterator[World]:
        """The test's world, through a process whose real clock ticks."""
        async with another_process(settings, Ticking(real_clock.now())) as client:
            yield replace(world, client=client)

    @pytest.fixture
    def looks(self, elsewhere: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
        """What somebody sees of the clock at every instant of every walk."""
        seen: list[str] = []

        async def carried_out(*arguments: Any) -> Any:
            seen.append((await elsewhere.get(CLOCK)).ok(200)["now"])
            done = await carry_out_due(*arguments)
            seen.append((await elsewhere.get(CLOCK)).ok(200)["now"])
            return done

        monkeypatch.setattr(walk, "carry_out_due", carried_out)
        yield seen
        assert seen == sorted(seen)

    @pytest.mark.parametrize("rate", [1, ONE_YEAR_A_SECOND])
    async def test_never_goes_back(
        self, world: World, elsewhere: World, looks: list[str], rate: int
    ) -> None:
        (await world.order(await world.customer(), line(SEATS))).ok()
        rng = Random(rate)
        (await elsewhere.put(CLOCK, {"mode": "running", "rate": rate})).ok(200)
        for _ in range(20):
            looks.append((await elsewhere.get(CLOCK)).ok(200)["now"])
            match rng.randrange(4):
                case 0:
                    done = await advance(elsewhere, days=rng.randrange(60))
                    looks += [done["now"]]
                    assert done["from"] <= done["now"]
                case 1:
                    body = {"mode": "running", "rate": rng.choice((1, 60, rate))}
                    looks.append((await elsewhere.put(CLOCK, body)).ok(200)["now"])
                case 2:
                    looks.append((await elsewhere.put(CLOCK, {"mode": "frozen"})).ok(200)["now"])
                    put = await elsewhere.put(CLOCK, {"mode": "running", "rate": rate})
                    looks.append(put.ok(200)["now"])
                case _:
                    after = datetime.fromisoformat(looks[-1]) + timedelta(days=60)
                    put = await elsewhere.put(CLOCK, {"now": after.strftime("%Y-%m-%dT%H:%M:%SZ")})
                    looks.append(put.ok(200)["now"])

    async def test_keeps_its_rate_and_goes_past_the_target_where_it_is_faster(
        self, elsewhere: World, looks: list[str]
    ) -> None:
        (await elsewhere.put(CLOCK, {"mode": "running", "rate": ONE_YEAR_A_SECOND})).ok(200)
        done = await advance(elsewhere, days=31)
        assert done["now"] > done["events"][-1]["at"]
        clock = (await elsewhere.get(CLOCK)).ok(200)
        assert (clock["mode"], clock["rate"]) == ("running", ONE_YEAR_A_SECOND)
        assert looks
