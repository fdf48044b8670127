"""Rules for the files of migrations (decision 11): databases were made by them as they are."""

import hashlib
import re
from pathlib import Path

from alembic.script import Script, ScriptDirectory

from seatledger.store.migrate import CURRENT_REVISION, NEW_DATABASE
from seatledger.store.migrate_alembic import VERSIONS, _config, script
from tests.store.migrations import INDEXING, Later

HASHES = Path(__file__).parent / "migrations.sha256"
FILES = sorted(VERSIONS.glob("*.py"))


def scripts() -> list[Script]:
    """The migrations as they follow each other."""
    return list(reversed(list(ScriptDirectory.from_config(_config()).walk_revisions())))


def test_none_is_edited_once_it_is_there() -> None:
    """A new file gets its line here (`sha256sum`, in the folder of the files); no line changes."""
    found = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in FILES]
    assert found == HASHES.read_text("utf-8").splitlines()


def test_the_expected_revision_is_the_newest_there_is() -> None:
    assert ScriptDirectory.from_config(_config()).get_current_head() == CURRENT_REVISION


def test_they_are_numbered_as_they_follow_and_name_whom_they_serve() -> None:
    numbers = [script.revision for script in scripts()]
    assert numbers == [f"{number:04}" for number in range(100, 100 + len(numbers))]
    assert numbers == [path.name[:4] for path in FILES]
    oldest = [script.module.serves for script in scripts()]
    assert oldest == sorted(oldest)
    assert all(serves <= number for serves, number in zip(oldest, numbers, strict=True))


def test_later_ones_build_indexes_without_locking() -> None:
    """All but the first, which finds nothing to lock."""
    build = re.compile(r"CREATE\s+(UNIQUE\s+)?INDEX", re.IGNORECASE)
    assert not [path.name for path in FILES[1:] if build.search(path.read_text("utf-8"))]


def test_the_script_for_a_new_database_is_all_of_them_written_down() -> None:
    """After adding one, write it again: `python -m seatledger.store.migrate_alembic`."""
    assert NEW_DATABASE.read_text("utf-8") == script()


def test_an_index_is_written_down_so_that_one_transaction_can_build_it(tmp_path: Path) -> None:
    later = Later(tmp_path)
    number = later.add(INDEXING)
    written = script(later.folder)
    assert "CREATE INDEX orders_later ON orders (status);" in written
    assert f"SET version_num='{number}'" in written
    assert not re.search(r"CONCURRENTLY|BEGIN;|COMMIT;", written)
