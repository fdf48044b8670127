"""Orders of a customer settle in the order they were placed (orders.md 1.6)."""

import pytest

from tests.harness import World, line

pytestmark = pytest.mark.anyio

A = "11073058CA01A12"
STARTER = "65322450CAT1A12"


async def test_a_later_order_never_overtakes_a_delayed_one(world: World) -> None:
    customer = await world.customer()
    await world.settlement("delay", delaySeconds=3600)
    first = (await world.order(customer, line(A, 2))).ok()
    await world.settlement("delay", delaySeconds=60)
    second = (await world.order(customer, line(A, 3))).ok()
    await world.settlement("immediate")
    third = (await world.order(customer, line(A, 4))).ok()
    for placed in (first, second, third):
        assert (await world.read_order(customer, placed["orderId"]))["status"] == "1000"
    told = (await world.get("/sandbox/events", params={"kind": "order_completed"})).ok(200)
    settled = [one["orderId"] for one in told["items"]]
    assert settled == [first["orderId"], second["orderId"], third["orderId"]]


async def test_settling_a_later_order_takes_the_earlier_ones_along(world: World) -> None:
    customer = await world.customer()
    await world.settlement("manual")
    orders = [(await world.order(customer, line(A, 1)))["orderId"] for _ in range(3)]
    done = await world.settle(orderId=orders[1])
    assert [one["id"] for one in done["settled"]] == orders[:2]
    assert (await world.read_order(customer, orders[2]))["status"] == "1002"


async def test_settle_by_kind(world: World) -> None:
    await world.settlement("manual")
    reseller = await world.reseller()
    customer = await world.customer(reseller)
    done = await world.settle(kinds=["order"])
    assert done["settled"] == []
    done = await world.settle(kinds=["reseller", "customer"])
    assert {one["id"] for one in done["settled"]} == {reseller, customer}


@pytest.mark.proves("orders.md 5")
async def test_a_pending_customers_order_fails_with_its_reseller(world: World) -> None:
    reseller = await world.reseller()
    await world.settlement("manual")
    customer = await world.customer(reseller)
    placed = (await world.order(customer, line(A, 1))).ok()
    (await world.patch(f"/sandbox/resellers/{reseller}", {"status": "1004"})).ok(200)
    await world.settle(kinds=["order"])
    assert (await world.read_order(customer, placed["orderId"]))["status"] == "1022"


async def test_a_lapsed_term_leaves_neither_level_nor_purchases(world: World) -> None:
    customer = await world.customer()
    big = (await world.order(customer, line(A, 60), line(STARTER, 1, 2))).ok()
    assert (await world.read_customer(customer))["discounts"][0]["level"] == "03"
    (await world.give_back(customer, big, 1)).ok()
    (starter,) = [s for s in await world.seats(customer) if s["status"] == "1000"]
    path = f"/sandbox/customers/{customer}/subscriptions/{starter['subscriptionId']}"
    (await world.patch(path, {"status": "1004"})).ok(200)
    await world.at("2026-07-08T00:00:00Z")
    quote = (await world.preview(customer, line(A, 1), line(STARTER, 1, 2))).ok()
    assert quote["lineItems"][0]["offerId"] == A
    too_good = await world.order(customer, line("11073058CA03A12", 1))
    too_good.refused(400, "2129", "Line Item: 1, Reason: INELIGIBLE_DISCOUNT_LEVEL")
    (await world.order(customer, line(A, 1), line(STARTER, 1, 2))).ok()
    shown = await world.read_customer(customer)
    assert (shown["cotermDate"], shown["discounts"][0]["level"]) == ("2027-07-08", "01")
