"""`seatledger partner`: partners and API keys from the command line (platform.md 2, 12)."""

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from seatledger.clock import ManualClock, SystemClock
from seatledger.settings import Settings
from seatledger.store.rows import AnyConnection
from tests.commands import done, given, refusal, run
from tests.engine.conftest import another_process
from tests.harness import World, fetch_token, line, unique
from tests.wire import elsewhere

pytestmark = pytest.mark.anyio


async def is_granted(client: httpx.AsyncClient, client_id: str, secret: str) -> bool:
    """Whether a token is given for a secret."""
    fields = {
        "grant_type": "client_credentials", "client_id": client_id, "client_secret": secret,
        "scope": "openid",
    }  # fmt: skip
    return (await elsewhere(client).post("/ims/token/v3", data=fields)).status_code == 200


async def test_a_partner_that_can_work_at_once(
    client: httpx.AsyncClient, database_url: str
) -> None:
    partner_id = unique("partner")
    issued = await given(
        database_url, "partner", "create", partner_id, "--name", "Contoso", "--country", "DE",
        "--region", "NA", "--region", "WE", "--segment", "COM", "--segment", "EDU",
        "--segment", "GOV",
    )  # fmt: skip
    assert issued | {"clientId": "", "clientSecret": ""} == {
        "distributorId": partner_id, "clientId": "", "clientSecret": "", "role": "full",
    }  # fmt: skip
    world = World(client, partner_id, issued["clientId"], issued["clientSecret"])
    world.token = await fetch_token(elsewhere(client), world.client_id, world.secret)
    shown = await given(database_url, "partner", "show", partner_id)
    (key,) = shown.pop("credentials")
    assert shown == (await world.get("/sandbox/partner")).ok(200).body
    assert (shown["regions"], shown["country"]) == (["NA", "WE"], "DE")
    assert key == {
        "clientId": issued["clientId"], "role": "full", "status": "active",
        "secrets": [{"until": None}],
    }  # fmt: skip
    told = await done(database_url, "partner", "show", partner_id)
    assert "Contoso" in told
    assert f"{issued['clientId']}  full  active  secrets: no end" in told
    assert issued["clientSecret"] not in told
    assert f"{partner_id}  1000  1 keys  Contoso\n" in await done(database_url, "partner", "list")
    assert partner_id in [
        one["distributorId"] for one in await given(database_url, "partner", "list")
    ]


async def test_a_key_that_only_reads(world: World, database_url: str) -> None:
    issued = await given(database_url, "partner", "add-key", world.distributor_id, "--role", "read")
    assert issued["role"] == "read"
    reader = replace(world, client_id=issued["clientId"], secret=issued["clientSecret"])
    reader.token = await fetch_token(elsewhere(world.client), reader.client_id, reader.secret)
    customer = await world.customer()
    assert (await reader.read_customer(customer))["customerId"] == customer
    (await reader.order(customer, line("80004567EA01A12"))).refused(403, "4121")
    assert (await reader.preview(customer, line("80004567EA01A12"))).status == 201


async def test_two_secrets_live_while_one_is_replaced(
    world: World, database_url: str, database: AnyConnection, settings: Settings
) -> None:
    clock = ManualClock(SystemClock().now())  # the command's own; other tests move the suite's
    first = await given(database_url, "partner", "add-key", world.distributor_id)
    key, secrets = first["clientId"], [first["clientSecret"]]

    async def rotate(*arguments: str) -> None:
        issued = await given(database_url, "partner", "rotate", key, *arguments)
        assert (issued["clientId"], issued["role"]) == (key, "full")
        secrets.append(issued["clientSecret"])

    async def good() -> list[bool]:
        async with another_process(settings, clock) as client:
            return [await is_granted(client, key, one) for one in secrets]

    await rotate("--keep", "7d")
    assert await good() == [True, True]
    await rotate("--keep", "1h")
    assert await good() == [False, True, True]
    clock.advance(timedelta(hours=1, minutes=5))
    assert await good() == [False, False, True]
    await rotate("--keep", "0s")
    assert await good() == [False, False, False, True]
    stored = await database.fetchval("SELECT secrets::text FROM credential WHERE client_id=$1", key)
    assert not [one for one in secrets if one in stored]
    assert "scrypt$" in stored


async def test_a_disabled_key_gets_no_token_until_it_is_enabled(
    world: World, database_url: str
) -> None:
    key, secret = world.client_id, world.secret
    assert await done(database_url, "partner", "disable", key) == f"client id {key} is disabled\n"
    assert not await is_granted(world.client, key, secret)
    shown = await given(database_url, "partner", "show", world.distributor_id)
    assert [one["status"] for one in shown["credentials"]] == ["disabled"]
    await done(database_url, "partner", "enable", key)
    assert await is_granted(world.client, key, secret)


async def test_what_cannot_be_done_is_told_in_one_line(world: World, database_url: str) -> None:
    taken, free = world.distributor_id, unique("partner")
    for arguments, told in (
        (("create", taken), f"there is a partner {taken} already"),
        (("create", free, "--region", "EU", "--country", "CU"), "out of range: country, regions"),
        (("create", "two words"), "out of range: distributorId"),
        (("add-key", free), f"there is no partner {free}"),
        (("show", free), f"there is no partner {free}"),
        (("rotate", "nobody"), "there is no client id nobody"),
        (("disable", "nobody"), "there is no client id nobody"),
        (("enable", "nobody"), "there is no client id nobody"),
    ):
        assert told in await refusal(database_url, "partner", *arguments)
    for keep in ("1", "-1h", "2 h", "999d", "h"):
        ended = await run(database_url, "partner", "rotate", world.client_id, f"--keep={keep}")
        assert (ended.exit_code, ended.stdout) == (2, "")
    assert await is_granted(world.client, world.client_id, world.secret)
