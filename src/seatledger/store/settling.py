"""Claiming due work, and writing what settling it changed. The one module that locks rows.

Lock order: customers sorted by id, before anything else of theirs.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from asyncpg import Record
from msgspec import Struct

from seatledger.domain.effects import Settlement
from seatledger.domain.fulfilment import Standing
from seatledger.domain.model import Account, Customer, Order, Reseller
from seatledger.store import rows
from seatledger.store.due import NOT_WAITING
from seatledger.store.rows import AnyConnection, decode, encode

_LOCK = f"""
SELECT c.customer_id FROM customer c
WHERE c.customer_id IN (
    SELECT o.customer_id FROM orders o
    WHERE o.partner_id = $1 AND o.status = '1002' AND o.run_at <= $2
      AND ($3::text[] IS NULL OR o.customer_id = ANY ($3)))
  AND c.customer_id <> ALL ($5::text[])
  AND c.parked_reason IS NULL
  AND (c.status <> '1002' OR EXISTS (
    SELECT 1 FROM orders o WHERE o.customer_id = c.customer_id AND o.status = '1002'
      AND o.run_at <= $2 AND {NOT_WAITING}))
ORDER BY c.customer_id LIMIT $4 FOR NO KEY UPDATE
"""

# The condition is looked at again after the wait for a lock.
_PENDING = """c.partner_id = $1 AND c.status = '1002' AND c.settle_at <= $2
  AND c.parked_reason IS NULL"""
_LOCK_PENDING = f"""
SELECT c.customer_id FROM customer c
WHERE c.customer_id IN (
    SELECT c.customer_id FROM customer c
    WHERE {_PENDING} AND c.customer_id <> ALL ($5::text[])
      AND ($3::text[] IS NULL OR c.customer_id = ANY ($3))
    ORDER BY c.created_at, c.customer_id LIMIT $4)
  AND {_PENDING}
ORDER BY c.customer_id FOR NO KEY UPDATE
"""

_LOAD = """
SELECT json_build_object(
    'customer', to_json(c),
    'subscriptions', COALESCE((SELECT json_agg(to_json(s) ORDER BY s.position)
        FROM subscription s WHERE s.customer_id = c.customer_id), '[]'),
    'term_orders', CASE WHEN EXISTS (SELECT 1 FROM orders o
        WHERE o.customer_id = c.customer_id AND o.status = '1002' AND o.order_type = 'RENEWAL')
      THEN COALESCE((SELECT json_agg(to_json(o)) FROM orders o
        WHERE o.customer_id = c.customer_id AND o.order_type = 'RENEWAL' AND o.status = '1000'
          AND o.created_at >= c.coterm_date - interval '1 year'), '[]') ELSE '[]' END) AS account,
  (SELECT json_agg(to_json(o) ORDER BY o.created_at, o.order_id) FROM orders o
    WHERE o.customer_id = c.customer_id AND o.status = '1002' AND o.run_at <= $2) AS orders,
  (SELECT COALESCE(json_agg(to_json(r)), '[]') FROM orders r WHERE r.order_id IN (
    SELECT o.reference_order_id FROM orders o
    WHERE o.customer_id = c.customer_id AND o.status = '1002' AND o.run_at <= $2)) AS originals,
  (SELECT r.status FROM reseller r WHERE r.reseller_id = c.reseller_id) AS reseller_status
FROM customer c WHERE c.customer_id = ANY ($1) ORDER BY c.customer_id
"""

_SAVE_ORDERS = """
UPDATE orders o SET status = n.status, lines = n.lines, completed_at = n.completed_at,
  run_at = n.run_at, forced = n.forced
FROM jsonb_populate_recordset(NULL::orders, $1::jsonb) n WHERE o.order_id = n.order_id
"""


class Due(Struct, frozen=True):
    """The due orders of one locked customer, oldest first, with the orders they give back from."""

    account: Account
    orders: tuple[Order, ...]
    originals: dict[str, Order]
    standing: Standing


class Claim(Struct, frozen=True):
    """Which customers with due work to lock: those named or (None) any, at most `limit`.

    With `wait` locks are waited for, otherwise customers another worker holds are passed over.
    """

    customer_ids: Sequence[str] | None
    but_not: Collection[str]
    limit: int
    wait: bool


class Event(Struct, frozen=True, gc=False):
    """A domain event of a partner, stamped with the business instant."""

    partner_id: str
    at: datetime
    kind: str
    customer_id: str = ""
    order_id: str = ""
    subscription_id: str = ""
    result: str = ""


async def lock_due(
    connection: AnyConnection, partner_id: str, now: datetime, claim: Claim
) -> list[str]:
    """Lock customers that have orders due at the business instant `now`.

    Orders of pending customers may have to wait (orders.md 1.6), parked ones are left alone.
    """
    records: list[Record] = await connection.fetch(
        _LOCK if claim.wait else _LOCK + " SKIP LOCKED",
        partner_id,
        now,
        None if claim.customer_ids is None else list(claim.customer_ids),
        claim.limit,
        list(claim.but_not),
    )
    return [record["customer_id"] for record in records]


async def load_due(
    connection: AnyConnection, customer_ids: Sequence[str], now: datetime, partner_status: str
) -> list[Due]:
    """Read the due work of locked customers: a statement of its own, so that it sees what the
    locks waited for."""
    records = await connection.fetch(_LOAD, list(customer_ids), now)
    found = []
    for record in records:
        if record["orders"] is None:
            continue
        originals = rows.decode_list(record["originals"], Order)
        found.append(
            Due(
                decode(record["account"], Account),
                tuple(rows.decode_list(record["orders"], Order)),
                {one.order_id: one for one in originals},
                Standing(partner_status, record["reseller_status"]),
            )
        )
    return found


async def save(
    connection: AnyConnection, settlements: Sequence[Settlement], events: Sequence[Event]
) -> None:
    """Write settled orders with their effects; the caller holds the locks and the transaction."""
    customers = {one.customer.customer_id: one.customer for one in settlements}
    seats = {s.subscription_id: s for one in settlements for s in one.subscriptions}
    changed = {one.order.order_id: one.order for one in settlements}
    changed |= {one.original.order_id: one.original for one in settlements if one.original}
    await connection.execute(_SAVE_ORDERS, encode(list(changed.values())))
    await rows.upsert(connection, "subscription", "subscription_id", list(seats.values()))
    await rows.insert(connection, "ledger_entry", [e for one in settlements for e in one.entries])
    await rows.upsert(connection, "customer", "customer_id", list(customers.values()))
    await rows.insert(connection, "event", list(events))
    await _settle_redemptions(connection, settlements)


async def _settle_redemptions(connection: AnyConnection, settlements: Sequence[Settlement]) -> None:
    """A failed order gives its redemptions up, a completed one says which subscriptions they fed;
    a returned line no longer counts as a use."""
    failed = [one.order.order_id for one in settlements if one.failed]
    if failed:
        await connection.execute("DELETE FROM redemption WHERE order_id = ANY ($1)", failed)
    fed = [
        (one.order.order_id, line.number, line.subscription_id)
        for one in settlements
        if one.order.order_type == "NEW" and not one.failed
        for line in one.order.lines
        if line.flex
    ]
    if fed:
        await connection.execute(
            """UPDATE redemption r SET subscription_id = f.subscription_id
               FROM unnest($1::text[], $2::int[], $3::text[]) f (order_id, line_number,
                 subscription_id)
               WHERE r.order_id = f.order_id AND r.line_number = f.line_number""",
            *(list(column) for column in zip(*fed, strict=True)),
        )
    given_back = [
        (one.original.order_id, line.number)
        for one in settlements
        if one.original is not None
        for line in one.order.lines
    ]
    if given_back:
        await connection.execute(
            """UPDATE redemption r SET returned = true
               FROM unnest($1::text[], $2::int[]) g (order_id, line_number)
               WHERE r.order_id = g.order_id AND r.line_number = g.line_number""",
            [order_id for order_id, _ in given_back],
            [number for _, number in given_back],
        )


async def count_attempt(
    connection: AnyConnection, customer_id: str, reason: str, *, limit: int
) -> bool:
    """Note a failure of a customer's work; True when that parked it with the reason."""
    return bool(
        await connection.fetchval(
            """UPDATE customer SET attempts = attempts + 1, version = version + 1,
                 parked_reason = CASE WHEN attempts + 1 >= $3 THEN $2 END
               WHERE customer_id = $1 RETURNING parked_reason IS NOT NULL""",
            customer_id,
            reason,
            limit,
        )
    )


async def lock_due_resellers(
    connection: AnyConnection, partner_id: str, now: datetime
) -> list[Reseller]:
    """Lock resellers whose validation is due at `now`."""
    return await rows.fetch_all(
        connection,
        Reseller,
        """SELECT to_jsonb(r) FROM reseller r
           WHERE partner_id = $1 AND status = '1002' AND settle_at <= $2
           ORDER BY reseller_id FOR NO KEY UPDATE""",
        partner_id,
        now,
    )


async def lock_due_customers(
    connection: AnyConnection, partner_id: str, now: datetime, claim: Claim
) -> list[str]:
    """Lock customers whose validation is due at `now`, the oldest first; not parked ones.

    Locks are always waited for: of two with the same name the later one sees how the other ended.
    """
    records = await connection.fetch(
        _LOCK_PENDING,
        partner_id,
        now,
        None if claim.customer_ids is None else list(claim.customer_ids),
        claim.limit,
        list(claim.but_not),
    )
    return [record["customer_id"] for record in records]


async def load_customers(connection: AnyConnection, customer_ids: Sequence[str]) -> list[Customer]:
    """Read locked customers, the oldest first."""
    return await rows.fetch_all(
        connection,
        Customer,
        """SELECT to_jsonb(c) FROM customer c WHERE customer_id = ANY ($1)
           ORDER BY created_at, customer_id""",
        list(customer_ids),
    )
