"""Closed discounts: codes made for one customer from a template (sandbox.md 3 #33-35)."""

import secrets
import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from seatledger.domain.closed_codes import (
    ACTIVE,
    STATUSES,
    ClosedCode,
    status_of,
    template_of,
    templates,
)
from seatledger.domain.discounts import FlexDiscount
from seatledger.domain.model import Customer
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.world import World
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.sandbox.discounts import refuse_bad, segment_of
from seatledger.sandbox.edit_bodies import moment_of
from seatledger.store import accounts, partners
from seatledger.store import discounts as store

_SIGNS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that are taken for each other
_CODE_CHARACTERS: Final = 24
_FAILURE: Final = "FAILURE"
_FAILURE_AT: Final = 6


_Text = Annotated[str, Meta(min_length=1)]


class ClosedDiscountIn(
    Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True
):
    """POST /sandbox/closed-discounts."""

    market_segment: Literal["COM", "EDU", "GOV"]
    customer_id: _Text
    template_id: _Text
    expiry_date: _Text


class TemplateOut(Struct, frozen=True, rename="camel"):
    """What codes can be made from."""

    template_id: str
    label: str


class MadeCodeOut(Struct, frozen=True, rename="camel"):
    """A code that was made, or the one that the customer had already."""

    code: str
    customer_id: str
    existing: bool | UnsetType = UNSET


class ClosedDiscountOut(Struct, frozen=True, rename="camel"):
    """A closed code; a loaded one may belong to no customer yet."""

    code: str
    customer_id: str
    market_segments: tuple[str, ...]
    name: str
    expiry_date: str
    status: str


async def list_templates(control: Control) -> tuple[int, Any]:
    """GET /sandbox/closed-discounts/templates: those of a segment, or all."""
    segment = segment_of(control.query)
    refuse_bad(control.query)
    found = templates(control.own.discounts, segment)
    return 200, [TemplateOut(one.template_id, one.name) for one in found]


async def list_codes(control: Control) -> tuple[int, Any]:
    """GET /sandbox/closed-discounts: by a part of code or customer id, and by status."""
    query = control.query
    part = (query.text("q") or "").casefold()
    status = query.text("status", STATUSES)
    refuse_bad(query)
    async with control.engine.pool.acquire() as connection:
        spent = await store.spent_codes(connection, control.partner_id)
    now = control.engine.worlds.now(control.own)
    found = [
        _shown(one, status_of(one, spent, now))
        for one in control.own.discounts.all
        if one.is_closed
    ]
    return 200, [
        one
        for one in found
        if (status is None or one.status == status)
        and (part in one.code.casefold() or part in one.customer_id.casefold())
    ]


async def create(control: Control) -> tuple[int, Any]:
    """POST /sandbox/closed-discounts: a code for a customer, or the active one it has."""
    wanted: ClosedDiscountIn = control.body(ClosedDiscountIn)
    expires_at = moment_of(wanted.expiry_date, "expiryDate")
    assert expires_at is not None
    async with control.engine.pool.acquire() as connection, connection.transaction():
        await partners.load_locked(connection, control.partner_id)
        # Read behind the lock: codes made meanwhile count.
        world = await control.engine.worlds.refresh(control.partner_id, connection)
        if world is None:
            raise Refusal(Refused("4115"))
        now = control.engine.worlds.now(world)
        customer = await accounts.customer(connection, control.partner_id, wanted.customer_id)
        template = _template(world, wanted, customer, is_past=expires_at <= now)
        spent = await store.spent_codes(connection, control.partner_id)
        held = _active_code(world, wanted, spent, now)
        if held is not None:
            return 200, MadeCodeOut(held.code, held.customer_id, existing=True)
        cap = world.partner.settings.closed_discount_cap
        if len(world.row.closed_codes) >= cap:
            raise Conflict(f"{cap} closed discounts exist already; delete one, or raise the cap")
        made = _made(control.partner_id, wanted, template, expires_at, now)
        await store.add_code(connection, made)
    await control.engine.worlds.refresh(control.partner_id)
    return 201, MadeCodeOut(made.code, made.customer_id)


def _template(
    world: World, wanted: ClosedDiscountIn, customer: Customer | None, *, is_past: bool
) -> FlexDiscount:
    """The template of a code; Refusal (1117) for what stands against it."""
    template = template_of(world.discounts, wanted.template_id, wanted.market_segment)
    is_known = any(one.template_id == wanted.template_id for one in templates(world.discounts))
    is_elsewhere = customer is not None and customer.segment != wanted.market_segment
    faults = {
        "marketSegment": is_elsewhere or (is_known and template is None),
        "customerId": customer is None,
        "templateId": not is_known,
        "expiryDate": is_past,
    }
    if any(faults.values()):
        raise Refusal(Refused("1117", tuple(name for name, is_one in faults.items() if is_one)))
    assert template is not None
    return template


def _active_code(
    world: World, wanted: ClosedDiscountIn, spent: Collection[str], now: datetime
) -> ClosedCode | None:
    """The code of the template that the customer has and can still use."""
    for code in world.row.closed_codes:
        if (code.customer_id, code.template_id) == (wanted.customer_id, wanted.template_id):
            found = world.discounts.get(code.discount_id)
            if found is not None and status_of(found, spent, now) == ACTIVE:
                return code
    return None


async def delete(control: Control) -> tuple[int, Any]:
    """DELETE /sandbox/closed-discounts/{code}: nobody can use it any more."""
    code = control.params["code"]
    async with control.engine.pool.acquire() as connection, connection.transaction():
        if not await store.delete_code(connection, control.partner_id, code):
            if any(one.is_closed for one in control.own.discounts.with_code(code)):
                raise Conflict(f"closed discount {code} comes with the loaded file")
            raise Refusal(Refused("404"))
    await control.engine.worlds.refresh(control.partner_id)
    return 204, None


def _made(
    partner_id: str,
    wanted: ClosedDiscountIn,
    template: FlexDiscount,
    expires_at: datetime,
    now: datetime,
) -> ClosedCode:
    return ClosedCode(
        partner_id=partner_id,
        code=_new_code(fails=template.always_fails),
        discount_id=str(uuid.uuid4()),
        template_id=wanted.template_id,
        segment=wanted.market_segment,
        customer_id=wanted.customer_id,
        expires_at=expires_at,
        created_at=now,
    )


def _new_code(*, fails: bool) -> str:
    """A code nobody guesses; that of a template that is always refused says so (catalog.md 7.2)."""
    signs = "".join(secrets.choice(_SIGNS) for _ in range(_CODE_CHARACTERS))
    if not fails:
        return signs
    return signs[:_FAILURE_AT] + _FAILURE + signs[_FAILURE_AT + len(_FAILURE) :]


def _shown(one: FlexDiscount, status: str) -> ClosedDiscountOut:
    return ClosedDiscountOut(
        code=one.code,
        customer_id=one.customer_id,
        market_segments=tuple(sorted(one.segments)),
        name=one.name,
        expiry_date=render.timestamp(one.last_moment),
        status=status,
    )
