"""What a process counts, for Prometheus (platform.md 14).

The hot path adds to plain numbers of this process: a client library's own counters take a lock, or
a shared file, for every step. Whoever is asked for the metrics turns the numbers into families of
the Prometheus client, which knows the formats (`api/monitoring.py`). Label values come from sets
that are known beforehand: routes, codes, states; never ids or anything a caller can choose.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]
Cells = dict[Labels, list[float]]
"""The numbers of a metric by its label values: one, or for a histogram its buckets and its sum."""

Snapshot = dict[str, list[tuple[Labels, list[float]]]]
"""The cells of every metric of a process by name, as they travel between processes."""

_FAST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metric:
    """One metric: its name, what it tells, its labels, and this process's numbers."""

    kind: ClassVar[Literal["counter", "gauge", "histogram"]]

    def __init__(self, name: str, about: str, labels: Labels = ()) -> None:
        self.name = name
        self.about = about
        self.labels = labels
        self.cells: Cells = {}

    def family(self, cells: Cells) -> Family:
        """Numbers of this metric, from whatever processes, for the Prometheus client."""
        raise NotImplementedError


class Counter(Metric):
    """How often something has happened since the process started."""

    kind = "counter"

    def add(self, *labels: str, by: float = 1) -> None:
        """Count what has happened under label values, in the order of `labels`."""
        cell = self.cells.get(labels)
        if cell is None:
            self.cells[labels] = [by]
        else:
            cell[0] += by

    def family(self, cells: Cells) -> Family:
        """Counters as the Prometheus client knows them."""
        family = CounterMetricFamily(self.name, self.about, labels=self.labels)
        for labels, (value,) in cells.items():
            family.add_metric(labels, value)
        return family


class Gauge(Metric):
    """How much of something there is now; over several processes the sum."""

    kind = "gauge"

    def add(self, by: float) -> None:
        """Change the number of a gauge without labels."""
        cell = self.cells.get(())
        if cell is None:
            self.cells[()] = [by]
        else:
            cell[0] += by

    def set(self, *labels: str, value: float) -> None:
        """State the number under label values."""
        self.cells[labels] = [value]

    def family(self, cells: Cells) -> Family:
        """Gauges as the Prometheus client knows them."""
        family = GaugeMetricFamily(self.name, self.about, labels=self.labels)
        for labels, (value,) in cells.items():
            family.add_metric(labels, value)
        return family


class Histogram(Metric):
    """How large something was, in buckets up to `bounds`."""

    kind = "histogram"

    def __init__(
        self, name: str, about: str, labels: Labels = (), *, bounds: tuple[float, ...]
    ) -> None:
        super().__init__(name, about, labels)
        self.bounds = bounds

    def observe(self, value: float, *labels: str) -> None:
        """Count a value under label values."""
        cell = self.cells.get(labels)
        if cell is None:
            cell = self.cells[labels] = [0.0] * (len(self.bounds) + 2)
        cell[bisect_left(self.bounds, value)] += 1
        cell[-1] += value

    def family(self, cells: Cells) -> Family:
        """Histograms as the Prometheus client knows them: buckets count what is below, too."""
        family = HistogramMetricFamily(self.name, self.about, labels=self.labels)
        bounds = [*map(floatToGoString, self.bounds), "+Inf"]
        for labels, (*counts, total) in cells.items():
            below = 0.0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip(bounds, counts, strict=True):
                below += count
                buckets.append((bound, below))
            family.add_metric(labels, buckets, total)
        return family


REQUESTS = Counter(
    "seatledger_http_requests_total",
    "Calls answered, by method, route template, status and error code. Route none: refused before "
    "a route was looked for, or there is none; status 0: the connection was gone.",
    ("method", "route", "status", "code"),
)
REQUEST_SECONDS = Histogram(
    "seatledger_http_request_seconds",
    "Time from a call's headers to the end of its answer.",
    ("method", "route"),
    bounds=_FAST_SECONDS,
)
REQUESTS_IN_FLIGHT = Gauge("seatledger_http_requests_in_flight", "Calls being answered now.")
ORDERS = Counter(
    "seatledger_orders_total",
    "Order calls judged, by orderType and result: accepted, replayed, or the code of the refusal.",
    ("type", "result"),
)
BATCH_ORDERS = Histogram(
    "seatledger_batch_orders",
    "Order calls that shared one read and one write.",
    bounds=_BATCH_SIZES,
)
BATCH_SECONDS = Histogram(
    "seatledger_batch_seconds", "Time a batch of orders took.", bounds=_FAST_SECONDS
)
BATCH_LOST = Counter(
    "seatledger_batch_lost_total",
    "Rounds that order calls lost to somebody faster, to be judged again.",
)
SETTLED = Counter(
    "seatledger_settled_total",
    "Accepted work that left status 1002, by what it was and the status it went to.",
    ("what", "status"),
)
HAPPENED = Counter(
    "seatledger_happened_total",
    "What happened to customers by itself: renewal, subscription_expired, level_changed, ...",
    ("kind",),
)
WORK_FAILED = Counter(
    "seatledger_work_failed_total",
    "Attempts at a customer's due work that failed; after five the customer is parked.",
)
WORKER_ROUNDS = Counter("seatledger_worker_rounds_total", "Looks of workers for due work.")
WORKER_ERRORS = Counter("seatledger_worker_errors_total", "Worker rounds that ended in an error.")
DATABASE_AWAY = Counter(
    "seatledger_database_away_total", "Calls and worker rounds that found the database away."
)
RETENTION_REMOVED = Counter(
    "seatledger_retention_removed_total",
    "Expired rows removed, by table.",
    ("table",),
)
POOL_CONNECTIONS = Gauge(
    "seatledger_pool_connections", "Database connections, in_use or idle.", ("state",)
)
POOL_SIZE = Gauge("seatledger_pool_size", "Database connections the processes may have.")
PROCESSES = Gauge("seatledger_processes", "API processes of this server.")

COUNTED: tuple[Metric, ...] = (
    REQUESTS, REQUEST_SECONDS, REQUESTS_IN_FLIGHT, ORDERS, BATCH_ORDERS, BATCH_SECONDS,
    BATCH_LOST, SETTLED, HAPPENED, WORK_FAILED, WORKER_ROUNDS, WORKER_ERRORS, DATABASE_AWAY,
    RETENTION_REMOVED, POOL_CONNECTIONS, POOL_SIZE, PROCESSES,
)  # fmt: skip
"""What every process counts for itself."""

BUILD = Gauge("seatledger_build_info", "1, with the version and mode.", ("version", "mode"))
DATABASE_UP = Gauge(
    "seatledger_database_up",
    "1 when the database answered within a second with a schema we work on, 0 otherwise.",
)
DUE_WORK = Gauge(
    "seatledger_due_work",
    "What is due and not parked, of partners on the system clock, by kind: order, account, agenda, "
    "month.",
    ("kind",),
)
OVERDUE_SECONDS = Gauge(
    "seatledger_overdue_seconds",
    "How long the oldest due work of partners on the system clock has waited, by kind.",
    ("kind",),
)
PARKED_CUSTOMERS = Gauge(
    "seatledger_parked_customers",
    "Customers of partners on the system clock whose due work was given up after five failures; "
    "seatledger check names them.",
)

STATED: tuple[Metric, ...] = (BUILD, DATABASE_UP, DUE_WORK, OVERDUE_SECONDS, PARKED_CUSTOMERS)
"""What is read when somebody asks: it belongs to the database or the server, to no process."""

ALL = (*COUNTED, *STATED)


def snapshot() -> Snapshot:
    """This process's numbers."""
    return {metric.name: list(metric.cells.items()) for metric in COUNTED}


def merged(living: Iterable[Snapshot], gone: Iterable[Snapshot]) -> Mapping[str, Cells]:
    """The numbers of several processes as one's, by metric.

    Of those that are `gone` only what they have counted goes on counting.
    """
    total: dict[str, Cells] = {metric.name: {} for metric in COUNTED}
    gauges = {metric.name for metric in COUNTED if metric.kind == "gauge"}
    for found in living:
        _add(total, found)
    for found in gone:
        _add(total, {name: cells for name, cells in found.items() if name not in gauges})
    return total


def _add(total: dict[str, Cells], found: Snapshot) -> None:
    for name, cells in found.items():
        for labels, numbers in cells:
            before = total[name].get(labels)
            total[name][labels] = (
                list(numbers)
                if before is None
                else [one + other for one, other in zip(before, numbers, strict=True)]
            )
