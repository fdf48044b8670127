"""One correlation id, one effect, one answer (platform.md 5)."""

from typing import Any

import pytest

from tests.harness import World, line, order, unique
from tests.repeats import (
    OFFER,
    WRITES,
    Write,
    customer_patch_write,
    fresh,
    is_repeat,
    order_write,
    orders_of,
    preview_write,
)
from tests.wire import arm

pytestmark = pytest.mark.anyio

DUPLICATE = (
    b'{"code":"4120","message":"Duplicate request id, same requestId has already been processed",'
    b'"additionalDetails":[]}'
)
STRICT = (
    b'{"code":"4119","message":"Correlation ID is Invalid or Missing","additionalDetails":'
    b'["X-Correlation-Id was already used with a different request"]}'
)


@pytest.fixture(params=list(WRITES))
async def write(request: pytest.FixtureRequest, world: World) -> Write:
    """Every kind of write in turn."""
    return await WRITES[request.param](world)


@pytest.mark.proves("platform.md 10", "S-014", "S-018")
async def test_a_repeat_gets_the_same_bytes(write: Write) -> None:
    first = (await write.send("intent-1", request_id="request-1")).ok(write.status)
    second = await write.send("intent-1", request_id="request-2")
    assert fresh(first)
    is_repeat(second, first)
    assert second.headers["X-Request-Id"] == "request-2"
    assert second.headers["X-Correlation-Id"] == "intent-1"


@pytest.mark.proves("platform.md 10")
async def test_a_repeated_order_is_one_order(world: World) -> None:
    write = await order_write(world)
    first = (await write.send("intent-1")).ok()
    is_repeat(await write.send("intent-1"), first)
    assert [one["orderId"] for one in await orders_of(write)] == [first["orderId"]]


@pytest.mark.proves("platform.md 11", "S-020")
async def test_another_body_gets_the_first_answer_and_a_warning(write: Write) -> None:
    first = (await write.send("intent-1")).ok(write.status)
    is_repeat(await write.send("intent-1", write.other_body), first, mismatch=True)
    is_repeat(await write.send("intent-1", write.bad_body), first, mismatch=True)
    is_repeat(await write.send("intent-1"), first)


@pytest.mark.proves("platform.md 11")
async def test_another_quantity_is_no_second_order(world: World) -> None:
    write = await order_write(world)
    first = (await write.send("intent-1")).ok()
    is_repeat(await write.send("intent-1", write.other_body), first, mismatch=True)
    (only,) = await orders_of(write)
    assert only["lineItems"][0]["quantity"] == 3


async def test_another_query_is_a_mismatch_too(world: World) -> None:
    write = await preview_write(world)
    first = (await write.send("intent-1", params={"fetch-price": "true"})).ok()
    second = await write.send("intent-1", params={"fetch-price": "false"})
    is_repeat(second, first, mismatch=True)


@pytest.mark.proves("platform.md 11", "4119", "S-020")
async def test_strict_partners_refuse_another_body(write: Write) -> None:
    await write.world.set(flags={"strict_idempotency": True})
    first = (await write.send("intent-1")).ok(write.status)
    for _ in range(2):
        refused = await write.send("intent-1", write.other_body)
        assert (refused.status, refused.content) == (400, STRICT)
        assert fresh(refused)
    is_repeat(await write.send("intent-1"), first)


@pytest.mark.proves("platform.md 12")
async def test_the_same_id_for_another_customer(world: World) -> None:
    one, other = await order_write(world), await order_write(world)
    first = (await one.send("intent-1")).ok()
    second = (await other.send("intent-1")).ok()
    assert fresh(second)
    assert first["orderId"] != second["orderId"]
    assert len(await orders_of(one)) == len(await orders_of(other)) == 1


async def test_the_same_id_on_another_path_or_method(world: World) -> None:
    patch = await customer_patch_write(world)
    patched = (await patch.send("intent-1")).ok(200)
    orders = f"{patch.path}/orders"
    placed = (await world.post(orders, order(line(OFFER)), correlation_id="intent-1")).ok()
    amended = await world.patch(
        f"{orders}/{placed['orderId']}", {"externalReferenceId": "b"}, correlation_id="intent-1"
    )
    assert all(fresh(one) for one in (placed, patched, amended.ok(200)))


async def test_another_letter_case_is_another_id(world: World) -> None:
    write = await order_write(world)
    for correlation_id in ("intent", "Intent", "intent "):
        await write.send(correlation_id)
    assert len(await orders_of(write)) == 2  # blanks around an id are not part of it


@pytest.mark.proves("platform.md 13")
async def test_a_refusal_is_repeated_for_a_corrected_body(write: Write) -> None:
    first = await write.send("intent-1", write.bad_body)
    assert first.code == write.bad_code
    is_repeat(await write.send("intent-1", write.bad_body), first)
    is_repeat(await write.send("intent-1"), first, mismatch=True)
    assert fresh((await write.send("intent-2")).ok(write.status))


@pytest.mark.proves("platform.md 13", "2122")
async def test_a_refused_order_stays_refused(world: World) -> None:
    write = await order_write(world)
    (await write.send("intent-1", write.bad_body)).refused(400, "2122", "Line Item: 1")
    (await write.send("intent-1")).refused(400, "2122", "Line Item: 1")
    (await write.send("intent-2")).ok()
    assert len(await orders_of(write)) == 1


async def test_unknown_ids_of_the_path_are_stored(world: World) -> None:
    body = {"externalReferenceId": "x"}
    path = "/v3/customers/1005999999/orders/9200999999"
    first = await world.patch(path, body, correlation_id="intent-1")
    first.refused(404, "2115")
    is_repeat(await world.patch(path, body, correlation_id="intent-1"), first)


@pytest.mark.proves("platform.md 14", "1124")
@pytest.mark.parametrize("when", ["before", "after_write"])
async def test_a_server_error_is_not_stored(write: Write, when: str) -> None:
    await arm(write.world, {"type": "internal_error", "when": when})
    failed = await write.send("intent-1", request_id="request-1")
    assert (failed.status, failed.content) == (
        500,
        b'{"code":"1124","message":"Internal Server Error","additionalDetails":[]}',
    )
    again = (await write.send("intent-1", request_id="request-1")).ok(write.status)
    assert fresh(again)
    is_repeat(await write.send("intent-1"), again)


@pytest.mark.proves("platform.md 14")
async def test_after_a_server_error_there_is_one_order(world: World) -> None:
    write = await order_write(world)
    await arm(world, {"type": "internal_error", "when": "after_write"})
    assert (await write.send("intent-1")).code == "1124"
    assert await orders_of(write) == []
    placed = (await write.send("intent-1")).ok()
    assert [one["orderId"] for one in await orders_of(write)] == [placed["orderId"]]


@pytest.mark.proves("platform.md 17", "4120", "S-016")
async def test_a_used_request_id(write: Write) -> None:
    first = (await write.send("intent-1", request_id="request-1")).ok(write.status)
    for _ in range(2):
        refused = await write.send("intent-2", request_id="request-1")
        assert (refused.status, refused.content) == (400, DUPLICATE)
        assert fresh(refused)
    is_repeat(await write.send("intent-1", request_id="request-1"), first)
    other = await write.send("intent-2", write.other_body, request_id="request-2")
    assert fresh(other.ok(write.status))


@pytest.mark.proves("platform.md 17")
async def test_a_duplicate_request_id_leaves_nothing(world: World) -> None:
    write = await order_write(world)
    (await write.send("intent-1", request_id="request-1")).ok()
    assert (await write.send("intent-2", request_id="request-1")).code == "4120"
    assert len(await orders_of(write)) == 1
    (await write.send("intent-2", request_id="request-2")).ok()
    assert len(await orders_of(write)) == 2


async def test_refusals_use_their_request_id_up(write: Write) -> None:
    refused = await write.send("intent-1", write.bad_body, request_id="request-1")
    assert refused.code == write.bad_code
    assert (await write.send("intent-2", request_id="request-1")).code == "4120"


async def test_request_ids_of_all_writes_are_one_set(world: World) -> None:
    patch, place = await customer_patch_write(world), await order_write(world)
    (await patch.send("intent-1", request_id="request-1")).ok(200)
    assert (await place.send("intent-1", request_id="request-1")).code == "4120"
    (await place.send("intent-1", request_id="request-2")).ok()
    assert (await patch.send("intent-2", request_id="request-2")).code == "4120"


@pytest.mark.proves("platform.md 18")
async def test_gets_take_no_part(world: World) -> None:
    write = await order_write(world)
    headers = {"X-Request-Id": "request-1", "X-Correlation-Id": "intent-1"}
    for _ in range(3):
        (await write.send(unique())).ok()
    pages = [
        await world.get(write.path, params={"limit": 1, "offset": offset}, headers=headers)
        for offset in range(3)
    ]
    assert len({one.ok(200)["items"][0]["orderId"] for one in pages}) == 3
    assert all(fresh(one) for one in pages)
    placed = (await write.send("intent-1", request_id="request-1")).ok()
    assert fresh(placed)
    found = await world.get(write.path, headers=headers)
    assert found.ok(200)["totalCount"] == 4


@pytest.mark.proves("platform.md 19")
async def test_answers_are_kept_for_ten_days(write: Write) -> None:
    first = (await write.send("intent-1", request_id="request-1")).ok(write.status)
    await write.world.at("2025-07-17T17:00:00Z")  # 9 days 23 hours
    is_repeat(await write.send("intent-1"), first)
    await write.world.at("2025-07-17T18:00:00Z")  # 10 days
    is_repeat(await write.send("intent-1"), first)
    assert (await write.send("intent-2", request_id="request-1")).code == "4120"
    await write.world.at("2025-07-17T18:00:01Z")
    again = await write.send("intent-1", write.other_body, request_id="request-1")
    assert fresh(again.ok(write.status))
    is_repeat(await write.send("intent-1", write.other_body), again)
    assert (await write.send("intent-2", request_id="request-1")).code == "4120"


@pytest.mark.proves("platform.md 19")
async def test_after_ten_days_an_order_is_processed_afresh(world: World) -> None:
    write = await order_write(world)
    first = (await write.send("intent-1")).ok()
    await world.at("2025-07-17T18:00:01Z")
    second = (await write.send("intent-1")).ok()
    assert second["orderId"] != first["orderId"]
    assert len(await orders_of(write)) == 2


async def test_the_stored_answer_does_not_follow_the_order(world: World) -> None:
    write = await order_write(world)
    first = (await write.send("intent-1")).ok()
    assert first["status"] == "1002"
    (shown,) = await orders_of(write)
    assert shown["status"] == "1000"
    is_repeat(await write.send("intent-1"), first)


NOT_UNDERSTOOD: dict[str, dict[str, Any]] = {
    "4115": {"headers": {"X-Api-Key": "nobody"}},
    "4117": {"headers": {"Authorization": None}},
    "4116": {"headers": {"Authorization": "Bearer x"}},
    "406": {"headers": {"Accept": "text/html"}},
    "415": {"headers": {"Content-Type": "text/plain"}},
    "1117": {"headers": {"X-Request-Id": "ta\tb"}},
    "400": {"content": b"["},
    "413": {"content": b"x" * (2 * 1024 * 1024 + 1)},
}


async def test_what_was_not_understood_is_not_stored(write: Write) -> None:
    for code, changes in NOT_UNDERSTOOD.items():
        body = None if "content" in changes else write.body
        refused = await write.world.call(
            write.method, write.path, body, correlation_id="intent-1", **changes
        )
        assert refused.code == code
    assert fresh((await write.send("intent-1")).ok(write.status))


async def test_types_not_served_are_not_stored(world: World) -> None:
    write = await order_write(world)
    assert (await write.send("intent-1", order(line(OFFER), orderType="SWITCH"))).code == "4121"
    assert fresh((await write.send("intent-1")).ok())
