"""The micro-batcher: who runs with whom, in what order, and what a failure costs."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from seatledger.contract.limits import MAX_ATTEMPTS, MAX_WAIT_SECONDS
from seatledger.engine.batcher import BEHIND, LANES, LOST, SIZE, Batcher
from seatledger.engine.calls import Unavailable
from tests.engine.batching import Results, Store, echo, go_away, occupy, submit_all

pytestmark = pytest.mark.anyio


class TestGrouping:
    async def test_what_waits_while_the_lanes_are_busy_shares_the_next_batch(self) -> None:
        store = Store()
        batcher = Batcher(store.run)
        first = await occupy(store, batcher, "a1", "b1")
        later = await submit_all(batcher, "c1", "d1", "e1")
        assert store.batches == [["a1"], ["b1"]]
        store.let_go(0)
        await store.has(3)
        assert store.batches[2] == ["c1", "d1", "e1"]
        store.let_all_go()
        assert await asyncio.gather(*first, *later) == ["A1", "B1", "C1", "D1", "E1"]

    async def test_a_batch_has_a_greatest_size(self) -> None:
        store = Store()
        batcher = Batcher(store.run)
        tasks = await occupy(store, batcher, "a1", "b1")
        tasks += await submit_all(batcher, *(chr(200 + n) for n in range(2 * SIZE + 3)))
        store.let_all_go()
        await asyncio.gather(*tasks)
        assert [len(batch) for batch in store.batches] == [1, 1, SIZE, SIZE, 3]

    async def test_what_comes_together_shares_a_batch(self) -> None:
        store = Store(is_open=True)
        batcher = Batcher(store.run)
        await asyncio.gather(*await submit_all(batcher, "a1", "b1", "c1"))
        assert store.batches == [["a1", "b1", "c1"]]

    async def test_the_lanes_share_what_is_open_evenly(self) -> None:
        store = Store()
        batcher = Batcher(store.run)
        tasks = await occupy(store, batcher, "a1", "b1")
        tasks += await submit_all(batcher, *(chr(200 + n) for n in range(21)))
        store.let_go(0)
        await store.has(3)
        store.let_go(1)
        await store.has(4)
        assert [len(batch) for batch in store.batches[2:]] == [11, 10]
        store.let_all_go()
        await asyncio.gather(*tasks)

    async def test_a_group_is_never_in_two_batches_at_once_and_keeps_its_order(self) -> None:
        store = Store()
        batcher = Batcher(store.run)
        tasks = await occupy(store, batcher, "a1", "b1")
        tasks += await submit_all(batcher, "a2", "a3", "b2")
        assert store.batches == [["a1"], ["b1"]]
        store.let_go(1)
        await store.has(3)
        assert store.batches[2] == ["b2"]  # a2 and a3 stay behind a1
        store.let_go(0)
        await store.has(4)
        assert store.batches[3] == ["a2", "a3"]
        store.let_all_go()
        await asyncio.gather(*tasks)

    async def test_nobody_waits_behind_a_busy_group(self) -> None:
        store = Store()
        batcher = Batcher(store.run)
        tasks = await occupy(store, batcher, "a1")
        tasks += await submit_all(batcher, "a2", "a3", "z1")
        await store.has(2)
        assert store.batches == [["a1"], ["z1"]]
        store.let_all_go()
        await asyncio.gather(*tasks)


class TestLostRaces:
    async def test_are_run_again_before_what_came_later(self) -> None:
        seen: set[str] = set()

        def answer(items: Sequence[str]) -> Results:
            fresh = [item for item in items if item not in seen]
            seen.update(fresh)
            return [LOST if item in fresh and item in ("a1", "a2") else item for item in items]

        store = Store(answer)
        batcher = Batcher(store.run, pause_seconds=0)
        blocking = await occupy(store, batcher, "x1", "y1")
        tasks = await submit_all(batcher, "a1", "a2")
        store.let_go(0)
        await store.has(3)
        tasks += await submit_all(batcher, "a3")
        store.let_go(2)
        await store.has(4)
        assert store.batches[2:] == [["a1", "a2"], ["a1", "a2", "a3"]]
        store.let_all_go()
        assert await asyncio.gather(*tasks) == ["a1", "a2", "a3"]
        await asyncio.gather(*blocking)

    async def test_end_as_unavailable_after_five_rounds(self) -> None:
        store = Store(lambda items: [LOST for _ in items], is_open=True)
        batcher = Batcher(store.run, pause_seconds=0)
        with pytest.raises(Unavailable) as caught:
            await batcher.submit("a1", "a")
        assert caught.value.retry_after_seconds == 1
        assert store.batches == [["a1"]] * MAX_ATTEMPTS

    async def test_of_one_item_do_not_touch_its_neighbours(self) -> None:
        store = Store(lambda items: [LOST if item == "b1" else item for item in items])
        batcher = Batcher(store.run, pause_seconds=0)
        blocking = await occupy(store, batcher, "x1", "y1")
        a, b, c = await submit_all(batcher, "a1", "b1", "c1")
        store.let_all_go()
        assert (await a, await c) == ("a1", "c1")
        with pytest.raises(Unavailable):
            await b
        await asyncio.gather(*blocking)
        assert store.batches[2] == ["a1", "b1", "c1"]
        assert store.batches[3:] == [["b1"]] * (MAX_ATTEMPTS - 1)


class TestThoseBehindOthers:
    async def test_go_on_at_once_while_the_others_pause(self) -> None:
        """The first of a batch takes what the others want, and does not get on."""

        def answer(items: Sequence[str]) -> Results:
            first, *rest = items
            return [LOST if first == "a1" else first.upper(), *(BEHIND for _ in rest)]

        store = Store(answer)
        batcher = Batcher(store.run, pause_seconds=3600)
        blocking = await occupy(store, batcher, "x1", "y1")
        a, *others = await submit_all(batcher, "a1", "b1", "c1", "d1")
        store.let_all_go()
        assert await asyncio.gather(*blocking, *others) == ["X1", "Y1", "B1", "C1", "D1"]
        assert store.batches[2:] == [
            ["a1", "b1", "c1", "d1"],
            ["b1", "c1", "d1"],
            ["c1", "d1"],
            ["d1"],
        ]
        assert not a.done()

    async def test_do_not_overtake_their_group(self) -> None:
        def answer(items: Sequence[str]) -> Results:
            return [{"a1": LOST, "a2": BEHIND}.get(item, item) for item in items]

        store = Store(answer)
        batcher = Batcher(store.run, pause_seconds=3600)
        blocking = await occupy(store, batcher, "x1", "y1")
        a, behind, other = await submit_all(batcher, "a1", "a2", "b1")
        store.let_all_go()
        assert await asyncio.gather(*blocking, other) == ["x1", "y1", "b1"]
        assert await batcher.submit("c1", "c") == "c1"
        assert not a.done()
        assert not behind.done()

    async def test_wait_no_longer_than_anybody_else(self) -> None:
        store = Store(lambda items: [BEHIND for _ in items], is_open=True)
        with pytest.raises(Unavailable):
            await Batcher(store.run, wait_seconds=0.01).submit("a1", "a")


class TestPausesAfterThem:
    async def test_leave_the_lanes_to_others(self) -> None:
        store = Store(lambda items: [LOST if item == "a1" else item for item in items])
        batcher = Batcher(store.run, pause_seconds=3600)
        (resting,) = await submit_all(batcher, "a1")
        await store.has(1)
        store.let_all_go()
        others = await submit_all(batcher, "b1", "c1", "d1")
        assert await asyncio.gather(*others) == ["b1", "c1", "d1"]
        assert not resting.done()
        await go_away(resting)

    async def test_are_kept_by_what_came_later_of_their_group(self) -> None:
        store = Store(lambda items: [LOST if item == "a1" else item for item in items])
        batcher = Batcher(store.run, pause_seconds=3600)
        (resting,) = await submit_all(batcher, "a1")
        await store.has(1)
        store.let_all_go()
        (later, other) = await submit_all(batcher, "a2", "b1")
        assert await other == "b1"
        assert not resting.done()
        assert not later.done()
        assert ["a2"] not in store.batches
        await go_away(resting, later)

    async def test_grow_until_five_rounds_span_about_a_second(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pauses: list[float] = []
        loop = asyncio.get_running_loop()

        def at_once(pause: float, callback: Callable[..., object], *args: Any) -> asyncio.Handle:
            pauses.append(pause)
            return loop.call_soon(callback, *args)

        monkeypatch.setattr(loop, "call_later", at_once)
        store = Store(lambda items: [LOST for _ in items], is_open=True)
        with pytest.raises(Unavailable):
            await Batcher(store.run).submit("a1", "a")
        assert len(pauses) == MAX_ATTEMPTS - 1
        assert pauses == sorted(pauses)
        assert 0.5 < sum(pauses) < MAX_WAIT_SECONDS / 2

    async def test_are_waited_for_by_a_drain(self) -> None:
        lost = [True]
        store = Store(lambda items: [LOST if lost and lost.pop() else item for item in items])
        batcher = Batcher(store.run)
        (task,) = await submit_all(batcher, "a1")
        await store.has(1)
        store.let_all_go()
        await batcher.drain()
        assert store.batches == [["a1"], ["a1"]]
        assert await task == "a1"


class TestFailures:
    async def test_of_one_item_are_its_own(self) -> None:
        def answer(items: Sequence[str]) -> Results:
            if "b1" in items:
                raise ZeroDivisionError
            return echo(items)

        store = Store(answer)
        batcher = Batcher(store.run)
        blocking = await occupy(store, batcher, "x1", "y1")
        a, b, c = await submit_all(batcher, "a1", "b1", "c1")
        store.let_all_go()
        assert (await a, await c) == ("A1", "C1")
        with pytest.raises(ZeroDivisionError):
            await b
        await asyncio.gather(*blocking)
        assert store.batches[2:] == [["a1", "b1", "c1"], ["a1"], ["b1"], ["c1"]]

    async def test_that_are_everyones_are_not_tried_item_by_item(self) -> None:
        def answer(items: Sequence[str]) -> Results:
            if "a1" in items:
                raise Unavailable(5)
            return echo(items)

        store = Store(answer)
        batcher = Batcher(store.run)
        blocking = await occupy(store, batcher, "x1", "y1")
        tasks = await submit_all(batcher, "a1", "b1")
        store.let_all_go()
        failures = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in failures] == [Unavailable, Unavailable]
        await asyncio.gather(*blocking)
        assert len(store.batches) == 3

    async def test_are_not_looked_for_beyond_an_items_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Or a batch that fails slowly would hold its lane for as long as it has items."""

        def answer(items: Sequence[str]) -> Results:
            if len(items) == 1:
                return echo(items)
            monkeypatch.setattr(loop, "time", lambda: began + MAX_WAIT_SECONDS + 1)
            raise ZeroDivisionError

        loop = asyncio.get_running_loop()
        store = Store(answer)
        batcher = Batcher(store.run)
        blocking = await occupy(store, batcher, "x1", "y1")
        tasks = await submit_all(batcher, "a1", "b1")
        began = loop.time()
        store.let_all_go()
        failures = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in failures] == [Unavailable, Unavailable]
        assert await asyncio.gather(*blocking) == ["X1", "Y1"]
        assert store.batches[2:] == [["a1", "b1"]]

    async def test_leave_the_lanes_and_groups_free(self) -> None:
        failing = True

        def answer(items: Sequence[str]) -> Results:
            if failing:
                raise ZeroDivisionError
            return echo(items)

        batcher = Batcher(Store(answer, is_open=True).run)
        for _ in range(2 * LANES):
            with pytest.raises(ZeroDivisionError):
                await batcher.submit("a1", "a")
        failing = False
        assert await batcher.submit("a2", "a") == "A2"

    async def test_to_answer_every_item_reach_every_caller(self) -> None:
        batcher = Batcher(Store(lambda _: [], is_open=True).run)
        with pytest.raises(AssertionError):
            await batcher.submit("a1", "a")
