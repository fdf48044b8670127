"""Closed codes, and the discounts of a world with their inner columns (sandbox.md 3 #31-36)."""

from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.harness import Reply, World, line
from tests.samples import data_file

pytestmark = pytest.mark.anyio

LOADED, CLOSED = "/sandbox/flex-discounts", "/sandbox/closed-discounts"
FOLIO, FOLIO_PRO = "65304479CA01A12", "65324918CA01A12"
RETENTION, FAILING = "TPL_COM_SAVE_20", "TPL_COM_SAVE_20_FAILURE"
EXPIRY = "2026-09-10T23:59:59Z"
EASTER_ID = "55555555-5bb8-4476-bd3f-5562299ab3fb"
INVALID = "Line Item: 1, Reason: Invalid Flexible Discount"


async def make(world: World, customer: str, template: str = RETENTION, **changes: Any) -> Reply:
    """Ask for a closed code; not asserted."""
    body = {
        "marketSegment": "COM",
        "customerId": customer,
        "templateId": template,
        "expiryDate": EXPIRY,
    }
    return await world.post(CLOSED, {**body, **changes})


def coded(code: str, offer_id: str = FOLIO_PRO) -> dict[str, Any]:
    return line(offer_id, 1, flexDiscountCodes=[code])


async def statuses(world: World, **params: str) -> dict[str, str]:
    listed: list[dict[str, Any]] = (await world.get(CLOSED, params=params)).ok(200).body
    return {one["code"]: one["status"] for one in listed}


def conflicts(reply: Reply) -> None:
    assert (reply.status, reply.code) == (409, "409"), reply.body


async def test_templates_of_a_segment(world: World) -> None:
    path = f"{CLOSED}/templates"
    assert (await world.get(path, params={"market-segment": "COM"})).ok(200).body == [
        {"templateId": RETENTION, "label": "Closed retention offer"},
        {"templateId": FAILING, "label": "Closed offer - FAILURE"},
    ]
    assert (await world.get(path, params={"market-segment": "GOV"})).ok(200).body == []
    assert len((await world.get(path)).ok(200).body) == 2
    bad = await world.get(path, params={"market-segment": "ORG"})
    bad.refused(400, "1132", "market-segment")


async def test_a_made_code_is_for_its_customer_once(world: World) -> None:
    customer, other = await world.customer(), await world.customer()
    made = (await make(world, customer)).ok(201)
    assert set(made.body) == {"code", "customerId"}
    assert made["customerId"] == customer
    code = made["code"]
    assert 20 <= len(code) <= 40
    again = (await make(world, customer, expiryDate="2026-12-31T00:00:00Z")).ok(200)
    assert again.body == {"code": code, "customerId": customer, "existing": True}
    found = await world.get(
        "/v3/flex-discounts",
        params={"market-segment": "COM", "country": "US", "flex-discount-code": code},
    )
    (shown,) = found.ok(200)["flexDiscounts"]
    assert shown["codeExpiryDate"] == EXPIRY
    assert shown["qualification"] == {"baseOfferIds": [FOLIO_PRO]}
    (await world.order(other, coded(code))).refused(400, "2141", INVALID)
    (await world.order(customer, coded(code))).ok()
    (await world.order(customer, coded(code))).refused(400, "2141", INVALID)
    assert await statuses(world, q=code) == {code: "REDEEMED"}
    assert (await make(world, customer)).ok(201)["code"] != code


async def test_a_code_expires(world: World) -> None:
    customer = await world.customer()
    code = (await make(world, customer, expiryDate="2025-07-08T00:00:00Z")).ok(201)["code"]
    await world.at("2025-07-08T00:00:00Z")
    (await world.preview(customer, coded(code))).ok()
    assert await statuses(world, q=code) == {code: "ACTIVE"}
    await world.at("2025-07-08T00:00:01Z")
    (await world.preview(customer, coded(code))).refused(400, "2141", INVALID)
    assert await statuses(world, q=code, status="EXPIRED") == {code: "EXPIRED"}
    (await make(world, customer)).ok(201)


@pytest.mark.proves("catalog.md 27")
async def test_a_template_that_fails_makes_codes_that_fail(world: World) -> None:
    customer = await world.customer()
    code = (await make(world, customer, FAILING)).ok(201)["code"]
    assert "FAILURE" in code
    (await world.preview(customer, coded(code))).refused(400, "2141", INVALID)


async def test_codes_are_listed_searched_and_deleted(world: World) -> None:
    customer, other = await world.customer(), await world.customer()
    mine = (await make(world, customer)).ok(201)["code"]
    theirs = (await make(world, other)).ok(201)["code"]
    loaded = {"H4SQ82RETAINVW6K3MPD7TZ1", "J7KQ91FAILUREMN4TT5PZRW2"}
    assert set(await statuses(world)) == {mine, theirs} | loaded
    assert set(await statuses(world, q=mine[:12].lower())) == {mine}
    assert set(await statuses(world, q=other)) == {theirs}
    assert await statuses(world, status="EXPIRED") == {}
    (await world.get(CLOSED, params={"status": "GONE"})).refused(400, "1132", "status")
    (one,) = (await world.get(CLOSED, params={"q": mine})).body
    assert one == {
        "code": mine,
        "customerId": customer,
        "marketSegments": ["COM"],
        "name": "Closed retention offer",
        "expiryDate": EXPIRY,
        "status": "ACTIVE",
    }
    assert (await world.call("DELETE", f"{CLOSED}/{mine}")).status == 204
    refused = await world.preview(customer, coded(mine))
    refused.refused(400, "2146", "Line Item: 1, Reason: NOT_FOUND")
    (await world.call("DELETE", f"{CLOSED}/{mine}")).refused(404, "404")
    conflicts(await world.call("DELETE", f"{CLOSED}/H4SQ82RETAINVW6K3MPD7TZ1"))
    assert set(await statuses(world)) == {theirs} | loaded


@pytest.mark.proves("sandbox.md 13")
async def test_a_partner_has_so_many_closed_codes(world: World) -> None:
    customers = [await world.customer() for _ in range(21)]
    made = [(await make(world, one)).ok(201)["code"] for one in customers[:20]]
    conflicts(await make(world, customers[20]))
    again = (await make(world, customers[3])).ok(200)
    assert again.body == {"code": made[3], "customerId": customers[3], "existing": True}
    assert (await world.call("DELETE", f"{CLOSED}/{made[3]}")).status == 204
    (await make(world, customers[20])).ok(201)
    await world.set(flags={"closed_discount_cap": 21})
    (await make(world, customers[3])).ok(201)


async def test_what_cannot_be_made(world: World, new_world: MakeWorld) -> None:
    customer, stranger = await world.customer(), await (await new_world()).customer()
    (await make(world, stranger)).refused(400, "1117", "customerId")
    (await make(world, customer, "TPL_NONE")).refused(400, "1117", "templateId")
    (await make(world, customer, marketSegment="EDU")).refused(400, "1117", "marketSegment")
    school = await world.customer(marketSegment="EDU")
    (await make(world, school)).refused(400, "1117", "marketSegment")
    (await make(world, school, marketSegment="EDU")).refused(400, "1117", "marketSegment")
    for moment in ("2025-07-07T18:00:00Z", "2025-01-01", "soon"):
        (await make(world, customer, expiryDate=moment)).refused(400, "1117", "expiryDate")
    (await make(world, customer, marketSegment="ORG")).refused(400, "1117", "marketSegment")
    (await make(world, customer, colour="red")).refused(400, "1121", "colour")
    empty = await world.post(CLOSED, {})
    empty.refused(400, "1122", "marketSegment", "customerId", "templateId", "expiryDate")


async def test_codes_of_a_world_are_its_own(world: World, new_world: MakeWorld) -> None:
    other = await new_world()
    code = (await make(world, await world.customer())).ok(201)["code"]
    assert code not in await statuses(other)
    refused = await other.preview(await other.customer(), coded(code))
    refused.refused(400, "2146", "Line Item: 1, Reason: NOT_FOUND")
    (await world.post("/sandbox/reset", {})).ok(200)
    assert code not in await statuses(world)


async def test_a_made_code_goes_with_its_template(world: World) -> None:
    customer = await world.customer()
    code = (await make(world, customer)).ok(201)["code"]
    text = data_file("sample_flex_discounts.csv")
    without = "\n".join(one for one in text.splitlines() if RETENTION not in one)
    for content, status in ((without, 400), (text, 201)):
        headers = {"Content-Type": "text/csv"}
        (await world.put(LOADED, headers=headers, content=content.encode())).ok(200)
        assert (await world.preview(customer, coded(code))).status == status
        assert (code in await statuses(world)) == (status == 201)


async def test_discounts_with_their_inner_columns(world: World) -> None:
    listed = (await world.get(LOADED)).ok(200).body
    assert len(listed) == 16
    (easter,) = [one for one in listed if one["id"] == EASTER_ID]
    assert easter["orderTypes"] == ["NEW", "RENEWAL"]
    assert easter["discountLockEndDate"] == "2028-03-31T23:59:59Z"
    assert easter["discountValues"] == [{"country": "US", "currency": "USD", "value": 26}]
    assert easter["maxRedemptionsPerCustomer"] is None

    async def count(**params: str) -> int:
        return len((await world.get(LOADED, params=params)).ok(200).body)

    assert await count(**{"market-segment": "EDU"}) == 1
    assert await count(**{"order-type": "SWITCH"}) == 1
    assert await count(country="JP") == 13
    (await world.get(LOADED, params={"order-type": "x"})).refused(400, "1132", "order-type")


async def test_the_end_of_a_reusable_discount_can_be_moved(
    new_world: MakeWorld,
) -> None:
    world = await new_world(clock={"now": "2026-04-10T12:00:00Z"})
    other = await new_world(clock={"now": "2026-04-10T12:00:00Z"})
    path = f"{LOADED}/{EASTER_ID}"
    user, late = await world.customer(), await world.customer()
    (await world.order(user, coded("EASTER_26"))).ok()
    changed = (await world.patch(path, {"endDate": "2026-04-11T00:00:00Z"})).ok(200)
    assert changed["endDate"] == "2026-04-11T00:00:00Z"
    await world.at("2026-04-11T00:00:01Z")
    (await world.order(late, coded("EASTER_26"))).refused(400, "2141", INVALID)
    (await world.order(user, coded("EASTER_26"))).ok()
    (await other.preview(await other.customer(), coded("EASTER_26"))).ok()
    for moment in ("2026-03-01T00:00:00Z", "2028-03-31T23:59:59Z", "x"):
        (await world.patch(path, {"endDate": moment})).refused(400, "1117", "endDate")
    (await world.patch(path, {})).refused(400, "1122", "endDate")
    (await world.patch(path, {"colour": "red", "endDate": "x"})).refused(400, "1121", "colour")
    (await world.patch(f"{LOADED}/none", {"endDate": "2026-04-12"})).refused(404, "404")
    plain = f"{LOADED}/55555555-5bb8-4476-bd3f-5562299ab3fe"
    conflicts(await world.patch(plain, {"endDate": "2026-04-12"}))
    headers = {"Content-Type": "text/csv"}
    content = data_file("sample_flex_discounts.csv").encode()
    (await world.put(LOADED, headers=headers, content=content)).ok(200)
    (await world.order(late, coded("EASTER_26"))).ok()


async def test_a_discounts_file_has_to_fit_the_catalogue(world: World) -> None:
    text = data_file("sample_flex_discounts.csv").replace("69804578CA01A12", "99999999CA01A12")
    headers = {"Content-Type": "text/csv"}
    refused = await world.put(LOADED, headers=headers, content=text.encode())
    problem = "row 3: baseOfferIds 99999999CA01A12 is no base offer of the catalogue"
    refused.refused(400, "400", problem)
    (await world.preview(await world.customer(), coded("NEW YEAR", FOLIO))).refused(
        400, "2141", INVALID
    )
