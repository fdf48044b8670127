"""One customer through every room of the house."""

import pytest

from tests.harness import World, line

pytestmark = pytest.mark.anyio


@pytest.mark.proves("orders.md 2", "S-063", "S-064")
async def test_first_order_sets_the_anniversary(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, line("80004567EA01A12"))).ok()
    assert placed["status"] == "1002"
    done = await world.read_order(customer, placed["orderId"])
    assert done["status"] == "1000"
    shown = await world.read_customer(customer)
    assert shown["cotermDate"] == "2026-07-07"
    (seats,) = await world.seats(customer)
    assert seats["currentQuantity"] == 1
    assert done["lineItems"][0]["subscriptionId"] == seats["subscriptionId"]
