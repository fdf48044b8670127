"""PATCH of a subscription: settings, discount codes, and its refusals (subscriptions.md 7)."""

import asyncio
from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.harness import Reply, World, line, unique

pytestmark = pytest.mark.anyio

A, B, ENTERPRISE = "65304479CA01A12", "11073058CA01A12", "80004567EA01A12"
STARTER, PRO, X = "65322450CAT1A12", "65324918CA01A12", "65322447CA01A12"
QUANTITY, ENABLED = "autoRenewal.renewalQuantity", "autoRenewal.enabled"
CODES, CODE = "autoRenewal.flexDiscountCodes", "autoRenewal.renewalCode"
Body = dict[str, Any]


class Held:
    """A subscription of a customer, and short ways to change it."""

    def __init__(self, world: World, customer: str, seats: Body) -> None:
        self.world = world
        self.customer = customer
        self.path: str = seats["links"]["self"]["uri"]

    async def patch(self, body: Any = None, params: Any = None, **more: Any) -> Reply:
        """PATCH; not asserted."""
        return await self.world.patch(self.path, body, params=params, **more)

    async def renew(self, params: Any = None, **settings: Any) -> Reply:
        """PATCH of autoRenewal; not asserted."""
        return await self.patch({"autoRenewal": settings}, params)

    async def state(self) -> Reply:
        """GET."""
        return (await self.world.get(self.path)).ok(200)

    async def settings(self) -> Body:
        """autoRenewal as GET shows it."""
        found: Body = (await self.state())["autoRenewal"]
        return found

    async def buy(self, quantity: int) -> Reply:
        """More of it."""
        offer = (await self.state())["offerId"]
        return (await self.world.order(self.customer, line(offer, quantity))).ok()


async def held(world: World, offer_id: str = A, quantity: int = 10) -> Held:
    """A new customer's only subscription."""
    customer = await world.customer()
    (await world.order(customer, line(offer_id, quantity))).ok()
    (seats,) = await world.seats(customer)
    return Held(world, customer, seats)


@pytest.mark.proves("subscriptions.md 10", "1122")
async def test_an_update_must_say_something(world: World) -> None:
    seats = await held(world)
    nothing: list[Any] = [None, {}, {"autoRenewal": None}, {"autoRenewal": {}}]
    nothing += [{"autoRenewal": {"enabled": None, "flexDiscountCodes": None}}]
    for body in nothing:
        (await seats.patch(body)).refused(400, "1122", "autoRenewal")
        for name in ("reset-flex-discount-codes", "reset-renewal-code"):
            (await seats.patch(body, {name: "TRUE"})).ok(200)
            (await seats.patch(body, {name: "false"})).refused(400, "1122", "autoRenewal")
    read_back = (await seats.state()).body
    del read_back["autoRenewal"]
    (await seats.patch(read_back)).refused(400, "1122", "autoRenewal")


@pytest.mark.proves("subscriptions.md 11", "1117", "1119", "1121")
async def test_the_form_of_an_update(world: World) -> None:
    seats = await held(world)
    (await seats.renew(enabled="yes")).refused(400, "1117", ENABLED)
    (await seats.patch({"offerId": B, "autoRenewal": {"enabled": True}})).refused(
        400, "1119", "offerId"
    )
    (await seats.patch({"foo": 1, "autoRenewal": {"enabled": True}})).refused(400, "1121", "foo")
    (await seats.renew(enabled=True, colour=1)).refused(400, "1121", "autoRenewal.colour")
    bad: tuple[Any, ...] = ("5", 5.5, True, [], 1e3)
    for quantity in bad:
        (await seats.renew(renewalQuantity=quantity)).refused(400, "1117", QUANTITY)
    (await seats.renew(flexDiscountCodes="X")).refused(400, "1117", CODES)
    (await seats.renew(flexDiscountCodes=["X", 5, "", "X" * 41, None])).refused(
        400, "1117", *(f"{CODES}[{index}]" for index in (1, 2, 3, 4))
    )
    (await seats.renew(renewalCode=100)).refused(400, "1117", CODE)
    (await seats.patch({"autoRenewal": []})).refused(400, "1117", "autoRenewal")
    (await seats.patch({"autoRenewal": "on"})).refused(400, "1117", "autoRenewal")
    (await seats.patch(content=b"[]")).refused(400, "400")
    assert await seats.settings() == {"enabled": True, "renewalQuantity": 10}


@pytest.mark.proves("1117", "5125")
async def test_query_parameters_of_an_update(world: World) -> None:
    seats = await held(world)
    flex, renewal = "reset-flex-discount-codes", "reset-renewal-code"
    (await seats.renew({flex: "yes", renewal: "1"}, enabled=True)).refused(
        400, "1117", flex, renewal
    )
    (await seats.renew({flex: "maybe"}, enabled=5)).refused(400, "1117", ENABLED, flex)
    (await seats.renew({flex: "true"}, flexDiscountCodes=["X"])).refused(400, "1117", CODES)
    (await seats.renew({renewal: "true"}, renewalCode="MOQ_100")).refused(400, "5125", CODE)
    (await seats.renew({renewal: "true", "unknown": "1"}, renewalQuantity=3)).ok(200)
    (await seats.renew({flex: "true"}, flexDiscountCodes=[])).ok(200)
    assert await seats.settings() == {"enabled": True, "renewalQuantity": 3}


@pytest.mark.proves("1119", "1121", "1122")
async def test_the_order_of_the_form_checks(world: World) -> None:
    seats = await held(world)
    (await seats.renew(enabled=False)).ok(200)
    bad: Body = {"autoRenewal": {"renewalQuantity": "x"}, "status": "1004", "foo": 1}
    (await seats.patch(bad)).refused(400, "1121", "foo")
    del bad["foo"]
    (await seats.patch(bad)).refused(400, "1119", "status")
    del bad["status"]
    (await seats.patch(bad)).refused(400, "1122", ENABLED)
    bad["autoRenewal"]["enabled"] = True
    (await seats.patch(bad)).refused(400, "1117", QUANTITY)


@pytest.mark.proves("1119")
async def test_what_was_read_may_be_sent_back(world: World) -> None:
    seats = await held(world)
    (await seats.renew(flexDiscountCodes=["SUMMER_SALE_12"], renewalQuantity=5)).ok(200)
    read = (await seats.state()).body
    answer = (await seats.patch({**read, "deploymentId": None})).ok(200)
    assert answer.body == read
    for name in read:
        if name != "autoRenewal":
            (await seats.patch({**read, name: "other"})).refused(400, "1119", name)
    strangers = {"renewedQuantity": 0, "allowedActions": [], "deploymentId": "1450043516"}
    (await seats.patch({**read, **strangers})).refused(
        400, "1119", "renewedQuantity", "allowedActions", "deploymentId"
    )


@pytest.mark.proves("3115")
async def test_unknown_subscriptions_come_first(world: World, new_world: MakeWorld) -> None:
    seats = await held(world)
    other = await held(await new_world())
    own = await held(world)
    stranger = seats.path.rsplit("/", 1)[0]
    for path in (
        other.path,
        f"{stranger}/{own.path.rsplit('/', 1)[1]}",
        f"{stranger}/{'f' * 30}NA",
        f"{stranger}/x",
        seats.path.replace(seats.customer, "1999999999"),
    ):
        (await world.patch(path, {"foo": 1})).refused(404, "3115")
        (await world.patch(path, content=b"{")).refused(404, "3115")


@pytest.mark.proves("subscriptions.md 12", "3116")
async def test_the_limits_of_a_renewal_quantity(world: World) -> None:
    team = await held(world)
    for quantity in (0, -1, 10_001, 10**30):
        (await team.renew(enabled=True, renewalQuantity=quantity)).refused(400, "3116", QUANTITY)
        (await team.renew(renewalQuantity=quantity)).refused(400, "3116", QUANTITY)
    answer = (await team.renew(enabled=True, renewalQuantity=10_000)).ok(200)
    assert answer["autoRenewal"] == {"enabled": True, "renewalQuantity": 10_000}
    assert (await team.state()).body == answer.body
    enterprise = await held(world, ENTERPRISE)
    (await enterprise.renew(enabled=True, renewalQuantity=200_000)).ok(200)
    (await enterprise.renew(enabled=True, renewalQuantity=200_001)).refused(400, "3116", QUANTITY)


@pytest.mark.proves("subscriptions.md 13", "subscriptions.md 14")
async def test_switching_off_and_on(world: World) -> None:
    seats = await held(world)
    (await seats.renew(enabled=True, renewalQuantity=4)).ok(200)
    for ignored in ({}, {"renewalQuantity": 0}, {"renewalQuantity": None}):
        off = (await seats.renew(enabled=False, **ignored)).ok(200)
        assert off["autoRenewal"] == {"enabled": False, "renewalQuantity": 4}
    halves: list[Body] = [{"renewalQuantity": 5}, {"renewalQuantity": None}]
    for alone in (*halves, {"flexDiscountCodes": []}):
        (await seats.renew(**alone)).refused(400, "1122", ENABLED)
    await seats.buy(2)
    assert await seats.settings() == {"enabled": False, "renewalQuantity": 4}
    on = (await seats.renew(enabled=True)).ok(200)
    assert on["autoRenewal"] == {"enabled": True, "renewalQuantity": 12}


@pytest.mark.proves("subscriptions.md 15", "subscriptions.md 17", "subscriptions.md 18", "2147")
async def test_discount_codes(world: World) -> None:
    seats = await held(world)
    (await seats.renew(renewalQuantity=5)).ok(200)
    chosen = (await seats.renew(enabled=True, flexDiscountCodes=["SUMMER_SALE_12"])).ok(200)
    expected = {"enabled": True, "renewalQuantity": 5, "flexDiscountCodes": ["SUMMER_SALE_12"]}
    assert chosen["autoRenewal"] == await seats.settings() == expected
    reset = (await seats.patch(params={"reset-flex-discount-codes": "true"})).ok(200)
    assert reset["autoRenewal"] == {"enabled": True, "renewalQuantity": 5}
    # Nobody looks whether a code exists.
    assert (await seats.renew(flexDiscountCodes=["NOPE"])).ok(200)["autoRenewal"] == {
        "enabled": True, "renewalQuantity": 5, "flexDiscountCodes": ["NOPE"],
    }  # fmt: skip
    (await seats.renew(flexDiscountCodes=["A", "B"])).refused(400, "2147", CODES)
    assert (
        "flexDiscountCodes" not in (await seats.renew(flexDiscountCodes=[])).ok(200)["autoRenewal"]
    )
    (await seats.renew(enabled=False)).ok(200)
    (await seats.renew(flexDiscountCodes=["NOPE"])).refused(400, "1122", ENABLED)
    (await seats.renew(enabled=False, flexDiscountCodes=["A", "B"])).refused(400, "2147", CODES)
    (await seats.patch(params={"reset-flex-discount-codes": "true"})).ok(200)


@pytest.mark.proves("subscriptions.md 3", "subscriptions.md 4", "subscriptions.md 16")
async def test_all_seats_follow_orders_and_a_number_does_not(world: World) -> None:
    seats = await held(world)
    (await seats.renew(renewalQuantity=5)).ok(200)
    placed = await seats.buy(5)
    assert await seats.settings() == {"enabled": True, "renewalQuantity": 5}
    (await world.give_back(seats.customer, placed)).ok()
    assert await seats.settings() == {"enabled": True, "renewalQuantity": 5}
    every = (await seats.renew(renewalQuantity=None)).ok(200)
    assert every["autoRenewal"] == {"enabled": True, "renewalQuantity": 10}
    await seats.buy(3)
    assert await seats.settings() == {"enabled": True, "renewalQuantity": 13}


@pytest.mark.proves("subscriptions.md 19", "3119")
async def test_nothing_of_an_inactive_subscription_changes(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, line(A, 10))).ok()
    (found,) = await world.seats(customer)
    seats = Held(world, customer, found)
    (await world.give_back(customer, placed)).ok()
    (await seats.renew(enabled=True)).refused(400, "3119")
    (await seats.patch(params={"reset-renewal-code": "true"})).refused(400, "3119")
    (await seats.patch({"status": "1000", "autoRenewal": {"enabled": True}})).refused(
        400, "1119", "status"
    )


@pytest.mark.proves("3119")
async def test_a_reserved_subscription_is_not_editable(world: World) -> None:
    seats = await held(world)
    control = seats.path.replace("/v3/", "/sandbox/")
    (await world.patch(control, {"status": "1002"})).ok(200)
    (await seats.renew(enabled=False)).refused(400, "3119")
    (await world.patch(control, {"status": "1000"})).ok(200)
    (await seats.renew(enabled=False)).ok(200)


@pytest.mark.proves("subscriptions.md 35", "3123")
async def test_an_ended_product_gets_no_more_seats(world: World) -> None:
    seats = await held(world, X)
    (await seats.renew(renewalQuantity=11)).refused(400, "3123")
    (await seats.renew(renewalQuantity=4)).ok(200)
    (await seats.renew(renewalQuantity=5)).refused(400, "3123")
    (await seats.renew(enabled=False)).ok(200)
    (await seats.renew(enabled=True)).refused(400, "3123")


@pytest.mark.proves("3120")
async def test_a_one_time_product_is_not_turned_on(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line(A), line(STARTER, 1, 2))).ok()
    found = {one["offerId"]: one for one in await world.seats(customer)}
    seats = Held(world, customer, found[STARTER])
    (await seats.renew(enabled=True)).refused(400, "3120", "Reason: NOT_RENEWABLE")
    (await seats.renew(enabled=False)).ok(200)


@pytest.mark.proves("subscriptions.md 44", "5123", "5125", "5127", "5128")
async def test_renewal_codes_are_judged(world: World) -> None:
    pro = await held(world, PRO, 5)
    (await pro.renew(renewalCode="MOQ_100", enabled=False)).refused(400, "5125", CODE)
    (await pro.renew(renewalCode="MOQ_300")).refused(400, "5123", CODE)
    (await pro.renew(renewalCode="MOQ_100", renewalQuantity=100)).refused(400, "5127", CODE)
    folio = await held(world)
    (await folio.renew(renewalCode="MOQ_100")).refused(400, "5125", CODE)
    await world.at("2026-06-30T12:00:00Z")
    (await pro.renew(renewalCode="MOQ_100", renewalQuantity=100)).refused(400, "5128", CODE)
    (await pro.renew(enabled=False)).ok(200)
    (await pro.renew(renewalCode="MOQ_100")).refused(400, "1122", ENABLED)
    (await pro.patch({}, {"reset-renewal-code": "true"})).ok(200)
    assert await pro.settings() == {"enabled": False, "renewalQuantity": 5}


async def test_the_reduced_answer_of_a_quirk(world: World) -> None:
    seats = await held(world)
    full = (await seats.renew(renewalQuantity=3)).ok(200)
    assert full.body == (await seats.state()).body
    await world.set(quirks=["reduced_subscription_patch_response"])
    reduced = (await seats.renew(renewalQuantity=3)).ok(200)
    left_out = {"offerId", "usedQuantity"}
    assert reduced.body == {k: v for k, v in full.body.items() if k not in left_out}
    assert (await seats.state()).body == full.body


async def test_a_deployment_is_shown(world: World) -> None:
    customer = await world.customer(top={"globalSalesEnabled": True})
    deployment = await world.deployment(customer)
    there: Body = {"currencyCode": "EUR", "deploymentId": deployment}
    (await world.order(customer, line(A, 2, **there), currencyCode=None)).ok()
    (found,) = await world.seats(customer)
    seats = Held(world, customer, found)
    answer = (await seats.renew(renewalQuantity=1)).ok(200)
    assert (answer["deploymentId"], answer["currencyCode"]) == (deployment, "EUR")


async def test_a_repeated_update_takes_effect_once(world: World) -> None:
    seats = await held(world)
    key = unique("correlation")
    first = (await seats.patch({"autoRenewal": {"renewalQuantity": 3}}, correlation_id=key)).ok(200)
    (await seats.renew(renewalQuantity=4)).ok(200)
    again = await seats.patch({"autoRenewal": {"renewalQuantity": 5}}, correlation_id=key)
    assert (again.status, again.content) == (200, first.content)
    assert again.headers["Seatledger-Replayed"] == "true"
    assert again.headers["Seatledger-Mismatch"] == "body"
    assert (await seats.settings())["renewalQuantity"] == 4
    bad = unique("correlation")
    refused = await seats.patch({"foo": 1}, correlation_id=bad)
    repeated = await seats.patch({"autoRenewal": {"enabled": True}}, correlation_id=bad)
    assert (repeated.status, repeated.content) == (400, refused.content)


@pytest.mark.proves("subscriptions.md 50")
@pytest.mark.parametrize("settlement", ["immediate", "manual"])
async def test_an_order_and_an_update_at_once_both_take_effect(
    world: World, settlement: str
) -> None:
    seats = await held(world)
    await world.settlement(settlement)

    async def order() -> None:
        (await world.order(seats.customer, line(A, 5))).ok()
        if settlement == "manual":
            await world.settle()

    async def update(quantity: int | None) -> None:
        (await seats.renew(renewalQuantity=quantity)).ok(200)

    for turn, quantity in enumerate((3, None, 7, None, 9), start=1):
        await asyncio.gather(order(), update(quantity))
        state = await seats.state()
        assert state["currentQuantity"] == 10 + 5 * turn
        expected = state["currentQuantity"] if quantity is None else quantity
        assert state["autoRenewal"] == {"enabled": True, "renewalQuantity": expected}
