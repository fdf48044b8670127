"""The levels a customer has once its anniversary has passed (accounts.md 7.2, 11)."""

import pytest

from tests.api.anniversary.test_run import ANNIVERSARY, A, bought, set_renewal
from tests.harness import World, line

pytestmark = pytest.mark.anyio

SUITE = "80004567EA"
PACK = "65327733CA01A12"
CODE = "HVD_L18_PRE"


async def migrated(world: World, seats: int) -> str:
    """A customer of the older program, whose commitment was never recorded, with so many seats."""
    customer = await bought(world, line(SUITE + "01A12", seats))
    licences = {"offerType": "LICENSE", "level": "14", "discountCode": CODE}
    edit = {"tags": ["HVD_MIGRATED_CUSTOMER"], "discounts": [licences]}
    (await world.patch(f"/sandbox/customers/{customer}", edit)).ok(200)
    return customer


async def licences_of(world: World, customer: str) -> tuple[str, str | None]:
    shown = (await world.read_customer(customer))["discounts"][0]
    return shown["level"], shown.get("discountCode")


@pytest.mark.parametrize(("renewing", "level"), [(8, "01"), (49, "02"), (50, "13"), (100, "14")])
async def test_a_migrated_customer_keeps_its_scale(world: World, renewing: int, level: str) -> None:
    customer = await migrated(world, 120)
    (await set_renewal(world, customer, SUITE, renewalQuantity=renewing)).ok(200)
    await world.at(ANNIVERSARY)
    assert await licences_of(world, customer) == (level, CODE)


async def test_its_sales_and_late_renewals_stay_on_it(world: World) -> None:
    customer = await migrated(world, 120)
    (await set_renewal(world, customer, SUITE, enabled=False)).ok(200)
    await world.at(ANNIVERSARY)
    (held,) = await world.seats(customer)
    late = line(SUITE + "01A12", 60, subscriptionId=held["subscriptionId"], discountCode=CODE)
    (await world.order(customer, late, orderType="RENEWAL")).ok()
    assert await licences_of(world, customer) == ("13", CODE)
    (await world.order(customer, line(SUITE + "01A12", 100, discountCode=CODE))).ok()
    assert await licences_of(world, customer) == ("14", CODE)


async def test_they_start_over_where_nothing_is_left_to_renew(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, line(A + "02A12", 10))).ok()
    (await world.order(customer, line(PACK, 1))).ok()  # it has a year of its own
    await world.at("2025-07-10T12:00:00Z")
    (await world.give_back(customer, placed.body)).ok()
    assert await licences_of(world, customer) == ("02", None)
    due = (await world.get("/sandbox/clock")).ok(200)["nextDue"]
    assert due == {"at": ANNIVERSARY, "kind": "level_changed", "customerId": customer}
    await world.at("2026-07-06T23:59:59Z")
    assert await licences_of(world, customer) == ("02", None)
    done = (await world.post("/sandbox/clock/advance", {"toNext": "level_changed"})).ok(200)
    assert {"level_changed": 1, "credit_pack_expired": 1}.items() <= done["counts"].items()
    assert await licences_of(world, customer) == ("01", None)
