"""Alembic's environment: migrations run on the connection `store.migrate_alembic` hands over.

Without one they are written down instead (`migrate_alembic.script`).
"""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script
from sqlalchemy import text

_NOTE = """INSERT INTO config (key, value) VALUES ('schema_serves', :serves)
           ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value"""


def note_oldest(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Store which servers the new schema still serves, in the migration's own transaction."""
    assert isinstance(step.up_revision, Script)
    ctx.execute(text(_NOTE).bindparams(serves=step.up_revision.module.serves))


is_written = context.is_offline_mode()
context.configure(
    connection=context.config.attributes.get("connection"),
    dialect_name="postgresql",
    target_metadata=None,
    literal_binds=is_written,
    transaction_per_migration=not is_written,
    transactional_ddl=not is_written,  # its reader has a transaction
    on_version_apply=note_oldest,
)
with context.begin_transaction():
    context.run_migrations()
