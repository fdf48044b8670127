"""Migrations of releases that do not exist: what a later one may do to a database."""

import shutil
from pathlib import Path

from seatledger.store.migrate_alembic import VERSIONS

EXPANDING = """
for (table,) in op.get_bind().exec_driver_sql(
    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
).fetchall():
    op.execute(f"ALTER TABLE {table} ADD later_text text, ADD later_flag boolean DEFAULT false")
op.execute("CREATE TABLE later (id bigint PRIMARY KEY)")
"""
INDEXING = 'create_index("orders_later", "orders (status)")'
CONTRACTING = 'op.execute("DROP TABLE later")'


class Later:
    """The migrations of this release and what is added to them, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "versions"
        shutil.copytree(VERSIONS, self.folder, ignore=shutil.ignore_patterns("__pycache__"))
        self._last = max(path.name[:4] for path in self.folder.glob("*.py"))

    def add(self, steps: str, *, serves: str = "0100") -> str:
        """Add a migration; gives its number."""
        before, self._last = self._last, f"{int(self._last) + 1:04}"
        lines = "\n".join(f"    {line}" for line in steps.strip().splitlines())
        (self.folder / f"{self._last}_later.py").write_text(
            "from alembic import op\n"
            "from seatledger.store.migrate_online import create_index\n"
            f'revision = "{self._last}"\ndown_revision = "{before}"\nserves = "{serves}"\n'
            f"def upgrade():\n{lines}\n",
            "utf-8",
        )
        return self._last
