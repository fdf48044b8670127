"""One-line orders: what PostgreSQL allows, what we reach, what others reach, on the same disk."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from bench import limit, wrk
from bench.house import House, Setting, Untrue, as_round
from bench.peers.running import PEERS, Peer
from bench.results import Measure, Round
from bench.stage import CUSTOMERS, Sums
from seatledger.clock import SystemClock

_SLOWER_MS = 2


@asynccontextmanager
async def room(house: House) -> AsyncIterator[list[Measure]]:
    """The limit, accepted at 32 and 128 connections, fulfilled as well, on a slower disk."""
    setting, seconds = house.main, house.size.seconds
    orders = setting.stage.orders()
    await setting.stage.keep_sample(1)
    script = house.folder / "order.sql"
    lua = house.folder / "orders.lua"
    script.write_text(limit.script(), encoding="utf-8")

    async def accept(connections: int) -> Round:
        return await setting.accept(orders, connections, seconds)

    async def slow() -> Round:
        assert house.disk is not None
        await setting.begin("manual")
        with house.disk.slower(_SLOWER_MS):
            done, used = await setting.load(orders, 32, seconds)
        await setting.prove(Sums(done.accepted, 0, 0, done.accepted))
        return as_round(done, done.rate, used)

    async def fulfil() -> Round:
        """Accepted while the worker settles them, until the last one is settled."""
        await setting.begin("auto")
        before, clock = setting.clock(), SystemClock()
        began = clock.monotonic()
        done, _ = await setting.load(orders, 32, seconds)
        await setting.stage.drained()
        took = clock.monotonic() - began
        used = setting.used(before, done.accepted)
        await setting.prove(Sums(done.accepted, done.seats, done.seats, 0))
        return as_round(done, done.accepted / took, used)

    async def by_wrk() -> Round:
        """Exactly what it was told of must be there, and what was on its way when it hung up."""
        await setting.begin("manual")
        before = setting.clock()
        done = await wrk.send(lua, orders, 32, seconds)
        used = setting.used(before, done.accepted)
        found = (await setting.stage.sums()).since(setting.stage.start)
        if not done.accepted <= found.orders <= done.accepted + 32:
            raise Untrue(f"wrk was told of {done.accepted} orders, the database has {found}")
        await setting.prove(found)
        return Round(done.accepted / done.seconds, done.p50, done.p99, *used)

    unit = "orders/s"
    measures = [
        Measure("limit", "limit: pgbench, 8 clients", unit,
                lambda: limit_of(setting, script, 1, seconds)),
        Measure("accept_32", "accepted, 32 connections", unit, lambda: accept(32)),
        Measure("accept_128", "accepted, 128", unit, lambda: accept(128)),
        Measure("fulfil_32", "accepted + fulfilled, 32", unit, fulfil),
    ]  # fmt: skip
    if wrk.program():
        wrk.write_script(orders, lua)
        measures.append(Measure("wrk_32", "accepted, 32, sent by wrk", unit, by_wrk))
    if house.disk is not None:
        title = f"accepted, 32, disk {_SLOWER_MS} ms slower"
        measures.append(Measure("slow_32", title, unit, slow))
    await setting.load(orders, 32, min(1, seconds))  # warm
    async with AsyncExitStack() as stack:
        for name, entry in PEERS.items():
            if name == "medusa" and not house.size.peers:
                house.skipped["Medusa"] = "it takes minutes to install (PEERS=1)"
                continue
            peer = await stack.enter_async_context(entry.opened(house))
            await peer.send(entry.connections, min(1, seconds))  # warm
            run = partial(_peer, peer, entry.connections, seconds)
            measures.append(Measure(name, entry.title, unit, run))
        yield measures


async def _peer(peer: Peer, connections: int, seconds: float) -> Round:
    """What a peer takes; Untrue when it has not stored what it acknowledged."""
    before = await peer.stored()
    done = await peer.send(connections, seconds)
    stored = await peer.stored() - before
    if stored != done.accepted:
        raise Untrue(f"a peer acknowledged {done.accepted} orders and has stored {stored}")
    return as_round(done, done.rate, (None, None))


async def limit_of(setting: Setting, script: Path, lines: int, seconds: float) -> Round:
    """Our two statements under pgbench, for orders of `lines` lines."""
    await setting.begin("manual")
    before = setting.clock()
    values = limit.variables(lines, CUSTOMERS)
    done = await limit.run(setting.stage.url, script, values, round(seconds))
    used = setting.used(before, done.orders)
    await setting.prove(Sums(done.orders, 0, 0, done.orders))
    return Round(done.rate, postgresql=used[1])
