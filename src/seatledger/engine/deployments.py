"""Deployments: create, update (accounts.md 9)."""

from typing import Any

from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE, INACTIVE
from seatledger.contract.walker import in_document_order
from seatledger.domain.addresses import address_faults, missing_postal_code, normalized_address
from seatledger.domain.model import Customer, Deployment, Partner
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.bodies import Body, field_refusal, read_only_faults
from seatledger.engine.resellers import sold_countries
from seatledger.engine.writes import Done, LostRace, Scene, Write
from seatledger.store import accounts
from seatledger.store.ids import Ids
from seatledger.store.rows import AnyConnection

_EDITABLE = ("companyProfile", "status")


async def create(scene: Scene, customer_id: str, body: Body, ids: Ids) -> Done | Refused:
    """POST: a branch of a globally enabled customer in another country."""
    partner = scene.world.partner
    customer = await accounts.customer(scene.connection, partner.partner_id, customer_id)
    if customer is None:
        return Refused("1116")
    refused = _form_refusal(body, partner, before_values=_program_refusal(partner, customer))
    if refused is not None:
        return refused
    address = normalized_address(body.raw["companyProfile"]["address"])
    if address["country"] == customer.country:
        return Refused("1141")
    deployment = Deployment(
        deployment_id=partner.settings.id_prefix + await ids.deployments.new(scene.connection),
        customer_id=customer_id,
        partner_id=partner.partner_id,
        status=ACTIVE,
        address=address,
        created_at=scene.now,
    )
    return Done(201, render.deployment(deployment), (_write(deployment, customer),))


async def update(scene: Scene, customer_id: str, deployment_id: str, body: Body) -> Done | Refused:
    """PATCH: another address in the same country, switched off or on again."""
    partner = scene.world.partner
    customer = await accounts.customer(scene.connection, partner.partner_id, customer_id)
    if customer is None:
        return Refused("1116")
    stored = await accounts.deployment(scene.connection, customer_id, deployment_id)
    if stored is None:
        return Refused("2138")
    is_empty = body.raw.get("companyProfile") is None and body.raw.get("status") is None
    refused = _form_refusal(body, partner, missing=_EDITABLE if is_empty else ())
    if refused is not None:
        return refused
    status = body.raw.get("status") or stored.status
    profile = body.raw.get("companyProfile")
    address = normalized_address(profile["address"]) if profile else stored.address
    fixed = read_only_faults(
        body.raw,
        render.to_builtins(render.deployment(stored)),
        ("deploymentId", "creationDate", "links"),
    )
    if address["country"] != stored.country:
        fixed.append("companyProfile.address.country")
    if status == INACTIVE != stored.status and await accounts.deployment_is_used(
        scene.connection, customer_id, deployment_id
    ):
        fixed.append("status")
    if fixed:
        return Refused("1119", tuple(in_document_order(fixed, body.raw)))
    changed = replace(stored, address=address, status=status)
    return Done(200, render.deployment(changed), (_write(changed, customer),))


def _write(deployment: Deployment, customer: Customer) -> Write:
    async def write(connection: AnyConnection) -> None:
        if not await accounts.bump_customer(connection, customer.customer_id, customer.version):
            raise LostRace
        await accounts.put_deployment(connection, deployment)

    return write


def _program_refusal(partner: Partner, customer: Customer) -> Refused | None:
    if not partner.global_sales_enabled:
        return Refused("1139")
    if not customer.global_sales:
        return Refused("1140")
    return Refused("1142") if customer.segment != "COM" else None


def _form_refusal(
    body: Body,
    partner: Partner,
    *,
    missing: tuple[str, ...] = (),
    before_values: Refused | None = None,
) -> Refused | None:
    """1121 and 1122, then what the program forbids, then the values of the address."""
    address: Any = (body.raw.get("companyProfile") or {}) if body.malformed is None else {}
    address = address.get("address") if isinstance(address, dict) else None
    invalid: list[str] = []
    if isinstance(address, dict):
        invalid = address_faults(address, countries=sold_countries(partner))
        if missing_postal_code(address):
            missing = (*missing, "companyProfile.address.postalCode")
    refused = field_refusal(body, missing=missing, invalid=invalid)
    if before_values is not None and (refused is None or refused.code in ("1117", "1118")):
        return before_values
    return refused
