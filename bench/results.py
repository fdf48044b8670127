"""Figures: rounds, series of them, what is worked out from them, and the file that keeps them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import msgspec
from msgspec import Struct, field

from bench.machine import Machine

FILE = Path(__file__).parent / "results" / "latest.json"


class Round(Struct, frozen=True, omit_defaults=True):
    """One measured run: its value in the unit of its series, and what was seen on the way.

    `p50` and `p99` are seconds to the answer, `server` and `postgresql` processor seconds per
    piece of work, `repeated` counts answers 503 after which the same order was sent again.
    """

    value: float
    p50: float | None = None
    p99: float | None = None
    server: float | None = None
    postgresql: float | None = None
    repeated: int = 0

    @property
    def tail(self) -> float | None:
        """How many times the median the 99th percentile is."""
        return None if self.p50 is None or self.p99 is None else self.p99 / self.p50


class Series(Struct, frozen=True):
    """The rounds of one thing measured; `unit` is what `value` counts."""

    name: str
    title: str
    unit: str
    rounds: list[Round] = field(default_factory=list)


class Measure(NamedTuple):
    """One thing to measure: a series to be, and the run that gives a round of it."""

    name: str
    title: str
    unit: str
    run: Callable[[], Awaitable[Round]]


class Spread(Struct, frozen=True):
    """The median of the rounds between the lowest and the highest."""

    median: float
    low: float
    high: float


class Results(Struct, frozen=True):
    """Everything a run found out; what latest.json holds.

    `seconds` is the length of a load, `stored` the orders of the full database, `took` the seconds
    of it all; `skipped` names what could not be measured, with the reason.
    """

    at: datetime
    machine: Machine
    versions: dict[str, str]
    seconds: float
    stored: int
    took: float
    series: list[Series]
    skipped: dict[str, str] = field(default_factory=dict)

    def find(self, name: str) -> Series | None:
        """A series by its name; None if it was not measured."""
        return next((one for one in self.series if one.name == name), None)


def percentile(values: Sequence[float], percent: int) -> float:
    """The `percent`-th percentile."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def spread(values: Sequence[float]) -> Spread:
    """Median and range."""
    return Spread(median(values), min(values), max(values))


def ratio(series: Series, base: Series) -> Spread:
    """How a series compares with another, round by round: neighbours in time share the noise."""
    pairs = zip(series.rounds, base.rounds, strict=True)
    return spread([one.value / other.value for one, other in pairs])


def write(results: Results, path: Path = FILE) -> None:
    """Store the results, readable."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def read(path: Path = FILE) -> Results:
    """What `write` stored."""
    return msgspec.json.decode(path.read_bytes(), type=Results)
