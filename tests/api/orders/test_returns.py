"""RETURN: giving lines back, its window, and which refusal answers first (orders.md 2.8, 5)."""

from typing import Any

import pytest

from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A, A2, E = "11073058CA01A12", "11073058CA02A12", "80004567EA01A12"
FOLIO, PACK, TRANSACTIONS = "65304479CA01A12", "65327733CA01A12", "65322435CAT1A12"


async def first_order(world: World, *lines: dict[str, Any]) -> tuple[str, Reply]:
    """A new customer with a completed order: 5 x A as line 1 unless told otherwise."""
    customer = await world.customer()
    return customer, (await world.order(customer, *(lines or (line(A, 5),)))).ok()


async def ask(world: World, customer: str, placed: Reply | str, *lines: Any, **more: Any) -> Reply:
    """RETURN of these lines, exactly as given."""
    reference = placed if isinstance(placed, str) else placed["orderId"]
    more = {"orderType": "RETURN", "referenceOrderId": reference, **more}
    return await world.order(customer, *lines, **more)


async def states(world: World, customer: str, order_id: str) -> tuple[str, list[str]]:
    """Status of an order and of its lines."""
    found = await world.read_order(customer, order_id)
    return found["status"], [one["status"] for one in found["lineItems"]]


async def edit(world: World, customer: str, product_key: str, **changes: Any) -> None:
    """Change the customer's subscription of a product by the control API."""
    (found,) = (s for s in await world.seats(customer) if s["offerId"][:10] == product_key)
    path = f"/sandbox/customers/{customer}/subscriptions/{found['subscriptionId']}"
    (await world.patch(path, changes)).ok(200)


@pytest.mark.proves("orders.md 54", "S-070", "S-079", "S-080", "S-081", "S-083", "S-084", "S-038")
async def test_a_whole_order_given_back(world: World) -> None:
    customer, placed = await first_order(world)
    await world.settlement("manual")
    credit = (await world.give_back(customer, placed)).ok()
    assert (credit["status"], credit["referenceOrderId"]) == ("1002", placed["orderId"])
    assert credit["links"]["self"]["uri"].endswith(f"/orders/{credit['orderId']}")
    (shown,) = credit["lineItems"]
    assert (shown["status"], shown["subscriptionId"]) == ("1002", "")
    assert await states(world, customer, placed["orderId"]) == ("1000", ["1000"])
    assert (await world.seats(customer))[0]["currentQuantity"] == 5
    await world.settle()
    done = await world.read_order(customer, credit["orderId"])
    assert (done["status"], done["lineItems"][0]["status"]) == ("1000", "1000")
    assert done["referenceOrderId"] == done["referencedOrderId"] == placed["orderId"]
    assert await states(world, customer, placed["orderId"]) == ("1008", ["1008"])
    (seats,) = await world.seats(customer)
    assert (seats["status"], seats["currentQuantity"]) == ("1004", 0)
    assert done["lineItems"][0]["subscriptionId"] == seats["subscriptionId"]
    assert "allowedActions" not in seats
    assert (await world.read_customer(customer))["cotermDate"] == "2026-07-07"


@pytest.mark.proves("orders.md 55", "S-077", "S-080", "S-081", "S-082")
async def test_lines_given_back_one_by_one(world: World) -> None:
    customer, placed = await first_order(world, line(A, 5, 1), line(E, 3, 2))
    (await world.give_back(customer, placed, 2)).ok()
    assert await states(world, customer, placed["orderId"]) == ("1000", ["1000", "1008"])
    (await world.give_back(customer, placed, 1)).ok()
    assert await states(world, customer, placed["orderId"]) == ("1008", ["1008", "1008"])


@pytest.mark.proves("S-076")
async def test_some_lines_given_back_in_one_order(world: World) -> None:
    customer, placed = await first_order(world, line(A, 5, 1), line(A, 2, 2), line(E, 3, 3))
    credit = (await world.give_back(customer, placed, 1, 3)).ok()
    assert [one["extLineItemNumber"] for one in credit["lineItems"]] == [1, 3]
    assert await states(world, customer, placed["orderId"]) == ("1000", ["1008", "1000", "1008"])
    left = {s["offerId"]: s["currentQuantity"] for s in await world.seats(customer)}
    assert left == {A: 2, E: 0}


@pytest.mark.proves(
    "orders.md 56", "2131", "2130", "2132", "2133", "2115", "1122", "2127", "2116", "2118"
)
@pytest.mark.proves("S-006", "S-071", "S-072", "S-073", "S-074", "S-075", "S-078")
async def test_what_does_not_match_the_original(world: World) -> None:
    customer, placed = await first_order(world, line(A, 5, 1), line(E, 3, 2))
    credit = (await world.give_back(customer, placed, 2)).ok()
    for asked, code in (
        (line(A, 5, 9), "2131"),
        (line(A2, 5, 1), "2130"),
        (line(A, 4, 1), "2132"),
        (line(A, 6, 1), "2132"),
        (line(E, 3, 2), "2133"),
    ):
        refused = await ask(world, customer, placed, asked)
        refused.refused(400, code, f"Line Item: {asked['extLineItemNumber']}")
    (await ask(world, customer, "9299999999", line(A, 5))).refused(404, "2115")
    missing = await ask(world, customer, placed, line(A, 5), referenceOrderId="")
    missing.refused(400, "1122", "referenceOrderId")
    reason = "Reason: ORDER_TYPE_NOT_RETURNABLE"
    refused = await ask(world, customer, credit, line(E, 3, 2), line(A, 1, 7))
    refused.refused(400, "2127", f"Line Item: 2, {reason}", f"Line Item: 7, {reason}")
    await world.settlement("manual")
    waiting = (await world.order(customer, line(A))).ok()
    (await ask(world, customer, waiting, line(A))).refused(400, "2116")
    await world.settle()
    (await world.give_back(customer, placed, 1)).ok()
    await world.settle()
    (await ask(world, customer, placed, line(A, 5))).refused(400, "2118")


@pytest.mark.proves("2116", "S-071")
async def test_a_failed_order_has_nothing_to_give_back(world: World) -> None:
    customer = await world.customer()
    for status in ("1004", "1020", "1022", "1024", "1026"):
        fault = {"X-Sandbox-Fault": f"order_fails;status={status}"}
        placed = (await world.order(customer, line(A), headers=fault)).ok()
        assert await states(world, customer, placed["orderId"]) == (status, [status])
        (await world.give_back(customer, placed)).refused(400, "2116")


@pytest.mark.proves("2115")
async def test_an_order_of_somebody_else_is_unknown(world: World) -> None:
    _, placed = await first_order(world)
    other, _ = await first_order(world)
    (await ask(world, other, placed, line(A, 5))).refused(404, "2115")


@pytest.mark.proves("orders.md 57", "2117", "S-071")
async def test_the_window_ends_with_the_fourteenth_day(world: World) -> None:
    customer, placed = await first_order(world, line(A, 5, 1), line(E, 1, 2))
    await world.at("2025-07-21T23:59:59Z")
    (await world.give_back(customer, placed, 1)).ok()
    await world.at("2025-07-22T00:00:00Z")
    (await world.give_back(customer, placed, 2)).refused(400, "2117")


@pytest.mark.proves("2117")
async def test_the_window_is_a_setting(world: World) -> None:
    await world.set(flags={"return_window_days": 0})
    customer, placed = await first_order(world)
    await world.at("2025-07-08T00:00:00Z")
    (await world.give_back(customer, placed)).refused(400, "2117")
    await world.set(flags={"return_window_days": 1})
    (await world.give_back(customer, placed)).ok()


@pytest.mark.proves("2134")
async def test_a_line_of_a_term_that_has_ended(world: World) -> None:
    await world.set(flags={"return_window_days": 365})
    customer, placed = await first_order(world, line(A, 5, 1), line(PACK, 1, 2))
    await edit(world, customer, A[:10], status="1004", currentQuantity=0)
    await world.at("2026-07-06T12:00:00Z")
    (await world.give_back(customer, placed, 2)).ok()
    await world.at("2026-07-07T00:00:00Z")
    (await world.order(customer, line(E))).ok()  # opens the next term
    assert (await world.read_customer(customer))["cotermDate"] == "2027-07-07"
    (await world.give_back(customer, placed, 1)).refused(400, "2134", "Line Item: 1")


@pytest.mark.proves("2134")
async def test_a_line_of_its_own_term_ends_with_that(world: World) -> None:
    await world.set(flags={"return_window_days": 365})
    customer, placed = await first_order(world, line(A, 1, 1), line(PACK, 1, 2))
    await world.at("2026-07-07T00:00:00Z")
    (await world.give_back(customer, placed, 2)).refused(400, "2134", "Line Item: 2")


@pytest.mark.proves("orders.md 59", "4122")
async def test_a_line_is_given_back_once_at_a_time(world: World) -> None:
    customer, placed = await first_order(world, line(A, 5, 1), line(E, 3, 2))
    await world.settlement("manual")
    (await world.give_back(customer, placed, 1)).ok()
    (await world.give_back(customer, placed, 1)).refused(400, "4122", "Line Item: 1")
    (await world.give_back(customer, placed)).refused(400, "4122", "Line Item: 1")
    (await world.give_back(customer, placed, 2)).ok()
    await world.settle()
    assert await states(world, customer, placed["orderId"]) == ("1008", ["1008", "1008"])


@pytest.mark.proves("S-079", "S-071")
async def test_a_failed_return_leaves_everything_as_it_was(world: World) -> None:
    customer, placed = await first_order(world)
    await world.settlement("manual")
    credit = (await world.give_back(customer, placed)).ok()
    await world.set(status="1004")
    await world.settle()
    assert await states(world, customer, credit["orderId"]) == ("1004", ["1004"])
    assert await states(world, customer, placed["orderId"]) == ("1000", ["1000"])
    assert (await world.seats(customer))[0]["currentQuantity"] == 5
    await world.set(status="1000")
    (await world.give_back(customer, placed)).ok()
    await world.settle()
    assert await states(world, customer, placed["orderId"]) == ("1008", ["1008"])


@pytest.mark.proves("orders.md 61", "2129")
async def test_transactions_that_were_used_stay(world: World) -> None:
    customer, placed = await first_order(world, line(TRANSACTIONS, 1_000))
    await edit(world, customer, TRANSACTIONS[:10], usedQuantity=1)
    refused = await world.give_back(customer, placed)
    refused.refused(400, "2129", "Line Item: 1, Reason: INELIGIBLE_CONSUMED")
    more = (await world.order(customer, line("65322435CAT2A12", 2_000))).ok()
    (await world.give_back(customer, more)).ok()


@pytest.mark.proves("2129")
async def test_lines_of_one_subscription_count_together(world: World) -> None:
    customer, placed = await first_order(
        world, line(TRANSACTIONS, 400, 1), line(TRANSACTIONS, 600, 2)
    )
    await edit(world, customer, TRANSACTIONS[:10], usedQuantity=1)
    reason = "Reason: INELIGIBLE_CONSUMED"
    refused = await world.give_back(customer, placed)
    refused.refused(400, "2129", f"Line Item: 1, {reason}", f"Line Item: 2, {reason}")
    await world.settlement("manual")
    (await world.give_back(customer, placed, 1)).ok()
    refused = await world.give_back(customer, placed, 2)
    refused.refused(400, "2129", f"Line Item: 2, {reason}")
    await world.settle()


@pytest.mark.proves("2127")
async def test_seats_that_are_gone_cannot_be_given_back(world: World) -> None:
    customer, placed = await first_order(world, line(A, 5, 1), line(A, 3, 2))
    await edit(world, customer, A[:10], currentQuantity=4)
    reason = "Reason: INSUFFICIENT_QUANTITY"
    refused = await world.give_back(customer, placed)
    refused.refused(400, "2127", f"Line Item: 1, {reason}", f"Line Item: 2, {reason}")
    refused = await world.give_back(customer, placed, 1)
    refused.refused(400, "2127", f"Line Item: 1, {reason}")
    (await world.give_back(customer, placed, 2)).ok()


@pytest.mark.proves("2137", "2138")
async def test_currency_and_deployment_must_be_the_original_ones(world: World) -> None:
    customer = await world.customer(top={"globalSalesEnabled": True})
    branch = await world.deployment(customer, "CA")
    placed = (await world.order(customer, line(A, 1, 1, deploymentId=branch), line(A, 1, 2))).ok()
    first, second = line(A, 1, 1), line(A, 1, 2)
    other = await ask(world, customer, placed, first, currencyCode="EUR")
    other.refused(400, "2137", "Line Item: 1")
    other = await ask(
        world, customer, placed, {**first, "currencyCode": "EUR"}, second, currencyCode=None
    )
    other.refused(400, "2137", "Line Item: 1")
    elsewhere = await ask(world, customer, placed, first, {**second, "deploymentId": branch})
    elsewhere.refused(404, "2138", "Line Item: 2")
    elsewhere = await ask(world, customer, placed, {**first, "deploymentId": "12345"})
    elsewhere.refused(404, "2138", "Line Item: 1")
    # What is not sent is taken from the original line.
    credit = (await ask(world, customer, placed, first, second, currencyCode=None)).ok()
    assert credit["currencyCode"] == "USD"
    assert credit["lineItems"][0]["deploymentId"] == branch
    assert "deploymentId" not in credit["lineItems"][1]


@pytest.mark.proves("platform.md 34", "S-070")
async def test_lines_may_be_posted_back_as_they_were_read(world: World) -> None:
    customer = await world.customer()
    asked = line(A, 5, 4, flexDiscountCodes=["BLACK_FRIDAY_10_PERCENT_OFF"])
    placed = (await world.order(customer, asked)).ok()
    read = await world.read_order(customer, placed["orderId"], **{"fetch-price": "true"})
    credit = await ask(world, customer, placed, *read["lineItems"], currencyCode=None)
    assert credit.ok()["lineItems"][0]["extLineItemNumber"] == 4


@pytest.mark.proves("2115", "2116", "2117", "2118", "2127")
async def test_refusals_of_the_order_come_in_their_order(world: World) -> None:
    """Every RETURN here names line 9, which no order has: order-wide refusals come first."""
    customer, returned = await first_order(world)
    credit = (await world.give_back(customer, returned)).ok()
    done = (await world.order(customer, line(E))).ok()
    wrong = line(A, 5, 9)
    fault = {"X-Sandbox-Fault": "order_fails;status=1004"}
    failed = (await world.order(customer, line(E), headers=fault)).ok()
    await world.at("2025-08-01T00:00:00Z")
    (await ask(world, customer, "9299999999", wrong)).refused(404, "2115")
    kind = await ask(world, customer, credit, wrong)
    kind.refused(400, "2127", "Line Item: 9, Reason: ORDER_TYPE_NOT_RETURNABLE")
    (await ask(world, customer, failed, wrong)).refused(400, "2116")
    (await ask(world, customer, returned, wrong)).refused(400, "2118")
    (await ask(world, customer, done, wrong)).refused(400, "2117")
    await world.set(flags={"return_window_days": 365})
    (await ask(world, customer, done, wrong)).refused(400, "2131", "Line Item: 9")


@pytest.mark.proves("2131", "2130", "2133", "2132", "2137", "2138", "2134", "4122", "2129", "2127")
async def test_refusals_of_lines_come_in_their_order(world: World) -> None:
    """One RETURN with every fault there is; the line that answered leaves, the next one answers."""
    customer, placed = await first_order(
        world,
        line(A, 1, 1),
        line(E, 1, 2),
        line(FOLIO, 1, 3),
        line(A, 1, 4),
        line(E, 1, 5),
        line(PACK, 1, 6),
        line(FOLIO, 1, 7),
        line(TRANSACTIONS, 100, 8),
        line("11083117CA01A12", 5, 9),
    )
    (await world.give_back(customer, placed, 3)).ok()
    await edit(world, customer, PACK[:10], renewalDate="2025-07-07")
    await edit(world, customer, TRANSACTIONS[:10], usedQuantity=1)
    await edit(world, customer, "11083117CA", currentQuantity=4)
    await world.settlement("manual")
    (await world.give_back(customer, placed, 7)).ok()
    faults = [
        (line(A, 1, 99), 400, "2131", ""),
        (line(A, 1, 2), 400, "2130", ""),
        (line(FOLIO, 9, 3), 400, "2133", ""),
        (line(A, 2, 1), 400, "2132", ""),
        (line(A, 1, 4, currencyCode="EUR"), 400, "2137", ""),
        (line(E, 1, 5, deploymentId="12345"), 404, "2138", ""),
        (line(PACK, 1, 6), 400, "2134", ""),
        (line(FOLIO, 1, 7), 400, "4122", ""),
        (line(TRANSACTIONS, 100, 8), 400, "2129", ", Reason: INELIGIBLE_CONSUMED"),
        (line("11083117CA01A12", 5, 9), 400, "2127", ", Reason: INSUFFICIENT_QUANTITY"),
    ]
    while faults:
        # The order of the lines must not matter: the failing check decides.
        lines = [one for one, *_ in reversed(faults)]
        answer = await ask(world, customer, placed, *lines, currencyCode=None)
        sent, status, code, reason = faults.pop(0)
        answer.refused(status, code, f"Line Item: {sent['extLineItemNumber']}{reason}")
    await world.settle()


async def test_an_order_is_given_back_after_its_accounts_are_closed(world: World) -> None:
    customer, placed = await first_order(world)
    (await world.patch(f"/sandbox/customers/{customer}", {"status": "1004"})).ok(200)
    credit = (await world.give_back(customer, placed)).ok()
    assert await states(world, customer, credit["orderId"]) == ("1000", ["1000"])
