"""The outside recount: what the clients were told against what the servers and the tables hold."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import asyncpg

from seatledger.engine import maintenance
from tests.crash.traffic import PATIENCE_SECONDS, Intent, Traffic, insist
from tests.harness import World

# What must not be there: answers without their order, orders without their answer, redemptions
# that are nobody's or missing, settled orders without ledger entries or with them twice, seats
# that are not the sum of their entries.
_HALVES = """
WITH of_partner AS (SELECT * FROM orders WHERE partner_id = $1),
answered AS (
  SELECT convert_from(body, 'UTF8')::jsonb ->> 'orderId' AS order_id, correlation_id
  FROM idempotency WHERE partner_id = $1 AND http_status = 201 AND path LIKE '%/orders')
SELECT 'answer without order', correlation_id FROM answered
  WHERE order_id NOT IN (SELECT order_id FROM of_partner)
UNION ALL SELECT 'answer given twice', order_id FROM answered GROUP BY order_id HAVING count(*) > 1
UNION ALL SELECT 'order without answer', order_id FROM of_partner
  WHERE order_id NOT IN (SELECT order_id FROM answered)
UNION ALL SELECT 'redemption without order', order_id FROM redemption
  WHERE partner_id = $1 AND order_id NOT IN (SELECT order_id FROM of_partner)
UNION ALL SELECT 'discount without redemption', o.order_id FROM of_partner o
  WHERE o.order_type = 'NEW' AND jsonb_path_exists(o.lines, '$[*].flex[*]')
    AND o.order_id NOT IN (SELECT order_id FROM redemption)
UNION ALL SELECT 'lines settled twice or never', o.order_id FROM of_partner o
  WHERE o.status NOT IN ('1000', '1008') OR jsonb_array_length(o.lines) <>
    (SELECT count(*) FROM ledger_entry l WHERE l.order_id = o.order_id)
UNION ALL SELECT 'seats are not their entries', s.subscription_id FROM subscription s
  WHERE s.partner_id = $1 AND s.current_quantity <>
    (SELECT sum(l.delta) FROM ledger_entry l WHERE l.subscription_id = s.subscription_id)
"""
_TOTALS = """
SELECT customer_id, order_type, count(*) AS orders, sum(quantity) AS seats
FROM orders WHERE partner_id = $1 GROUP BY 1, 2
"""

Totals = dict[tuple[str, str], tuple[int, int]]  # customer and type: orders, seats


async def prove(traffic: Traffic, database_url: str) -> None:
    """Assert that every write its clients were told of took effect exactly once, and nothing else.

    Every write is repeated first: what was acknowledged is answered with the same bytes.
    """
    await asyncio.gather(*(_repeat(traffic, one) for one in traffic.intents))
    for customer in traffic.customers:
        await _prove_history(traffic, customer)
        await _prove_seats(traffic, customer)
    for world in traffic.worlds:
        await world.is_sound()
    await _prove_tables(traffic, database_url)
    report = await maintenance.check(database_url)  # what `seatledger check` prints
    assert (report.violations, report.parked) == ([], [])


async def _repeat(traffic: Traffic, intent: Intent) -> None:
    again = await insist(traffic.worlds, intent)
    assert again.content == intent.acknowledged.content, intent.correlation_id
    assert again.headers["Seatledger-Replayed"] == "true"


async def _prove_history(traffic: Traffic, customer: str) -> None:
    """The history holds the acknowledged orders, each once, settled, as they were asked for."""
    placed = [one for one in traffic.intents if one.customer == customer and one.kind != "PATCH"]
    returned = {one.body["referenceOrderId"] for one in placed if one.kind == "RETURN"}
    wanted = {}
    for one in placed:
        number = one.acknowledged["orderId"]
        assert number not in wanted, f"{number} answers two intents"
        wanted[number] = (one.kind, "1008" if number in returned else "1000", _asked(one.body))
    found = await settled_history(traffic.worlds[-1], customer)
    assert len(found) == len(placed)
    assert {
        one["orderId"]: (one["orderType"], one["status"], _asked(one)) for one in found
    } == wanted


def _asked(body: Any) -> list[tuple[int, str, int]]:
    return sorted(
        (one["extLineItemNumber"], one["offerId"], one["quantity"]) for one in body["lineItems"]
    )


async def _prove_seats(traffic: Traffic, customer: str) -> None:
    """Quantities are sums of what was bought and given back; settings those last acknowledged."""
    sums: Counter[str] = Counter()
    settings: dict[str, int] = {}
    for one in traffic.intents:
        if one.customer != customer:
            continue
        if one.kind == "PATCH":
            settings[one.path.rpartition("/")[2]] = one.body["autoRenewal"]["renewalQuantity"]
            continue
        sign = -1 if one.kind == "RETURN" else 1
        for line in one.body["lineItems"]:
            sums[line["offerId"]] += sign * line["quantity"]
    found = await traffic.worlds[0].seats(customer)
    held = {one["offerId"]: one["currentQuantity"] for one in found if one["status"] == "1000"}
    assert held == {offer: seats for offer, seats in sums.items() if seats}
    quantities = {one["subscriptionId"]: one["autoRenewal"]["renewalQuantity"] for one in found}
    assert settings == {one: quantities[one] for one in settings}


async def settled_history(world: World, customer: str) -> list[dict[str, Any]]:
    """Every order of a customer, once none is pending."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = await history(world, customer)
            if all(one["status"] != "1002" for one in found):
                return found


async def history(world: World, customer: str) -> list[dict[str, Any]]:
    """Every order of a customer."""
    items: list[dict[str, Any]] = []
    while True:
        page = await world.get(
            f"/v3/customers/{customer}/orders", params={"limit": 100, "offset": len(items)}
        )
        items += page.ok(200)["items"]
        if len(items) == page["totalCount"]:
            return items


async def _prove_tables(traffic: Traffic, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    partner_id = traffic.worlds[0].distributor_id
    try:
        halves = await connection.fetch(_HALVES, partner_id)
        totals = await connection.fetch(_TOTALS, partner_id)
    finally:
        await connection.close()
    assert halves == [], [tuple(one) for one in halves]
    assert {(one[0], one[1]): (one[2], one[3]) for one in totals} == _told(traffic.intents)


def _told(intents: Sequence[Intent]) -> Totals:
    """What clients were told, in the form of `_TOTALS`."""
    told: Totals = {}
    for one in intents:
        if one.kind == "PATCH":
            continue
        orders, seats = told.get((one.customer, one.kind), (0, 0))
        more = sum(line["quantity"] for line in one.body["lineItems"])
        told[one.customer, one.kind] = (orders + 1, seats + more)
    return told
