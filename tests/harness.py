"""What whole-system tests work with: a server, a world of their own, and short ways to call it."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

import httpx

_NUMBERS = count(1)

SELLER = {
    "regions": ["NA", "WE", "JP"],
    "currencies": {"NA": ["USD"], "WE": ["EUR", "GBP"], "JP": ["JPY"]},
    "marketSegments": ["COM", "EDU", "GOV"],
    "globalSalesEnabled": True,
}
US_ADDRESS = {
    "country": "US",
    "region": "CA",
    "city": "San Jose",
    "addressLine1": "200 Fairmont Ave",
    "postalCode": "95110-1234",
}


def unique(prefix: str = "test") -> str:
    """A name nobody else in this process has used."""
    return f"{prefix}-{next(_NUMBERS)}"


def profile(**changes: Any) -> dict[str, Any]:
    """A valid company profile with a name and contact of its own."""
    name = unique("Company")
    return {
        "companyName": name,
        "preferredLanguage": "en-US",
        "address": dict(US_ADDRESS),
        "contacts": [
            {"firstName": "Ann", "lastName": "Lee", "email": f"{name.lower()}@example.com"}
        ],
        **changes,
    }


def line(offer_id: str, quantity: int = 1, number: int = 1, **more: Any) -> dict[str, Any]:
    """A requested line."""
    return {"extLineItemNumber": number, "offerId": offer_id, "quantity": quantity, **more}


def order(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A NEW order in USD unless told otherwise."""
    return {"orderType": "NEW", "currencyCode": "USD", "lineItems": list(lines), **more}


@dataclass
class Reply:
    """An answer: numbers with a fraction are decimals."""

    status: int
    body: Any
    headers: httpx.Headers
    content: bytes

    @property
    def code(self) -> str:
        """The error code."""
        assert isinstance(self.body, dict), self.content
        return str(self.body.get("code", ""))

    @property
    def details(self) -> list[str]:
        """additionalDetails."""
        found: list[str] = self.body["additionalDetails"]
        return found

    def __getitem__(self, key: Any) -> Any:
        return self.body[key]

    def refused(self, status: int, code: str, *details: str) -> None:
        """Assert a refusal with exactly these details."""
        assert (self.status, self.code, self.details) == (status, code, list(details)), self.body

    def ok(self, status: int = 201) -> "Reply":
        """Assert success."""
        assert self.status == status, (self.status, self.body)
        return self


@dataclass
class World:
    """A partner of its own on the server under test: keys, clock, and calls in its name."""

    client: httpx.AsyncClient
    distributor_id: str
    client_id: str
    secret: str
    token: str = ""
    defaults: dict[str, str] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str | None] | None = None,
        params: Any = None,
        content: bytes | None = None,
        correlation_id: str | None = None,
    ) -> Reply:
        """Call any path with the world's keys; a header of None is left out."""
        sent: dict[str, str | None] = {
            "X-Api-Key": self.client_id,
            "Authorization": f"Bearer {self.token}",
            "X-Correlation-Id": correlation_id or unique("correlation"),
            "Accept": "application/json",
        }
        if body is not None or content is not None:
            sent["Content-Type"] = "application/json"
        sent |= self.defaults
        sent |= headers or {}
        data = content if content is not None else _encoded(body)
        response = await self.client.request(
            method,
            path,
            params=params,
            content=data,
            headers={name: value for name, value in sent.items() if value is not None},
        )
        return Reply(response.status_code, _parsed(response), response.headers, response.content)

    async def get(self, path: str, **more: Any) -> Reply:
        """GET."""
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Reply:
        """POST."""
        return await self.call("POST", path, body, **more)

    async def patch(self, path: str, body: Any = None, **more: Any) -> Reply:
        """PATCH."""
        return await self.call("PATCH", path, body, **more)

    async def put(self, path: str, body: Any = None, **more: Any) -> Reply:
        """PUT."""
        return await self.call("PUT", path, body, **more)

    async def set(self, **changes: Any) -> None:
        """Change the partner: contract fields, flags, quirks."""
        (await self.patch("/sandbox/partner", changes)).ok(200)

    async def at(self, instant: str) -> None:
        """Move the clock forwards to an instant (`2025-07-07T18:00:00Z`)."""
        (await self.post("/sandbox/clock/advance", {"to": instant})).ok(200)

    async def settlement(self, mode: str, **more: Any) -> None:
        """Choose how accepted work settles."""
        (await self.put("/sandbox/settlement", {"mode": mode, **more})).ok(200)

    async def settle(self, **more: Any) -> Reply:
        """Settle what is held."""
        return (await self.post("/sandbox/settle", more)).ok(200)

    async def reseller(self, **changes: Any) -> str:
        """A reseller for every segment of the partner."""
        body = {
            "distributorId": self.distributor_id,
            "companyProfile": profile(marketSegments=["COM", "EDU", "GOV"], **changes),
        }
        made = (await self.post("/v3/resellers", body)).ok()
        return str(made["resellerId"])

    async def customer(self, reseller_id: str | None = None, **changes: Any) -> str:
        """A customer; `changes` lie over its profile, `top` over the body."""
        top = changes.pop("top", {})
        body = {
            "resellerId": reseller_id or await self.reseller(),
            "companyProfile": profile(**changes),
            **top,
        }
        made = (await self.post("/v3/customers", body)).ok()
        return str(made["customerId"])

    async def deployment(self, customer_id: str, country: str = "DE", **changes: Any) -> str:
        """A deployment of a globally enabled customer."""
        places = {
            "DE": {"region": "SN", "city": "Dresden", "postalCode": "01067"},
            "CA": {"region": "ON", "city": "Toronto", "postalCode": "M5V 2T6"},
            "JP": {"region": "13", "city": "Tokyo", "postalCode": "100-0001"},
        }
        address = {"country": country, "addressLine1": "Street 1", **places[country], **changes}
        made = await self.post(
            f"/v3/customers/{customer_id}/deployments", {"companyProfile": {"address": address}}
        )
        return str(made.ok()["deploymentId"])

    async def order(self, customer_id: str, *lines: dict[str, Any], **more: Any) -> Reply:
        """POST a NEW order (or another `orderType`); not asserted."""
        params = more.pop("params", None)
        headers = more.pop("headers", None)
        return await self.post(
            f"/v3/customers/{customer_id}/orders",
            order(*lines, **more),
            params=params,
            headers=headers,
        )

    async def preview(self, customer_id: str, *lines: dict[str, Any], **more: Any) -> Reply:
        """PREVIEW with prices; not asserted."""
        more.setdefault("params", {"fetch-price": "true"})
        return await self.order(customer_id, *lines, orderType="PREVIEW", **more)

    async def give_back(self, customer_id: str, placed: Any, *numbers: int) -> Reply:
        """RETURN lines of an order (all of them by default); not asserted."""
        lines = [
            {key: one[key] for key in ("extLineItemNumber", "offerId", "quantity")}
            for one in placed["lineItems"]
            if not numbers or one["extLineItemNumber"] in numbers
        ]
        return await self.order(
            customer_id,
            *lines,
            orderType="RETURN",
            referenceOrderId=placed["orderId"],
            currencyCode=placed["currencyCode"],
        )

    async def read_order(self, customer_id: str, order_id: str, **params: Any) -> Reply:
        """GET an order."""
        path = f"/v3/customers/{customer_id}/orders/{order_id}"
        return (await self.get(path, params=params)).ok(200)

    async def read_customer(self, customer_id: str) -> Reply:
        """GET a customer."""
        return (await self.get(f"/v3/customers/{customer_id}")).ok(200)

    async def three_year_commit(self, customer_id: str, action: str, **body: Any) -> Reply:
        """What the customer does in its console: accept, decline or enroll; not asserted."""
        return await self.post(f"/sandbox/customers/{customer_id}/three-year-commit/{action}", body)

    async def seats(self, customer_id: str) -> list[dict[str, Any]]:
        """All subscriptions of a customer."""
        found = (await self.get(f"/v3/customers/{customer_id}/subscriptions")).ok(200)
        items: list[dict[str, Any]] = found["items"]
        return items

    async def is_sound(self) -> None:
        """Assert that every invariant holds."""
        report = (await self.get("/sandbox/invariants")).ok(200)
        assert report["violations"] == []


def _parsed(response: httpx.Response) -> Any:
    """The body of JSON, amounts as exact decimals; the text of any other."""
    if response.headers.get("content-type", "").startswith("application/json"):
        with suppress(json.JSONDecodeError):
            return json.loads(response.content, parse_float=Decimal)
    return response.text


def _encoded(body: Any) -> bytes | None:
    if body is None:
        return None
    return json.dumps(body, default=float).encode()


async def fetch_token(client: httpx.AsyncClient, client_id: str, secret: str) -> str:
    """A bearer token by the form real clients send."""
    response = await client.post(
        "/ims/token/v3",
        data={
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret,
            "scope": "openid,AdobeID,read_organizations",
        },
    )
    assert response.status_code == 200, response.text
    return str(response.json()["access_token"])


async def make_world(client: httpx.AsyncClient, admin_token: str, **changes: Any) -> World:
    """An isolated partner with a frozen clock."""
    body = {
        "name": unique("world"),
        "clock": {"now": "2025-07-07T18:00:00Z"},
        **SELLER,
        **changes,
    }
    response = await client.post(
        "/sandbox/partners", json=body, headers={"X-Admin-Token": admin_token}
    )
    assert response.status_code == 201, response.text
    made = response.json()
    world = World(client, made["distributorId"], made["clientId"], made["clientSecret"])
    world.token = await fetch_token(client, world.client_id, world.secret)
    return world
