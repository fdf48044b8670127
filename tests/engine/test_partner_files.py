"""Partner files: what they may say (accounts.md 3, README 5 of the contract)."""

from pathlib import Path
from typing import Any

import pytest

from seatledger.engine.maintenance import PartnerFileError, apply_partner
from seatledger.store import partners
from seatledger.store.rows import AnyConnection
from tests.engine.conftest import FileOf

pytestmark = pytest.mark.anyio

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown names": (
        {"foo": 1, "clock": {}, "flags": {"bar": 1}, "quirks": ["baz"]},
        "unknown: clock, foo, flags.bar, quirks.baz",
    ),
    "no id": ({"distributorId": None}, "distributorId is missing"),
    "an id out of form": ({"distributorId": "x" * 41}, "out of range: distributorId"),
    "an id that is a number": ({"distributorId": 345434543}, "out of range: distributorId"),
    "names": (
        {"name": "", "country": "CU", "status": "1002"},
        "out of range: name, status, country",
    ),
    "lists": (
        {"regions": [], "currencies": {"NA": ["CHF"]}, "marketSegments": ["NGO"],
         "programs": "TEAM"},
        "out of range: regions, currencies, marketSegments, programs",
    ),
    "odd types": (
        {"name": 5, "country": ["US"], "regions": [{}], "currencies": ["USD"], "quirks": [{}],
         "flags": 5},
        "out of range: name, country, regions, currencies, quirks, flags",
    ),
    "switches": (
        {"globalSalesEnabled": 1, "lgaEnabled": "yes", "quirks": "long_return_references"},
        "out of range: globalSalesEnabled, lgaEnabled, quirks",
    ),
    "an unknown region": (
        {"regions": ["EU"], "currencies": {"EU": ["EUR"]}}, "out of range: regions, currencies",
    ),
    "flags": (
        {"flags": {"return_window_days": 366, "late_renewal_days": -1, "closed_discount_cap": 0,
                   "rate_limit_per_minute": 1.5, "token_ttl_seconds": True,
                   "partial_returns": "true", "id_prefix": "TOOLONG",
                   "http_status_profile": "other"}},
        "out of range: " + ", ".join(f"flags.{name}" for name in (
            "return_window_days", "late_renewal_days", "closed_discount_cap",
            "rate_limit_per_minute", "token_ttl_seconds", "partial_returns", "id_prefix",
            "http_status_profile",
        )),
    ),
    "credentials": (
        {"clientId": "two words", "clientSecret": ["a", "b", "c"]},
        "out of range: clientId, clientSecret",
    ),
    "an empty secret": ({"clientSecret": ""}, "out of range: clientSecret"),
    "no secret in a list": ({"clientSecret": []}, "out of range: clientSecret"),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "reason"), REFUSED.values(), ids=REFUSED)
async def test_a_faulty_file_is_refused_as_a_whole(
    database_url: str, database: AnyConnection, partner_id: str, file_of: FileOf,
    fields: dict[str, Any], reason: str,
) -> None:  # fmt: skip
    with pytest.raises(PartnerFileError) as refused:
        await apply_partner(database_url, file_of(**fields))
    assert str(refused.value) == reason
    assert await partners.load(database, partner_id) is None


async def test_every_setting_at_its_limits(
    database_url: str, database: AnyConnection, partner_id: str, file_of: FileOf
) -> None:
    lowest = {
        "late_renewal_days": 0, "return_window_days": 0, "order_blackout_hours": 0,
        "three_yc_request_ttl_days": 1, "three_yc_compliance_days": 1, "rate_limit_per_minute": 0,
        "token_ttl_seconds": 60, "closed_discount_cap": 1, "id_prefix": "",
        "http_status_profile": "observed", "promotion_codes_alias": False,
    }  # fmt: skip
    highest = {
        "late_renewal_days": 30, "return_window_days": 365, "order_blackout_hours": 168,
        "three_yc_request_ttl_days": 90, "three_yc_compliance_days": 90,
        "rate_limit_per_minute": 1_000_000, "token_ttl_seconds": 86_399,
        "closed_discount_cap": 1_000, "id_prefix": "ABCD", "http_status_profile": "seed",
        "promotion_codes_alias": True,
    }  # fmt: skip
    for flags in (lowest, highest):
        await apply_partner(database_url, file_of(flags=flags))
        row = await partners.load(database, partner_id)
        assert row is not None
        assert {name: getattr(row.doc.settings, name) for name in flags} == flags
        beyond = {
            name: value + (1 if flags is highest else -1)
            for name, value in flags.items()
            if isinstance(value, int) and not isinstance(value, bool)
        }
        for name, value in beyond.items():
            with pytest.raises(PartnerFileError, match=f"out of range: flags.{name}"):
                await apply_partner(database_url, file_of(flags={name: value}))


@pytest.mark.parametrize(("name", "text"), [("a.toml", "= x"), ("a.json", "{"), ("a.json", "[]")])
async def test_a_file_that_cannot_be_read(
    database_url: str, tmp_path: Path, name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    with pytest.raises(PartnerFileError):
        await apply_partner(database_url, path)
