"""Flexible discounts as the database has them: their uses, and what a world made of its own."""

from collections.abc import Collection
from datetime import datetime

from asyncpg import Record

from seatledger.domain.closed_codes import ClosedCode
from seatledger.domain.model import Redemption
from seatledger.store import rows
from seatledger.store.rows import AnyConnection


async def redemptions_of(connection: AnyConnection, customer_id: str) -> list[Redemption]:
    """Every recorded use of a customer."""
    return await rows.fetch_all(
        connection,
        Redemption,
        "SELECT to_jsonb(r) FROM redemption r WHERE customer_id = $1",
        customer_id,
    )


async def spent_codes(connection: AnyConnection, partner_id: str) -> frozenset[str]:
    """Ids of the one-time closed discounts that customers of a partner have redeemed."""
    records: list[Record] = await connection.fetch(
        "SELECT discount_id FROM redemption WHERE partner_id = $1 AND one_time", partner_id
    )
    return frozenset(record["discount_id"] for record in records)


async def own_customers(
    connection: AnyConnection, partner_id: str, customer_ids: Collection[str]
) -> frozenset[str]:
    """Those of the customers that are the partner's."""
    records: list[Record] = await connection.fetch(
        "SELECT customer_id FROM customer WHERE partner_id = $1 AND customer_id = ANY ($2)",
        partner_id,
        list(customer_ids),
    )
    return frozenset(record["customer_id"] for record in records)


async def add_code(connection: AnyConnection, made: ClosedCode) -> None:
    """Store a closed code; the world changes with it."""
    await rows.insert(connection, "closed_code", [made])
    await _touch(connection, made.partner_id)


async def delete_code(connection: AnyConnection, partner_id: str, code: str) -> bool:
    """Remove a closed code that was made for a customer; False if there is none."""
    found = await connection.fetchval(
        "DELETE FROM closed_code WHERE partner_id = $1 AND code = $2 RETURNING true",
        partner_id,
        code,
    )
    if found:
        await _touch(connection, partner_id)
    return bool(found)


async def set_end(
    connection: AnyConnection, partner_id: str, discount_id: str, ends_at: datetime
) -> None:
    """Move the end date of a discount for one partner."""
    await connection.execute(
        """INSERT INTO discount_end (partner_id, discount_id, ends_at) VALUES ($1, $2, $3)
           ON CONFLICT (partner_id, discount_id) DO UPDATE SET ends_at = EXCLUDED.ends_at""",
        partner_id,
        discount_id,
        ends_at,
    )
    await _touch(connection, partner_id)


async def forget_ends(connection: AnyConnection, partner_id: str | None) -> None:
    """Give a partner, or all, the end dates of the loaded file back."""
    await connection.execute(
        "DELETE FROM discount_end WHERE $1::text IS NULL OR partner_id = $1", partner_id
    )


async def _touch(connection: AnyConnection, partner_id: str) -> None:
    """Let every process see that a world has changed."""
    await connection.execute(
        "UPDATE partner SET version = version + 1 WHERE partner_id = $1", partner_id
    )
