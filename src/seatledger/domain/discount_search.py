"""Finding flexible discounts: the searches of catalog.md 8 over those in memory."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from msgspec import Struct

from seatledger.domain.discounts import FlexDiscount, FlexDiscounts
from seatledger.domain.flex_rules import was_used
from seatledger.domain.model import Redemption

ACTIVE: Final = "ACTIVE"
REUSABLE: Final = "REUSABLE"

Span = tuple[datetime, datetime]
"""First and last instant that a date means: both the same, or those of a UTC day."""


class Search(Struct, frozen=True):
    """What is looked for; an empty or None filter keeps everything.

    `since` and `until` bound when a discount runs, `reusable` adds those that have ended and live
    on until their lock date.
    """

    segment: str
    country: str
    categories: tuple[str, ...] = ()
    product_keys: frozenset[str] | None = None
    discount_id: str = ""
    code: str = ""
    reusable: bool = False
    since: Span | None = None
    until: Span | None = None


def status_of(found: FlexDiscount, now: datetime) -> str | None:
    """ACTIVE until the end, also before the start; REUSABLE until the lock date; then None."""
    if now <= found.end:
        return ACTIVE
    return REUSABLE if found.lock_end is not None and now <= found.lock_end else None


def search(discounts: FlexDiscounts, wanted: Search, now: datetime) -> list[FlexDiscount]:
    """The open discounts a search finds, by start, code and id."""
    statuses = (ACTIVE, REUSABLE) if wanted.reusable else (ACTIVE,)
    found = (
        one
        for one in discounts.all
        if not one.is_closed
        and status_of(one, now) in statuses
        and wanted.code in ("", one.code)
        and wanted.discount_id in ("", one.id)
        and _fits(one, wanted)
    )
    return sorted(found, key=lambda one: (one.start, one.code, one.id))


def closed_code(discounts: FlexDiscounts, wanted: Search, now: datetime) -> FlexDiscount | None:
    """The closed discount of the code looked for, unless it has expired.

    A search by id finds none: closed discounts show theirs to nobody.
    """
    for one in () if wanted.discount_id else discounts.with_code(wanted.code):
        if one.is_closed and now <= one.last_moment and _fits(one, wanted):
            return one
    return None


def _fits(one: FlexDiscount, wanted: Search) -> bool:
    return (
        wanted.segment in one.segments
        and one.covers_country(wanted.country)
        and (not wanted.categories or one.category in wanted.categories)
        and (
            wanted.product_keys is None
            or any(one.covers_product(key) for key in wanted.product_keys)
        )
        and _runs_within(one, wanted)
    )


def _runs_within(one: FlexDiscount, wanted: Search) -> bool:
    """A date S alone asks what is live at S, E alone what has begun by E, both what runs between.

    A day means any moment of it.
    """
    since, until = wanted.since, wanted.until
    last = one.last_moment if wanted.reusable else one.end
    if since is not None and last < since[0]:
        return False
    if until is not None:
        return one.start <= until[1] and (since is None or since[0] <= until[1])
    return since is None or one.start <= since[1]


def reused_by(
    discounts: FlexDiscounts, redemptions: Iterable[Redemption], now: datetime
) -> list[FlexDiscount]:
    """The open reusable discounts a customer has used in time, the last used first (8.1)."""
    uses = [one for one in redemptions if not one.returned]
    last_uses: dict[str, datetime] = {}
    for use in uses:
        last_uses[use.discount_id] = max(
            use.redeemed_at, last_uses.get(use.discount_id, use.redeemed_at)
        )
    found = [
        one
        for one in discounts.all
        if one.id in last_uses
        and one.is_reusable
        and not one.is_closed
        and status_of(one, now) is not None
        and was_used(one, uses)
    ]
    return sorted(found, key=lambda one: (last_uses[one.id], one.id), reverse=True)
