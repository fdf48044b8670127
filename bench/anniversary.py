"""How long the anniversary of a thousand customers takes, by one call of the sandbox's clock.

`make bench-anniversary` runs it: a server with a database of its own, customers with three
subscriptions each made over HTTP, their common anniversary passed, every renewal looked for.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from machine import machine
from rich.console import Console
from rich.progress import track
from stage import HELD_OFFERS, StageError, address_of

from seatledger.clock import SystemClock
from seatledger.store.embedded import EmbeddedPostgres
from seatledger.telemetry import get_logger

CUSTOMERS = 1_000
TOGETHER = 16
START, ANNIVERSARY = "2026-02-10T12:00:00Z", "2027-02-10T00:00:00Z"
_ADMIN = "bench-admin-token"
_PATIENCE_SECONDS = 600
_PROFILE = {
    "companyName": "Fairmont Studios",
    "preferredLanguage": "en-US",
    "address": {
        "country": "US",
        "region": "CA",
        "city": "San Jose",
        "addressLine1": "200 Fairmont Ave",
        "postalCode": "95110",
    },
}

console = Console(highlight=False)


class Partner:
    """A world of its own and calls in its name."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._headers: dict[str, str] = {}
        self._distributor = ""

    async def open(self) -> None:
        """Make the world and log in."""
        wanted = {"name": "bench", "clock": {"now": START}}
        admin = {"X-Admin-Token": _ADMIN}
        made = (await self._http.post("/sandbox/partners", json=wanted, headers=admin)).json()
        form = {
            "grant_type": "client_credentials",
            "client_id": made["clientId"],
            "client_secret": made["clientSecret"],
            "scope": "openid,AdobeID,read_organizations",
        }
        token = (await self._http.post("/ims/token/v3", data=form)).json()["access_token"]
        self._distributor = made["distributorId"]
        self._headers = {"X-Api-Key": made["clientId"], "Authorization": f"Bearer {token}"}

    async def post(self, path: str, body: Any) -> Any:
        """POST in the partner's name; StageError unless it succeeds."""
        more = {"X-Correlation-Id": os.urandom(16).hex()}
        reply = await self._http.post(path, json=body, headers=self._headers | more)
        if not reply.is_success:
            raise StageError(f"POST {path} answered {reply.status_code}: {reply.text}")
        return reply.json()

    async def reseller(self) -> str:
        """A reseller."""
        contact = {"firstName": "Ann", "lastName": "Lee", "email": "ann@example.com"}
        body = {
            "distributorId": self._distributor,
            "companyProfile": {**_PROFILE, "contacts": [contact]},
        }
        return str((await self.post("/v3/resellers", body))["resellerId"])

    async def customer(self, reseller: str, number: int) -> None:
        """A customer with three subscriptions."""
        contact = {"firstName": "Ann", "lastName": "Lee", "email": f"ann{number}@example.com"}
        profile = {**_PROFILE, "companyName": f"Studio {number}", "contacts": [contact]}
        body = {"resellerId": reseller, "companyProfile": profile}
        customer = (await self.post("/v3/customers", body))["customerId"]
        lines = [
            {"extLineItemNumber": at, "offerId": offer, "quantity": at, "currencyCode": "USD"}
            for at, offer in enumerate(HELD_OFFERS, start=1)
        ]
        order = {"orderType": "NEW", "lineItems": lines}
        await self.post(f"/v3/customers/{customer}/orders", order)


async def measure(address: str) -> tuple[float, dict[str, int]]:
    """Seconds of the clock call, and what it counted."""
    async with httpx.AsyncClient(base_url=address, timeout=_PATIENCE_SECONDS) as http:
        partner = Partner(http)
        await partner.open()
        reseller = await partner.reseller()
        numbers = range(0, CUSTOMERS, TOGETHER)
        for first in track(numbers, "making customers", console=console, transient=True):
            last = min(first + TOGETHER, CUSTOMERS)
            await asyncio.gather(
                *(partner.customer(reseller, number) for number in range(first, last))
            )
        await partner.post("/sandbox/clock/advance", {"to": "2027-02-09T00:00:00Z"})
        began = time.perf_counter()
        passed = await partner.post("/sandbox/clock/advance", {"to": ANNIVERSARY})
        return time.perf_counter() - began, passed["counts"]


async def renewed(url: str) -> int:
    """Subscriptions in the database that have been renewed by a completed order."""
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval(
            """SELECT count(*) FROM subscription s JOIN ledger_entry l USING (subscription_id)
               WHERE l.kind = 'RENEWAL' AND s.renewal_date = '2028-02-10'"""
        )
        return count
    finally:
        await connection.close()


def main() -> None:
    """Bring everything up, measure, tell."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        database = EmbeddedPostgres(folder / "data", user=None, log=get_logger("postgresql"))
        with database as url:
            own = {key: one for key, one in os.environ.items() if not key.startswith("SEATLEDGER")}
            command = [str(Path(sys.executable).with_name("seatledger")), "serve", "--port", "0"]
            process = subprocess.Popen(
                [*command, "--database-url", url],
                env={**own, "SEATLEDGER_ADMIN_TOKEN": _ADMIN, "SEATLEDGER_ACCESS_LOG": "false"},
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                seconds, counts = asyncio.run(measure(address_of(process)))
                found = asyncio.run(renewed(url))
            finally:
                process.terminate()
                process.wait(timeout=60)
    if counts.get("renewal") != CUSTOMERS or found != CUSTOMERS * len(HELD_OFFERS):
        raise StageError(f"renewed {found} subscriptions, the clock counted {counts}")
    console.print(f"{SystemClock().now():%Y-%m-%d}, {machine()}")
    console.print(
        f"{CUSTOMERS} customers with {len(HELD_OFFERS)} subscriptions each through one "
        f"anniversary: {seconds:.2f} s, {CUSTOMERS / seconds:,.0f} customers/s"
    )


if __name__ == "__main__":
    main()
