"""Random histories of a world: every invariant holds, and seats are what a naive model says."""

from bisect import bisect
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.accounts import changed, customer_body
from tests.conftest import MakeWorld
from tests.harness import Reply, World, unique
from tests.oracle import PACK, Buyer, Line, Model, Placed

pytestmark = pytest.mark.anyio

START = "2025-07-07T18:00:00Z"
FOLIO, ALL_APPS, TEMPO, SIGN = (
    "65304479CA01A12", "11073058CA01A12", "65304600CA01A12", "65322435CAT1A12",
)  # fmt: skip
# What can be bought, and in which currency: EUR goes to the deployment in Germany.
GOODS = [
    (FOLIO, "USD"), (FOLIO, "EUR"), (ALL_APPS, "USD"), (TEMPO, "USD"), (SIGN, "USD"), (PACK, "USD"),
]  # fmt: skip
LICENCE_FLOORS, CONSUMABLES_FLOORS = (1, 10, 50, 100), (1, 1_000, 2_500, 5_000)

Sold = tuple[tuple[str, str], int]


@dataclass(frozen=True)
class Create:
    """POST a customer with a deployment in Germany."""


@dataclass(frozen=True)
class Buy:
    """NEW; numbers of customers and orders count modulo those there are."""

    customer: int
    lines: tuple[Sold, ...]


@dataclass(frozen=True)
class GiveBack:
    """RETURN of every line whose bit is set, of all if none is."""

    customer: int
    order: int
    lines: int


@dataclass(frozen=True)
class Rename:
    """PATCH of a customer and of one of its orders."""

    customer: int
    order: int


@dataclass(frozen=True)
class Wait:
    """The clock moves by hours."""

    hours: int


@dataclass(frozen=True)
class Mode:
    """Another settlement."""

    name: str
    delay_hours: int


@dataclass(frozen=True)
class Settle:
    """POST /sandbox/settle."""


@dataclass(frozen=True)
class Edit:
    """The control API sets a customer's status."""

    customer: int
    status: str


Step = Create | Buy | GiveBack | Rename | Wait | Mode | Settle | Edit

number = st.integers(0, 3)
sold = st.tuples(st.sampled_from(GOODS), st.sampled_from((1, 2, 3, 9, 10, 49, 50, 100, 2_500)))
buys = st.builds(Buy, number, st.lists(sold, min_size=1, max_size=3).map(tuple))
steps = st.one_of(
    buys,
    buys,
    st.builds(GiveBack, number, number, st.integers(0, 7)),
    st.builds(Rename, number, number),
    st.builds(Wait, st.sampled_from((0, 1, 23, 24, 14 * 24, 15 * 24))),
    st.builds(Mode, st.sampled_from(("immediate", "manual", "delay")), st.sampled_from((0, 1, 30))),
    st.builds(Settle),
    st.builds(Edit, number, st.sampled_from(("1000", "1004", "1010", "1012", "1014"))),
    st.builds(Create),
)


class Game:
    """A world and its model, side by side."""

    def __init__(self, world: World, reseller: str) -> None:
        self.world = world
        self.reseller = reseller
        self.model = Model(datetime.fromisoformat(START))
        self.deployments: dict[str, str] = {}

    async def take(self, step: Step) -> None:
        """One step in both; the answer must be the one the model expects."""
        match step:
            case Create():
                await self._create()
            case Buy():
                await self._buy(*self._buyer(step.customer), step.lines)
            case GiveBack():
                customer, buyer = self._buyer(step.customer)
                if buyer.orders:
                    original = buyer.orders[step.order % len(buyer.orders)]
                    await self._give_back(customer, buyer, original, step.lines)
            case Rename():
                await self._rename(*self._buyer(step.customer), step.order)
            case Wait():
                target = self.model.now + timedelta(hours=step.hours)
                await self.world.at(target.strftime("%Y-%m-%dT%H:%M:%SZ"))
                self.model.advance(target)
            case Mode():
                delay = timedelta(hours=step.delay_hours)
                seconds = int(delay.total_seconds())
                await self.world.settlement(step.name, delaySeconds=seconds)
                self.model.set_mode(step.name, delay)
            case Settle():
                assert (await self.world.settle())["remaining"] == 0
                self.model.settle()
            case Edit():
                customer, buyer = self._buyer(step.customer)
                path = f"/sandbox/customers/{customer}"
                (await self.world.patch(path, {"status": step.status})).ok(200)
                self.model.set_status(buyer, step.status)

    def _buyer(self, index: int) -> tuple[str, Buyer]:
        known = list(self.model.buyers.items())
        return known[index % len(known)]

    async def _create(self) -> None:
        body = customer_body(self.reseller, top={"globalSalesEnabled": True})
        customer = str((await self.world.post("/v3/customers", body)).ok()["customerId"])
        self.deployments[customer] = await self.world.deployment(customer)
        self.model.add_buyer(customer)

    async def _buy(self, customer: str, buyer: Buyer, wanted: tuple[Sold, ...]) -> None:
        lines = [
            Line(index, offer, currency, quantity)
            for index, ((offer, currency), quantity) in enumerate(wanted, start=1)
        ]
        sent = [self._sent(customer, line) for line in lines]
        placed = (await self.world.order(customer, *sent, currencyCode=None)).ok()
        self.model.add_order(buyer, placed["orderId"], lines)

    def _sent(self, customer: str, line: Line) -> dict[str, Any]:
        there = {"deploymentId": self.deployments[customer]} if line.currency == "EUR" else {}
        return {
            "extLineItemNumber": line.number,
            "offerId": line.offer,
            "quantity": line.quantity,
            "currencyCode": line.currency,
            **there,
        }

    async def _give_back(self, customer: str, buyer: Buyer, original: Placed, bits: int) -> None:
        chosen = [line for n, line in enumerate(original.lines) if bits >> n & 1]
        chosen = chosen or original.lines
        lines = [Line(one.number, one.offer, one.currency, one.quantity) for one in chosen]
        expected = self.model.refusal_of_return(buyer, original, chosen)
        reply = await self.world.order(
            customer,
            *(self._sent(customer, line) for line in lines),
            orderType="RETURN",
            referenceOrderId=original.order_id,
            currencyCode=None,
        )
        if expected:
            assert (reply.status, reply.code) == (400, expected), reply.body
        else:
            self.model.add_order(buyer, reply.ok()["orderId"], lines, original)

    async def _rename(self, customer: str, buyer: Buyer, order: int) -> None:
        path = f"/v3/customers/{customer}"
        body = {
            **changed(await self.world.read_customer(customer)),
            "externalReferenceId": unique("name"),
        }
        reply = await self.world.patch(path, body)
        if buyer.status in ("1002", "1012"):
            reply.refused(400, "1125")
        else:
            assert reply.ok(200)["externalReferenceId"] == body["externalReferenceId"]
        if buyer.orders:
            order_id = buyer.orders[order % len(buyer.orders)].order_id
            reference = {"externalReferenceId": unique("name")}
            (await self.world.patch(f"{path}/orders/{order_id}", reference)).ok(200)

    async def agree(self) -> None:
        """The world shows what the model has."""
        for customer, buyer in self.model.buyers.items():
            shown = await self.world.read_customer(customer)
            assert shown["status"] == buyer.status
            assert shown["cotermDate"] == (buyer.coterm.isoformat() if buyer.coterm else "")
            assert [one["level"] for one in shown["discounts"]] == _levels(buyer)
            found = await self.world.seats(customer)
            assert sorted(map(_shown, found)) == sorted(
                (one.offer, one.currency, one.quantity, one.renewal.isoformat(), one.status)
                for one in buyer.seats
            )
            ids: dict[int, str] = {}
            for one in buyer.orders:
                read = await self.world.read_order(customer, one.order_id)
                _agree_on_order(read, one, ids)
            assert len(set(ids.values())) == len(ids) == len(buyer.seats)
            assert set(ids.values()) == {one["subscriptionId"] for one in found}


def _levels(buyer: Buyer) -> list[str]:
    licences = max(1, bisect(LICENCE_FLOORS, buyer.licences))
    consumables = max(1, bisect(CONSUMABLES_FLOORS, buyer.consumables))
    return [f"0{licences}", f"T{consumables}"]


def _shown(seats: dict[str, Any]) -> tuple[str, str, int, str, str]:
    assert seats["usedQuantity"] == 0
    renewing = seats["offerId"] != PACK
    expected = {"enabled": renewing, "renewalQuantity": seats["currentQuantity"]}
    assert seats["autoRenewal"] == expected
    return (
        seats["offerId"],
        seats["currencyCode"],
        seats["currentQuantity"],
        seats["renewalDate"],
        seats["status"],
    )


def _agree_on_order(read: Reply, one: Placed, ids: dict[int, str]) -> None:
    """Statuses are equal, and lines of the same seats name the same subscription."""
    assert read["status"] == one.status
    for shown, line in zip(read["lineItems"], one.lines, strict=True):
        assert shown["status"] == line.status
        if line.seats is None:
            assert shown["subscriptionId"] == ""
        else:
            assert shown["subscriptionId"] == ids.setdefault(
                id(line.seats), shown["subscriptionId"]
            )


A_BUY = Buy(0, (((FOLIO, "USD"), 10), ((FOLIO, "EUR"), 3), ((FOLIO, "USD"), 2)))


@given(st.lists(steps, max_size=12))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example([A_BUY, GiveBack(0, 0, 0b101), Wait(1), A_BUY, GiveBack(0, 0, 0b010), GiveBack(0, 0, 1)])
@example([Mode("manual", 0), Create(), Buy(1, A_BUY.lines), Mode("delay", 30), A_BUY, Wait(24),
          GiveBack(0, 0, 0), Wait(24), GiveBack(0, 0, 1), GiveBack(0, 0, 1), Edit(0, "1012"),
          Settle()])  # fmt: skip
@example([Mode("delay", 30), A_BUY, Create(), Mode("immediate", 0), A_BUY, GiveBack(0, 0, 0)])
@example([Mode("delay", 30), A_BUY, Mode("delay", 1), A_BUY, Wait(1), GiveBack(0, 0, 0)])
@example([Mode("delay", 30), A_BUY, Mode("manual", 0), A_BUY, Settle(), GiveBack(0, 0, 0)])
@example([Mode("manual", 0), A_BUY, Edit(0, "1004"), A_BUY, Edit(0, "1000"), Settle(), A_BUY])
async def test_any_history_agrees_with_the_model(new_world: MakeWorld, history: list[Step]) -> None:
    world = await new_world()
    game = Game(world, await world.reseller())
    for step in [Create(), *history]:
        await game.take(step)
        await game.agree()
    await game.take(Settle())
    await game.take(Wait(31))
    await game.agree()
    await world.is_sound()
