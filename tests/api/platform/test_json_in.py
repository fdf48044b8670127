"""Bodies: one UTF-8 JSON object, strict types, names told apart (platform.md 7)."""

import json
from typing import Any

import pytest

from tests.harness import Reply, World, line, order
from tests.repeats import WRITES, Write

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
MALFORMED = b'{"code":"400","message":"Malformed request body","additionalDetails":[]}'


async def post(world: World, content: bytes) -> Reply:
    """POST an order of these bytes."""
    return await world.post(f"/v3/customers/{await world.customer()}/orders", content=content)


@pytest.fixture(params=list(WRITES))
async def write(request: pytest.FixtureRequest, world: World) -> Write:
    """Every kind of write in turn."""
    return await WRITES[request.param](world)


@pytest.mark.proves("platform.md 21", "400")
async def test_an_order_type_sent_twice(world: World) -> None:
    found = await post(world, b'{"orderType":"NEW","orderType":"RETURN"}')
    assert found.status == 400
    assert found.content == (
        b'{"code":"400","message":"Malformed request body",'
        b'"additionalDetails":["orderType: duplicate key"]}'
    )


@pytest.mark.proves("400")
async def test_duplicate_keys_are_named_with_their_paths(world: World) -> None:
    one = f'{{"offerId":"{OFFER}","quantity":1,"quantity":2,"offerId":"x"}}'
    body = f'{{"orderType":"NEW","lineItems":[{one},{one}],"lineItems":[]}}'
    found = await post(world, body.encode())
    assert found.code == "400"
    assert set(found.details) == {
        "lineItems[0].quantity: duplicate key",
        "lineItems[0].offerId: duplicate key",
        "lineItems[1].quantity: duplicate key",
        "lineItems[1].offerId: duplicate key",
        "lineItems: duplicate key",
    }


NOT_ONE_OBJECT = [
    b"[1]", b"\xff\xfe", b"[", b"{", b"null", b'"text"', b"5", b"true", b"{} {}", b"{}x", b"   ",
    b'{"a":1,}', b"{'a':1}", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b"{a:1}",
    b'{"a":1 // comment\n}', b"/* comment */ {}", b'{"a":01}', b'{"a":+1}', b'{"a":"\t"}',
    b'{"a":"\xc3\x28"}', '{"orderType":"NEW"}'.encode("utf-16"), "{}".encode("utf-32"),
    b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' * 33 + b"1" + b"}" * 33,
]  # fmt: skip


@pytest.mark.proves("platform.md 21", "400")
async def test_bodies_that_are_not_one_object(write: Write) -> None:
    for content in NOT_ONE_OBJECT:
        found = await write.world.call(write.method, write.path, content=content)
        assert (found.status, found.content) == (400, MALFORMED), content[:40]


@pytest.mark.proves("platform.md 21", "1122")
async def test_an_empty_post_lacks_everything(world: World) -> None:
    customer = await world.customer()
    for path, *missing in (
        (f"/v3/customers/{customer}/orders", "orderType"),
        ("/v3/resellers", "distributorId", "companyProfile"),
        ("/v3/customers", "resellerId", "companyProfile"),
        (f"/v3/customers/{customer}/deployments", "companyProfile"),
    ):
        (await world.post(path, content=b"")).refused(400, "1122", *missing)
        (await world.post(path, {})).refused(400, "1122", *missing)


@pytest.mark.proves("platform.md 22", "1117")
@pytest.mark.parametrize("quantity", ['"5"', "5.0", "5e0", "true", "[5]", "{}"])
async def test_integers_are_json_integers(world: World, quantity: str) -> None:
    text = json.dumps(order(line(OFFER, 987))).replace("987", quantity)
    (await post(world, text.encode())).refused(400, "1117", "lineItems[0].quantity")


@pytest.mark.proves("platform.md 22", "1121")
async def test_unexpected_names_come_first(world: World) -> None:
    body: dict[str, Any] = order({**line(OFFER), "quantity": "5", "colour": "red"})
    found = await post(world, json.dumps(body).encode())
    found.refused(400, "1121", "lineItems[0].colour")
    del body["lineItems"][0]["colour"], body["lineItems"][0]["offerId"]
    found = await post(world, json.dumps(body).encode())
    found.refused(400, "1122", "lineItems[0].offerId")


@pytest.mark.proves("1121", "1122", "1117")
async def test_all_offenders_of_one_code_in_document_order(world: World) -> None:
    lines = [line(OFFER, 1, number) for number in (1, 2)]

    def broken(change: dict[str, Any], top: dict[str, Any]) -> bytes:
        return json.dumps({**order(*({**one, **change} for one in lines)), **top}).encode()

    unexpected = await post(world, broken({"Quantity": 1}, {"a": 1, "orderTYPE": "NEW"}))
    unexpected.refused(
        400, "1121", "lineItems[0].Quantity", "lineItems[1].Quantity", "a", "orderTYPE"
    )
    missing = await post(world, broken({"quantity": None, "offerId": ""}, {}))
    missing.refused(
        400, "1122", *(f"lineItems[{n}].{name}" for n in (0, 1) for name in ("offerId", "quantity"))
    )
    invalid = await post(world, broken({"quantity": "1"}, {"currencyCode": "usd"}))
    invalid.refused(400, "1117", "currencyCode", "lineItems[0].quantity", "lineItems[1].quantity")


async def test_a_byte_order_mark_is_skipped(world: World) -> None:
    text = json.dumps(order(line(OFFER)))
    (await post(world, text.encode("utf-8-sig"))).ok()


async def test_thirty_two_levels_are_read(world: World) -> None:
    found = await post(world, b'{"a":' * 32 + b"1" + b"}" * 32)
    assert found.code in ("1121", "1122")


@pytest.mark.proves("1117")
@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800", "a\\udc00b"])
async def test_characters_no_text_can_hold(world: World, text: str) -> None:
    body = json.dumps(order(line(OFFER), externalReferenceId="REFERENCE"))
    found = await post(world, body.replace("REFERENCE", text).encode())
    found.refused(400, "1117", "externalReferenceId")


async def test_texts_are_stored_as_sent(world: World) -> None:
    text = "  ünï\u0301 \u2603 \U0001f600 "
    customer = await world.customer()
    placed = (await world.order(customer, line(OFFER), externalReferenceId=text)).ok()
    shown = await world.read_order(customer, placed["orderId"])
    assert placed["externalReferenceId"] == shown["externalReferenceId"] == text


@pytest.mark.proves("platform.md 34")
async def test_an_order_returned_by_its_own_lines(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, line(OFFER, 2), line("65304479CA01A12", 1, 2))).ok()
    shown = await world.read_order(customer, placed["orderId"], **{"fetch-price": "true"})
    (original, *_) = shown["lineItems"]
    assert {"status", "subscriptionId", "pricing"} <= set(original)
    body = {
        **{name: shown[name] for name in ("orderId", "customerId", "status", "creationDate",
                                          "source", "links", "currencyCode")},
        "orderType": "RETURN",
        "referenceOrderId": placed["orderId"],
        "lineItems": shown["lineItems"],
    }  # fmt: skip
    (await world.post(f"/v3/customers/{customer}/orders", body)).ok()
    assert all(one["status"] == "1004" for one in await world.seats(customer))


async def test_a_previewed_answer_becomes_the_order(world: World) -> None:
    customer = await world.customer()
    shown = (await world.preview(customer, line(OFFER, 2))).ok()
    body = {**shown.body, "orderType": "NEW"}
    (await world.post(f"/v3/customers/{customer}/orders", body)).ok()
