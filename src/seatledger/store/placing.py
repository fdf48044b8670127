"""The two statements of the order path: read everything, write everything (DESIGN of the path).

Keys are looked up by correlated scalar subqueries, never by outer joins: on tables without
statistics a join is planned badly. A customer somebody else holds is about to change: its order
loses this round without making the others of its batch wait; so it is with a partner. Inserts are
sorted by key: processes that write the same ones cannot deadlock.
"""

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record
from msgspec import Struct

from seatledger.contract.limits import MAX_QUANTITY, REPLAY_SECONDS
from seatledger.domain.model import Account, Order, Redemption
from seatledger.store.rows import AnyConnection, decode, encode

SMALLEST_MAXIMUM = min(MAX_QUANTITY.values())

# Orders in flight matter to a NEW order only where they could lift a subscription above a maximum,
# and a customer may have thousands: they are read when all seats together come near it.
ACCOUNT = f"""
json_build_object(
  'customer', to_json(c),
  'reseller_segments', COALESCE((SELECT r.profile -> 'marketSegments'
      FROM reseller r WHERE r.reseller_id = c.reseller_id), '[]'),
  'subscriptions', COALESCE((SELECT json_agg(to_json(s) ORDER BY s.position)
      FROM subscription s WHERE s.customer_id = c.customer_id), '[]'),
  'pending', CASE WHEN i.quantity < 0 OR i.quantity
      + (SELECT COALESCE(sum(s.current_quantity), 0) FROM subscription s
          WHERE s.customer_id = c.customer_id)
      + (SELECT COALESCE(sum(o.quantity), 0) FROM orders o
          WHERE o.customer_id = c.customer_id AND o.status = '1002' AND o.order_type = 'NEW')
      > {SMALLEST_MAXIMUM}
    THEN COALESCE((SELECT json_agg(to_json(o)) FROM orders o
      WHERE o.customer_id = c.customer_id AND o.status = '1002'), '[]') ELSE '[]' END,
  'deployments', CASE WHEN i.wants_deployments THEN COALESCE((SELECT json_agg(to_json(d))
      FROM deployment d WHERE d.customer_id = c.customer_id), '[]') ELSE '[]' END,
  'redemptions', CASE WHEN i.wants_discounts THEN COALESCE((SELECT json_agg(to_json(x))
      FROM redemption x WHERE x.customer_id = c.customer_id), '[]') ELSE '[]' END,
  'closed_codes_taken', CASE WHEN i.wants_discounts THEN COALESCE((SELECT
      json_agg(x.discount_id) FROM redemption x
      WHERE x.partner_id = c.partner_id AND x.one_time), '[]') ELSE '[]' END,
  'term_orders', CASE WHEN i.wants_history THEN COALESCE((SELECT json_agg(to_json(o))
      FROM orders o WHERE o.customer_id = c.customer_id AND o.order_type IN ('NEW', 'RENEWAL')
      AND o.created_at >= COALESCE(c.term_started_at, c.created_at)), '[]') ELSE '[]' END,
  'reference', (SELECT to_json(o) FROM orders o
      WHERE o.order_id = i.reference_order_id AND o.customer_id = c.customer_id)
)"""

_READ = f"""
SELECT
  (SELECT ROW(s.http_status, s.body, s.fingerprint) FROM idempotency s
    WHERE s.partner_id = i.partner_id AND s.correlation_id = i.correlation_id
      AND s.path = i.path AND s.method = 'POST' AND s.completed_at >= i.alive_since) AS stored,
  EXISTS (SELECT 1 FROM request_id q WHERE q.partner_id = i.partner_id
    AND q.request_id = i.request_id AND q.seen_at >= i.alive_since) AS request_seen,
  (SELECT p.version FROM partner p WHERE p.partner_id = i.partner_id) AS partner_version,
  (SELECT {ACCOUNT} FROM customer c
    WHERE c.customer_id = i.customer_id AND c.partner_id = i.partner_id) AS account
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[],
  $7::text[], $8::bool[], $9::bool[], $10::bool[], $11::bigint[]) WITH ORDINALITY
  AS i (partner_id, path, correlation_id, request_id, alive_since, customer_id,
    reference_order_id, wants_deployments, wants_discounts, wants_history, quantity, n)
ORDER BY i.n
"""

# Orders of a customer settle in their order (orders.md 1.6), so none is due before an earlier one.
_WRITE = f"""
WITH i AS MATERIALIZED (
  SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[],
    $7::smallint[], $8::bytea[], $9::timestamptz[], $10::text[], $11::bigint[], $12::text[],
    $13::bigint[])
  AS i (n, partner_id, path, correlation_id, request_id, fingerprint, http_status, body, at,
    customer_id, seen_version, order_id, seen_world)
), world AS MATERIALIZED (
  SELECT g.partner_id, g.seen_world
  FROM (SELECT DISTINCT partner_id, seen_world FROM i) g,
  LATERAL (SELECT FROM partner p WHERE p.partner_id = g.partner_id AND p.version = g.seen_world
    FOR KEY SHARE SKIP LOCKED) p
), locked AS MATERIALIZED (
  SELECT g.customer_id
  FROM (SELECT customer_id, min(seen_version) AS seen FROM i
    WHERE order_id <> '' AND (partner_id, seen_world) IN (SELECT * FROM world)
    GROUP BY customer_id) g,
  LATERAL (SELECT FROM customer k WHERE k.customer_id = g.customer_id AND k.version = g.seen
    FOR NO KEY UPDATE SKIP LOCKED) k
), c AS (
  UPDATE customer SET version = version + 1
  WHERE customer_id = ANY (ARRAY(SELECT customer_id FROM locked))
  RETURNING customer_id
), ready AS MATERIALIZED (
  SELECT * FROM i WHERE (partner_id, seen_world) IN (SELECT * FROM world)
    AND (seen_version = 0 OR customer_id IN (SELECT customer_id FROM c))
), q AS (
  INSERT INTO request_id AS old (partner_id, request_id, seen_at)
  SELECT partner_id, request_id, at FROM ready WHERE request_id <> ''
  ORDER BY partner_id, request_id
  ON CONFLICT (partner_id, request_id) DO UPDATE SET seen_at = EXCLUDED.seen_at
    WHERE old.seen_at < EXCLUDED.seen_at - interval '{REPLAY_SECONDS} seconds'
  RETURNING partner_id, request_id
), d AS (
  INSERT INTO idempotency AS old (partner_id, correlation_id, path, method, fingerprint,
    http_status, body, completed_at)
  SELECT partner_id, correlation_id, path, 'POST', fingerprint, http_status, body, at
  FROM ready r
  WHERE request_id = '' OR (partner_id, request_id) IN (SELECT partner_id, request_id FROM q)
  ORDER BY partner_id, correlation_id, path
  ON CONFLICT (partner_id, correlation_id, path, method) DO UPDATE SET
    fingerprint = EXCLUDED.fingerprint, http_status = EXCLUDED.http_status,
    body = EXCLUDED.body, completed_at = EXCLUDED.completed_at
    WHERE old.completed_at < EXCLUDED.completed_at - interval '{REPLAY_SECONDS} seconds'
  RETURNING partner_id, correlation_id, path
), won AS MATERIALIZED (
  SELECT i.n, i.order_id FROM i
  WHERE (i.partner_id, i.correlation_id, i.path) IN (SELECT partner_id, correlation_id, path FROM d)
), o AS (
  INSERT INTO orders (order_id, partner_id, customer_id, reseller_id, order_type, status, source,
    external_reference_id, reference_order_id, created_at, lines, basis, run_at, injected_status,
    tracker_id, quantity)
  SELECT o.order_id, o.partner_id, o.customer_id, o.reseller_id, o.order_type, '1002', 'API',
    o.external_reference_id, o.reference_order_id, o.created_at, o.lines::jsonb, o.basis::jsonb,
    CASE WHEN o.run_at IS NULL OR EXISTS (SELECT 1 FROM orders e
        WHERE e.customer_id = o.customer_id AND e.status = '1002' AND e.run_at IS NULL) THEN NULL
      ELSE GREATEST(o.run_at, (SELECT max(e.run_at) FROM orders e
        WHERE e.customer_id = o.customer_id AND e.status = '1002')) END,
    o.injected_status, o.tracker_id, o.quantity
  FROM unnest($14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[],
    $20::text[], $21::timestamptz[], $22::text[], $23::text[], $24::timestamptz[], $25::text[],
    $26::text[], $27::int[])
  AS o (order_id, partner_id, customer_id, reseller_id, order_type, external_reference_id,
    reference_order_id, created_at, lines, basis, run_at, injected_status, tracker_id, quantity)
  WHERE o.order_id IN (SELECT order_id FROM won)
), x AS (
  INSERT INTO redemption SELECT x.* FROM jsonb_populate_recordset(NULL::redemption, $28::jsonb) x
  WHERE x.order_id IN (SELECT order_id FROM won)
)
SELECT n FROM won
"""


class Asked(Struct, frozen=True):
    """What one waiting order needs to have read.

    `request_id` is "" when it was generated; `quantity` are the seats asked for, -1 to read the
    orders in flight whatever their number.
    """

    partner_id: str
    path: str
    correlation_id: str
    request_id: str
    alive_since: datetime
    customer_id: str
    reference_order_id: str
    wants_deployments: bool
    wants_discounts: bool
    wants_history: bool
    quantity: int = -1


class Known(Struct, frozen=True):
    """What the database says about one waiting order."""

    stored: "Stored | None"
    request_seen: bool
    partner_version: int | None
    account: Account | None


class Stored(Struct, frozen=True):
    """An answer kept for replay, byte for byte."""

    http_status: int
    body: bytes
    fingerprint: bytes


class Outcome(Struct, frozen=True):
    """One judged order as it goes into the database.

    `order` is None for previews and refusals: they leave only the stored answer. `at` is the
    business instant. It takes effect only while the partner has the version `seen_world` and,
    unless `seen_version` is 0, the customer has that one; `leans` says that it was judged on
    orders before it in the same batch, and holds only with them.
    """

    asked: Asked
    fingerprint: bytes
    http_status: int
    body: bytes
    at: datetime
    seen_world: int
    order: Order | None = None
    seen_version: int = 0
    redemptions: tuple[Redemption, ...] = ()
    leans: bool = False


class _Torn(Exception):
    """Some orders of a customer would have taken effect without those they lean on."""


async def read(connection: AnyConnection, asked: Sequence[Asked]) -> list[Known]:
    """Everything a batch of orders needs, in one round trip, in the order asked."""
    records = await connection.fetch(
        _READ,
        [one.partner_id for one in asked],
        [one.path for one in asked],
        [one.correlation_id for one in asked],
        [one.request_id for one in asked],
        [one.alive_since for one in asked],
        [one.customer_id for one in asked],
        [one.reference_order_id for one in asked],
        [one.wants_deployments for one in asked],
        [one.wants_discounts for one in asked],
        [one.wants_history for one in asked],
        [one.quantity for one in asked],
    )
    return [_known(record) for record in records]


def _known(record: Record) -> Known:
    stored = record["stored"]
    account = record["account"]
    return Known(
        Stored(*stored) if stored is not None else None,
        record["request_seen"],
        record["partner_version"],
        decode(account, Account) if account is not None else None,
    )


async def write(connection: AnyConnection, outcomes: Sequence[Outcome]) -> set[int]:
    """Write a batch in one statement; gives the positions that took effect.

    A position is missing when its customer or partner changed since the read or is held by
    somebody, or when another process was first with its correlation or request id: that one has
    written nothing and must be judged again.
    """
    if not any(one.leans for one in outcomes):
        return await _write(connection, outcomes)
    try:
        async with connection.transaction():
            won = await _write(connection, outcomes)
            if _is_torn(outcomes, won):
                raise _Torn
    except _Torn:
        return set()
    return won


def _is_torn(outcomes: Sequence[Outcome], won: set[int]) -> bool:
    """Whether of one customer's decisions that hold only together not all took effect."""
    effects: dict[str, bool] = {}
    return any(
        effects.setdefault(one.asked.customer_id, position in won) != (position in won)
        for position, one in enumerate(outcomes)
        if one.seen_version
    )


async def _write(connection: AnyConnection, outcomes: Sequence[Outcome]) -> set[int]:
    orders = [one.order for one in outcomes if one.order is not None]
    redemptions = [entry for one in outcomes for entry in one.redemptions]
    asked = [one.asked for one in outcomes]
    records = await connection.fetch(
        _WRITE,
        list(range(len(outcomes))),
        [one.partner_id for one in asked],
        [one.path for one in asked],
        [one.correlation_id for one in asked],
        [one.request_id for one in asked],
        [one.fingerprint for one in outcomes],
        [one.http_status for one in outcomes],
        [one.body for one in outcomes],
        [one.at for one in outcomes],
        [one.customer_id for one in asked],
        [one.seen_version for one in outcomes],
        [one.order.order_id if one.order else "" for one in outcomes],
        [one.seen_world for one in outcomes],
        [one.order_id for one in orders],
        [one.partner_id for one in orders],
        [one.customer_id for one in orders],
        [one.reseller_id for one in orders],
        [one.order_type for one in orders],
        [one.external_reference_id for one in orders],
        [one.reference_order_id for one in orders],
        [one.created_at for one in orders],
        [encode(one.lines) for one in orders],
        [encode(one.basis) for one in orders],
        [one.run_at for one in orders],
        [one.injected_status for one in orders],
        [one.tracker_id for one in orders],
        [one.quantity for one in orders],
        encode(redemptions),
    )
    return {record["n"] for record in records}
