"""The figures as tables: on screen, and in the reference between its marks."""

from collections.abc import Iterator
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.goals import GOALS, middle
from bench.results import Results, Series, spread

DOCS = Path(__file__).parents[1] / "docs" / "reference" / "performance.md"
BEGIN, END = "<!-- written by make bench: begin -->", "<!-- end -->"
GOAL_HEADS = ("goal", "bound", "measured", "range", "")
SERIES_HEADS = ("measured", "median", "range", "", "p50 ms", "p99 ms", "service us", "database us")


def number(value: float) -> str:
    """Three digits that count: 0.451, 4.51, 45.1, 451, 4,510."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def goal_rows(results: Results) -> Iterator[tuple[str, ...]]:
    """Each goal that could be measured: its bound, median, range, and whether it is met."""
    for goal in GOALS:
        found = goal.figure(results)
        if found is not None:
            yield (
                goal.title,
                f"{'<=' if goal.at_most else '>='} {goal.form(goal.bound)}",
                goal.form(found.median),
                f"{goal.form(found.low)} - {goal.form(found.high)}",
                "met" if goal.is_met(found) else "missed",
            )


def series_rows(results: Results) -> Iterator[tuple[str, ...]]:
    """Each thing measured: median and range in its unit, latencies, processor time of each."""
    for one in results.series:
        found = spread([each.value for each in one.rounds])
        yield (
            one.title,
            number(found.median),
            f"{number(found.low)} - {number(found.high)}",
            one.unit,
            _middle(one, "p50", 1e3),
            _middle(one, "p99", 1e3),
            _middle(one, "server", 1e6),
            _middle(one, "postgresql", 1e6),
        )


def _middle(series: Series, what: str, scale: float) -> str:
    found = middle(series, what)
    return "" if found is None else number(found * scale)


def words(results: Results) -> Iterator[str]:
    """Where, when and with what it was measured."""
    machine, most = results.machine, max((len(one.rounds) for one in results.series), default=0)
    yield (
        f"{results.at:%Y-%m-%d}, in {results.took / 60:.1f} minutes; median and range of up to "
        f"{most} interleaved rounds of {results.seconds:.0f} s; {results.stored:,} orders stored "
        "where the table says full"
    )
    yield (
        f"{machine.processor}, {machine.cores} cores, {machine.memory} GB, {machine.system}; "
        "load, service and database share them"
    )
    yield ", ".join(f"{name} {release}" for name, release in results.versions.items())
    for name, reason in results.skipped.items():
        yield f"not measured: {name}, because {reason}"


def show(results: Results, console: Console) -> None:
    """The tables on screen."""
    for heads, rows in ((SERIES_HEADS, series_rows(results)), (GOAL_HEADS, goal_rows(results))):
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for at, head in enumerate(heads):
            table.add_column(head, justify="right" if at else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row, style="red" if row[-1] == "missed" else None)
        console.print(table)
    console.print("\n".join(words(results)), soft_wrap=True)


def markdown(results: Results) -> str:
    """The tables as they stand in the reference."""
    blocks = [
        _markdown_table(GOAL_HEADS, goal_rows(results)),
        _markdown_table(SERIES_HEADS, series_rows(results)),
        "\n".join(f"- {line}" for line in words(results)),
    ]
    return "\n\n".join(blocks)


def _markdown_table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [heads, ("---", *("---:" for _ in heads[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_docs(results: Results, path: Path = DOCS) -> None:
    """Put the tables between the marks of the reference, leaving its prose alone."""
    head, _, rest = path.read_text("utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    path.write_text(f"{head}{BEGIN}\n\n{markdown(results)}\n\n{END}{tail}", encoding="utf-8")
