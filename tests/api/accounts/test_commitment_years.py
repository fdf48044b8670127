"""A three-year commit over the years: renewals, its end, and what follows it."""

from typing import Any

import pytest

from tests.accounts import ask, benefit, commit, commitment, commits
from tests.conftest import MakeWorld
from tests.harness import World, line

pytestmark = pytest.mark.anyio

A, B, ORBIT = "11073058CA01A12", "69804578CA01A12", "80004567EA01A12"
FIFTY = ("LICENSE", 50)


async def since_2024(new_world: MakeWorld, minimum: int, quantity: int) -> tuple[World, str]:
    """A customer with AD 2025-04-12, committed from 2024-05-14 to 2027-04-11."""
    world = await new_world(clock={"now": "2024-04-12T18:00:00Z"})
    customer = await world.customer()
    (await world.order(customer, line(A, quantity))).ok()
    await world.at("2024-05-14T12:00:00Z")
    (await ask(world, customer, commit(("LICENSE", minimum)))).ok(200)
    (await world.three_year_commit(customer, "accept")).ok(200)
    assert (await benefit(world, customer))["commitment"]["endDate"] == "2027-04-11"
    return world, customer


async def level(world: World, customer: str) -> Any:
    return (await world.read_customer(customer))["discounts"][0]["level"]


async def events(world: World, to: str) -> list[tuple[str, str]]:
    """Advance; what happened, in its order."""
    told = (await world.post("/sandbox/clock/advance", {"to": to})).ok(200)["events"]
    return [(one["kind"], one.get("result", "")) for one in told]


async def last_renewal(world: World, customer: str) -> Any:
    path = f"/v3/customers/{customer}/orders"
    found = (await world.get(path, params={"order-type": "RENEWAL"})).ok(200)
    return found["items"][0]["lineItems"]


@pytest.mark.proves("accounts.md 37")
async def test_a_recommitment_takes_over(new_world: MakeWorld) -> None:
    world, customer = await since_2024(new_world, 50, 60)
    await world.at("2027-03-15T12:00:00Z")
    assert await level(world, customer) == "13"
    wanted = commit(("LICENSE", 60), kind="recommitmentRequest")
    (await ask(world, customer, wanted)).ok(200)
    (await world.three_year_commit(customer, "accept", kind="recommitmentRequest")).ok(200)
    dates = {"startDate": "2027-04-12", "endDate": "2030-04-11"}
    await world.at("2027-04-11T23:59:59Z")
    shown = await benefit(world, customer)
    assert shown["commitment"]["status"] == "COMMITTED"
    assert shown["recommitmentRequest"] == commitment("ACCEPTED", ("LICENSE", 60), **dates)
    told = await events(world, "2027-04-12")
    kinds = [
        kind for kind, _ in told if kind in ("commitment_end", "renewal", "recommitment_start")
    ]
    assert kinds == ["commitment_end", "renewal", "recommitment_start"]
    assert ("recommitment_start", "COMMITTED") in told
    assert await benefit(world, customer) == {
        "type": "THREE_YEAR_COMMIT",
        "commitment": commitment("COMMITTED", ("LICENSE", 60), **dates),
        "commitmentRequest": None,
        "recommitmentRequest": None,
    }
    assert await level(world, customer) == "13"
    (renewed,) = await last_renewal(world, customer)
    assert (renewed["offerId"], renewed["quantity"]) == ("11073058CA13A12", 60)
    await world.is_sound()


@pytest.mark.proves("accounts.md 38")
async def test_a_commitment_ends(new_world: MakeWorld) -> None:
    world, customer = await since_2024(new_world, 10, 60)
    assert await level(world, customer) == "13"
    await world.at("2027-04-11T23:59:59Z")
    due = (await world.get("/sandbox/clock")).ok(200)["nextDue"]
    assert (due["at"], due["kind"]) == ("2027-04-12T00:00:00Z", "commitment_end")
    assert await level(world, customer) == "13"
    await world.at("2027-04-12")
    shown = await benefit(world, customer)
    assert shown["commitment"]["status"] == "EXPIRED"
    assert await level(world, customer) == "03"
    (renewed,) = await last_renewal(world, customer)
    assert renewed["offerId"] == "11073058CA03A12"
    await world.is_sound()


async def test_a_recommitment_that_is_not_reached(new_world: MakeWorld) -> None:
    world, customer = await since_2024(new_world, 10, 12)
    await world.at("2026-05-01T12:00:00Z")
    (await ask(world, customer, commit(FIFTY, kind="recommitmentRequest"))).ok(200)
    (await world.three_year_commit(customer, "accept", kind="recommitmentRequest")).ok(200)
    told = await events(world, "2027-04-12")
    assert ("commitment_end", "EXPIRED") in told
    assert ("recommitment_start", "ACCEPTED") in told
    assert await level(world, customer) == "02"
    shown = await benefit(world, customer)
    assert (shown["commitment"]["status"], shown["recommitmentRequest"]["status"]) == (
        "EXPIRED",
        "ACCEPTED",
    )
    await world.at("2027-05-12T23:59:59Z")
    assert (await benefit(world, customer))["recommitmentRequest"]["status"] == "ACCEPTED"
    await world.at("2027-05-13")
    assert (await benefit(world, customer))["recommitmentRequest"]["status"] == "NONCOMPLIANT"


async def test_a_recommitment_reached_by_a_purchase(new_world: MakeWorld) -> None:
    world, customer = await since_2024(new_world, 10, 12)
    (await ask(world, customer, commit(FIFTY, kind="recommitmentRequest"))).ok(200)
    (await world.three_year_commit(customer, "accept", kind="recommitmentRequest")).ok(200)
    await world.at("2027-05-01T12:00:00Z")
    preview = (await world.preview(customer, line(A, 38))).ok()
    assert preview["lineItems"][0]["offerId"] == "11073058CA13A12"
    (await world.order(customer, line("11073058CA13A12", 38))).ok()
    shown = await benefit(world, customer)
    dates = {"startDate": "2027-04-12", "endDate": "2030-04-11"}
    assert shown["commitment"] == commitment("COMMITTED", FIFTY, **dates)
    assert await level(world, customer) == "13"


@pytest.mark.proves("subscriptions.md 40")
async def test_a_renewal_below_the_minimum(world: World) -> None:
    customer = await commits(world, ("LICENSE", 10))
    (await world.order(customer, line(A, 6), line(B, 6, 2))).ok()
    seats = {one["offerId"]: one["subscriptionId"] for one in await world.seats(customer)}
    off: dict[str, Any] = {"autoRenewal": {"enabled": False}}
    path = f"/sandbox/customers/{customer}/subscriptions/{seats[B]}"
    (await world.patch(path, off)).ok(200)
    await world.at("2026-07-07")
    assert (await benefit(world, customer))["commitment"]["status"] == "NONCOMPLIANT"
    assert await level(world, customer) == "01"
    late = line(B, 6, subscriptionId=seats[B])
    (await world.order(customer, late, orderType="RENEWAL")).ok()
    dates = {"startDate": "2025-07-07", "endDate": "2028-07-06"}
    shown = await benefit(world, customer)
    assert shown["commitment"] == commitment("COMMITTED", ("LICENSE", 10), **dates)
    assert await level(world, customer) == "12"


async def test_relaxed_worlds_do_not_miss_a_minimum(world: World) -> None:
    customer = await commits(world, ("LICENSE", 10))
    (await world.order(customer, line(A, 10))).ok()
    await world.set(flags={"relaxed_3yc": True})
    (seats,) = await world.seats(customer)
    path = f"/sandbox/customers/{customer}/subscriptions/{seats['subscriptionId']}"
    (await world.patch(path, {"autoRenewal": {"enabled": True, "renewalQuantity": 3}})).ok(200)
    await world.at("2026-07-07")
    assert (await benefit(world, customer))["commitment"]["status"] == "COMMITTED"
    assert await level(world, customer) == "12"


async def test_high_volume_customers_step_down(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2024-04-12T18:00:00Z"})
    customer = await commits(world, ("LICENSE", 100))
    discount = {"offerType": "LICENSE", "level": "14", "discountCode": "HVD_L18_PRE"}
    tags = ["HVD_MIGRATED_CUSTOMER"]
    path = f"/sandbox/customers/{customer}"
    (await world.patch(path, {"tags": tags, "discounts": [discount]})).ok(200)
    (await world.order(customer, line(ORBIT, 100, discountCode="HVD_L18_PRE"))).ok()
    codes: list[Any] = []
    for year in ("2027", "2030"):
        await world.at(f"{int(year) - 1}-05-01T12:00:00Z")
        wanted = commit(("LICENSE", 100), kind="recommitmentRequest")
        (await ask(world, customer, wanted)).ok(200)
        (await world.three_year_commit(customer, "accept", kind="recommitmentRequest")).ok(200)
        await world.at(f"{year}-04-12")
        read = await world.read_customer(customer)
        assert read["benefits"][0]["commitment"]["startDate"] == f"{year}-04-12"
        (renewed,) = await last_renewal(world, customer)
        codes.append(
            (read["discounts"][0].get("discountCode"), read["tags"], renewed.get("discountCode"))
        )
    assert codes == [("HVD_L18_POST", tags, "HVD_L18_POST"), (None, [], None)]
    await world.is_sound()
