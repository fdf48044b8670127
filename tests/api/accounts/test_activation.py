"""What becomes of accounts: validation, waiting orders, anniversary, levels (accounts.md 5-7)."""

from typing import Any

import pytest

from tests.accounts import changed, customer_body, moved, read_reseller, reseller_body
from tests.conftest import MakeWorld
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

FOLIO, ALL_APPS, SIGN = "65304479CA01A12", "11073058CA01A12", "65322435CAT1A12"


async def edit(world: World, customer: str, status: str) -> Reply:
    """Set a customer's status by the control API."""
    return (await world.patch(f"/sandbox/customers/{customer}", {"status": status})).ok(200)


async def statuses(world: World, customer: str, *orders: Reply) -> list[list[str]]:
    """Of every order: its status, then those of its lines."""
    found = []
    for one in orders:
        read = await world.read_order(customer, one["orderId"])
        found.append([read["status"], *(sold["status"] for sold in read["lineItems"])])
    return found


async def levels(world: World, customer: str) -> tuple[str, str]:
    """The levels of licences and consumables."""
    licence, consumables = (await world.read_customer(customer))["discounts"]
    assert (licence["offerType"], consumables["offerType"]) == ("LICENSE", "CONSUMABLES")
    return licence["level"], consumables["level"]


@pytest.mark.proves("accounts.md 17")
async def test_orders_wait_for_their_customer(world: World) -> None:
    await world.settlement("manual")
    customer = await world.customer()
    first = (await world.order(customer, line(FOLIO, 3))).ok()
    assert first["status"] == "1002"
    second = (await world.order(customer, line(FOLIO, 4), line(ALL_APPS, 1, 2))).ok()
    assert (await world.settle(kinds=["order"]))["settled"] == []
    assert await statuses(world, customer, first, second) == [
        ["1002", "1002"], ["1002", "1002", "1002"],
    ]  # fmt: skip
    assert (await world.read_customer(customer))["cotermDate"] == ""
    assert await world.seats(customer) == []

    await world.settle()
    assert await statuses(world, customer, first, second) == [
        ["1000", "1000"], ["1000", "1000", "1000"],
    ]  # fmt: skip
    read = await world.read_customer(customer)
    assert (read["status"], read["cotermDate"]) == ("1000", "2026-07-07")
    assert [one["currentQuantity"] for one in await world.seats(customer)] in ([7, 1], [1, 7])


async def test_waiting_orders_follow_an_edit_of_their_customer(world: World) -> None:
    reseller = await world.reseller()
    await world.settlement("manual")
    customer = await world.customer(reseller)
    placed = (await world.order(customer, line(FOLIO, 3))).ok()
    await edit(world, customer, "1000")
    await world.settle()
    assert await statuses(world, customer, placed) == [["1000", "1000"]]


@pytest.mark.proves("accounts.md 18")
@pytest.mark.parametrize("status", ["1004", "1010", "1012", "1014"])
async def test_waiting_orders_fail_with_their_customer(world: World, status: str) -> None:
    reseller = await world.reseller()
    await world.settlement("manual")
    customer = await world.customer(reseller)
    first = (await world.order(customer, line(FOLIO, 3))).ok()
    second = (await world.order(customer, line(FOLIO, 1), line(ALL_APPS, 1, 2))).ok()
    await edit(world, customer, status)
    assert await statuses(world, customer, first, second) == [
        ["1024", "1024"], ["1024", "1024", "1024"],
    ]  # fmt: skip
    read = await world.read_customer(customer)
    assert (read["status"], read["cotermDate"]) == (status, "")
    assert await world.seats(customer) == []


@pytest.mark.parametrize("status", ["1010", "1012", "1014"])
async def test_a_failing_validation_takes_the_orders_with_it(world: World, status: str) -> None:
    reseller = await world.reseller()
    await world.settlement("manual")
    fault = {
        "match": {"method": "POST", "path": "/v3/customers"},
        "effect": {"type": "account_fails", "status": status},
    }
    (await world.post("/sandbox/faults", fault)).ok(201)
    customer = await world.customer(reseller)
    placed = (await world.order(customer, line(FOLIO, 3))).ok()
    assert (await world.read_customer(customer))["status"] == "1002"
    await world.settle()
    assert (await world.read_customer(customer))["status"] == status
    assert await statuses(world, customer, placed) == [["1024", "1024"]]


@pytest.mark.parametrize("status", ["1004", "1010", "1012", "1014"])
async def test_orders_of_an_inactive_customer_fail(world: World, status: str) -> None:
    customer = await world.customer()
    await edit(world, customer, status)
    placed = (await world.order(customer, line(FOLIO, 3))).ok()
    assert placed["status"] == "1002"
    assert await statuses(world, customer, placed) == [["1024", "1024"]]
    if status in ("1004", "1012"):
        await edit(world, customer, "1000")
        placed = (await world.order(customer, line(FOLIO, 3))).ok()
        assert await statuses(world, customer, placed) == [["1000", "1000"]]


@pytest.mark.parametrize("status", ["1004", "1010", "1012"])
async def test_orders_below_an_inactive_reseller_fail(world: World, status: str) -> None:
    reseller = await world.reseller()
    customer = await world.customer(reseller)
    path = f"/sandbox/resellers/{reseller}"
    (await world.patch(path, {"status": status})).ok(200)
    placed = (await world.order(customer, line(FOLIO, 3))).ok()
    assert await statuses(world, customer, placed) == [["1022", "1022"]]
    (await world.patch(path, {"status": "1000"})).ok(200)
    placed = (await world.order(customer, line(FOLIO, 3))).ok()
    assert await statuses(world, customer, placed) == [["1000", "1000"]]


async def test_of_two_waiting_namesakes_the_later_is_the_duplicate(world: World) -> None:
    resellers = [await world.reseller(), await world.reseller()]
    await world.settlement("manual")
    body = customer_body(resellers[0])
    first = (await world.post("/v3/customers", body)).ok()["customerId"]
    second = (
        await world.post("/v3/customers", {**body, "resellerId": resellers[1]})
    ).ok()["customerId"]  # fmt: skip
    placed = (await world.order(second, line(FOLIO))).ok()
    await world.settle()
    assert (await world.read_customer(first))["status"] == "1000"
    assert (await world.read_customer(second))["status"] == "1014"
    assert await statuses(world, second, placed) == [["1024", "1024"]]


async def test_a_corrected_address_is_validated_again(world: World) -> None:
    customer = await world.customer()
    await edit(world, customer, "1010")
    path = f"/v3/customers/{customer}"
    read = await world.read_customer(customer)
    same = (await world.patch(path, changed(read, preferredLanguage="fr-CA"))).ok(200)
    assert same["status"] == "1010"
    await world.settlement("manual")
    answer = (await world.patch(path, moved(read, city="Fresno", postalCode="93650"))).ok(200)
    assert answer["status"] == "1002"
    placed = (await world.order(customer, line(FOLIO))).ok()
    (await world.patch(path, moved(read, city="San Jose"))).refused(400, "1125")
    await world.settle()
    assert (await world.read_customer(customer))["status"] == "1000"
    assert await statuses(world, customer, placed) == [["1000", "1000"]]
    # At once where settlement is immediate.
    await world.settlement("immediate")
    await edit(world, customer, "1010")
    assert (await world.patch(path, moved(read, city="San Jose"))).ok(200)["status"] == "1002"
    assert (await world.read_customer(customer))["status"] == "1000"


async def test_a_corrected_address_of_a_reseller_is_validated_again(world: World) -> None:
    reseller = await world.reseller()
    (await world.patch(f"/sandbox/resellers/{reseller}", {"status": "1010"})).ok(200)
    read = await read_reseller(world, reseller)
    body = moved(read, city="Fresno", postalCode="93650")
    answer = (await world.patch(f"/v3/resellers/{reseller}", body)).ok(200)
    assert answer["status"] == "1002"
    assert (await read_reseller(world, reseller))["status"] == "1000"


async def test_accounts_settle_in_their_own_time(world: World) -> None:
    await world.settlement("delay", delaySeconds=60)
    made = (await world.post("/v3/resellers", reseller_body(world))).ok()
    customer = await world.customer(made["resellerId"])
    await world.at("2025-07-07T18:00:59Z")
    assert (await world.read_customer(customer))["status"] == "1002"
    await world.at("2025-07-07T18:01:00Z")
    assert (await world.read_customer(customer))["status"] == "1000"
    assert (await read_reseller(world, made["resellerId"]))["status"] == "1000"


@pytest.mark.proves("accounts.md 21")
@pytest.mark.parametrize(
    ("now", "anniversary"),
    [("2025-07-07T18:00:00Z", "2026-07-07"), ("2024-02-29T12:00:00Z", "2025-02-28")],
)
async def test_the_first_completed_order_sets_the_anniversary(
    new_world: MakeWorld, now: str, anniversary: str
) -> None:
    world = await new_world(clock={"now": now})
    customer = await world.customer()
    (await world.order(customer, line(FOLIO))).ok()
    assert (await world.read_customer(customer))["cotermDate"] == anniversary
    await world.post("/sandbox/clock/advance", {"days": 40})
    (await world.order(customer, line(ALL_APPS))).ok()
    assert (await world.read_customer(customer))["cotermDate"] == anniversary
    assert {one["renewalDate"] for one in await world.seats(customer)} == {anniversary}


async def test_the_day_of_completion_counts_not_that_of_the_order(world: World) -> None:
    customer = await world.customer()
    await world.settlement("manual")
    (await world.order(customer, line(FOLIO))).ok()
    await world.at("2025-07-09T00:00:00Z")
    await world.settle()
    assert (await world.read_customer(customer))["cotermDate"] == "2026-07-09"


async def test_an_extended_term_stays_as_it_was_given(world: World) -> None:
    customer = await world.customer(top={"cotermDate": "2027-01-31"})
    (await world.order(customer, line(FOLIO))).ok()
    assert (await world.read_customer(customer))["cotermDate"] == "2027-01-31"
    (seats,) = await world.seats(customer)
    assert seats["renewalDate"] == "2027-01-31"


@pytest.mark.proves("accounts.md 23")
async def test_a_level_is_earned_by_one_order(world: World) -> None:
    reseller = await world.reseller()
    steps: list[tuple[list[dict[str, Any]], str]] = [
        ([line(FOLIO, 6)], "01"),
        ([line(FOLIO, 6)], "01"),
        ([line("65304479CA02A12", 10)], "02"),
        ([line("65304479CA03A12", 30), line("11073058CA03A12", 25, 2)], "03"),
        ([line("65304479CA03A12", 1)], "03"),
    ]
    customer = await world.customer(reseller)
    for lines, level in steps:
        (await world.order(customer, *lines)).ok()
        assert await levels(world, customer) == (level, "T1")


@pytest.mark.proves("accounts.md 24")
async def test_a_level_survives_its_return(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, line("65304479CA04A12", 100))).ok()
    assert await levels(world, customer) == ("04", "T1")
    (await world.give_back(customer, placed)).ok()
    (await world.order(customer, line("65304479CA04A12", 8))).ok()
    assert await levels(world, customer) == ("04", "T1")
    assert (await world.read_customer(customer))["cotermDate"] == "2026-07-07"


@pytest.mark.proves("accounts.md 25")
async def test_consumables_have_levels_of_their_own(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line("65322435CAT3A12", 2_500))).ok()
    assert await levels(world, customer) == ("01", "T3")
    (await world.order(customer, line("65304479CA02A12", 10), line(SIGN, 1, 2))).ok()
    assert await levels(world, customer) == ("02", "T3")


async def test_a_failed_order_earns_nothing(world: World) -> None:
    customer = await world.customer()
    await world.settlement("manual")
    placed = (await world.order(customer, line("65304479CA02A12", 10))).ok()
    path = f"/sandbox/customers/{customer}/orders/{placed['orderId']}"
    (await world.patch(path, {"status": "1004"})).ok(200)
    assert await levels(world, customer) == ("01", "T1")
    assert (await world.read_customer(customer))["cotermDate"] == ""
