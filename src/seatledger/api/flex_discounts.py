"""Flexible discounts over HTTP: from query parameters to what they look for (catalog.md 8)."""

from datetime import timedelta
from typing import Final

import msgspec

from seatledger.api.context import Context
from seatledger.api.query import Query, page_links
from seatledger.contract.countries import SUPPORTED, price_region
from seatledger.contract.resources import FlexDiscountPage, PageLinks
from seatledger.domain.discount_search import Search, Span
from seatledger.domain.discounts import INTRO, STANDARD
from seatledger.domain.model import Partner
from seatledger.domain.outcome import Refused
from seatledger.domain.profiles import MARKET_SEGMENTS
from seatledger.engine import flex_discounts, render
from seatledger.engine.calls import Answer, refused
from seatledger.engine.flex_discounts import Found

_DEFAULT_LIMIT: Final = 20
_MAX_LIMIT: Final = 50
_MAX_ID_CHARACTERS: Final = 40
_DAY_CHARACTERS: Final = len("2026-02-10")
_BY_ID: Final = "flex-discount-id"
_REUSABLE: Final = "include-eligible-reusable-discounts"
_REUSABLE_MISSPELT: Final = "include-eligbile-reusable-discounts"  # in links of the vendor
_NOT_BESIDE_ID: Final = (
    "categories", "offer-ids", "flex-discount-code", _REUSABLE, _REUSABLE_MISSPELT, "start-date",
    "end-date",
)  # fmt: skip


async def get_flex_discounts(context: Context) -> Answer:
    """GET /v3/flex-discounts."""
    query = context.query()
    wanted = _wanted(query)
    limit, offset = _paging(query)
    if query.text(_BY_ID) is not None:
        beside = [name for name in _NOT_BESIDE_ID if query.texts(name)]
        if beside:
            return refused(Refused("1121", tuple(beside)))
    if query.bad:
        return refused(Refused("1132", query.bad))
    found = _contract_refusal(wanted, context.world.partner) or await flex_discounts.find(
        context.engine, context.world, wanted
    )
    return _answer(context, query, found, limit, offset)


async def get_customer_flex_discounts(context: Context) -> Answer:
    """GET /v3/customers/{customer-id}/flex-discounts."""
    query = context.query()
    limit, offset = _paging(query)
    found = await flex_discounts.of_customer(
        context.engine, context.world, context.params["customer-id"]
    )
    if query.bad and not isinstance(found, Refused):
        found = Refused("1132", query.bad)
    return _answer(context, query, found, limit, offset)


def _paging(query: Query) -> tuple[int, int]:
    limit = min(query.integer("limit", _DEFAULT_LIMIT, minimum=1), _MAX_LIMIT)
    return limit, query.integer("offset", 0, minimum=0)


def _wanted(query: Query) -> Search:
    """What the parameters look for; faults are noted in the query."""
    segment = query.text("market-segment", MARKET_SEGMENTS)
    country = query.text("country")
    for name, value in (("market-segment", segment), ("country", country)):
        if value is None:
            query.refuse(name)
    discount_id = query.text(_BY_ID) or ""
    if len(discount_id) > _MAX_ID_CHARACTERS:
        query.refuse(_BY_ID)
    offers = query.comma_list("offer-ids")
    reusable = query.flag(_REUSABLE)
    return Search(
        segment=segment or "",
        country=country or "",
        categories=query.comma_list("categories", (STANDARD, INTRO)),
        product_keys=frozenset(one[:10] for one in offers) if offers else None,
        discount_id=discount_id,
        code=query.text("flex-discount-code") or "",
        reusable=query.flag(_REUSABLE_MISSPELT) or reusable,
        since=_span(query, "start-date"),
        until=_span(query, "end-date"),
    )


def _span(query: Query, name: str) -> Span | None:
    """The instants a date means: a day is any moment of it."""
    instant = query.instant(name)
    if instant is None:
        return None
    is_day = len(query.text(name) or "") == _DAY_CHARACTERS
    return instant, instant + timedelta(days=1, seconds=-1) if is_day else instant


def _contract_refusal(wanted: Search, partner: Partner) -> Refused | None:
    if wanted.segment not in partner.market_segments:
        return Refused("1160", ("marketSegment",))
    if wanted.country not in SUPPORTED or price_region(wanted.country) not in partner.regions:
        return Refused("1178", ("country",))
    return None


def _answer(
    context: Context, query: Query, found: Found | Refused, limit: int, offset: int
) -> Answer:
    if isinstance(found, Refused):
        return refused(found)
    items, total = found.page(limit, offset), len(found.discounts)
    links = page_links(
        context.path, query.filters(), limit=limit, offset=offset, count=len(items), total=total
    )
    page = FlexDiscountPage(
        total_count=total,
        count=len(items),
        offset=offset,
        limit=limit,
        flex_discounts=items,
        links=msgspec.convert(links, PageLinks),
    )
    return Answer(200, render.encode(page))
