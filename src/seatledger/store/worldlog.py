"""Domain events of a partner, in the order they were written."""

from seatledger.store.rows import AnyConnection, decode
from seatledger.store.settling import Event


class _Numbered(Event, frozen=True, kw_only=True):
    sequence: int


async def events(
    connection: AnyConnection, partner_id: str, since: int, kind: str | None, limit: int
) -> list[tuple[int, Event]]:
    """Events after a sequence number, oldest first, each with its own."""
    records = await connection.fetch(
        """SELECT to_jsonb(e) FROM event e WHERE partner_id = $1 AND sequence > $2
             AND ($3::text IS NULL OR kind = $3) ORDER BY sequence LIMIT $4""",
        partner_id,
        since,
        kind,
        limit,
    )
    found = [decode(record[0], _Numbered) for record in records]
    return [(one.sequence, one) for one in found]
