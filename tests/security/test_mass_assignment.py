"""What only the service sets stays as it is, whoever sends it. OWASP API3."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fuzz.scene import CALLS, Scene, furnish, price_list
from tests.harness import World

pytestmark = pytest.mark.anyio

FOREIGN = "9999999999"
# Names of answers, and names that would be a gift to an attacker if anything took them.
SERVICE_OWN: dict[str, Any] = {
    "resellerId": FOREIGN, "customerId": FOREIGN, "orderId": FOREIGN, "deploymentId": FOREIGN,
    "subscriptionId": FOREIGN, "distributorId": FOREIGN, "partnerId": FOREIGN, "status": "1004",
    "creationDate": "2001-01-01T00:00:00Z", "cotermDate": "2031-01-01", "source": "System",
    "discounts": [{"offerType": "LICENSE", "level": "14"}], "tags": ["HVD_MIGRATED_CUSTOMER"],
    "links": {}, "linkedMembership": {"id": "x"}, "currentQuantity": 9_999, "usedQuantity": 9_999,
    "renewedQuantity": 9_999, "renewalDate": "2031-01-01", "allowedActions": ["MANUAL_RENEWAL"],
    "pricing": {"partnerPrice": 0.01}, "pricingSummary": [{"totalLineItemPartnerPrice": 0.01}],
    "pricingSummaries": [], "partnerPrice": 0.01, "proratedDays": 1, "remainingQuantity": 9_999,
    "offerId": "65304479CA03A12", "eligibleOffers": [], "referencedOrderId": FOREIGN,
    "version": 1, "role": "admin", "isAdmin": True, "settle_at": None, "flags": {}, "id": FOREIGN,
    "marketSubSegments": ["K_12"], "lgaEnabled": True, "__proto__": {"status": "1004"},
}  # fmt: skip


def objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of a body, the body itself first."""
    if isinstance(node, dict):
        yield node
        for one in node.values():
            yield from objects(one)
    elif isinstance(node, list):
        for one in node:
            yield from objects(one)


async def prepared(world: World) -> Scene:
    """A world whose next term is on sale."""
    scene = Scene(world, {})
    await furnish(scene)
    near = {"cotermDate": "2025-07-27"}
    (await world.patch(scene.filled("/sandbox/customers/{customer-id}"), near)).ok(200)
    scene.customer = (await world.read_customer(scene.path_ids["customer-id"])).body
    return scene


@pytest.mark.proves("1119", "1121")
async def test_no_write_takes_what_only_the_service_sets(world: World) -> None:
    """Sent in every object of every body: refused as unexpected, or protected, or ignored."""
    scene = await prepared(world)
    taken = 0
    for method, path, valid in CALLS:
        if valid is price_list:
            continue  # it writes nothing
        for place in range(len(list(objects(valid(scene))))):
            body, given = with_gifts(valid(scene), place, SERVICE_OWN)
            found = await world.call(method, scene.filled(path), body)
            if found.code == "1121":
                known = {
                    name: value
                    for name, value in given.items()
                    if not any(name in re.split(r"[.\[\]]", one) for one in found.details)
                }
                body, given = with_gifts(valid(scene), place, known)
                found = await world.call(method, scene.filled(path), body)
            if found.status < 300:
                taken += 1
                shown = [found.body]
                if "links" in found.body:
                    shown.append((await world.get(found["links"]["self"]["uri"])).ok(200).body)
                told = [
                    name
                    for one in objects(shown)
                    for name, value in SERVICE_OWN.items()
                    if name in given and one.get(name) == value
                ]
                assert told == [], (method, path, place)
            else:
                assert found.status in (400, 404), (method, path, place, found.body)
    assert taken > 20


def with_gifts(
    body: dict[str, Any], place: int, gifts: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A body with names added to one of its objects that do not belong there, and these names."""
    body = copy.deepcopy(body)
    chosen = list(objects(body))[place]
    given = {name: value for name, value in gifts.items() if name not in chosen}
    chosen |= given
    return body, given
