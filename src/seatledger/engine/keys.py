"""Partners and their API keys in the hands of an operator (platform.md 2, 12; accounts.md 3).

Every function works in the caller's transaction, which holds the lock on the set-up.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from seatledger.engine import partners as partner_rules
from seatledger.engine.credentials import hash_secret, is_live, new_secret
from seatledger.engine.partners import NewWorld
from seatledger.store import partners
from seatledger.store.partners import Credential
from seatledger.store.rows import AnyConnection

Role = Literal["full", "read"]


class KeyRefused(Exception):
    """Something that cannot be done to a partner or its keys; the message says why."""


class Issued(Struct, frozen=True, rename="camel"):
    """An API key with a new secret, which is stored hashed and told this once."""

    distributor_id: str
    client_id: str
    client_secret: str
    role: str


async def create_partner(
    connection: AnyConnection, fields: dict[str, Any], role: Role, real: datetime
) -> Issued:
    """Store a new partner with these contract fields (accounts.md 3) and its first API key.

    KeyRefused if there is one of that id, or for fields that are out of range.
    """
    faults = partner_rules.contract_faults(fields)
    if faults:
        raise KeyRefused(f"out of range: {', '.join(faults)}")
    partner_id = fields["distributorId"]
    if await partners.load(connection, partner_id) is not None:
        raise KeyRefused(f"there is a partner {partner_id} already")
    await partner_rules.ensure_samples(connection)
    base = partner_rules.default_partner(partner_id, partner_id)
    partner = partner_rules.changed_partner(base, fields)
    await partner_rules.create(connection, partner, NewWorld("system", real, "auto"), real)
    return await add(connection, partner_id, role)


async def add(connection: AnyConnection, partner_id: str, role: Role) -> Issued:
    """Give a partner one more API key; KeyRefused if there is no such partner."""
    if await partners.load(connection, partner_id) is None:
        raise KeyRefused(f"there is no partner {partner_id}")
    client_id, secret = partner_rules.new_client_id(), new_secret()
    await partner_rules.give_credential(
        connection, partner_id, client_id, secret, origin="operator", role=role
    )
    return Issued(partner_id, client_id, secret, role)


async def rotate(
    connection: AnyConnection, client_id: str, keep: timedelta, real: datetime
) -> Issued:
    """Give an API key a new secret; the one it had is good for `keep` longer, no other is.

    KeyRefused if there is no such key.
    """
    known = await _known(connection, client_id)
    secret = new_secret()
    live = [one for one in known.secrets if is_live(one, real)]
    until = real + keep
    ends = [one if one.until and one.until < until else replace(one, until=until) for one in live]
    kept = [one for one in ends[:1] if is_live(one, real)]
    changed = replace(known, secrets=(hash_secret(secret), *kept))
    await partners.put_credential(connection, changed)
    return Issued(known.partner_id, client_id, secret, known.role)


async def set_status(
    connection: AnyConnection, client_id: str, status: Literal["active", "disabled"]
) -> None:
    """Disable an API key, or enable it again; KeyRefused if there is no such key.

    A process may act on what it read for KEPT_SECONDS more.
    """
    known = await _known(connection, client_id)
    await partners.put_credential(connection, replace(known, status=status))


async def told(connection: AnyConnection, partner_id: str, real: datetime) -> dict[str, Any]:
    """A partner in the words of its file, with its API keys and how long their secrets are good.

    KeyRefused if there is no such partner.
    """
    row = await partners.load(connection, partner_id)
    if row is None:
        raise KeyRefused(f"there is no partner {partner_id}")
    held = await partners.credentials_of(connection, partner_id)
    return {**partner_rules.shown(row.doc), "credentials": [_told(one, real) for one in held]}


def _told(credential: Credential, real: datetime) -> dict[str, Any]:
    return {
        "clientId": credential.client_id,
        "role": credential.role,
        "status": credential.status,
        "secrets": [{"until": one.until} for one in credential.secrets if is_live(one, real)],
    }


async def _known(connection: AnyConnection, client_id: str) -> Credential:
    known = await partners.load_credential(connection, client_id)
    if known is None:
        raise KeyRefused(f"there is no client id {client_id}")
    return known
