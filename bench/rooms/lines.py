"""Long orders against their pgbench form, and what pricing a long preview costs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import process_time

import msgspec

from bench import limit
from bench.house import House, Untrue, as_round
from bench.results import Measure, Round
from bench.rooms.orders import limit_of
from bench.stage import Sums

_LINES = (10, 499)
_CONNECTIONS = 16
_SECONDS = 2
_MICRO = 1e6


@asynccontextmanager
async def room(house: House) -> AsyncIterator[list[Measure]]:
    """10 and 499 lines under pgbench and accepted; a 499-line preview and its answer's encoding."""
    setting, seconds = house.main, min(house.size.seconds, _SECONDS)
    script = house.folder / "lines.sql"
    script.write_text(limit.script(), encoding="utf-8")
    measures: list[Measure] = []
    for lines in _LINES:
        await setting.stage.keep_sample(lines)
        measures += _against_limit(house, lines)
    previews = setting.stage.previews(_LINES[-1])
    answer = msgspec.json.decode(await setting.stage.answer(previews))
    if len(answer["lineItems"]) != _LINES[-1] or "pricingSummary" not in answer:
        raise Untrue("the preview has not all its lines, or no prices")

    async def preview() -> Round:
        """Processor time of the whole service process, from the socket to the socket."""
        await setting.begin("manual")
        done, used = await setting.load(previews, _CONNECTIONS, seconds)
        await setting.prove(Sums(0, 0, 0, 0))
        return as_round(done, (used[0] or 0) * _MICRO, used)

    async def encode() -> Round:
        began, turns = process_time(), 0
        while (took := process_time() - began) < min(seconds, 1):
            msgspec.json.encode(answer)
            turns += 1
        return Round(took / turns * _MICRO)

    measures += [
        Measure("preview_499", "499-line PREVIEW with prices", "us of service", preview),
        Measure("encode_499", "encoding its answer", "us", encode),
    ]
    yield measures


def _against_limit(house: House, lines: int) -> list[Measure]:
    setting, seconds = house.main, min(house.size.seconds, _SECONDS)
    orders = setting.stage.orders(lines)
    script = house.folder / "lines.sql"
    return [
        Measure(
            f"limit_{lines}",
            f"limit, {lines} lines: pgbench, {limit.CLIENTS} clients",
            "orders/s",
            lambda: limit_of(setting, script, lines, seconds),
        ),
        Measure(
            f"accept_{lines}",
            f"accepted, {lines} lines, {_CONNECTIONS} connections",
            "orders/s",
            lambda: setting.accept(orders, _CONNECTIONS, seconds),
        ),
    ]
