"""The micro-batcher and its callers: those who wait too long, who go away, and the last ones."""

import asyncio

import pytest

from seatledger.engine.batcher import LOST, Batcher
from seatledger.engine.calls import Unavailable
from tests.engine.batching import Store, occupy, submit_all

pytestmark = pytest.mark.anyio


class TestImpatience:
    async def test_a_turn_that_does_not_come_in_time_ends_as_unavailable(self) -> None:
        store = Store()
        batcher = Batcher(store.run, wait_seconds=0)
        (running,) = await submit_all(batcher, "a1")
        await store.has(1)
        with pytest.raises(Unavailable):
            await batcher.submit("a2", "a")
        store.let_all_go()
        assert await running == "A1"  # what runs is waited for
        await batcher.drain()
        assert store.batches == [["a1"]]

    async def test_a_lost_race_is_not_run_again_beyond_it(self) -> None:
        store = Store(lambda items: [LOST for _ in items], is_open=True)
        with pytest.raises(Unavailable):
            await Batcher(store.run, wait_seconds=0).submit("a1", "a")
        assert store.batches == [["a1"]]


class TestCallersWhoGo:
    async def test_before_their_turn_leave_no_trace(self) -> None:
        store = Store()
        batcher = Batcher(store.run)
        running = await occupy(store, batcher, "a1", "b1")
        gone, staying = await submit_all(batcher, "a2", "a3")
        gone.cancel()
        store.let_all_go()
        assert await staying == "A3"
        await asyncio.gather(*running)
        assert ["a2"] not in store.batches
        assert store.batches[2:] == [["a3"]]

    async def test_during_it_do_not_stop_the_batch(self) -> None:
        store = Store()
        batcher = Batcher(store.run)
        blocking = await occupy(store, batcher, "x1", "y1")
        gone, staying = await submit_all(batcher, "a1", "b1")
        store.let_go(0)
        await store.has(3)
        gone.cancel()
        store.let_all_go()
        assert await staying == "B1"
        assert await batcher.submit("a2", "a") == "A2"
        await asyncio.gather(*blocking)

    async def test_after_a_lost_race_are_not_run_again(self) -> None:
        store = Store(lambda items: [LOST for _ in items])
        batcher = Batcher(store.run)
        (gone,) = await submit_all(batcher, "a1")
        await store.has(1)
        gone.cancel()
        store.let_all_go()
        await batcher.drain()
        assert store.batches == [["a1"]]


class TestDrain:
    async def test_waits_for_what_runs_and_what_waits(self) -> None:
        store = Store()
        batcher = Batcher(store.run)
        tasks = await occupy(store, batcher, "a1", "b1")
        tasks += await submit_all(batcher, "a2", "c1")
        drained = asyncio.create_task(batcher.drain())
        store.let_go(0)
        await store.has(3)
        assert not drained.done()
        store.let_all_go()
        await drained
        assert [task.done() for task in tasks] == [True] * 4

    async def test_waits_for_what_has_just_come(self) -> None:
        batcher = Batcher(Store(is_open=True).run)
        (task,) = await submit_all(batcher, "a1")
        await batcher.drain()
        assert task.done()

    async def test_ends_when_what_has_just_come_went_away(self) -> None:
        batcher = Batcher(Store(is_open=True).run)
        (gone,) = await submit_all(batcher, "a1")
        gone.cancel()
        await asyncio.wait_for(batcher.drain(), 1)

    async def test_of_an_idle_batcher_is_immediate(self) -> None:
        await Batcher(Store().run).drain()
