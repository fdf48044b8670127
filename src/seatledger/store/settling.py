"""Claiming due work, and writing what settling it changed. The one module that locks rows.

Lock order: customers sorted by id, before anything else of theirs.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from asyncpg import Record
from msgspec import Struct

from seatledger.domain.fulfilment import Settlement, Standing
from seatledger.domain.model import Account, Customer, Order, Reseller
from seatledger.store import rows
from seatledger.store.rows import AnyConnection, decode, encode

# An order waits for its pending customer unless its fate is settled anyway: partner or reseller
# are inactive, or it is a credit (orders.md 1.6).
_NOT_WAITING = """(c.status <> '1002' OR o.order_type = 'RETURN'
  OR (SELECT p.doc ->> 'status' FROM partner p WHERE p.partner_id = c.partner_id) <> '1000'
  OR (SELECT r.status FROM reseller r WHERE r.reseller_id = c.reseller_id)
    NOT IN ('1000', '1002'))"""

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
      AND o.run_at <= $2 AND {_NOT_WAITING}))
ORDER BY c.customer_id LIMIT $4 FOR NO KEY UPDATE
"""

_LOAD = """
SELECT jsonb_build_object(
    'customer', to_jsonb(c),
    'subscriptions', COALESCE((SELECT jsonb_agg(to_jsonb(s) ORDER BY s.position)
        FROM subscription s WHERE s.customer_id = c.customer_id), '[]')) AS account,
  (SELECT jsonb_agg(to_jsonb(o) ORDER BY o.created_at, o.order_id) FROM orders o
    WHERE o.customer_id = c.customer_id AND o.status = '1002' AND o.run_at <= $2) AS orders,
  (SELECT COALESCE(jsonb_agg(to_jsonb(r)), '[]') FROM orders r WHERE r.order_id IN (
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


class Event(Struct, frozen=True):
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
    """A failed order gives its redemptions up; a returned line no longer counts as a use."""
    failed = [one.order.order_id for one in settlements if one.failed]
    if failed:
        await connection.execute("DELETE FROM redemption WHERE order_id = ANY ($1)", failed)
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
    """Note a failed settlement of a customer; True when that parked it with the reason."""
    attempts = await connection.fetchval(
        """WITH tried AS (
             UPDATE orders SET attempts = attempts + 1
             WHERE customer_id = $1 AND status = '1002' RETURNING attempts)
           SELECT max(attempts) FROM tried""",
        customer_id,
    )
    if attempts is None or attempts < limit:
        return False
    await connection.execute(
        "UPDATE customer SET parked_reason = $2, version = version + 1 WHERE customer_id = $1",
        customer_id,
        reason,
    )
    return True


async def count_due(connection: AnyConnection, partner_id: str, now: datetime) -> int:
    """How many orders of a partner could settle at `now` and have not."""
    count: int = await connection.fetchval(
        f"""SELECT count(*) FROM orders o JOIN customer c USING (customer_id)
           WHERE o.partner_id = $1 AND o.status = '1002' AND o.run_at <= $2
             AND c.parked_reason IS NULL AND {_NOT_WAITING}""",
        partner_id,
        now,
    )
    return count


async def next_due(connection: AnyConnection, partner_id: str) -> datetime | None:
    """The earliest business instant at which an order or account of a partner settles."""
    instant: datetime | None = await connection.fetchval(
        f"""SELECT min(at) FROM (
             SELECT min(o.run_at) AS at FROM orders o JOIN customer c USING (customer_id)
               WHERE o.partner_id = $1 AND o.status = '1002' AND c.parked_reason IS NULL
                 AND {_NOT_WAITING}
             UNION ALL SELECT min(settle_at) FROM customer
               WHERE partner_id = $1 AND status = '1002'
             UNION ALL SELECT min(settle_at) FROM reseller
               WHERE partner_id = $1 AND status = '1002') d""",
        partner_id,
    )
    return instant


async def earliest_due(connection: AnyConnection) -> dict[str, datetime]:
    """Partners with work to settle unless theirs is settled by hand, each with the earliest
    business instant of it. Work that waits for a pending or parked customer counts."""
    records = await connection.fetch(
        """SELECT partner_id, at FROM (
             SELECT p.partner_id, LEAST(
               (SELECT min(run_at) FROM orders o
                 WHERE o.partner_id = p.partner_id AND o.status = '1002'),
               (SELECT min(settle_at) FROM customer c
                 WHERE c.partner_id = p.partner_id AND c.status = '1002'),
               (SELECT min(settle_at) FROM reseller r
                 WHERE r.partner_id = p.partner_id AND r.status = '1002')) AS at
             FROM partner p WHERE p.settlement_mode <> 'manual') d
           WHERE at IS NOT NULL ORDER BY at"""
    )
    return {record["partner_id"]: record["at"] for record in records}


_DUE_COLUMNS = {
    "order": ("orders", "run_at"),
    "customer": ("customer", "settle_at"),
    "reseller": ("reseller", "settle_at"),
}
KINDS_OF_WORK = tuple(_DUE_COLUMNS)


async def release_held(
    connection: AnyConnection,
    partner_id: str,
    at: datetime,
    *,
    kinds: Collection[str] = KINDS_OF_WORK,
    delayed: bool = False,
) -> None:
    """Make work that settlement holds due at `at`; with `delayed` also what was due later.

    A released order takes the customer's earlier ones with it (orders.md 1.6).
    """
    await connection.execute(
        """SELECT 1 FROM reseller WHERE partner_id = $1 AND status = '1002'
           ORDER BY reseller_id FOR NO KEY UPDATE""",
        partner_id,
    )
    await connection.execute(
        """SELECT 1 FROM customer c
           WHERE c.partner_id = $1 AND (c.status = '1002' OR EXISTS (
             SELECT 1 FROM orders o WHERE o.customer_id = c.customer_id AND o.status = '1002'))
           ORDER BY c.customer_id FOR NO KEY UPDATE""",
        partner_id,
    )
    for kind in kinds:
        table, column = _DUE_COLUMNS[kind]
        await connection.execute(
            f"""UPDATE {table} SET {column} = $2 WHERE partner_id = $1 AND status = '1002'
                AND ({column} IS NULL OR $3 AND {column} > $2)""",
            partner_id,
            at,
            delayed,
        )
    if "order" in kinds:
        await connection.execute(
            """UPDATE orders o SET run_at = $2
               WHERE partner_id = $1 AND status = '1002' AND run_at > $2 AND EXISTS (
                 SELECT 1 FROM orders later WHERE later.customer_id = o.customer_id
                   AND later.status = '1002' AND later.run_at <= $2
                   AND (later.created_at, later.order_id) > (o.created_at, o.order_id))""",
            partner_id,
            at,
        )


async def lock_due_accounts(
    connection: AnyConnection, partner_id: str, now: datetime
) -> tuple[list[Reseller], list[Customer]]:
    """Lock resellers and customers whose validation is due at `now`."""
    resellers = await rows.fetch_all(
        connection,
        Reseller,
        """SELECT to_jsonb(r) FROM reseller r
           WHERE partner_id = $1 AND status = '1002' AND settle_at <= $2
           ORDER BY reseller_id FOR NO KEY UPDATE""",
        partner_id,
        now,
    )
    customers = await rows.fetch_all(
        connection,
        Customer,
        """SELECT to_jsonb(c) FROM customer c
           WHERE partner_id = $1 AND status = '1002' AND settle_at <= $2
           ORDER BY customer_id FOR NO KEY UPDATE""",
        partner_id,
        now,
    )
    return resellers, customers


async def release_of(
    connection: AnyConnection,
    partner_id: str,
    at: datetime,
    customer_id: str | None,
    order_id: str | None,
) -> None:
    """Make the open orders of one customer due at `at`, or one order and those before it.

    Orders of a customer settle in their order (orders.md 1.6), so a later one takes the earlier
    ones with it.
    """
    await connection.execute(
        """SELECT 1 FROM customer WHERE customer_id IN (SELECT customer_id FROM orders
             WHERE partner_id = $1 AND status = '1002' AND ($2::text IS NULL OR customer_id = $2)
               AND ($3::text IS NULL OR order_id = $3))
           ORDER BY customer_id FOR NO KEY UPDATE""",
        partner_id,
        customer_id,
        order_id,
    )
    await connection.execute(
        """UPDATE orders o SET run_at = $2 WHERE partner_id = $1 AND status = '1002'
             AND ($3::text IS NULL OR customer_id = $3)
             AND ($4::text IS NULL OR EXISTS (
               SELECT 1 FROM orders last WHERE last.order_id = $4
                 AND last.customer_id = o.customer_id
                 AND (last.created_at, last.order_id) >= (o.created_at, o.order_id)))""",
        partner_id,
        at,
        customer_id,
        order_id,
    )


async def customers_of(
    connection: AnyConnection, partner_id: str, customer_id: str | None, order_id: str | None
) -> list[str]:
    """The customers one order or customer id of a partner means: one or none."""
    records = await connection.fetch(
        """SELECT DISTINCT customer_id FROM orders WHERE partner_id = $1
             AND ($2::text IS NULL OR customer_id = $2) AND ($3::text IS NULL OR order_id = $3)""",
        partner_id,
        customer_id,
        order_id,
    )
    return [record["customer_id"] for record in records]


_CLOCK_LOCK = 7_205_000


async def try_lock_clock(connection: AnyConnection, partner_id: str) -> bool:
    """Take the right to advance a world's clock; False while another call has it.

    The lock belongs to the connection and goes with it.
    """
    return bool(
        await connection.fetchval(
            "SELECT pg_try_advisory_lock($1, hashtext($2))", _CLOCK_LOCK, partner_id
        )
    )


async def unlock_clock(connection: AnyConnection, partner_id: str) -> None:
    """Give the right to advance back."""
    await connection.execute("SELECT pg_advisory_unlock($1, hashtext($2))", _CLOCK_LOCK, partner_id)
