"""A server told to stop under load, and what its processes count until then."""

import asyncio
import signal
import socket
from collections import Counter
from pathlib import Path

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.crash.traffic import SEATS
from tests.harness import Reply, World, line, unique
from tests.system.server import PATIENCE_SECONDS, Server, database_of, database_process, serving

pytestmark = pytest.mark.anyio

CLIENTS = 8
ORDERS_BEFORE = 30


class Load:
    """Clients that order until nobody listens any more; what each call came to."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.replies: list[Reply] = []
        self.cut_off: list[str] = []  # correlation ids of calls without an answer
        self.refused = 0  # connections

    async def run(self) -> None:
        """Order from many clients until their connections are refused."""
        customers = [await self._world.customer() for _ in range(CLIENTS)]
        await asyncio.gather(*map(self._client, customers))

    async def _client(self, customer: str) -> None:
        while True:
            correlation_id = unique("intent")
            try:
                reply = await self._world.order(
                    customer, line(SEATS), headers={"X-Correlation-Id": correlation_id}
                )
            except httpx.ConnectError:
                self.refused += 1
                return
            except httpx.TransportError:
                self.cut_off.append(correlation_id)
                continue
            self.replies.append(reply)

    def acknowledged(self) -> list[str]:
        """The orders that were answered with 201."""
        return [str(one["orderId"]) for one in self.replies if one.status == 201]


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
        return found


async def orders_counted(client: httpx.AsyncClient, port: int) -> float:
    """How many orders the processes say they have accepted."""
    text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    return sum(
        one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name == "seatledger_orders_total" and one.labels["result"] == "accepted"
    )


async def until_counted(port: int, least: int) -> None:
    """Scrape until that many orders are counted; whichever process answers, none is taken back."""
    async with httpx.AsyncClient() as client, asyncio.timeout(PATIENCE_SECONDS):
        seen = 0.0
        while seen < least:
            now = await orders_counted(client, port)
            assert now >= seen
            seen = now


async def test_what_was_accepted_is_answered_and_the_rest_is_refused(place: Path) -> None:
    port = free_port()
    with serving(
        place,
        "--workers",
        "2",
        SEATLEDGER_METRICS_PORT=str(port),
        SEATLEDGER_DRAIN_SECONDS="1",
    ) as server:
        async with server.world() as world:
            load = Load(world)
            running = asyncio.create_task(load.run())
            await until_counted(port, ORDERS_BEFORE)
            before = len(load.replies)
            code = await asyncio.to_thread(server.end, signal.SIGTERM)
            await running
        assert code == 0
        assert_all_is_told(server)
    assert Counter(one.status for one in load.replies) == {201: len(load.replies)}
    assert (load.replies[-1].headers["Connection"], load.refused) == ("close", CLIENTS)
    assert len(load.replies) > before, "it served on while it drained"
    assert database_process(place) is None
    with database_of(place) as url:
        connection = await asyncpg.connect(url)
        stored = [one["order_id"] for one in await connection.fetch("SELECT order_id FROM orders")]
        await connection.close()
    assert sorted(stored) == sorted(load.acknowledged()), load.cut_off


def assert_all_is_told(server: Server) -> None:
    """The log has a line for every stage of both processes, and no complaint."""
    said = server.errors.read_text()
    assert [said.count(f"] {one} ") for one in ("draining", "stopped")] == [2, 2]
    assert "Traceback" not in said
