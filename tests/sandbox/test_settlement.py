"""How a world settles: changes of mode, what a settle call takes, and what it leaves held."""

import asyncio
from typing import Any

import pytest

from seatledger.engine.writes import Writes
from seatledger.store import partners, placing
from tests.conftest import MakeWorld
from tests.harness import World, line, profile, unique

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("idle_worker")]

SEATS = "80004567EA01A12"


async def order(world: World, customer: str) -> str:
    return str((await world.order(customer, line(SEATS))).ok()["orderId"])


async def statuses(world: World, customer: str) -> list[str]:
    """Of a customer's orders, the oldest first."""
    found = (await world.get(f"/v3/customers/{customer}/orders")).ok(200)
    return [one["status"] for one in reversed(found["items"])]


async def settled(world: World, **more: Any) -> list[tuple[str, str]]:
    """Kind and id of what a settle call settles."""
    return [(one["kind"], one["id"]) for one in (await world.settle(**more))["settled"]]


async def nothing_is_due(world: World) -> bool:
    return "nextDue" not in (await world.get("/sandbox/clock")).ok(200).body


async def advance(world: World, **step: Any) -> list[str]:
    """Let the clock move; gives what kinds of things happened."""
    return sorted((await world.post("/sandbox/clock/advance", step)).ok(200)["counts"])


class TestAChangeOfMode:
    async def test_to_manual_holds_what_waits_for_its_delay(self, world: World) -> None:
        customer = await world.customer()
        await world.settlement("delay", delaySeconds=60)
        reseller = await world.reseller()
        new = await world.customer(reseller)
        placed = await order(world, customer)
        await world.settlement("manual")
        assert await nothing_is_due(world)
        assert await advance(world, days=1) == []
        assert await statuses(world, customer) == ["1002"]
        assert await settled(world) == [
            ("reseller", reseller),
            ("customer", new),
            ("order", placed),
        ]

    @pytest.mark.parametrize("mode", ["immediate", "delay"])
    async def test_from_manual_settles_what_it_held(self, world: World, mode: str) -> None:
        customer = await world.customer()
        await world.settlement("manual")
        new = await world.customer()
        await order(world, customer)
        await order(world, new)
        delay = {"delaySeconds": 60} if mode == "delay" else {}
        await world.settlement(mode, **delay)
        assert (await world.read_customer(new))["status"] == "1000"
        assert await statuses(world, customer) == await statuses(world, new) == ["1000"]
        assert await nothing_is_due(world) is False  # the anniversaries alone
        assert await settled(world) == []

    @pytest.mark.parametrize("change", [("immediate", {}), ("delay", {"delaySeconds": 60})])
    async def test_to_a_shorter_delay_takes_waiting_orders_along(
        self, world: World, change: tuple[str, dict[str, Any]]
    ) -> None:
        customer = await world.customer()
        await world.settlement("delay", delaySeconds=3600)
        await order(world, customer)
        mode, more = change
        await world.settlement(mode, **more)
        if more:
            assert await statuses(world, customer) == ["1002"]
            assert await advance(world, seconds=more["delaySeconds"]) == ["settlement"]
        assert await statuses(world, customer) == ["1000"]

    async def test_to_a_longer_delay_leaves_what_waits(self, world: World) -> None:
        customer = await world.customer()
        await world.settlement("delay", delaySeconds=60)
        await order(world, customer)
        await world.settlement("delay", delaySeconds=3600)
        assert await advance(world, seconds=60) == ["settlement"]
        assert await statuses(world, customer) == ["1000"]

    async def test_beside_another_change_holds_nothing_for_ever(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The one that leaves manual began before the one that enters it."""
        customer = await world.customer()
        await world.settlement("delay", delaySeconds=60)
        await order(world, customer)
        set_settlement = partners.set_settlement
        before = [world.settlement("manual")]

        async def late(*arguments: Any) -> Any:
            while before:
                await before.pop()
            return await set_settlement(*arguments)

        monkeypatch.setattr(partners, "set_settlement", late)
        await world.settlement("immediate")
        assert await statuses(world, customer) == ["1000"]

    @pytest.mark.parametrize("mode", ["immediate", "delay", "manual"])
    async def test_beside_an_account_being_made(
        self, world: World, monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        """An account that was judged on the old mode takes effect on the new one."""
        write = Writes._write
        reseller = await world.reseller()
        await world.settlement("delay" if mode == "manual" else "manual", delaySeconds=60)
        changes = [world.settlement(mode, **({"delaySeconds": 60} if mode == "delay" else {}))]

        async def late(writes: Writes, *arguments: Any) -> None:
            while changes:
                await changes.pop()
            await write(writes, *arguments)

        monkeypatch.setattr(Writes, "_write", late)
        body = {"resellerId": reseller, "companyProfile": profile()}
        customer = (await world.post("/v3/customers", body)).ok()["customerId"]
        await advance(world, seconds=60)
        expected = "1002" if mode == "manual" else "1000"
        assert (await world.read_customer(customer))["status"] == expected

    async def test_beside_an_order_to_manual_leaves_no_time_it_is_due(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = placing.write
        customer = await world.customer()
        await world.settlement("delay", delaySeconds=60)
        changes = [world.settlement("manual")]

        async def late(*arguments: Any) -> set[int]:
            while changes:
                await changes.pop()
            return await write(*arguments)

        monkeypatch.setattr(placing, "write", late)
        await order(world, customer)
        await advance(world, seconds=60)
        assert await statuses(world, customer) == ["1002"]

    async def test_again_and_again_beside_orders_holds_none_for_ever(self, world: World) -> None:
        reseller = await world.reseller()
        customers = [await world.customer(reseller) for _ in range(4)]

        async def buy(customer: str) -> None:
            for _ in range(6):
                same = {"X-Correlation-Id": unique("order")}
                while (
                    reply := await world.order(customer, line(SEATS), headers=same)
                ).status == 503:
                    pass  # the world changed again and again while it was judged
                reply.ok()

        async def change() -> None:
            for mode in ("manual", "delay", "manual", "immediate") * 3:
                await world.settlement(mode, **({"delaySeconds": 60} if mode == "delay" else {}))

        await asyncio.gather(change(), *(buy(one) for one in customers))
        await world.settlement("immediate")
        for customer in customers:
            assert await statuses(world, customer) == ["1000"] * 6


class TestASettleCall:
    @pytest.mark.proves("sandbox.md 4")
    async def test_takes_the_oldest_first_and_leaves_the_rest_held(self, world: World) -> None:
        one, other = await world.customer(), await world.customer()
        await world.settlement("manual")
        orders = []
        for customer in (one, other, one):
            orders.append(("order", await order(world, customer)))
            await advance(world, seconds=1)
        reseller = await world.reseller()
        assert await settled(world, max=2) == orders[:2]
        assert await statuses(world, one) == ["1000", "1002"]
        await advance(world, days=1)
        assert await statuses(world, one) == ["1000", "1002"]
        assert (await world.get(f"/v3/resellers/{reseller}")).ok(200)["status"] == "1002"
        assert await settled(world, max=1) == orders[2:]
        assert await settled(world, max=5) == [("reseller", reseller)]

    async def test_counts_accounts_as_well(self, world: World) -> None:
        await world.settlement("manual")
        reseller = await world.reseller()
        customer = await world.customer(reseller)
        placed = await order(world, customer)
        await advance(world, seconds=1)
        told = [await settled(world, max=1) for _ in range(3)]
        assert sorted(told[0] + told[1]) == [("customer", customer), ("reseller", reseller)]
        assert told[2] == [("order", placed)]

    @pytest.mark.parametrize(
        ("kinds", "expected"),
        [
            (["order"], []),
            (["customer"], ["new"]),
            (["reseller"], ["reseller"]),
            (["customer", "order"], ["new", "order"]),
        ],
    )
    async def test_takes_the_kinds_it_names(
        self, world: World, kinds: list[str], expected: list[str]
    ) -> None:
        """An order waits for its customer."""
        await world.settlement("manual")
        reseller = await world.reseller()
        new = await world.customer(reseller)
        ids = {"reseller": reseller, "new": new, "order": await order(world, new)}
        assert [one for _, one in await settled(world, kinds=kinds)] == [
            ids[one] for one in expected
        ]

    async def test_tells_the_orders_that_fail_with_their_customer(self, world: World) -> None:
        twins = profile()
        for mode in ("immediate", "manual"):
            reseller = await world.reseller()
            await world.settlement(mode)
            twin = await world.customer(reseller, **twins)
        placed = await order(world, twin)
        done = (await world.settle())["settled"]
        assert (done[-1]["kind"], done[-1]["id"], done[-1]["to"]) == ("order", placed, "1024")

    async def test_of_orders_leaves_a_held_customer_and_its_order_to_the_next_call(
        self, world: World
    ) -> None:
        await world.settlement("manual")
        new = await world.customer()
        placed = await order(world, new)
        assert await settled(world, kinds=["order"]) == []
        assert await advance(world, days=1) == []
        assert (await world.read_customer(new))["status"] == "1002"
        assert await statuses(world, new) == ["1002"]
        done = await settled(world, kinds=["customer", "order"])
        assert done == [("customer", new), ("order", placed)]

    @pytest.mark.parametrize(
        ("kinds", "expected"),
        [
            (None, ["new", "order"]),
            (["order"], []),
            (["customer"], ["new"]),
            (["reseller"], []),
            (["reseller", "customer", "order"], ["new", "order"]),
        ],
    )
    async def test_takes_the_kinds_it_names_of_one_customer(
        self, world: World, kinds: list[str] | None, expected: list[str]
    ) -> None:
        other = await world.customer()
        await world.settlement("manual")
        new = await world.customer()
        ids = {"new": new, "order": await order(world, new)}
        await order(world, other)
        more = {"kinds": kinds} if kinds else {}
        done = await settled(world, customerId=new, **more)
        assert [one for _, one in done] == [ids[one] for one in expected]
        assert await statuses(world, other) == ["1002"]

    @pytest.mark.parametrize("kinds", [["customer"], ["reseller"], ["customer", "reseller"]])
    async def test_takes_no_order_it_names_when_the_kinds_do_not(
        self, world: World, kinds: list[str]
    ) -> None:
        customer = await world.customer()
        await world.settlement("manual")
        placed = await order(world, customer)
        assert await settled(world, orderId=placed, kinds=kinds) == []
        assert await settled(world, orderId=placed, kinds=["order"]) == [("order", placed)]

    async def test_takes_an_orders_elders_along(self, world: World) -> None:
        customer = await world.customer()
        await world.settlement("manual")
        orders = []
        for _ in range(3):
            orders.append(("order", await order(world, customer)))
            await advance(world, seconds=1)
        assert await settled(world, orderId=orders[1][1]) == orders[:2]
        assert await statuses(world, customer) == ["1000", "1000", "1002"]

    @pytest.mark.proves("1116", "2115")
    async def test_of_something_unknown_is_refused(self, new_world: MakeWorld) -> None:
        world, stranger = await new_world(), await new_world()
        customer, theirs = await world.customer(), await stranger.customer()
        await world.settlement("manual")
        placed, foreign = await order(world, customer), await order(stranger, theirs)
        for body, code in (
            ({"customerId": "1009999999"}, "1116"),
            ({"customerId": theirs}, "1116"),
            ({"orderId": "9209999999"}, "2115"),
            ({"orderId": foreign}, "2115"),
            ({"customerId": "1009999999", "orderId": placed}, "1116"),
            ({"customerId": customer, "orderId": foreign}, "2115"),
        ):
            (await world.post("/sandbox/settle", body)).refused(404, code)
        assert await statuses(world, customer) == ["1002"]

    @pytest.mark.proves("2115")
    async def test_of_another_customers_order_is_refused(self, world: World) -> None:
        customer, other = await world.customer(), await world.customer()
        await world.settlement("manual")
        placed = await order(world, customer)
        body = {"customerId": other, "orderId": placed}
        (await world.post("/sandbox/settle", body)).refused(404, "2115")
        assert await statuses(world, customer) == ["1002"]
