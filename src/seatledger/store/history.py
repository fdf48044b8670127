"""Orders as they are read, and the one field of an order that may change."""

from datetime import datetime

from asyncpg import Record
from msgspec import Struct

from seatledger.domain.invariants import History
from seatledger.domain.model import Order
from seatledger.store import rows
from seatledger.store.rows import AnyConnection


class HistoryFilter(Struct, frozen=True):
    """Filters of the order history (orders.md 7.2). Empty sequences and None filter nothing.

    `start` None means the start of the running term.
    """

    order_types: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    offer_ids: tuple[str, ...] = ()
    subscription_ids: tuple[str, ...] = ()
    reseller_id: str | None = None
    reference_order_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None


async def order(
    connection: AnyConnection, partner_id: str, customer_id: str, order_id: str
) -> Order | None:
    """An order of a customer of the partner."""
    return await rows.fetch_one(
        connection,
        Order,
        """SELECT to_jsonb(o) FROM orders o
           WHERE order_id = $3 AND customer_id = $2 AND partner_id = $1""",
        partner_id,
        customer_id,
        order_id,
    )


# Keys come from the covering index, are counted and paged there; only the page's rows are read.
_PAGE = """
WITH keys AS MATERIALIZED (
  SELECT o.created_at, o.order_id FROM orders o
  WHERE o.customer_id = $1
    AND o.created_at >= COALESCE($2::timestamptz,
      (SELECT COALESCE(c.term_started_at, c.created_at) FROM customer c WHERE c.customer_id = $1))
    AND o.created_at <= COALESCE($3::timestamptz, 'infinity')
    AND (cardinality($4::text[]) = 0 OR o.order_type = ANY ($4))
    AND (cardinality($5::text[]) = 0 OR o.status = ANY ($5))
    AND ($6::text IS NULL OR o.reseller_id = $6)
    AND ($7::text IS NULL OR o.reference_order_id = $7)
    {lines}
), page AS (
  SELECT order_id FROM keys ORDER BY created_at DESC, order_id DESC LIMIT $8 OFFSET $9
)
SELECT (SELECT count(*) FROM keys) AS total, (
  SELECT COALESCE(json_agg(to_json(o) ORDER BY o.created_at DESC, o.order_id DESC), '[]')
  FROM orders o WHERE o.order_id IN (SELECT order_id FROM page)) AS items
"""
_BY_LINES = """AND EXISTS (SELECT 1 FROM jsonb_array_elements(o.lines) l
      WHERE (cardinality($10::text[]) = 0 OR l ->> 'offer_id' = ANY ($10))
        AND (cardinality($11::text[]) = 0 OR l ->> 'subscription_id' = ANY ($11)))"""


async def page_of_orders(
    connection: AnyConnection, customer_id: str, wanted: HistoryFilter, limit: int, offset: int
) -> tuple[int, list[Order]]:
    """Total and a page of a customer's orders, newest first, in one snapshot."""
    arguments: list[object] = [
        customer_id,
        wanted.start,
        wanted.end,
        list(wanted.order_types),
        list(wanted.statuses),
        wanted.reseller_id,
        wanted.reference_order_id,
        limit,
        offset,
    ]
    by_lines = wanted.offer_ids or wanted.subscription_ids
    if by_lines:
        arguments += [list(wanted.offer_ids), list(wanted.subscription_ids)]
    record: Record | None = await connection.fetchrow(
        _PAGE.format(lines=_BY_LINES if by_lines else ""), *arguments
    )
    assert record is not None
    return record["total"], rows.decode_list(record["items"], Order)


async def set_reference(connection: AnyConnection, order_id: str, reference: str) -> None:
    """Change an order's externalReferenceId and nothing else (S-182)."""
    await connection.execute(
        "UPDATE orders SET external_reference_id = $2 WHERE order_id = $1", order_id, reference
    )


_HISTORIES = """
SELECT jsonb_build_object(
  'customer', to_jsonb(c),
  'orders', COALESCE((SELECT jsonb_agg(to_jsonb(o)) FROM orders o
      WHERE o.customer_id = c.customer_id), '[]'),
  'subscriptions', COALESCE((SELECT jsonb_agg(to_jsonb(s)) FROM subscription s
      WHERE s.customer_id = c.customer_id), '[]'),
  'entries', COALESCE((SELECT jsonb_agg(to_jsonb(l)) FROM ledger_entry l
      WHERE l.customer_id = c.customer_id), '[]'))
FROM customer c
WHERE ($1::text IS NULL OR c.partner_id = $1) AND c.customer_id > $2
ORDER BY c.customer_id LIMIT $3
"""


async def histories(
    connection: AnyConnection, partner_id: str | None, after: str, limit: int
) -> list[History]:
    """Everything about up to `limit` customers with ids above `after`, for the invariants."""
    return await rows.fetch_all(connection, History, _HISTORIES, partner_id, after, limit)


async def any_order(connection: AnyConnection, partner_id: str, order_id: str) -> Order | None:
    """An order of the partner, whoever's it is."""
    return await rows.fetch_one(
        connection,
        Order,
        "SELECT to_jsonb(o) FROM orders o WHERE order_id = $2 AND partner_id = $1",
        partner_id,
        order_id,
    )
