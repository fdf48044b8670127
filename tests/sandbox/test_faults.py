"""Calls that fail on demand, and what a client may rely on then (sandbox.md 5.3)."""

import asyncio
from typing import Any

import httpx
import pytest

from seatledger.api.interception import Aborted
from tests.conftest import ADMIN_TOKEN, MakeWorld
from tests.harness import Reply, World, line, profile, unique

pytestmark = pytest.mark.anyio

OFFER = "11073058CA01A12"
FAULTS = "/sandbox/faults"


async def armed(world: World, effect: dict[str, Any], **more: Any) -> Reply:
    """A fault of the world."""
    return (await world.post(FAULTS, {"effect": effect, **more})).ok()


async def orders_of(world: World, customer_id: str) -> list[dict[str, Any]]:
    """The customer's orders, newest first."""
    found = (await world.get(f"/v3/customers/{customer_id}/orders")).ok(200)
    items: list[dict[str, Any]] = found["items"]
    return items


@pytest.mark.proves("sandbox.md 5")
async def test_order_fails_once(world: World) -> None:
    customer_id = await world.customer()
    await world.settlement("manual")
    await armed(world, {"type": "order_fails", "status": "1022"})
    placed = [(await world.order(customer_id, line(OFFER))).ok() for _ in range(2)]
    await world.settle()
    read = [await world.read_order(customer_id, one["orderId"]) for one in placed]
    assert [one["status"] for one in placed] == ["1002", "1002"]
    assert [one["status"] for one in read] == ["1022", "1000"]
    assert read[0]["lineItems"][0]["status"] == "1022"


async def test_timeout_after_commit_is_answered_by_the_retry(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "timeout_after_commit", "seconds": 0})
    path = f"/v3/customers/{customer_id}/orders"
    body = {"orderType": "NEW", "currencyCode": "USD", "lineItems": [line(OFFER)]}
    correlation_id = unique("retry")
    with pytest.raises(Aborted):
        await world.post(path, body, correlation_id=correlation_id)
    retried = (await world.post(path, body, correlation_id=correlation_id)).ok()
    assert retried.headers["Seatledger-Replayed"] == "true"
    assert [one["orderId"] for one in await orders_of(world, customer_id)] == [retried["orderId"]]


@pytest.mark.proves("sandbox.md 7", "1124")
async def test_internal_error_after_write_leaves_nothing(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "internal_error", "when": "after_write"})
    correlation_id = unique("retry")
    path = f"/v3/customers/{customer_id}/orders"
    body = {"orderType": "NEW", "currencyCode": "USD", "lineItems": [line(OFFER)]}
    (await world.post(path, body, correlation_id=correlation_id)).refused(500, "1124")
    assert await orders_of(world, customer_id) == []
    again = (await world.post(path, body, correlation_id=correlation_id)).ok()
    assert "Seatledger-Replayed" not in again.headers
    assert len(await orders_of(world, customer_id)) == 1


async def test_internal_error_after_write_rolls_an_account_back(world: World) -> None:
    await armed(world, {"type": "internal_error", "when": "after_write"})
    body = {
        "distributorId": world.distributor_id,
        "companyProfile": profile(marketSegments=["COM"]),
    }
    (await world.post("/v3/resellers", body, correlation_id="r-1")).refused(500, "1124")
    again = (await world.post("/v3/resellers", body, correlation_id="r-1")).ok()
    assert "Seatledger-Replayed" not in again.headers


async def test_internal_error_before_runs_nothing(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "internal_error", "when": "before"})
    (await world.order(customer_id, line(OFFER))).refused(500, "1124")
    assert await orders_of(world, customer_id) == []


async def test_timeout_before_runs_nothing(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "timeout_before"})
    with pytest.raises(Aborted):
        await world.order(customer_id, line(OFFER))
    assert await orders_of(world, customer_id) == []


async def test_gateway_timeout_commits(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "gateway_timeout"})
    reply = await world.order(customer_id, line(OFFER))
    assert reply.status == 504
    assert reply.body == {"error_code": "504001", "message": "Gateway Timeout"}
    assert len(await orders_of(world, customer_id)) == 1


@pytest.mark.parametrize("at", ["headers", "body"])
async def test_reset_commits_and_loses_the_answer(world: World, at: str) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "reset", "at": at})
    own = {"X-Correlation-Id": unique("retry")}
    with pytest.raises(Aborted):
        await world.order(customer_id, line(OFFER), headers=own)
    (order,) = await orders_of(world, customer_id)
    retried = await world.order(customer_id, line(OFFER), headers=own)
    assert retried.ok()["orderId"] == order["orderId"]


@pytest.mark.parametrize("kind", ["empty", "truncated"])
async def test_bad_body_spoils_the_answer_of_a_call_that_ran(world: World, kind: str) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "bad_body", "kind": kind})
    own = {"X-Correlation-Id": unique("retry")}
    spoiled = await world.order(customer_id, line(OFFER), headers=own)
    whole = await world.order(customer_id, line(OFFER), headers=own)
    assert (spoiled.status, whole.status) == (201, 201)
    assert len(spoiled.content) == (0 if kind == "empty" else len(whole.content) // 2)
    assert whole.content.startswith(spoiled.content)
    assert len(await orders_of(world, customer_id)) == 1


async def test_bad_body_may_be_a_gateways_page(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "bad_body", "kind": "html"})
    page = await world.order(customer_id, line(OFFER))
    assert (page.status, page.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert page.content.startswith(b"<!DOCTYPE html>")
    assert await orders_of(world, customer_id) == []


@pytest.mark.parametrize("status", [204, 304])
async def test_an_error_without_a_body(world: World, status: int) -> None:
    await armed(world, {"type": "http_error", "status": status, "code": "204"})
    reply = await world.get("/v3/flex-discounts")
    assert (reply.status, reply.content) == (status, b"")


async def test_http_error_is_answered_and_not_kept(world: World) -> None:
    customer_id = await world.customer()
    effect = {
        "type": "http_error",
        "status": 400,
        "code": "2129",
        "message": "made up",
        "additionalDetails": ["Line Item: 1"],
    }
    await armed(world, effect)
    path = f"/v3/customers/{customer_id}/orders"
    body = {"orderType": "NEW", "currencyCode": "USD", "lineItems": [line(OFFER)]}
    reply = await world.post(path, body, correlation_id="once")
    reply.refused(400, "2129", "Line Item: 1")
    assert reply["message"] == "made up"
    (await world.post(path, body, correlation_id="once")).ok()


async def test_rate_limit_says_when_to_come_back(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "rate_limit", "retryAfter": 7})
    reply = await world.get(f"/v3/customers/{customer_id}")
    assert (reply.status, reply.code) == (429, "4118")
    assert reply.headers["Retry-After"] == "7"


@pytest.mark.parametrize("effect", [{"seconds": 0}, {"min": 0, "max": 0.001}])
async def test_latency_runs_the_call(world: World, effect: dict[str, Any]) -> None:
    customer_id = await world.customer()
    fault = await armed(world, {"type": "latency", **effect})
    (await world.get(f"/v3/customers/{customer_id}")).ok(200)
    shown = (await world.get(FAULTS)).ok(200)["items"]
    assert [(one["id"], one["armed"], one["fired"]) for one in shown] == [(fault["id"], False, 1)]


@pytest.mark.parametrize(
    ("status", "kind"),
    [("1004", "resellers"), ("1012", "resellers"), ("1010", "customers"), ("1014", "customers")],
)
async def test_account_fails(world: World, status: str, kind: str) -> None:
    reseller_id = await world.reseller()
    await armed(world, {"type": "account_fails", "status": status})
    if kind == "resellers":
        made = await world.reseller()
    else:
        made = await world.customer(reseller_id)
    assert (await world.get(f"/v3/{kind}/{made}")).ok(200)["status"] == status


async def test_effects_wait_for_calls_they_can_happen_to(world: World) -> None:
    await armed(world, {"type": "account_fails", "status": "1014"})
    await armed(world, {"type": "order_fails", "status": "1004"})
    reseller_id = await world.reseller()
    assert (await world.get(f"/v3/resellers/{reseller_id}")).ok(200)["status"] == "1000"
    customer_id = await world.customer(reseller_id)
    assert (await world.read_customer(customer_id))["status"] == "1014"
    (await world.patch(f"/sandbox/customers/{customer_id}", {"status": "1000"})).ok(200)
    (await world.preview(customer_id, line(OFFER))).ok()
    placed = (await world.order(customer_id, line(OFFER))).ok()
    assert (await world.read_order(customer_id, placed["orderId"]))["status"] == "1004"


@pytest.mark.parametrize(
    ("match", "strikes"),
    [
        ({}, True),
        ({"method": "post"}, True),
        ({"method": "GET"}, False),
        ({"path": "/v3/customers/*/orders"}, True),
        ({"path": "/v3/customers"}, False),
        ({"orderType": "NEW"}, True),
        ({"orderType": "RETURN"}, False),
        ({"customerId": "<own>"}, True),
        ({"customerId": "1005"}, False),
        ({"offerId": "1107*"}, True),
        ({"offerId": "6530*"}, False),
        ({"offerId": "1107"}, False),
        ({"offerId": "*107*CA*A12"}, True),
        ({"offerId": "11073058CA01A12*12"}, False),
        ({"header": {"x-correlation-id": "match-*"}}, True),
        ({"header": {"X-Correlation-Id": "other-*"}}, False),
        ({"header": {"X-Absent": "*"}}, False),
        ({"path": "*/orders", "orderType": "NEW", "offerId": "*A12"}, True),
    ],
)
async def test_matching(world: World, match: dict[str, Any], strikes: bool) -> None:
    customer_id = await world.customer()
    if match.get("customerId") == "<own>":
        match = {"customerId": customer_id}
    await armed(world, {"type": "internal_error", "when": "before"}, match=match)
    path = f"/v3/customers/{customer_id}/orders"
    body = {"orderType": "NEW", "currencyCode": "USD", "lineItems": [line(OFFER)]}
    reply = await world.post(path, body, correlation_id=unique("match"))
    assert reply.status == (500 if strikes else 201)


@pytest.mark.parametrize("content", [b'{"lineItems": 5}', b'{"lineItems": [5]}', b"[", b""])
async def test_bodies_that_are_no_orders_match_no_offer(world: World, content: bytes) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "internal_error"}, match={"offerId": "*"}, times=9)
    reply = await world.post(f"/v3/customers/{customer_id}/orders", content=content)
    assert reply.status == 400


async def test_skip_and_times(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "internal_error"}, skip=1, times=2, match={"method": "GET"})
    path = f"/v3/customers/{customer_id}"
    assert [(await world.get(path)).status for _ in range(5)] == [200, 500, 500, 200, 200]


async def test_an_unlikely_fault_stays_armed(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "internal_error"}, probability=1e-12)
    (await world.get(f"/v3/customers/{customer_id}")).ok(200)
    assert (await world.get("/sandbox")).ok(200)["faults"] == 1


async def test_first_created_fault_strikes_first(world: World) -> None:
    customer_id = await world.customer()
    for status in (503, 502):
        effect = {"type": "http_error", "status": status, "code": str(status)}
        await armed(world, effect, match={"path": "/v3/customers/*"})
    path = f"/v3/customers/{customer_id}"
    assert [(await world.get(path)).status for _ in range(3)] == [503, 502, 200]


async def test_concurrent_calls_share_the_count(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "internal_error"}, times=3, match={"method": "GET"})
    replies = await asyncio.gather(*(world.get(f"/v3/customers/{customer_id}") for _ in range(8)))
    assert sorted(reply.status for reply in replies) == [200] * 5 + [500] * 3


async def test_faults_expire_with_the_world_clock(world: World) -> None:
    customer_id = await world.customer()
    await armed(world, {"type": "internal_error"}, expiresAt="2025-07-08T00:00:00Z", times=9)
    path = f"/v3/customers/{customer_id}"
    (await world.get(path)).refused(500, "1124")
    await world.at("2025-07-08T00:00:00Z")
    (await world.get(path)).ok(200)
    assert (await world.get("/sandbox")).ok(200)["faults"] == 0
    assert [one["armed"] for one in (await world.get(FAULTS)).ok(200)["items"]] == [False]


async def test_disarming(world: World) -> None:
    customer_id = await world.customer()
    first = await armed(world, {"type": "internal_error"}, times=9)
    await armed(world, {"type": "rate_limit"}, times=9)
    assert (await world.get("/sandbox")).ok(200)["faults"] == 2
    assert (await world.call("DELETE", f"{FAULTS}/{first['id']}")).status == 204
    (await world.call("DELETE", f"{FAULTS}/{first['id']}")).refused(404, "404")
    assert (await world.get(f"/v3/customers/{customer_id}")).code == "4118"
    assert (await world.call("DELETE", FAULTS)).status == 204
    (await world.get(f"/v3/customers/{customer_id}")).ok(200)
    assert (await world.get(FAULTS)).ok(200).body == {"totalCount": 0, "items": []}


async def test_worlds_do_not_share_faults(world: World, new_world: MakeWorld) -> None:
    other = await new_world()
    await armed(world, {"type": "internal_error"}, times=9)
    await other.reseller()
    assert (await other.get(FAULTS)).ok(200)["totalCount"] == 0


async def test_shortcut_header(world: World) -> None:
    customer_id = await world.customer()
    path = f"/v3/customers/{customer_id}/orders"
    body = {"orderType": "NEW", "currencyCode": "USD", "lineItems": [line(OFFER)]}
    fault = {"X-Sandbox-Fault": "timeout_after_commit; seconds=0"}
    with pytest.raises(Aborted):
        await world.post(path, body, correlation_id="cut", headers=fault)
    replayed = (await world.post(path, body, correlation_id="cut")).ok()
    assert replayed.headers["Seatledger-Replayed"] == "true"
    failing = await world.post(path, body, headers={"X-Sandbox-Fault": "order_fails;status=1020"})
    read = await world.read_order(customer_id, failing.ok()["orderId"])
    assert read["status"] == "1020"


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "latency", "latency;seconds", "latency;seconds=61", "order_fails;status=1000",
     "internal_error;when=never", "gateway_timeout;foo=1",
     "latency;seconds=nan", "latency;seconds=inf"],
)  # fmt: skip
async def test_shortcut_header_that_makes_no_fault(world: World, text: str) -> None:
    customer_id = await world.customer()
    reply = await world.get(f"/v3/customers/{customer_id}", headers={"X-Sandbox-Fault": text})
    reply.refused(400, "1117", "X-Sandbox-Fault")


@pytest.mark.parametrize(
    ("body", "code", "details"),
    [
        ({}, "1122", ["effect"]),
        ({"effect": None}, "1122", ["effect"]),
        ({"effect": []}, "1117", ["effect"]),
        ({"effect": {}}, "1122", ["effect.type"]),
        ({"effect": {"type": "earthquake"}}, "1117", ["effect.type"]),
        ({"effect": {"type": 7}}, "1117", ["effect.type"]),
        ({"effect": {"type": "earthquake"}, "foo": 1}, "1121", ["foo"]),
        ({"effect": {"type": "latency", "foo": 1}}, "1121", ["effect.foo"]),
        ({"effect": {"type": "latency"}}, "1122", ["effect.seconds"]),
        ({"effect": {"type": "latency", "min": 1}}, "1122", ["effect.max"]),
        ({"effect": {"type": "latency", "min": 2, "max": 1}}, "1117", ["effect.min"]),
        ({"effect": {"type": "latency", "seconds": -1}}, "1117", ["effect.seconds"]),
        ({"effect": {"type": "latency", "seconds": 60.5}}, "1117", ["effect.seconds"]),
        ({"effect": {"type": "timeout_before", "seconds": 61}}, "1117", ["effect.seconds"]),
        ({"effect": {"type": "order_fails"}}, "1122", ["effect.status"]),
        ({"effect": {"type": "order_fails", "status": "1000"}}, "1117", ["effect.status"]),
        (
            {
                "effect": {"type": "order_fails", "status": "1022"},
                "match": {"orderType": "RETURN"},
            },
            "1117",
            ["effect.status"],
        ),
        ({"effect": {"type": "account_fails", "status": "1024"}}, "1117", ["effect.status"]),
        ({"effect": {"type": "http_error"}}, "1122", ["effect.status", "effect.code"]),
        ({"effect": {"type": "internal_error"}, "match": {"x": 1}}, "1121", ["match.x"]),
        ({"effect": {"type": "internal_error"}, "match": {"header": 1}}, "1117", ["match.header"]),
        ({"effect": {"type": "internal_error"}, "times": 0}, "1117", ["times"]),
        ({"effect": {"type": "internal_error"}, "skip": -1}, "1117", ["skip"]),
        ({"effect": {"type": "internal_error"}, "probability": 2}, "1117", ["probability"]),
        ({"effect": {"type": "internal_error"}, "expiresAt": "soon"}, "1117", ["expiresAt"]),
    ],
)
async def test_bad_faults(
    world: World, body: dict[str, Any], code: str, details: list[str]
) -> None:
    (await world.post(FAULTS, body)).refused(400, code, *details)
    assert (await world.get(FAULTS)).ok(200)["totalCount"] == 0


async def test_order_fails_for_returns_knows_one_status(world: World) -> None:
    customer_id = await world.customer()
    placed = (await world.order(customer_id, line(OFFER))).ok()
    read = await world.read_order(customer_id, placed["orderId"])
    await armed(world, {"type": "order_fails", "status": "1004"}, match={"orderType": "RETURN"})
    credit = (await world.give_back(customer_id, read)).ok()
    assert (await world.read_order(customer_id, credit["orderId"]))["status"] == "1004"


@pytest.mark.parametrize("where", ["effect", "body"])
async def test_longer_waits_are_forced(world: World, where: str) -> None:
    effect: dict[str, Any] = {"type": "timeout_before", "seconds": 90}
    body: dict[str, Any] = {"effect": effect}
    (effect if where == "effect" else body)["force"] = True
    shown = (await world.post(FAULTS, body)).ok()
    assert shown["armed"] is True
    assert shown["effect"]["seconds"] == 90


async def test_an_armed_fault_as_answered(world: World) -> None:
    match = {"method": "GET", "path": "/v3/customers/*"}
    shown = await armed(world, {"type": "latency", "seconds": 0.5}, match=match, skip=2)
    assert {key: value for key, value in shown.body.items() if key != "id"} == {
        "armed": True,
        "match": match,
        "skip": 2,
        "times": 1,
        "probability": 1.0,
        "expiresAt": None,
        "effect": {"type": "latency", "seconds": 0.5},
        "fired": 0,
    }
    items = (await world.get(FAULTS)).ok(200)["items"]
    assert items == [shown.body]


async def test_reset_disarms(world: World) -> None:
    await armed(world, {"type": "internal_error"}, times=9)
    (await world.post("/sandbox/reset", {})).ok(200)
    await world.reseller()


async def test_admin_routes_know_no_faults(world: World, client: httpx.AsyncClient) -> None:
    await armed(world, {"type": "internal_error"}, times=9)
    response = await client.get("/sandbox/partners", headers={"X-Admin-Token": ADMIN_TOKEN})
    assert response.status_code == 200
    (await world.get("/sandbox/clock")).ok(200)
