"""`python -m tests.fuzz [requests] [seed]`: mutated requests against a server (make fuzz)."""

import asyncio
import os
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

from tests.fuzz.storm import Report, Storm
from tests.harness import make_world
from tests.system.server import ADMIN_TOKEN, Server, folder, run, serving

MOST_GROWTH_MIB = 50
FAILURES = Path("fuzz-failures")


def served(place: Path) -> AbstractContextManager[Server]:
    """A server that hears of its callers' addresses, as it does behind a proxy."""
    return serving(place, SEATLEDGER_ACCESS_LOG="false", SEATLEDGER_TLS_PROXIES="127.0.0.1")


def memory_mib(server: Server) -> float:
    """What the server's process holds in memory (Linux)."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text("utf-8").splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith("VmRSS"))
    return int(size) / 1024


def cpu_seconds(server: Server) -> float:
    """The processor time its process has used (Linux)."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def fire(server: Server, requests: int, seed: int) -> tuple[Report, list[float], float]:
    """Send them all; the report, memory in MiB after each stage, and seconds needed.

    The first stage loads code and fills caches: growth is what comes after it.
    """
    parts = urlsplit(server.url)
    async with server.client() as client:
        # From an address of its own: failed log-ins of the storm throttle it not.
        client.headers["X-Forwarded-For"] = "192.0.2.1"
        storm = Storm(
            (str(parts.hostname), int(parts.port or 0)),
            lambda: make_world(client, ADMIN_TOKEN),
            seed,
            failures=FAILURES,
        )
        began = time.monotonic()
        sizes: list[float] = []
        async for report in storm.blow(requests):
            sizes.append(memory_mib(server))
            rate = report.sent / (time.monotonic() - began)
            print(
                f"{report.sent:>8} requests, {rate:5.0f}/s, {sizes[-1]:6.1f} MiB, "
                f"{len(report.failures)} failed",
                flush=True,
            )
    return storm.report, sizes, time.monotonic() - began


def main(requests: int, seed: int) -> int:
    """1 when an answer was wrong, an invariant is violated or memory grew beyond the limit."""
    print(f"seed {seed}")
    with folder() as place, served(place) as server:
        at_start = memory_mib(server)
        report, sizes, seconds = asyncio.run(fire(server, requests, seed))
        cpu = cpu_seconds(server)
        server.end()
        checked = run("check", "--data-dir", place / "data")
    growth = sizes[-1] - sizes[0]
    for name, counts in (("answers", report.answers), ("accepted of", report.routes)):
        print(f"\n{name}")
        for key, number in sorted(counts.items()):
            share = f" {report.accepted[key]:>7}" if counts is report.routes else ""
            print(f"{number:>8}{share}  {key}")
    print(f"client used {time.process_time():.0f} s of CPU, server {cpu:.0f} s")
    print(f"\n{report.sent} requests in {seconds:.0f} s, {report.sent / seconds:.0f}/s")
    print(
        f"memory {at_start:.1f} MiB at start, {sizes[0]:.1f} after the first stage, "
        f"{max(sizes):.1f} at most, {sizes[-1]:.1f} at the end: "
        f"{growth:+.1f} MiB (limit {MOST_GROWTH_MIB})"
    )
    print(f"seatledger check: {checked.stdout.strip()} {checked.stderr.strip()}")
    for told in report.failures[:20]:
        print(told)
    print(f"{len(report.failures)} failed" + (f", kept in {FAILURES}/" if report.failures else ""))
    is_clean = not report.failures and checked.returncode == 0
    return 0 if is_clean and growth < MOST_GROWTH_MIB else 1


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:3]]
    sys.exit(main(*given, *(200_000, 1)[len(given) :]))
