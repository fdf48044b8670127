"""The flexible discounts of a world with everything the loaded file says (sandbox.md 3 #31-32)."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from seatledger.api.query import Query
from seatledger.domain.discounts import PERCENTAGE, FlexDiscount
from seatledger.domain.outcome import Refused
from seatledger.domain.profiles import MARKET_SEGMENTS
from seatledger.engine import render
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.sandbox.edit_bodies import moment_of
from seatledger.store import discounts as store

_ORDER_TYPES: Final = ("NEW", "RENEWAL", "SWITCH")


class DiscountEdit(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """PATCH /sandbox/flex-discounts/{id}."""

    end_date: Annotated[str, Meta(min_length=1)]


class LoadedDiscountOut(Struct, frozen=True, rename="camel"):
    """A discount with the columns of the file; "" and null where one is empty."""

    id: str
    code: str
    name: str
    description: str
    category: str
    visibility: str
    template_id: str
    market_segments: tuple[str, ...]
    countries: tuple[str, ...]
    base_offer_ids: tuple[str, ...]
    outcome_type: str
    discount_values: tuple[dict[str, str | Decimal], ...]
    start_date: str
    end_date: str
    discount_lock_end_date: str | None
    order_types: tuple[str, ...]
    three_year_commit: str
    commit_scope: str
    min_commit_quantity: int | None
    min_upgrade_percent: int | None
    max_redemptions_per_customer: int | None
    customer_id: str
    code_expiry_date: str | None
    always_fails: bool


async def list_loaded(control: Control) -> tuple[int, Any]:
    """GET /sandbox/flex-discounts: open and closed ones, those made for customers included."""
    query = control.query
    segment = segment_of(query)
    country = query.text("country")
    order_type = query.text("order-type", _ORDER_TYPES)
    refuse_bad(query)
    return 200, [
        shown(one)
        for one in control.own.discounts.all
        if (segment is None or segment in one.segments)
        and (country is None or one.covers_country(country))
        and (order_type is None or order_type in one.order_types)
    ]


async def move_end(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/flex-discounts/{id}: another end of a reusable discount, in this world."""
    wanted: DiscountEdit = control.body(DiscountEdit)
    ends_at = moment_of(wanted.end_date, "endDate")
    assert ends_at is not None
    found = control.own.discounts.get(control.params["discount-id"])
    if found is None:
        raise Refusal(Refused("404"))
    if found.lock_end is None:
        raise Conflict(f"discount {found.code} cannot be reused: its end date is that of the file")
    if not found.start < ends_at < found.lock_end:
        raise Refusal(Refused("1117", ("endDate",)))
    async with control.engine.pool.acquire() as connection, connection.transaction():
        await store.set_end(connection, control.partner_id, found.id, ends_at)
    world = await control.engine.worlds.refresh(control.partner_id)
    changed = world.discounts.get(found.id) if world is not None else None
    if changed is None:
        raise Refusal(Refused("404"))
    return 200, shown(changed)


def segment_of(query: Query) -> str | None:
    """The market segment a list is for; None for all."""
    return query.text("market-segment", MARKET_SEGMENTS)


def refuse_bad(query: Query) -> None:
    """Refusal (1132) when a parameter has a bad value."""
    if query.bad:
        raise Refusal(Refused("1132", query.bad))


def shown(one: FlexDiscount) -> LoadedDiscountOut:
    """A discount as the control API answers it."""
    return LoadedDiscountOut(
        id=one.id,
        code=one.code,
        name=one.name,
        description=one.description,
        category=one.category,
        visibility=one.visibility,
        template_id=one.template_id,
        market_segments=tuple(sorted(one.segments)),
        countries=tuple(sorted(one.countries)),
        base_offer_ids=tuple(sorted(one.base_offer_ids)),
        outcome_type=one.outcome_type,
        discount_values=_values(one),
        start_date=render.timestamp(one.start),
        end_date=render.timestamp(one.end),
        discount_lock_end_date=_instant(one.lock_end),
        order_types=tuple(sorted(one.order_types)),
        three_year_commit=one.three_year_commit,
        commit_scope=one.commit_scope,
        min_commit_quantity=one.min_commit_quantity,
        min_upgrade_percent=one.min_upgrade_percent,
        max_redemptions_per_customer=one.max_redemptions,
        customer_id=one.customer_id,
        code_expiry_date=_instant(one.code_expiry),
        always_fails=one.always_fails,
    )


def _values(one: FlexDiscount) -> tuple[dict[str, str | Decimal], ...]:
    if one.outcome_type == PERCENTAGE:
        return tuple({"value": value} for value in one.values.values())
    return tuple(
        {"country": country, "currency": currency, "value": value}
        for (country, currency), value in sorted(one.values.items())
    )


def _instant(at: datetime | None) -> str | None:
    return None if at is None else render.timestamp(at)
