"""The micro-batcher: waiting orders share one read and one write (performance of the path).

A customer is in one batch in flight per process; its orders within a batch are decided in turn.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from math import ceil
from typing import Generic, TypeAlias, TypeVar

from seatledger.contract.limits import MAX_ATTEMPTS, MAX_WAIT_SECONDS
from seatledger.engine.calls import Unavailable

LANES = 2  # batches in flight; more of them split the work into smaller ones
SIZE = 64  # items of a batch, at most
UNSHARED = 4  # as many are not split between the lanes
# After a lost round, and how much longer after every further one: five of them span a second.
FIRST_PAUSE_SECONDS = 0.01
PAUSE_GROWTH = 4

T = TypeVar("T")
R = TypeVar("R")


class Lost:
    """A result that says: judge this one again."""


LOST = Lost()
"""Somebody else was faster, or holds what it needs: again after a pause."""

BEHIND = Lost()
"""One before it in the batch may take what it wants, or fail to: again at once, as no round."""


class _Waiting(Generic[T, R]):
    __slots__ = ("deadline", "future", "group", "item", "rounds", "timer")

    def __init__(
        self, item: T, group: Hashable, future: "asyncio.Future[R]", deadline: float
    ) -> None:
        self.item = item
        self.group = group
        self.future = future
        self.deadline = deadline
        self.rounds = 0
        self.timer: asyncio.TimerHandle | None = None

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def expire(self) -> None:
        self.fail(Unavailable(1))


_Again: TypeAlias = list[tuple[_Waiting[T, R], Lost]]  # items to run again, and why


class Batcher(Generic[T, R]):
    """Runs waiting items in batches.

    `run` answers a list of results in the order of its items. `LOST` ones go round again after a
    pause, five times at most, `BEHIND` ones at once: the first of a batch never is. An exception
    fails the batch: its items are then run one by one, so that one bad order never fails its
    neighbours, as long as their time lasts; only Unavailable is everyone's.
    """

    def __init__(
        self,
        run: Callable[[Sequence[T]], Awaitable[Sequence[R | Lost]]],
        *,
        wait_seconds: float = MAX_WAIT_SECONDS,
        pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self._run = run
        self._wait_seconds = wait_seconds
        self._pause_seconds = pause_seconds
        self._queue: deque[_Waiting[T, R]] = deque()
        self._busy: set[Hashable] = set()
        self._lanes: dict[asyncio.Task[None], int] = {}  # with the number of their items
        self._starting = False
        self._resting = 0  # pauses under way
        self._idle = asyncio.Event()

    async def submit(self, item: T, group: Hashable) -> R:
        """Wait for the result of an item.

        Items of one `group` (a customer) run in the order they came, never in two batches at
        once. Raises Unavailable when an item's turn does not come in time or its rounds are used
        up; an item that is running is waited for.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting[T, R](
            item, group, loop.create_future(), loop.time() + self._wait_seconds
        )
        self._enqueue(waiting, first=False)
        self._start_soon()
        return await waiting.future

    async def drain(self) -> None:
        """Wait until nothing is queued or running."""
        while self._lanes or self._resting or self._starting:
            self._idle.clear()
            await self._idle.wait()

    def _enqueue(self, waiting: _Waiting[T, R], *, first: bool) -> None:
        (self._queue.appendleft if first else self._queue.append)(waiting)
        loop = asyncio.get_running_loop()
        waiting.timer = loop.call_at(waiting.deadline, waiting.expire)

    def _start_soon(self) -> None:
        """At the end of this round of the loop: what was read together shares a batch."""
        if not self._starting:
            self._starting = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _start_lanes(self) -> None:
        self._starting = False
        while len(self._lanes) < LANES and (batch := self._take()):
            lane = asyncio.create_task(self._work(batch))
            self._lanes[lane] = len(batch)
            lane.add_done_callback(self._lane_is_free)

    def _lane_is_free(self, lane: "asyncio.Task[None]") -> None:
        del self._lanes[lane]
        self._go_on()

    def _go_on(self) -> None:
        self._start_lanes()
        if not self._lanes and not self._resting:
            self._idle.set()

    def _take(self) -> list[_Waiting[T, R]]:
        """A lane's share of what is open: a lane that took all would leave the other one idle."""
        batch: list[_Waiting[T, R]] = []
        passed: list[_Waiting[T, R]] = []
        share = ceil((len(self._queue) + sum(self._lanes.values())) / LANES)
        size = min(SIZE, max(share, UNSHARED))
        while self._queue and len(batch) < size:
            waiting = self._queue.popleft()
            if waiting.future.done():  # the caller went away, or waited too long
                continue
            (passed if waiting.group in self._busy else batch).append(waiting)
        self._queue.extendleft(reversed(passed))
        for waiting in batch:
            self._busy.add(waiting.group)
            if waiting.timer is not None:
                waiting.timer.cancel()
        return batch

    async def _work(self, batch: list[_Waiting[T, R]]) -> None:
        again: _Again[T, R] = []
        try:
            await self._finish(batch, again)
        finally:
            resting = self._send_round(again)
            self._busy.difference_update({waiting.group for waiting in batch} - resting)

    def _send_round(self, again: _Again[T, R]) -> set[Hashable]:
        """Send items round again; gives the groups that stay busy while they pause.

        What is behind others goes first now, unless an item of its group pauses.
        """
        now = asyncio.get_running_loop().time()
        pausing = {waiting.group for waiting, why in again if why is LOST}
        for waiting, _ in reversed(again):
            if waiting.group in pausing:
                continue
            if now >= waiting.deadline:
                waiting.expire()
            else:
                self._enqueue(waiting, first=True)
        return self._rest([waiting for waiting, _ in again if waiting.group in pausing])

    def _rest(self, lost: list[_Waiting[T, R]]) -> set[Hashable]:
        """Send lost items round again after a pause: whoever was faster may not be done yet.

        Gives their groups, which stay busy meanwhile, so that nothing overtakes them.
        """
        loop = asyncio.get_running_loop()
        rounds: dict[Hashable, int] = {}
        again: dict[int, list[_Waiting[T, R]]] = {}
        for waiting in lost:
            waiting.rounds += 1
            if waiting.rounds == MAX_ATTEMPTS or loop.time() >= waiting.deadline:
                waiting.expire()
            else:
                again.setdefault(rounds.setdefault(waiting.group, waiting.rounds), []).append(
                    waiting
                )
        for number, items in again.items():
            pause = self._pause_seconds * PAUSE_GROWTH ** (number - 1)
            self._resting += 1
            loop.call_later(pause, self._rested, items)
        return set(rounds)

    def _rested(self, items: list[_Waiting[T, R]]) -> None:
        self._resting -= 1
        self._busy.difference_update(waiting.group for waiting in items)
        for waiting in reversed(items):  # first again, in their order
            self._enqueue(waiting, first=True)
        self._go_on()

    async def _finish(self, batch: Sequence[_Waiting[T, R]], again: _Again[T, R]) -> None:
        try:
            results = await self._run([waiting.item for waiting in batch])
            assert len(results) == len(batch), "a result for every item"
        except Exception as error:  # noqa: BLE001 - whatever it was goes to the caller it concerns
            if len(batch) > 1 and not isinstance(error, Unavailable):
                for waiting in batch:
                    await self._finish_alone(waiting, again)
            else:
                for waiting in batch:
                    waiting.fail(error)
            return
        for waiting, result in zip(batch, results, strict=True):
            if waiting.future.done():
                continue
            if isinstance(result, Lost):
                again.append((waiting, result))
            else:
                waiting.future.set_result(result)

    async def _finish_alone(self, waiting: _Waiting[T, R], again: _Again[T, R]) -> None:
        if asyncio.get_running_loop().time() < waiting.deadline:
            await self._finish([waiting], again)
        else:
            waiting.expire()
