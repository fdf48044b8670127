"""Stored answers and remembered request ids, for every write but the order batch."""

from datetime import datetime

from msgspec import Struct

from seatledger.store.placing import Stored
from seatledger.store.rows import AnyConnection


class Memory(Struct, frozen=True):
    """What is remembered about a call."""

    stored: Stored | None
    request_seen: bool


async def recall(
    connection: AnyConnection,
    key: tuple[str, str, str, str],
    request_id: str,
    alive_since: datetime,
) -> Memory:
    """Look up (partner, method, path, correlation id) and the request id in one trip."""
    record = await connection.fetchrow(
        """SELECT (SELECT ROW(s.http_status, s.body, s.fingerprint) FROM idempotency s
             WHERE s.partner_id = $1 AND s.method = $2 AND s.path = $3 AND s.correlation_id = $4
               AND s.completed_at >= $6) AS stored,
           EXISTS (SELECT 1 FROM request_id q WHERE q.partner_id = $1 AND q.request_id = $5
             AND q.seen_at >= $6) AS request_seen""",
        *key,
        request_id,
        alive_since,
    )
    assert record is not None
    stored = record["stored"]
    return Memory(Stored(*stored) if stored is not None else None, record["request_seen"])


async def remember(
    connection: AnyConnection,
    key: tuple[str, str, str, str],
    request_id: str,
    answer: Stored,
    at: datetime,
    alive_since: datetime,
) -> bool:
    """Store an answer with its request id; False if either was taken meanwhile."""
    if request_id:
        fresh = await connection.fetchval(
            """INSERT INTO request_id AS old (partner_id, request_id, seen_at) VALUES ($1, $2, $3)
               ON CONFLICT (partner_id, request_id) DO UPDATE SET seen_at = EXCLUDED.seen_at
                 WHERE old.seen_at < $4 RETURNING true""",
            key[0],
            request_id,
            at,
            alive_since,
        )
        if not fresh:
            return False
    kept = await connection.fetchval(
        """INSERT INTO idempotency AS old (partner_id, method, path, correlation_id, fingerprint,
             http_status, body, completed_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
           ON CONFLICT (partner_id, correlation_id, path, method) DO UPDATE SET
             fingerprint = EXCLUDED.fingerprint, http_status = EXCLUDED.http_status,
             body = EXCLUDED.body, completed_at = EXCLUDED.completed_at
             WHERE old.completed_at < $9 RETURNING true""",
        *key,
        answer.fingerprint,
        answer.http_status,
        answer.body,
        at,
        alive_since,
    )
    return bool(kept)
