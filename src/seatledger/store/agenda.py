"""What is due by itself: claiming customers for it, and writing what it changed."""

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record
from msgspec import Struct

from seatledger.domain.fulfilment import Standing
from seatledger.domain.model import Account, Customer, LedgerEntry, Order, Redemption, Subscription
from seatledger.store import rows
from seatledger.store.due import AGENDA_IS_FREE
from seatledger.store.placing import ACCOUNT
from seatledger.store.rows import AnyConnection, decode
from seatledger.store.settling import Claim, Event

_FIRST_DUE = f"""
SELECT c.customer_id FROM customer c
WHERE c.partner_id = $1 AND c.due_at <= $2 AND {AGENDA_IS_FREE}
  AND ($3::text[] IS NULL OR c.customer_id = ANY ($3)) AND c.customer_id <> ALL ($5::text[])
ORDER BY c.due_at, c.due_phase, c.customer_id LIMIT $4
"""
# Locks that are waited for are taken by id as everywhere; the condition is looked at again after
# the wait. Those that are not cannot deadlock: what others hold is passed over for the next.
_LOCK = {
    True: f"""
SELECT c.customer_id FROM customer c
WHERE c.customer_id IN ({_FIRST_DUE}) AND c.due_at <= $2 AND {AGENDA_IS_FREE}
ORDER BY c.customer_id FOR NO KEY UPDATE
""",
    False: f"{_FIRST_DUE} FOR NO KEY UPDATE SKIP LOCKED",
}

_LOAD = f"""
SELECT {ACCOUNT} AS account,
  (SELECT r.status FROM reseller r WHERE r.reseller_id = c.reseller_id) AS reseller_status
FROM customer c, (SELECT -1::bigint AS quantity, true AS wants_deployments,
  true AS wants_discounts, false AS wants_history, ''::text AS reference_order_id) i
WHERE c.customer_id = ANY ($1) ORDER BY c.due_at, c.due_phase, c.customer_id
"""


class Waiting(Struct, frozen=True, gc=False):
    """A locked customer with everything a due thing looks at."""

    account: Account
    standing: Standing


class Changes(Struct):
    """Rows that due things have changed; `customers` in their last state."""

    customers: list[Customer]
    orders: list[Order]
    subscriptions: list[Subscription]
    entries: list[LedgerEntry]
    redemptions: list[Redemption]
    events: list[Event]


async def hold_settlement(connection: AnyConnection, partner_id: str) -> tuple[str, int] | None:
    """How a partner's work settles, mode and delay in seconds, until the transaction ends.

    None if there is no such partner any more. A change of settlement takes along what was made
    before it, and waits for it to be made (`partners.set_settlement`). Before any other lock.
    """
    record = await connection.fetchrow(
        """SELECT settlement_mode, settlement_delay FROM partner WHERE partner_id = $1
           FOR KEY SHARE""",
        partner_id,
    )
    return None if record is None else (record["settlement_mode"], record["settlement_delay"])


async def closes_month_at(connection: AnyConnection, partner_id: str) -> datetime | None:
    """When a partner's running month is closed, kept from changing until the transaction ends."""
    closing: datetime | None = await connection.fetchval(
        "SELECT closes_month_at FROM partner WHERE partner_id = $1 FOR NO KEY UPDATE", partner_id
    )
    return closing


async def set_closing(connection: AnyConnection, partner_id: str, closing: datetime) -> None:
    """Note when a partner's running month is closed (business clock)."""
    await connection.execute(
        "UPDATE partner SET closes_month_at = $2 WHERE partner_id = $1", partner_id, closing
    )


async def lock_due(
    connection: AnyConnection, partner_id: str, at: datetime, claim: Claim
) -> list[str]:
    """Lock customers to whom something happens by the business instant `at`, earliest first.

    Those with accepted orders are left alone until these have settled.
    """
    records: list[Record] = await connection.fetch(
        _LOCK[claim.wait],
        partner_id,
        at,
        None if claim.customer_ids is None else list(claim.customer_ids),
        claim.limit,
        list(claim.but_not),
    )
    return [record["customer_id"] for record in records]


async def load_due(
    connection: AnyConnection, customer_ids: Sequence[str], partner_status: str
) -> list[Waiting]:
    """Read locked customers in the order in which their due things happen."""
    records = await connection.fetch(_LOAD, list(customer_ids))
    return [
        Waiting(
            decode(record["account"], Account),
            Standing(partner_status, record["reseller_status"]),
        )
        for record in records
    ]


async def save(connection: AnyConnection, changes: Changes) -> None:
    """Write what happened; the caller holds the locks and the transaction."""
    await rows.insert(connection, "orders", changes.orders)
    await rows.insert(connection, "redemption", changes.redemptions)
    await rows.upsert(connection, "subscription", "subscription_id", changes.subscriptions)
    await rows.insert(connection, "ledger_entry", changes.entries)
    await rows.upsert(connection, "customer", "customer_id", changes.customers)
    await rows.insert(connection, "event", changes.events)
