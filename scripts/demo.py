"""One customer's way through the service, over HTTP, told step by step.

Starts a server of its own on a free port and a temporary data directory, and stops it again.
Exit code 0 when every step came out as it should.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo_stage import (
    Partner,
    check,
    console,
    says,
    server,
    show_file,
    show_prices,
    show_why,
    step,
)
from rich.panel import Panel

START = "2026-02-10T12:00:00Z"
ALL_APPS = "11073058CA01A12"
VECTOR = "69804578CA01A12"
CODE = "BLACK_FRIDAY_10_PERCENT_OFF"
_ADDRESS = {
    "country": "US",
    "region": "CA",
    "city": "San Jose",
    "addressLine1": "200 Fairmont Ave",
    "postalCode": "95110-1234",
}
_CONTACT = {"firstName": "Ann", "lastName": "Lee", "email": "ann.lee@example.com"}


@dataclass
class Story:
    """What later steps know of earlier ones."""

    partner: Partner
    customer: str = ""
    first_order: str = ""
    quoted: Any = None

    @property
    def orders(self) -> str:
        """The path of the customer's orders."""
        return f"/v3/customers/{self.customer}/orders"

    @property
    def subscriptions(self) -> str:
        """The path of the customer's subscriptions."""
        return f"/v3/customers/{self.customer}/subscriptions"

    def seats(self) -> dict[str, int]:
        """What the customer holds now, by offer."""
        items = self.partner.call("GET", self.subscriptions, expect=200)["items"]
        return {one["offerId"]: one["currentQuantity"] for one in items}

    def subscription(self, offer_id: str) -> Any:
        """The subscription of an offer."""
        items = self.partner.call("GET", self.subscriptions, expect=200)["items"]
        return next(one for one in items if one["offerId"] == offer_id)

    def keep(self, offer_id: str, settings: dict[str, Any]) -> None:
        """Set how a subscription renews."""
        path = f"{self.subscriptions}/{self.subscription(offer_id)['subscriptionId']}"
        self.partner.call("PATCH", path, {"autoRenewal": settings}, expect=200)


def basket_line(number: int, offer_id: str, quantity: int, *codes: str) -> dict[str, Any]:
    """A line of an order."""
    line: dict[str, Any] = {
        "extLineItemNumber": number,
        "offerId": offer_id,
        "quantity": quantity,
        "currencyCode": "USD",
    }
    return {**line, "flexDiscountCodes": list(codes)} if codes else line


def as_asked(quote: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of a preview's answer as an order takes them."""
    return [
        basket_line(
            line["extLineItemNumber"],
            line["offerId"],
            line["quantity"],
            *(one["code"] for one in line.get("flexDiscounts", [])),
        )
        for line in quote["lineItems"]
    ]


def open_a_world(story: Story) -> None:
    """The partner."""
    step("A partner of its own, with a clock of its own")
    story.partner.open_world("Demo distributor", START)
    says(f"distributor {story.partner.distributor_id}, clock frozen at {START}")


def open_accounts(story: Story) -> None:
    """Reseller and customer."""
    partner = story.partner
    profile = {"preferredLanguage": "en-US", "address": _ADDRESS, "contacts": [_CONTACT]}
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
    story.customer = customer["customerId"]
    active = partner.call("GET", f"/v3/customers/{story.customer}", expect=200)
    check(active["status"] == "1000", f"customer {story.customer} is validated and active (1000)")


def preview_and_place(story: Story) -> None:
    """What it would cost, the order, and what was charged."""
    partner = story.partner
    step("What would 10 seats of two products cost?")
    basket = [basket_line(1, ALL_APPS, 10, CODE), basket_line(2, VECTOR, 10)]
    preview = {"orderType": "PREVIEW", "externalReferenceId": "basket-1", "lineItems": basket}
    quote = partner.call("POST", f"{story.orders}?fetch-price=true", preview, expect=201)
    show_prices(quote)
    question = {**preview, "customerId": story.customer}
    show_why(partner.call("POST", "/sandbox/explain/preview", question, expect=200))

    step("Place it: the preview's offers and its discount's code, as a NEW order")
    order = {
        "orderType": "NEW",
        "externalReferenceId": "PO-1001",
        "lineItems": as_asked(quote),
    }
    placed = partner.call("POST", story.orders, order, expect=201)
    story.first_order = placed["orderId"]
    check(placed["status"] == "1002", f"order {story.first_order} is accepted (1002)")

    step("Fulfilment")
    path = f"{story.orders}/{story.first_order}?fetch-price=true"
    done = partner.call("GET", path, expect=200)
    check(done["status"] == "1000", "it is complete (1000) and every line has its subscription")
    check(done["pricingSummary"] == quote["pricingSummary"], "it is charged what was promised")
    account = partner.call("GET", f"/v3/customers/{story.customer}", expect=200)
    level = account["discounts"][0]["level"]
    says(f"the anniversary is {account['cotermDate']}, the level {level}")


def add_and_return(story: Story) -> None:
    """Thirty days later: more seats, prorated, and back again."""
    partner = story.partner
    step("Thirty days later: five more seats, prorated to the anniversary")
    moved = partner.call("POST", "/sandbox/clock/advance", {"days": 30}, expect=200)
    says(f"the clock shows {moved['now']}")
    more = {"orderType": "PREVIEW", "lineItems": [basket_line(1, ALL_APPS, 5)]}
    quote = partner.call("POST", f"{story.orders}?fetch-price=true", more, expect=201)
    show_prices(quote)
    basket = as_asked(quote)
    order = {"orderType": "NEW", "lineItems": basket}
    added = partner.call("POST", story.orders, order, expect=201)["orderId"]
    show_why(partner.call("GET", f"/sandbox/explain/orders/{added}", expect=200))
    check(story.seats()[ALL_APPS] == 15, "the same subscription now holds 15 seats")

    step("Too many: give the five back")
    back = {"orderType": "RETURN", "referenceOrderId": added, "lineItems": basket}
    returned = partner.call("POST", story.orders, back, expect=201)
    says(f"RETURN {returned['orderId']} is accepted")
    original = partner.call("GET", f"{story.orders}/{added}", expect=200)
    check(original["status"] == "1008", "the order it gives back is 1008 (returned)")
    check(story.seats()[ALL_APPS] == 10, "the subscription is back at 10 seats")


def read_the_history(story: Story) -> None:
    """What there was, newest first."""
    step("The history, page by page")
    uri = f"{story.orders}?limit=2&fetch-price=true"
    while uri:
        page = story.partner.call("GET", uri, expect=200)
        for order in page["items"]:
            total = order["pricingSummary"][0]["totalLineItemPrice"]
            says(
                f"{order['creationDate']}  {order['orderType']:<7} {order['orderId']:<11}"
                f" {order['status']}  {total:>10.2f}"
            )
        uri = page["links"].get("next", {}).get("uri", "")


def change_a_reference(story: Story) -> None:
    """For the books of the partner."""
    step("A new reference for reconciliation")
    path = f"{story.orders}/{story.first_order}"
    changed = story.partner.call("PATCH", path, {"externalReferenceId": "PO-1001-B"}, expect=200)
    check(changed["externalReferenceId"] == "PO-1001-B", "the order carries PO-1001-B")


def prepare_the_renewal(story: Story) -> None:
    """What shall renew, and what that would cost."""
    partner = story.partner
    step("A week before the anniversary: what shall renew?")
    moved = partner.call("POST", "/sandbox/clock/advance", {"to": "2027-02-03"}, expect=200)
    says(f"the clock shows {moved['now']}")
    story.keep(ALL_APPS, {"enabled": True, "renewalQuantity": 8})
    says("eight seats of the first product")
    story.keep(VECTOR, {"enabled": False})
    says("none of the second: its renewal is switched off")

    step("What would the renewal cost?")
    question = {"orderType": "PREVIEW_RENEWAL"}
    quote = partner.call("POST", f"{story.orders}?fetch-price=true", question, expect=201)
    show_prices(quote)
    story.quoted = quote["pricingSummary"]


def pass_the_anniversary(story: Story) -> None:
    """The renewal comes by itself."""
    partner = story.partner
    step("The anniversary")
    passed = partner.call("POST", "/sandbox/clock/advance", {"toNext": "renewal"}, expect=200)
    for event in passed["events"]:
        says(f"{event['at']}  {event['kind']:<25} {event['result']}")
    query = "order-type=RENEWAL&fetch-price=true"
    (renewal,) = partner.call("GET", f"{story.orders}?{query}", expect=200)["items"]
    check(renewal["source"] == "System", f"order {renewal['orderId']} was made by the anniversary")
    check(renewal["pricingSummary"] == story.quoted, "it is charged what the preview said")
    account = partner.call("GET", f"/v3/customers/{story.customer}", expect=200)
    level = account["discounts"][0]["level"]
    says(f"the next anniversary is {account['cotermDate']}, the level {level}")


def renew_late(story: Story) -> None:
    """A change of mind, in time."""
    partner = story.partner
    step("Ten days later: the second product after all, four seats of it")
    partner.call("POST", "/sandbox/clock/advance", {"days": 10}, expect=200)
    lapsed = story.subscription(VECTOR)
    check(lapsed["allowedActions"] == ["MANUAL_RENEWAL"], "it may be renewed by hand yet")
    line = {**basket_line(1, VECTOR, 4), "subscriptionId": lapsed["subscriptionId"]}
    order = {"orderType": "RENEWAL", "externalReferenceId": "PO-1002", "lineItems": [line]}
    placed = partner.call("POST", story.orders, order, expect=201)
    path = f"{story.orders}/{placed['orderId']}?fetch-price=true"
    show_prices(partner.call("GET", path, expect=200))
    check(story.seats() == {ALL_APPS: 8, VECTOR: 4}, "eight seats of the one, four of the other")


def reconcile(story: Story) -> None:
    """The month's file."""
    step("The month is over: its reconciliation file")
    story.partner.call("POST", "/sandbox/clock/advance", {"to": "2027-03-01"}, expect=200)
    show_file(
        story.partner.fetch(
            "POST", "/sandbox/reconciliation-files", {"month": "202702", "currency": "USD"}
        ),
        ("Order Number", "External Reference", "SKU", "Order Reason", "Ext Price"),
    )


def check_the_books(story: Story) -> None:
    """Ledger against everything."""
    step("Do the books agree?")
    report = story.partner.call("GET", "/sandbox/invariants", expect=200)
    check(report["ok"], f"ledger, orders and subscriptions of {report['checked']} customer agree")


CHAPTERS = (
    open_a_world,
    open_accounts,
    preview_and_place,
    add_and_return,
    read_the_history,
    change_a_reference,
    prepare_the_renewal,
    pass_the_anniversary,
    renew_late,
    reconcile,
    check_the_books,
)


def main() -> None:
    """Start, walk, stop."""
    console.print(Panel("Seatledger: one customer, step by step", border_style="cyan"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # within reach of the database's own account
        console.print("starting a server with its own PostgreSQL ...")
        with server(Path(folder)) as url:
            console.print(f"serving at {url}")
            story = Story(Partner(url))
            for chapter in CHAPTERS:
                chapter(story)
    console.print("\n[bold green]Done.[/] `make serve` keeps a server running for your own client.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        console.print("\nstopped; the server and its data are gone")
        sys.exit(130)
