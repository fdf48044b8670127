"""The goals: what each figure must reach, as data."""

from collections.abc import Callable
from statistics import median

from msgspec import Struct

from bench.results import Results, Series, Spread, ratio, spread

MIB = 2**20


class Goal(Struct, frozen=True):
    """A figure and its bound: at least it, or with `at_most` no more.

    `figure` gives None when what it is made of was not measured; `form` prints it.
    """

    title: str
    figure: Callable[[Results], Spread | None]
    bound: float
    form: Callable[[float], str]
    at_most: bool = False

    def is_met(self, found: Spread) -> bool:
        """Whether the median is within the bound."""
        return found.median <= self.bound if self.at_most else found.median >= self.bound


def percent(value: float) -> str:
    """0.756 as 76 %."""
    return f"{value:.0%}".replace("%", " %")


def times(value: float) -> str:
    """11.53 as 11.5x, 120.3 as 120x."""
    return f"{value:.0f}x" if value >= 100 else f"{value:.1f}x"


def unit(name: str, digits: int = 0) -> Callable[[float], str]:
    """A form that prints a number and its unit."""
    return lambda value: f"{value:,.{digits}f} {name}"


def _of(name: str, base: str) -> Callable[[Results], Spread | None]:
    """A series in terms of another."""
    return _from(ratio, name, base)


def _plain(name: str) -> Callable[[Results], Spread | None]:
    """A series by itself."""
    return _from(lambda one: spread([each.value for each in one.rounds]), name)


def _tail(name: str) -> Callable[[Results], Spread | None]:
    """The 99th percentile of a series in terms of its median."""

    def work_out(series: Series) -> Spread | None:
        seen = [one.tail for one in series.rounds if one.tail is not None]
        return spread(seen) if seen else None

    return _from(work_out, name)


def _from(
    work_out: Callable[..., Spread | None], *names: str
) -> Callable[[Results], Spread | None]:
    def figure(results: Results) -> Spread | None:
        found = [one for name in names if (one := results.find(name)) is not None]
        return work_out(*found) if len(found) == len(names) else None

    return figure


GOALS = (
    Goal("accepted, 32 connections, of the limit", _of("accept_32", "limit"), 0.60, percent),
    Goal("accepted, 128 connections, of the limit", _of("accept_128", "limit"), 0.80, percent),
    Goal("accepted against the textbook stack", _of("accept_32", "reference"), 10, times),
    Goal("accepted against django-oscar", _of("accept_32", "oscar"), 100, times),
    Goal("accepted against Medusa", _of("accept_32", "medusa"), 200, times),
    Goal("accepted + fulfilled, of accepted", _of("fulfil_32", "accept_32"), 0.50, percent),
    Goal("499-line order, of its limit", _of("accept_499", "limit_499"), 0.25, percent),
    Goal(
        "499-line PREVIEW with prices, of encoding its answer",
        _of("preview_499", "encode_499"), 10, times, at_most=True,
    ),
    Goal("p99 of p50 at 32 connections", _tail("accept_32"), 3, times, at_most=True),
    Goal("disk 2 ms slower, of the same without", _of("slow_32", "accept_32"), 0.55, percent),
    Goal("renewal", _plain("renewal"), 5_000, unit("customers/s")),
    Goal("renewal against customer by customer", _of("renewal", "renewal_alone"), 20, times),
    Goal(
        "history page + total, customer with 100 orders",
        _plain("history_100"), 1, unit("ms", 2), at_most=True,
    ),
    Goal(
        "history page + total, customer with 10,000 orders",
        _plain("history_10000"), 5, unit("ms", 2), at_most=True,
    ),
    Goal("with a year of orders stored, of empty",
         _of("accept_full", "accept_empty"), 0.95, percent),
    Goal("start on an empty folder to the first 201", _plain("start"), 2, unit("s", 2),
         at_most=True),
    Goal("idle memory of a server process", _plain("memory"), 150, unit("MB"), at_most=True),
)  # fmt: skip


def middle(series: Series, what: str) -> float | None:
    """The median of something the rounds of a series saw; None where they did not."""
    known = [value for one in series.rounds if (value := getattr(one, what)) is not None]
    return median(known) if known else None
