"""GET /metrics (platform.md 14): who may ask, and what is told."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from seatledger import metrics
from seatledger.api.monitoring import count_call
from seatledger.api.table import OPERATIONS
from seatledger.app import Application, build
from seatledger.clock import SystemClock
from seatledger.engine.context import Engine
from seatledger.engine.credentials import Tokens
from seatledger.metrics_board import Board
from seatledger.settings import Settings
from seatledger.store import settling
from seatledger.store.database import connect
from seatledger.store.rows import AnyConnection
from tests.conftest import ADMIN_TOKEN
from tests.harness import World, line, order
from tests.wire import keys, send

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
ORDERS = "/v3/customers/{customer-id}/orders"
PORT = 9464
ASKING = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


async def scrape(client: httpx.AsyncClient) -> dict[str, dict[tuple[str, ...], float]]:
    """Every sample by name, and within it by its label values in the order of their names."""
    response = await client.get("/metrics", headers=ASKING)
    assert response.status_code == 200, response.text
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(response.text):
        for one in family.samples:
            labels = tuple(value for _, value in sorted(one.labels.items()))
            found.setdefault(one.name, {})[labels] = one.value
    return found


class Watch:
    """How much counters grow between two looks."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._before: dict[str, dict[tuple[str, ...], float]] = {}

    async def grown(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of a counter that have grown since the last look, and by how much."""
        now = await scrape(self._client)
        before = self._before.get(name, {})
        self._before = now
        steps = {
            labels: value - before.get(labels, 0.0) for labels, value in now.get(name, {}).items()
        }
        return {labels: step for labels, step in steps.items() if step}


class TestWhoMayAsk:
    @pytest.mark.parametrize(
        "headers",
        [{}, {"Authorization": "Bearer x"}, {"X-Admin-Token": "x"}, {"Authorization": ADMIN_TOKEN}],
    )
    async def test_nobody_without_the_admin_token(
        self, client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        response = await client.get("/metrics", headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, "4116")

    async def test_a_partners_token_does_not_open_it(self, world: World) -> None:
        assert (await send(world.client, "GET", "/metrics", keys(world))).status_code == 401

    @pytest.mark.parametrize("headers", [ASKING, {"X-Admin-Token": ADMIN_TOKEN}])
    async def test_the_admin_token_opens_it(
        self, client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        response = await client.get("/metrics", headers=headers)
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert response.headers["Cache-Control"] == "no-store"

    async def test_open_metrics_for_who_asks_for_it(self, client: httpx.AsyncClient) -> None:
        accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
        response = await client.get("/metrics", headers={**ASKING, **accept})
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        assert response.text.endswith("# EOF\n")

    async def test_a_port_of_its_own_asks_for_nothing_and_serves_nothing_else(
        self, settings: Settings
    ) -> None:
        own = settings.model_copy(update={"metrics_port": PORT})
        assert own.database_url is not None
        async with await connect(own.database_url, 2) as pool:
            engine = Engine(pool, SystemClock(), sandbox=True)
            app, _ = build(own, engine, Tokens(b"k" * 32, engine.clock))
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport, base_url=f"http://testserver:{PORT}"
            ) as inside:
                found = {
                    path: (await inside.get(path)).status_code
                    for path in (
                        "/metrics",
                        "/livez",
                        "/readyz",
                        "/ping",
                        "/sandbox",
                        "/ims/token/v3",
                    )
                }
            assert found == {
                "/metrics": 200, "/livez": 200, "/readyz": 200,
                "/ping": 404, "/sandbox": 404, "/ims/token/v3": 404,
            }  # fmt: skip
            async with httpx.AsyncClient(
                transport=transport, base_url="http://testserver"
            ) as outside:
                assert (await outside.get("/metrics")).status_code == 401

    async def test_nobody_where_there_is_no_admin_token(self, settings: Settings) -> None:
        own = settings.model_copy(update={"admin_token": None})
        assert own.database_url is not None
        async with await connect(own.database_url, 1) as pool:
            engine = Engine(pool, SystemClock(), sandbox=True)
            app, _ = build(own, engine, Tokens(b"k" * 32, engine.clock))
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                for headers in ({}, {"X-Admin-Token": ""}, {"Authorization": "Bearer "}):
                    assert (await client.get("/metrics", headers=headers)).status_code == 401


class TestCalls:
    async def test_are_counted_by_route_status_and_code(self, world: World) -> None:
        customer = await world.customer()
        watch = Watch(world.client)
        await watch.grown("")
        (await world.order(customer, line(OFFER))).ok()
        (await world.order("1005999999", line(OFFER))).refused(404, "1116")
        (await world.get(f"/v3/customers/{customer}")).ok(200)
        await send(world.client, "GET", f"/v3/customers/{customer}")
        await send(world.client, "BREW", f"/v3/customers/{customer}", keys(world))
        await world.get("/v3/nothing")
        found = await watch.grown("seatledger_http_requests_total")
        found = {labels: step for labels, step in found.items() if labels[2] != "/metrics"}
        assert found == {
            ("", "POST", ORDERS, "201"): 1,
            ("1116", "POST", ORDERS, "404"): 1,
            ("", "GET", "/v3/customers/{customer-id}", "200"): 1,
            ("4115", "GET", "none", "403"): 1,
            ("405", "other", "/v3/customers/{customer-id}", "405"): 1,
            ("404", "GET", "none", "404"): 1,
        }

    async def test_never_carry_what_a_caller_chose(self, world: World) -> None:
        """Label values come from sets that were known before any call."""
        customer = await world.customer()
        (await world.order(customer, line(OFFER))).ok()
        (await world.get(f"/v3/customers/{customer}?x=chosen")).ok(200)
        await world.get("/v3/chosen/by-a-caller")
        text = (await world.client.get("/metrics", headers=ASKING)).text
        for chosen in (customer, world.distributor_id, world.client_id, "chosen"):
            assert chosen not in text
        routes = {labels[2] for labels in metrics_of(text, "seatledger_http_requests_total")}
        assert routes & {one.path for one in OPERATIONS}
        assert all(one == "none" or one.startswith("/") for one in routes)

    async def test_with_a_code_of_a_faults_own_are_other(self) -> None:
        scope = {"method": "GET", "server": None}
        count_call(scope, 500, "made-up", 0.1)
        assert ("GET", "none", "500", "other") in metrics.REQUESTS.cells

    async def test_tell_their_time_and_how_many_there_are(self, world: World) -> None:
        found = await scrape(world.client)
        assert found["seatledger_http_requests_in_flight"][()] == 1
        scope = {"method": "GET", "route": SimpleNamespace(path="/v3/of-a-test/{customer_id}")}
        for seconds in (0.001, 0.003, 7.0, 90.0):
            count_call(scope, 200, "", seconds)
        found = await scrape(world.client)
        route = "/v3/of-a-test/{customer-id}"
        buckets = found["seatledger_http_request_seconds_bucket"]
        told = {bound: buckets[bound, "GET", route] for bound in ("0.001", "0.005", "10.0", "+Inf")}
        assert told == {"0.001": 1, "0.005": 2, "10.0": 3, "+Inf": 4}
        assert found["seatledger_http_request_seconds_count"]["GET", route] == 4
        assert found["seatledger_http_request_seconds_sum"]["GET", route] == pytest.approx(97.004)


def metrics_of(text: str, name: str) -> list[tuple[str, ...]]:
    """The label values of a metric's samples, in the order of the labels' names."""
    return [
        tuple(value for _, value in sorted(one.labels.items()))
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name == name
    ]


class TestOrders:
    async def test_are_counted_by_type_and_what_became_of_them(self, world: World) -> None:
        customer = await world.customer()
        watch = Watch(world.client)
        await watch.grown("")
        for _ in range(2):
            path, body = f"/v3/customers/{customer}/orders", order(line(OFFER))
            (await world.post(path, body, correlation_id="the same")).ok()
        (await world.preview(customer, line(OFFER))).ok()
        (await world.order(customer, line("nothing"))).refused(400, "2122", "Line Item: 1")
        (await world.order(customer, orderType="X")).refused(400, "1117", "orderType")
        assert await watch.grown("seatledger_orders_total") == {
            ("accepted", "NEW"): 1,
            ("replayed", "NEW"): 1,
            ("accepted", "PREVIEW"): 1,
            ("2122", "NEW"): 1,
            ("1117", "unknown"): 1,
        }

    async def test_in_batches_and_settled(self, world: World) -> None:
        customers = [await world.customer() for _ in range(4)]
        watch = Watch(world.client)
        await watch.grown("")
        await asyncio.gather(*(world.order(one, line(OFFER)) for one in customers))
        assert (await watch.grown("seatledger_batch_orders_sum"))[()] == 4
        (await world.order(customers[0], line(OFFER))).ok()
        assert (await watch.grown("seatledger_settled_total"))["1000", "order"] == 1
        (await world.order(customers[0], line(OFFER))).ok()
        assert (await watch.grown("seatledger_batch_seconds_count"))[()] == 1

    async def test_that_renew_are_counted(self, world: World) -> None:
        customer = await world.customer()
        (await world.order(customer, line(OFFER))).ok()
        watch = Watch(world.client)
        await watch.grown("")
        (await world.post("/sandbox/clock/advance", {"toNext": "renewal"})).ok(200)
        assert (await watch.grown("seatledger_happened_total"))["renewal",] == 1


# --- the database's own state ----------------------------------------------------------------


Clock = Callable[[str], Awaitable[None]]


@pytest.fixture
async def set_clock(world: World, database: AnyConnection) -> AsyncIterator[Clock]:
    """Puts the world on the system clock and back; its month stays open meanwhile."""
    partner = world.distributor_id
    closes = await database.fetchval(
        "SELECT closes_month_at FROM partner WHERE partner_id = $1", partner
    )
    change = "UPDATE partner SET clock_mode = $2, closes_month_at = $3 WHERE partner_id = $1"

    async def put(mode: str) -> None:
        until = closes if mode == "frozen" else datetime.max.replace(tzinfo=UTC, year=9000)
        await database.execute(change, partner, mode, until)

    yield put
    await put("frozen")


@pytest.mark.usefixtures("idle_worker")
class TestBacklog:
    async def test_is_what_partners_on_the_system_clock_wait_for(
        self, world: World, set_clock: Clock, database: AnyConnection
    ) -> None:
        customer = await world.customer()
        await world.settlement("auto")
        (await world.order(customer, line(OFFER))).ok()
        found: list[tuple[float, float]] = []
        for mode in ("frozen", "system"):
            await set_clock(mode)
            now = await scrape(world.client)
            found.append(
                (now["seatledger_due_work"]["order",], now["seatledger_parked_customers"][()])
            )
        assert now["seatledger_database_up"][()] == 1
        assert now["seatledger_overdue_seconds"]["order",] > timedelta(days=365).total_seconds()
        assert await settling.count_attempt(database, customer, "it broke", limit=1)
        now = await scrape(world.client)
        found.append((now["seatledger_due_work"]["order",], now["seatledger_parked_customers"][()]))
        (due, parked), *others = found
        assert others == [(due + 1, parked), (due, parked + 1)]

    @pytest.mark.parametrize(
        ("target", "is_up"),
        [("seatledger.api.monitoring.can_serve", 0), ("seatledger.store.backlog.read", 1)],
    )
    async def test_is_left_out_when_the_database_cannot_say(
        self, target: str, is_up: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def away(*_: Any) -> Any:
            raise ConnectionRefusedError

        server = Application(settings, SystemClock())
        async with server.running():
            transport = httpx.ASGITransport(app=server)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                monkeypatch.setattr(target, away)
                found = await scrape(client)
                monkeypatch.undo()
                assert found["seatledger_database_up"][()] == is_up
                assert not {"seatledger_due_work", "seatledger_parked_customers"} & found.keys()
                assert found["seatledger_http_requests_total"]
                again = await scrape(client)
                assert (again["seatledger_database_up"][()], "seatledger_due_work" in again) == (
                    1,
                    True,
                )

    async def test_pool_and_build(self, client: httpx.AsyncClient) -> None:
        found = await scrape(client)
        assert found["seatledger_pool_size"][()] == 8
        assert found["seatledger_pool_connections"]["in_use",] >= 0
        # The registry is the process's, in which other tests make servers of other modes.
        assert found["seatledger_build_info"]["sandbox", version("seatledger")] == 1


# --- several processes -----------------------------------------------------------------------


class TestProcesses:
    def test_of_one_server_are_told_as_one(self, tmp_path: Path) -> None:
        other = json.dumps(
            {
                "seatledger_orders_total": [[["OF-A-TEST", "accepted"], [5]]],
                "seatledger_batch_orders": [[[], [1, 0, 0, 0, 0, 0, 0, 0, 1]]],
                "seatledger_processes": [[[], [1]]],
            }
        )
        (tmp_path / f"{os.getppid()}-a.json").write_text(other)  # it lives
        (tmp_path / "4194305-b.json").write_text(other)  # no process has such a number
        metrics.ORDERS.add("OF-A-TEST", "accepted")
        metrics.BATCH_ORDERS.observe(2)
        metrics.PROCESSES.set(value=1)
        alone = Board(None).numbers()
        board = Board(tmp_path)
        board.write()
        found = board.numbers()
        assert alone["seatledger_orders_total"]["OF-A-TEST", "accepted"] == [1]
        assert found["seatledger_orders_total"]["OF-A-TEST", "accepted"] == [11]
        assert found["seatledger_processes"][()] == [2]
        sizes = alone["seatledger_batch_orders"][()]
        assert found["seatledger_batch_orders"][()] == [
            one + 2 * step for one, step in zip(sizes, [1, 0, 0, 0, 0, 0, 0, 0, 1], strict=True)
        ]

    def test_whose_folder_is_gone_go_on(self, tmp_path: Path) -> None:
        board = Board(tmp_path / "nowhere")
        board.write()
        assert board.numbers().keys() == {one.name for one in metrics.COUNTED}
