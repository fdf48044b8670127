"""A walk of a world's clock from one due instant to the next (sandbox.md 5.1)."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from seatledger.domain.outcome import Refused
from seatledger.engine.agenda import Occurred, carry_out_due
from seatledger.engine.claims import Scope
from seatledger.engine.context import Engine
from seatledger.engine.world import World, business_now, exact_now
from seatledger.sandbox.control import Refusal
from seatledger.store import due as due_work
from seatledger.store import partners
from seatledger.store.rows import AnyConnection

WALK_SECONDS = 45  # of real time; a call has a minute, and the last batch of work is finished
STOP_ON, TOO_MANY, TIME, SHUTDOWN = "stopOn", "limit", "time", "shutdown"


class Walked(Struct, frozen=True):
    """What the clock shows at the end of a walk, what happened on the way, and how much is due
    there and not done. `stopped` says why the walk ended before its target, "" if it did not."""

    now: datetime
    done: list[Occurred]
    pending: int
    stopped: str = ""


class Walk:
    """The right to move a world's clock, used: `start` is what it shows as the call begins.

    The connection holds the right. Nobody ever sees the clock go back: one that runs goes on
    running meanwhile, and is only ever put forwards from where it is.
    """

    def __init__(self, engine: Engine, connection: AnyConnection, world: World) -> None:
        self._engine = engine
        self._connection = connection
        self._until = engine.clock.monotonic() + WALK_SECONDS
        self._world = world
        self.start = engine.worlds.now(world)

    async def to(self, target: datetime, stop_on: str | None = None) -> Walked:
        """Move the clock to `target`: everything due on the way happens at its own instant.

        It ends sooner at the first event of the kind `stop_on`, when its time is over, or when the
        process is about to stop; but never before its first instant, so that calls that are
        repeated arrive. The clock is set before the work of an instant is done, and that is
        committed at once: whatever is left is due, and the next walk begins with it.
        """
        return await self._go(target, stop_on, None, is_rehearsal=False)

    async def rehearse(
        self, target: datetime, stop_on: str | None = None, most: int | None = None
    ) -> Walked:
        """What `to` would do: it is done, and then undone. Ends once more than `most` has happened.

        Customers it comes to stay locked until it has ended.
        """
        rehearsal = self._connection.transaction()
        await rehearsal.start()
        try:
            return await self._go(target, stop_on, most, is_rehearsal=True)
        finally:
            await rehearsal.rollback()

    async def _go(
        self, target: datetime, stop_on: str | None, most: int | None, *, is_rehearsal: bool
    ) -> Walked:
        done: list[Occurred] = []
        instant = self.start
        scope = Scope(wait=True, failed=set(), is_over=lambda: bool(self._end()))
        due = await due_work.next_instant(self._connection, self._world.partner_id)
        while due is not None and due <= target:
            instant = max(instant, due)
            shown = instant if is_rehearsal else await self.show(instant)
            happened = await carry_out_due(
                self._connection, self._world, self._engine.ids, instant, scope
            )
            done += happened
            stopped = self._end()
            if any(one.kind == stop_on for one in happened):
                stopped = STOP_ON
            if most is not None and len(done) > most:
                stopped = TOO_MANY
            if stopped:
                return Walked(shown, done, await self._left(shown), stopped)
            # What fails, or comes in meanwhile, stays due: the walk goes on.
            due = await due_work.next_instant(
                self._connection, self._world.partner_id, after=instant
            )
        shown = target if is_rehearsal else await self.show(target)
        return Walked(shown, done, await self._left(shown))

    def _end(self) -> str:
        """Why the walk has to end now, "" if it may go on."""
        if self._engine.draining:
            return SHUTDOWN
        return TIME if self._engine.clock.monotonic() >= self._until else ""

    async def _left(self, at: datetime) -> int:
        return await due_work.count_due(self._connection, self._world.partner_id, at)

    async def show(
        self, at: datetime, *, mode: str | None = None, rate: float | None = None
    ) -> datetime:
        """Put the clock to `at`, or leave it where it is when it is past that, with its mode and
        rate unless others are given. Gives what it shows then."""
        row = self._world.row
        real = self._engine.clock.now()
        mode = mode or row.clock_mode
        changed = replace(
            row,
            version=row.version + 1,
            clock_mode="frozen" if mode == "system" else mode,
            clock_at=max(at, exact_now(row, real)),
            clock_real=real,
            clock_rate=row.clock_rate if rate is None else rate,
        )
        version = await partners.set_clock(
            self._connection,
            changed.partner_id,
            mode=changed.clock_mode,
            at=changed.clock_at,
            real=changed.clock_real,
            rate=changed.clock_rate,
        )
        if version == changed.version:
            self._world = replace(self._world, row=changed)
        else:  # something else of the world has changed meanwhile
            fresh = await self._engine.worlds.refresh(changed.partner_id, self._connection)
            if fresh is None:
                raise Refusal(Refused("4115"))
            self._world = fresh
        return business_now(self._world.row, real)
