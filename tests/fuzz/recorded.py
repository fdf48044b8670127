"""A valid request for every route of a scene, as clients send them."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode

from seatledger.api.table import OPERATIONS
from tests.conftest import ADMIN_TOKEN
from tests.fuzz.scene import CALLS, CUSTOMER, Scene, new_order, preview

FORM = "application/x-www-form-urlencoded"
_QUERY = {
    "status": "1000", "limit": "25", "offset": "0", "fetch-price": "true", "order-type": "NEW",
    "offer-id": "65304479CA01A12", "start-date": "2025-01-01", "end-date": "2025-12-31T00:00:00Z",
    "reset-flex-discount-codes": "true", "reset-renewal-code": "true", "market-segment": "COM",
    "country": "US", "categories": "STANDARD", "offer-ids": "65304479CA01A12,11073058CA01A12",
    "flex-discount-id": "55555555-8768-4e8a-9a2f-fb6a6b08f557",
    "flex-discount-code": "SUMMER_SALE_12", "include-eligible-reusable-discounts": "false",
}  # fmt: skip
_NUMBERS = count(1)

Pair = tuple[str, str]


@dataclass
class Request:
    """A request before it becomes bytes, with placeholders for the ids in its path.

    `body` is JSON unless it is bytes; `make` gives one that no request before had.
    """

    method: str
    path: str
    query: list[Pair] = field(default_factory=list)
    headers: list[Pair] = field(default_factory=list)
    body: dict[str, Any] | bytes | None = None
    media_type: str = "application/json"
    weight: float = 1.0
    make: Callable[[Scene], dict[str, Any]] | None = None

    @property
    def route(self) -> str:
        """What it is a request of, for people."""
        return f"{self.method} {self.path}"

    def content(self) -> bytes:
        """The body's bytes."""
        if isinstance(self.body, dict):
            return json.dumps(self.body, ensure_ascii=False).encode()
        return self.body or b""

    def of(self, scene: Scene) -> "Request":
        """The request as this scene sends it now."""
        number = next(_NUMBERS)
        headers = [
            ("X-Correlation-Id", f"storm {number}"),
            # Behind a proxy every caller has an address: failed log-ins throttle no other one.
            ("X-Forwarded-For", f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"),
            ("X-Api-Key", scene.world.client_id),
            ("Authorization", f"Bearer {scene.world.token}"),
            ("Accept", "application/json"),
            *self.headers,
        ]
        body = copy.deepcopy(self.body) if self.make is None else self.make(scene)
        return replace(
            self, path=scene.filled(self.path), query=list(self.query), headers=headers, body=body
        )


def of_api(scene: Scene, weight: float) -> Iterator[Request]:
    """One of every operation, and of every order type."""
    for method, target, valid in CALLS:
        path, _, query = target.partition("?")
        share = 3 * weight if valid in (new_order, preview) else weight
        yield Request(method, path, parse_qsl(query), weight=share, make=valid)
    order = CUSTOMER + "/orders/{order-id}"
    yield Request("PATCH", order, body={"externalReferenceId": "changed"}, weight=weight)
    own = {
        "subscription-id": scene.path_ids["subscription-id"],
        "reseller-id": scene.path_ids["reseller-id"],
        "reference-order-id": scene.path_ids["order-id"],
    }
    for one in OPERATIONS:
        if one.method == "GET":
            query_ = [(name, (_QUERY | own)[name]) for name in one.query]
            yield Request(one.method, one.path, query_, weight=weight)
    plain = [("country", "US"), ("market-segment", "COM")]
    yield Request("GET", "/v3/flex-discounts", plain, weight=weight)


def of_open_paths(scene: Scene) -> Iterator[Request]:
    """Tokens, pings, probes."""
    fields = {
        "grant_type": "client_credentials",
        "client_id": scene.world.client_id,
        "client_secret": "p8e-not-the-secret",
        "scope": "openid,AdobeID",
    }
    form = urlencode(fields).encode()
    yield Request("POST", "/ims/token/v3", body=form, media_type=FORM, weight=0.5)
    yield Request("POST", "/ims/token/v2", list(fields.items()), weight=0.5)
    for path in ("/ping", "/partnerservice/ping", "/livez", "/readyz"):
        yield Request("GET", path, weight=0.5)


def of_edits(scene: Scene) -> Iterator[Request]:
    """Control calls on what is in a world."""
    customer = CUSTOMER.replace("/v3", "/sandbox")
    seats = customer + "/subscriptions/{subscription-id}"
    commitment = customer + "/three-year-commit"
    quantities = [{"offerType": "LICENSE", "quantity": 12}]
    for path in ("", "/invariants", "/events", "/explain/orders/{order-id}", "/closed-discounts"):
        yield Request("GET", f"/sandbox{path}", weight=0.4)
    writes: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("PATCH", "/sandbox/resellers/{reseller-id}", {"status": "1000"}),
        ("PATCH", customer, {
            "status": "1000", "cotermDate": "2026-02-10", "globalSalesEnabled": True,
            "tags": [], "discounts": [{"offerType": "LICENSE", "level": "02"}]}),
        ("PATCH", customer + "/orders/{order-id}", {
            "status": "1000", "creationDate": "2025-07-01T10:00:00Z", "force": True}),
        ("PATCH", seats, {
            "status": "1000", "autoRenewal": {"enabled": True, "renewalQuantity": 5},
            "currentQuantity": 10, "usedQuantity": 4, "renewalDate": "2026-02-10"}),
        ("POST", seats + "/expire", {}),
        ("POST", customer + "/renewal-run", {"force": True}),
        ("PATCH", commitment, {
            "startDate": "2025-01-01", "endDate": "2028-01-01", "status": "COMMITTED",
            "minimumQuantities": quantities}),
        ("POST", commitment + "/accept", {"kind": "commitmentRequest"}),
        ("POST", commitment + "/decline", {"kind": "commitmentRequest"}),
        ("POST", commitment + "/enroll", {"minimumQuantities": quantities}),
        ("POST", "/sandbox/closed-discounts", {
            "marketSegment": "COM", "customerId": scene.path_ids["customer-id"],
            "templateId": "TPL_COM_SAVE_20", "expiryDate": "2026-09-10T23:59:59Z"}),
        ("DELETE", "/sandbox/closed-discounts/CODE", {}),
        ("POST", "/sandbox/settle", {"kinds": ["order"], "max": 10}),
    )  # fmt: skip
    for method, path, body in writes:
        yield Request(method, path, body=body, weight=0.5)
    customer_id = scene.path_ids["customer-id"]
    yield Request(
        "POST", "/sandbox/explain/preview", weight=0.5,
        make=lambda scene: {**preview(scene), "customerId": customer_id},
    )  # fmt: skip


def of_worlds(_: Scene) -> Iterator[Request]:
    """Control calls on a world as a whole: they move its clock, empty it and arm faults in it."""
    for path in (
        "/partner", "/flex-discounts", "/closed-discounts/templates", "/clock", "/settlement",
        "/faults", "/snapshots",
    ):  # fmt: skip
        yield Request("GET", f"/sandbox{path}", weight=0.3)
    writes: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("PATCH", "/sandbox/partner", {"flags": {"return_window_days": 14}, "quirks": []}),
        ("PATCH", "/sandbox/flex-discounts/55555555", {"endDate": "2026-04-01T13:30:00Z"}),
        ("POST", "/sandbox/reset", {"clock": {"now": "2025-07-07T18:00:00Z"}}),
        ("POST", "/sandbox/snapshots", {"name": "storm"}),
        ("POST", "/sandbox/snapshots/1/restore", {}),
        ("DELETE", "/sandbox/snapshots", {}),
        ("POST", "/sandbox/fixtures", {"set": "customer"}),
        ("PUT", "/sandbox/clock", {"mode": "frozen"}),
        ("POST", "/sandbox/clock/advance", {"days": 3, "limit": 100}),
        ("PUT", "/sandbox/settlement", {"mode": "immediate", "delaySeconds": 30}),
        ("POST", "/sandbox/faults", {
            "match": {"method": "POST", "path": "/v3/nothing"}, "times": 1,
            "effect": {"type": "http_error", "status": 400, "code": "1117"}}),
        ("DELETE", "/sandbox/faults/1", {}),
        ("DELETE", "/sandbox/faults", {}),
        ("POST", "/sandbox/reconciliation-files", {"month": "2025-06", "currency": "USD"}),
    )  # fmt: skip
    for method, path, body in writes:
        yield Request(method, path, body=body, weight=0.4)
    for name, row in (("catalog", b"offer_id,name\r\nx,y\r\n"), ("flex-discounts", b"id\r\n1\r\n")):
        yield Request("PUT", f"/sandbox/{name}", body=row, media_type="text/csv", weight=0.4)
    admin = [("X-Admin-Token", ADMIN_TOKEN)]
    world = {"name": "storm", "regions": ["NA"], "currencies": {"NA": ["USD"]}, "flags": {}}
    yield Request("POST", "/sandbox/partners", headers=admin, body=world, weight=0.2)
    yield Request("GET", "/sandbox/partners", [("limit", "5")], admin, weight=0.2)
    yield Request("DELETE", "/sandbox/partners/999999999", headers=admin, weight=0.2)
