"""A disabled API key, on a server of two processes."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.harness import World, fetch_token
from tests.system.server import run, serving

pytestmark = pytest.mark.anyio


async def test_no_process_takes_its_tokens_once_the_command_has_ended(place: Path) -> None:
    def partner(*arguments: str) -> str:
        done = run("partner", *arguments, "--data-dir", place / "data")
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    with serving(place, "--workers", "2") as server:
        async with server.client() as client:
            issued = json.loads(await asyncio.to_thread(partner, "create", "123456789", "--json"))
            key, secret = issued["clientId"], issued["clientSecret"]
            world = World(client, "123456789", key, secret, await fetch_token(client, key, secret))

            async def answers() -> set[int]:
                calls = [world.get("/v3/customers/1005999999") for _ in range(40)]
                return {one.status for one in await asyncio.gather(*calls)}

            assert await answers() == {404}  # by either process
            await asyncio.to_thread(partner, "disable", key)
            assert await answers() == {401}
        assert secret not in server.errors.read_text() + server.output.read_text()
