"""What is measured while a soak runs, and what is made of it."""

from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from bench.machine import Machine

_PART = 10  # the first and the last of so many parts are compared


class Sample(Struct, frozen=True):
    """One look: `seconds` since the start, calls and orders since the look before.

    Memory in MiB: all of the server's process, PostgreSQL's processes with what they share counted
    once. Latencies in milliseconds, of orders and of everything else.
    """

    seconds: float
    server_mib: float
    postgresql_mib: float
    calls_per_second: float
    orders_per_second: float
    orders_p50: float
    orders_p99: float
    others_p50: float
    others_p99: float


class Soak(Struct, frozen=True):
    """A whole run: `days` that each clock moved, `calls` by kind, 503s `repeated`."""

    minutes: float
    machine: Machine
    versions: dict[str, str]
    worlds: int
    clients: int
    days: int
    calls: dict[str, int]
    repeated: int
    orders: int
    renewals: int
    customers: int
    samples: list[Sample]


class Drift(NamedTuple):
    """The median of something in the first and in the last tenth of a run."""

    name: str
    first: float
    last: float


def percentile(ordered: list[float], share: float) -> float:
    """Of sorted values; 0 of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def drifts(soak: Soak) -> list[Drift]:
    """How everything measured moved from the first tenth to the last."""
    part = max(1, len(soak.samples) // _PART)
    first, last = soak.samples[:part], soak.samples[-part:]
    return [
        Drift(
            name,
            percentile(sorted(getattr(one, name) for one in first), 0.5),
            percentile(sorted(getattr(one, name) for one in last), 0.5),
        )
        for name in Sample.__struct_fields__
        if name != "seconds"
    ]


def write(soak: Soak, path: Path) -> None:
    """As JSON with a sample per line, so that runs can be compared."""
    text = msgspec.json.encode(soak).decode()
    path.write_text(text.replace('{"seconds"', '\n{"seconds"') + "\n", encoding="utf-8")
