"""A soak told: a line on screen, a page, a plot."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.soak.samples import Sample, Soak, drifts

_BEGIN, _END = "<!-- written by make soak: begin -->", "<!-- end -->"
_TITLES = {
    "server_mib": "memory of the server, MiB",
    "postgresql_mib": "memory of PostgreSQL, MiB",
    "calls_per_second": "calls per second",
    "orders_per_second": "orders and returns per second",
    "orders_p50": "orders and returns, p50, ms",
    "orders_p99": "orders and returns, p99, ms",
    "others_p50": "everything else, p50, ms",
    "others_p99": "everything else, p99, ms",
}
_PANELS = (
    ("MiB", ("server_mib", "postgresql_mib")),
    ("ms", ("orders_p50", "orders_p99", "others_p50", "others_p99")),
    ("per second", ("calls_per_second", "orders_per_second")),
)


def in_a_line(sample: Sample) -> str:
    """A sample on screen."""
    return (
        f"{sample.seconds / 60:6.1f} min  {sample.calls_per_second:6.0f} calls/s  orders p50 "
        f"{sample.orders_p50:.1f} p99 {sample.orders_p99:.1f} ms  server {sample.server_mib:.0f} "
        f"MiB  PostgreSQL {sample.postgresql_mib:.0f} MiB"
    )


def told(soak: Soak, checked: str) -> str:
    """A run in words and a table; `checked` is what `seatledger check` said."""
    calls = ", ".join(f"{kind} {number:,}" for kind, number in soak.calls.items())
    versions = ", ".join(f"{name} {version}" for name, version in soak.versions.items())
    machine = soak.machine
    rows = "\n".join(
        f"| {_TITLES[one.name]} | {one.first:,.1f} | {one.last:,.1f} |" for one in drifts(soak)
    )
    return f"""
{soak.minutes:g} minutes, {soak.days:,} days in {soak.worlds} worlds each, {soak.clients} clients:
{soak.orders:,} orders, {soak.renewals:,} of them renewals, of {soak.customers:,} customers.
`seatledger check`: {checked}.

| median of | first tenth | last tenth |
| --- | ---: | ---: |
{rows}

Calls: {calls}; {soak.repeated:,} answered 503 and repeated.

Clients and clocks ran on the same machine: {machine.processor}, {machine.cores} cores,
{machine.memory} GiB, {machine.system}; {versions}.
"""


def write_page(soak: Soak, checked: str, page: Path) -> None:
    """Put a run between the page's marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n{told(soak, checked)}\n{_END}{after}", encoding="utf-8")


def draw(soak: Soak, path: Path) -> None:
    """The plot, the same bytes for the same run."""
    mpl.rcParams["svg.hashsalt"] = "seatledger"
    figure = Figure(figsize=(9, 8), layout="constrained")
    minutes = [one.seconds / 60 for one in soak.samples]
    for axes, (unit, names) in zip(
        figure.subplots(len(_PANELS), 1, sharex=True), _PANELS, strict=True
    ):
        for name in names:
            values = [getattr(one, name) for one in soak.samples]
            axes.plot(minutes, values, linewidth=1, label=_TITLES[name].rpartition(",")[0] or name)
        axes.set_ylabel(unit)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", loc="upper left")
    axes.set_xlabel("minutes")
    figure.savefig(path, metadata={"Date": None})
