"""Worlds: partners of their own, their contract, data sets and reset (sandbox.md 2)."""

from datetime import datetime
from typing import Any

from seatledger.domain.catalog_file import CatalogFileError
from seatledger.domain.outcome import Refused
from seatledger.domain.reconciliation import closing_after
from seatledger.engine import partners as partner_rules
from seatledger.engine import render
from seatledger.engine.agenda import run_agenda
from seatledger.engine.claims import Scope
from seatledger.engine.credentials import new_secret
from seatledger.engine.partners import NewWorld
from seatledger.sandbox import fixtures
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.sandbox.time_control import clock_held, moment_in_range
from seatledger.store import due, partners

_CONTRACT_FIELDS = (
    "name", "status", "country", "regions", "currencies", "marketSegments", "programs",
    "globalSalesEnabled", "lgaEnabled", "flags", "quirks",
)  # fmt: skip
_NEW_FIELDS = (*_CONTRACT_FIELDS, "distributorId", "clock", "settlement", "fixtures")


async def create(control: Control) -> tuple[int, Any]:
    """POST /sandbox/partners: an isolated partner with keys of its own."""
    doc = control.raw
    _judge(doc, _NEW_FIELDS)
    real = control.engine.clock.now()
    at = _start(doc.get("clock"), real)
    partner_id = doc.get("distributorId") or partner_rules.new_distributor_id()
    partner = partner_rules.changed_partner(
        partner_rules.default_partner(partner_id, doc.get("name") or f"world {partner_id}"), doc
    )
    client_id, secret = partner_rules.new_client_id(), new_secret()
    async with control.engine.pool.acquire() as connection, connection.transaction():
        if await partners.load(connection, partner_id) is not None:
            raise Conflict(f"partner {partner_id} exists")
        world = NewWorld("frozen", at, "immediate")
        await partner_rules.create(connection, partner, world, real)
        await partner_rules.give_credential(
            connection, partner_id, client_id, secret, origin="sandbox"
        )
    made: dict[str, Any] = {}
    for name in doc.get("fixtures") or ():
        made[name] = await fixtures.make(control.engine, partner_id, name)
    return 201, {
        "distributorId": partner_id,
        "clientId": client_id,
        "clientSecret": secret,
        "tokenUrl": f"{control.base_url}/ims/token/v3",
        "baseUrl": control.base_url,
        "fixtures": made,
    }


def _judge(doc: dict[str, Any], known: tuple[str, ...]) -> None:
    unknown = [name for name in doc if name not in known]
    if not unknown:
        unknown = partner_rules.unknown_names(doc)
    if unknown:
        raise Refusal(Refused("1121", tuple(unknown)))
    faults = partner_rules.contract_faults(doc)
    names = doc.get("fixtures") or []
    if not isinstance(names, list) or any(name not in fixtures.SETS for name in names):
        faults.append("fixtures")
    if faults:
        raise Refusal(Refused("1117", tuple(faults)))


def _start(clock: object, real: datetime) -> datetime:
    """Where a new world's frozen clock stands: real time unless given."""
    if clock is None:
        return real.replace(microsecond=0)
    text = clock.get("now") if isinstance(clock, dict) else None
    if not isinstance(text, str):
        raise Refusal(Refused("1117", ("clock.now",)))
    return moment_in_range(text, "clock.now")


async def list_all(control: Control) -> tuple[int, Any]:
    """GET /sandbox/partners."""
    rows = []
    async with control.engine.pool.acquire() as connection:
        for partner_id in await partners.all_ids(connection):
            row = await partners.load(connection, partner_id)
            if row is not None:
                keys = await partners.credentials_of(connection, partner_id)
                rows.append(
                    {
                        "distributorId": partner_id,
                        "name": row.doc.name,
                        "clientIds": [key.client_id for key in keys],
                    }
                )
    return 200, {"totalCount": len(rows), "items": rows}


async def delete(control: Control) -> tuple[int, Any]:
    """DELETE /sandbox/partners/{distributor-id}: everything of it goes."""
    async with control.engine.pool.acquire() as connection, connection.transaction():
        if not await partners.delete(connection, control.params["distributor-id"]):
            raise Refusal(Refused("404"))
    return 204, None


async def change(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/partner: contract fields, flags, quirks of the caller."""
    _judge(control.raw, _CONTRACT_FIELDS)
    async with control.engine.pool.acquire() as connection, connection.transaction():
        row = await partners.load_locked(connection, control.partner_id)
        if row is None:
            raise Refusal(Refused("4115"))
        partner = partner_rules.changed_partner(row.doc, control.raw)
        await partners.replace_doc(connection, partner, row.version)
        if partner_rules.changes_due_dates(row.doc.settings, partner.settings):
            now = control.engine.worlds.now(control.own)
            await due.look_again(connection, control.partner_id, now)
    world = await control.engine.worlds.refresh(control.partner_id)
    if world is not None:
        now = control.engine.worlds.now(world)
        scope = Scope(wait=True)
        await run_agenda(control.engine.pool, world, control.engine.ids, now, scope)
    return 200, shown(partner)


async def show(control: Control) -> tuple[int, Any]:
    """GET /sandbox/partner."""
    return 200, shown(control.own.partner)


def shown(partner: Any) -> dict[str, Any]:
    """A partner as the control API answers it."""
    return {
        "distributorId": partner.partner_id,
        "name": partner.name,
        "status": partner.status,
        "country": partner.country,
        "regions": partner.regions,
        "currencies": partner.currencies,
        "marketSegments": partner.market_segments,
        "programs": partner.programs,
        "globalSalesEnabled": partner.global_sales_enabled,
        "lgaEnabled": partner.lga_enabled,
        "flags": render.to_builtins(partner.settings),
        "quirks": sorted(partner.quirks),
    }


async def put_catalog(control: Control) -> tuple[int, Any]:
    """PUT /sandbox/catalog: a CSV catalogue for the caller's world."""
    return await _put(control, "catalog")


async def put_discounts(control: Control) -> tuple[int, Any]:
    """PUT /sandbox/flex-discounts: a CSV of flexible discounts for the caller's world."""
    return await _put(control, "flex_discounts")


async def _put(control: Control, kind: str) -> tuple[int, Any]:
    text = control.raw.get("text")
    if not isinstance(text, str):
        raise Refusal(Refused("1122", ("text",)))
    try:
        async with control.engine.pool.acquire() as connection, connection.transaction():
            version, rows, _ = await partner_rules.load_data_set(
                connection, kind, text, control.partner_id
            )
    except CatalogFileError as error:
        raise Refusal(Refused("400", error.problems)) from error
    await control.engine.worlds.refresh(control.partner_id)
    return 200, {"rows": rows, "version": version}


async def reset(control: Control) -> tuple[int, Any]:
    """POST /sandbox/reset: an empty world; partner, credentials and tokens stay, and the clock
    unless another is given."""
    unknown = [name for name in control.raw if name not in ("fixtures", "clock")]
    if unknown:
        raise Refusal(Refused("1121", tuple(unknown)))
    names = control.raw.get("fixtures") or []
    if not isinstance(names, list) or any(name not in fixtures.SETS for name in names):
        raise Refusal(Refused("1117", ("fixtures",)))
    real = control.engine.clock.now()
    at = _start(control.raw["clock"], real) if control.raw.get("clock") else None
    async with clock_held(control) as (connection, _), connection.transaction():
        await partners.empty(connection, control.partner_id)
        await partners.set_faults_armed(connection, control.partner_id, False)
        if at is not None:
            await partners.set_closing(connection, control.partner_id, closing_after(at))
            await partners.set_clock(
                connection, control.partner_id, mode="frozen", at=at, real=real, rate=1.0
            )
    await control.engine.worlds.refresh(control.partner_id)
    made = {name: await fixtures.make(control.engine, control.partner_id, name) for name in names}
    return 200, {"fixtures": made}
