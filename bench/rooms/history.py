"""Among a million orders: reading a customer's history, and taking new orders on top of them."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter

from bench import customers
from bench.house import House, Setting, as_round, held
from bench.results import Measure, Round
from seatledger.store.history import HistoryFilter, page_of_orders
from seatledger.store.rows import AnyConnection

_EACH = 100  # orders of a customer in the year
_PAGE = 25  # the API's default
_QUERIES = 200
_FAR = 0.9  # how far down the list a page is looked at, of all


@asynccontextmanager
async def room(house: House) -> AsyncIterator[list[Measure]]:
    """Page and total of small and large customers; throughput on full and on empty tables."""
    count, seconds = house.size.stored // _EACH, house.size.seconds
    async with house.setting("full", count) as full:
        stage, connection = full.stage, full.stage.connection
        await customers.give_history(connection, stage.customers, _EACH)
        await connection.execute("VACUUM ANALYZE")
        stage.mark = await connection.fetchval("SELECT max(completed_at) FROM idempotency")
        await connection.execute("CHECKPOINT")
        *small, large = stage.customers

        async def accept(setting: Setting) -> Round:
            """Without a checkpoint before: it would be dearer for the fuller tables."""
            if setting is full:
                await stage.take_back()
            else:
                await setting.stage.reset()
            done, used = await setting.load(setting.stage.orders(), 32, seconds)
            await setting.count(held(done))
            return as_round(done, done.rate, used)

        stored = f"{house.size.stored / 1e6:g} M orders"
        await house.main.stage.settle("manual")
        await full.load(stage.orders(), 32, min(1, seconds))  # warm
        yield [
            Measure("history_100", f"history page + total, {_EACH} orders of {stored}", "ms",
                    lambda: _pages(connection, small, _EACH)),
            Measure("history_10000", f"the same, {_EACH ** 2:,} orders of {stored}", "ms",
                    lambda: _pages(connection, [large], _EACH ** 2)),
            Measure("accept_empty", "accepted, 32 connections, empty tables", "orders/s",
                    lambda: accept(house.main)),
            Measure("accept_full", f"accepted, 32 connections, {stored} stored", "orders/s",
                    lambda: accept(full)),
        ]  # fmt: skip


async def _pages(connection: AnyConnection, whose: Sequence[str], orders: int) -> Round:
    """The median milliseconds of reading a page and the total, near the top or far down."""
    took = []
    chosen = random.Random(1)
    for _ in range(_QUERIES):
        customer_id, offset = chosen.choice(whose), int(chosen.random() * _FAR * orders)
        began = perf_counter()
        total, page = await page_of_orders(connection, customer_id, HistoryFilter(), _PAGE, offset)
        took.append(perf_counter() - began)
        assert total > orders, "the history is not there"
        assert page, "the page is empty"
    return Round(median(took) * 1e3)
