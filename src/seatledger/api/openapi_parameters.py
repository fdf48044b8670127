"""Parameters and headers of the OpenAPI document."""

import re
from typing import Any, Final

from seatledger.api.operations import Operation
from seatledger.contract.resources import DeploymentPage, FlexDiscountPage, PriceListOut
from seatledger.contract.statuses import ACTIVE, HISTORY_ORDER_TYPES, INACTIVE, ORDER_STATUSES

_INSTANT: Final = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{3})?)?Z)?$",
    "examples": ["2026-02-10", "2026-02-10T12:00:00Z"],
}
_PRINTABLE: Final = {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"}
_ID: Final = {"type": "string", "pattern": "^[0-9A-Za-z-]{4,40}$"}
_SEVERAL: Final = {"style": "form", "explode": True}
_COMMAS: Final = {"style": "form", "explode": False}


def _query(name: str, schema: dict[str, Any], description: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def _header(
    name: str, schema: dict[str, Any], description: str, *, required: bool = False
) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "description": description,
        "required": required,
        "schema": schema,
    }


def _list_of(**item: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", **item}}


PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "limit": _query(
        "limit",
        {"type": "integer", "minimum": 1, "default": 25},
        "Rows on a page; above 100 counts as 100.",
    ),
    "price-list-limit": _query(
        "limit",
        {"type": "integer", "minimum": 1, "default": 20},
        "Rows on a page; above 100 counts as 100.",
    ),
    "offset": _query(
        "offset",
        {"type": "integer", "minimum": 0, "default": 0},
        "Rows to pass over; beyond the total it is refused.",
    ),
    "fetch-price": _query(
        "fetch-price", {"type": "boolean", "default": False}, "Whether lines carry prices."
    ),
    "reset-flex-discount-codes": _query(
        "reset-flex-discount-codes",
        {"type": "boolean", "default": False},
        "Whether the discount codes chosen for the renewal go.",
    ),
    "reset-renewal-code": _query(
        "reset-renewal-code",
        {"type": "boolean", "default": False},
        "Whether the High Growth Offer chosen for the renewal goes.",
    ),
    "order-type": _query(
        "order-type", _list_of(enum=list(HISTORY_ORDER_TYPES)), "Any of these types.", **_SEVERAL
    ),
    "order-status": _query(
        "status", _list_of(enum=list(ORDER_STATUSES)), "Any of these statuses.", **_SEVERAL
    ),
    "deployment-status": _query(
        "status", {"type": "string", "enum": [ACTIVE, INACTIVE]}, "This status only."
    ),
    "offer-id": _query("offer-id", _list_of(), "A line with any of these offers.", **_SEVERAL),
    "subscription-id": _query(
        "subscription-id", _list_of(), "A line of any of these subscriptions.", **_SEVERAL
    ),
    "reseller-id": _query("reseller-id", {"type": "string"}, "The reseller of the order."),
    "reference-order-id": _query(
        "reference-order-id", {"type": "string"}, "The order a return refers to."
    ),
    "start-date": _query(
        "start-date", _INSTANT, "Created at or after; a day means its first instant in UTC."
    ),
    "end-date": _query(
        "end-date", _INSTANT, "Created at or before; a day means its first instant in UTC."
    ),
    "market-segment": _query(
        "market-segment",
        {"type": "string", "enum": ["COM", "EDU", "GOV"]},
        "The segment of the customers.",
        required=True,
    ),
    "country": _query(
        "country",
        {"type": "string", "pattern": "^[A-Z]{2}$"},
        "Where lines are to be discounted: ISO 3166-1 alpha-2.",
        required=True,
    ),
    "categories": _query(
        "categories", _list_of(enum=["STANDARD", "INTRO"]), "Any of these.", **_COMMAS
    ),
    "offer-ids": _query(
        "offer-ids", _list_of(), "For the product of any of these, whatever the level.", **_COMMAS
    ),
    "flex-discount-id": _query(
        "flex-discount-id",
        {"type": "string", "maxLength": 40},
        "The discount with this id; no other filter may stand beside it.",
    ),
    "flex-discount-code": _query(
        "flex-discount-code",
        {"type": "string"},
        "The exact code; the only way to find a closed discount.",
    ),
    "include-eligible-reusable-discounts": _query(
        "include-eligible-reusable-discounts",
        {"type": "boolean", "default": False},
        "Whether discounts are shown that have ended but can be reused until their lock date.",
    ),
    "flex-discounts-start-date": _query(
        "start-date",
        _INSTANT,
        "Running at that instant, or on that day in UTC; with end-date: not ended before.",
    ),
    "flex-discounts-end-date": _query(
        "end-date", _INSTANT, "Begun by that instant, or by the end of that day in UTC."
    ),
    "flex-discounts-limit": _query(
        "limit",
        {"type": "integer", "minimum": 1, "default": 20},
        "Rows on a page; above 50 counts as 50.",
    ),
    "flex-discounts-offset": _query(
        "offset",
        {"type": "integer", "minimum": 0, "default": 0},
        "Rows to pass over; beyond the total the page is empty.",
    ),
    "X-Correlation-Id": _header(
        "X-Correlation-Id",
        _PRINTABLE,
        "Names one intent: the same id on the same path repeats the stored answer of a write.",
        required=True,
    ),
    "X-Request-Id": _header(
        "X-Request-Id", _PRINTABLE, "Names one attempt, unique among writes; made if absent."
    ),
    "x-recommendation-tracker-id": _header(
        "x-recommendation-tracker-id", {"type": "string"}, "Kept with the order."
    ),
} | {
    name: {
        "name": name,
        "in": "path",
        "required": True,
        "description": "An id this API gave; any other answers 404.",
        "schema": _ID,
    }
    for name in ("reseller-id", "customer-id", "deployment-id", "order-id", "subscription-id")
}
"""Every parameter by the name it has among the components."""


def _response_header(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string", **schema}}


HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-Id": _response_header("The caller's, or one made for this call."),
    "X-Correlation-Id": _response_header("The caller's."),
    "Retry-After": {
        "description": "Seconds to wait before another try.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Seatledger-Replayed": _response_header(
        "This answer was stored by an earlier call with the same correlation id.", enum=["true"]
    ),
    "Seatledger-Mismatch": _response_header(
        "That earlier call had another body or query.", enum=["body"]
    ),
    "WWW-Authenticate": _response_header("How to authenticate.", enum=["Bearer"]),
}
"""Headers of answers, by name."""


def parameter_refs(operation: Operation) -> list[dict[str, str]]:
    """References to an operation's parameters: path, query, headers."""
    names = re.findall(r"{(.+?)}", operation.path)
    names += [_component_of(name, operation) for name in operation.query]
    if operation.needs_correlation_id:
        names.append("X-Correlation-Id")
    names.append("X-Request-Id")
    if operation.access == "preview":
        names.append("x-recommendation-tracker-id")
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def header_refs(*names: str) -> dict[str, dict[str, str]]:
    """References to headers of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _component_of(name: str, operation: Operation) -> str:
    """`status` means two things: several values of an order, one of a deployment.

    `limit` has a default of its own for price lists, and for flexible discounts more has.
    """
    if operation.answer is FlexDiscountPage and f"flex-discounts-{name}" in PARAMETERS:
        return f"flex-discounts-{name}"
    if name == "limit" and operation.answer is PriceListOut:
        return "price-list-limit"
    if name != "status":
        return name
    return "deployment-status" if operation.answer is DeploymentPage else "order-status"
