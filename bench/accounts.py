"""A partner's calls as its integration would send them: log in, accounts, orders."""

import secrets
from types import TracebackType
from typing import Any, Self

import httpx

_PATIENCE_SECONDS = 600
_PROFILE = {
    "companyName": "Fairmont Studios",
    "preferredLanguage": "en-US",
    "address": {
        "country": "US",
        "region": "CA",
        "city": "San Jose",
        "addressLine1": "200 Fairmont Ave",
        "postalCode": "95110-1234",
    },
}


class CallError(Exception):
    """A call was refused; the message has the answer."""


class Accounts:
    """A partner that has logged in."""

    def __init__(self, address: str, partner_id: str, client_id: str, secret: str) -> None:
        self.headers: dict[str, str] = {}
        self._http = httpx.AsyncClient(base_url=address, timeout=_PATIENCE_SECONDS)
        self._partner_id = partner_id
        self._client_id = client_id
        self._secret = secret

    async def __aenter__(self) -> Self:
        """Log in."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._secret,
            "scope": "openid,AdobeID,read_organizations",
        }
        token = sound(await self._http.post("/ims/token/v3", data=form))["access_token"]
        self.headers = {
            "X-Api-Key": self._client_id,
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
        }
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def post(self, path: str, body: object) -> Any:
        """The answer to a POST with a correlation id of its own; CallError unless it succeeds."""
        headers = {**self.headers, "X-Correlation-Id": secrets.token_hex(16)}
        return sound(await self._http.post(path, json=body, headers=headers))

    async def reseller(self) -> str:
        """A new reseller."""
        profile = {**_PROFILE, "marketSegments": ["COM"], "contacts": [_contact("reseller")]}
        body = {"distributorId": self._partner_id, "companyProfile": profile}
        return str((await self.post("/v3/resellers", body))["resellerId"])

    async def customer(self, reseller_id: str, name: str = "first") -> str:
        """A new customer with a mail address of its own."""
        company = {**_PROFILE, "companyName": f"Studio {name}", "contacts": [_contact(name)]}
        body = {"resellerId": reseller_id, "companyProfile": {**company, "marketSegment": "COM"}}
        return str((await self.post("/v3/customers", body))["customerId"])

    async def order(self, customer_id: str, body: object) -> Any:
        """The answer to an order."""
        return await self.post(f"/v3/customers/{customer_id}/orders", body)


def sound(reply: httpx.Response) -> Any:
    """The answer of a call that succeeded; CallError for any other."""
    if not reply.is_success:
        raise CallError(f"{reply.request.url.path}: {reply.status_code} {reply.text}")
    return reply.json()


def _contact(name: str) -> dict[str, str]:
    return {"firstName": "Ann", "lastName": "Lee", "email": f"ann.{name}@example.com"}
