"""POST of a subscription: bought for the next term (subscriptions.md 6)."""

import asyncio
import re
from typing import Any

import pytest

from tests.harness import Reply, World, line, unique

pytestmark = pytest.mark.anyio

A, B, JAPAN, PRO = "65304479CA01A12", "11073058CA01A12", "11073064CA01A12", "65324918CA01A12"
SIGN, ADD_ON, GOV = "65322435CAT1A12", "30005893CA01A12", "30001475CC01A12"
OPEN = "2026-06-20T12:00:00Z"
QUANTITY, CODES = "autoRenewal.renewalQuantity", "autoRenewal.flexDiscountCodes"
Body = dict[str, Any]


def wanted(offer_id: str = B, quantity: Any = 20, **more: Any) -> Body:
    """A valid body; `settings` lie over autoRenewal."""
    settings = {"renewalQuantity": quantity, **more.pop("settings", {})}
    return {"offerId": offer_id, "autoRenewal": settings, **more}


async def schedule(world: World, customer: str, body: Any, **more: Any) -> Reply:
    """POST; not asserted."""
    return await world.post(f"/v3/customers/{customer}/subscriptions", body, **more)


async def buyer(world: World, now: str = OPEN, **more: Any) -> str:
    """A customer with 10 A since 2025-07-07, on a day of the window."""
    customer = await world.customer(**more)
    (await world.order(customer, line(A, 10))).ok()
    await world.at(now)
    return customer


async def of_product(world: World, customer: str, offer_id: str) -> Body:
    """The customer's latest subscription of a product."""
    return [one for one in await world.seats(customer) if one["offerId"] == offer_id][-1]


@pytest.mark.proves("subscriptions.md 23", "3122")
async def test_the_window(world: World) -> None:
    customers = [await buyer(world, "2025-07-07T18:00:00Z") for _ in range(4)]
    await world.at("2026-06-06T23:59:59Z")
    (await schedule(world, customers[0], wanted())).refused(400, "3122")
    await world.at("2026-06-07T00:00:00Z")
    made = (await schedule(world, customers[0], wanted("11073058CA03A12"))).ok(200)
    path = f"/v3/customers/{customers[0]}/subscriptions/{made['subscriptionId']}"
    assert re.fullmatch("[0-9a-f]{30}NA", made["subscriptionId"])
    assert made.body == {
        "subscriptionId": made["subscriptionId"],
        "offerId": B,
        "currentQuantity": 0,
        "usedQuantity": 0,
        "autoRenewal": {"enabled": True, "renewalQuantity": 20},
        "creationDate": "2026-06-07T00:00:00Z",
        "renewalDate": "2026-07-07",
        "status": "1009",
        "currencyCode": "USD",
        "links": {"self": {"uri": path, "method": "GET", "headers": []}},
    }
    assert (await world.get(path)).ok(200).body == made.body
    assert (await world.seats(customers[0]))[1] == made.body
    await world.at("2026-07-04T23:59:59Z")
    (await schedule(world, customers[1], wanted())).ok(200)
    await world.at("2026-07-05T00:00:00Z")
    (await schedule(world, customers[2], wanted())).refused(400, "3122")


async def test_every_field(world: World) -> None:
    customer = await buyer(world)
    settings = {"enabled": True, "flexDiscountCodes": ["ABCD-XV54-HG34-78YT"], "renewalCode": ""}
    body = wanted(quantity=7, settings=settings, currencyCode="USD", deploymentId="")
    headers = {"x-recommendation-tracker-id": "t" * 32}
    made = (await schedule(world, customer, body, headers=headers)).ok(200)
    assert made["autoRenewal"] == {
        "enabled": True, "renewalQuantity": 7, "flexDiscountCodes": ["ABCD-XV54-HG34-78YT"],
    }  # fmt: skip
    assert "deploymentId" not in made.body
    history = (await world.get(f"/v3/customers/{customer}/orders")).ok(200)
    assert history["totalCount"] == 1


@pytest.mark.proves("subscriptions.md 24", "2129", "3132")
async def test_what_cannot_be_scheduled(world: World) -> None:
    customer = await buyer(world)
    held = "Reason: CUSTOMER_NOT_ELIGIBLE_FOR_PURCHASE"
    (await schedule(world, customer, wanted("65304479CA03A12"))).refused(400, "2129", held)
    (await schedule(world, customer, wanted(SIGN))).refused(400, "3132")
    (await schedule(world, customer, wanted())).ok(200)
    (await schedule(world, customer, wanted())).refused(400, "2129", held)
    segment = "Reason: INELIGIBLE_MARKET_SEGMENT"
    (await schedule(world, customer, wanted(GOV))).refused(400, "2129", segment)
    (await schedule(world, customer, wanted("99999999CA01A12"))).refused(400, "2122", "offerId")
    (await schedule(world, customer, wanted("65322461CA01A12"))).refused(400, "3123")


@pytest.mark.proves("subscriptions.md 24", "1117", "1121", "1122")
async def test_the_form(world: World) -> None:
    customer = await buyer(world)
    bodies: list[tuple[Any, str, tuple[str, ...]]] = [
        (None, "1122", ("offerId", "autoRenewal")),
        ({}, "1122", ("offerId", "autoRenewal")),
        ({"offerId": "", "autoRenewal": {}}, "1122", ("offerId", QUANTITY)),
        (wanted(quantity=None), "1122", (QUANTITY,)),
        ({"offerId": B, "autoRenewal": {"enabled": True}}, "1122", (QUANTITY,)),
        (wanted(deploymentId="1450043516"), "1122", ("currencyCode",)),
        (wanted(settings={"enabled": False}), "1117", ("autoRenewal.enabled",)),
        (wanted(settings={"enabled": "yes"}), "1117", ("autoRenewal.enabled",)),
        (wanted(quantity="20"), "1117", (QUANTITY,)),
        (wanted(quantity=2.5), "1117", (QUANTITY,)),
        (wanted("X" * 41, currencyCode="usd"), "1117", ("offerId", "currencyCode")),
        (wanted(settings={"flexDiscountCodes": ["A", 1]}), "1117", (f"{CODES}[1]",)),
        ({"offerId": B, "autoRenewal": 5}, "1117", ("autoRenewal",)),
        (wanted(status="1009", currentQuantity=0), "1121", ("status", "currentQuantity")),
        ({"colour": 1}, "1121", ("colour",)),
    ]  # fmt: skip
    for body, code, details in bodies:
        (await schedule(world, customer, body)).refused(400, code, *details)
    (await schedule(world, customer, None, content=b"[")).refused(400, "400")
    assert len(await world.seats(customer)) == 1


@pytest.mark.proves("1116")
async def test_an_unknown_customer_comes_first(world: World) -> None:
    (await schedule(world, "1999999999", {"foo": 1})).refused(404, "1116")


@pytest.mark.proves("subscriptions.md 25", "3120")
async def test_without_anything_active_there_is_nothing_to_renew_with(world: World) -> None:
    (await schedule(world, await world.customer(), wanted())).refused(400, "3120")
    customer = await buyer(world, "2025-07-08T00:00:00Z")
    history = (await world.get(f"/v3/customers/{customer}/orders")).ok(200)
    (await world.give_back(customer, history["items"][0])).ok()
    await world.at(OPEN)
    (await schedule(world, customer, wanted())).refused(400, "3120")


@pytest.mark.proves("subscriptions.md 26", "1122", "1139", "1140", "2138")
async def test_a_deployment(world: World) -> None:
    local = await buyer(world, "2025-07-07T18:00:00Z")
    customer = await buyer(world, top={"globalSalesEnabled": True})
    deployment = await world.deployment(customer, "JP")
    (await schedule(world, customer, wanted(JAPAN))).refused(400, "1122", "currencyCode")
    there = {"currencyCode": "JPY", "deploymentId": deployment}
    unknown = {**there, "deploymentId": "1499999999"}
    (await schedule(world, customer, wanted(JAPAN, **unknown))).refused(404, "2138", "deploymentId")
    made = (await schedule(world, customer, wanted(JAPAN, **there))).ok(200)
    assert (made["currencyCode"], made["deploymentId"]) == ("JPY", deployment)
    (await schedule(world, local, wanted(JAPAN, **there))).refused(400, "1140")
    await world.set(globalSalesEnabled=False)
    (await schedule(world, local, wanted(JAPAN, **there))).refused(400, "1139")


@pytest.mark.proves("2125", "2128")
async def test_currencies(world: World) -> None:
    customer = await buyer(world)
    (await schedule(world, customer, wanted(currencyCode="EUR"))).refused(
        400, "2125", "currencyCode"
    )
    (await schedule(world, customer, wanted(JAPAN))).refused(400, "2128", "currencyCode")


@pytest.mark.proves("1122")
async def test_several_currencies_have_no_default(world: World) -> None:
    address = {
        "country": "GB", "region": "00", "city": "London", "addressLine1": "1 Whitehall",
        "postalCode": "SW1A 1AA",
    }  # fmt: skip
    customer = await world.customer(address=address)
    for offer_id, currency in ((A, "EUR"), ("11073061CA01A12", "GBP")):
        (await world.order(customer, line(offer_id), currencyCode=currency)).ok()
    await world.at(OPEN)
    other = "65305345CA01A12"
    (await schedule(world, customer, wanted(other))).refused(400, "1122", "currencyCode")
    (await schedule(world, customer, wanted(other, currencyCode="EUR"))).ok(200)


@pytest.mark.proves("2124")
async def test_a_program_the_partner_does_not_sell(world: World) -> None:
    customer = await buyer(world)
    await world.set(programs=["TEAM"])
    (await schedule(world, customer, wanted("80004567EA01A12"))).refused(400, "2124", "offerId")


@pytest.mark.proves("2129")
async def test_an_add_on_follows_its_base(world: World) -> None:
    customer = await buyer(world)
    base = await of_product(world, customer, A)
    path = base["links"]["self"]["uri"]
    (await world.patch(path, {"autoRenewal": {"enabled": False}})).ok(200)
    reason = "Reason: INELIGIBLE_ADD_ON"
    (await schedule(world, customer, wanted(ADD_ON))).refused(400, "2129", reason)
    (await world.patch(path, {"autoRenewal": {"enabled": True}})).ok(200)
    (await schedule(world, customer, wanted(ADD_ON))).ok(200)


@pytest.mark.proves("3116", "2147", "5125", "5128")
async def test_quantities_and_codes(world: World) -> None:
    customer = await buyer(world)
    for quantity in (0, -1, 10_001):
        (await schedule(world, customer, wanted(quantity=quantity))).refused(400, "3116", QUANTITY)
    codes = {"flexDiscountCodes": ["A", "B"]}
    (await schedule(world, customer, wanted(settings=codes))).refused(400, "2147", CODES)
    growth, code = "65324918CA14X12", "autoRenewal.renewalCode"
    (await schedule(world, customer, wanted(growth, 100))).refused(400, "5125", code)
    chosen = {"renewalCode": "MOQ_100"}
    for offer_id in (growth, PRO):
        body = wanted(offer_id, 100, settings=chosen)
        (await schedule(world, customer, body)).refused(400, "5128", code)
    (await schedule(world, customer, wanted(settings=chosen))).refused(400, "5125", code)
    assert (await schedule(world, customer, wanted(PRO, 10_001))).ok(200)["offerId"] == PRO


async def test_a_scheduled_subscription_can_be_changed_and_switched_off(world: World) -> None:
    customer = await buyer(world)
    made = (await schedule(world, customer, wanted())).ok(200)
    path = made["links"]["self"]["uri"]
    settings: list[tuple[Body, Body]] = [
        ({"renewalQuantity": 9}, {"enabled": True, "renewalQuantity": 9}),
        ({"enabled": False}, {"enabled": False, "renewalQuantity": 9}),
        ({"enabled": True}, {"enabled": True, "renewalQuantity": 9}),
        ({"enabled": True, "renewalQuantity": 4}, {"enabled": True, "renewalQuantity": 4}),
    ]
    for sent, shown in settings:
        answer = (await world.patch(path, {"autoRenewal": sent})).ok(200)
        assert answer["autoRenewal"] == shown
        assert (answer["status"], answer["currentQuantity"]) == ("1009", 0)
    every = {"autoRenewal": {"renewalQuantity": None}}
    (await world.patch(path, every)).refused(400, "3116", QUANTITY)


async def test_a_purchase_starts_a_scheduled_subscription_at_once(world: World) -> None:
    customer = await buyer(world)
    made = (await schedule(world, customer, wanted())).ok(200)
    placed = (await world.order(customer, line(B, 3), line(B, 2, 2))).ok()
    started = (await world.get(made["links"]["self"]["uri"])).ok(200)
    assert started.body == {**made.body, "status": "1000", "currentQuantity": 5}
    read = await world.read_order(customer, placed["orderId"])
    found = {one["subscriptionId"] for one in read["lineItems"]}
    assert found == {made["subscriptionId"]}
    (await world.give_back(customer, placed)).ok()
    closed = (await world.get(made["links"]["self"]["uri"])).ok(200)
    assert (closed["status"], closed["currentQuantity"]) == ("1004", 0)
    again = (await schedule(world, customer, wanted())).ok(200)
    assert again["subscriptionId"] != made["subscriptionId"]


async def test_two_at_once_make_one(world: World) -> None:
    customer = await buyer(world)
    answers = await asyncio.gather(*(schedule(world, customer, wanted()) for _ in range(4)))
    assert sorted(one.status for one in answers) == [200, 400, 400, 400]
    assert {one.code for one in answers if one.status == 400} == {"2129"}
    assert len(await world.seats(customer)) == 2


async def test_a_repeated_call_schedules_once(world: World) -> None:
    customer = await buyer(world)
    key = unique("correlation")
    first = (await schedule(world, customer, wanted(), correlation_id=key)).ok(200)
    again = await schedule(world, customer, wanted(), correlation_id=key)
    assert (again.status, again.content) == (200, first.content)
    assert len(await world.seats(customer)) == 2
