"""Clients of a world that live a mixed life for as long as they are let, on one connection each."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from time import perf_counter
from typing import Any

from tests.fuzz.storm import Answer, read
from tests.harness import World, line, order, profile, unique

OFFERS = ("80004567EA01A12", "11073058CA01A12", "65304479CA01A12")
CALLS_OF_A_CUSTOMER = 60  # then the client takes a new one, and time goes on for the old
_SHARES = {"NEW": 35, "PREVIEW": 20, "history": 15, "RETURN": 10, "settings": 10, "seats": 10}
_PENDING = "1002"
_AGAIN_SECONDS = 0.02
_WINDOW_IS_OVER = "2117"  # the world's clock may leap between an order and its return


@dataclass
class Account:
    """What all clients together have done: calls by kind, and latencies since the last look."""

    calls: Counter[str] = field(default_factory=Counter)
    repeated: int = 0  # 503s
    orders: list[float] = field(default_factory=list)  # seconds
    others: list[float] = field(default_factory=list)

    def drain(self) -> tuple[list[float], list[float]]:
        """Latencies of orders and of other calls since the last look, sorted."""
        drained = sorted(self.orders), sorted(self.others)
        self.orders, self.others = [], []
        return drained


class Client:
    """One client: customers, their orders, previews, returns, histories and renewal settings."""

    def __init__(self, world: World, account: Account, random: Random) -> None:
        self._world = world
        self._account = account
        self._random = random
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, over: asyncio.Event) -> None:
        """Live until it is over."""
        reseller = await self._world.reseller()
        try:
            while not over.is_set():
                made = await self._call(
                    "customer",
                    "POST",
                    "/v3/customers",
                    {"resellerId": reseller, "companyProfile": profile()},
                )
                await self._serve(f"/v3/customers/{made['customerId']}", over)
        finally:
            if self._streams is not None:
                self._streams[1].close()

    async def _serve(self, customer: str, over: asyncio.Event) -> None:
        kept = await self._fulfilled(customer, await self._buy(customer))
        first = f"{customer}/subscriptions/{kept['lineItems'][0]['subscriptionId']}"
        bought = await self._buy(customer)
        for what in self._random.choices(
            list(_SHARES), list(_SHARES.values()), k=CALLS_OF_A_CUSTOMER
        ):
            if over.is_set():
                return
            if what == "NEW":
                bought = await self._buy(customer)
            elif what == "RETURN":
                await self._give_back(customer, bought)
                bought = await self._buy(customer)
            elif what == "PREVIEW":
                path = f"{customer}/orders?fetch-price=true"
                await self._call(what, "POST", path, self._basket("PREVIEW"))
            elif what == "settings":
                renewal = {"enabled": True, "renewalQuantity": self._random.randint(1, 99)}
                await self._call(what, "PATCH", first, {"autoRenewal": renewal})
            elif what == "history":
                await self._call(what, "GET", f"{customer}/orders?limit=25")
            else:
                await self._call(what, "GET", f"{customer}/subscriptions")

    def _basket(self, order_type: str) -> dict[str, Any]:
        offers = OFFERS[: self._random.randint(1, len(OFFERS))]
        lines = [line(offer, self._random.randint(1, 5), n + 1) for n, offer in enumerate(offers)]
        return order(*lines, orderType=order_type)

    async def _buy(self, customer: str) -> dict[str, Any]:
        return await self._call("NEW", "POST", f"{customer}/orders", self._basket("NEW"))

    async def _fulfilled(self, customer: str, bought: dict[str, Any]) -> dict[str, Any]:
        """The order once it is, asked for as clients do: again and again."""
        path = f"{customer}/orders/{bought['orderId']}"
        while (found := await self._call("order", "GET", path))["status"] == _PENDING:
            await asyncio.sleep(_AGAIN_SECONDS)
        return found

    async def _give_back(self, customer: str, bought: dict[str, Any]) -> None:
        await self._fulfilled(customer, bought)
        lines = [
            {key: one[key] for key in ("extLineItemNumber", "offerId", "quantity")}
            for one in bought["lineItems"]
        ]
        body = order(*lines, orderType="RETURN", referenceOrderId=bought["orderId"])
        await self._call("RETURN", "POST", f"{customer}/orders", body)

    async def _call(self, kind: str, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Call until the answer is no 503; gives the body of a success.

        A correlation id of 15 digits of its own: real ones are as long.
        """
        request = self._request(method, path, b"" if body is None else json.dumps(body).encode())
        began = perf_counter()
        while (answer := await self._exchange(method, request)).status == 503:
            self._account.repeated += 1
        latencies = self._account.orders if kind in ("NEW", "RETURN") else self._account.others
        latencies.append(perf_counter() - began)
        self._account.calls[kind] += 1
        given: dict[str, Any] = json.loads(answer.body)
        is_late = kind == "RETURN" and given.get("code") == _WINDOW_IS_OVER
        assert answer.status < 300 or is_late, f"{method} {path}: {answer}"
        return given

    def _request(self, method: str, path: str, body: bytes) -> bytes:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: soak\r\nX-Api-Key: {self._world.client_id}\r\n"
            f"Authorization: Bearer {self._world.token}\r\nAccept: application/json\r\n"
            f"X-Correlation-Id: {unique('soak')}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def _exchange(self, method: str, request: bytes) -> Answer:
        if self._streams is None:
            place = self._world.client.base_url
            self._streams = await asyncio.open_connection(place.host, place.port, limit=2**22)
        reader, writer = self._streams
        writer.write(request)
        answer = await read(reader, method)
        assert answer is not None, "the connection was closed"
        return answer
