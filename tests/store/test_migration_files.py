"""Rules for the files of migrations (decision 11): databases were made by them as they are."""

import hashlib
import re
from pathlib import Path

from alembic.script import Script, ScriptDirectory

from seatledger.store.migrate import CURRENT_REVISION
from seatledger.store.migrate_alembic import VERSIONS, _config

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
