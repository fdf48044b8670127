"""One customer's way through the service, over HTTP, told step by step.

Starts a server of its own on a free port and a temporary data directory, and stops it again.
Exit code 0 when every step came out as it should.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Literal

import httpx
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

ADMIN_TOKEN = "demo-admin-token"
START = "2026-02-10T12:00:00Z"
ALL_APPS = "11073058CA01A12"
VECTOR = "69804578CA01A12"
CODE = "BLACK_FRIDAY_10_PERCENT_OFF"

console = Console(width=min(110, Console().width), highlight=False)
_steps = count(1)


class Partner:
    """A partner's client: token, headers, and a line on screen for every call."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx.Client(base_url=base_url, timeout=60)
        self.headers: dict[str, str] = {}
        self._calls = count(1)

    def open_world(self) -> None:
        """Make an isolated partner with a clock of its own, and fetch its token."""
        made = self.http.post(
            "/sandbox/partners",
            headers={"X-Admin-Token": ADMIN_TOKEN},
            json={"name": "Demo distributor", "clock": {"now": START}},
        ).raise_for_status()
        world = made.json()
        self.distributor_id: str = world["distributorId"]
        token = self.http.post(
            "/ims/token/v3",
            data={
                "grant_type": "client_credentials",
                "client_id": world["clientId"],
                "client_secret": world["clientSecret"],
                "scope": "openid,AdobeID,read_organizations",
            },
        ).raise_for_status()
        self.headers = {
            "X-Api-Key": world["clientId"],
            "Authorization": f"Bearer {token.json()['access_token']}",
            "Accept": "application/json",
        }

    def call(self, method: str, path: str, body: Any = None, *, expect: int) -> Any:
        """Call, print what was asked and what came back, give the JSON."""
        headers = {**self.headers, "X-Correlation-Id": f"demo-{next(self._calls)}"}
        reply = self.http.request(method, path, json=body, headers=headers)
        asked = asks(body)
        colour = "green" if reply.status_code == expect else "red"
        console.print(f"  [bold]{method}[/] {path}  [{colour}]{reply.status_code}[/]")
        if asked:
            console.print(f"       asks: {asked}", style="dim")
        if reply.status_code != expect:
            console.print(f"  {reply.text}")
            raise SystemExit(1)
        return reply.json()


def asks(body: Any) -> str:
    """A request in one line."""
    if not isinstance(body, dict):
        return ""
    lines = [
        " ".join([f"{one['offerId']} x {one['quantity']}", *one.get("flexDiscountCodes", [])])
        for one in body.get("lineItems", [])
    ]
    facts = [
        str(body[name])
        for name in ("orderType", "referenceOrderId", "externalReferenceId", "days")
        if name in body
    ]
    name = body.get("companyProfile", {}).get("companyName")
    return ", ".join([*facts, *([name] if name else []), *lines])


def step(title: str) -> None:
    """Announce a step."""
    console.print(f"\n[bold cyan]{next(_steps)}. {title}[/]")


def says(text: str) -> None:
    """What a step showed."""
    console.print(f"     {text}")


def check(holds: bool, claim: str) -> None:
    """A claim the demo makes; it ends where one does not hold."""
    if not holds:
        console.print(f"     [red]not so: {claim}[/]")
        raise SystemExit(1)
    says(f"[green]ok[/] {claim}")


def lines(quantity: int, *, code: str | None = CODE) -> list[dict[str, Any]]:
    """The demo's basket."""
    all_apps: dict[str, Any] = {
        "extLineItemNumber": 1,
        "offerId": ALL_APPS,
        "quantity": quantity,
        "currencyCode": "USD",
    }
    if code:
        all_apps["flexDiscountCodes"] = [code]
    vector = {
        "extLineItemNumber": 2,
        "offerId": VECTOR,
        "quantity": quantity,
        "currencyCode": "USD",
    }
    return [all_apps, vector]


def show_prices(order: dict[str, Any]) -> None:
    """The lines of a priced answer as a table."""
    table = Table(box=None, pad_edge=False)
    for heading in ("line", "offer", "seats", "list price", "discounted", "days", "line price"):
        justify: Literal["left", "right"] = "left" if heading == "offer" else "right"
        table.add_column(heading, justify=justify, no_wrap=True)
    for line in order["lineItems"]:
        price = line["pricing"]
        table.add_row(
            str(line["extLineItemNumber"]),
            line["offerId"],
            str(line["quantity"]),
            f"{price['partnerPrice']:.2f}",
            f"{price['discountedPartnerPrice']:.2f}",
            str(line["proratedDays"]),
            f"{price['lineItemPrice']:.2f}",
        )
    total = order["pricingSummary"][0]
    table.add_section()
    amount = f"[bold]{total['totalLineItemPrice']:.2f}[/]"
    table.add_row("", "", "", "", "", total["currencyCode"], amount)
    console.print(Panel(table, border_style="dim", expand=False))


def show_why(told: dict[str, Any]) -> None:
    """The chain of decisions behind a price, in sentences."""
    for level in told["levels"]:
        says(
            f"why: {level['orderedQuantity']} {level['offerType'].lower()} seats in one order earn "
            f"rank {level['earnedRank']}, the customer held rank {level['heldRank']}"
        )
    for line in told["lines"]:
        facts = {one["step"]: one for one in line["steps"]}
        says(f"why: line {line['extLineItemNumber']} is priced by row {facts['price row']['row']}")
        days = facts["days"]
        if "daily price" in facts:
            says(
                f"     {facts['daily price']['daily']} a day x {days['proratedDays']} days "
                f"x {line['quantity']} seats = {facts['amount']['lineItemPrice']:.2f} "
                f"(base {days['baseDays']} days)"
            )
        else:
            says(f"     a full term of {days['baseDays']} days")


def walk(partner: Partner) -> None:
    """The customer's year so far."""
    step("A partner of its own, with a clock of its own")
    partner.open_world()
    says(f"distributor {partner.distributor_id}, clock frozen at {START}")
    customer = open_accounts(partner)
    orders = f"/v3/customers/{customer}/orders"

    step("What would 10 seats of two products cost?")
    preview = {"orderType": "PREVIEW", "externalReferenceId": "basket-1", "lineItems": lines(10)}
    quote = partner.call("POST", f"{orders}?fetch-price=true", preview, expect=201)
    show_prices(quote)
    show_why(
        partner.call(
            "POST", "/sandbox/explain/preview", {**preview, "customerId": customer}, expect=200
        )
    )

    step("Place it: the preview's own lines, as a NEW order")
    placed = partner.call(
        "POST",
        orders,
        {
            "orderType": "NEW",
            "externalReferenceId": "PO-1001",
            "lineItems": [
                {
                    key: line[key]
                    for key in ("extLineItemNumber", "offerId", "quantity", "currencyCode")
                }
                | ({"flexDiscountCodes": [CODE]} if line["extLineItemNumber"] == 1 else {})
                for line in quote["lineItems"]
            ],
        },
        expect=201,
    )
    check(placed["status"] == "1002", f"order {placed['orderId']} is accepted (1002)")

    step("Fulfilment")
    done = partner.call("GET", f"{orders}/{placed['orderId']}?fetch-price=true", expect=200)
    check(done["status"] == "1000", "it is complete (1000) and every line has its subscription")
    check(done["pricingSummary"] == quote["pricingSummary"], "it is charged what was promised")
    account = partner.call("GET", f"/v3/customers/{customer}", expect=200)
    says(
        f"the anniversary is {account['cotermDate']}, the level {account['discounts'][0]['level']}"
    )
    add_and_return(partner, customer, orders)
    close(partner, orders, placed["orderId"])


def open_accounts(partner: Partner) -> str:
    """Reseller and customer."""
    contact = {"firstName": "Ann", "lastName": "Lee", "email": "ann.lee@example.com"}
    address = {
        "country": "US",
        "region": "CA",
        "city": "San Jose",
        "addressLine1": "200 Fairmont Ave",
        "postalCode": "95110-1234",
    }
    profile = {"preferredLanguage": "en-US", "address": address, "contacts": [contact]}
    step("A reseller and a customer")
    reseller = partner.call(
        "POST",
        "/v3/resellers",
        {
            "distributorId": partner.distributor_id,
            "companyProfile": {"companyName": "Harbour Software Sales", **profile},
        },
        expect=201,
    )
    says(f"reseller {reseller['resellerId']} is created ({reseller['status']}, pending)")
    customer = partner.call(
        "POST",
        "/v3/customers",
        {
            "resellerId": reseller["resellerId"],
            "companyProfile": {"companyName": "Fairmont Studios", **profile},
        },
        expect=201,
    )
    customer_id: str = customer["customerId"]
    active = partner.call("GET", f"/v3/customers/{customer_id}", expect=200)
    check(active["status"] == "1000", f"customer {customer_id} is validated and active (1000)")
    return customer_id


def add_and_return(partner: Partner, customer: str, orders: str) -> None:
    """Thirty days later: more seats, prorated, and back again."""
    step("Thirty days later: five more seats, prorated to the anniversary")
    moved = partner.call("POST", "/sandbox/clock/advance", {"days": 30}, expect=200)
    says(f"the clock shows {moved['now']}")
    more = {"orderType": "PREVIEW", "lineItems": lines(5, code=None)[:1]}
    quote = partner.call("POST", f"{orders}?fetch-price=true", more, expect=201)
    show_prices(quote)
    basket = [
        {
            "extLineItemNumber": 1,
            "offerId": quote["lineItems"][0]["offerId"],
            "quantity": 5,
            "currencyCode": "USD",
        }
    ]
    added = partner.call("POST", orders, {"orderType": "NEW", "lineItems": basket}, expect=201)
    show_why(partner.call("GET", f"/sandbox/explain/orders/{added['orderId']}", expect=200))
    seats = partner.call("GET", f"/v3/customers/{customer}/subscriptions", expect=200)
    held = {one["offerId"]: one["currentQuantity"] for one in seats["items"]}
    check(held[ALL_APPS] == 15, "the same subscription now holds 15 seats")

    step("Too many: give the five back")
    returned = partner.call(
        "POST",
        orders,
        {"orderType": "RETURN", "referenceOrderId": added["orderId"], "lineItems": basket},
        expect=201,
    )
    says(f"RETURN {returned['orderId']} is accepted")
    original = partner.call("GET", f"{orders}/{added['orderId']}", expect=200)
    check(original["status"] == "1008", "the order it gives back is 1008 (returned)")
    seats = partner.call("GET", f"/v3/customers/{customer}/subscriptions", expect=200)
    held = {one["offerId"]: one["currentQuantity"] for one in seats["items"]}
    check(held[ALL_APPS] == 10, "the subscription is back at 10 seats")


def close(partner: Partner, orders: str, first_order: str) -> None:
    """History, a changed reference, and the books."""
    step("The history, page by page")
    uri = f"{orders}?limit=2&fetch-price=true"
    while uri:
        page = partner.call("GET", uri, expect=200)
        for order in page["items"]:
            total = order.get("pricingSummary", [{"totalLineItemPrice": 0}])[0]
            says(
                f"{order['creationDate']}  {order['orderType']:<7} {order['orderId']:<11}"
                f" {order['status']}  {Decimal(str(total['totalLineItemPrice'])):>10.2f}"
            )
        uri = page["links"].get("next", {}).get("uri", "")

    step("A new reference for reconciliation")
    changed = partner.call(
        "PATCH", f"{orders}/{first_order}", {"externalReferenceId": "PO-1001-B"}, expect=200
    )
    check(changed["externalReferenceId"] == "PO-1001-B", "the order carries PO-1001-B")

    step("Do the books agree?")
    report = partner.call("GET", "/sandbox/invariants", expect=200)
    check(report["ok"], f"ledger, orders and subscriptions of {report['checked']} customer agree")


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """`seatledger serve` on a free port; gives its address when it answers."""
    environment = {**os.environ, "SEATLEDGER_ADMIN_TOKEN": ADMIN_TOKEN, "COLUMNS": "200"}
    command = [
        str(Path(sys.executable).with_name("seatledger")),
        "serve",
        "--port",
        "0",
        "--data-dir",
        str(folder / "data"),
    ]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield _address(process)
    finally:
        process.terminate()
        process.wait(60)


def _address(process: "subprocess.Popen[str]") -> str:
    """Read the server's own lines until it says where it listens, then wait until it answers."""
    assert process.stdout is not None
    seen = []
    for text in process.stdout:
        seen.append(text)
        found = re.search(r"https?://[\w.:\[\]]+:\d+", text)
        if found:
            url = found.group()
            transport = httpx.HTTPTransport(retries=8)
            with httpx.Client(transport=transport, timeout=60) as probe:
                probe.get(f"{url}/readyz").raise_for_status()
            return url
    console.print("".join(seen))
    raise SystemExit("the server did not start")


def main() -> None:
    """Start, walk, stop."""
    console.print(Panel("Seatledger: one customer, step by step", border_style="cyan"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # within reach of the database's own account
        console.print("starting a server with its own PostgreSQL ...")
        with server(Path(folder)) as url:
            console.print(f"serving at {url}")
            walk(Partner(url))
    console.print("\n[bold green]Done.[/] `make serve` keeps a server running for your own client.")


if __name__ == "__main__":
    main()
