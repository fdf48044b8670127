"""The seeds' request and response pairs, replayed field by field (docs/contract/samples)."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.accounts import commit
from tests.conftest import MakeWorld
from tests.harness import World, line

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parents[3] / "docs" / "contract" / "samples"
SAMPLES: dict[str, Any] = {
    path.stem: json.loads(path.read_text("utf-8"), parse_float=Decimal)
    for path in sorted(FOLDER.glob("*.json"))
}
NOW = "2019-05-02T22:49:54Z"
E, CLASSIC, FOLIO = "80004567EA01A12", "65322447CA01A12", "65324918CA01A12"
PHOTON, ALL_APPS = "11083117CA01A12", "11073058CA01A12"
MIGRATED = {
    "tags": ["HVD_MIGRATED_CUSTOMER"],
    "discounts": [{"offerType": "LICENSE", "level": "14", "discountCode": "HVD_L18_PRE"}],
}
STATEMENTS = {
    "create_order_000": ("S-054", "S-028", "S-025", "S-026", "S-027", "S-036"),
    "create_order_001": ("S-055", "S-045"),
    "create_order_002": ("S-056", "S-045"),
    "new_order": ("S-069", "S-037", "S-041", "S-053"),
    "preview_order_hvd": ("S-134", "S-131", "S-132", "S-133", "orders.md 4.6 #8"),
    "preview_order_with_prices": ("S-130", "S-111", "S-112", "S-113", "S-114"),
    "preview_renewal_hvd_with_lines": ("S-157", "S-140", "S-152", "S-138"),
    "preview_renewal_hvd_without_lines": (
        *("S-156", "S-151", "S-137", "S-142", "S-143", "S-144", "S-145", "S-147", "S-149"),
        *("S-153", "S-154", "S-155", "orders.md 4.6 #9"),
    ),
    "preview_renewal_with_prices": ("S-150", "S-148", "S-135", "orders.md 4.6 #13"),
    "renewal_order": ("S-165", "S-158", "S-161", "S-164"),
    "return_order": ("S-085", "S-083", "S-084"),
    "update_order": ("S-190", "S-186", "S-187", "S-188", "S-189"),
}


@dataclass
class Scene:
    """The state a sample needs; `ids` are ours for the ids printed in it."""

    world: World
    customer: str
    order_id: str = ""
    ids: dict[str, str] = field(default_factory=dict)


async def global_customer(make: MakeWorld, now: str = NOW) -> Scene:
    """A customer enabled for global sales with a deployment in Canada, called 12345."""
    world = await make(clock={"now": now})
    customer = await world.customer(top={"globalSalesEnabled": True})
    return Scene(world, customer, ids={"12345": await world.deployment(customer, "CA")})


async def migrated_customer(make: MakeWorld, now: str = NOW) -> Scene:
    """The same, migrated from the older program with a code."""
    scene = await global_customer(make, now)
    (await scene.world.patch(f"/sandbox/customers/{scene.customer}", MIGRATED)).ok(200)
    return scene


async def migrated_with_thirty_days_left(make: MakeWorld) -> Scene:
    """The same, its first term ending in thirty days."""
    scene = await migrated_customer(make, "2018-06-01T18:00:00Z")
    (await scene.world.order(scene.customer, line(E))).ok()
    await scene.world.at(NOW)
    return scene


async def ninety_days_left(make: MakeWorld) -> Scene:
    """A customer at level 01 whose first term ends in ninety days."""
    world = await make(clock={"now": "2025-07-07T18:00:00Z"})
    customer = await world.customer()
    (await world.order(customer, line("11073058CA01A12", 5))).ok()
    await world.at("2026-04-08T18:00:00Z")
    return Scene(world, customer)


async def seats_of(world: World, customer: str) -> dict[str, Any]:
    """The subscriptions of a customer by their offer."""
    return {one["offerId"]: one for one in await world.seats(customer)}


async def switched_off(world: World, customer: str, offer_id: str) -> None:
    """Auto-renewal off for a product, whatever the customer has committed to."""
    seats = (await seats_of(world, customer))[offer_id]
    path = f"/sandbox/customers/{customer}/subscriptions/{seats['subscriptionId']}"
    (await world.patch(path, {"autoRenewal": {"enabled": False}})).ok(200)


async def committed_to_fifty(make: MakeWorld) -> Scene:
    """A customer committed to 50 licences, of whom 10 renew, with a discount opted in."""
    world = await make(clock={"now": "2025-07-07T18:00:00Z"})
    customer = await world.customer(top=commit(("LICENSE", 50)))
    (await world.order(customer, line(PHOTON, 10, 1), line(ALL_APPS, 40, 2))).ok()
    (await world.three_year_commit(customer, "accept")).ok(200)
    await switched_off(world, customer, ALL_APPS)
    opted = {"autoRenewal": {"flexDiscountCodes": ["BLACK_FRIDAY_10_PERCENT_OFF"]}}
    seats = (await seats_of(world, customer))[PHOTON]
    (await world.patch(seats["links"]["self"]["uri"], opted)).ok(200)
    return Scene(world, customer)


async def migrated_and_committed(make: MakeWorld) -> Scene:
    """A migrated customer with a deployment before the anniversary, out of support for one of
    its products; another one, of a High Growth group, does not renew."""
    world = await make(clock={"now": "2025-07-07T18:00:00Z"})
    customer = await world.customer(top={**commit(("LICENSE", 10)), "globalSalesEnabled": True})
    (await world.patch(f"/sandbox/customers/{customer}", MIGRATED)).ok(200)
    (await world.three_year_commit(customer, "accept")).ok(200)
    place = {"deploymentId": await world.deployment(customer, "CA")}
    lines = [line(E, 1, 1, **place), line(CLASSIC, 25, 2, **place), line(FOLIO, 10, 3, **place)]
    (await world.order(customer, *lines)).ok()
    await switched_off(world, customer, FOLIO)
    await world.at("2026-06-20T18:00:00Z")
    seats = (await seats_of(world, customer))[E]
    return Scene(world, customer, ids={"e0b170437c4e96ac5428364f674dffNA": seats["subscriptionId"]})


async def lapsed(make: MakeWorld) -> Scene:
    """A customer whose one seat has expired."""
    world = await make(clock={"now": "2025-07-07T18:00:00Z"})
    customer = await world.customer()
    (await world.order(customer, line(E))).ok()
    await switched_off(world, customer, E)
    await world.at("2026-07-20T18:00:00Z")
    (seats,) = await world.seats(customer)
    padded = " e0b170437c4e96ac5428364f674dffNA "
    return Scene(world, customer, ids={padded: f" {seats['subscriptionId']} "})


async def ordered(make: MakeWorld) -> Scene:
    """The order of the sample new_order, completed."""
    scene = await global_customer(make)
    placed = await scene.world.post(
        f"/v3/customers/{scene.customer}/orders", ours(SAMPLES["new_order"]["request"], scene)
    )
    scene.order_id = placed.ok()["orderId"]
    scene.ids["0123456789"] = scene.order_id
    return scene


SETUPS: dict[str, Callable[[MakeWorld], Awaitable[Scene]]] = {
    "create_order_000": migrated_customer,
    "create_order_001": migrated_customer,
    "create_order_002": migrated_customer,
    "new_order": global_customer,
    "preview_order_hvd": migrated_with_thirty_days_left,
    "preview_order_with_prices": ninety_days_left,
    "preview_renewal_hvd_with_lines": migrated_and_committed,
    "preview_renewal_hvd_without_lines": migrated_and_committed,
    "preview_renewal_with_prices": committed_to_fifty,
    "renewal_order": lapsed,
    "return_order": ordered,
    "update_order": ordered,
}


def ours(value: Any, scene: Scene) -> Any:
    """A request with our ids where the sample prints others."""
    if isinstance(value, dict):
        return {name: ours(one, scene) for name, one in value.items()}
    if isinstance(value, list):
        return [ours(one, scene) for one in value]
    return scene.ids.get(value, value) if isinstance(value, str) else value


def places(value: Any, path: str) -> Iterator[tuple[Any, Any]]:
    """Container and key of everything a path means: `lineItems[*].pricing.lineItemPrice`."""
    first, *rest = re.findall(r"[^.\[\]]+", path)
    if first == "*":
        keys: list[Any] = list(range(len(value)))
    else:
        keys = [int(first)] if isinstance(value, list) else [first]
    for key in keys:
        if rest:
            below = ".".join(rest)
            yield from places(value[key], below)
        else:
            yield value, key


def form(value: Any) -> str:
    """What a generated value looks like, whatever it is."""
    assert isinstance(value, str)
    if value.startswith("/"):
        return re.sub(r"[0-9]+", "9", value)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", value):
        return "timestamp"
    assert re.fullmatch(r"[0-9A-Za-z]+", value), value
    return "id"


def expected_of(sample: dict[str, Any]) -> Any:
    """The response of a sample with our deviations written in; two are told in words there."""
    expected = deepcopy(sample["response"])
    for deviation in sample["deviations"]:
        if deviation["path"] == "lineItems":
            expected["lineItems"] = [{**expected["lineItems"][0], "extLineItemNumber": 1}]
            continue
        if deviation["path"].startswith("eligibleOffers[2]"):
            first, *_, last = (one["eligibilityCriteria"] for one in expected["eligibleOffers"])
            last["deploymentId"] = first["deploymentId"]
            continue
        for holder, key in places(expected, deviation["path"]):
            assert holder[key] == deviation["sample"]
            holder[key] = deviation["ours"]
    return expected


def test_every_sample_has_a_setup() -> None:
    assert set(SAMPLES) == set(SETUPS) == set(STATEMENTS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.proves(*STATEMENTS[name])) for name in SAMPLES]
)
async def test_a_sample_replays(new_world: MakeWorld, name: str) -> None:
    sample = SAMPLES[name]
    scene = await SETUPS[name](new_world)
    path = sample["path"].replace("{customer-id}", scene.customer)
    answer = await scene.world.call(
        sample["method"],
        path.replace("{order-id}", scene.order_id),
        ours(sample["request"], scene),
        params=sample["query"],
    )
    answer.ok(sample["http_status"])
    got, expected = answer.body, expected_of(sample)
    for extra in sample["extra_in_ours"]:
        for holder, key in list(places(got, extra)):
            del holder[key]
    for generated in sample["volatile"]:
        for (holder, key), (printed, _) in zip(
            places(got, generated), places(expected, generated), strict=True
        ):
            assert form(holder[key]) == form(printed[key]), generated
            holder[key] = printed[key]
    assert got == expected
    await scene.world.is_sound()
