"""Faults of what settles later are spent by what is accepted, nothing else (sandbox.md 5.3)."""

import asyncio
from typing import Any

import pytest

from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

OFFER = "11073058CA01A12"
NO_OFFER = "99999999CA01A12"
FAULTS = "/sandbox/faults"


async def armed(world: World, effect: dict[str, Any], **more: Any) -> Reply:
    """A fault of the world."""
    return (await world.post(FAULTS, {"effect": effect, **more})).ok()


async def statuses(world: World, customer_id: str, count: int) -> list[str]:
    """What a customer's next good orders settle to."""
    placed = [(await world.order(customer_id, line(OFFER))).ok() for _ in range(count)]
    read = [await world.read_order(customer_id, one["orderId"]) for one in placed]
    return [str(one["status"]) for one in read]


@pytest.mark.parametrize("skip", [0, 1])
async def test_order_fails_waits_for_an_order_that_is_accepted(world: World, skip: int) -> None:
    customer_id = await world.customer()
    path = f"/v3/customers/{customer_id}/orders"
    body = {"orderType": "NEW", "currencyCode": "USD", "lineItems": [line(OFFER)]}
    (await world.post(path, body, correlation_id="before")).ok()
    fault = await armed(world, {"type": "order_fails", "status": "1022"}, skip=skip)
    (await world.order(customer_id, line(NO_OFFER))).refused(400, "2122", "Line Item: 1")
    (await world.preview(customer_id, line(OFFER))).ok()
    replayed = (await world.post(path, body, correlation_id="before")).ok()
    assert replayed.headers["Seatledger-Replayed"] == "true"
    assert (await world.get(FAULTS)).ok(200)["items"] == [fault.body]
    expected = ["1000"] * skip + ["1022"] + ["1000"] * (2 - skip)
    assert await statuses(world, customer_id, 3) == expected


async def test_order_fails_is_not_spent_by_an_order_another_fault_ends(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "order_fails", "status": "1022"}, skip=1)
    await armed(world, {"type": "http_error", "status": 201, "code": "x"})
    assert (await world.order(customer_id, line(OFFER))).body["code"] == "x"
    items = (await world.get(FAULTS)).ok(200)["items"]
    assert [(one["armed"], one["fired"]) for one in items] == [(True, 0), (False, 1)]
    assert await statuses(world, customer_id, 2) == ["1000", "1022"]


async def test_order_fails_is_not_spent_by_writes_that_roll_back(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "order_fails", "status": "1022"}, skip=1)
    await armed(world, {"type": "internal_error", "when": "after_write"})
    (await world.order(customer_id, line(OFFER))).refused(500, "1124")
    assert await statuses(world, customer_id, 2) == ["1000", "1022"]


async def test_orders_at_once_fail_as_often_as_asked(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "order_fails", "status": "1022"}, times=2)
    offers = [OFFER, NO_OFFER] * 4
    await asyncio.gather(*(world.order(customer_id, line(one)) for one in offers))
    await statuses(world, customer_id, 2)
    found = (await world.get(f"/v3/customers/{customer_id}/orders")).ok(200)["items"]
    assert sorted(one["status"] for one in found) == ["1000"] * 4 + ["1022"] * 2


async def test_account_fails_waits_for_an_account_that_is_accepted(world: World) -> None:
    reseller_id = await world.reseller()
    await armed(world, {"type": "account_fails", "status": "1014"}, match={"path": "*/customers"})
    (await world.post("/v3/customers", {"resellerId": reseller_id})).refused(
        400, "1122", "companyProfile"
    )
    made = await world.customer(reseller_id)
    assert (await world.read_customer(made))["status"] == "1014"
