"""Removing what has expired (platform.md 5.2): stored answers, request ids, events, the unused.

None has an index on its age: every order would pay for it, again and again. They are walked instead
as they lie on disk, a few pages at a time. (A block range index would cost next to nothing, but its
ranges never shrink: once purged pages fill up again, it names them all.)
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from seatledger.store.partners import WorldRow
from seatledger.store.rows import AnyConnection, fetch_all

_LAST_SWEEP = "swept_at"  # in the configuration


class Walk(Struct, frozen=True):
    """A table to walk, its column of age, and the pages that hold about a thousand rows."""

    table: str
    aged_by: str
    pages: int


REPLAYS: Final = (Walk("idempotency", "completed_at", 128), Walk("request_id", "seen_at", 16))
EVENTS: Final = Walk("event", "at", 16)


async def claim_sweep(connection: AnyConnection, real: datetime, last_before: datetime) -> bool:
    """Begin a sweep at a real instant; False if one has begun since `last_before`."""
    begun = await connection.fetchval(
        """INSERT INTO config AS old (key, value) VALUES ($1, $2)
           ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value
             WHERE old.value::timestamptz < $3 RETURNING true""",
        _LAST_SWEEP,
        real.isoformat(),
        last_before,
    )
    return bool(begun)


async def page_count(connection: AnyConnection, walk: Walk) -> int:
    """The pages of a table."""
    count: int = await connection.fetchval(
        "SELECT pg_relation_size($1::regclass) / current_setting('block_size')::int", walk.table
    )
    return count


async def worlds_on(connection: AnyConnection, walk: Walk, page: int) -> list[WorldRow]:
    """The partners with rows on the pages that begin with `page`."""
    return await fetch_all(
        connection,
        WorldRow,
        f"""SELECT to_jsonb(p) FROM partner p WHERE partner_id IN (
              SELECT partner_id FROM {walk.table} WHERE ctid >= $1 AND ctid < $2)""",
        (page, 0),
        (page + walk.pages, 0),
    )


async def delete_expired(
    connection: AnyConnection,
    walk: Walk,
    page: int,
    worlds: Sequence[WorldRow],
    alive_since: Sequence[datetime],
) -> int:
    """Delete what is older than each world's instant on the pages that begin with `page`.

    A world changed since it was read is passed over: its clock may have been set back by a reset.
    Rows somebody holds are passed over too, so a sweep never waits. Gives their number.
    """
    done = await connection.execute(
        f"""DELETE FROM {walk.table} WHERE ctid = ANY (ARRAY(
              SELECT t.ctid FROM {walk.table} t
              JOIN unnest($3::text[], $4::bigint[], $5::timestamptz[])
                AS w (partner_id, version, alive_since) ON w.partner_id = t.partner_id
              JOIN partner p ON p.partner_id = w.partner_id AND p.version = w.version
              WHERE t.ctid >= $1 AND t.ctid < $2 AND t.{walk.aged_by} < w.alive_since
              FOR UPDATE OF t SKIP LOCKED))""",
        (page, 0),
        (page + walk.pages, 0),
        [one.partner_id for one in worlds],
        [one.version for one in worlds],
        alive_since,
    )
    return int(done.rpartition(" ")[2])


async def delete_full_buckets(connection: AnyConnection, untouched_since: datetime) -> None:
    """Delete rate buckets untouched for long: a full one is as good as none."""
    await connection.execute("DELETE FROM rate_bucket WHERE refilled_at < $1", untouched_since)


_UNUSED = """
  NOT EXISTS (SELECT FROM partner p WHERE d.version IN (p.catalog_version, p.discounts_version))
  AND NOT EXISTS (SELECT FROM config c WHERE c.key = d.kind || '_version'
    AND c.value = d.version::text)
"""


async def unused_data_sets(connection: AnyConnection) -> list[int]:
    """Versions of data sets that no partner has, and that new ones would not get either."""
    records = await connection.fetch(f"SELECT version FROM data_set d WHERE {_UNUSED}")
    return [record["version"] for record in records]


async def delete_data_sets(connection: AnyConnection, versions: Sequence[int]) -> None:
    """Delete those of the data sets that are still unused."""
    await connection.execute(
        f"DELETE FROM data_set d WHERE version = ANY ($1::int[]) AND {_UNUSED}", versions
    )
