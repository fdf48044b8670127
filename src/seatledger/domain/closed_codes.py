"""Closed discounts: codes made for one customer, and a world's own view of the loaded discounts
(catalog.md 7.1, sandbox.md 3 #32-35)."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from seatledger.domain.discounts import FlexDiscount, FlexDiscounts

ACTIVE: Final = "ACTIVE"
EXPIRED: Final = "EXPIRED"
REDEEMED: Final = "REDEEMED"
STATUSES: Final = (ACTIVE, EXPIRED, REDEEMED)


class ClosedCode(Struct, frozen=True):
    """A code made from a template for one customer; it cannot be used after `expires_at`."""

    partner_id: str
    code: str
    discount_id: str
    template_id: str
    segment: str
    customer_id: str
    expires_at: datetime
    created_at: datetime


def templates(discounts: FlexDiscounts, segment: str | None = None) -> list[FlexDiscount]:
    """The loaded discounts that closed codes can be made from, of one segment or all."""
    return [
        one
        for one in discounts.all
        if one.is_closed and one.template_id and (segment is None or segment in one.segments)
    ]


def template_of(discounts: FlexDiscounts, template_id: str, segment: str) -> FlexDiscount | None:
    """The template with an id that is for a segment."""
    found = templates(discounts, segment)
    return next((one for one in found if one.template_id == template_id), None)


def in_world(
    discounts: FlexDiscounts,
    ends: Mapping[str, datetime],
    codes: Iterable[ClosedCode],
    own_customers: Collection[str],
) -> FlexDiscounts:
    """The loaded discounts as one partner has them.

    `ends` are end dates it has moved, by discount id; `codes` those made for its customers. A
    loaded code that is bound to a customer exists for the partner of that customer alone, as
    `own_customers` tells; a made one goes with its template.
    """
    codes = tuple(codes)
    if not ends and not codes and not discounts.bound_customers:
        return discounts
    kept = [
        replace(one, end=ends.get(one.id, one.end))
        for one in discounts.all
        if not one.customer_id or one.customer_id in own_customers
    ]
    made = (_made(FlexDiscounts(kept), code) for code in codes)
    return FlexDiscounts((*kept, *(one for one in made if one is not None)))


def _made(discounts: FlexDiscounts, code: ClosedCode) -> FlexDiscount | None:
    template = template_of(discounts, code.template_id, code.segment)
    if template is None:
        return None
    return replace(
        template,
        id=code.discount_id,
        code=code.code,
        template_id="",
        segments=frozenset({code.segment}),
        customer_id=code.customer_id,
        code_expiry=code.expires_at,
    )


def status_of(found: FlexDiscount, spent: Collection[str], now: datetime) -> str:
    """Whether a closed code can still be used; `spent` are the ids of redeemed one-time codes."""
    if found.id in spent:
        return REDEEMED
    return EXPIRED if now > found.last_moment else ACTIVE
