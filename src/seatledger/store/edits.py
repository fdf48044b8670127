"""Rows a sandbox edit changes by hand (sandbox.md 3)."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from msgspec import Struct

from seatledger.domain.invariants import History
from seatledger.domain.model import Reseller
from seatledger.store import rows
from seatledger.store.rows import AnyConnection

T = TypeVar("T", bound=Struct)

_HISTORY = """
SELECT jsonb_build_object(
  'customer', to_jsonb(c),
  'orders', COALESCE((SELECT jsonb_agg(to_jsonb(o) ORDER BY o.created_at, o.order_id)
      FROM orders o WHERE o.customer_id = c.customer_id), '[]'),
  'subscriptions', COALESCE((SELECT jsonb_agg(to_jsonb(s) ORDER BY s.position)
      FROM subscription s WHERE s.customer_id = c.customer_id), '[]'),
  'entries', COALESCE((SELECT jsonb_agg(to_jsonb(l) ORDER BY l.version, l.position)
      FROM ledger_entry l WHERE l.customer_id = c.customer_id), '[]'))
FROM customer c WHERE c.customer_id = $2 AND c.partner_id = $1
"""


# The reference is left out: it changes without the customer's lock (orders.md 7.3).
_SAVE_ORDERS = """
UPDATE orders o SET status = n.status, lines = n.lines, created_at = n.created_at,
  completed_at = n.completed_at, run_at = n.run_at, forced = n.forced
FROM jsonb_populate_recordset(NULL::orders, $1::jsonb) n WHERE o.order_id = n.order_id
"""


async def lock_reseller(
    connection: AnyConnection, partner_id: str, reseller_id: str
) -> Reseller | None:
    """Lock and read a reseller of the partner."""
    return await rows.fetch_one(
        connection,
        Reseller,
        """SELECT to_jsonb(r) FROM reseller r
           WHERE reseller_id = $2 AND partner_id = $1 FOR NO KEY UPDATE""",
        partner_id,
        reseller_id,
    )


async def lock_history(
    connection: AnyConnection, partner_id: str, customer_id: str
) -> History | None:
    """Lock a customer of the partner and read everything about it.

    The lock comes in a statement of its own: the next one then sees what it waited for.
    """
    await connection.execute(
        "SELECT 1 FROM customer WHERE customer_id = $2 AND partner_id = $1 FOR NO KEY UPDATE",
        partner_id,
        customer_id,
    )
    return await rows.fetch_one(connection, History, _HISTORY, partner_id, customer_id)


async def save(connection: AnyConnection, before: History, after: History) -> None:
    """Write what differs between two states of a locked customer; ledger entries only come."""
    await rows.upsert(connection, "customer", "customer_id", [after.customer])
    orders = _changed(before.orders, after.orders, lambda one: one.order_id)
    known = {one.order_id for one in before.orders}
    await connection.execute(
        _SAVE_ORDERS, rows.encode([one for one in orders if one.order_id in known])
    )
    await rows.insert(connection, "orders", [one for one in orders if one.order_id not in known])
    seats = _changed(before.subscriptions, after.subscriptions, lambda one: one.subscription_id)
    await rows.upsert(connection, "subscription", "subscription_id", seats)
    entries = _changed(before.entries, after.entries, lambda one: (one.version, one.position))
    await rows.insert(connection, "ledger_entry", entries)


def _changed(old: Sequence[T], new: Sequence[T], key: Callable[[T], Hashable]) -> list[T]:
    known = {key(one): one for one in old}
    return [one for one in new if known.get(key(one)) != one]
