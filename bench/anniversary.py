"""How long the anniversary of a thousand customers takes, by one call of the sandbox's clock.

`make bench-anniversary` runs it: a server with a database of its own, customers with three
subscriptions each made over HTTP, their common anniversary passed, every renewal looked for.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import asyncpg
import httpx
from rich.console import Console
from rich.progress import track

from bench import servers
from bench.accounts import Accounts, sound
from bench.machine import machine
from bench.stage import HELD_OFFERS, StageError, order_body
from seatledger.clock import SystemClock
from seatledger.store.embedded import EmbeddedPostgres
from seatledger.telemetry import get_logger

CUSTOMERS = 1_000
TOGETHER = 16
START, ANNIVERSARY = "2026-02-10T12:00:00Z", "2027-02-10T00:00:00Z"
_ADMIN = "bench-admin-token"

console = Console(highlight=False)


async def measure(address: str) -> tuple[float, dict[str, int]]:
    """Seconds of the clock call, and what it counted."""
    async with httpx.AsyncClient(base_url=address) as http:
        wanted = {"name": "bench", "clock": {"now": START}}
        reply = await http.post("/sandbox/partners", json=wanted, headers={"X-Admin-Token": _ADMIN})
        made = sound(reply)
    keys = made["distributorId"], made["clientId"], made["clientSecret"]
    async with Accounts(address, *keys) as accounts:
        reseller = await accounts.reseller()
        numbers = range(0, CUSTOMERS, TOGETHER)
        for first in track(numbers, "making customers", console=console, transient=True):
            last = min(first + TOGETHER, CUSTOMERS)
            await asyncio.gather(
                *(_customer(accounts, reseller, number) for number in range(first, last))
            )
        await accounts.post("/sandbox/clock/advance", {"to": "2027-02-09T00:00:00Z"})
        began = time.perf_counter()
        passed = await accounts.post("/sandbox/clock/advance", {"to": ANNIVERSARY})
        return time.perf_counter() - began, passed["counts"]


async def _customer(accounts: Accounts, reseller: str, number: int) -> None:
    customer = await accounts.customer(reseller, str(number))
    await accounts.order(customer, order_body(HELD_OFFERS))


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


async def run(url: str, folder: Path) -> tuple[float, dict[str, int], int]:
    """Seconds of the clock call, what it counted, and what was renewed."""
    port = servers.free_port()
    command = [servers.program("seatledger"), "serve", "--port", str(port)]
    settings = {
        "SEATLEDGER_DATABASE_URL": url,
        "SEATLEDGER_ADMIN_TOKEN": _ADMIN,
        "SEATLEDGER_ACCESS_LOG": "false",
    }
    async with servers.process(command, folder / "server.log", settings) as server:
        address = f"http://127.0.0.1:{port}"
        await servers.ready(server, f"{address}/readyz")
        return *await measure(address), await renewed(url)


def main() -> None:
    """Bring everything up, measure, tell."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        database = EmbeddedPostgres(folder / "data", user=None, log=get_logger("postgresql"))
        with database as url:
            seconds, counts, found = asyncio.run(run(url, folder))
    if counts.get("renewal") != CUSTOMERS or found != CUSTOMERS * len(HELD_OFFERS):
        raise StageError(f"renewed {found} subscriptions, the clock counted {counts}")
    console.print(f"{SystemClock().now():%Y-%m-%d}, {machine()}")
    console.print(
        f"{CUSTOMERS} customers with {len(HELD_OFFERS)} subscriptions each through one "
        f"anniversary: {seconds:.2f} s, {CUSTOMERS / seconds:,.0f} customers/s"
    )


if __name__ == "__main__":
    main()
