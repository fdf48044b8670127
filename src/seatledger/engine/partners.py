"""Making and changing partners: from files, by the sandbox, and at first start."""

import re
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime
from importlib.resources import files
from typing import Any, TypeGuard

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from seatledger.contract.countries import PRICE_REGIONS, SUPPORTED, default_currencies
from seatledger.contract.statuses import ACTIVE, INACTIVE
from seatledger.contract.walker import is_storable, join_name
from seatledger.domain.catalog_file import CatalogFileError, read_catalog
from seatledger.domain.discount_file import read_discounts
from seatledger.domain.model import Partner, PartnerSettings
from seatledger.engine.credentials import DEFAULT_SCOPES, hash_secret
from seatledger.store import discounts as store_discounts
from seatledger.store import partners
from seatledger.store.partners import Credential, WorldRow
from seatledger.store.rows import AnyConnection

SEGMENTS = ("COM", "EDU", "GOV")
PROGRAMS = ("TEAM", "ENTERPRISE")
QUIRKS = frozenset(
    {
        "long_return_references",
        "preview_reports_failed_codes",
        "omit_discounts_without_active_subscriptions",
        "omit_consumables_discount_when_license_3yc",
        "null_ended_commitments",
        "reduced_subscription_patch_response",
        "manual_renewal_on_one_time",
    }
)
_RANGES: dict[str, tuple[int, int]] = {
    "late_renewal_days": (0, 30),
    "return_window_days": (0, 365),
    "order_blackout_hours": (0, 168),
    "three_yc_request_ttl_days": (1, 90),
    "three_yc_compliance_days": (1, 90),
    "rate_limit_per_minute": (0, 1_000_000),
    "token_ttl_seconds": (60, 86_399),
    "closed_discount_cap": (1, 1_000),
}
_CURRENCIES = frozenset({"AUD", "EUR", "GBP", "JPY", "USD"})
_ID_PREFIX = re.compile("[A-Za-z0-9]{0,4}")
_PARTNER_ID = re.compile("[A-Za-z0-9_-]{1,40}")
_LONGEST_NAME = 200
SAMPLES = {"catalog": "sample_catalog.csv", "flex_discounts": "sample_flex_discounts.csv"}


class NewWorld(Struct, frozen=True):
    """How a new partner's clock and settlement begin."""

    clock_mode: str
    clock_at: datetime
    settlement_mode: str


def contract_faults(doc: dict[str, Any]) -> list[str]:
    """Paths of the contract fields, flags and quirks of a partner that are out of range.

    For the partner file and the control API alike (README 5 of the contract, accounts.md 3).
    """
    faults = [name for name, holds in _FIELDS.items() if name in doc and not holds(doc[name])]
    flags = doc.get("flags", {})
    if not _is_table(flags):
        return [*faults, "flags"]
    return faults + [f"flags.{name}" for name, value in flags.items() if not _fits(name, value)]


def unknown_names(doc: dict[str, Any]) -> list[str]:
    """Paths of unknown flags and quirks (1121); what is no list of names is a fault instead."""
    flags, quirks = doc.get("flags"), doc.get("quirks")
    known = PartnerSettings.__struct_fields__
    unknown = []
    if _is_table(flags):
        unknown += [join_name("flags", name) for name in flags if name not in known]
    if _are_texts(quirks):
        unknown += [join_name("quirks", name) for name in quirks if name not in QUIRKS]
    return unknown


def _is_table(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _are_texts(values: object) -> TypeGuard[list[str]]:
    return isinstance(values, list) and all(isinstance(one, str) for one in values)


def _subset_of(allowed: Iterable[str]) -> Callable[[object], bool]:
    known = frozenset(allowed)
    return lambda values: _are_texts(values) and bool(values) and known.issuperset(values)


def _are_currencies(value: object) -> bool:
    holds = _subset_of(_CURRENCIES)
    return _is_table(value) and all(
        region in PRICE_REGIONS and holds(sold) for region, sold in value.items()
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= _LONGEST_NAME and is_storable(value)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


_FIELDS: dict[str, Callable[[object], bool]] = {
    "distributorId": lambda value: isinstance(value, str) and bool(_PARTNER_ID.fullmatch(value)),
    "name": _is_name,
    "status": lambda value: value in (ACTIVE, INACTIVE),
    "country": lambda value: isinstance(value, str) and value in SUPPORTED,
    "regions": _subset_of(PRICE_REGIONS),
    "currencies": _are_currencies,
    "marketSegments": _subset_of(SEGMENTS),
    "programs": _subset_of(PROGRAMS),
    "globalSalesEnabled": _is_flag,
    "lgaEnabled": _is_flag,
    "quirks": _are_texts,
}


def _fits(name: str, value: object) -> bool:
    if name in _RANGES:
        low, high = _RANGES[name]
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    if name == "http_status_profile":
        return value in ("seed", "observed")
    if name == "id_prefix":
        return isinstance(value, str) and _ID_PREFIX.fullmatch(value) is not None
    return isinstance(value, bool)


def changed_partner(partner: Partner, doc: dict[str, Any]) -> Partner:
    """A partner with the fields of `doc` (already judged) laid over its own."""
    settings = {**msgspec.to_builtins(partner.settings), **(doc.get("flags") or {})}
    quirks = doc.get("quirks")
    regions = tuple(doc.get("regions") or partner.regions)
    currencies = doc.get("currencies") or partner.currencies
    return replace(
        partner,
        name=doc.get("name") or partner.name,
        status=doc.get("status") or partner.status,
        country=doc.get("country") or partner.country,
        regions=regions,
        currencies={
            region: tuple(currencies.get(region) or default_currencies(region))
            for region in regions
        },
        market_segments=tuple(doc.get("marketSegments") or partner.market_segments),
        programs=tuple(doc.get("programs") or partner.programs),
        global_sales_enabled=doc.get("globalSalesEnabled", partner.global_sales_enabled),
        lga_enabled=doc.get("lgaEnabled", partner.lga_enabled),
        settings=msgspec.convert(settings, PartnerSettings),
        quirks=partner.quirks if quirks is None else frozenset(quirks),
    )


def shown(partner: Partner) -> dict[str, Any]:
    """A partner in the words of its file (accounts.md 3), settings and quirks included."""
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
        "flags": msgspec.to_builtins(partner.settings),
        "quirks": sorted(partner.quirks),
    }


def default_partner(partner_id: str, name: str) -> Partner:
    """A partner that sells everything commercial in North America."""
    return Partner(
        partner_id=partner_id,
        name=name,
        status=ACTIVE,
        country="US",
        regions=("NA",),
        currencies={"NA": default_currencies("NA")},
        market_segments=("COM",),
        programs=PROGRAMS,
    )


async def create(
    connection: AnyConnection, partner: Partner, world: NewWorld, real: datetime
) -> None:
    """Store a new partner on the data sets that are current for everyone."""
    catalog = await partners.latest_data_set(connection, "catalog")
    discounts = await partners.latest_data_set(connection, "flex_discounts")
    assert catalog is not None
    assert discounts is not None
    await partners.insert(
        connection,
        WorldRow(
            partner_id=partner.partner_id,
            version=1,
            doc=partner,
            catalog_version=catalog,
            discounts_version=discounts,
            clock_mode=world.clock_mode,
            clock_at=world.clock_at,
            clock_real=real,
            clock_rate=1.0,
            settlement_mode=world.settlement_mode,
            settlement_delay=0,
            faults_armed=False,
        ),
    )


async def give_credential(
    connection: AnyConnection,
    partner_id: str,
    client_id: str,
    secret: str,
    *,
    origin: str,
    role: str = "full",
) -> None:
    """Store an API key of a partner with its one secret, hashed."""
    await partners.put_credential(
        connection,
        Credential(
            client_id,
            partner_id,
            (hash_secret(secret),),
            DEFAULT_SCOPES,
            role,
            "active",
            origin,
        ),
    )


def new_client_id() -> str:
    """A fresh API key."""
    return secrets.token_hex(16)


def new_distributor_id() -> str:
    """A fresh id of a partner: nine digits."""
    return str(secrets.randbelow(900_000_000) + 100_000_000)


_DUE_DATE_FLAGS = (
    "late_renewal_days", "three_yc_request_ttl_days", "three_yc_compliance_days", "relaxed_3yc",
)  # fmt: skip


def changes_due_dates(before: PartnerSettings, after: PartnerSettings) -> bool:
    """Whether what happens to customers by itself falls on other days now."""
    return any(getattr(before, name) != getattr(after, name) for name in _DUE_DATE_FLAGS)


async def load_data_set(
    connection: AnyConnection, kind: str, text: str, partner_id: str | None = None
) -> tuple[int, int, tuple[str, ...]]:
    """Check a file and make it the current one of a partner, or of everyone.

    Gives (version, rows, warnings); CatalogFileError refuses the whole file. A price list that
    forgets a product customers hold would leave them without a renewal: ended products stay in it
    with their dates (catalog.md 5.4).
    """
    if kind == "catalog":
        loaded = read_catalog(text)
        held = await partners.products_in_use(connection, partner_id)
        missing = sorted(held - loaded.catalog.products.keys())
        if missing:
            raise CatalogFileError(f"{one} is held by customers but missing" for one in missing)
        count, warnings = loaded.rows, loaded.warnings
    else:
        catalog = read_catalog(await _catalog_text(connection, partner_id)).catalog
        count, warnings = len(read_discounts(text, catalog).all), ()
        await store_discounts.forget_ends(connection, partner_id)
    version = await partners.add_data_set(connection, kind, text)
    if partner_id is None:
        await partners.put_config(connection, f"{kind}_version", str(version))
    await partners.set_data_set(connection, kind, version, partner_id)
    return version, count, warnings


async def _catalog_text(connection: AnyConnection, partner_id: str | None) -> str:
    """The price list a partner, or everyone, has now."""
    row = None if partner_id is None else await partners.load(connection, partner_id)
    version = await partners.latest_data_set(connection, "catalog")
    if row is not None:
        version = row.catalog_version
    assert version is not None
    return await partners.data_set(connection, version)


async def ensure_samples(connection: AnyConnection) -> None:
    """Load the sample catalogue and discounts where nothing has been loaded yet."""
    for kind, name in SAMPLES.items():
        if await partners.latest_data_set(connection, kind) is None:
            text = files("seatledger.contract").joinpath("data", name).read_text("utf-8")
            await load_data_set(connection, kind, text)
