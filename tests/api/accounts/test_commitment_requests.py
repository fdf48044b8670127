"""Asking for a three-year commit: what a request may hold, and what refuses it."""

from typing import Any

import pytest

from tests.accounts import (
    Body,
    ask,
    benefit,
    changed,
    commit,
    commitment,
    commits,
    customer_body,
    quantities,
)
from tests.conftest import MakeWorld
from tests.harness import World, line

pytestmark = pytest.mark.anyio

A = "11073058CA01A12"
LICENSES, TRANSACTIONS = ("LICENSE", 10), ("CONSUMABLES", 1_000)
PATH = "benefits[0].commitmentRequest"


@pytest.mark.proves("accounts.md 30", "1135")
async def test_minimums_out_of_range(world: World) -> None:
    reseller_id = await world.reseller()
    customer = await world.customer(reseller_id)

    async def refused(details: list[str], *minimums: tuple[str, int]) -> None:
        body = customer_body(reseller_id, top=commit(*minimums))
        (await world.post("/v3/customers", body)).refused(400, "1135", *details)
        (await ask(world, customer, commit(*minimums))).refused(400, "1135", *details)

    await refused(["LICENSE", "CONSUMABLES"], ("LICENSE", 9), ("CONSUMABLES", 999))
    await refused(["CONSUMABLES", "LICENSE"], ("CONSUMABLES", 1_000_000), ("LICENSE", 0))
    await refused(["LICENSE"], ("LICENSE", -1), ("CONSUMABLES", 999_999))
    await refused(["LICENSE"], ("LICENSE", 10**30))
    await refused([])
    for minimums in ([LICENSES], [TRANSACTIONS], [("LICENSE", 999_999), ("CONSUMABLES", 999_999)]):
        body = customer_body(reseller_id, top=commit(*minimums))
        (await world.post("/v3/customers", body)).ok()
    assert (await world.read_customer(customer))["benefits"] == []


FAULTS: dict[str, tuple[Body, str, list[str]]] = {
    "unknown benefit": ({"benefits": [{"type": "FREE_LUNCH"}]}, "1117", ["benefits[0].type"]),
    "no type": ({"benefits": [{}]}, "1122", ["benefits[0].type"]),
    "no request": (
        {"benefits": [{"type": "THREE_YEAR_COMMIT"}]},
        "1122",
        [PATH],
    ),
    "no minimums": (
        {"benefits": [{"type": "THREE_YEAR_COMMIT", "commitmentRequest": {}}]},
        "1122",
        [f"{PATH}.minimumQuantities"],
    ),
    "minimums without parts": (
        {
            "benefits": [
                {"type": "THREE_YEAR_COMMIT", "commitmentRequest": {"minimumQuantities": [{}]}}
            ]
        },
        "1122",
        [f"{PATH}.minimumQuantities[0].offerType", f"{PATH}.minimumQuantities[0].quantity"],
    ),
    "unknown offerType": (
        commit(("SEATS", 10)),
        "1117",
        [f"{PATH}.minimumQuantities[0].offerType"],
    ),
    "repeated offerType": (
        commit(("LICENSE", 10), ("CONSUMABLES", 1_000), ("LICENSE", 20)),
        "1117",
        [f"{PATH}.minimumQuantities[2].offerType"],
    ),
    "quantity of another type": (
        commit(("LICENSE", "10"), ("CONSUMABLES", True)),
        "1117",
        [f"{PATH}.minimumQuantities[0].quantity", f"{PATH}.minimumQuantities[1].quantity"],
    ),
    "dates and status": (
        commit(LICENSES, startDate="2025-07-07", endDate="2028-07-06", status="COMMITTED"),
        "1117",
        [f"{PATH}.startDate", f"{PATH}.endDate", f"{PATH}.status"],
    ),
    "both kinds": (
        {
            "benefits": [
                {
                    "type": "THREE_YEAR_COMMIT",
                    "recommitmentRequest": {"minimumQuantities": []},
                    "commitmentRequest": {"minimumQuantities": []},
                }
            ]
        },
        "1117",
        ["benefits[0].recommitmentRequest", "benefits[0].commitmentRequest"],
    ),
    "a recommitment to nothing": (
        commit(LICENSES, kind="recommitmentRequest"),
        "1117",
        ["benefits[0].recommitmentRequest"],
    ),
    "a second entry": (
        {"benefits": commit(LICENSES)["benefits"] * 2},
        "1117",
        ["benefits[1].type"],
    ),
    "unknown names": (
        {**commit(LICENSES, until="ever"), "foo": 1},
        "1121",
        [f"{PATH}.until", "foo"],
    ),
    "no object": (
        {"benefits": [{"type": "THREE_YEAR_COMMIT", "commitmentRequest": 5}]},
        "1117",
        [PATH],
    ),
}


@pytest.mark.proves("1117", "1121", "1122")
@pytest.mark.parametrize(("top", "code", "details"), FAULTS.values(), ids=FAULTS)
async def test_faults_of_a_request(world: World, top: Body, code: str, details: list[str]) -> None:
    reseller_id = await world.reseller()
    answer = await world.post("/v3/customers", customer_body(reseller_id, top=top))
    answer.refused(400, code, *details)
    customer = await world.customer(reseller_id)
    (await ask(world, customer, top)).refused(400, code, *details)


async def test_faults_come_in_the_order_of_every_body(world: World) -> None:
    customer = await world.customer()
    read = await world.read_customer(customer)
    small = commit(("LICENSE", 1))
    wrong = {**changed(read, companyName="Another"), **small}
    path = f"/v3/customers/{customer}"
    (await world.patch(path, wrong)).refused(400, "1119", "companyProfile.companyName")
    body = {**changed(read, preferredLanguage="xx"), **commit(("SEATS", 1))}
    (await world.patch(path, body)).refused(
        400, "1117", "companyProfile.preferredLanguage",
        f"{PATH}.minimumQuantities[0].offerType",
    )  # fmt: skip
    await world.set(globalSalesEnabled=False)
    (await ask(world, customer, small, globalSalesEnabled=True)).refused(400, "1139")
    taken = customer_body(read["resellerId"], top=small)
    taken["companyProfile"] = read["companyProfile"]
    del taken["companyProfile"]["marketSubSegments"]
    (await world.post("/v3/customers", taken)).refused(400, "1135", "LICENSE")
    (await world.post("/v3/customers", {**taken, **commit(LICENSES)})).refused(400, "1127")


@pytest.mark.proves("1147", "accounts.md 39")
async def test_programs_that_exclude_a_commitment(world: World) -> None:
    agency = {"type": "LARGE_GOVERNMENT_AGENCY"}
    sentence = "3YC Customer not allowed for Large Government Agency"
    both = {"benefits": [agency, *commit(("LICENSE", 1))["benefits"]]}
    body = customer_body(await world.reseller(), top=both)
    (await world.post("/v3/customers", body)).refused(400, "1147", sentence)
    customer = await world.customer(top=commit(LICENSES))
    (await ask(world, customer, {"benefits": [agency]})).refused(400, "1147", sentence)
    linked = {"linkedMembership": {"type": "STANDARD", "name": "Group"}}
    sentence = "3YC Customer not allowed for Linked Membership"
    (await ask(world, customer, linked)).refused(400, "1147", sentence)
    other = await world.customer()
    (await ask(world, other, commit(LICENSES), **linked)).refused(400, "1147", sentence)
    (await world.three_year_commit(customer, "accept")).ok(200)
    (await world.order(customer, line(A, 10))).ok()
    assert (await benefit(world, customer))["commitment"]["status"] == "COMMITTED"
    (await ask(world, customer, linked)).refused(400, "1147", sentence)


async def test_a_request_as_it_is_answered(world: World) -> None:
    body = customer_body(await world.reseller(), top=commit(("LICENSE", 50)))
    made = (await world.post("/v3/customers", body)).ok()
    (shown,) = made["benefits"]
    assert list(shown) == ["type", "commitment", "commitmentRequest", "recommitmentRequest"]
    assert shown == {
        "type": "THREE_YEAR_COMMIT",
        "commitment": None,
        "commitmentRequest": commitment("REQUESTED", ("LICENSE", 50)),
        "recommitmentRequest": None,
    }
    assert await benefit(world, made["customerId"]) == shown
    # Another one takes its place.
    changed_request = (await ask(world, made["customerId"], commit(TRANSACTIONS))).ok(200)
    (shown,) = changed_request["benefits"]
    assert shown["commitmentRequest"] == commitment("REQUESTED", TRANSACTIONS)
    assert await benefit(world, made["customerId"]) == shown


async def test_what_was_read_may_be_sent_back(world: World) -> None:
    customer = await commits(world, LICENSES, TRANSACTIONS)
    (await world.order(customer, line(A, 12))).ok()
    read = await world.read_customer(customer)
    path = f"/v3/customers/{customer}"
    assert (await world.patch(path, read.body)).ok(200)["benefits"] == read["benefits"]
    nothing: tuple[Any, ...] = (None, [])
    for sent in nothing:
        answer = (await ask(world, customer, {"benefits": sent})).ok(200)
        assert answer["benefits"] == read["benefits"]
    (shown,) = read["benefits"]
    other = {**shown, "commitment": {**shown["commitment"], "endDate": "2099-01-01"}}
    (await ask(world, customer, {"benefits": [other]})).refused(
        400, "1119", "benefits[0].commitment"
    )
    # Known parts beside a new request ask for nothing.
    wanted = {"minimumQuantities": quantities(("LICENSE", 20))}
    more = {**shown, "commitmentRequest": wanted}
    answer = (await ask(world, customer, {"benefits": [more]})).ok(200)
    assert answer["benefits"][0]["commitmentRequest"] == commitment("REQUESTED", ("LICENSE", 20))
    assert answer["benefits"][0]["commitment"] == shown["commitment"]


@pytest.mark.proves("1121")
async def test_a_new_customer_has_no_commitment_to_send(world: World) -> None:
    (entry,) = commit(LICENSES)["benefits"]
    reseller_id = await world.reseller()
    held = {**entry, "commitment": commitment("COMMITTED", LICENSES)}
    body = customer_body(reseller_id, top={"benefits": [held]})
    (await world.post("/v3/customers", body)).refused(400, "1121", "benefits[0].commitment")
    empty = {**entry, "commitment": None, "recommitmentRequest": None}
    body = customer_body(reseller_id, top={"benefits": [empty]})
    (await world.post("/v3/customers", body)).ok()


@pytest.mark.proves("accounts.md 22", "1117")
async def test_an_extended_term_goes_without_a_commitment(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2025-07-07T12:00:00Z"})
    reseller_id = await world.reseller()
    extended: Body = {"cotermDate": "2027-12-31"}
    body = customer_body(reseller_id, top={**extended, **commit(LICENSES)})
    (await world.post("/v3/customers", body)).refused(400, "1117", "cotermDate")
    customer = await world.customer(reseller_id, top=extended)
    (await ask(world, customer, commit(LICENSES))).refused(400, "1117", PATH)


@pytest.mark.proves("1117", "1135")
async def test_a_commitment_is_only_raised(world: World) -> None:
    customer = await commits(world, LICENSES, TRANSACTIONS)
    (await world.order(customer, line(A, 30), line("65322435CAT1A12", 1_000, 2))).ok()
    before = (await benefit(world, customer))["commitment"]
    (await ask(world, customer, commit(("LICENSE", 20)))).refused(
        400, "1117", f"{PATH}.minimumQuantities"
    )
    (await ask(world, customer, commit(("LICENSE", 20), ("CONSUMABLES", 999)))).refused(
        400, "1135", "CONSUMABLES"
    )
    await world.at("2025-09-01T00:00:00Z")
    (await ask(world, customer, commit(("LICENSE", 25), TRANSACTIONS))).ok(200)
    await world.three_year_commit(customer, "accept")
    after = (await benefit(world, customer))["commitment"]
    assert after == {**before, "minimumQuantities": quantities(("LICENSE", 25), TRANSACTIONS)}
    (await ask(world, customer, commit(("LICENSE", 24), TRANSACTIONS))).refused(
        400, "1135", "LICENSE"
    )


@pytest.mark.proves("1117")
async def test_one_kind_of_request_at_a_time(world: World) -> None:
    customer = await commits(world, LICENSES)
    (await world.order(customer, line(A, 12))).ok()
    again = commit(LICENSES, kind="recommitmentRequest")
    (await ask(world, customer, commit(("LICENSE", 20)))).ok(200)
    (await ask(world, customer, again)).refused(400, "1117", "benefits[0].recommitmentRequest")
    (await world.three_year_commit(customer, "decline")).ok(200)
    (await ask(world, customer, again)).ok(200)
    (await ask(world, customer, commit(("LICENSE", 20)))).refused(400, "1117", PATH)
    shown = (await world.three_year_commit(customer, "accept", kind="recommitmentRequest")).ok(200)
    dates = {"startDate": "2028-07-07", "endDate": "2031-07-06"}
    expected = commitment("ACCEPTED", LICENSES, **dates)
    assert shown["benefits"][0]["recommitmentRequest"] == expected
    (await ask(world, customer, commit(("LICENSE", 20)))).refused(400, "1117", PATH)
    assert (await benefit(world, customer))["commitment"]["endDate"] == "2028-07-06"
