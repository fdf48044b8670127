"""Snapshots of a world, and the way back to them (sandbox.md 5.4)."""

import secrets
from typing import Annotated, Any

from msgspec import Meta, Struct

from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.sandbox.clock import clock_held
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.store import snapshots
from seatledger.store.rows import AnyConnection
from seatledger.store.snapshots import Snapshot


class SnapshotIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """POST /sandbox/snapshots."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]


class RestoreIn(Struct, forbid_unknown_fields=True, frozen=True):
    """POST /sandbox/snapshots/{snapshot-id}/restore: nothing to say."""


async def take(control: Control) -> tuple[int, Any]:
    """POST /sandbox/snapshots: the whole world as it is now, under a name."""
    wanted: SnapshotIn = control.body(SnapshotIn)
    snapshot_id = secrets.token_hex(8)
    async with clock_held(control) as (connection, world), connection.transaction():
        if len(await snapshots.of_partner(connection, control.partner_id)) >= snapshots.MOST:
            raise Conflict(f"this world has {snapshots.MOST} snapshots: delete some")
        at, clock = control.engine.clock.now(), control.engine.worlds.now(world)
        await snapshots.take(connection, control.partner_id, wanted.name, snapshot_id, at, clock)
        return 201, _shown(await _find(connection, control.partner_id, snapshot_id))


async def show_all(control: Control) -> tuple[int, Any]:
    """GET /sandbox/snapshots: the oldest first."""
    async with control.engine.pool.acquire() as connection:
        found = await snapshots.of_partner(connection, control.partner_id)
    return 200, {"totalCount": len(found), "items": [_shown(one) for one in found]}


async def show(control: Control) -> tuple[int, Any]:
    """GET /sandbox/snapshots/{snapshot-id}."""
    async with control.engine.pool.acquire() as connection:
        return 200, _shown(await _find(connection, control.partner_id, _asked(control)))


async def restore(control: Control) -> tuple[int, Any]:
    """POST /sandbox/snapshots/{snapshot-id}/restore: what came after it is gone.

    Conflict (409) where an upgrade has changed the schema since: the rows do not fit any more.
    """
    control.body(RestoreIn)
    async with clock_held(control) as (connection, _), connection.transaction():
        snapshot = await _find(connection, control.partner_id, _asked(control))
        if not snapshot.fits:
            raise Conflict("this snapshot was taken before an upgrade changed the schema")
        await snapshots.restore(
            connection, control.partner_id, snapshot, control.engine.clock.now()
        )
    await control.engine.worlds.refresh(control.partner_id)
    return 200, _shown(snapshot)


async def delete(control: Control) -> tuple[int, Any]:
    """DELETE /sandbox/snapshots/{snapshot-id}."""
    async with control.engine.pool.acquire() as connection:
        if not await snapshots.delete(connection, control.partner_id, _asked(control)):
            raise Refusal(Refused("404"))
    return 204, None


async def delete_all(control: Control) -> tuple[int, Any]:
    """DELETE /sandbox/snapshots."""
    async with control.engine.pool.acquire() as connection:
        await snapshots.delete(connection, control.partner_id)
    return 204, None


def _asked(control: Control) -> str:
    return control.params["snapshot-id"]


async def _find(connection: AnyConnection, partner_id: str, snapshot_id: str) -> Snapshot:
    found = await snapshots.of_partner(connection, partner_id, snapshot_id)
    if not found:
        raise Refusal(Refused("404"))
    return found[0]


def _shown(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": snapshot.snapshot_id,
        "name": snapshot.name,
        "at": render.timestamp(snapshot.at),
        "clock": render.timestamp(snapshot.clock),
        "size": snapshot.size,
    }
