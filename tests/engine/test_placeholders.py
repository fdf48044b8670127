"""Placeholder customers: what a preview tells for them is told why as well (accounts.md 5.7)."""

import pytest

from tests.harness import World, line, order

pytestmark = pytest.mark.anyio

EXPLAIN = "/sandbox/explain/preview"
OFFERS = {
    "1234567890": "80004567EA01A12",
    "1234567890COM": "80004567EA01A12",
    "1234567890EDU": "30001760CB01A12",
    "1234567890GOV": "30001475CC01A12",
}


@pytest.mark.parametrize("customer", OFFERS)
@pytest.mark.parametrize("quantity", [1, 20])
async def test_a_preview_is_explained(world: World, customer: str, quantity: int) -> None:
    asked = line(OFFERS[customer], quantity)
    preview = (await world.order(customer, asked, orderType="PREVIEW")).ok()
    told = (await world.post(EXPLAIN, order(asked, customerId=customer, orderType="PREVIEW"))).ok(
        200
    )
    assert told["preview"] == preview.body
    assert told["lines"]


async def test_a_refusal_is_the_same(world: World) -> None:
    asked = line("80004567EA01A12")
    refused = await world.preview("1234567890GOV", asked)
    body = order(asked, customerId="1234567890GOV", orderType="PREVIEW")
    told = await world.post(EXPLAIN, body)
    told.refused(refused.status, refused.code, *refused.details)


@pytest.mark.proves("1116")
async def test_there_is_nothing_to_renew(world: World) -> None:
    body = order(customerId="1234567890", orderType="PREVIEW_RENEWAL")
    (await world.post(EXPLAIN, body)).refused(404, "1116")
