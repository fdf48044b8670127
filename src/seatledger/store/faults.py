"""Faults of a sandbox world: armed, counted, spent (sandbox.md 5.3)."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from seatledger.store import partners, rows
from seatledger.store.rows import AnyConnection


class Fault(Struct, frozen=True):
    """A fault with what it matches and does, both as they were sent.

    It lets `skip` matching calls pass and then fires `times` times; `met` counts both.
    """

    fault_id: str
    partner_id: str
    match: dict[str, Any]
    effect: dict[str, Any]
    skip: int
    times: int
    probability: float
    expires_at: datetime | None
    met: int = 0

    def is_armed(self, now: datetime) -> bool:
        """Whether it may still fire at a business instant."""
        spent = self.met >= self.skip + self.times
        return not spent and (self.expires_at is None or self.expires_at > now)

    @property
    def fired(self) -> int:
        """How often it fired."""
        return max(0, self.met - self.skip)


async def insert(connection: AnyConnection, fault: Fault) -> bool:
    """Store a new fault behind the others of its world; False if there is no such world any more.

    Within the caller's transaction the world cannot go or be emptied from here on.
    """
    if await _lock_world(connection, fault.partner_id) is None:
        return False
    await rows.insert(connection, "fault", [fault])
    return True


async def _lock_world(connection: AnyConnection, partner_id: str) -> bool | None:
    """Lock a world; gives its mark "has armed faults", None if it is gone."""
    noted: bool | None = await connection.fetchval(
        "SELECT faults_armed FROM partner WHERE partner_id = $1 FOR NO KEY UPDATE", partner_id
    )
    return noted


async def of_partner(connection: AnyConnection, partner_id: str) -> list[Fault]:
    """Every fault of a world in creation order, spent ones included."""
    return await rows.fetch_all(
        connection,
        Fault,
        "SELECT to_jsonb(f) FROM fault f WHERE partner_id = $1 ORDER BY position",
        partner_id,
    )


async def meet(connection: AnyConnection, fault_id: str, now: datetime) -> Fault | None:
    """Count one matching call; None when the fault was spent or expired before it.

    One statement, so that several processes share the count.
    """
    return await rows.fetch_one(
        connection,
        Fault,
        """UPDATE fault f SET met = met + 1
           WHERE fault_id = $1 AND met < skip + times AND (expires_at IS NULL OR expires_at > $2)
           RETURNING to_jsonb(f)""",
        fault_id,
        now,
    )


async def delete(connection: AnyConnection, partner_id: str, fault_id: str | None) -> bool:
    """Remove one fault of a world, or all of them (None); whether there was any.

    Within the caller's transaction. The world is locked first, as by whoever empties it.
    """
    await _lock_world(connection, partner_id)
    removed = await connection.fetch(
        """DELETE FROM fault WHERE partner_id = $1 AND ($2::text IS NULL OR fault_id = $2)
           RETURNING fault_id""",
        partner_id,
        fault_id,
    )
    return bool(removed)


async def note_armed(connection: AnyConnection, partner_id: str, now: datetime) -> None:
    """Bring the world's mark "has armed faults" up to date; within the caller's transaction.

    The lock comes in a statement of its own: the next one then sees what it waited for.
    """
    noted = await _lock_world(connection, partner_id)
    armed = any(one.is_armed(now) for one in await of_partner(connection, partner_id))
    if noted is not None and armed != noted:
        await partners.set_faults_armed(connection, partner_id, armed)
