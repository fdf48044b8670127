"""What of a partner waits for its instant: finding it, holding it, setting it free.

Lock order as everywhere: resellers, then customers, each sorted by id.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct

from seatledger.store.rows import AnyConnection, AnyPool

# An order waits for its pending customer unless its fate is settled anyway: partner or reseller
# are inactive, or it is a credit (orders.md 1.6).
NOT_WAITING = """(c.status <> '1002' OR o.order_type = 'RETURN'
  OR (SELECT p.doc ->> 'status' FROM partner p WHERE p.partner_id = c.partner_id) <> '1000'
  OR (SELECT r.status FROM reseller r WHERE r.reseller_id = c.reseller_id)
    NOT IN ('1000', '1002'))"""

# Accepted orders come first: a run reads what they leave (subscriptions.md 12).
AGENDA_IS_FREE = """c.parked_reason IS NULL AND NOT EXISTS (
  SELECT 1 FROM orders o WHERE o.customer_id = c.customer_id AND o.status = '1002')"""

# Everything that waits for its instant, one row each: who it is about and when it is due. Parked
# customers are left out.
_WORK = f"""
SELECT o.run_at AS at, 1 AS phase, 'settlement' AS kind, 'order' AS what, o.order_id AS id,
    o.customer_id
  FROM orders o JOIN customer c USING (customer_id)
  WHERE o.partner_id = $1 AND o.status = '1002' AND o.run_at <= $2
    AND c.parked_reason IS NULL AND {NOT_WAITING}
UNION ALL SELECT settle_at, 0, 'settlement', 'reseller', reseller_id, '' FROM reseller
  WHERE partner_id = $1 AND status = '1002' AND settle_at <= $2
UNION ALL SELECT settle_at, 0, 'settlement', 'customer', '', customer_id FROM customer
  WHERE partner_id = $1 AND status = '1002' AND settle_at <= $2
    AND parked_reason IS NULL
UNION ALL SELECT c.due_at, 1 + c.due_phase, c.due_kind, 'agenda', '', c.customer_id FROM customer c
  WHERE c.partner_id = $1 AND c.due_at <= $2 AND {AGENDA_IS_FREE}
UNION ALL SELECT closes_month_at, 99, 'reconciliation_month_end', 'world', '', '' FROM partner
  WHERE partner_id = $1 AND closes_month_at <= $2"""


class Work(Struct, frozen=True):
    """Something that waits for its instant. `what` is order, reseller, customer, or agenda for
    what happens to a customer by itself, world for what concerns all of them."""

    at: datetime
    phase: int
    kind: str
    what: str
    id: str
    customer_id: str


async def count_due(connection: AnyConnection, partner_id: str, at: datetime) -> int:
    """How much work of a partner waits for an instant up to `at`."""
    count: int = await connection.fetchval(f"SELECT count(*) FROM ({_WORK}) w", partner_id, at)
    return count


async def sorts_due(source: AnyPool | AnyConnection, partner_id: str, at: datetime) -> set[str]:
    """Which sorts of work (`Work.what`) of a partner wait for an instant up to `at`."""
    records = await source.fetch(f"SELECT DISTINCT what FROM ({_WORK}) w", partner_id, at)
    return {record["what"] for record in records}


async def next_instant(
    connection: AnyConnection,
    partner_id: str,
    kind: str | None = None,
    *,
    of_accounts: bool = False,
    after: datetime | None = None,
) -> datetime | None:
    """When the next work of a partner is due, whenever that is; with `kind` the first of it.

    Of what happens to a customer by itself, only the next thing is known. `of_accounts` leaves
    out what concerns the partner alone, `after` what is due up to that instant.
    """
    instant: datetime | None = await connection.fetchval(
        f"""SELECT LEAST(
             (SELECT min(o.run_at) FROM orders o JOIN customer c USING (customer_id)
               WHERE o.partner_id = $1 AND o.status = '1002' AND c.parked_reason IS NULL
                 AND o.run_at > COALESCE($4, '-infinity'::timestamptz)
                 AND COALESCE($2, 'settlement') = 'settlement' AND {NOT_WAITING}),
             (SELECT min(settle_at) FROM customer WHERE partner_id = $1 AND status = '1002'
                 AND parked_reason IS NULL AND settle_at > COALESCE($4, '-infinity'::timestamptz)
                 AND COALESCE($2, 'settlement') = 'settlement'),
             (SELECT min(settle_at) FROM reseller WHERE partner_id = $1 AND status = '1002'
                 AND settle_at > COALESCE($4, '-infinity'::timestamptz)
                 AND COALESCE($2, 'settlement') = 'settlement'),
             (SELECT c.due_at FROM customer c WHERE c.partner_id = $1 AND c.due_at IS NOT NULL
               AND c.due_at > COALESCE($4, '-infinity'::timestamptz)
               AND COALESCE($2, c.due_kind) = c.due_kind
               AND {AGENDA_IS_FREE} ORDER BY c.due_at LIMIT 1),
             (SELECT closes_month_at FROM partner WHERE partner_id = $1
               AND closes_month_at > COALESCE($4, '-infinity'::timestamptz)
               AND COALESCE($2, 'reconciliation_month_end') = 'reconciliation_month_end'
               AND NOT $3))""",
        partner_id,
        kind,
        of_accounts,
        after,
    )
    return instant


async def next_due(
    connection: AnyConnection,
    partner_id: str,
    kind: str | None = None,
    *,
    of_accounts: bool = False,
) -> Work | None:
    """The work of a partner that is due first, as `next_instant` has it."""
    at = await next_instant(connection, partner_id, kind, of_accounts=of_accounts)
    if at is None:
        return None
    record = await connection.fetchrow(
        f"""SELECT * FROM ({_WORK}) w WHERE COALESCE($3, kind) = kind AND at = $2
            ORDER BY phase, customer_id, id LIMIT 1""",
        partner_id,
        at,
        kind,
    )
    return None if record is None else Work(*record)


async def earliest_due(connection: AnyConnection, but_not: Collection[str]) -> dict[str, datetime]:
    """Partners with something to carry out, each with the earliest business instant of it.

    Orders and accounts settled by hand do not count, nor does what is parked or waits for that.
    `but_not` are customers to leave out.
    """
    records = await connection.fetch(
        f"""SELECT partner_id, at FROM (
             SELECT p.partner_id, LEAST(
               (SELECT o.run_at FROM orders o JOIN customer c USING (customer_id)
                 WHERE o.partner_id = p.partner_id AND o.status = '1002' AND o.run_at IS NOT NULL
                 AND p.settlement_mode <> 'manual' AND c.parked_reason IS NULL
                 AND c.customer_id <> ALL ($1::text[]) AND {NOT_WAITING}
                 ORDER BY o.run_at LIMIT 1),
               (SELECT min(settle_at) FROM customer c
                 WHERE c.partner_id = p.partner_id AND c.status = '1002'
                 AND p.settlement_mode <> 'manual' AND c.parked_reason IS NULL
                 AND c.customer_id <> ALL ($1)),
               (SELECT min(settle_at) FROM reseller r
                 WHERE r.partner_id = p.partner_id AND r.status = '1002'
                 AND p.settlement_mode <> 'manual'),
               (SELECT c.due_at FROM customer c WHERE c.partner_id = p.partner_id
                 AND c.due_at IS NOT NULL AND c.customer_id <> ALL ($1)
                 AND {AGENDA_IS_FREE} ORDER BY c.due_at LIMIT 1),
               p.closes_month_at) AS at
             FROM partner p) d
           WHERE at IS NOT NULL ORDER BY at""",
        list(but_not),
    )
    return {record["partner_id"]: record["at"] for record in records}


KINDS_OF_WORK = ("order", "customer", "reseller")
_HELD = """
SELECT o.created_at, 'order' AS kind, o.order_id AS id, o.customer_id FROM orders o
  WHERE o.partner_id = $1 AND o.status = '1002' AND 'order' = ANY ($2)
    AND ($3::text IS NULL OR o.customer_id = $3)
    AND ($4::text IS NULL OR EXISTS (SELECT 1 FROM orders last WHERE last.order_id = $4
      AND last.customer_id = o.customer_id
      AND (last.created_at, last.order_id) >= (o.created_at, o.order_id)))
    AND (o.run_at IS NULL OR $6)
UNION ALL SELECT created_at, 'reseller', reseller_id, '' FROM reseller
  WHERE partner_id = $1 AND status = '1002' AND 'reseller' = ANY ($2)
    AND $3::text IS NULL AND $4::text IS NULL AND (settle_at IS NULL OR $6)
UNION ALL SELECT created_at, 'customer', customer_id, customer_id FROM customer
  WHERE partner_id = $1 AND status = '1002' AND 'customer' = ANY ($2)
    AND ($3::text IS NULL OR customer_id = $3) AND $4::text IS NULL
    AND (settle_at IS NULL OR $6)"""


async def release(
    connection: AnyConnection,
    partner_id: str,
    at: datetime | None,
    *,
    kinds: Collection[str] = KINDS_OF_WORK,
    customer_id: str | None = None,
    order_id: str | None = None,
    most: int | None = None,
) -> None:
    """Make held work due at `at`, the oldest `most` pieces of it, or hold all that waits (None).

    With ids a customer's own, or one order and those before it, whether held or due later: orders
    of a customer settle in their order (orders.md 1.6). Whoever judged an order on the old times
    judges it again, because the customer's version rises.
    """
    held = await connection.fetch(
        f"SELECT * FROM ({_HELD}) h ORDER BY created_at, id LIMIT $5",
        partner_id,
        list(kinds),
        customer_id,
        order_id,
        most,
        at is None or customer_id is not None or order_id is not None,
    )
    of_kind = {
        kind: sorted(one["id"] for one in held if one["kind"] == kind) for kind in KINDS_OF_WORK
    }
    await connection.execute(
        """SELECT 1 FROM reseller WHERE reseller_id = ANY ($1)
           ORDER BY reseller_id FOR NO KEY UPDATE""",
        of_kind["reseller"],
    )
    await connection.execute(
        """WITH locked AS (SELECT customer_id FROM customer WHERE customer_id = ANY ($1)
             ORDER BY customer_id FOR NO KEY UPDATE)
           UPDATE customer SET version = version + 1
           WHERE customer_id IN (SELECT customer_id FROM locked)""",
        sorted({one["customer_id"] for one in held}),
    )
    for kind, table, key, column in (
        ("order", "orders", "order_id", "run_at"),
        ("customer", "customer", "customer_id", "settle_at"),
        ("reseller", "reseller", "reseller_id", "settle_at"),
    ):
        await connection.execute(
            f"UPDATE {table} SET {column} = $2 WHERE {key} = ANY ($1) AND status = '1002'",
            of_kind[kind],
            at,
        )


async def bring_forward(connection: AnyConnection, partner_id: str, latest: datetime) -> None:
    """Make nothing accepted wait beyond `latest`: a shorter delay takes what waits along."""
    await connection.execute(
        """WITH locked AS (SELECT reseller_id FROM reseller
             WHERE partner_id = $1 AND status = '1002' AND settle_at > $2
             ORDER BY reseller_id FOR NO KEY UPDATE)
           UPDATE reseller SET settle_at = $2, version = version + 1
           WHERE reseller_id IN (SELECT reseller_id FROM locked)""",
        partner_id,
        latest,
    )
    await connection.execute(
        """SELECT 1 FROM customer WHERE customer_id IN (SELECT customer_id FROM orders
             WHERE partner_id = $1 AND status = '1002' AND run_at > $2)
             OR partner_id = $1 AND status = '1002' AND settle_at > $2
           ORDER BY customer_id FOR NO KEY UPDATE""",
        partner_id,
        latest,
    )
    await connection.execute(
        """WITH moved AS (UPDATE orders SET run_at = $2
             WHERE partner_id = $1 AND status = '1002' AND run_at > $2 RETURNING customer_id)
           UPDATE customer SET version = version + 1,
             settle_at = CASE WHEN status = '1002' AND settle_at > $2 THEN $2 ELSE settle_at END
           WHERE customer_id IN (SELECT customer_id FROM moved)
             OR partner_id = $1 AND status = '1002' AND settle_at > $2""",
        partner_id,
        latest,
    )


class Parked(Struct, frozen=True, rename="camel"):
    """A customer whose work was given up until an operator resumes it."""

    partner_id: str
    customer_id: str
    reason: str


async def parked(connection: AnyConnection, partner_id: str | None) -> list[Parked]:
    """Parked customers of a partner, or of all."""
    records = await connection.fetch(
        """SELECT partner_id, customer_id, parked_reason FROM customer
           WHERE parked_reason IS NOT NULL AND ($1::text IS NULL OR partner_id = $1)
           ORDER BY partner_id, customer_id""",
        partner_id,
    )
    return [Parked(*record) for record in records]


async def resume(
    connection: AnyConnection, partner_id: str | None, customer_ids: Sequence[str] | None
) -> list[str]:
    """Take parked customers, those named or all, back to work; gives their ids."""
    records = await connection.fetch(
        """WITH found AS (
             SELECT customer_id FROM customer WHERE parked_reason IS NOT NULL
               AND ($1::text IS NULL OR partner_id = $1)
               AND ($2::text[] IS NULL OR customer_id = ANY ($2))
             ORDER BY customer_id FOR NO KEY UPDATE)
           UPDATE customer SET parked_reason = NULL, attempts = 0, version = version + 1
           WHERE customer_id IN (SELECT customer_id FROM found) RETURNING customer_id""",
        partner_id,
        None if customer_ids is None else list(customer_ids),
    )
    return sorted(record["customer_id"] for record in records)


async def customers_of(
    connection: AnyConnection, partner_id: str, customer_id: str | None, order_id: str | None
) -> list[str] | None:
    """The customer a customer or order id of a partner means; None without an id."""
    if customer_id is not None:
        return [customer_id]
    if order_id is None:
        return None
    found = await connection.fetchval(
        "SELECT customer_id FROM orders WHERE partner_id = $1 AND order_id = $2",
        partner_id,
        order_id,
    )
    return [found]


async def look_again(connection: AnyConnection, partner_id: str, at: datetime) -> None:
    """Have the agenda of every customer of a partner worked out anew at `at`."""
    await connection.execute(
        """WITH found AS (SELECT customer_id FROM customer WHERE partner_id = $1
             ORDER BY customer_id FOR NO KEY UPDATE)
           UPDATE customer SET due_at = LEAST(due_at, $2)
           WHERE customer_id IN (SELECT customer_id FROM found)""",
        partner_id,
        at,
    )


async def exists(
    connection: AnyConnection, partner_id: str, customer_id: str | None, order_id: str | None
) -> tuple[bool, bool]:
    """Whether a customer and an order are the partner's, the order also the customer's."""
    record = await connection.fetchrow(
        """SELECT $2::text IS NULL OR EXISTS (SELECT 1 FROM customer
             WHERE customer_id = $2 AND partner_id = $1) AS customer,
           $3::text IS NULL OR EXISTS (SELECT 1 FROM orders WHERE order_id = $3
             AND partner_id = $1 AND COALESCE($2, customer_id) = customer_id) AS orders""",
        partner_id,
        customer_id,
        order_id,
    )
    assert record is not None
    return record["customer"], record["orders"]


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
