"""Orders over HTTP: from requests to engine calls, no rules."""

from typing import Any

import msgspec

from seatledger.api import answers
from seatledger.api.body import Malformed, parse_object
from seatledger.api.context import Context
from seatledger.api.query import Query, page_links
from seatledger.contract.bodies.orders import (
    LongReferenceReturnIn,
    NewOrderIn,
    OrderLineIn,
    OrderPatchIn,
    PreviewRenewalLineIn,
    PreviewRenewalOrderIn,
    RenewalLineIn,
    RenewalOrderIn,
    ReturnLineIn,
    ReturnOrderIn,
)
from seatledger.contract.resources import OrderPage, PageLinks
from seatledger.contract.statuses import (
    HISTORY_ORDER_TYPES,
    ORDER_STATUSES,
    ORDER_TYPES,
    SWITCH_ORDER_TYPES,
)
from seatledger.contract.walker import FieldFaults, decode, in_document_order
from seatledger.domain.model import Partner
from seatledger.domain.orders.request import OrderRequest, RequestLine
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.amend import amend_order
from seatledger.engine.calls import Answer
from seatledger.engine.judging import OrderCall, Reading
from seatledger.store import accounts, history
from seatledger.store.history import HistoryFilter

_LONG_REFERENCES = "long_return_references"
_Body = NewOrderIn | RenewalOrderIn | PreviewRenewalOrderIn | ReturnOrderIn
_Line = OrderLineIn | RenewalLineIn | PreviewRenewalLineIn | ReturnLineIn
_SHAPES: dict[str, type[_Body]] = {
    "NEW": NewOrderIn,
    "PREVIEW": NewOrderIn,
    "RENEWAL": RenewalOrderIn,
    "PREVIEW_RENEWAL": PreviewRenewalOrderIn,
    "RETURN": ReturnOrderIn,
}
_DEFAULT_LIMIT = 25
_MAX_LIMIT = 100


async def post_order(context: Context) -> Answer:
    """POST /v3/customers/{customer-id}/orders."""
    customer_id = context.params["customer-id"]
    tracker_id = (context.headers.one(b"x-recommendation-tracker-id") or "")[:255]
    query = context.query_string

    def read(partner: Partner) -> Reading:
        return read_order(context.body, Query(query), customer_id, partner, tracker_id)

    credential = context.credential
    if credential is not None and credential.role == "read":
        order_type, _ = read(context.world.partner)
        if order_type is None or not order_type.startswith("PREVIEW"):
            return answers.refusal("4121")
    return await context.engine.orders.place(OrderCall(context.call(), customer_id, read))


def read_order(
    body: bytes, query: Query, customer_id: str, partner: Partner, tracker_id: str = ""
) -> Reading:
    """The order a body asks for, or the refusal of its form (orders.md 2.2 checks 2a-7).

    Gives the order type beside it, as far as that was understood.
    """
    try:
        raw = parse_object(body)
    except Malformed as error:
        return None, Refused("400", error.details)
    return read_parsed(raw, query, customer_id, partner, tracker_id)


def read_parsed(
    raw: dict[str, Any], query: Query, customer_id: str, partner: Partner, tracker_id: str = ""
) -> Reading:
    """The same for a body that has been parsed."""
    order_type = raw.get("orderType")
    if order_type in (None, ""):
        return None, Refused("1122", ("orderType",))
    if not isinstance(order_type, str) or order_type not in ORDER_TYPES | SWITCH_ORDER_TYPES:
        return None, Refused("1117", ("orderType",))
    if order_type in SWITCH_ORDER_TYPES:
        return order_type, Refused("4121")
    fetch_price = query.flag("fetch-price")
    shape = _shape(order_type, partner)
    value = decode(raw, shape)
    faults = value if isinstance(value, FieldFaults) else FieldFaults()
    faults = _with_order_rules(faults, raw, customer_id, partner, query.bad)
    fault = faults.first()
    if fault is not None:
        return order_type, Refused(fault[0], tuple(fault[1]))
    assert not isinstance(value, FieldFaults)
    return order_type, _request(value, raw, fetch_price=fetch_price, tracker_id=tracker_id)


def _shape(order_type: str, partner: Partner) -> type[_Body]:
    if order_type == "RETURN" and _LONG_REFERENCES in partner.quirks:
        return LongReferenceReturnIn
    return _SHAPES[order_type]


def _with_order_rules(
    faults: FieldFaults,
    raw: dict[str, Any],
    customer_id: str,
    partner: Partner,
    bad_parameters: tuple[str, ...],
) -> FieldFaults:
    """The faults of an order that need more than one field to see (orders.md 1.2, 1.4)."""
    lines = raw.get("lineItems")
    objects = [
        (index, line)
        for index, line in enumerate(lines if isinstance(lines, list) else ())
        if isinstance(line, dict)
    ]
    order_type = raw["orderType"]
    unexpected = () if order_type == "RETURN" else _misused_aliases(objects, partner)
    missing = _missing_currencies(raw, objects) if _SHAPES[order_type] is NewOrderIn else ()
    foreign = raw.get("customerId") not in (None, "", customer_id)
    invalid = (*(("customerId",) if foreign else ()), *bad_parameters)
    if not (unexpected or missing or invalid):
        return faults

    def merged(known: list[str], found: tuple[str, ...]) -> list[str]:
        return in_document_order(dict.fromkeys((*known, *found)), raw)

    return FieldFaults(
        merged(faults.unexpected, unexpected),
        merged(faults.missing, missing),
        faults.too_long,
        merged(faults.invalid, invalid),
    )


def _misused_aliases(
    objects: list[tuple[int, dict[str, Any]]], partner: Partner
) -> tuple[str, ...]:
    """promotionCodes beside flexDiscountCodes, or with the alias switched off: 1121.

    Beside each other, null and [] count as not sent (catalog.md 7.4).
    """
    names = ("promotionCodes", "flexDiscountCodes")
    allowed = partner.settings.promotion_codes_alias
    return tuple(
        f"lineItems[{index}].promotionCodes"
        for index, line in objects
        if "promotionCodes" in line
        and (not allowed or all(line.get(name) not in (None, []) for name in names))
    )


def _missing_currencies(
    raw: dict[str, Any], objects: list[tuple[int, dict[str, Any]]]
) -> tuple[str, ...]:
    """NEW and PREVIEW have no default currency (orders.md 1.4)."""
    if raw.get("currencyCode") not in (None, ""):
        return ()
    without = [index for index, line in objects if line.get("currencyCode") in (None, "")]
    if len(without) == len(objects):
        return ("currencyCode",)
    return tuple(f"lineItems[{index}].currencyCode" for index in without)


def _request(
    value: _Body,
    raw: dict[str, Any],
    *,
    fetch_price: bool,
    tracker_id: str,
) -> OrderRequest:
    lines: tuple[_Line, ...] = value.line_items or ()
    sent = raw.get("lineItems") or ()
    return OrderRequest(
        order_type=value.order_type,
        lines=tuple(_request_line(*pair) for pair in zip(lines, sent, strict=True)),
        external_reference_id=value.external_reference_id or "",
        reference_order_id=value.reference_order_id if isinstance(value, ReturnOrderIn) else "",
        currency=value.currency_code or "",
        fetch_price=fetch_price,
        tracker_id=tracker_id,
    )


def _request_line(line: _Line, sent: dict[str, Any]) -> RequestLine:
    is_return = isinstance(line, ReturnLineIn)
    names_seats = isinstance(line, RenewalLineIn | PreviewRenewalLineIn)
    codes = () if is_return else line.flex_discount_codes or line.promotion_codes or ()
    return RequestLine(
        number=line.ext_line_item_number,
        offer_id=line.offer_id,
        quantity=line.quantity or 0,
        currency=line.currency_code or "",
        deployment_id=line.deployment_id or "",
        discount_code="" if is_return else line.discount_code or "",
        flex_codes=codes,
        alias_used=bool(codes) and not sent.get("flexDiscountCodes"),
        subscription_id=line.subscription_id if names_seats else "",
        has_quantity=line.quantity is not None,
    )


async def get_order(context: Context) -> Answer:
    """GET /v3/customers/{customer-id}/orders/{order-id}."""
    query = context.query()
    fetch_price = query.flag("fetch-price")
    async with context.engine.pool.acquire() as connection:
        order = await history.order(
            connection,
            context.partner_id,
            context.params["customer-id"],
            context.params["order-id"],
        )
    if order is None:
        return answers.refusal("2115")
    if query.bad:
        return answers.refusal("1132", *query.bad)
    return Answer(200, render.encode(render.order_by_id(order, fetch_price=fetch_price)))


async def get_orders(context: Context) -> Answer:
    """GET /v3/customers/{customer-id}/orders: the history (orders.md 7.2)."""
    customer_id = context.params["customer-id"]
    query = context.query()
    wanted = HistoryFilter(
        order_types=query.texts("order-type", HISTORY_ORDER_TYPES),
        statuses=query.texts("status", ORDER_STATUSES),
        offer_ids=query.texts("offer-id"),
        subscription_ids=query.texts("subscription-id"),
        reseller_id=query.text("reseller-id"),
        reference_order_id=query.text("reference-order-id"),
        start=query.instant("start-date"),
        end=query.instant("end-date"),
    )
    fetch_price = query.flag("fetch-price")
    limit = min(query.integer("limit", _DEFAULT_LIMIT, minimum=1), _MAX_LIMIT)
    offset = query.integer("offset", 0, minimum=0)
    async with context.engine.pool.acquire() as connection:
        if await accounts.customer(connection, context.partner_id, customer_id) is None:
            return answers.refusal("1116")
        if query.bad:
            return answers.refusal("1132", *query.bad)
        total, found = await history.page_of_orders(connection, customer_id, wanted, limit, offset)
    if offset > total:
        return answers.refusal("1133", "offset")
    links = page_links(
        context.path, query.filters(), limit=limit, offset=offset, count=len(found), total=total
    )
    page = OrderPage(
        total,
        len(found),
        offset,
        limit,
        tuple(render.order_in_history(one, fetch_price=fetch_price) for one in found),
        msgspec.convert(links, PageLinks),
    )
    return Answer(200, render.encode(page))


async def patch_order(context: Context) -> Answer:
    """PATCH /v3/customers/{customer-id}/orders/{order-id}."""
    body = context.parsed(OrderPatchIn)
    customer_id, order_id = context.params["customer-id"], context.params["order-id"]
    return await context.engine.writes.perform(
        context.call(), lambda scene: amend_order(scene, customer_id, order_id, body)
    )
