"""Worlds: partners of their own, their contract, data sets and reset (sandbox.md 2)."""

from typing import Any

import asyncpg

from seatledger.domain.catalog_file import CatalogFileError
from seatledger.domain.outcome import Refused
from seatledger.domain.reconciliation import closing_after
from seatledger.engine import partners as partner_rules
from seatledger.engine.agenda import run_agenda
from seatledger.engine.claims import Scope
from seatledger.engine.credentials import new_secret
from seatledger.engine.partners import NewWorld
from seatledger.sandbox import fixtures
from seatledger.sandbox.clock import clock_held
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.sandbox.world_bodies import (
    ContractIn,
    DataSetIn,
    ResetIn,
    WorldIn,
    read_contract,
    start_of,
)
from seatledger.store import agenda, due, partners


async def create(control: Control) -> tuple[int, Any]:
    """POST /sandbox/partners: an isolated partner with keys of its own, or none at all."""
    wanted, contract = read_contract(control, WorldIn)
    real = control.engine.clock.now()
    at = start_of(wanted.clock) or real.replace(microsecond=0)
    partner_id = wanted.distributor_id or partner_rules.new_distributor_id()
    partner = partner_rules.changed_partner(
        partner_rules.default_partner(partner_id, f"world {partner_id}"), contract
    )
    client_id, secret = partner_rules.new_client_id(), new_secret()
    try:
        async with control.engine.pool.acquire() as connection, connection.transaction():
            world = NewWorld("frozen", at, "immediate")
            await partner_rules.create(connection, partner, world, real)
            await partner_rules.give_credential(
                connection, partner_id, client_id, secret, origin="sandbox"
            )
    except asyncpg.UniqueViolationError as error:
        raise Conflict(f"partner {partner_id} exists") from error
    try:
        made = {
            name: await fixtures.make(control.engine, partner_id, name)
            for name in wanted.fixtures or ()
        }
    except (Conflict, Refusal):
        await _delete(control, partner_id)
        raise
    return 201, {
        "distributorId": partner_id,
        "clientId": client_id,
        "clientSecret": secret,
        "tokenUrl": f"{control.base_url}/ims/token/v3",
        "baseUrl": control.base_url,
        "fixtures": made,
    }


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
    if not await _delete(control, control.params["distributor-id"]):
        raise Refusal(Refused("404"))
    return 204, None


async def _delete(control: Control, partner_id: str) -> bool:
    async with control.engine.pool.acquire() as connection, connection.transaction():
        return await partners.delete(connection, partner_id)


async def change(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/partner: contract fields, flags, quirks of the caller."""
    _, contract = read_contract(control, ContractIn)
    async with control.engine.pool.acquire() as connection, connection.transaction():
        row = await partners.load_locked(connection, control.partner_id)
        if row is None:
            raise Refusal(Refused("4115"))
        partner = partner_rules.changed_partner(row.doc, contract)
        await partners.replace_doc(connection, partner, row.version)
        if partner_rules.changes_due_dates(row.doc.settings, partner.settings):
            now = control.engine.worlds.now(control.own)
            await due.look_again(connection, control.partner_id, now)
    world = await control.engine.worlds.refresh(control.partner_id)
    if world is not None:
        now = control.engine.worlds.now(world)
        scope = Scope(wait=True)
        await run_agenda(control.engine.pool, world, control.engine.ids, now, scope)
    return 200, partner_rules.shown(partner)


async def show(control: Control) -> tuple[int, Any]:
    """GET /sandbox/partner."""
    return 200, partner_rules.shown(control.own.partner)


async def put_catalog(control: Control) -> tuple[int, Any]:
    """PUT /sandbox/catalog: a CSV catalogue for the caller's world."""
    return await _put(control, "catalog")


async def put_discounts(control: Control) -> tuple[int, Any]:
    """PUT /sandbox/flex-discounts: a CSV of flexible discounts for the caller's world."""
    return await _put(control, "flex_discounts")


async def _put(control: Control, kind: str) -> tuple[int, Any]:
    text = control.body(DataSetIn).text
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
    wanted: ResetIn = control.body(ResetIn)
    real = control.engine.clock.now()
    at = start_of(wanted.clock)
    async with clock_held(control) as (connection, _), connection.transaction():
        await partners.empty(connection, control.partner_id)
        await partners.set_faults_armed(connection, control.partner_id, False)
        if at is not None:
            await agenda.set_closing(connection, control.partner_id, closing_after(at))
            await partners.set_clock(
                connection, control.partner_id, mode="frozen", at=at, real=real, rate=1.0
            )
    await control.engine.worlds.refresh(control.partner_id)
    made = {
        name: await fixtures.make(control.engine, control.partner_id, name)
        for name in wanted.fixtures or ()
    }
    return 200, {"fixtures": made}
