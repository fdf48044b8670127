"""Snapshots of worlds: the rows of every table, kept as text (sandbox.md 5.4)."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from seatledger.store import partners, rows
from seatledger.store.rows import AnyConnection

MOST: Final = 50  # per world

_KEPT = (*reversed(partners.TABLES_OF_A_WORLD), "partner")
_KEEP = "INSERT INTO snapshot_rows " + " UNION ALL ".join(
    f"""SELECT $1, '{table}', json_agg(t)::text FROM {table} t WHERE partner_id = $2
        HAVING count(*) > 0"""
    for table in _KEPT
)  # one statement, so that no table is later than another
_SHOWN = """SELECT to_json(found) FROM (
  SELECT snapshot_id, name, at, clock, (SELECT COALESCE(sum(octet_length(rows)), 0)
    FROM snapshot_rows r WHERE r.snapshot_id = s.snapshot_id) AS size,
    revision = (SELECT version_num FROM alembic_version) AS fits
  FROM snapshot s WHERE partner_id = $1 AND ($2::text IS NULL OR snapshot_id = $2)
  ORDER BY position) found"""
_ROWS = """json_populate_recordset(NULL::{table},
  (SELECT rows FROM snapshot_rows WHERE snapshot_id = $1 AND of_table = '{table}')::json)"""
_RESTORE_PARTNER = f"""
UPDATE partner p SET doc = s.doc, catalog_version = s.catalog_version,
  discounts_version = s.discounts_version, clock_mode = s.clock_mode, clock_at = $2,
  clock_real = $3, clock_rate = s.clock_rate, settlement_mode = s.settlement_mode,
  settlement_delay = s.settlement_delay, faults_armed = s.faults_armed,
  closes_month_at = s.closes_month_at, version = p.version + 1
FROM {_ROWS.format(table="partner")} s WHERE p.partner_id = s.partner_id"""


class Snapshot(Struct, frozen=True):
    """A world as it was at the real instant `at`, when its clock showed `clock`.

    `size` is that of its rows in bytes; they fit the tables until an upgrade changes these.
    """

    snapshot_id: str
    name: str
    at: datetime
    clock: datetime
    size: int
    fits: bool


async def of_partner(
    connection: AnyConnection, partner_id: str, snapshot_id: str | None = None
) -> list[Snapshot]:
    """A world's snapshots, or one of them, the oldest first."""
    return await rows.fetch_all(connection, Snapshot, _SHOWN, partner_id, snapshot_id)


async def take(
    connection: AnyConnection, partner_id: str, name: str, snapshot_id: str, at: datetime,
    clock: datetime,
) -> None:  # fmt: skip
    """Keep a world as it is."""
    await connection.execute(
        """INSERT INTO snapshot (snapshot_id, partner_id, name, revision, at, clock)
           SELECT $1, $2, $3, version_num, $4, $5 FROM alembic_version""",
        snapshot_id, partner_id, name, at, clock,
    )  # fmt: skip
    await connection.execute(_KEEP, snapshot_id, partner_id)


async def restore(
    connection: AnyConnection, partner_id: str, snapshot: Snapshot, real: datetime
) -> None:
    """Put a world back; its clock goes on from the instant of the snapshot.

    Versions go on, too: whoever is still deciding on what is gone now finds it changed.
    """
    await partners.lock_all(connection, partner_id)  # so that no version rises once it is read
    seen = {
        table: await connection.fetchval(
            f"SELECT COALESCE(max(version), 0) FROM {table} WHERE partner_id = $1", partner_id
        )
        for table in ("reseller", "customer")
    }
    await partners.empty(connection, partner_id)
    for table in reversed(partners.TABLES_OF_A_WORLD):
        await connection.execute(
            f"""INSERT INTO {table} OVERRIDING SYSTEM VALUE
                SELECT * FROM {_ROWS.format(table=table)}""",
            snapshot.snapshot_id,
        )
    for table, version in seen.items():
        await connection.execute(
            f"UPDATE {table} SET version = GREATEST(version, $2) + 1 WHERE partner_id = $1",
            partner_id,
            version,
        )
    await connection.execute(_RESTORE_PARTNER, snapshot.snapshot_id, snapshot.clock, real)


async def delete(
    connection: AnyConnection, partner_id: str, snapshot_id: str | None = None
) -> bool:
    """Forget a snapshot of a world, or all; False if there was none."""
    found = await connection.fetch(
        """DELETE FROM snapshot WHERE partner_id = $1 AND ($2::text IS NULL OR snapshot_id = $2)
           RETURNING true""",
        partner_id,
        snapshot_id,
    )
    return bool(found)
