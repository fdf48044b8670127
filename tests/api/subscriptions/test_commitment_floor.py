"""A commitment as the floor of renewal settings (subscriptions.md 7)."""

from typing import Any

import pytest

from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A, B = "65304479CA01A12", "11073058CA01A12"
FLOOR = "Reason: THREE_YEAR_COMMIT"


class Committed:
    """A customer with 6 A and 6 B who has promised 10 licences until a day."""

    def __init__(self, world: World, customer: str, paths: dict[str, str]) -> None:
        self.world = world
        self.customer = customer
        self.paths = paths

    async def renew(self, offer_id: str, **settings: Any) -> Reply:
        """PATCH of autoRenewal; not asserted."""
        return await self.world.patch(self.paths[offer_id], {"autoRenewal": settings})


async def committed(world: World, until: str) -> Committed:
    """One whose commitment has been reached."""
    customer = await world.customer()
    (await world.order(customer, line(A, 6), line(B, 6, 2))).ok()
    control = f"/sandbox/customers/{customer}/three-year-commit"
    minimums = [{"offerType": "LICENSE", "quantity": 10}]
    (await world.post(f"{control}/enroll", {"minimumQuantities": minimums})).ok(200)
    (await world.patch(control, {"endDate": until})).ok(200)
    held = await world.seats(customer)
    paths = {one["offerId"]: one["links"]["self"]["uri"] for one in held}
    return Committed(world, customer, paths)


@pytest.mark.proves("subscriptions.md 20", "3120")
async def test_what_renews_stays_at_the_minimum(world: World) -> None:
    held = await committed(world, "2027-07-06")
    (await held.renew(A, renewalQuantity=4)).ok(200)
    (await held.renew(A, renewalQuantity=3)).refused(400, "3120", FLOOR)
    (await held.renew(B, enabled=False)).refused(400, "3120", FLOOR)
    (await held.renew(A, flexDiscountCodes=["NOPE"])).ok(200)


@pytest.mark.proves("subscriptions.md 21")
async def test_a_raise_makes_room_for_a_cut(world: World) -> None:
    held = await committed(world, "2027-07-06")
    (await held.renew(B, renewalQuantity=9)).ok(200)
    (await held.renew(A, renewalQuantity=3)).ok(200)


@pytest.mark.proves("subscriptions.md 22")
async def test_the_final_term_has_no_floor(world: World) -> None:
    held = await committed(world, "2026-07-06")
    (await held.renew(A, enabled=False)).ok(200)


async def test_a_scheduled_subscription_counts(world: World) -> None:
    held = await committed(world, "2027-07-06")
    await world.at("2026-06-20T12:00:00Z")
    wanted = {"offerId": "11083117CA01A12", "autoRenewal": {"renewalQuantity": 5}}
    made = await world.post(f"/v3/customers/{held.customer}/subscriptions", wanted)
    path = made.ok(200)["links"]["self"]["uri"]
    (await held.renew(A, enabled=False)).ok(200)
    off = {"autoRenewal": {"enabled": False}}
    (await world.patch(path, off)).refused(400, "3120", FLOOR)


async def test_a_relaxed_world_has_no_floor(world: World) -> None:
    held = await committed(world, "2027-07-06")
    await world.set(flags={"relaxed_3yc": True})
    (await held.renew(A, enabled=False)).ok(200)


@pytest.mark.proves("subscriptions.md 44", "5124", "5126", "5129", "4121")
async def test_renewal_codes_of_a_committed_customer(world: World) -> None:
    pro = "65324918CA01A12"
    customer = await world.customer()
    (await world.order(customer, line(pro, 60))).ok()
    control = f"/sandbox/customers/{customer}/three-year-commit"
    (await world.post(f"{control}/enroll", {})).ok(200)
    (seats,) = await world.seats(customer)
    path = seats["links"]["self"]["uri"]
    await world.at("2026-06-30T12:00:00Z")

    async def opt_in(code: str, quantity: int) -> Reply:
        settings = {"renewalCode": code, "renewalQuantity": quantity}
        return await world.patch(path, {"autoRenewal": settings})

    detail = "autoRenewal.renewalCode"
    (await opt_in("MOQ_100", 100)).refused(400, "5129", detail)
    minimums = [{"offerType": "LICENSE", "quantity": 250}]
    (await world.patch(control, {"minimumQuantities": minimums})).ok(200)
    (await opt_in("MOQ_100", 100)).refused(400, "5126", detail)
    (await opt_in("MOQ_250", 249)).refused(400, "5124", detail)
    (await opt_in("MOQ_250", 250)).refused(403, "4121", detail)
    assert (await world.seats(customer))[0] == seats
