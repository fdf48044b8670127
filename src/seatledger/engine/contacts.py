"""Contacts: an email a partner already knows keeps its first names (accounts.md 4.1)."""

from typing import Any

from seatledger.domain.profiles import identity_of_contact
from seatledger.engine.writes import Write
from seatledger.store import accounts
from seatledger.store.rows import AnyConnection


def keep_names(partner_id: str, profile: dict[str, Any]) -> Write:
    """The write that remembers the names of a profile's new emails; the first mention wins."""
    names: dict[str, tuple[str, str]] = {}
    for contact in profile["contacts"]:
        names.setdefault(
            identity_of_contact(contact["email"]), (contact["firstName"], contact["lastName"])
        )

    async def write(connection: AnyConnection) -> None:
        await accounts.keep_contact_names(connection, partner_id, names)

    return write


async def with_known_names(
    connection: AnyConnection, partner_id: str, profile: dict[str, Any]
) -> dict[str, Any]:
    """A profile as GET shows it: every contact under its stored name."""
    emails = {identity_of_contact(contact["email"]) for contact in profile["contacts"]}
    known = await accounts.contact_names(connection, partner_id, emails)

    def shown(contact: dict[str, Any]) -> dict[str, Any]:
        names = known.get(identity_of_contact(contact["email"]))
        if names is None:
            return contact
        return {**contact, "firstName": names[0], "lastName": names[1]}

    return {**profile, "contacts": [shown(contact) for contact in profile["contacts"]]}
