"""Snapshots of sandbox worlds."""

from alembic import op

revision = "0101"
down_revision = "0100"
serves = "0100"


def upgrade() -> None:
    """Create what snapshots are kept in."""
    op.execute(
        """CREATE TABLE snapshot (
  snapshot_id text PRIMARY KEY,
  partner_id text NOT NULL REFERENCES partner ON DELETE CASCADE,
  position bigint GENERATED ALWAYS AS IDENTITY,
  name text NOT NULL,
  revision text NOT NULL,
  at timestamptz NOT NULL,
  clock timestamptz NOT NULL
)"""
    )
    op.execute(
        """CREATE TABLE snapshot_rows (
  snapshot_id text NOT NULL REFERENCES snapshot ON DELETE CASCADE,
  of_table text NOT NULL,
  rows text NOT NULL,
  PRIMARY KEY (snapshot_id, of_table)
)"""
    )
    # Compressing costs more than it saves: snapshots are few, and taken while a test waits.
    op.execute("ALTER TABLE snapshot_rows ALTER COLUMN rows SET STORAGE EXTERNAL")
