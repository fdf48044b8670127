"""From the rounds to medians, ranges and ratios; on screen and as a file."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles

import msgspec
from machine import Machine
from msgspec import Struct, field
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


class Round(Struct, frozen=True):
    """One measured run: orders per second, latencies in seconds, processor seconds per order.

    `repeated` counts answers 503, after which the same order was sent again.
    """

    rate: float
    p50: float | None = None
    p99: float | None = None
    server: float | None = None
    postgresql: float | None = None
    repeated: int = 0


class Series(Struct, frozen=True):
    """The rounds of one thing measured."""

    name: str
    title: str
    rounds: list[Round] = field(default_factory=list)


class Spread(Struct, frozen=True):
    """The median of the rounds between the lowest and the highest."""

    median: float
    low: float
    high: float


class Results(Struct, frozen=True):
    """Everything a run found out; what latest.json holds."""

    at: datetime
    machine: Machine
    versions: dict[str, str]
    customers: int
    seconds: float
    ratios: dict[str, Spread]
    series: list[Series]


def percentile(values: Sequence[float], percent: int) -> float:
    """The `percent`-th percentile."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def spread(values: Sequence[float]) -> Spread:
    """Median and range."""
    return Spread(median(values), min(values), max(values))


def ratio(series: Series, base: Series) -> Spread:
    """How a series compares with another, round by round: neighbours in time share the noise."""
    pairs = zip(series.rounds, base.rounds, strict=True)
    return spread([one.rate / other.rate for one, other in pairs])


def write(results: Results, path: Path) -> None:
    """Store the results, readable."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def show(results: Results, console: Console) -> None:
    """The table, what its figures mean, and where they were measured."""
    limit = results.series[0]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("one-line orders", no_wrap=True)
    for heading in ("orders/s", "range", "of limit", "p50", "p99", "server", "database"):
        table.add_column(heading, justify="right", no_wrap=True)
    for series in results.series:
        rates = spread([one.rate for one in series.rounds])
        table.add_row(
            series.title,
            f"[bold]{rates.median:,.0f}[/]",
            f"{rates.low:,.0f}-{rates.high:,.0f}",
            "" if series is limit else f"{ratio(series, limit).median:.0%}",
            _middle([one.p50 for one in series.rounds], 1e3, ".1f"),
            _middle([one.p99 for one in series.rounds], 1e3, ".1f"),
            _middle([one.server for one in series.rounds], 1e6, ".0f"),
            _middle([one.postgresql for one in series.rounds], 1e6, ".0f"),
        )
    console.print(table)
    console.print(_words(results), soft_wrap=True)


def _middle(values: Sequence[float | None], scale: float, form: str) -> str:
    known = [value for value in values if value is not None]
    return format(median(known) * scale, form) if known else ""


def _words(results: Results) -> str:
    machine = results.machine
    libraries = ", ".join(f"{name} {number}" for name, number in results.versions.items())
    ratios = "\n".join(
        f"  {name}: {one.median:.0%} ({one.low:.0%}-{one.high:.0%})"
        for name, one in results.ratios.items()
    )
    return (
        f"ratios, median and range of {len(results.series[0].rounds)} interleaved rounds "
        f"of {results.seconds:.0f} s:\n{ratios}\n"
        "limit: the order path's own two statements under pgbench, same database, same customers\n"
        "p50, p99: milliseconds to the 201; server, database: processor time per order in us\n"
        f"{results.customers:,} customers with 3 subscriptions; one server process; server, "
        "database and load share\n"
        f"the machine: {machine.processor}, {machine.cores} cores, {machine.memory} GB, "
        f"{machine.system}\n{libraries}"
    )
