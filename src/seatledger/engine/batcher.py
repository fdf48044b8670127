"""The micro-batcher: waiting orders share one read and one write (performance of the path).

A customer is in one batch in flight per process; its orders within a batch are decided in turn.
A request id occurs once in flight, so that one statement never meets it twice.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from seatledger.contract.limits import MAX_ATTEMPTS
from seatledger.engine.calls import Unavailable

LANES = 2  # batches in flight; more of them split the work into smaller ones
SIZE = 64

T = TypeVar("T")
R = TypeVar("R")


class Lost:
    """A result that says: somebody else was faster, judge this one again."""


LOST = Lost()


class _Waiting(Generic[T, R]):
    __slots__ = ("alone", "future", "group", "item", "rounds")

    def __init__(
        self, item: T, group: Hashable, alone: Hashable | None, future: "asyncio.Future[R]"
    ) -> None:
        self.item = item
        self.group = group
        self.alone = alone
        self.future = future
        self.rounds = 0


class Batcher(Generic[T, R]):
    """Runs waiting items in batches.

    `run` answers a list of results in the order of its items; `LOST` ones wait for another round,
    five at most. An exception fails the batch: its items are then run one by one, so that one bad
    order never fails its neighbours.
    """

    def __init__(self, run: Callable[[Sequence[T]], Awaitable[list[R | Lost]]]) -> None:
        self._run = run
        self._queue: deque[_Waiting[T, R]] = deque()
        self._busy_groups: set[Hashable] = set()
        self._busy_alone: set[Hashable] = set()
        self._lanes: set[asyncio.Task[None]] = set()

    async def submit(self, item: T, group: Hashable, alone: Hashable | None) -> R:
        """Wait for the result of an item.

        Items of one `group` (a customer) never run in two batches at once; items with the same
        `alone` key never run at once at all.
        """
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(item, group, alone, future))
        self._start_lanes()
        return await future

    async def drain(self) -> None:
        """Wait until nothing is queued or running."""
        while self._lanes:
            await asyncio.wait(self._lanes)

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
        held = set(self._busy_groups)
        while self._queue and len(batch) < SIZE:
            waiting = self._queue.popleft()
            if waiting.future.done():  # the caller went away
                continue
            if waiting.group in held or waiting.alone in self._busy_alone:
                held.add(waiting.group)  # keep the order within a group
                passed.append(waiting)
                continue
            batch.append(waiting)
            if waiting.alone is not None:
                self._busy_alone.add(waiting.alone)
        self._queue.extendleft(reversed(passed))
        self._busy_groups.update(waiting.group for waiting in batch)
        return batch

    async def _work(self, batch: list[_Waiting[T, R]]) -> None:
        try:
            await self._finish(batch)
        finally:
            for waiting in batch:
                self._busy_groups.discard(waiting.group)
                self._busy_alone.discard(waiting.alone)

    async def _finish(self, batch: Sequence[_Waiting[T, R]]) -> None:
        try:
            results = await self._run([waiting.item for waiting in batch])
        except Exception as error:  # noqa: BLE001 - whatever it was goes to the caller it concerns
            if len(batch) == 1 or isinstance(error, Unavailable):
                for waiting in batch:
                    if not waiting.future.done():
                        waiting.future.set_exception(error)
            else:
                for waiting in batch:
                    await self._finish([waiting])
            return
        for waiting, result in zip(batch, results, strict=True):
            if waiting.future.done():
                continue
            if not isinstance(result, Lost):
                waiting.future.set_result(result)
                continue
            waiting.rounds += 1
            if waiting.rounds < MAX_ATTEMPTS:
                self._queue.append(waiting)
            else:
                waiting.future.set_exception(Unavailable(1))
