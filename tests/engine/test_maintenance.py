"""What an operator does from the command line: partners from files, catalogues, the check."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from seatledger.domain.catalog_file import CatalogFileError
from seatledger.engine import maintenance
from seatledger.engine.credentials import secret_matches
from seatledger.engine.maintenance import (
    PartnerFileError,
    Report,
    apply_partner,
    check,
    load_catalog,
)
from seatledger.store import partners
from seatledger.store.partners import Credential
from seatledger.store.rows import AnyConnection
from tests.engine.conftest import FileOf, NewWorld
from tests.harness import World, fetch_token, line, unique
from tests.samples import data_file

pytestmark = pytest.mark.anyio

Write = Callable[[str], Path]
FOLIO = "65304479CA01A12"


@pytest.fixture
def toml(tmp_path: Path) -> Write:
    """Writes a partner file."""

    def write(text: str) -> Path:
        path = tmp_path / f"{unique('file')}.toml"
        path.write_text(text, "utf-8")
        return path

    return write


async def keys(database: AnyConnection, partner_id: str) -> dict[str, Credential]:
    """A partner's credentials by API key."""
    return {one.client_id: one for one in await partners.credentials_of(database, partner_id)}


def has_secrets(credential: Credential, *secrets: str) -> bool:
    """Whether these are a credential's secrets, all of them, in this order."""
    held = credential.secrets
    return len(held) == len(secrets) and all(map(secret_matches, secrets, held))


async def test_a_toml_file_makes_a_partner_that_can_work(
    database_url: str, client: httpx.AsyncClient, partner_id: str, toml: Write
) -> None:
    path = toml(f"""
        distributorId = "{partner_id}"
        name = "Nordwind"
        country = "DE"
        regions = ["WE", "NA"]
        marketSegments = ["COM", "GOV"]
        programs = ["TEAM"]
        globalSalesEnabled = true
        quirks = ["long_return_references"]
        [currencies]
        WE = ["EUR"]
        [flags]
        return_window_days = 30
        id_prefix = "P"
    """)
    created, key, secret = await apply_partner(database_url, path)
    assert created == f"partner {partner_id} created"
    assert key.startswith("client id ")
    assert secret.startswith("client secret ")
    assert secret.endswith(" (shown once)")

    world = World(client, partner_id, key.split()[2], secret.split()[2])
    world.token = await fetch_token(client, world.client_id, world.secret)
    shown = (await world.get("/sandbox/partner")).ok(200)
    assert shown.body | {"flags": {}} == {
        "distributorId": partner_id,
        "name": "Nordwind",
        "status": "1000",
        "country": "DE",
        "regions": ["WE", "NA"],
        "currencies": {"WE": ["EUR"], "NA": ["USD"]},
        "marketSegments": ["COM", "GOV"],
        "programs": ["TEAM"],
        "globalSalesEnabled": True,
        "lgaEnabled": False,
        "flags": {},
        "quirks": ["long_return_references"],
    }
    assert shown["flags"]["return_window_days"] == 30
    assert shown["flags"]["late_renewal_days"] == 30
    clock = (await world.get("/sandbox/clock")).ok(200)
    assert clock["mode"] == "running"
    reseller = await world.post(
        "/v3/resellers", {"distributorId": "other", "companyProfile": {"foo": 1}}
    )
    reseller.refused(400, "1121", "companyProfile.foo")


async def test_the_same_file_again_changes_nothing_and_tells_no_secret(
    database_url: str, database: AnyConnection, partner_id: str, file_of: FileOf
) -> None:
    path = file_of(name="Nordwind", flags={"strict_idempotency": True})
    first = await apply_partner(database_url, path)
    assert len(first) == 3
    before = await partners.load(database, partner_id), await keys(database, partner_id)
    assert await apply_partner(database_url, path) == [f"partner {partner_id} unchanged"]
    assert (await partners.load(database, partner_id), await keys(database, partner_id)) == before


async def test_a_changed_file_changes_what_it_names(
    database_url: str, database: AnyConnection, partner_id: str, file_of: FileOf
) -> None:
    await apply_partner(database_url, file_of(name="Nordwind", flags={"rate_limit_per_minute": 9}))
    path = file_of(status="1004", flags={"return_window_days": 7}, quirks=[])
    assert await apply_partner(database_url, path) == [f"partner {partner_id} changed"]
    row = await partners.load(database, partner_id)
    assert row is not None
    assert (row.doc.name, row.doc.status) == ("Nordwind", "1004")
    settings = row.doc.settings
    assert (settings.rate_limit_per_minute, settings.return_window_days) == (9, 7)


async def test_a_partner_without_a_name_is_called_by_its_id(
    database_url: str, database: AnyConnection, partner_id: str, file_of: FileOf
) -> None:
    await apply_partner(database_url, file_of())
    row = await partners.load(database, partner_id)
    assert row is not None
    assert row.doc.name == partner_id
    assert (row.doc.regions, row.doc.currencies) == (("NA",), {"NA": ("USD",)})
    assert (row.clock_mode, row.settlement_mode) == ("system", "auto")


async def test_a_running_server_sees_a_change_at_once(
    database_url: str, world: World, file_of: FileOf
) -> None:
    path = file_of(distributorId=world.distributor_id, globalSalesEnabled=False)
    assert await apply_partner(database_url, path) == [f"partner {world.distributor_id} changed"]
    body = {"resellerId": await world.reseller(), "globalSalesEnabled": True}
    answer = await world.post("/v3/customers", {**body, "companyProfile": (await _profile(world))})
    answer.refused(400, "1139")


async def _profile(world: World) -> dict[str, Any]:
    read = (await world.read_customer(await world.customer()))["companyProfile"]
    del read["marketSubSegments"]
    return {**read, "companyName": unique("Company")}


async def test_a_given_secret_is_not_repeated(
    database_url: str, database: AnyConnection, partner_id: str, file_of: FileOf
) -> None:
    key = unique("key")
    path = file_of(clientId=key, clientSecret="s1")
    lines = [f"partner {partner_id} created", f"client id {key}"]
    assert await apply_partner(database_url, path) == lines
    (stored,) = (await keys(database, partner_id)).values()
    assert has_secrets(stored, "s1")
    assert "s1" not in str(stored.secrets)
    assert (stored.role, stored.status, stored.origin) == ("full", "active", "operator")
    assert await apply_partner(database_url, path) == [f"partner {partner_id} unchanged"]
    assert await keys(database, partner_id) == {key: stored}


async def test_secrets_are_rotated(
    database_url: str, database: AnyConnection, partner_id: str, file_of: FileOf
) -> None:
    key = unique("key")
    await apply_partner(database_url, file_of(clientId=key, clientSecret="old"))
    unchanged = f"partner {partner_id} unchanged"
    for given, held in ((["new", "old"], ("new", "old")), (["new"], ("new",)), ("a", ("a",))):
        path = file_of(clientId=key, clientSecret=given)
        assert await apply_partner(database_url, path) == [unchanged, f"client id {key}"]
        assert has_secrets((await keys(database, partner_id))[key], *held)
        assert await apply_partner(database_url, path) == [unchanged]
    # A file that names no key means the only one.
    path = file_of(clientSecret="b")
    assert await apply_partner(database_url, path) == [unchanged, f"client id {key}"]
    assert has_secrets((await keys(database, partner_id))[key], "b")


async def test_a_second_key_is_added(
    database_url: str, database: AnyConnection, partner_id: str, file_of: FileOf
) -> None:
    first, second = unique("key"), unique("key")
    await apply_partner(database_url, file_of(clientId=first, clientSecret="s1"))
    lines = await apply_partner(database_url, file_of(clientId=second))
    assert lines[:2] == [f"partner {partner_id} unchanged", f"client id {second}"]
    made = lines[2].removeprefix("client secret ").removesuffix(" (shown once)")
    held = await keys(database, partner_id)
    assert has_secrets(held[first], "s1")
    assert has_secrets(held[second], made)
    with pytest.raises(PartnerFileError, match="clientSecret needs its clientId"):
        await apply_partner(database_url, file_of(clientSecret="s2"))
    assert await apply_partner(database_url, file_of()) == [f"partner {partner_id} unchanged"]


async def test_what_an_operator_set_on_a_key_survives_new_secrets(
    database_url: str, database: AnyConnection, partner_id: str, file_of: FileOf
) -> None:
    key = unique("key")
    await apply_partner(database_url, file_of(clientId=key, clientSecret="s1"))
    await database.execute(
        "UPDATE credential SET role = 'read', status = 'suspended' WHERE client_id = $1", key
    )
    await apply_partner(database_url, file_of(clientId=key, clientSecret="s2"))
    (stored,) = (await keys(database, partner_id)).values()
    assert (stored.role, stored.status) == ("read", "suspended")


async def test_the_key_of_another_partner_is_refused(
    database_url: str, database: AnyConnection, world: World, partner_id: str,
    file_of: FileOf,
) -> None:  # fmt: skip
    before = await keys(database, world.distributor_id)
    for secret in (None, "mine"):
        path = file_of(clientId=world.client_id, clientSecret=secret)
        with pytest.raises(PartnerFileError, match="belongs to another partner"):
            await apply_partner(database_url, path)
    assert await keys(database, world.distributor_id) == before
    assert await partners.load(database, partner_id) is None


async def test_two_at_once_make_one_partner(
    database_url: str, database: AnyConnection, partner_id: str, file_of: FileOf
) -> None:
    path = file_of()
    outcomes = await asyncio.gather(*(apply_partner(database_url, path) for _ in range(3)))
    assert sorted(lines[0].split()[-1] for lines in outcomes) == [
        "created", "unchanged", "unchanged",
    ]  # fmt: skip
    assert len(await keys(database, partner_id)) == 1


async def _price(world: World, customer: str) -> str:
    (priced,) = (await world.preview(customer, line(FOLIO))).ok()["lineItems"]
    return str(priced["pricing"]["partnerPrice"])


async def test_a_loaded_catalogue_is_everyones(
    apart_url: str, apart: NewWorld, tmp_path: Path
) -> None:
    world = await apart()
    customer = await world.customer()
    assert await _price(world, customer) == "263.88"
    dearer = tmp_path / "dearer.csv"
    dearer.write_text(data_file("sample_catalog.csv").replace(",263.88,", ",264.99,"), "utf-8")
    told = await load_catalog(apart_url, dearer)
    assert told.startswith("125 rows loaded, catalogue version ")
    assert await _price(world, customer) == "264.99"
    later = await apart()
    assert await _price(later, await later.customer()) == "264.99"


async def test_a_faulty_catalogue_changes_nothing(
    apart_url: str, apart: NewWorld, tmp_path: Path
) -> None:
    world = await apart()
    faulty = tmp_path / "faulty.csv"
    faulty.write_text(data_file("sample_catalog.csv").replace(",263.88,", ",-1,"), "utf-8")
    with pytest.raises(CatalogFileError, match=r"row 48: partnerPrice"):
        await load_catalog(apart_url, faulty)
    assert await _price(world, await world.customer()) == "263.88"


async def test_the_check_finds_what_is_broken(
    apart_url: str, apart: NewWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "PAGE", 2)
    world, other = await apart(), await apart()
    reseller = await world.reseller()
    customers = [await world.customer(reseller) for _ in range(5)]
    for customer in customers:
        (await world.order(customer, line(FOLIO, 3))).ok()
    await other.customer()
    assert await check(apart_url) == Report(ok=True, checked=6, violations=[], parked=[])

    broken = customers[3]
    connection = await asyncpg.connect(apart_url)
    await connection.execute(
        "UPDATE subscription SET current_quantity = 4 WHERE customer_id = $1", broken
    )
    await connection.close()
    (seats,) = await world.seats(broken)
    sentence = (
        f"customer {broken}: subscription {seats['subscriptionId']} has 4 seats, its ledger 3"
    )
    assert await check(apart_url) == Report(ok=False, checked=6, violations=[sentence], parked=[])
    mine = (await world.get("/sandbox/invariants")).ok(200)
    assert mine.body == {"ok": False, "checked": 5, "violations": [sentence], "parked": []}
    theirs = (await other.get("/sandbox/invariants")).ok(200)
    assert theirs.body == {"ok": True, "checked": 1, "violations": [], "parked": []}


async def test_a_price_list_keeps_what_customers_hold(
    apart_url: str, apart: NewWorld, tmp_path: Path
) -> None:
    world = await apart()
    (await world.order(await world.customer(), line(FOLIO, 3))).ok()
    forgetful = tmp_path / "forgetful.csv"
    rows = data_file("sample_catalog.csv").splitlines(keepends=True)
    forgetful.write_text("".join(row for row in rows if FOLIO[:10] not in row), "utf-8")
    with pytest.raises(CatalogFileError, match=f"{FOLIO[:10]} is held by customers"):
        await load_catalog(apart_url, forgetful)
