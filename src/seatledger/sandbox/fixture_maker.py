"""Makes accounts and orders the way a caller would, and settles them (sandbox.md 2)."""

import secrets
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec

from seatledger.contract.statuses import ACTIVE, PENDING
from seatledger.contract.walker import FieldFaults
from seatledger.domain.benefits import Minimum
from seatledger.domain.catalog import Offer
from seatledger.domain.model import Customer, Order
from seatledger.domain.orders.request import OrderRequest, RequestLine
from seatledger.domain.outcome import Refused
from seatledger.engine import customers, deployments, render, resellers
from seatledger.engine.agenda import run_agenda
from seatledger.engine.bodies import Body
from seatledger.engine.calls import Answer, Call
from seatledger.engine.claims import Scope
from seatledger.engine.context import Engine
from seatledger.engine.judging import OrderCall
from seatledger.engine.world import World
from seatledger.engine.writes import in_turn
from seatledger.sandbox import edits, order_edits
from seatledger.sandbox.commitments import change_commit, enroll_now
from seatledger.sandbox.control import Conflict, Refusal
from seatledger.sandbox.edit_bodies import (
    AutoRenewalEdit,
    CustomerEdit,
    OrderEdit,
    OrderStatus,
    ResellerEdit,
    SubscriptionEdit,
)
from seatledger.sandbox.market import Market, home_market, market_of
from seatledger.store import accounts, history

_EMPTIED = "the world was emptied meanwhile"


class Maker:
    """Makes one set: at most one reseller and one customer, and what belongs to them."""

    def __init__(self, engine: Engine, world: World) -> None:
        self.world = world
        self._engine = engine
        self._reseller_id: str | None = None
        self._customer_id: str | None = None

    @classmethod
    async def begin(
        cls, engine: Engine, world: World, reseller_id: str | None, customer_id: str | None
    ) -> "Maker":
        """A maker that uses the given accounts; Refusal (1115, 1116) for unknown ones."""
        maker = cls(engine, world)
        async with engine.pool.acquire() as connection:
            if customer_id is not None:
                held = await accounts.customer(connection, world.partner_id, customer_id)
                if held is None:
                    raise Refusal(Refused("1116"))
                reseller_id = held.reseller_id
            elif reseller_id is not None and not await accounts.reseller(
                connection, world.partner_id, reseller_id
            ):
                raise Refusal(Refused("1115"))
        maker._reseller_id, maker._customer_id = reseller_id, customer_id
        return maker

    def now(self) -> datetime:
        """The business instant of the world."""
        return self._engine.worlds.now(self.world)

    async def reseller(self) -> str:
        """The set's reseller."""
        if self._reseller_id is None:
            market = self._first_market()
            segments = list(self.world.partner.market_segments)
            body = {
                "distributorId": self.world.partner_id,
                "companyProfile": _profile("Reseller", market.address, marketSegments=segments),
            }
            made = await self._perform("/v3/resellers", body, resellers.create)
            self._reseller_id = made["resellerId"]
            active = ResellerEdit(status=ACTIVE)
            await edits.edit_reseller(self._engine, self.world, self._reseller_id, active)
        return self._reseller_id

    async def customer(
        self, market: Market | None = None, *, global_sales: bool = False
    ) -> Customer:
        """The set's customer, made in a market (the first there is) unless it was given."""
        if self._customer_id is None:
            market = market or self._first_market()
            body = {
                "resellerId": await self.reseller(),
                "companyProfile": _profile(
                    "Customer", market.address, marketSegment=market.segment
                ),
                "globalSalesEnabled": global_sales,
            }
            made = await self._perform("/v3/customers", body, customers.create)
            self._customer_id = made["customerId"]
            await self.edit_customer(CustomerEdit(status=ACTIVE))
        elif global_sales:
            await self.edit_customer(CustomerEdit(global_sales_enabled=True))
        return await self._held()

    async def market(self) -> Market:
        """The market of the set's customer."""
        held = await self.customer()
        sub_segments = tuple(held.sub_segments)
        address = held.profile["address"]
        return market_of(self.world, self.now(), held.segment, sub_segments, address)

    async def deployment(self, market: Market) -> str:
        """A deployment of the customer in a market."""
        customer_id = (await self.customer()).customer_id
        ids = self._engine.ids
        body = Body({"companyProfile": {"address": market.address}}, FieldFaults())
        path = f"/v3/customers/{customer_id}/deployments"
        made = await self._engine.writes.perform(
            self._call(path, body.raw),
            lambda scene: deployments.create(scene, customer_id, body, ids),
        )
        deployment_id: str = _made(made)["deploymentId"]
        return deployment_id

    async def order(
        self,
        market: Market,
        offer: Offer,
        quantity: int,
        *,
        deployment_id: str = "",
        discount_code: str = "",
        status: OrderStatus = ACTIVE,
    ) -> str:
        """A NEW order of one line that has ended in a status; gives its id.

        It has `quantity` seats, or what the offer asks for at least.
        """
        line = RequestLine(
            1,
            offer.offer_id,
            max(quantity, offer.minimum_purchase),
            market.currency,
            deployment_id=deployment_id,
            discount_code=discount_code,
        )
        return await self._place(OrderRequest("NEW", (line,)), status)

    async def give_back(self, order_id: str) -> None:
        """A RETURN of an order, settled."""
        original = await self._order(order_id)
        lines = tuple(RequestLine(one.number, one.offer_id, one.quantity) for one in original.lines)
        await self._place(OrderRequest("RETURN", lines, reference_order_id=order_id), ACTIVE)

    async def edit_order(self, order_id: str, wanted: OrderEdit) -> None:
        """A direct edit of an order of the customer."""
        customer_id = (await self.customer()).customer_id
        await order_edits.edit_order(self._engine, self.world, customer_id, order_id, wanted)

    async def edit_customer(self, wanted: CustomerEdit) -> None:
        """A direct edit of the customer."""
        assert self._customer_id is not None
        await edits.edit_customer(self._engine, self.world, self._customer_id, wanted)

    async def stop_renewal(self, subscription_id: str) -> None:
        """A subscription of the customer switched off for its anniversary."""
        customer_id = (await self.customer()).customer_id
        wanted = SubscriptionEdit(auto_renewal=AutoRenewalEdit(enabled=False))
        await edits.edit_subscription(
            self._engine, self.world, customer_id, subscription_id, wanted
        )

    async def run_what_is_due(self) -> None:
        """What has come due for the customer by now happens, unless the worker was first."""
        scope = Scope([(await self.customer()).customer_id], wait=True)
        world, ids, now = self.world, self._engine.ids, self.now()
        await in_turn(
            self._engine.pool, lambda connection: run_agenda(connection, world, ids, now, scope)
        )

    async def commit(self, *minimums: Minimum) -> None:
        """A three-year commit of the customer, from its own side."""
        assert self._customer_id is not None
        await change_commit(
            self._engine,
            self.world,
            self._customer_id,
            lambda account, catalog, now: enroll_now(account, catalog, minimums, now),
        )

    async def ids(self, order_ids: list[str]) -> dict[str, Any]:
        """What a set answers: its accounts, orders and the subscriptions those filled."""
        held = await self.customer()
        lines = [line for one in order_ids for line in (await self._order(one)).lines]
        return {
            "resellerId": held.reseller_id,
            "customerId": held.customer_id,
            "orderIds": order_ids,
            "subscriptionIds": list(
                dict.fromkeys(line.subscription_id for line in lines if line.subscription_id)
            ),
        }

    def _first_market(self) -> Market:
        segments = self.world.partner.market_segments
        return home_market(self.world, self.now(), "COM" if "COM" in segments else segments[0])

    async def _held(self) -> Customer:
        assert self._customer_id is not None
        async with self._engine.pool.acquire() as connection:
            held = await accounts.customer(connection, self.world.partner_id, self._customer_id)
        if held is None:
            raise Conflict(_EMPTIED)
        return held

    async def _order(self, order_id: str) -> Order:
        customer_id = (await self.customer()).customer_id
        async with self._engine.pool.acquire() as connection:
            found = await history.order(connection, self.world.partner_id, customer_id, order_id)
        if found is None:
            raise Conflict(_EMPTIED)
        return found

    async def _place(self, request: OrderRequest, status: OrderStatus) -> str:
        """Place an order that is to end in a status, and see that it has."""
        customer_id = (await self.customer()).customer_id
        injected = None if status == ACTIVE else status
        call = self._call(
            f"/v3/customers/{customer_id}/orders", msgspec.to_builtins(request), injected
        )
        answer = await self._engine.orders.place(
            OrderCall(call, customer_id, lambda _: (request.order_type, request))
        )
        order_id: str = _made(answer)["orderId"]
        if (await self._order(order_id)).status == PENDING:
            await self.edit_order(order_id, OrderEdit(status=status))
        return order_id

    async def _perform(self, path: str, raw: dict[str, Any], create: Any) -> Any:
        body = Body(raw, FieldFaults())
        ids = self._engine.ids
        made = await self._engine.writes.perform(
            self._call(path, raw), lambda scene: create(scene, body, ids)
        )
        return _made(made)

    def _call(self, path: str, raw: Any, injected_status: str | None = None) -> Call:
        return Call(
            partner_id=self.world.partner_id,
            method="POST",
            path=path,
            query=b"",
            correlation_id=str(uuid4()),
            own_request_id="",
            body=render.encode(raw),
            injected_status=injected_status,
        )


def _made(answer: Answer) -> Any:
    """The resource of an answer; Conflict when the world refuses it."""
    body = msgspec.json.decode(answer.body)
    if answer.http_status >= 300:
        details = ", ".join(body.get("additionalDetails", ()))
        raise Conflict(f"this world refuses the set: {body['code']} {body['message']} {details}")
    return body


def _profile(kind: str, address: dict[str, str], **more: Any) -> dict[str, Any]:
    """A company profile nobody else has: names and contacts tell accounts apart."""
    mark = secrets.token_hex(4)
    return {
        "companyName": f"Fixture {kind} {mark}",
        "preferredLanguage": "en-US",
        "address": address,
        "contacts": [
            {
                "firstName": "Ada",
                "lastName": "Fixture",
                "email": f"{kind.lower()}.{mark}@example.com",
            }
        ],
        **more,
    }
