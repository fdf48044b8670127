"""The life of a three-year commit: answered, reached, missed."""

import pytest

from tests.accounts import ask, benefit, commit, commitment, commits
from tests.conftest import MakeWorld
from tests.harness import World, line

pytestmark = pytest.mark.anyio

A, SIGN = "11073058CA01A12", "65322435CAT1A12"
LICENSES, TRANSACTIONS = ("LICENSE", 10), ("CONSUMABLES", 1_000)


@pytest.mark.proves("accounts.md 31", "sandbox.md 12")
async def test_a_request_is_open_for_seven_days(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2025-07-07T18:00:00Z"})
    forgotten, declined = [await world.customer(top=commit(("LICENSE", 50))) for _ in range(2)]
    due = (await world.get("/sandbox/clock")).ok(200)["nextDue"]
    assert due["at"] == "2025-07-15T00:00:00Z"
    assert due["kind"] == "three_year_commit_request_expiry"
    await world.at("2025-07-10T00:00:00Z")
    shown = (await world.three_year_commit(declined, "decline")).ok(200)
    assert shown["benefits"][0]["commitmentRequest"] == commitment("DECLINED", ("LICENSE", 50))
    await world.at("2025-07-14T23:59:59Z")
    assert (await benefit(world, forgotten))["commitmentRequest"]["status"] == "REQUESTED"
    await world.at("2025-07-15T00:00:00Z")
    assert (await benefit(world, forgotten))["commitmentRequest"] == commitment(
        "EXPIRED", ("LICENSE", 50)
    )
    assert (await benefit(world, declined))["commitmentRequest"]["status"] == "DECLINED"
    for customer in (forgotten, declined):
        answer = await world.three_year_commit(customer, "accept")
        assert (answer.status, answer.code) == (409, "409")
    await world.is_sound()


@pytest.mark.proves("sandbox.md 12")
async def test_relaxed_requests_never_expire(world: World) -> None:
    await world.set(flags={"relaxed_3yc": True})
    customer = await world.customer(top=commit(("LICENSE", 50)))
    await world.at("2026-07-07T00:00:00Z")
    assert (await benefit(world, customer))["commitmentRequest"]["status"] == "REQUESTED"
    (await world.three_year_commit(customer, "accept")).ok(200)
    await world.at("2026-12-31T00:00:00Z")
    assert (await benefit(world, customer))["commitmentRequest"]["status"] == "ACCEPTED"


async def test_the_time_to_answer_is_a_setting(world: World) -> None:
    await world.set(flags={"three_yc_request_ttl_days": 1, "three_yc_compliance_days": 2})
    asked = await world.customer(top=commit(LICENSES))
    accepted = await commits(world, LICENSES)
    await world.at("2025-07-09T00:00:00Z")
    assert (await benefit(world, asked))["commitmentRequest"]["status"] == "EXPIRED"
    assert (await benefit(world, accepted))["commitmentRequest"]["status"] == "ACCEPTED"
    await world.at("2025-07-10T00:00:00Z")
    assert (await benefit(world, accepted))["commitmentRequest"]["status"] == "NONCOMPLIANT"


async def test_the_time_to_answer_begins_with_the_active_customer(world: World) -> None:
    await world.settlement("manual")
    customer = await world.customer(top=commit(LICENSES))
    answer = await world.three_year_commit(customer, "accept")
    assert (answer.status, answer.code) == (409, "409")
    await world.at("2025-08-01T00:00:00Z")
    await world.settle()
    assert (await benefit(world, customer))["commitmentRequest"]["status"] == "REQUESTED"
    await world.at("2025-08-08T23:59:59Z")
    assert (await benefit(world, customer))["commitmentRequest"]["status"] == "REQUESTED"
    await world.at("2025-08-09T00:00:00Z")
    assert (await benefit(world, customer))["commitmentRequest"]["status"] == "EXPIRED"


@pytest.mark.proves("accounts.md 32", "accounts.md 33")
async def test_a_first_commitment_sets_the_anniversary(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2024-06-08T12:00:00Z"})
    customer = await commits(world, LICENSES, now="2024-06-10T12:00:00Z")
    dates = {"startDate": "2024-06-10", "endDate": "2027-06-09"}
    read = await world.read_customer(customer)
    assert read["cotermDate"] == "2025-06-10"
    assert read["discounts"][0] == {"offerType": "LICENSE", "level": "01"}
    (shown,) = read["benefits"]
    assert list(shown["commitmentRequest"]) == [
        "startDate", "endDate", "status", "minimumQuantities",
    ]  # fmt: skip
    assert shown["commitmentRequest"] == commitment("ACCEPTED", LICENSES, **dates)
    await world.at("2024-06-20T12:00:00Z")
    preview = (await world.preview(customer, line(A, 12))).ok()
    assert preview["lineItems"][0]["offerId"] == "11073058CA12A12"
    assert preview["lineItems"][0]["proratedDays"] == 355
    (await world.order(customer, line("11073058CA12A12", 12))).ok()
    read = await world.read_customer(customer)
    assert read["benefits"] == [
        {
            "type": "THREE_YEAR_COMMIT",
            "commitment": commitment("COMMITTED", LICENSES, **dates),
            "commitmentRequest": None,
            "recommitmentRequest": None,
        }
    ]
    assert read["discounts"][0]["level"] == "12"
    assert read["cotermDate"] == "2025-06-10"
    (seats,) = await world.seats(customer)
    assert seats["renewalDate"] == "2025-06-10"
    await world.is_sound()


@pytest.mark.proves("accounts.md 34")
async def test_an_unreached_minimum_becomes_noncompliant(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2024-06-10T12:00:00Z"})
    customer = await commits(world, ("LICENSE", 50))
    (await world.order(customer, line(A, 20))).ok()
    await world.at("2024-07-10T23:59:59Z")
    assert (await benefit(world, customer))["commitmentRequest"]["status"] == "ACCEPTED"
    await world.at("2024-07-11T00:00:00Z")
    read = await world.read_customer(customer)
    shown = read["benefits"][0]["commitmentRequest"]
    assert (shown["status"], shown["endDate"]) == ("NONCOMPLIANT", "2027-06-09")
    assert read["discounts"][0]["level"] == "02"
    (await world.order(customer, line(A, 40))).ok()
    assert (await benefit(world, customer))["commitment"] is None
    await world.is_sound()


@pytest.mark.proves("accounts.md 35")
@pytest.mark.parametrize(
    ("on", "end"), [("2024-05-14", "2027-04-11"), ("2025-03-20", "2028-04-11")]
)
async def test_a_minimum_already_held(new_world: MakeWorld, on: str, end: str) -> None:
    world = await new_world(clock={"now": "2024-04-12T18:00:00Z"})
    customer = await world.customer()
    (await world.order(customer, line(A, 60))).ok()
    await world.at(f"{on}T12:00:00Z")
    (await ask(world, customer, commit(("LICENSE", 50)))).ok(200)
    shown = (await world.three_year_commit(customer, "accept")).ok(200)
    dates = {"startDate": on, "endDate": end}
    assert shown["benefits"][0]["commitment"] == commitment("COMMITTED", ("LICENSE", 50), **dates)
    assert shown["benefits"][0]["commitmentRequest"] is None
    assert shown["discounts"][0]["level"] == "13"
    assert shown["cotermDate"] == "2025-04-12"
    await world.is_sound()


@pytest.mark.proves("accounts.md 36")
async def test_offer_types_are_reached_one_by_one(world: World) -> None:
    customer = await commits(world, ("LICENSE", 100), TRANSACTIONS)
    (await world.order(customer, line(SIGN, 1_000))).ok()
    read = await world.read_customer(customer)
    dates = {"startDate": "2025-07-07", "endDate": "2028-07-06"}
    (shown,) = read["benefits"]
    assert shown["commitment"] == commitment("COMMITTED", TRANSACTIONS, **dates)
    assert shown["commitmentRequest"] == commitment("ACCEPTED", ("LICENSE", 100), **dates)
    assert [one["level"] for one in read["discounts"]] == ["01", "TB"]
