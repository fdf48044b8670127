"""What the bench says is worked out right, and its pgbench form follows our statements."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import limit, report
from bench.goals import GOALS
from bench.machine import Machine
from bench.results import Results, Round, Series


def _found(**values: list[float]) -> Results:
    series = [
        Series(name, name, "orders/s", [Round(one) for one in found])
        for name, found in values.items()
    ]
    return Results(
        at=datetime(2026, 1, 1, tzinfo=UTC),
        machine=Machine("a processor", 2, 24, "Linux"),
        versions={"python": "3.11"},
        seconds=3,
        stored=1_000_000,
        took=300,
        series=series,
    )


def _rows(found: Results) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in report.goal_rows(found)}


def test_pgbench_has_a_value_for_every_parameter_of_our_statements() -> None:
    script = limit.script()
    assert "$" not in script
    assert "seen_version" in script


def test_ratios_are_made_round_by_round() -> None:
    found = _found(limit=[100, 200, 400], accept_32=[70, 100, 200])
    (row,) = _rows(found).values()
    assert row == (">= 60 %", "50 %", "50 % - 70 %", "missed")


def test_a_bound_may_be_upper_or_lower() -> None:
    rows = _rows(_found(start=[1.0, 1.5, 2.5], renewal=[6_000, 5_500, 4_000]))
    assert {title: row[-1] for title, row in rows.items()} == {
        "renewal": "met",
        "start on an empty folder to the first 201": "met",
    }


def test_what_was_not_measured_is_no_goal_met_or_missed() -> None:
    assert _rows(_found(limit=[100])) == {}
    assert len({goal.title for goal in GOALS}) == len(GOALS)


def test_the_tables_go_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nstale\n{report.END}\nafter\n")
    found = _found(start=[1.0])
    report.write_docs(found, page)
    report.write_docs(found, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "stale" not in text
    assert text.count(report.markdown(found)) == 1


def test_the_reference_has_a_place_for_the_tables() -> None:
    text = report.DOCS.read_text("utf-8")
    assert text.count(report.BEGIN) == text.count(report.END) == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.4512, "0.451"), (4.512, "4.51"), (45.12, "45.1"), (451.2, "451"), (4512, "4,512")],
)
def test_three_digits_count(value: float, shown: str) -> None:
    assert report.number(value) == shown
