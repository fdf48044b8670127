"""What an operator runs from the command line: checks, partners, data."""

import json
import re
import shutil
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from seatledger.clock import SystemClock
from seatledger.domain.invariants import violations
from seatledger.domain.outcome import Refused
from seatledger.engine import partners as partner_rules
from seatledger.engine import reconciliation
from seatledger.engine.credentials import (
    DEFAULT_SCOPES,
    hash_secret,
    new_secret,
    secret_matches,
)
from seatledger.engine.partners import NewWorld
from seatledger.engine.world import Worlds, business_now
from seatledger.store import due, history, partners
from seatledger.store.database import connect
from seatledger.store.due import Parked
from seatledger.store.partners import Credential
from seatledger.store.rows import AnyConnection, AnyPool

PAGE = 200
MOST_SECRETS = 2  # during rotation (platform.md 2.1)
_CLIENT_ID = re.compile(r"[!-~]{1,200}")
_KNOWN = frozenset(
    {
        "distributorId", "name", "status", "country", "regions", "currencies", "marketSegments",
        "programs", "globalSalesEnabled", "lgaEnabled", "flags", "quirks", "clientId",
        "clientSecret",
    }
)  # fmt: skip


class Report(Struct, frozen=True):
    """The outcome of the invariants: how many customers were checked, and what is broken.

    `parked` are customers whose work was given up: nothing is broken, but somebody has to look.
    """

    ok: bool
    checked: int
    violations: list[str]
    parked: list[Parked]


class PartnerFileError(ValueError):
    """A partner file that cannot be applied; the message says why."""


async def check(database_url: str) -> Report:
    """Run the invariants over every customer of the installation."""
    async with _pool(database_url, reads=True) as pool:
        return await check_partner(pool, None)


async def check_partner(pool: AnyPool, partner_id: str | None) -> Report:
    """Run the invariants over a partner's customers, or everyone's."""
    found: list[str] = []
    checked = 0
    after = ""
    async with pool.acquire() as connection:
        while page := await history.histories(connection, partner_id, after, PAGE):
            for one in page:
                found += violations(one)
            checked += len(page)
            after = page[-1].customer.customer_id
        waiting = await due.parked(connection, partner_id)
    return Report(not found, checked, found, waiting)


async def resume(database_url: str, customer_id: str) -> bool:
    """Take a customer out of parking; False if it was not parked."""
    async with _pool(database_url) as pool, pool.acquire() as connection:
        return bool(await due.resume(connection, None, [customer_id]))


class ReconcileError(ValueError):
    """A reconciliation file that cannot be had; the message says why."""


async def reconcile(
    database_url: str,
    partner_id: str,
    month: str,
    currency: str,
    media_type: str,
    output: Path | BinaryIO,
) -> None:
    """Write the reconciliation file of a partner's month (`2026-02`, orders.md 9) as CSV or XLSX.

    Generated now unless it was before; `output` is touched once it is complete. Raises
    ReconcileError.
    """
    with TemporaryFile() as content:
        async with _pool(database_url) as pool:
            worlds = Worlds(pool, SystemClock(), always_current=False)
            try:
                refused = await reconciliation.write(
                    pool, worlds, partner_id, month, currency, media_type, content
                )
            except LookupError as error:
                raise ReconcileError(str(error)) from error
            except asyncpg.LockNotAvailableError as error:
                raise ReconcileError("the month is being generated; try again later") from error
        if refused is not None:
            raise ReconcileError(_refusal_told(refused, month, currency))
        content.seek(0)
        _hand_over(content, output)


def _refusal_told(refused: Refused, month: str, currency: str) -> str:
    if refused.code == "1122":
        return "the month has several currencies: name one with --currency"
    if refused.details == ("month",):
        return f"{month} is not a month that is over (write it like 2026-02)"
    return f"{currency} is not a currency of that month"


def _hand_over(content: IO[bytes], output: Path | BinaryIO) -> None:
    if not isinstance(output, Path):
        shutil.copyfileobj(content, output)
        return
    try:
        with output.open("wb") as file:
            shutil.copyfileobj(content, file)
    except OSError as error:
        raise ReconcileError(f"cannot write {output}: {error.strerror}") from error


async def load_catalog(database_url: str, path: Path) -> str:
    """Make a catalogue file the current one; gives a sentence to print."""
    text = _read(path)
    async with _pool(database_url) as pool, pool.acquire() as connection, connection.transaction():
        version, rows, warnings = await partner_rules.load_data_set(connection, "catalog", text)
    lines = [f"{rows} rows loaded, catalogue version {version}", *warnings]
    return "\n".join(lines)


async def apply_partner(database_url: str, path: Path) -> list[str]:
    """Create or change a partner from a TOML or JSON file (accounts.md 3). Idempotent.

    A secret is printed only when it was made here. PartnerFileError says what is wrong.
    """
    doc = _read_file(path)
    async with _pool(database_url) as pool, pool.acquire() as connection, connection.transaction():
        await partners.lock_setup(connection)
        return await _apply(connection, doc)


def _read(path: Path) -> str:
    return path.read_text("utf-8")


def _read_file(path: Path) -> dict[str, Any]:
    text = _read(path)
    try:
        doc = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise PartnerFileError(str(error)) from error
    if not isinstance(doc, dict):
        raise PartnerFileError("not an object")
    unknown = sorted(set(doc) - _KNOWN) + partner_rules.unknown_names(doc)
    if unknown:
        raise PartnerFileError(f"unknown: {', '.join(unknown)}")
    faults = partner_rules.contract_faults(doc) + _credential_faults(doc)
    if faults:
        raise PartnerFileError(f"out of range: {', '.join(faults)}")
    if "distributorId" not in doc:
        raise PartnerFileError("distributorId is missing")
    return doc


def _credential_faults(doc: dict[str, Any]) -> list[str]:
    client_id, secrets = doc.get("clientId", "usual"), doc.get("clientSecret", "usual")
    secrets = secrets if isinstance(secrets, list) else [secrets]
    faults = []
    if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id):
        faults.append("clientId")
    if not 1 <= len(secrets) <= MOST_SECRETS or not all(isinstance(s, str) and s for s in secrets):
        faults.append("clientSecret")
    return faults


async def _apply(connection: AnyConnection, doc: dict[str, Any]) -> list[str]:
    partner_id = doc["distributorId"]
    await partner_rules.ensure_samples(connection)
    row = await partners.load(connection, partner_id)
    if row is None:
        base = partner_rules.default_partner(partner_id, doc.get("name") or partner_id)
        partner = partner_rules.changed_partner(base, doc)
        now = SystemClock().now()
        await partner_rules.create(connection, partner, NewWorld("system", now, "auto"), now)
        lines = [f"partner {partner_id} created"]
    else:
        partner = partner_rules.changed_partner(row.doc, doc)
        if partner == row.doc:
            lines = [f"partner {partner_id} unchanged"]
        elif await partners.replace_doc(connection, partner, row.version):
            if partner_rules.changes_due_dates(row.doc.settings, partner.settings):
                now = business_now(row, SystemClock().now())
                await due.look_again(connection, partner_id, now)
            lines = [f"partner {partner_id} changed"]
        else:
            raise PartnerFileError(f"partner {partner_id} was changed meanwhile, try again")
    return lines + await _apply_credential(connection, partner_id, doc)


async def _apply_credential(
    connection: AnyConnection, partner_id: str, doc: dict[str, Any]
) -> list[str]:
    """Give the partner the API key of the file with exactly its secrets, or a first key."""
    held = {one.client_id: one for one in await partners.credentials_of(connection, partner_id)}
    given = doc.get("clientSecret") or []
    secrets = [given] if isinstance(given, str) else given
    client_id = doc.get("clientId")
    if client_id is None and held and not secrets:
        return []
    if client_id is None and len(held) > 1:
        raise PartnerFileError("clientSecret needs its clientId: the partner has several")
    if client_id is None:
        client_id = next(iter(held), None) or partner_rules.new_client_id()
    known = held.get(client_id)
    if known is None and await partners.load_credential(connection, client_id) is not None:
        raise PartnerFileError(f"clientId {client_id} belongs to another partner")
    if known is not None and (not secrets or _has_secrets(known, secrets)):
        return []
    made = [] if secrets else [new_secret()]
    hashes = tuple(hash_secret(secret) for secret in (*secrets, *made))
    credential = known or Credential(
        client_id, partner_id, (), DEFAULT_SCOPES, "full", "active", "operator"
    )
    await partners.put_credential(connection, replace(credential, secrets=hashes))
    return [f"client id {client_id}", *(f"client secret {one} (shown once)" for one in made)]


def _has_secrets(credential: Credential, secrets: Sequence[str]) -> bool:
    held = credential.secrets
    return len(secrets) == len(held) and all(map(secret_matches, secrets, held))


@asynccontextmanager
async def _pool(database_url: str, *, reads: bool = False) -> AsyncIterator[AnyPool]:
    pool = await connect(database_url, 2, reads=reads)
    try:
        yield pool
    finally:
        await pool.close()
