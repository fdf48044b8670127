"""Anniversaries whose orders are held: what is told when they settle, and that they do settle."""

import asyncio
from typing import Any

import pytest

from seatledger.store import agenda
from seatledger.store.rows import AnyConnection
from tests.harness import World, line

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("idle_worker")]

KEPT, ENDING = "65304479CA01A12", "11073058CA01A12"
START = "2025-07-07T18:00:00Z"
ANNIVERSARY, THREE_DAYS_LATER = "2026-07-07T00:00:00Z", "2026-07-10T00:00:00Z"
TOLD = ("subscription_expired", "level_changed")
WINDOW_CLOSED = "late_renewal_window_closed"
SOMEBODY_WAITS = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"


async def order(world: World, customer: str) -> None:
    (await world.order(customer, line(KEPT))).ok()


async def events(world: World, kind: str) -> list[tuple[str, str]]:
    """Instant and result of the events of a kind, as the log has them."""
    found = (await world.get("/sandbox/events", params={"kind": kind})).ok(200)
    return [(one["at"], one.get("result", "")) for one in found["items"]]


async def advance(world: World, **step: Any) -> list[str]:
    """Let the clock move; gives what kinds of things happened."""
    return sorted((await world.post("/sandbox/clock/advance", step)).ok(200)["counts"])


class TestAnAnniversaryThatSettlesLater:
    """Its order is told when it is made; what its settlement makes true, when that does."""

    @pytest.fixture
    async def holder(self, world: World) -> str:
        """A customer of two products, one of which will end, with a level that will fall."""
        customer = await world.customer()
        (await world.order(customer, line(KEPT, 5), line(ENDING, 20, 2))).ok()
        (ending,) = [one for one in await world.seats(customer) if one["offerId"][:8] == ENDING[:8]]
        path = f"/v3/customers/{customer}/subscriptions/{ending['subscriptionId']}"
        (await world.patch(path, {"autoRenewal": {"enabled": False}})).ok(200)
        return customer

    @pytest.mark.parametrize("mode", ["immediate", "auto"])
    async def test_settles_on_the_day(self, world: World, holder: str, mode: str) -> None:
        await world.settlement(mode)
        done = await world.post("/sandbox/clock/advance", {"to": ANNIVERSARY})
        self.tells(done.ok(200)["events"], ANNIVERSARY)
        await self.has_happened_once(world, ANNIVERSARY)

    async def test_settles_after_its_delay(self, world: World, holder: str) -> None:
        await world.settlement("delay", delaySeconds=3 * 86_400)
        assert {*TOLD}.isdisjoint(await advance(world, to=ANNIVERSARY))
        body = {"days": 60, "stopOn": "subscription_expired"}
        done = (await world.post("/sandbox/clock/advance", body)).ok(200)
        assert (done["now"], done["stopped"]) == (THREE_DAYS_LATER, "stopOn")
        self.tells(done["events"], THREE_DAYS_LATER)
        assert {*TOLD}.isdisjoint(await advance(world, days=90))
        await self.has_happened_once(world, THREE_DAYS_LATER)

    async def test_settles_by_hand(self, world: World, holder: str) -> None:
        await world.settlement("manual")
        assert {*TOLD}.isdisjoint(await advance(world, to=THREE_DAYS_LATER))
        assert len((await world.settle())["settled"]) == 1
        assert {*TOLD}.isdisjoint(await advance(world, days=90))
        await self.has_happened_once(world, THREE_DAYS_LATER)

    async def has_happened_once(self, world: World, instant: str) -> None:
        assert await events(world, "subscription_expired") == [(instant, "1004")]
        assert await events(world, "level_changed") == [(START, "02"), (instant, "01")]

    def tells(self, found: list[dict[str, Any]], instant: str) -> None:
        told = [(one["kind"], one["at"]) for one in found if one["kind"] in TOLD]
        assert told == [(kind, instant) for kind in TOLD]


class TestAWindowThatClosesAsAnOrderSettles:
    """At that very instant, before it or after it: it is told once."""

    @pytest.fixture
    async def lapsed(self, world: World) -> tuple[str, str]:
        """A customer with an expired subscription, and when it can be renewed no more."""
        customer = await world.customer()
        await order(world, customer)
        (held,) = await world.seats(customer)
        path = f"/sandbox/customers/{customer}/subscriptions/{held['subscriptionId']}"
        (await world.post(f"{path}/expire", {})).ok(200)
        due = (await world.get("/sandbox/clock")).ok(200)["nextDue"]
        assert due["kind"] == WINDOW_CLOSED
        return customer, due["at"]

    async def test_once_it_has_closed(self, world: World, lapsed: tuple[str, str]) -> None:
        customer, instant = lapsed
        assert WINDOW_CLOSED in await advance(world, to=instant)
        await order(world, customer)
        edit = {"globalSalesEnabled": True}
        (await world.patch(f"/sandbox/customers/{customer}", edit)).ok(200)
        assert "1000" in [one["status"] for one in await world.seats(customer)]
        assert await advance(world, days=1) == []
        assert await events(world, WINDOW_CLOSED) == [(instant, "")]

    async def test_before_it_closes(self, world: World, lapsed: tuple[str, str]) -> None:
        customer, instant = lapsed
        day = int(instant[8:10])
        await advance(world, to=f"{instant[:8]}{day - 1:02}T00:00:00Z")
        await world.settlement("delay", delaySeconds=86_400)
        await order(world, customer)
        assert await advance(world, days=1) == [WINDOW_CLOSED, "settlement"]
        assert await advance(world, days=1) == []
        assert await events(world, WINDOW_CLOSED) == [(instant, "")]


class TestARunBesideAChangeOfMode:
    """Whichever is first, no renewal is held that nobody lets go."""

    async def renewals(self, world: World, customer: str) -> list[str]:
        path = f"/v3/customers/{customer}/orders"
        found = (await world.get(path, params={"order-type": "RENEWAL"})).ok(200)
        return [one["status"] for one in found["items"]]

    async def test_that_comes_first(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        customer = await world.customer()
        await order(world, customer)
        await world.settlement("manual")
        hold = agenda.hold_settlement
        changes = [world.settlement("immediate")]

        async def late(*arguments: Any) -> Any:
            while changes:
                await changes.pop()
            return await hold(*arguments)

        monkeypatch.setattr(agenda, "hold_settlement", late)
        await advance(world, to=ANNIVERSARY)
        assert await self.renewals(world, customer) == ["1000"]

    async def test_that_comes_in_its_midst(
        self, world: World, database: AnyConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The change waits for the run, and takes its order along."""
        customer = await world.customer()
        await order(world, customer)
        await world.settlement("manual")
        load = agenda.load_due
        changes: list[asyncio.Task[None]] = []

        async def meeting_it(*arguments: Any) -> Any:
            if not changes:
                changes.append(asyncio.create_task(world.settlement("immediate")))
                while not (changes[0].done() or await database.fetchval(SOMEBODY_WAITS)):
                    pass
            return await load(*arguments)

        monkeypatch.setattr(agenda, "load_due", meeting_it)
        await advance(world, to=ANNIVERSARY)
        await changes[0]
        assert await self.renewals(world, customer) == ["1000"]
