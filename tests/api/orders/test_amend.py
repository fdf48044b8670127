"""PATCH of an order: its external reference, and nothing else (orders.md 7.3)."""

from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A = "11073058CA01A12"


async def placed_order(world: World, **more: Any) -> tuple[str, Reply]:
    """A customer and an order of it with a reference."""
    customer = await world.customer()
    more.setdefault("externalReferenceId", "first")
    return customer, (await world.order(customer, line(A), **more)).ok()


async def amend(world: World, customer: str, order_id: str, body: Any) -> Reply:
    """PATCH; not asserted."""
    return await world.patch(f"/v3/customers/{customer}/orders/{order_id}", body)


@pytest.mark.proves("orders.md 77", "S-181", "S-184", "S-185", "S-186", "S-187", "S-188", "S-189")
async def test_a_new_reference(world: World) -> None:
    customer, placed = await placed_order(world)
    before = await world.read_order(customer, placed["orderId"])
    answer = (await amend(world, customer, placed["orderId"], {"externalReferenceId": "34567"})).ok(
        200
    )
    expected = {**before.body, "externalReferenceId": "34567"}
    after = await world.read_order(customer, placed["orderId"])
    assert after.body == expected
    del expected["links"]
    assert answer.body == expected
    assert (answer["referenceOrderId"], answer["referencedOrderId"]) == ("", "")
    assert (answer["status"], answer["source"]) == ("1000", "API")
    (shown,) = answer["lineItems"]
    assert (shown["status"], len(shown["subscriptionId"])) == ("1000", 32)
    history = (await world.get(f"/v3/customers/{customer}/orders")).ok(200)
    assert history["items"][0]["externalReferenceId"] == "34567"


async def test_null_is_not_a_changed_value(world: World) -> None:
    customer, placed = await placed_order(world)
    unset = {"status": None, "lineItems": None, "referenceOrderId": None, "links": None}
    (await amend(world, customer, placed["orderId"], {"externalReferenceId": "n", **unset})).ok(200)


@pytest.mark.proves("orders.md 77", "1122", "1117", "1119", "1121", "2126", "S-179", "S-182")
async def test_what_a_patch_refuses(world: World) -> None:
    customer, placed = await placed_order(world)
    reference = {"externalReferenceId": "new"}
    for body, code, details in (
        ({}, "1122", ["externalReferenceId"]),
        ({"externalReferenceId": None}, "1122", ["externalReferenceId"]),
        ({"status": "1008"}, "1122", ["externalReferenceId"]),
        ({"externalReferenceId": "x" * 36}, "2126", []),
        ({"externalReferenceId": 34567}, "1117", ["externalReferenceId"]),
        ({"externalReferenceId": ["a"]}, "1117", ["externalReferenceId"]),
        ({"externalReferenceId": "a\nb"}, "1117", ["externalReferenceId"]),
        ({**reference, "status": "1008"}, "1119", ["status"]),
        ({**reference, "orderType": "RETURN", "lineItems": []}, "1119", ["orderType", "lineItems"]),
        ({**reference, "colour": "red"}, "1121", ["colour"]),
        ({"colour": "red", "status": "1008"}, "1121", ["colour"]),
        ({"externalReferenceId": "x" * 36, "status": "1008"}, "2126", []),
    ):
        answer = await amend(world, customer, placed["orderId"], body)
        answer.refused(400, code, *details)
    after = await world.read_order(customer, placed["orderId"])
    assert (after["externalReferenceId"], after["status"]) == ("first", "1000")


@pytest.mark.proves("orders.md 77", "S-184", "S-174", "S-175", "S-179")
@pytest.mark.parametrize("reference", ["", "x" * 35, "é" * 35, "first", " a b "])
async def test_what_a_reference_may_be(world: World, reference: str) -> None:
    customer, placed = await placed_order(world)
    body = {"externalReferenceId": reference}
    answer = (await amend(world, customer, placed["orderId"], body)).ok(200)
    assert answer["externalReferenceId"] == reference
    after = await world.read_order(customer, placed["orderId"])
    assert after["externalReferenceId"] == reference


@pytest.mark.proves("S-182")
@pytest.mark.parametrize("params", [{}, {"fetch-price": "true"}])
async def test_a_client_may_patch_back_what_it_read(world: World, params: dict[str, str]) -> None:
    customer, placed = await placed_order(world)
    read = await world.read_order(customer, placed["orderId"], **params)
    sent = {**read.body, "externalReferenceId": "second"}
    answer = (await amend(world, customer, placed["orderId"], sent)).ok(200)
    assert answer["externalReferenceId"] == "second"
    sent["lineItems"] = [{**read["lineItems"][0], "quantity": 2}]
    refused = await amend(world, customer, placed["orderId"], sent)
    refused.refused(400, "1119", "lineItems")


@pytest.mark.proves("orders.md 77", "2115", "S-061")
async def test_an_unknown_order_comes_before_its_body(world: World, new_world: MakeWorld) -> None:
    customer, placed = await placed_order(world)
    other = await world.customer()
    stranger = await new_world()
    for seller, holder, order_id in (
        (world, customer, "9299999999"),
        (world, other, placed["orderId"]),
        (world, "1005999999", placed["orderId"]),
        (stranger, customer, placed["orderId"]),
    ):
        for body in ({"externalReferenceId": "x"}, {"colour": "red"}, {}):
            (await amend(seller, holder, order_id, body)).refused(404, "2115")
        path = f"/v3/customers/{holder}/orders/{order_id}"
        (await seller.get(path, params={"fetch-price": "yes"})).refused(404, "2115")


async def test_orders_of_every_type_and_status_can_be_amended(world: World) -> None:
    customer, placed = await placed_order(world)
    credit = (await world.give_back(customer, placed)).ok()
    fault = {"X-Sandbox-Fault": "order_fails;status=1004"}
    failed = (await world.order(customer, line(A), headers=fault)).ok()
    await world.settlement("manual")
    waiting = (await world.order(customer, line(A))).ok()
    await world.at("2025-12-01T00:00:00Z")
    for one, status in (
        (placed, "1008"),
        (credit, "1000"),
        (failed, "1004"),
        (waiting, "1002"),
    ):
        body = {"externalReferenceId": f"now {status}"}
        answer = (await amend(world, customer, one["orderId"], body)).ok(200)
        assert (answer["status"], answer["externalReferenceId"]) == (status, f"now {status}")
    assert (await amend(world, customer, credit["orderId"], {"externalReferenceId": ""})).ok(200)[
        "referencedOrderId"
    ] == placed["orderId"]
    await world.settle()
    done = await world.read_order(customer, waiting["orderId"])
    assert (done["status"], done["externalReferenceId"]) == ("1000", "now 1002")
