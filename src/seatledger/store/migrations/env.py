"""Alembic's environment: migrations run on the connection `store.migrate_alembic` hands over."""

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
    assert ctx.connection is not None
    assert isinstance(step.up_revision, Script)
    ctx.connection.execute(text(_NOTE), {"serves": step.up_revision.module.serves})


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=None,
    transaction_per_migration=True,
    on_version_apply=note_oldest,
)
with context.begin_transaction():
    context.run_migrations()
