"""Orders and subscriptions over HTTP: from requests to engine calls, no rules."""

from typing import Any

import msgspec

from seatledger.api import answers
from seatledger.api.body import Malformed, parse_object
from seatledger.api.context import Context
from seatledger.api.query import Query, page_links
from seatledger.contract.bodies import (
    LongReferenceReturnIn,
    NewOrderIn,
    OrderPatchIn,
    ReturnOrderIn,
)
from seatledger.contract.resources import OrderPage, PageLinks
from seatledger.contract.statuses import (
    HISTORY_ORDER_TYPES,
    ORDER_STATUSES,
    ORDER_TYPES,
    SERVED_ORDER_TYPES,
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
    order_type = raw.get("orderType")
    if order_type in (None, ""):
        return None, Refused("1122", ("orderType",))
    if not isinstance(order_type, str) or order_type not in ORDER_TYPES | SWITCH_ORDER_TYPES:
        return None, Refused("1117", ("orderType",))
    if order_type not in SERVED_ORDER_TYPES:
        is_switch = order_type in SWITCH_ORDER_TYPES
        details = () if is_switch else (f"orderType: {order_type} is not served yet",)
        return order_type, Refused("4121", details)
    fetch_price = query.flag("fetch-price")
    shape = _shape(order_type, partner)
    value = decode(raw, shape)
    faults = value if isinstance(value, FieldFaults) else FieldFaults()
    faults = _with_order_rules(faults, raw, customer_id, partner, query.bad)
    fault = faults.first()
    if fault is not None:
        return order_type, Refused(fault[0], tuple(fault[1]))
    assert isinstance(value, NewOrderIn | ReturnOrderIn)
    return order_type, _request(value, raw, fetch_price=fetch_price, tracker_id=tracker_id)


def _shape(order_type: str, partner: Partner) -> type[NewOrderIn | ReturnOrderIn]:
    if order_type != "RETURN":
        return NewOrderIn
    return LongReferenceReturnIn if _LONG_REFERENCES in partner.quirks else ReturnOrderIn


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
    is_return = raw["orderType"] == "RETURN"
    unexpected = () if is_return else _misused_aliases(objects, partner)
    missing = () if is_return else _missing_currencies(raw, objects)
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
    value: NewOrderIn | ReturnOrderIn,
    raw: dict[str, Any],
    *,
    fetch_price: bool,
    tracker_id: str,
) -> OrderRequest:
    lines = []
    for line, sent in zip(value.line_items, raw["lineItems"], strict=True):
        is_new = isinstance(value, NewOrderIn)
        codes = (line.flex_discount_codes or line.promotion_codes or ()) if is_new else ()
        lines.append(
            RequestLine(
                number=line.ext_line_item_number,
                offer_id=line.offer_id,
                quantity=line.quantity,
                currency=line.currency_code or "",
                deployment_id=line.deployment_id or "",
                discount_code=(line.discount_code or "") if is_new else "",
                flex_codes=codes,
                alias_used=bool(codes) and not sent.get("flexDiscountCodes"),
            )
        )
    return OrderRequest(
        order_type=value.order_type,
        lines=tuple(lines),
        external_reference_id=value.external_reference_id or "",
        reference_order_id=(value.reference_order_id if isinstance(value, ReturnOrderIn) else ""),
        currency=value.currency_code or "",
        fetch_price=fetch_price,
        tracker_id=tracker_id,
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


async def get_subscriptions(context: Context) -> Answer:
    """GET /v3/customers/{customer-id}/subscriptions."""
    customer_id = context.params["customer-id"]
    async with context.engine.pool.acquire() as connection:
        if await accounts.customer(connection, context.partner_id, customer_id) is None:
            return answers.refusal("1116")
        found = await history.subscriptions(connection, customer_id)
    return Answer(200, render.encode(render.subscriptions(customer_id, found)))


async def get_subscription(context: Context) -> Answer:
    """GET /v3/customers/{customer-id}/subscriptions/{subscription-id}."""
    async with context.engine.pool.acquire() as connection:
        found = await history.subscription(
            connection,
            context.partner_id,
            context.params["customer-id"],
            context.params["subscription-id"],
        )
    if found is None:
        return answers.refusal("3115")
    return Answer(200, render.encode(render.subscription(found)))
