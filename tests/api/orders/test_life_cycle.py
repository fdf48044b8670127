"""NEW from its acceptance to its last status: answers, waiting, failing, effects."""

import asyncio
import re
from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A = "11073058CA01A12"
B = "69804578CA01A12"
E = "80004567EA01A12"


@pytest.mark.proves(
    "orders.md 1", "S-001", "S-025", "S-026", "S-027", "S-028", "S-029", "S-030", "S-031",
    "S-032", "S-033", "S-037", "S-038", "S-039", "S-040", "S-041", "S-042", "S-043", "S-044",
    "S-045", "S-046", "S-047", "S-048", "S-049", "S-050", "S-051", "S-053", "S-057", "S-063",
    "S-064", "S-067", "S-166",
)  # fmt: skip
async def test_answer_of_new_and_of_the_completed_order(world: World) -> None:
    customer = await world.customer()
    sent = line(E, number=4, currencyCode="USD")
    placed = await world.order(customer, sent, externalReferenceId="759", referenceOrderId="")
    order_id = placed.ok()["orderId"]
    assert re.fullmatch(r"9200\d{6}", order_id)
    uri = f"/v3/customers/{customer}/orders/{order_id}"
    accepted = {
        "referenceOrderId": "",
        "orderType": "NEW",
        "externalReferenceId": "759",
        "customerId": customer,
        "orderId": order_id,
        "currencyCode": "USD",
        "creationDate": "2025-07-07T18:00:00Z",
        "status": "1002",
        "source": "API",
        "lineItems": [{**sent, "status": "1002", "subscriptionId": ""}],
        "links": {"self": {"uri": uri, "method": "GET", "headers": []}},
    }
    assert placed.body == accepted
    done = await world.read_order(customer, order_id)
    subscription_id = done["lineItems"][0]["subscriptionId"]
    assert re.fullmatch(r"[0-9A-Za-z]{32}", subscription_id)
    filled = {**sent, "status": "1000", "subscriptionId": subscription_id}
    by_id = {**accepted, "status": "1000", "referencedOrderId": "", "lineItems": [filled]}
    assert done.body == by_id


@pytest.mark.proves("orders.md 3", "S-037", "S-175")
async def test_every_answer_carries_the_external_reference(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, line(A))).ok()
    path = f"/v3/customers/{customer}/orders"
    history = (await world.get(path)).ok(200)
    answers: list[Any] = [
        await world.preview(customer, line(A)),
        placed,
        await world.read_order(customer, placed["orderId"]),
        *history["items"],
        await world.patch(f"{path}/{placed['orderId']}", {"externalReferenceId": ""}),
        (await world.give_back(customer, placed)).ok(),
    ]
    assert [answer["externalReferenceId"] for answer in answers] == [""] * 6


async def test_answers_of_orders_never_hold_null(world: World) -> None:
    """client_facts.md C8: typed clients break on null; numbers and links have their types."""
    customer = await world.customer()
    fields = {"externalReferenceId": None, "referenceOrderId": None}
    sent = line(A, deploymentId=None, discountCode=None, currencyCode=None, flexDiscountCodes=None)
    placed = (await world.order(customer, sent, **fields)).ok()
    path = f"/v3/customers/{customer}/orders"
    answers: list[Reply] = [
        placed,
        (await world.preview(customer, sent, **fields)).ok(),
        await world.read_order(customer, placed["orderId"], **{"fetch-price": "true"}),
        (await world.get(path, params={"fetch-price": "true"})).ok(200),
        await world.order(customer, line("unknown")),
    ]
    for answer in answers:
        assert b"null" not in answer.content
    for answer in answers[:3]:
        assert all(type(one["extLineItemNumber"]) is int for one in answer["lineItems"])
    links = [placed["links"], answers[2]["links"], answers[3]["links"]]
    assert [set(one["self"]) for one in links] == [{"uri", "method", "headers"}] * 3


@pytest.mark.proves("orders.md 4")
async def test_orders_wait_for_a_pending_customer_and_settle_in_turn(world: World) -> None:
    reseller = await world.reseller()
    await world.settlement("manual")
    customer = await world.customer(reseller)
    first = (await world.order(customer, line(A, 2))).ok()
    second = (await world.order(customer, line(A, 3))).ok()
    await world.settle(orderId=first["orderId"])
    assert (await world.read_customer(customer))["status"] == "1002"
    assert (await world.read_order(customer, first["orderId"]))["status"] == "1002"
    settled = (await world.settle())["settled"]
    orders = [one["id"] for one in settled if one["kind"] == "order"]
    assert orders == [first["orderId"], second["orderId"]]
    assert (await world.read_order(customer, second["orderId"]))["status"] == "1000"
    (seats,) = await world.seats(customer)
    assert seats["currentQuantity"] == 5


async def _inactive_partner(world: World, reseller: str, customer: str) -> None:
    await world.set(status="1004")


async def _inactive_reseller(world: World, reseller: str, customer: str) -> None:
    (await world.patch(f"/sandbox/resellers/{reseller}", {"status": "1004"})).ok(200)


async def _blocked_customer(world: World, reseller: str, customer: str) -> None:
    (await world.patch(f"/sandbox/customers/{customer}", {"status": "1012"})).ok(200)


FAILURES = [
    pytest.param("1020", [_inactive_partner], id="partner"),
    pytest.param("1022", [_inactive_reseller], id="reseller"),
    pytest.param("1024", [_blocked_customer], id="customer"),
    pytest.param(
        "1020",
        [_inactive_partner, _inactive_reseller, _blocked_customer],
        id="partner-first",
        marks=pytest.mark.proves("orders.md 6"),
    ),
]


@pytest.mark.parametrize(("status", "happen"), FAILURES)
@pytest.mark.parametrize("when", ["before acceptance", "before settling"])
@pytest.mark.proves("orders.md 5", "S-068")
async def test_inactive_accounts_fail_the_order_not_the_call(
    world: World, status: str, happen: list[Any], when: str
) -> None:
    reseller = await world.reseller()
    customer = await world.customer(reseller)
    await world.settlement("manual")
    if when == "before acceptance":
        for step in happen:
            await step(world, reseller, customer)
    placed = (await world.order(customer, line(A), line(B, number=2))).ok()
    assert placed["status"] == "1002"
    if when == "before settling":
        for step in happen:
            await step(world, reseller, customer)
    await world.settle()
    await _failed_without_effect(world, customer, placed, status)


@pytest.mark.parametrize("status", ["1026", "1004", "1020", "1022", "1024"])
@pytest.mark.proves("orders.md 5", "S-068")
async def test_injected_failures_fail_every_line(world: World, status: str) -> None:
    customer = await world.customer()
    fault = {"X-Sandbox-Fault": f"order_fails;status={status}"}
    placed = await world.order(customer, line(A, 10), line(B, number=2), headers=fault)
    assert placed.ok()["status"] == "1002"
    await _failed_without_effect(world, customer, placed, status)


async def _failed_without_effect(world: World, customer: str, placed: Reply, status: str) -> None:
    """All lines carry the failure; seats, anniversary and level are as before (1.5, 1.6)."""
    failed = await world.read_order(customer, placed["orderId"])
    lines = [(one["status"], one["subscriptionId"]) for one in failed["lineItems"]]
    assert (failed["status"], lines) == (status, [(status, "")] * 2)
    assert await world.seats(customer) == []
    shown = await world.read_customer(customer)
    assert shown["cotermDate"] == ""
    assert {one["level"] for one in shown["discounts"]} == {"01", "T1"}


async def test_what_was_accepted_is_not_judged_again(world: World) -> None:
    """A basket once answered with 201 completes whatever the contract says later (1.6)."""
    customer = await world.customer()
    await world.settlement("manual")
    placed = (await world.order(customer, line(A, 3))).ok()
    await world.set(regions=["JP"], programs=["ENTERPRISE"])
    await world.settle()
    assert (await world.read_order(customer, placed["orderId"]))["status"] == "1000"


@pytest.mark.proves("orders.md 7", "S-065", "S-066")
async def test_more_seats_go_to_the_same_subscription(world: World) -> None:
    customer = await world.customer()
    first = (await world.order(customer, line(A, 5))).ok()
    (before,) = await world.seats(customer)
    await world.at("2025-09-01T00:00:00Z")
    second = (await world.order(customer, line(A, 3), line(B, 1, 2))).ok()
    await world.give_back(customer, second, 2)
    seats = await world.seats(customer)
    quantities = {one["offerId"][:10]: one["currentQuantity"] for one in seats}
    assert quantities == {A[:10]: 8, B[:10]: 0}
    assert {one["renewalDate"] for one in seats} == {"2026-07-07"}
    ids = []
    for order in (first, second):
        done = await world.read_order(customer, order["orderId"])
        ids.append(done["lineItems"][0]["subscriptionId"])
    assert ids == [before["subscriptionId"]] * 2


@pytest.mark.proves("orders.md 9")
async def test_observed_statuses_of_http(new_world: MakeWorld) -> None:
    world = await new_world(flags={"http_status_profile": "observed"})
    customer = await world.customer()
    (await world.preview(customer, line(A))).ok(200)
    placed = (await world.order(customer, line(A))).ok(202)
    (await world.give_back(customer, placed)).ok(202)


@pytest.mark.proves("orders.md 10", "S-174")
async def test_the_same_order_from_two_clients_at_once_is_two_orders(world: World) -> None:
    customer = await world.customer()
    twins = [world.order(customer, line(A, 4), externalReferenceId="same") for _ in range(2)]
    first, second = await asyncio.gather(*twins)
    assert first.ok()["orderId"] != second.ok()["orderId"]
    (seats,) = await world.seats(customer)
    assert seats["currentQuantity"] == 8
    history = (await world.get(f"/v3/customers/{customer}/orders")).ok(200)
    assert [one["externalReferenceId"] for one in history["items"]] == ["same", "same"]


@pytest.mark.proves(
    "S-086", "S-087", "S-088", "S-093", "S-094", "S-108", "S-111", "S-112", "S-113", "S-114"
)
async def test_a_preview_answers_like_an_order_and_writes_nothing(world: World) -> None:
    customer = await world.customer()
    sent = [line(A, 2, 7, currencyCode="USD"), line(E, 3, 5, currencyCode="USD")]
    for reference in ("first", "second"):
        quote = await world.preview(customer, *sent, params=None, externalReferenceId=reference)
        assert quote.ok().body == {
            "referenceOrderId": "",
            "orderType": "PREVIEW",
            "externalReferenceId": reference,
            "orderId": "",
            "customerId": customer,
            "currencyCode": "USD",
            "creationDate": "2025-07-07T18:00:00Z",
            "status": "",
            "lineItems": [{**one, "status": "", "subscriptionId": ""} for one in sent],
        }
    history = (await world.get(f"/v3/customers/{customer}/orders")).ok(200)
    assert history["totalCount"] == 0
    assert await world.seats(customer) == []
    assert (await world.read_customer(customer))["cotermDate"] == ""
