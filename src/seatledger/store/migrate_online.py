"""What a migration of a table that may be big is made with, so that its users never wait."""

from alembic import op

from seatledger.store.migrate_alembic import LOCK_TIMEOUT_MS


def create_index(name: str, on: str, *, unique: bool = False) -> None:
    """Build an index while the table is written to; `on` is what follows ON in SQL.

    The only step of its migration: it cannot be part of a transaction. What an interrupted attempt
    has left is built anew.
    """
    kind = "UNIQUE INDEX" if unique else "INDEX"
    if op.get_context().as_sql:  # written down for an empty database, which nobody uses
        op.execute(f"CREATE {kind} {name} ON {on}")
        return
    with op.get_context().autocommit_block():
        # It waits for everybody who uses the table, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"CREATE {kind} CONCURRENTLY {name} ON {on}")
        op.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
