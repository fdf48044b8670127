"""What the guide to monitoring, its rules and the reference say is what the code does."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatledger import metrics

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "how-to" / "monitoring.md"
FILES = [GUIDE, *sorted(GUIDE.with_suffix("").iterdir())]
LEVELS = {"info", "warning", "error", "exception"}


def samples() -> set[str]:
    """The name of every sample that /metrics may give."""
    found = {one.name for one in metrics.ALL}
    parts = ("bucket", "sum", "count")
    histograms = [one.name for one in metrics.ALL if one.kind == "histogram"]
    return found | {f"{name}_{part}" for name in histograms for part in parts}


def logged() -> Iterator[str]:
    """Every event the service logs."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            is_log = node.func.attr in LEVELS and ast.unparse(node.func.value).endswith("log")
            if is_log and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_metrics_that_are_named_exist(file: Path) -> None:
    named = set(re.findall(r"seatledger_\w+", file.read_text("utf-8")))
    assert named <= samples()


def test_every_alert_says_what_to_do() -> None:
    rules = (GUIDE.with_suffix("") / "alerts.yml").read_text("utf-8")
    alerts = re.findall(r"alert: (\w+)", rules)
    assert re.findall(r"^\| (Seatledger\w+) \|", GUIDE.read_text("utf-8"), re.MULTILINE) == alerts


def test_every_event_is_explained() -> None:
    guide = GUIDE.read_text("utf-8")
    events = set(logged())
    assert "work failed" in events
    assert not {event for event in events if f"`{event}`" not in guide}


def test_names_follow_the_conventions_of_prometheus() -> None:
    for one in metrics.ALL:
        assert re.fullmatch(r"seatledger(_[a-z]+)+", one.name), one.name
        assert one.name.endswith("_total") == (one.kind == "counter"), one.name
        assert one.about.endswith((".", "...")), one.name
