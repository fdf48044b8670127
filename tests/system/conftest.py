"""Folders for servers that are real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.server import database_of, database_process, folder


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of a test's own; a database still running in it is stopped afterwards."""
    with folder() as path:
        yield path
        if database_process(path) is not None:
            with database_of(path):
                pass  # whoever leaves last stops it
