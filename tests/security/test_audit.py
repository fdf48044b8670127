"""`make audit`: what it finds fails it, and what it could not look at it says."""

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest

_SCRIPT = Path(__file__).parents[2] / "scripts" / "audit.py"
_SPEC = importlib.util.spec_from_file_location("audit", _SCRIPT)
assert _SPEC is not None
assert _SPEC.loader is not None
audit: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(audit)

HOLE = {"id": "PYSEC-2099-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}


def advised(monkeypatch: pytest.MonkeyPatch, **holes: list[Any]) -> None:
    """Let the advisories know these packages."""
    monkeypatch.setattr(
        audit,
        "compared",
        lambda *_: [{"name": one, "version": "1.0", "vulns": own} for one, own in holes.items()],
    )


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tracked tree of the test's own."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    for lock in audit.LOCKS:
        (tmp_path / lock).write_text("one==1.0 \\\n    --hash=sha256:0\n", "utf-8")
    monkeypatch.setattr(audit, "ROOT", tmp_path)
    return tmp_path


def track(tree: Path, text: str) -> None:
    """Put a file under version control."""
    (tree / "settings.py").write_text(text, "utf-8")
    (tree / "other.py").write_text("", "utf-8")
    subprocess.run(["git", "-C", tree, "add", "--all"], check=True)


def test_a_known_hole_fails_it(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    track(tree, "")
    advised(monkeypatch, one=[HOLE])
    assert audit.main() == 1
    assert "one 1.0: PYSEC-2099-1, mended in 2.0" in capsys.readouterr().out


def test_a_secret_fails_it(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    advised(monkeypatch, one=[])
    track(tree, f'KEY = "{"AKIA" + "Z7QX3M5N2P4R6T8V"}"\n')
    assert audit.main() == 1
    assert "settings.py:1: AWS Access Key" in capsys.readouterr().out


def test_nothing_found(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    advised(monkeypatch, one=[])
    track(tree, 'OFFER = "65304479CA01A12"\nDEMO = "p8e-seatledger-demo-secret"\n')
    assert audit.main() == 0
    assert capsys.readouterr().out == (
        "dependencies: 1 of 1 audited\nsecrets: none in the tracked files\n"
    )


def test_where_the_advisories_are_out_of_reach_it_says_so(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    track(tree, "")
    advised(monkeypatch)
    assert audit.main() == 0
    assert "NOT AUDITED" in capsys.readouterr().out


def test_every_locked_package_is_named() -> None:
    for lock in audit.LOCKS:
        assert len(audit.pinned(lock)) > 20
