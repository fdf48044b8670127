"""Resellers: create, read, update (accounts.md 5.2, 5.3)."""

from typing import Any

from msgspec.structs import replace

from seatledger.contract.countries import countries_of
from seatledger.contract.statuses import BLOCKED, INVALID_ADDRESS, PENDING
from seatledger.contract.walker import in_document_order
from seatledger.domain.addresses import missing_postal_code
from seatledger.domain.model import Customer, Partner, Reseller
from seatledger.domain.outcome import Refused
from seatledger.domain.profiles import normalized_profile, profile_faults
from seatledger.engine import contacts, render
from seatledger.engine.bodies import Body, field_refusal, read_only_faults
from seatledger.engine.writes import Done, LostRace, Scene, Write
from seatledger.store import accounts
from seatledger.store.ids import Ids
from seatledger.store.rows import AnyConnection

_FIXED = ("companyName", "address.country", "address.region")


async def create(scene: Scene, body: Body, ids: Ids) -> Done | Refused:
    """POST: a pending reseller, validated asynchronously."""
    partner = scene.world.partner
    refused = form_refusal(body, partner, "reseller")
    if refused is not None:
        return refused
    if body.raw["distributorId"] != partner.partner_id:
        return Refused("1114", ("distributorId",))
    profile = normalized_profile(body.raw["companyProfile"], "reseller")
    if not set(_segments(profile)) <= set(partner.market_segments):
        return Refused("2135")
    reseller = Reseller(
        reseller_id=partner.settings.id_prefix + await ids.account(scene.connection),
        partner_id=partner.partner_id,
        status=PENDING,
        external_reference_id=body.raw.get("externalReferenceId") or "",
        profile=profile,
        created_at=scene.now,
        settle_at=scene.world.settles_at(scene.now),
        injected_status=scene.injected_status,
    )

    async def write(connection: AnyConnection) -> None:
        await accounts.insert_reseller(connection, reseller)

    return Done(
        201,
        render.reseller(reseller, profile),
        (write, contacts.keep_names(partner.partner_id, profile)),
        validates_account=True,
    )


async def read(connection: AnyConnection, partner_id: str, reseller_id: str) -> Reseller | None:
    """A reseller with the contact names the partner knows; None if unknown."""
    reseller = await accounts.reseller(connection, partner_id, reseller_id)
    if reseller is None:
        return None
    profile = await contacts.with_known_names(connection, partner_id, reseller.profile)
    return replace(reseller, profile=normalized_profile(profile, "reseller"))


async def update(scene: Scene, reseller_id: str, body: Body) -> Done | Refused:
    """PATCH: the profile is replaced; name, country and region stay, segments only grow."""
    partner = scene.world.partner
    stored = await accounts.reseller(scene.connection, partner.partner_id, reseller_id)
    if stored is None:
        return Refused("1115")
    refused = form_refusal(body, partner, "reseller")
    if refused is not None:
        return refused
    if stored.status in (PENDING, BLOCKED):
        return Refused("1125")
    shown = await read(scene.connection, partner.partner_id, reseller_id)
    assert shown is not None
    fixed = fixed_field_faults(body.raw, stored.profile) + read_only_faults(
        body.raw,
        render.to_builtins(render.reseller(shown, shown.profile)),
        ("distributorId", "resellerId", "creationDate", "status", "links"),
    )
    if fixed:
        return Refused("1119", tuple(in_document_order(fixed, body.raw)))
    profile = normalized_profile(body.raw["companyProfile"], "reseller")
    segments = set(_segments(profile))
    if not segments - set(stored.market_segments) <= set(partner.market_segments):
        return Refused("2135")
    if not set(stored.market_segments) <= segments:
        detail = "Reseller is not permitted to remove existing market segments"
        return Refused("5122", (detail,), "Invalid Request")
    reference = body.raw.get("externalReferenceId")
    changed = replace(
        stored,
        profile=profile,
        external_reference_id=stored.external_reference_id if reference is None else reference,
        version=stored.version + 1,
    )
    again = has_corrected_address(stored, profile)
    if again:
        changed = replace(changed, status=PENDING, settle_at=scene.world.settles_at(scene.now))

    async def write(connection: AnyConnection) -> None:
        if not await accounts.replace_reseller(connection, changed, stored.version):
            raise LostRace

    writes: tuple[Write, ...] = (write, contacts.keep_names(partner.partner_id, profile))
    return Done(200, render.reseller(changed, profile), writes, validates_account=again)


def form_refusal(
    body: Body,
    partner: Partner,
    kind: Any,
    *,
    more_missing: tuple[str, ...] = (),
    more_invalid: tuple[str, ...] = (),
) -> Refused | None:
    """The refusal of an account body: its form and the values of its profile, together."""
    profile = body.raw.get("companyProfile")
    missing: list[str] = list(more_missing)
    invalid: list[str] = list(more_invalid)
    if isinstance(profile, dict):
        invalid += profile_faults(profile, countries=sold_countries(partner), kind=kind)
        address = profile.get("address")
        if isinstance(address, dict) and missing_postal_code(address):
            missing.append("companyProfile.address.postalCode")
    return field_refusal(body, missing=missing, invalid=invalid)


def sold_countries(partner: Partner) -> frozenset[str]:
    """Countries of the partner's regions."""
    return frozenset().union(*(countries_of(region) for region in partner.regions))


def fixed_field_faults(raw: dict[str, Any], stored: dict[str, Any]) -> list[str]:
    """Fields of the profile that must be sent unchanged and were not (1119)."""
    sent = raw["companyProfile"]
    values = {
        "companyName": (sent.get("companyName"), stored["companyName"]),
        "address.country": (sent["address"].get("country"), stored["address"]["country"]),
        "address.region": (sent["address"].get("region"), stored["address"]["region"]),
    }
    return [f"companyProfile.{name}" for name in _FIXED if values[name][0] != values[name][1]]


def has_corrected_address(stored: Reseller | Customer, profile: dict[str, Any]) -> bool:
    """Whether a change sends an account with a refused address into validation again (5.1)."""
    return stored.status == INVALID_ADDRESS and stored.profile["address"] != profile["address"]


def _segments(profile: dict[str, Any]) -> list[str]:
    segments: list[str] = profile["marketSegments"]
    return segments
