"""Price lists as API resources, straight from the catalogue in memory (catalog.md 4)."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from msgspec import UNSET
from msgspec.structs import fields

from seatledger.contract.resources import PriceListOfferOut, PriceListOut
from seatledger.domain.calendar import pacific_day
from seatledger.domain.catalog import Catalog, PriceRow, RowDescription
from seatledger.domain.outcome import Refused
from seatledger.domain.price_list import PriceListRequest, page_of_list
from seatledger.engine.render import amount
from seatledger.engine.world import World

_DESCRIBED = {field.encode_name: field.name for field in fields(RowDescription)}
_PART_NUMBER = "partNumber"


def read(
    world: World, wanted: PriceListRequest, attributes: Iterable[str], now: datetime
) -> PriceListOut | Refused:
    """The page a partner asked for, each row with the `attributes` wanted besides the usual ones.

    `attributes` are names of the API, `now` the business instant. Refusals as of `page_of_list`.
    """
    page = page_of_list(wanted, world.catalog, world.partner, pacific_day(now))
    if isinstance(page, Refused):
        return page
    year, month = divmod(wanted.month, 12)
    chosen = frozenset(attributes)
    return PriceListOut(
        price_list_month=f"{year:04}{month + 1:02}",
        market_segment=wanted.segment,
        region=wanted.region,
        currency=wanted.currency,
        price_list_type=wanted.price_list,
        total_count=page.total,
        count=len(page.rows),
        limit=wanted.limit,
        offset=wanted.offset,
        offers=tuple(_offer(row, world.catalog, chosen) for row in page.rows),
    )


def _offer(row: PriceRow, catalog: Catalog, attributes: frozenset[str]) -> PriceListOfferOut:
    described = {
        field: _text(getattr(row.description, field), row.currency) or UNSET
        for name, field in _DESCRIBED.items()
        if name in attributes
    }
    return PriceListOfferOut(
        offer_id=row.offer_id,
        product_family=catalog.products[row.offer_id[:10]].family,
        first_order_date=_text(row.first_day, row.currency),
        last_order_date=_text(row.last_day, row.currency),
        partner_price=_text(row.partner_price, row.currency),
        discount_code=row.discount_code or UNSET,
        part_number=row.offer_id if _PART_NUMBER in attributes else UNSET,
        **described,
    )


def _text(value: str | date | Decimal | None, currency: str) -> str:
    """A value as price lists print it (platform.md 10, 11); "" for none."""
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00.000+00:00"
    if isinstance(value, Decimal):
        return f"{amount(value, currency):f}"
    return value or ""
