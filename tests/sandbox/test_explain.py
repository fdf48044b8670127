"""Why a basket would cost what it does, or be refused (sandbox.md 5.5)."""

from typing import Any

import pytest

from tests.harness import World, line, order

pytestmark = pytest.mark.anyio

PREVIEW = "/sandbox/explain/preview"
PLAIN, BETTER = "11073058CA01A12", "11073058CA03A12"


async def test_an_order_too_good_is_refused_as_the_order_itself(world: World) -> None:
    customer = await world.customer()
    refused = await world.order(customer, line(BETTER))
    assert refused.code == "2129"
    told = await world.post(PREVIEW, order(line(BETTER), customerId=customer))
    told.refused(refused.status, refused.code, *refused.details)


async def test_a_preview_of_it_is_corrected(world: World) -> None:
    customer = await world.customer()
    body = order(line(BETTER), customerId=customer, orderType="PREVIEW")
    untyped = {name: value for name, value in body.items() if name != "orderType"}
    for asked in (body, untyped):
        told = (await world.post(PREVIEW, asked)).ok(200)
        assert told["preview"]["orderType"] == "PREVIEW"
        assert told["lines"][0]["steps"][0]["offerId"] == PLAIN


async def test_why_an_order_is_sold_below_the_level_it_earns(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, line(PLAIN, 10))).ok()
    told = (await world.get(f"/sandbox/explain/orders/{placed['orderId']}")).ok(200)
    assert told["levels"][0]["earnedRank"] == 2
    offer = told["lines"][0]["steps"][0]
    assert (offer["level"], offer["rule"][:14]) == ("01", "orders.md 3.3:")
    assert "a PREVIEW shows the best one" in offer["rule"]


@pytest.mark.parametrize("order_type", ["FOO", "RETURN", "SWITCH", 5, None, ["NEW"]])
async def test_only_what_is_priced_is_explained(world: World, order_type: Any) -> None:
    customer = await world.customer()
    body = order(line(PLAIN), customerId=customer, orderType=order_type)
    (await world.post(PREVIEW, body)).refused(400, "1117", "orderType")
