"""Price lists: which rows a request gets, in which order, on which page (catalog.md 4)."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from msgspec import Struct

from seatledger.domain.catalog import COMMITTED_LIST, LGA_LIST, Catalog, PriceRow
from seatledger.domain.model import Partner
from seatledger.domain.outcome import Refused

_LGA_SEGMENT = "GOV"
_KEPT_LISTS = 256  # of one month each; more than partners read at a time


class RowFilter(Struct, frozen=True):
    """What narrows a list down, all of it together; "" and None narrow nothing (catalog.md 4.2).

    A row begins after `first_day_after` and ends on `last_day_from` or later.
    """

    offer_id: str = ""
    family: str = ""
    first_day_after: date | None = None
    last_day_from: date | None = None
    discount_code: str = ""


class PriceListRequest(Struct, frozen=True):
    """A list by its five coordinates (`month` of `month_number`), its filter and the page."""

    price_list: str
    region: str
    segment: str
    currency: str
    month: int
    filter: RowFilter
    limit: int
    offset: int


class PriceListPage(Struct, frozen=True):
    """Rows of a page, and how many there are on all pages."""

    total: int
    rows: tuple[PriceRow, ...]


def month_number(year: int, month: int) -> int:
    """Months counted through, so that the next one is one more."""
    return year * 12 + month - 1


def page_of_list(
    wanted: PriceListRequest, catalog: Catalog, partner: Partner, today: date
) -> PriceListPage | Refused:
    """The page a partner asked for; `today` is the Pacific day (catalog.md 4.1, 4.3).

    Refuses with 1160, 1161, 1164 what the contract does not cover, with 1162 what does not exist.
    """
    refused = _contract_refusal(wanted, partner)
    if refused is not None:
        return refused
    listed = _existing(wanted, catalog, today)
    if not listed:
        return Refused("1162")
    found = _filtered(listed, wanted.filter, catalog)
    if found and wanted.offset >= len(found):
        return Refused("1162")
    return PriceListPage(len(found), tuple(found[wanted.offset : wanted.offset + wanted.limit]))


def _contract_refusal(wanted: PriceListRequest, partner: Partner) -> Refused | None:
    if wanted.segment not in partner.market_segments:
        return Refused("1160", ("marketSegment",))
    if wanted.region not in partner.regions:
        return Refused("1161", ("region",))
    if not partner.sells(wanted.region, wanted.currency):
        return Refused("1161", ("currency",))
    if wanted.price_list == LGA_LIST and not partner.lga_enabled:
        return Refused("1164")
    return None


def _existing(wanted: PriceListRequest, catalog: Catalog, today: date) -> Sequence[PriceRow]:
    """The rows of a list; none when there is no such list (catalog.md 4.3)."""
    next_month = _month_of(today) + 1
    if not _month_of(catalog.first_day) <= wanted.month <= next_month:
        return ()
    if wanted.price_list == LGA_LIST and wanted.segment != _LGA_SEGMENT:
        return ()
    return _rows_of_month(
        catalog, wanted.price_list, wanted.region, wanted.segment, wanted.currency, wanted.month
    )


@lru_cache(maxsize=_KEPT_LISTS)
def _rows_of_month(
    catalog: Catalog, price_list: str, region: str, segment: str, currency: str, month: int
) -> tuple[PriceRow, ...]:
    """The list of a month, chosen once for all its pages: a catalogue never changes."""
    belongs = _has_begun if price_list == COMMITTED_LIST else _is_current
    rows = catalog.rows_of_list(price_list, region, segment, currency)
    return tuple(row for row in rows if belongs(row, month))


def _has_begun(row: PriceRow, month: int) -> bool:
    """Whether a committed price was agreed on in a month or before it; old ones stay."""
    return _month_of(row.first_day) <= month


def _is_current(row: PriceRow, month: int) -> bool:
    """Whether a row is on sale at some time of a month, or is announced as deleted in it."""
    if _month_of(row.first_day) <= month <= _month_of(row.last_day):
        return True
    told = row.description
    return (
        told.acd_indicator == "Delete"
        and told.acd_effective_date is not None
        and _month_of(told.acd_effective_date) == month
    )


def _month_of(day: date) -> int:
    return month_number(day.year, day.month)


def _filtered(rows: Sequence[PriceRow], wanted: RowFilter, catalog: Catalog) -> Sequence[PriceRow]:
    if wanted == RowFilter():
        return rows
    after, until = wanted.first_day_after, wanted.last_day_from
    return [
        row
        for row in rows
        if (not wanted.offer_id or row.offer_id == wanted.offer_id)
        and (not wanted.discount_code or row.discount_code == wanted.discount_code)
        and (not wanted.family or catalog.products[row.offer_id[:10]].family == wanted.family)
        and (after is None or row.first_day > after)
        and (until is None or row.last_day >= until)
    ]
