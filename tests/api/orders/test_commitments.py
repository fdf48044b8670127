"""Orders of customers with a three-year commit: levels, locked prices, and what must stay."""

from decimal import Decimal
from typing import Any

import pytest

from tests.accounts import ask, benefit, commit, commits
from tests.conftest import MakeWorld
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A, FOLIO, PHOTON = "11073058CA01A12", "65304479CA01A12", "11083117CA01A12"
SIGN, ADD_ON, ORBIT = "65322435CAT1A12", "30005893CA01A12", "80004567EA01A12"
TEN, FIFTY = ("LICENSE", 10), ("LICENSE", 50)


async def committed(world: World, *minimums: tuple[str, int], offer_id: str = A) -> str:
    """A customer that holds what it has committed to."""
    customer = await commits(world, *minimums)
    offers = {"LICENSE": offer_id, "CONSUMABLES": SIGN}
    lines = [
        line(offers[name], quantity, number)
        for number, (name, quantity) in enumerate(minimums, start=1)
    ]
    (await world.order(customer, *lines)).ok()
    assert (await benefit(world, customer))["commitment"]["status"] == "COMMITTED"
    return customer


async def edit_terms(world: World, customer: str, **terms: Any) -> None:
    (await world.patch(f"/sandbox/customers/{customer}/three-year-commit", terms)).ok(200)


def offer_and_price(preview: Reply) -> tuple[str, Decimal]:
    (found,) = preview.ok()["lineItems"]
    return found["offerId"], Decimal(found["pricing"]["partnerPrice"])


@pytest.mark.proves("orders.md 35")
async def test_an_accepted_request_counts_for_the_order_that_reaches_it(world: World) -> None:
    customer = await commits(world, TEN)
    assert offer_and_price(await world.preview(customer, line(A, 12)))[0] == "11073058CA12A12"
    assert offer_and_price(await world.preview(customer, line(A, 9)))[0] == A
    refused = await world.order(customer, line("11073058CA12A12", 9))
    refused.refused(400, "2129", "Line Item: 1, Reason: INELIGIBLE_DISCOUNT_LEVEL")
    assert (await benefit(world, customer))["commitment"] is None
    (await world.order(customer, line("11073058CA12A12", 12))).ok()
    shown = await benefit(world, customer)
    assert (shown["commitment"]["status"], shown["commitmentRequest"]) == ("COMMITTED", None)


async def test_seats_already_held_count_towards_it(world: World) -> None:
    customer = await commits(world, FIFTY)
    (await world.order(customer, line(A, 45))).ok()
    found = await world.preview(customer, line(FOLIO, 5))
    # At least the rank of the minimum; the price of the acceptance day.
    assert offer_and_price(found) == ("65304479CA13A12", Decimal("229.56"))
    assert offer_and_price(await world.preview(customer, line(FOLIO, 4)))[0] == "65304479CA02A12"
    (await world.order(customer, line("65304479CA13A12", 5))).ok()
    assert (await benefit(world, customer))["commitment"]["status"] == "COMMITTED"
    assert (await world.read_customer(customer))["discounts"][0]["level"] == "13"


@pytest.mark.proves("orders.md 36", "2129")
async def test_without_a_commitment_its_levels_are_refused(world: World) -> None:
    customer = await world.customer()
    refused = await world.order(customer, line("11073058CA12A12", 10))
    refused.refused(400, "2129", "Line Item: 1, Reason: INELIGIBLE_DISCOUNT_LEVEL")
    found = await world.preview(customer, line("11073058CA12A12", 10))
    assert offer_and_price(found)[0] == "11073058CA02A12"


@pytest.mark.proves("catalog.md 19", "catalog.md 20")
@pytest.mark.parametrize(
    ("start", "price"),
    [("2023-06-01", "199.56"), ("2023-11-02", "214.08"), ("2026-01-15", "229.56")],
)
async def test_prices_are_locked_at_the_start_of_the_commitment(
    new_world: MakeWorld, start: str, price: str
) -> None:
    world = await new_world(clock={"now": "2026-02-10T12:00:00Z"})
    customer = await committed(world, FIFTY)
    await edit_terms(world, customer, startDate=start)
    found = await world.preview(customer, line(FOLIO, 5))
    assert offer_and_price(found) == ("65304479CA13A12", Decimal(price))
    found = await world.preview(customer, line(PHOTON, 5))
    assert offer_and_price(found) == ("11083117CA03A12", Decimal("365.00"))
    bought = (await world.order(customer, line("65304479CA13A12", 5))).ok()
    shown = await world.read_order(customer, bought["orderId"], **{"fetch-price": "true"})
    assert shown["lineItems"][0]["pricing"]["partnerPrice"] == Decimal(price)


async def test_a_raise_keeps_the_lock(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2025-03-15T12:00:00Z"})
    customer = await committed(world, FIFTY)
    await world.at("2025-05-01T12:00:00Z")
    locked = ("65304479CA13A12", Decimal("214.08"))
    assert offer_and_price(await world.preview(customer, line(FOLIO, 5))) == locked
    (await ask(world, customer, commit(("LICENSE", 60)))).ok(200)
    (await world.three_year_commit(customer, "accept")).ok(200)
    (await world.order(customer, line(A, 10))).ok()
    shown = await benefit(world, customer)
    assert shown["commitment"]["minimumQuantities"] == [{"offerType": "LICENSE", "quantity": 60}]
    assert shown["commitment"]["startDate"] == "2025-03-15"
    assert offer_and_price(await world.preview(customer, line(FOLIO, 5))) == locked


@pytest.mark.proves("orders.md 60", "2127")
async def test_a_return_leaves_what_is_committed(world: World) -> None:
    customer = await commits(world, TEN)
    placed = (await world.order(customer, line(A, 6, 1), line(FOLIO, 6, 2))).ok()
    assert (await benefit(world, customer))["commitment"]["status"] == "COMMITTED"
    reason = "Reason: THREE_YEAR_COMMIT"
    refused = await world.give_back(customer, placed, 1)
    refused.refused(400, "2127", f"Line Item: 1, {reason}")
    both = await world.give_back(customer, placed)
    both.refused(400, "2127", f"Line Item: 1, {reason}", f"Line Item: 2, {reason}")
    (await world.order(customer, line(A, 4))).ok()
    (await world.give_back(customer, placed, 1)).ok()
    assert (await benefit(world, customer))["commitment"]["status"] == "COMMITTED"


@pytest.mark.proves("2127")
async def test_returns_in_flight_count_towards_the_floor(world: World) -> None:
    customer = await commits(world, ("LICENSE", 14))
    (await world.order(customer, line(A, 12))).ok()
    first = (await world.order(customer, line(A, 3))).ok()
    second = (await world.order(customer, line(FOLIO, 2))).ok()
    await world.settlement("manual")
    (await world.give_back(customer, first)).ok()
    refused = await world.give_back(customer, second)
    refused.refused(400, "2127", "Line Item: 1, Reason: THREE_YEAR_COMMIT")
    await world.settle()
    refused = await world.give_back(customer, second)
    refused.refused(400, "2127", "Line Item: 1, Reason: THREE_YEAR_COMMIT")


async def test_the_floor_is_for_what_counts_towards_the_commitment(world: World) -> None:
    customer = await committed(world, TEN, ("CONSUMABLES", 1_000), offer_id=FOLIO)
    placed = (
        await world.order(customer, line(ADD_ON, 5, 1), line(SIGN, 500, 2), line(FOLIO, 1, 3))
    ).ok()
    (await world.give_back(customer, placed, 1)).ok()
    (await world.give_back(customer, placed, 2)).ok()
    (await world.give_back(customer, placed, 3)).ok()
    few = (await world.order(customer, line(SIGN, 1), line(FOLIO, 1, 2))).ok()
    (await world.give_back(customer, few)).ok()


async def test_only_the_lines_that_break_the_floor_are_named(world: World) -> None:
    customer = await commits(world, TEN)
    placed = (await world.order(customer, line(FOLIO, 10, 4), line(SIGN, 50, 5))).ok()
    refused = await world.give_back(customer, placed)
    refused.refused(400, "2127", "Line Item: 4, Reason: THREE_YEAR_COMMIT")


async def test_relaxed_worlds_have_no_floor(world: World) -> None:
    customer = await commits(world, TEN)
    placed = (await world.order(customer, line(A, 10))).ok()
    await world.set(flags={"relaxed_3yc": True})
    (await world.give_back(customer, placed)).ok()
    assert (await benefit(world, customer))["commitment"]["status"] == "COMMITTED"


async def test_a_request_is_no_floor_yet(world: World) -> None:
    customer = await commits(world, TEN)
    placed = (await world.order(customer, line(A, 6))).ok()
    (await world.give_back(customer, placed)).ok()
    assert (await benefit(world, customer))["commitmentRequest"]["status"] == "ACCEPTED"


@pytest.mark.proves("orders.md 50", "catalog.md 28", "2166", "2141")
async def test_codes_for_committed_customers(world: World) -> None:
    coded = line(FOLIO, 5, flexDiscountCodes=["EXISTING3YC_YEAR_50PLUS"])
    customer = await world.customer()
    await world.at("2026-02-10T12:00:00Z")
    (await world.order(customer, coded)).refused(400, "2166", "Line Item: 1")
    (await world.preview(customer, coded)).refused(400, "2166", "Line Item: 1")
    (await ask(world, customer, commit(FIFTY))).ok(200)
    reason = "Line Item: 1, Reason: INELIGIBLE_COMMITMENT_STATUS"
    (await world.order(customer, coded)).refused(400, "2141", reason)
    (await world.three_year_commit(customer, "decline")).ok(200)
    (await world.order(customer, coded)).refused(400, "2141", reason)


async def test_an_edu_customer_commits_at_plain_levels(world: World) -> None:
    customer = await commits(world, FIFTY, marketSegment="EDU")
    (await world.order(customer, line("30001760CB01A12", 50))).ok()
    read = await world.read_customer(customer)
    assert read["benefits"][0]["commitment"]["status"] == "COMMITTED"
    assert read["discounts"][0]["level"] == "03"
