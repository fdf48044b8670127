"""What orders make of subscriptions, and how they are read (subscriptions.md 1-5)."""

import re
from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A, B, C = "65304479CA01A12", "11073058CA01A12", "65304600CA01A12"
SIGN, STARTER, PACK = "65322435CAT1A12", "65322450CAT1A12", "65327733CA01A12"


async def buy(world: World, customer: str, *lines: dict[str, Any], **more: Any) -> Reply:
    """A NEW order that settles."""
    return (await world.order(customer, *lines, **more)).ok()


async def edit(world: World, customer: str, seats: dict[str, Any], **changes: Any) -> None:
    """Change a subscription by the control API."""
    path = f"/sandbox/customers/{customer}/subscriptions/{seats['subscriptionId']}"
    (await world.patch(path, changes)).ok(200)


@pytest.mark.proves("subscriptions.md 1")
async def test_the_first_order_makes_a_subscription(world: World) -> None:
    customer = await world.customer()
    placed = await buy(world, customer, line(A, 10))
    (seats,) = await world.seats(customer)
    assert re.fullmatch("[0-9a-f]{30}NA", seats["subscriptionId"])
    path = f"/v3/customers/{customer}/subscriptions/{seats['subscriptionId']}"
    assert seats == {
        "subscriptionId": seats["subscriptionId"],
        "offerId": A,
        "currentQuantity": 10,
        "usedQuantity": 0,
        "autoRenewal": {"enabled": True, "renewalQuantity": 10},
        "creationDate": "2025-07-07T18:00:00Z",
        "renewalDate": "2026-07-07",
        "status": "1000",
        "currencyCode": "USD",
        "links": {"self": {"uri": path, "method": "GET", "headers": []}},
    }
    assert (await world.get(path)).ok(200).body == seats
    read = await world.read_order(customer, placed["orderId"])
    assert read["lineItems"][0]["subscriptionId"] == seats["subscriptionId"]


@pytest.mark.proves("subscriptions.md 2")
@pytest.mark.parametrize(
    ("bought", "quantity", "base"),
    [
        ("65304479CA03A12", 50, A),
        ("11073058CA04A12", 100, B),
        ("65322435CAT2A12", 1_000, SIGN),
        ("65304600CA02A12", 10, C),
    ],
)
async def test_a_subscription_shows_the_base_offer(
    world: World, bought: str, quantity: int, base: str
) -> None:
    customer = await world.customer()
    placed = await buy(world, customer, line(bought, quantity))
    (seats,) = await world.seats(customer)
    assert (seats["offerId"], seats["currentQuantity"]) == (base, quantity)
    assert placed["lineItems"][0]["offerId"] == bought


@pytest.mark.proves("subscriptions.md 3")
async def test_more_of_the_same_adds_up(world: World) -> None:
    customer = await world.customer()
    await buy(world, customer, line(A, 10))
    (before,) = await world.seats(customer)
    await world.at("2025-08-01T00:00:00Z")
    await buy(world, customer, line("65304479CA02A12", 2), line(A, 3, 2))
    (after,) = await world.seats(customer)
    assert after == {
        **before, "currentQuantity": 15, "autoRenewal": {"enabled": True, "renewalQuantity": 15},
    }  # fmt: skip


@pytest.mark.proves("subscriptions.md 4")
async def test_an_explicit_renewal_quantity_stays(world: World) -> None:
    customer = await world.customer()
    await buy(world, customer, line(A, 15))
    (seats,) = await world.seats(customer)
    await edit(world, customer, seats, autoRenewal={"enabled": True, "renewalQuantity": 8})
    placed = await buy(world, customer, line(A, 5))
    (seats,) = await world.seats(customer)
    assert seats["currentQuantity"] == 20
    assert seats["autoRenewal"] == {"enabled": True, "renewalQuantity": 8}
    (await world.give_back(customer, placed)).ok()
    (seats,) = await world.seats(customer)
    assert (seats["currentQuantity"], seats["autoRenewal"]["renewalQuantity"]) == (15, 8)


@pytest.mark.proves("subscriptions.md 5")
async def test_a_purchase_does_not_switch_renewal_on_again(world: World) -> None:
    customer = await world.customer()
    await buy(world, customer, line(A, 10))
    (seats,) = await world.seats(customer)
    await edit(world, customer, seats, autoRenewal={"enabled": False})
    await buy(world, customer, line(A, 5))
    (seats,) = await world.seats(customer)
    assert seats["currentQuantity"] == 15
    assert seats["autoRenewal"] == {"enabled": False, "renewalQuantity": 15}


@pytest.mark.proves("subscriptions.md 6")
async def test_what_was_given_back_never_comes_back(world: World) -> None:
    customer = await world.customer()
    placed = await buy(world, customer, line(A, 10))
    (seats,) = await world.seats(customer)
    (await world.give_back(customer, placed)).ok()
    (closed,) = await world.seats(customer)
    assert closed == {
        **seats, "status": "1004", "currentQuantity": 0,
        "autoRenewal": {"enabled": True, "renewalQuantity": 0},
    }  # fmt: skip
    assert "allowedActions" not in closed
    await world.at("2025-07-08T00:00:00Z")
    await buy(world, customer, line(A, 1))
    old, new = await world.seats(customer)
    assert old == closed
    assert new["subscriptionId"] != closed["subscriptionId"]
    assert (new["status"], new["currentQuantity"]) == ("1000", 1)
    assert new["renewalDate"] == "2026-07-07"


@pytest.mark.proves("subscriptions.md 7")
async def test_a_deployment_has_a_subscription_of_its_own(world: World) -> None:
    customer = await world.customer(top={"globalSalesEnabled": True})
    deployment = await world.deployment(customer)
    there: dict[str, Any] = {"currencyCode": "EUR", "deploymentId": deployment}
    await buy(
        world, customer, line(A, 5, currencyCode="USD"), line(A, 3, 2, **there), currencyCode=None
    )
    await buy(world, customer, line(A, 2, **there), currencyCode=None)
    found = {one["currencyCode"]: one for one in await world.seats(customer)}
    assert len(found) == 2
    assert "deploymentId" not in found["USD"]
    assert found["EUR"]["deploymentId"] == deployment
    assert (found["USD"]["currentQuantity"], found["EUR"]["currentQuantity"]) == (5, 5)


@pytest.mark.proves("subscriptions.md 8")
async def test_every_credit_pack_has_its_own_year(world: World) -> None:
    customer = await world.customer()
    await buy(world, customer, line(A))
    for day in ("2025-08-01", "2025-09-01"):
        await world.at(f"{day}T12:00:00Z")
        await buy(world, customer, line(PACK))
    _, first, second = await world.seats(customer)
    for seats, renewal_date in ((first, "2026-08-01"), (second, "2026-09-01")):
        assert (seats["offerId"], seats["renewalDate"]) == (PACK, renewal_date)
        assert seats["autoRenewal"] == {"enabled": False, "renewalQuantity": 1}
    assert (await world.read_customer(customer))["cotermDate"] == "2026-07-07"


async def test_two_packs_of_one_order_are_two_subscriptions(world: World) -> None:
    customer = await world.customer()
    placed = await buy(world, customer, line(PACK, 2), line(PACK, 3, 2))
    first, second = await world.seats(customer)
    assert sorted((first["currentQuantity"], second["currentQuantity"])) == [2, 3]
    (await world.give_back(customer, placed, 1)).ok()
    left = {one["currentQuantity"]: one["status"] for one in await world.seats(customer)}
    assert left == {0: "1004", 3: "1000"}


async def test_a_one_time_product_does_not_renew(world: World) -> None:
    customer = await world.customer()
    await buy(world, customer, line(A))
    await world.at("2025-08-01T12:00:00Z")
    await buy(world, customer, line(STARTER))
    _, seats = await world.seats(customer)
    assert seats["autoRenewal"] == {"enabled": False, "renewalQuantity": 1}
    assert seats["renewalDate"] == "2026-07-07"


async def test_seats_move_when_the_order_completes_not_before(world: World) -> None:
    customer = await world.customer()
    await buy(world, customer, line(A, 10))
    await world.settlement("manual")
    more = await buy(world, customer, line(A, 5), line(B, 1, 2))
    assert [one["currentQuantity"] for one in await world.seats(customer)] == [10]
    await world.settle()
    read = await world.read_order(customer, more["orderId"])
    by_offer = {one["offerId"]: one for one in await world.seats(customer)}
    assert (by_offer[A]["currentQuantity"], by_offer[B]["currentQuantity"]) == (15, 1)
    assert [one["subscriptionId"] for one in read["lineItems"]] == [
        by_offer[A]["subscriptionId"], by_offer[B]["subscriptionId"],
    ]  # fmt: skip
    back = (await world.give_back(customer, more, 1)).ok()
    assert (back["status"], back["lineItems"][0]["subscriptionId"]) == ("1002", "")
    by_offer = {one["offerId"]: one for one in await world.seats(customer)}
    assert by_offer[A]["currentQuantity"] == 15
    await world.settle()
    by_offer = {one["offerId"]: one for one in await world.seats(customer)}
    assert by_offer[A]["currentQuantity"] == 10


@pytest.mark.parametrize("status", ["1004", "1020", "1022", "1024", "1026"])
async def test_a_failed_order_moves_no_seats(world: World, status: str) -> None:
    customer = await world.customer()
    await buy(world, customer, line(A, 10))
    before = await world.seats(customer)
    await world.settlement("manual")
    placed = await buy(world, customer, line(A, 5), line(B, 1, 2))
    path = f"/sandbox/customers/{customer}/orders/{placed['orderId']}"
    (await world.patch(path, {"status": status})).ok(200)
    assert await world.seats(customer) == before
    read = await world.read_order(customer, placed["orderId"])
    assert [one["subscriptionId"] for one in read["lineItems"]] == ["", ""]


async def test_usage_is_capped_by_what_is_left(world: World) -> None:
    customer = await world.customer()
    placed = await buy(world, customer, line(A, 5))
    await buy(world, customer, line(A, 3))
    (seats,) = await world.seats(customer)
    await edit(world, customer, seats, usedQuantity=7)
    (await world.give_back(customer, placed)).ok()
    (seats,) = await world.seats(customer)
    assert (seats["currentQuantity"], seats["usedQuantity"]) == (3, 3)


async def test_a_purchase_after_the_lapse_opens_a_fresh_term(world: World) -> None:
    customer = await world.customer()
    await buy(world, customer, line(A, 10))
    (old,) = await world.seats(customer)
    off = {"autoRenewal": {"enabled": False}}
    (await world.patch(old["links"]["self"]["uri"], off)).ok(200)
    await world.at("2026-09-01T12:00:00Z")
    await buy(world, customer, line(A, 2))
    first, second = await world.seats(customer)
    assert first["status"] == "1004"
    assert second["subscriptionId"] != old["subscriptionId"]
    assert (second["currentQuantity"], second["renewalDate"]) == (2, "2027-09-01")
    assert (await world.read_customer(customer))["cotermDate"] == "2027-09-01"


@pytest.mark.proves("subscriptions.md 9", "1116", "3115")
async def test_reading(world: World, new_world: MakeWorld) -> None:
    customer = await world.customer()
    path = f"/v3/customers/{customer}/subscriptions"
    self_link = {"self": {"uri": path, "method": "GET", "headers": []}}
    empty = (await world.get(path)).ok(200)
    assert empty.body == {"totalCount": 0, "items": [], "links": self_link}
    for day, offer_id in (("2025-08-01", C), ("2025-08-02", A), ("2025-08-03", B)):
        await world.at(f"{day}T00:00:00Z")
        await buy(world, customer, line(offer_id))
    listed = (await world.get(path, params={"limit": "1", "foo": "bar"})).ok(200)
    assert list(listed.body) == ["totalCount", "items", "links"]
    assert (listed["totalCount"], listed["links"]) == (3, self_link)
    assert [one["offerId"] for one in listed["items"]] == [C, A, B]

    sibling = await world.customer()
    other = await new_world()
    stranger = await other.customer()
    await buy(other, stranger, line(A))
    (theirs,) = await other.seats(stranger)
    mine = listed["items"][0]["subscriptionId"]
    for unknown in ("1999999999", "1234567890", stranger):
        (await world.get(f"/v3/customers/{unknown}/subscriptions")).refused(404, "1116")
        (await world.get(f"/v3/customers/{unknown}/subscriptions/{mine}")).refused(404, "3115")
    for unknown in ("x", "f" * 30 + "NA", theirs["subscriptionId"]):
        (await world.get(f"{path}/{unknown}")).refused(404, "3115")
    (await world.get(f"/v3/customers/{sibling}/subscriptions/{mine}")).refused(404, "3115")


async def test_inactive_and_pending_customers_are_readable(world: World) -> None:
    customer = await world.customer()
    await buy(world, customer, line(A))
    before = await world.seats(customer)
    path = f"/sandbox/customers/{customer}"
    (await world.patch(path, {"status": "1012"})).ok(200)
    assert await world.seats(customer) == before
    reseller = await world.reseller()
    await world.settlement("manual")
    pending = await world.customer(reseller)
    assert await world.seats(pending) == []
