"""An anniversary of many customers: the worker's batches against one customer at a time."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from time import perf_counter

import asyncpg

from bench import servers
from bench.house import House, Untrue
from bench.results import Measure, Round
from bench.stage import PARTNER, Stage
from seatledger.app import collect_seldom
from seatledger.clock import ManualClock, SystemClock
from seatledger.domain.invariants import violations
from seatledger.engine.agenda import run_agenda
from seatledger.engine.claims import Scope
from seatledger.engine.context import Engine
from seatledger.store.database import connect
from seatledger.store.history import histories
from seatledger.work.loop import Worker

_ALONE = 0.02  # of the customers: at a twentieth of the speed that takes as long as the batches
_LOOKED_AT = 300
_POOL = 8

# The customers $1 to $2 have their anniversary on the day $3, a midnight.
_BORN = (
    "UPDATE customer SET coterm_date = $3::date, due_at = $3 WHERE customer_id BETWEEN $1 AND $2",
    "UPDATE subscription SET renewal_date = $3::date WHERE customer_id BETWEEN $1 AND $2",
)
_RENEWED = """SELECT count(*) FROM orders o JOIN customer c USING (customer_id)
WHERE o.order_type = 'RENEWAL' AND o.status = '1000' AND c.coterm_date > $3::date
  AND o.customer_id BETWEEN $1 AND $2"""


class Anniversaries:
    """Customers in groups, a day apart; the clock moves on to the day of the next group."""

    def __init__(self, url: str, stage: Stage) -> None:
        self._url = url
        self._connection = stage.connection
        self._waiting = list(stage.customers)
        self._born: deque[Sequence[str]] = deque()
        self._clock = ManualClock(SystemClock().now())
        self._day: datetime

    async def give_days(self, sizes: Sequence[int]) -> None:
        """Give the next group its day, and so on; the first has the one it was made with."""
        partner = "UPDATE partner SET closes_month_at = '9000-01-01'"  # no files
        await self._connection.execute(partner)
        self._day = await self._connection.fetchval("SELECT min(due_at) FROM customer")
        for number, size in enumerate(sizes):
            group, self._waiting = self._waiting[:size], self._waiting[size:]
            for sql in _BORN:
                day = self._day + timedelta(days=number)
                await self._connection.execute(sql, group[0], group[-1], day)
            self._born.append(group)
        await self._connection.execute("VACUUM ANALYZE")
        await self._connection.execute("CHECKPOINT")

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[None]:
        """What the worker of a service process works with, garbage as there."""
        collect_seldom()
        async with await connect(self._url, _POOL) as pool:
            self._engine = Engine(pool, self._clock, sandbox=False)
            self._worker = Worker(self._engine)
            yield

    async def together(self) -> Round:
        """Renew the next group by the worker's own rounds."""
        group = self._next()
        began = perf_counter()
        while await self._worker.round():
            pass
        return await self._done(group, perf_counter() - began)

    async def one_by_one(self) -> Round:
        """Renew the next group by the same code, each in a transaction of its own."""
        group = self._next()
        world = await self._engine.worlds.get(PARTNER)
        assert world is not None
        now = self._engine.worlds.now(world)
        began = perf_counter()
        for customer_id in group:
            scope = Scope(customer_ids=[customer_id])
            await run_agenda(self._engine.pool, world, self._engine.ids, now, scope)
        return await self._done(group, perf_counter() - began)

    def _next(self) -> Sequence[str]:
        self._clock.set(self._day)
        return self._born.popleft()

    async def _done(self, group: Sequence[str], seconds: float) -> Round:
        """The rate; Untrue unless each has renewed and the first of them keep the invariants."""
        first, last = group[0], group[-1]
        renewed = await self._connection.fetchval(_RENEWED, first, last, self._day)
        if renewed != len(group):
            raise Untrue(f"{renewed} of {len(group)} customers have renewed")
        self._day += timedelta(days=1)
        before = str(int(first) - 1)
        for one in await histories(self._connection, PARTNER, before, min(_LOOKED_AT, len(group))):
            for violation in violations(one):
                raise Untrue(f"a violated invariant after renewals: {violation}")
        return Round(len(group) / seconds)


@asynccontextmanager
async def room(house: House) -> AsyncIterator[list[Measure]]:
    """Each round renews its share of the customers in batches, and a few more one by one."""
    rounds = house.size.rounds
    leg = house.size.renewing // rounds
    alone = int(leg * _ALONE)
    async with house.database("renewal") as url:
        connection = await asyncpg.connect(url)
        try:
            stage = Stage(url, connection)
            async with servers.production(url, house.folder / "renewal.log") as server:
                await stage.build(server.address, house.folder, (leg + alone) * rounds)
            await stage.settle("auto")
            run = Anniversaries(url, stage)
            await run.give_days((leg, alone) * rounds)
            async with run.engine():
                title = f"renewal of {house.size.renewing:,} customers with 3 subscriptions"
                yield [
                    Measure("renewal", title, "customers/s", run.together),
                    Measure("renewal_alone", f"customer by customer, {alone} a round",
                            "customers/s", run.one_by_one),
                ]  # fmt: skip
        finally:
            await connection.close()
