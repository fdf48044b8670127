"""What the demo is told with: a server of its own, a partner's client, and lines on the screen."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table

ADMIN_TOKEN = "demo-admin-token"
_PATIENCE_SECONDS = 60
_POLL_SECONDS = 0.05
_INDENT = 5
_LABEL = 5  # columns of "asks" and "why"

console = Console(width=min(110, Console().width), highlight=False)
_steps = count(1)

# What a request asks for besides its lines, in words.
_FACTS = {
    "orderType": "{}",
    "referenceOrderId": "of order {}",
    "externalReferenceId": "reference {}",
    "days": "{} days on",
    "to": "on to {}",
    "toNext": "on to the next {}",
    "month": "month {}",
    "currency": "in {}",
}


class Partner:
    """A partner's client: token, headers, and a line on screen for every call."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._headers: dict[str, str] = {}
        self._calls = count(1)
        self.distributor_id = ""

    def open_world(self, name: str, now: str) -> None:
        """Make an isolated partner whose clock stands at `now`, and fetch its token."""
        _, world = self._send(
            "POST",
            "/sandbox/partners",
            {"X-Admin-Token": ADMIN_TOKEN, "Content-Type": "application/json"},
            json.dumps({"name": name, "clock": {"now": now}}),
        )
        self.distributor_id = world["distributorId"]
        form = {
            "grant_type": "client_credentials",
            "client_id": world["clientId"],
            "client_secret": world["clientSecret"],
            "scope": "openid,AdobeID,read_organizations",
        }
        media = {"Content-Type": "application/x-www-form-urlencoded"}
        _, token = self._send("POST", "/ims/token/v3", media, urlencode(form))
        self._headers = {
            "X-Api-Key": world["clientId"],
            "Authorization": f"Bearer {token['access_token']}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }

    def call(self, method: str, path: str, body: Any = None, *, expect: int) -> Any:
        """Call, print what was asked and what came back, give the JSON with exact decimals.

        Ends the demo when the answer has another status than expected.
        """
        headers = {**self._headers, "X-Correlation-Id": f"demo-{next(self._calls)}"}
        content = None if body is None else json.dumps(body)
        status, reply = self._send(method, path, headers, content)
        colour = "green" if status == expect else "red"
        console.print(f"  [bold]{method}[/] {path}  [{colour}]{status}[/]", soft_wrap=True)
        if isinstance(body, dict):
            _labelled("asks", _asked(body), style="dim")
        if status != expect:
            console.print_json(json.dumps(reply, default=str))
            raise SystemExit(1)
        return reply

    def fetch(self, method: str, path: str, body: Any) -> str:
        """Call for a text file, print what was asked, give the text; ends the demo otherwise."""
        headers = {**self._headers, "Accept": "text/csv"}
        status, content = self._exchange(method, path, headers, json.dumps(body))
        console.print(f"  [bold]{method}[/] {path}  [green]{status}[/]", soft_wrap=True)
        _labelled("asks", _asked(body), style="dim")
        check(status == 200, f"{len(content)} bytes of CSV")
        return content.decode()

    def _send(
        self, method: str, path: str, headers: dict[str, str], content: str | None
    ) -> tuple[int, Any]:
        status, text = self._exchange(method, path, headers, content)
        return status, json.loads(text, parse_float=Decimal)

    def _exchange(
        self, method: str, path: str, headers: dict[str, str], content: str | None
    ) -> tuple[int, bytes]:
        data = None if content is None else content.encode()
        request = urllib.request.Request(self._base_url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()


def _asked(body: dict[str, Any]) -> list[str]:
    """A request in words: its facts in one line, then its basket."""
    facts = [form.format(body[name]) for name, form in _FACTS.items() if body.get(name)]
    company = body.get("companyProfile", {}).get("companyName")
    if company:
        facts.append(company)
    renewal = body.get("autoRenewal")
    if renewal is not None:
        seats = renewal.get("renewalQuantity", "all") if renewal["enabled"] else "none"
        facts.append(f"renew {seats}")
    basket = [
        " ".join([f"{line['quantity']} x {line['offerId']}", *line.get("flexDiscountCodes", [])])
        for line in body.get("lineItems", [])
    ]
    return [line for line in (", ".join(facts), *basket) if line]


def step(title: str) -> None:
    """Announce a step."""
    console.print(f"\n[bold cyan]{next(_steps)}. {title}[/]")


def says(text: str) -> None:
    """What a step showed."""
    _indented(text, _INDENT)


def check(holds: bool, claim: str) -> None:
    """A claim the demo makes; it ends where one does not hold."""
    if not holds:
        says(f"[red]not so: {claim}[/]")
        raise SystemExit(1)
    says(f"[green]ok[/] {claim}")


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


def show_file(text: str, columns: Sequence[str]) -> None:
    """Some columns of a CSV file as a table."""
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, no_wrap=name == "SKU")
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    console.print(Panel(table, border_style="dim", expand=False))


def show_why(told: dict[str, Any]) -> None:
    """The chain of decisions behind the prices of an order: levels, then amounts line by line."""
    levels = [
        f"{one['orderedQuantity']} {one['offerType'].lower()} seats in one order earn rank "
        f"{one['earnedRank']}, the customer held rank {one['heldRank']}"
        for one in told["levels"]
    ]
    _labelled("why", levels)
    for line in told["lines"]:
        amounts = Table.grid(padding=(0, 2))
        amounts.add_column()
        amounts.add_column(justify="right")
        amounts.add_column(overflow="fold")
        label = f"line {line['extLineItemNumber']}"
        for amount, reason in _amounts(line):
            amounts.add_row(label, f"{amount:.2f}", reason)
            label = ""
        _indented(amounts, _INDENT + _LABEL + 1)


def _amounts(line: dict[str, Any]) -> Iterator[tuple[Decimal, str]]:
    """From the price of one seat to the amount of the line, each with where it comes from."""
    facts = {one["step"]: one for one in line["steps"]}
    row, days, end = facts["price row"], facts["days"], facts["amount"]
    yield row["partnerPrice"], f"price row {row['row']}"
    for one in line["steps"]:
        if one["step"] == "flexible discount" and one["result"] == "SUCCESS":
            yield one["discountedPartnerPrice"], f"with {one['code']}"
    if days["fullTerm"]:
        price = f"{end['netPartnerPrice']:.2f} for a full term of {days['proratedDays']} days"
    else:
        daily = facts["daily price"]["daily"].normalize()
        price = f"{daily:f} a day (year of {days['baseDays']}) x {days['proratedDays']} days"
    yield end["lineItemPrice"], f"= {price} x {line['quantity']} seats"


def _labelled(label: str, lines: list[str], style: str = "") -> None:
    """Lines beside a label; long ones go on under themselves."""
    if lines:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=_LABEL)
        grid.add_column(overflow="fold")
        grid.add_row(label, "\n".join(lines), style=style)
        _indented(grid, _INDENT)


def _indented(shown: RenderableType, columns: int) -> None:
    console.print(Padding(shown, (0, 0, 0, columns), expand=False))


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """`seatledger serve` on a free port with its data in `folder`: its address, once it answers."""
    environment = {**os.environ, "SEATLEDGER_ADMIN_TOKEN": ADMIN_TOKEN, "COLUMNS": "200"}
    program = str(Path(sys.executable).with_name("seatledger"))
    log = folder / "server.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [program, "serve", "--port", "0", "--data-dir", str(folder / "data")],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        url = _address(process)
        if url is None:
            console.print(log.read_text(), markup=False)
            raise SystemExit("the server did not start")
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=_PATIENCE_SECONDS)


def _address(process: "subprocess.Popen[str]") -> str | None:
    """Read what the server says until it names its address, then wait until it is ready."""
    assert process.stdout is not None
    for text in process.stdout:
        found = re.search(r"https?://[\w.:\[\]]+:\d+", text)
        if found:
            return found[0] if _gets_ready(process, found[0]) else None
    return None


def _gets_ready(process: "subprocess.Popen[str]", url: str) -> bool:
    for _ in range(int(_PATIENCE_SECONDS / _POLL_SECONDS)):
        with suppress(urllib.error.URLError):
            urllib.request.urlopen(f"{url}/readyz", timeout=_PATIENCE_SECONDS).close()
            return True
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
            return False
    return False
