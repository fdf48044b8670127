"""`python -m tests.failover [times] [seed]`: the primary dies under load (make test-failover)."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random, SystemRandom
from statistics import median

from seatledger.store.database import STATEMENT_TIMEOUT_MS
from tests.crash.recount import prove
from tests.crash.stage import new_worlds, open_clients
from tests.crash.traffic import Traffic
from tests.failover.cluster import Cluster, running
from tests.failover.programs import PACKAGES, find_programs
from tests.system.server import folder, serving

CLIENTS = 8
SERVERS = 2
_MODES = ("auto", "immediate")
_BEFORE = (20, 200)  # answers before the blow
_BLOWS = ("kill -9", "SIGSTOP")
_ALONE = "kill -9 after a time without its standbys"
# Longer than a server waits for a commit, shorter than patroni's patience with the other nodes.
_ALONE_SECONDS = STATEMENT_TIMEOUT_MS / 1000 + 2
_AFTER = 30  # answers before the old primary comes back, and again after it has


def main(times: int, seed: int) -> int:
    """Kill or freeze the primary so many times; 0 too where the programs are missing."""
    programs = find_programs()
    missing = [package for name, package in PACKAGES.items() if name not in programs]
    if missing:
        print(f"skipped: this machine lacks {', '.join(missing)} (Debian: apt-get install)")
        return 0
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    with folder() as place:
        asyncio.run(_run(place, programs, times, Random(seed)))
    print(f"{time.monotonic() - began:.0f} s, seed {seed}")
    return 0


async def _run(place: Path, programs: dict[str, Path], times: int, random: Random) -> None:
    (place / "cluster").mkdir()
    async with running(place / "cluster", programs) as cluster:
        with _servers(place, cluster.database_url) as addresses:
            await _strike_all(cluster, addresses, times, random)


@contextmanager
def _servers(place: Path, database_url: str) -> Iterator[list[str]]:
    """The addresses of servers on the cluster."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(serving(place, "--database-url", database_url, data_dir=False)).url
            for _ in range(SERVERS)
        ]


async def _strike_all(cluster: Cluster, addresses: list[str], times: int, random: Random) -> None:
    outages: dict[str, list[float]] = {how: [] for how in (*_BLOWS, _ALONE)}
    acknowledged: Counter[str] = Counter()
    lost = 0
    async with open_clients(addresses) as clients:
        for number in range(times + 1):
            how = _ALONE if number == times else _BLOWS[number % len(_BLOWS)]
            mode = _MODES[number // len(_BLOWS) % len(_MODES)]
            traffic = await Traffic.prepare(await new_worlds(clients), mode, random)
            seconds = await _fail_over(cluster, traffic, how, random)
            await prove(traffic, cluster.database_url)
            print(
                f"failover {number + 1} of {times + 1}: {how} of the primary, no write for "
                f"{seconds:.1f} s, {traffic.answered} writes acknowledged and counted",
                flush=True,
            )
            outages[how].append(seconds)
            acknowledged.update(one.kind for one in traffic.intents)
            lost += traffic.lost
    print(
        f"{times + 1} failovers; acknowledged {acknowledged['NEW']} orders, "
        f"{acknowledged['RETURN']} returns, {acknowledged['PATCH']} settings; "
        f"{lost} answers lost and repeated; 0 lost, 0 doubled, invariants clean"
    )
    for how, measured in outages.items():
        if measured:
            middle, longest = median(measured), max(measured)
            print(f"write outage after {how}: median {middle:.1f} s, max {longest:.1f} s")


async def _fail_over(cluster: Cluster, traffic: Traffic, how: str, random: Random) -> float:
    """Strike the primary under load and bring it back; gives how long no write was answered."""
    await cluster.is_whole()
    async with traffic.running(CLIENTS):
        await traffic.has_answered(random.randint(*_BEFORE))
        primary = await cluster.primary()
        struck = asyncio.get_running_loop().time()
        await _strike(cluster, primary, how)
        if await cluster.has_new_primary(primary):
            await traffic.has_answered(_AFTER)
        else:  # patroni had already given up the others, and waits for the one it trusts
            assert how == _ALONE, f"nobody took over\n{cluster.last_words()}"
        cluster.thaw(primary)
        await cluster.is_whole()
        await traffic.has_answered(_AFTER)
    return traffic.longest_silence(since=struck)


async def _strike(cluster: Cluster, primary: int, how: str) -> None:
    if how == _ALONE:
        await cluster.cut_off(primary, _ALONE_SECONDS)
    elif how == "SIGSTOP":
        cluster.freeze(primary)
    else:
        cluster.kill(primary)


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:3]]
    sys.exit(main(*given, *(10, SystemRandom().randrange(10**6))[len(given) :]))
