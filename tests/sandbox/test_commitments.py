"""The customer's side of a three-year commit, and edits of its terms (sandbox.md 3, 13-15)."""

from typing import Any

import pytest

from tests.accounts import ask, benefit, commit, commitment, commits
from tests.conftest import MakeWorld
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A, SIGN = "11073058CA01A12", "65322435CAT1A12"
TEN = ("LICENSE", 10)
ACTIONS = ("accept", "decline", "enroll")


async def edit(world: World, customer: str, **terms: Any) -> Reply:
    """A direct edit of the terms; not asserted."""
    return await world.patch(f"/sandbox/customers/{customer}/three-year-commit", terms)


async def levels(world: World, customer: str) -> list[str]:
    found = (await world.read_customer(customer))["discounts"]
    return [one["level"] for one in found]


def refuses(answer: Reply) -> None:
    assert (answer.status, answer.code) == (409, "409"), answer.body


async def test_there_must_be_something_to_answer(world: World, new_world: MakeWorld) -> None:
    customer = await world.customer()
    for action in ("accept", "decline"):
        refuses(await world.three_year_commit(customer, action))
        refuses(await world.three_year_commit(customer, action, kind="recommitmentRequest"))
    (await ask(world, customer, commit(TEN))).ok(200)
    refuses(await world.three_year_commit(customer, "accept", kind="recommitmentRequest"))
    shown = (await world.three_year_commit(customer, "accept", kind="commitmentRequest")).ok(200)
    assert shown.body == (await world.read_customer(customer)).body
    for action in ("accept", "decline"):
        refuses(await world.three_year_commit(customer, action))
    other = await new_world()
    for action in ACTIONS:
        (await other.three_year_commit(customer, action)).refused(404, "1116")
        (await world.three_year_commit("1999999999", action)).refused(404, "1116")
    (await edit(world, "1999999999")).refused(404, "1116")


@pytest.mark.parametrize("status", ["1004", "1010", "1012", "1014"])
async def test_only_active_customers_answer(world: World, status: str) -> None:
    customer = await world.customer(top=commit(TEN))
    path = f"/sandbox/customers/{customer}"
    (await world.patch(path, {"status": status})).ok(200)
    for action in ACTIONS:
        refuses(await world.three_year_commit(customer, action))
    (await world.patch(path, {"status": "1000"})).ok(200)
    (await world.three_year_commit(customer, "decline")).ok(200)


@pytest.mark.proves("1117", "1121", "1135")
async def test_bodies_of_the_controls(world: World) -> None:
    customer = await commits(world, TEN)
    for action in ("accept", "decline"):
        wrong = await world.three_year_commit(customer, action, kind="commitment")
        wrong.refused(400, "1117", "kind")
        (await world.three_year_commit(customer, action, foo=1)).refused(400, "1121", "foo")
    twice = [{"offerType": "LICENSE", "quantity": 10}] * 2
    wrong = await world.three_year_commit(customer, "enroll", minimumQuantities=twice)
    wrong.refused(400, "1117", "minimumQuantities[1].offerType")
    few = [{"offerType": "LICENSE", "quantity": 9}]
    wrong = await world.three_year_commit(customer, "enroll", minimumQuantities=few)
    wrong.refused(400, "1135", "LICENSE")
    request = {"kind": "commitmentRequest"}
    for terms, path in (
        ({"startDate": "soon"}, "startDate"),
        ({"endDate": "2028-02-30"}, "endDate"),
        ({"status": "REQUESTED"}, "status"),
        ({**request, "status": "COMMITTED"}, "status"),
        ({"kind": "all"}, "kind"),
        ({"minimumQuantities": []}, "minimumQuantities"),
        ({"minimumQuantities": twice}, "minimumQuantities[1].offerType"),
    ):
        (await edit(world, customer, **terms)).refused(400, "1117", path)
    refuses(await edit(world, customer, endDate="2030-01-01"))
    refuses(await edit(world, customer, kind="recommitmentRequest", endDate="2030-01-01"))


async def test_enrolling_with_what_is_held(world: World) -> None:
    customer = await world.customer()
    refuses(await world.three_year_commit(customer, "enroll"))
    (await world.order(customer, line(A, 9))).ok()
    refuses(await world.three_year_commit(customer, "enroll"))
    (await world.order(customer, line(A, 3), line(SIGN, 2_500, 2))).ok()
    shown = (await world.three_year_commit(customer, "enroll")).ok(200)
    dates = {"startDate": "2025-07-07", "endDate": "2028-07-06"}
    (found,) = shown["benefits"]
    assert found["commitment"] == commitment(
        "COMMITTED", ("LICENSE", 12), ("CONSUMABLES", 2_500), **dates
    )
    assert await levels(world, customer) == ["12", "TC"]
    refuses(await world.three_year_commit(customer, "enroll"))


async def test_enrolling_for_more_than_is_held(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line(A, 10))).ok()
    more = [{"offerType": "LICENSE", "quantity": 50}]
    shown = (await world.three_year_commit(customer, "enroll", minimumQuantities=more)).ok(200)
    assert shown["benefits"][0]["commitmentRequest"]["status"] == "ACCEPTED"
    refuses(await world.three_year_commit(customer, "enroll"))
    extended = await world.customer(top={"cotermDate": "2027-12-31"})
    (await world.order(extended, line(A, 10))).ok()
    refuses(await world.three_year_commit(extended, "enroll"))


async def test_terms_of_a_commitment(world: World) -> None:
    customer = await commits(world, TEN)
    (await world.order(customer, line(A, 12))).ok()
    shown = (await edit(world, customer, startDate="2024-01-01", endDate="2026-12-31")).ok(200)
    dates = {"startDate": "2024-01-01", "endDate": "2026-12-31"}
    assert shown["benefits"][0]["commitment"] == commitment("COMMITTED", TEN, **dates)
    refuses(await edit(world, customer, endDate="2023-12-31"))
    fifty = [{"offerType": "LICENSE", "quantity": 50}]
    (await edit(world, customer, minimumQuantities=fifty)).ok(200)
    assert await levels(world, customer) == ["13", "T1"]
    (await edit(world, customer, status="NONCOMPLIANT")).ok(200)
    assert await levels(world, customer) == ["01", "T1"]
    (await edit(world, customer, status="COMMITTED")).ok(200)
    assert await levels(world, customer) == ["13", "T1"]
    (await edit(world, customer, status="INACTIVE")).ok(200)
    assert await levels(world, customer) == ["01", "T1"]
    (await edit(world, customer, status="COMMITTED")).ok(200)
    (await edit(world, customer, status="EXPIRED")).ok(200)
    assert (await benefit(world, customer))["commitment"]["status"] == "EXPIRED"
    assert await levels(world, customer) == ["01", "T1"]


async def test_terms_of_a_request(world: World) -> None:
    customer = await world.customer(top=commit(TEN))
    request = {"kind": "commitmentRequest"}
    refuses(await edit(world, customer, **request, status="ACCEPTED"))
    (await edit(world, customer, **request, status="EXPIRED")).ok(200)
    await world.at("2025-08-01T12:00:00Z")
    (await edit(world, customer, **request, status="REQUESTED")).ok(200)
    due = (await world.get("/sandbox/clock")).ok(200)["nextDue"]
    assert (due["at"], due["kind"]) == (
        "2025-08-09T00:00:00Z",
        "three_year_commit_request_expiry",
    )
    dates = {"startDate": "2025-08-01", "endDate": "2028-07-31"}
    shown = (await edit(world, customer, **request, **dates, status="ACCEPTED")).ok(200)
    assert shown["benefits"][0]["commitmentRequest"] == commitment("ACCEPTED", TEN, **dates)
    await world.at("2025-09-01T00:00:00Z")
    assert (await benefit(world, customer))["commitmentRequest"]["status"] == "NONCOMPLIANT"


async def test_discounts_vanish_with_the_last_active_seats(world: World) -> None:
    await world.set(quirks=["omit_discounts_without_active_subscriptions"])
    customer = await world.customer()
    path = f"/v3/customers/{customer}"
    read = await world.read_customer(customer)
    assert "discounts" not in read.body
    assert (await world.patch(path, read.body)).ok(200).body == read.body
    placed = (await world.order(customer, line(A, 12))).ok()
    assert await levels(world, customer) == ["02", "T1"]
    shown = (await world.patch(path, (await world.read_customer(customer)).body)).ok(200)
    assert len(shown["discounts"]) == 2
    (await world.give_back(customer, placed.body)).ok()
    shown = (await world.patch(f"/sandbox/customers/{customer}", {"tags": ["A"]})).ok(200)
    assert "discounts" not in shown.body
    await world.set(quirks=[])
    assert len((await world.read_customer(customer))["discounts"]) == 2


async def test_quirks_of_what_is_shown(world: World) -> None:
    customer = await commits(world, TEN)
    (await world.order(customer, line(A, 12))).ok()
    await world.set(quirks=["omit_consumables_discount_when_license_3yc"])
    read = await world.read_customer(customer)
    assert [one["offerType"] for one in read["discounts"]] == ["LICENSE"]
    (await world.patch(f"/v3/customers/{customer}", read.body)).ok(200)
    await world.set(quirks=["null_ended_commitments"])
    assert (await benefit(world, customer))["commitment"]["status"] == "COMMITTED"
    (await edit(world, customer, status="EXPIRED")).ok(200)
    assert await benefit(world, customer) == {
        "type": "THREE_YEAR_COMMIT",
        "commitment": None,
        "commitmentRequest": None,
        "recommitmentRequest": None,
    }
    read = await world.read_customer(customer)
    assert (await world.patch(f"/v3/customers/{customer}", read.body)).ok(200).body == read.body
    await world.set(quirks=[])
    assert (await benefit(world, customer))["commitment"]["status"] == "EXPIRED"
