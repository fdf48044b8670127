"""Snapshots: a world comes back as it was, with nothing of what came after (sandbox.md 5.4)."""

import asyncio
import random
from typing import Any

import pytest

from seatledger.store import placing
from seatledger.store.partners import TABLES_OF_A_WORLD
from seatledger.store.rows import AnyConnection
from seatledger.store.snapshots import MOST
from tests.conftest import MakeWorld
from tests.harness import Reply, World, line, order, profile, unique
from tests.sandbox.test_worlds import PATIENCE_SECONDS, ROUNDS, SEATS, Traffic, left_over

pytestmark = pytest.mark.anyio

# Versions go on, so that whoever is still deciding finds the world changed; clocks are set anew.
_UNSEEN = {"version", "clock_real"}
_NOWHERE = "/sandbox/snapshots/0123456789abcdef"


async def take(world: World, name: str = "before") -> str:
    """Take a snapshot; gives its id."""
    reply = (await world.post("/sandbox/snapshots", {"name": name})).ok()
    return str(reply["id"])


async def restore(world: World, snapshot_id: str) -> Reply:
    """Go back to a snapshot."""
    return await world.post(f"/sandbox/snapshots/{snapshot_id}/restore")


async def content(database: AnyConnection, world: World) -> dict[str, list[dict[str, Any]]]:
    """Every row of a world."""
    found = {}
    for table in (*TABLES_OF_A_WORLD, "partner"):
        records = await database.fetch(
            f"SELECT * FROM {table} WHERE partner_id = $1", world.distributor_id
        )
        rows = [{k: v for k, v in one.items() if k not in _UNSEEN} for one in records]
        found[table] = sorted(rows, key=repr)
    return found


async def do_something(world: World, customer: str, dice: random.Random) -> None:
    """One of the things that clients and testers do, refused or not."""
    match dice.randrange(9):
        case 0:
            await world.customer()
        case 1 | 2:
            await world.order(customer, line(SEATS, dice.randint(1, 9)))
        case 3:
            placed = await world.order(customer, line(SEATS))
            await world.give_back(customer, placed.body)
        case 4:
            await world.post("/sandbox/clock/advance", {"days": dice.randint(1, 90)})
        case 5:
            await world.settlement(dice.choice(["manual", "immediate"]))
        case 6:
            await world.post("/sandbox/faults", {"effect": {"type": "rate_limit"}, "skip": 99})
        case 7:
            await world.patch("/sandbox/partner", {"name": unique()})
        case 8:
            body = {"companyProfile": profile(companyName=unique())}
            await world.patch(f"/v3/customers/{customer}", body)


class TestARestoredWorld:
    @pytest.mark.proves("sandbox.md 15")
    @pytest.mark.usefixtures("idle_worker")  # see the limit told in docs/how-to/sandbox.md
    @pytest.mark.parametrize("seed", range(3))
    async def test_is_what_it_was(
        self, new_world: MakeWorld, database: AnyConnection, seed: int
    ) -> None:
        dice = random.Random(seed)
        world = await new_world(fixtures=["coterm-mid-year", "orders"])
        customer = await world.customer()
        for _ in range(10):
            await do_something(world, customer, dice)
        before = await content(database, world)
        snapshot = await take(world)
        for _ in range(2):
            for _ in range(30):
                await do_something(world, customer, dice)
            assert await content(database, world) != before
            (await restore(world, snapshot)).ok(200)
            assert await content(database, world) == before
        await world.settlement("immediate")
        await world.is_sound()

    async def test_reads_the_same_byte_for_byte(self, world: World) -> None:
        customer = await world.customer()
        await world.order(customer, line(SEATS, 3))
        paths = ("", "/orders", "/subscriptions")
        urls = [f"/v3/customers/{customer}{path}" for path in paths]
        snapshot = await take(world)
        reads = []
        for _ in range(2):
            (await world.order(customer, line(SEATS, 4))).ok()
            (await restore(world, snapshot)).ok(200)
            reads.append([(await world.get(url)).ok(200) for url in urls])
        assert [one.content for one in reads[0]] == [one.content for one in reads[1]]
        assert reads[0][1]["totalCount"] == 1

    @pytest.mark.proves("sandbox.md 11")
    async def test_has_its_clock_back(self, world: World) -> None:
        then = (await world.get("/sandbox/clock")).ok(200)["now"]
        snapshot = await take(world)
        (await world.post("/sandbox/clock/advance", {"days": 400})).ok(200)
        refused = await world.put("/sandbox/clock", {"now": then})
        refused.refused(409, "409")
        (await restore(world, snapshot)).ok(200)
        assert (await world.get("/sandbox/clock")).ok(200)["now"] == then

    async def test_has_a_running_clock_go_on_from_there(self, world: World) -> None:
        (await world.put("/sandbox/clock", {"mode": "running", "rate": 3600})).ok(200)
        shown = (await world.post("/sandbox/snapshots", {"name": "running"})).ok()
        (await world.post("/sandbox/clock/advance", {"days": 3})).ok(200)
        (await restore(world, shown["id"])).ok(200)
        clock = (await world.get("/sandbox/clock")).ok(200)
        assert (clock["mode"], clock["rate"]) == ("running", 3600)
        assert clock["now"] == shown["clock"]

    async def test_answers_repeats_as_it_did(self, world: World) -> None:
        customer = await world.customer()
        known = {"X-Correlation-Id": unique("known")}
        later = {"X-Correlation-Id": unique("later")}
        first = (await world.order(customer, line(SEATS), headers=known)).ok()
        snapshot = await take(world)
        forgotten = (await world.order(customer, line(SEATS), headers=later)).ok()
        (await restore(world, snapshot)).ok(200)
        assert (await world.order(customer, line(SEATS), headers=known)).body == first.body
        anew = (await world.order(customer, line(SEATS), headers=later)).ok()
        assert anew["orderId"] != forgotten["orderId"]

    async def test_keeps_tokens_and_snapshots(self, world: World) -> None:
        first = await take(world, "first")
        second = await take(world, "second")
        (await restore(world, first)).ok(200)
        items = (await world.get("/sandbox/snapshots")).ok(200)["items"]
        assert [one["id"] for one in items] == [first, second]
        (await restore(world, second)).ok(200)

    async def test_survives_a_reset(self, world: World) -> None:
        customer = await world.customer()
        snapshot = await take(world)
        (await world.post("/sandbox/reset", {})).ok(200)
        (await world.get(f"/v3/customers/{customer}")).refused(404, "1116")
        (await restore(world, snapshot)).ok(200)
        await world.read_customer(customer)


class TestARestore:
    async def test_under_traffic_leaves_nothing_that_belongs_to_nothing(
        self, new_world: MakeWorld, database: AnyConnection
    ) -> None:
        world = await new_world()
        traffic = Traffic(world)
        async with asyncio.timeout(PATIENCE_SECONDS), traffic.flowing():
            for _ in range(ROUNDS):
                await traffic.until(12)
                body = {"name": "in between"}
                while (taken := await world.post("/sandbox/snapshots", body)).status == 409:
                    pass  # the clock is being moved
                await traffic.until(12)
                while (reply := await restore(world, taken["id"])).status == 409:
                    pass
                reply.ok(200)
                assert await left_over(database, world) == []
        assert traffic.failed == []
        await world.settlement("immediate")
        await world.is_sound()

    async def test_in_the_middle_of_an_order_has_it_judged_anew(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        customer = await world.customer()
        snapshot = await take(world)
        (await world.order(customer, line(SEATS, 5))).ok()
        write = placing.write
        endings = [restore(world, snapshot)]

        async def late(*arguments: Any) -> set[int]:
            while endings:
                (await endings.pop()).ok(200)
            return await write(*arguments)

        monkeypatch.setattr(placing, "write", late)
        path = f"/v3/customers/{customer}/orders"
        (await world.post(path, order(line(SEATS, 2)))).ok()
        await world.is_sound()
        assert [one["currentQuantity"] for one in await world.seats(customer)] == [2]

    async def test_wants_rows_that_fit_the_schema(
        self, world: World, database: AnyConnection
    ) -> None:
        snapshot = await take(world)
        await database.execute(
            "UPDATE snapshot SET revision = '0000' WHERE snapshot_id = $1", snapshot
        )
        reply = await restore(world, snapshot)
        reply.refused(409, "409")
        assert "schema" in reply["message"]


class TestTheList:
    async def test_tells_what_each_is(self, world: World) -> None:
        assert (await world.get("/sandbox/snapshots")).ok(200).body == {
            "totalCount": 0,
            "items": [],
        }
        clock = (await world.get("/sandbox/clock")).ok(200)["now"]
        taken = (await world.post("/sandbox/snapshots", {"name": "before-renewal"})).ok()
        assert taken["name"] == "before-renewal"
        assert taken["clock"] == clock
        assert taken["size"] > 0
        shown = (await world.get("/sandbox/snapshots")).ok(200)
        assert shown.body == {"totalCount": 1, "items": [taken.body]}
        assert (await world.get(f"/sandbox/snapshots/{taken['id']}")).ok(200).body == taken.body

    async def test_is_of_one_world(self, world: World, new_world: MakeWorld) -> None:
        snapshot = await take(world)
        other = await new_world()
        path = f"/sandbox/snapshots/{snapshot}"
        (await other.get(path)).refused(404, "404")
        (await restore(other, snapshot)).refused(404, "404")
        (await other.call("DELETE", path)).refused(404, "404")
        (await other.call("DELETE", "/sandbox/snapshots")).ok(204)
        (await world.get(path)).ok(200)

    async def test_has_an_end(self, world: World) -> None:
        for number in range(MOST):
            await take(world, str(number))
        (await world.post("/sandbox/snapshots", {"name": "more"})).refused(409, "409")
        (await world.call("DELETE", "/sandbox/snapshots")).ok(204)
        await take(world)

    async def test_loses_one(self, world: World) -> None:
        gone, kept = await take(world), await take(world)
        (await world.call("DELETE", f"/sandbox/snapshots/{gone}")).ok(204)
        (await world.call("DELETE", f"/sandbox/snapshots/{gone}")).refused(404, "404")
        items = (await world.get("/sandbox/snapshots")).ok(200)["items"]
        assert [one["id"] for one in items] == [kept]

    @pytest.mark.parametrize("name", [None, "", "x" * 101, 5, "\0"])
    async def test_wants_names(self, world: World, name: Any) -> None:
        reply = await world.post("/sandbox/snapshots", {"name": name})
        assert reply.status == 400
        assert [one.split(" ")[0] for one in reply.details] == ["name"]

    async def test_knows_no_other(self, world: World) -> None:
        (await world.get(_NOWHERE)).refused(404, "404")
        (await world.post(f"{_NOWHERE}/restore")).refused(404, "404")
