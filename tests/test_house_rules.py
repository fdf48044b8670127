"""Rules of the house that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatledger.domain.model import PartnerSettings
from seatledger.engine.partners import QUIRKS

SOURCE = Path(__file__).parents[1] / "src" / "seatledger"
SANDBOX_GUIDE = Path(__file__).parents[1] / "docs" / "how-to" / "sandbox.md"
_FOLDERS = ("src", "tests", "bench", "scripts")
_SQL_CLOCK = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp)\s*\(\s*\)|\bcurrent_(timestamp|date|time)\b",
    re.IGNORECASE,
)
_SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b")


def _modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (SOURCE / folder).rglob("*.py"))


def _everything() -> list[Path]:
    root = SOURCE.parents[1]
    return [path for name in _FOLDERS for path in sorted((root / name).rglob("*.py"))]


def _texts(path: Path) -> Iterator[str]:
    """String constants of a module that are not docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            assert isinstance(node, ast.Constant)
            yield str(node.value)


@pytest.mark.parametrize("path", _modules("engine", "store", "domain"), ids=lambda p: p.name)
def test_sql_reads_no_clock(path: Path) -> None:
    assert not [text for text in _texts(path) if _SQL.search(text) and _SQL_CLOCK.search(text)]


@pytest.mark.parametrize(
    "path", _modules("domain", "contract", "engine", "api", "work", "sandbox"), ids=lambda p: p.name
)
def test_sql_lives_in_store_alone(path: Path) -> None:
    assert not [text for text in _texts(path) if _SQL.search(text)]


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{path.name}:{node.lineno} {node.name}"
        for path in _everything()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 >= 70
    ]
    assert long == []


def test_files_are_one_subject() -> None:
    lines = {path: path.read_text("utf-8").count("\n") for path in _everything()}
    most = {path: 450 if path.name.startswith("test_") else 400 for path in lines}
    assert [path.name for path in lines if lines[path] >= most[path]] == []


def test_the_guide_names_the_settings_that_change_nothing() -> None:
    """Flags are read as attributes, quirks looked up by their name."""
    read: set[str] = set()
    for path in _modules("."):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        read.update(node.attr for node in nodes if isinstance(node, ast.Attribute))
        if path.name != "partners.py":  # which lists them
            read.update(_texts(path))
    guide = SANDBOX_GUIDE.read_text("utf-8").partition("## Settings without effect yet")[2]
    cells = [row.split("|")[1] for row in guide.splitlines() if row.startswith("| `")]
    told = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(told) == sorted({*PartnerSettings.__struct_fields__, *QUIRKS} - read)
