"""Price lists over HTTP: from the request to the list it means (catalog.md 4.1, 4.2)."""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Final

from seatledger.api import answers
from seatledger.api.body import Malformed, parse_object
from seatledger.api.context import Context
from seatledger.api.query import Query, instant_of
from seatledger.contract.bodies.price_lists import PriceListFiltersIn, PriceListIn
from seatledger.contract.statuses import ACTIVE
from seatledger.contract.walker import FieldFaults, decode, in_document_order
from seatledger.domain.calendar import utc_day
from seatledger.domain.catalog import STANDARD
from seatledger.domain.outcome import Refused
from seatledger.domain.price_list import PriceListRequest, RowFilter, month_number
from seatledger.engine import price_lists, render
from seatledger.engine.calls import Answer, refused

_DEFAULT_LIMIT: Final = 20
_MAX_LIMIT: Final = 100
_FILTER_DATES: Final = ("firstOrderDate", "lastOrderDate")
_ATTRIBUTES: Final = "includeOfferAttributes"
_ATTRIBUTE: Final = re.compile(rf"{_ATTRIBUTES}\[(\d+)\]")


async def post_price_list(context: Context) -> Answer:
    """POST /v3/pricelist: reads only, so that nothing is kept for replay (platform.md 5.2)."""
    try:
        raw = parse_object(context.body)
    except Malformed as error:
        return answers.refusal("400", *error.details)
    world = context.world
    if world.partner.status != ACTIVE:
        return answers.refusal("1159")
    asked = _read(raw, context.query())
    if isinstance(asked, Refused):
        return refused(asked)
    wanted, attributes = asked
    found = price_lists.read(world, wanted, attributes, context.engine.worlds.now(world))
    if isinstance(found, Refused):
        return refused(found)
    return Answer(200, render.encode(found))


def _read(raw: dict[str, Any], query: Query) -> tuple[PriceListRequest, tuple[str, ...]] | Refused:
    """The list a request means and the attributes it wants, or what is wrong with its form."""
    limit = min(query.integer("limit", _DEFAULT_LIMIT, minimum=1), _MAX_LIMIT)
    offset = query.integer("offset", 0, minimum=0)
    value = decode(raw, PriceListIn)
    faults = value if isinstance(value, FieldFaults) else FieldFaults()
    if faults.unexpected:
        return Refused("1121", tuple(faults.unexpected))
    if faults.missing:
        return Refused("1122", tuple(faults.missing))
    invalid = in_document_order((*faults.invalid, *_bad_dates(raw)), raw)
    details = _details((*invalid, *query.bad), raw)
    if details:
        return Refused("5122", tuple(details), "Invalid Request")
    assert isinstance(value, PriceListIn)
    month = value.price_list_month
    wanted = PriceListRequest(
        price_list=value.price_list_type or STANDARD,
        region=value.region,
        segment=value.market_segment,
        currency=value.currency,
        month=month_number(int(month[:4]), int(month[4:])),
        filter=_filter(value.filters or PriceListFiltersIn()),
        limit=limit,
        offset=offset,
    )
    return wanted, value.include_offer_attributes or ()


def _bad_dates(raw: dict[str, Any]) -> Iterator[str]:
    """Dates of the filter that no day is meant by; other types than text are refused anyway."""
    filters = raw.get("filters")
    if isinstance(filters, dict):
        for name in _FILTER_DATES:
            value = filters.get(name)
            if isinstance(value, str) and value and instant_of(value) is None:
                yield f"filters.{name}"


def _details(paths: Iterable[str], raw: dict[str, Any]) -> list[str]:
    """Paths as the refusal names them: unknown attributes by name, nothing twice."""
    return list(dict.fromkeys(_detail(path, raw) for path in paths))


def _detail(path: str, raw: dict[str, Any]) -> str:
    match = _ATTRIBUTE.fullmatch(path)
    name = raw[_ATTRIBUTES][int(match[1])] if match else None
    if isinstance(name, str) and name.isprintable() and name:
        return f"{_ATTRIBUTES}: {name}"
    return path


def _filter(sent: PriceListFiltersIn) -> RowFilter:
    return RowFilter(
        offer_id=sent.offer_id or "",
        family=sent.product_family or "",
        first_day_after=_day(sent.first_order_date),
        last_day_from=_day(sent.last_order_date),
        discount_code=sent.discount_code or "",
    )


def _day(text: str | None) -> date | None:
    """The UTC day of a date or instant; None for none."""
    instant = instant_of(text) if text else None
    return None if instant is None else utc_day(instant)
