"""Customers: create, read, update (accounts.md 5.4-5.6, 6)."""

from collections.abc import Collection
from datetime import date
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from seatledger.contract.resources import CustomerOut
from seatledger.contract.statuses import ACTIVE, BLOCKED, PENDING, SCHEDULED
from seatledger.contract.walker import in_document_order
from seatledger.domain import agenda, commitment_requests
from seatledger.domain.calendar import add_years, utc_day
from seatledger.domain.commitment_requests import Asked
from seatledger.domain.model import Customer, Partner, Reseller
from seatledger.domain.outcome import Refused
from seatledger.domain.profiles import normalized_profile
from seatledger.engine import contacts, render
from seatledger.engine.bodies import Body, may_be_id, read_only_faults
from seatledger.engine.resellers import (
    fixed_field_faults,
    form_refusal,
    has_corrected_address,
)
from seatledger.engine.writes import Done, LostRace, Scene
from seatledger.store import accounts, subscriptions
from seatledger.store.ids import Ids
from seatledger.store.rows import AnyConnection

_READ_ONLY = (
    "customerId", "resellerId", "status", "discounts", "tags", "cotermDate", "creationDate",
    "links",
)  # fmt: skip
_BARE_WITHOUT_SEATS = "omit_discounts_without_active_subscriptions"
_LARGE_AGENCY = "LARGE_GOVERNMENT_AGENCY"
_NOT_WITH_COMMIT = "3YC Customer not allowed for"
_LONGEST_TERM_YEARS = {"EDU": 4}


async def create(scene: Scene, body: Body, ids: Ids) -> Done | Refused:
    """POST: a pending customer of a reseller, validated asynchronously."""
    partner = scene.world.partner
    reseller_id = body.raw.get("resellerId")
    reseller = None
    if isinstance(reseller_id, str) and reseller_id:
        if may_be_id(reseller_id):
            reseller = await accounts.reseller(scene.connection, partner.partner_id, reseller_id)
        if reseller is None:
            return Refused("1115")
    today = utc_day(scene.now)
    coterm, faults = _extended_term(body.raw, today)
    asked = commitment_requests.read(body.raw.get("benefits"), (), None, today)
    if coterm is not None and asked.kind is not None:
        faults = ("cotermDate",)  # an extended term goes without a commitment (accounts.md 6)
    refused = form_refusal(
        body,
        partner,
        "customer",
        more_missing=asked.missing,
        more_invalid=(*faults, *asked.invalid),
    )
    if refused is not None:
        return refused
    assert reseller is not None
    if reseller.status not in (ACTIVE, PENDING):
        return Refused("1126")
    profile = normalized_profile(body.raw["companyProfile"], "customer")
    customer = Customer(
        customer_id=partner.settings.id_prefix + await ids.account(scene.connection),
        partner_id=partner.partner_id,
        reseller_id=reseller.reseller_id,
        status=PENDING,
        external_reference_id=body.raw.get("externalReferenceId") or "",
        profile=profile,
        created_at=scene.now,
        settle_at=scene.world.settles_at(scene.now),
        injected_status=scene.injected_status,
        coterm_date=coterm,
        extended_term=coterm is not None,
        global_sales=bool(body.raw.get("globalSalesEnabled")),
    )
    refused = _program_refusal(body.raw, asked, partner, reseller, customer, None)
    if refused is not None:
        return refused
    if asked.kind is not None:
        customer = commitment_requests.requested(customer, asked, scene.now)
    if await accounts.has_duplicate(scene.connection, customer):
        return Refused("1127")

    async def write(connection: AnyConnection) -> None:
        await accounts.lock_name(connection, customer)
        if await accounts.has_duplicate(connection, customer):
            raise LostRace
        await accounts.insert_customer(connection, customer)

    return Done(
        201,
        await _resource(scene.connection, customer, profile, partner.quirks),
        (write, contacts.keep_names(partner.partner_id, profile)),
        validates_account=True,
    )


async def read(connection: AnyConnection, partner: Partner, customer_id: str) -> CustomerOut | None:
    """The resource with the contact names the partner knows; None if unknown."""
    customer = await accounts.customer(connection, partner.partner_id, customer_id)
    if customer is None:
        return None
    profile = await contacts.with_known_names(connection, partner.partner_id, customer.profile)
    profile = normalized_profile(profile, "customer")
    return await _resource(connection, customer, profile, partner.quirks)


async def _resource(
    connection: AnyConnection, customer: Customer, profile: dict[str, Any], quirks: Collection[str]
) -> CustomerOut:
    """The resource; a quirk leaves `discounts` out while nothing is active (accounts.md 18)."""
    resource = render.customer(customer, profile, quirks)
    if _BARE_WITHOUT_SEATS in quirks and not await accounts.has_subscription_in(
        connection, customer.customer_id, (ACTIVE,)
    ):
        return replace(resource, discounts=UNSET)
    return resource


async def update(scene: Scene, customer_id: str, body: Body) -> Done | Refused:
    """PATCH: address, language, contacts, reference, segment, global sales may change, and a
    three-year commit may be asked for."""
    partner = scene.world.partner
    stored = await accounts.customer(scene.connection, partner.partner_id, customer_id)
    if stored is None:
        return Refused("1116")
    held = [render.to_builtins(one) for one in render.benefits(stored, partner.quirks)]
    asked = commitment_requests.read(body.raw.get("benefits"), held, stored, utc_day(scene.now))
    refused = form_refusal(
        body, partner, "customer", more_missing=asked.missing, more_invalid=asked.invalid
    )
    if refused is not None:
        return refused
    if stored.status in (PENDING, BLOCKED):
        return Refused("1125")
    profile = normalized_profile(_merged_profile(body.raw["companyProfile"], stored), "customer")
    refused = await _fixed_refusal(scene, stored, body.raw, asked, profile)
    if refused is not None:
        return refused
    reseller = await accounts.reseller(scene.connection, partner.partner_id, stored.reseller_id)
    assert reseller is not None
    reference = body.raw.get("externalReferenceId")
    global_sales = body.raw.get("globalSalesEnabled")
    changed = replace(
        stored,
        profile=profile,
        external_reference_id=stored.external_reference_id if reference is None else reference,
        global_sales=stored.global_sales if global_sales is None else global_sales,
        version=stored.version + 1,
    )
    refused = _program_refusal(body.raw, asked, partner, reseller, changed, stored)
    if refused is not None:
        return refused
    if asked.kind is not None:
        changed = await _with_request(scene, changed, asked)
    again = has_corrected_address(stored, profile)
    if again:
        changed = replace(changed, status=PENDING, settle_at=scene.world.settles_at(scene.now))

    async def write(connection: AnyConnection) -> None:
        if not await accounts.replace_customer(connection, changed, stored.version):
            raise LostRace

    return Done(
        200,
        await _resource(scene.connection, changed, profile, partner.quirks),
        (write, contacts.keep_names(partner.partner_id, profile)),
        validates_account=again,
    )


def _extended_term(raw: dict[str, Any], today: date) -> tuple[date | None, tuple[str, ...]]:
    """The anniversary of an extended first term, or its fault (accounts.md 6)."""
    text = raw.get("cotermDate")
    if not isinstance(text, str) or not text:
        return None, ()
    try:
        coterm = date.fromisoformat(text)
    except ValueError:
        return None, ("cotermDate",)
    profile = raw.get("companyProfile")
    segment = profile.get("marketSegment") if isinstance(profile, dict) else None
    years = _LONGEST_TERM_YEARS.get(segment if isinstance(segment, str) else "", 3)
    fits = add_years(today, 1) < coterm <= add_years(today, years)
    if not fits or coterm.isoformat() != text:
        return None, ("cotermDate",)
    return coterm, ()


def _merged_profile(sent: dict[str, Any], stored: Customer) -> dict[str, Any]:
    """The sent profile with what PATCH leaves as it is; sub-segments go with their segment."""
    segment = sent.get("marketSegment") or stored.segment
    return {
        **sent,
        "marketSegment": segment,
        "marketSubSegments": stored.sub_segments if segment == stored.segment else [],
        "contacts": sent.get("contacts") or stored.profile["contacts"],
    }


async def _fixed_refusal(
    scene: Scene, stored: Customer, raw: dict[str, Any], asked: Asked, profile: dict[str, Any]
) -> Refused | None:
    """1119: fields that cannot change, or not in the customer's present state."""
    connection = scene.connection
    shown = await read(connection, scene.world.partner, stored.customer_id)
    assert shown is not None
    resource = render.to_builtins(shown)
    fixed = [*fixed_field_faults(raw, stored.profile), *asked.fixed]
    sub_segments = raw["companyProfile"].get("marketSubSegments")
    if sub_segments is not None and sub_segments != stored.sub_segments:
        fixed.append("companyProfile.marketSubSegments")
    if profile["marketSegment"] != stored.segment and await accounts.has_subscription_in(
        connection, stored.customer_id, (ACTIVE, SCHEDULED)
    ):
        fixed.append("companyProfile.marketSegment")
    fixed += read_only_faults(raw, resource, _READ_ONLY)
    switched_off = raw.get("globalSalesEnabled") is False and stored.global_sales
    if switched_off and await accounts.has_active_deployment(connection, stored.customer_id):
        fixed.append("globalSalesEnabled")
    return Refused("1119", tuple(in_document_order(fixed, raw))) if fixed else None


async def _with_request(scene: Scene, changed: Customer, asked: Asked) -> Customer:
    """The customer with its request made, and the day noted it may expire on."""
    made = commitment_requests.requested(changed, asked, scene.now)
    account = await subscriptions.account(
        scene.connection, scene.world.partner_id, changed.customer_id
    )
    held = account.subscriptions if account is not None else ()
    return agenda.scheduled(made, held, scene.world.partner.settings, scene.now)


def _program_refusal(
    raw: dict[str, Any],
    asked: Asked,
    partner: Partner,
    reseller: Reseller,
    changed: Customer,
    stored: Customer | None,
) -> Refused | None:
    """Segment (2135), global sales (1139, 1142), three-year commit (1147, 1135), and programs not
    served yet (4121)."""
    if changed.segment not in reseller.market_segments:
        return Refused("2135")
    return (
        _global_sales_refusal(partner, changed, stored)
        or _other_program_refusal(raw, asked, stored)
        or commitment_requests.quantity_refusal(asked, stored)
    )


def _global_sales_refusal(
    partner: Partner, changed: Customer, stored: Customer | None
) -> Refused | None:
    if not changed.global_sales:
        return None
    sold_as = stored.segment if stored is not None and stored.global_sales else None
    if sold_as is None and not partner.global_sales_enabled:
        return Refused("1139")
    return Refused("1142") if changed.segment not in ("COM", sold_as) else None


def _other_program_refusal(
    raw: dict[str, Any], asked: Asked, stored: Customer | None
) -> Refused | None:
    """Programs that exclude a three-year commit (1147), and are not served yet without (4121)."""
    benefits = raw.get("benefits") or ()
    is_linked = raw.get("linkedMembership") not in (None, [])
    is_agency = any(one["type"] == _LARGE_AGENCY for one in benefits)
    commit = stored.three_year_commit if stored is not None else None
    is_committing = asked.kind is not None or (commit is not None and commit.is_live)
    if is_committing and is_agency:
        return Refused("1147", (f"{_NOT_WITH_COMMIT} Large Government Agency",))
    if is_committing and is_linked:
        return Refused("1147", (f"{_NOT_WITH_COMMIT} Linked Membership",))
    unserved = {"linkedMembership": is_linked, "benefits": is_agency}
    names = tuple(name for name in raw if unserved.get(name))
    return Refused("4121", names) if names else None
