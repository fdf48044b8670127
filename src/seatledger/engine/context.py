"""The engine of one process: everything its use cases share."""

from seatledger.clock import RealClock
from seatledger.engine.orders import Orders
from seatledger.engine.world import Worlds
from seatledger.engine.writes import Writes
from seatledger.store.ids import Ids
from seatledger.store.rows import AnyPool


class Engine:
    """Pool, clock, worlds, ids, and the two ways of writing.

    While it is `draining` the process is about to stop: long work ends where it can.
    """

    def __init__(self, pool: AnyPool, clock: RealClock, *, sandbox: bool) -> None:
        self.pool = pool
        self.clock = clock
        self.worlds = Worlds(pool, clock, always_current=sandbox)
        self.ids = Ids()
        self.orders = Orders(pool, self.worlds, self.ids)
        self.writes = Writes(pool, self.worlds)
        self.draining = False

    async def drain(self) -> None:
        """Finish what has been accepted for processing."""
        await self.orders.drain()
