"""Orders as Medusa's storefront places them: a cart, its payment, and its completion."""

import asyncio
from time import perf_counter
from typing import Any

import httpx
from msgspec import Struct

from bench.accounts import CallError, sound
from bench.load import Load

_PATIENCE_SECONDS = 120


class Facts(Struct, frozen=True):
    """What `medusa/seed.js` tells: the shop's key, its region, the variant it sells."""

    key: str
    region: str
    variant: str


class Carts:
    """A shop's front end; four calls make an order, with a payment that always succeeds."""

    def __init__(self, address: str, facts: Facts) -> None:
        self._address = address
        self._facts = facts

    async def send(self, connections: int, seconds: float) -> Load:
        """Keep `connections` busy with orders for `seconds`; CallError when one is refused."""
        headers = {"x-publishable-api-key": self._facts.key}
        latencies: list[float] = []
        began = perf_counter()
        async with httpx.AsyncClient(
            base_url=self._address, headers=headers, timeout=_PATIENCE_SECONDS
        ) as http:

            async def buy(email: str) -> None:
                while (start := perf_counter()) < began + seconds:
                    await self._order(http, email)
                    latencies.append(perf_counter() - start)

            await asyncio.gather(*(buy(f"c{n}@example.com") for n in range(connections)))
        took = perf_counter() - began
        return Load(len(latencies), len(latencies), took, latencies, 0)

    async def _order(self, http: httpx.AsyncClient, email: str) -> None:
        async def post(path: str, body: dict[str, Any]) -> Any:
            return sound(await http.post(path, json=body))

        items = [{"variant_id": self._facts.variant, "quantity": 1}]
        wanted = {"region_id": self._facts.region, "email": email, "items": items}
        cart = (await post("/store/carts", wanted))["cart"]["id"]
        payment = await post("/store/payment-collections", {"cart_id": cart})
        path = f"/store/payment-collections/{payment['payment_collection']['id']}/payment-sessions"
        await post(path, {"provider_id": "pp_system_default"})
        done = await post(f"/store/carts/{cart}/complete", {})
        if done["type"] != "order":
            raise CallError(f"the cart did not become an order: {done}")
