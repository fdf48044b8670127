"""What a subscription shows once its anniversary has passed without it (subscriptions.md 3)."""

from typing import Any

import pytest

from tests.harness import World, line

pytestmark = pytest.mark.anyio

A, B = "65304479CA01A12", "11073058CA01A12"
X, STARTER = "65322447CA01A12", "65322450CAT1A12"
MANUAL = ["MANUAL_RENEWAL"]


async def switched_off(world: World, *offer_ids: str) -> str:
    """A customer with 10 of each, none of which renews."""
    customer = await world.customer()
    lines = [line(offer_id, 10, number) for number, offer_id in enumerate(offer_ids, start=1)]
    (await world.order(customer, *lines)).ok()
    for one in await world.seats(customer):
        off = {"autoRenewal": {"enabled": False}}
        (await world.patch(one["links"]["self"]["uri"], off)).ok(200)
    return customer


async def actions(world: World, customer: str) -> dict[str, Any]:
    """allowedActions by offer, None where the key is absent."""
    found = {}
    for one in await world.seats(customer):
        read = (await world.get(one["links"]["self"]["uri"])).ok(200)
        assert read.body == one
        found[one["offerId"]] = one.get("allowedActions")
    return found


@pytest.mark.proves("subscriptions.md 30", "subscriptions.md 38", "S-163")
async def test_manual_renewal_shows_for_thirty_days(world: World) -> None:
    customer = await switched_off(world, A, B)
    await world.at("2026-07-06T23:59:59Z")
    assert await actions(world, customer) == {A: None, B: None}
    await world.at("2026-07-07T00:00:00Z")
    assert await actions(world, customer) == {A: MANUAL, B: MANUAL}
    for one in await world.seats(customer):
        assert (one["status"], one["currentQuantity"]) == ("1004", 10)
        assert one["renewalDate"] == "2026-07-07"
        assert one["autoRenewal"] == {"enabled": False, "renewalQuantity": 10}
        (
            await world.patch(one["links"]["self"]["uri"], {"autoRenewal": {"enabled": True}})
        ).refused(400, "3119")
    await world.at("2026-08-06T23:59:59Z")
    assert await actions(world, customer) == {A: MANUAL, B: MANUAL}
    await world.at("2026-08-07T00:00:00Z")
    assert await actions(world, customer) == {A: None, B: None}


@pytest.mark.proves("subscriptions.md 38")
async def test_a_partner_may_have_a_shorter_window(world: World) -> None:
    customer = await switched_off(world, A)
    await world.set(flags={"late_renewal_days": 14})
    await world.at("2026-07-21T12:00:00Z")
    assert await actions(world, customer) == {A: MANUAL}
    await world.at("2026-07-22T00:00:00Z")
    assert await actions(world, customer) == {A: None}


@pytest.mark.proves("subscriptions.md 39")
async def test_a_fresh_term_ends_it(world: World) -> None:
    customer = await switched_off(world, A)
    await world.at("2026-07-25T12:00:00Z")
    assert await actions(world, customer) == {A: MANUAL}
    (await world.order(customer, line(B))).ok()
    assert (await world.read_customer(customer))["cotermDate"] == "2027-07-25"
    assert await actions(world, customer) == {A: None, B: None}


async def test_a_purchase_of_the_same_takes_its_place(world: World) -> None:
    customer = await switched_off(world, A)
    (await world.order(customer, line(B, 2))).ok()
    await world.at("2026-07-10T12:00:00Z")
    assert await actions(world, customer) == {A: MANUAL, B: None}
    (await world.order(customer, line(A))).ok()
    found = [one for one in await world.seats(customer) if one["offerId"] == A]
    assert [one["status"] for one in found] == ["1004", "1000"]
    assert await actions(world, customer) == {A: None, B: None}


@pytest.mark.proves("subscriptions.md 35")
async def test_ended_and_one_time_products_do_not_show_it(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line(A, 10), line(X, 5, 2), line(STARTER, 1, 3))).ok()
    await world.at("2026-07-07T00:00:00Z")
    found = {one["offerId"]: one for one in await world.seats(customer)}
    assert (found[X]["status"], found[STARTER]["status"]) == ("1004", "1004")
    assert await actions(world, customer) == {A: None, X: None, STARTER: None}
    await world.set(quirks=["manual_renewal_on_one_time"])
    assert await actions(world, customer) == {A: None, X: None, STARTER: MANUAL}


async def test_the_control_api_lets_one_expire(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line(A, 10), line(B, 2, 2))).ok()
    await world.at("2025-10-01T12:00:00Z")
    expiring = next(one for one in await world.seats(customer) if one["offerId"] == A)
    control = expiring["links"]["self"]["uri"].replace("/v3/", "/sandbox/") + "/expire"
    answer = (await world.post(control, {})).ok(200)
    assert (answer["status"], answer["allowedActions"]) == ("1004", MANUAL)
    assert await actions(world, customer) == {A: MANUAL, B: None}
