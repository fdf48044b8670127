"""The micro-batcher: waiting orders share one read and one write (performance of the path).

A customer is in one batch in flight per process; its orders within a batch are decided in turn.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from seatledger.contract.limits import MAX_ATTEMPTS, MAX_WAIT_SECONDS
from seatledger.engine.calls import Unavailable

LANES = 2  # batches in flight; more of them split the work into smaller ones
SIZE = 64

T = TypeVar("T")
R = TypeVar("R")


class Lost:
    """A result that says: somebody else was faster, judge this one again."""


LOST = Lost()


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


class Batcher(Generic[T, R]):
    """Runs waiting items in batches.

    `run` answers a list of results in the order of its items. `LOST` ones go round again, five
    times at most. An exception fails the batch: its items are then run one by one, so that one
    bad order never fails its neighbours; only Unavailable is everyone's.
    """

    def __init__(
        self,
        run: Callable[[Sequence[T]], Awaitable[Sequence[R | Lost]]],
        *,
        wait_seconds: float = MAX_WAIT_SECONDS,
    ) -> None:
        self._run = run
        self._wait_seconds = wait_seconds
        self._queue: deque[_Waiting[T, R]] = deque()
        self._busy: set[Hashable] = set()
        self._lanes: set[asyncio.Task[None]] = set()

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
        self._start_lanes()
        return await waiting.future

    async def drain(self) -> None:
        """Wait until nothing is queued or running."""
        while self._lanes:
            await asyncio.wait(self._lanes)

    def _enqueue(self, waiting: _Waiting[T, R], *, first: bool) -> None:
        (self._queue.appendleft if first else self._queue.append)(waiting)
        loop = asyncio.get_running_loop()
        waiting.timer = loop.call_at(waiting.deadline, waiting.expire)

    def _start_lanes(self) -> None:
        while len(self._lanes) < LANES and (batch := self._take()):
            lane = asyncio.create_task(self._work(batch))
            self._lanes.add(lane)
            lane.add_done_callback(self._lane_is_free)

    def _lane_is_free(self, lane: "asyncio.Task[None]") -> None:
        self._lanes.discard(lane)
        self._start_lanes()

    def _take(self) -> list[_Waiting[T, R]]:
        batch: list[_Waiting[T, R]] = []
        passed: list[_Waiting[T, R]] = []
        while self._queue and len(batch) < SIZE:
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
        lost: list[_Waiting[T, R]] = []
        try:
            await self._finish(batch, lost)
        finally:
            self._busy.difference_update(waiting.group for waiting in batch)
            for waiting in reversed(lost):  # first again, in their order
                self._go_round(waiting)

    def _go_round(self, waiting: _Waiting[T, R]) -> None:
        waiting.rounds += 1
        now = asyncio.get_running_loop().time()
        if waiting.rounds == MAX_ATTEMPTS or now >= waiting.deadline:
            waiting.expire()
        else:
            self._enqueue(waiting, first=True)

    async def _finish(self, batch: Sequence[_Waiting[T, R]], lost: list[_Waiting[T, R]]) -> None:
        try:
            results = await self._run([waiting.item for waiting in batch])
            assert len(results) == len(batch), "a result for every item"
        except Exception as error:  # noqa: BLE001 - whatever it was goes to the caller it concerns
            if len(batch) > 1 and not isinstance(error, Unavailable):
                for waiting in batch:
                    await self._finish([waiting], lost)
            else:
                for waiting in batch:
                    waiting.fail(error)
            return
        for waiting, result in zip(batch, results, strict=True):
            if waiting.future.done():
                continue
            if isinstance(result, Lost):
                lost.append(waiting)
            else:
                waiting.future.set_result(result)
