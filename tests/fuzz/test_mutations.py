"""Valid bodies, damaged: nothing breaks, a refusal changes nothing, what is accepted is sound."""

import json
from collections.abc import Callable
from random import Random
from typing import Any, NoReturn

import pytest

from seatledger.contract.limits import MAX_BODY_BYTES
from tests.conftest import MakeWorld
from tests.fuzz.mutator import mutated
from tests.fuzz.scene import CALLS, Scene, give_back, late_renewal, scheduled
from tests.fuzz.target import Target, aimed, reply_of

pytestmark = pytest.mark.anyio

REQUESTS_IN_ALL = 5_000
SEEDS = (1, 2)
MAX_DEPTH = 32


REQUESTS_EACH = REQUESTS_IN_ALL // (len(CALLS) * len(SEEDS))


@pytest.mark.proves("platform.md 35")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("method", "path", "valid"), CALLS, ids=[valid.__name__ for _, _, valid in CALLS]
)
async def test_no_body_breaks_the_service(
    method: str,
    path: str,
    valid: Callable[[Scene], dict[str, Any]],
    seed: int,
    new_world: MakeWorld,
    database_url: str,
) -> None:
    random = Random(f"{valid.__name__} {seed}")
    async with aimed(await new_world(), database_url) as target:
        if valid is scheduled:
            await approach_anniversary(target)
        if valid is late_renewal:
            await switch_everything_off(target)
            await let_expire(target)
        for _ in range(REQUESTS_EACH):
            content = mutated(valid(target), random)
            response = await target.fire(method, target.filled(path), content)
            await target.judge(response, content)
            reply = reply_of(response)
            if len(content) > MAX_BODY_BYTES:
                assert reply.code == "413"
                continue
            assert (reply.body.get("code") == "400") is not is_object(content), content
            if reply.status < 300:
                await follow_up(
                    target, valid, json.loads(content.decode("utf-8-sig") or "{}"), reply.body
                )
        assert target.answers["accepted"]


async def approach_anniversary(target: Target) -> None:
    """Let the term end in twenty days: the next one is sold."""
    path = target.filled("/sandbox/customers/{customer-id}")
    (await target.world.patch(path, {"cotermDate": "2025-07-27"})).ok(200)
    target.before = await target.fingerprint()


async def switch_everything_off(target: Target) -> None:
    """Nothing renews by itself."""
    for one in await target.world.seats(target.path_ids["customer-id"]):
        body = {"autoRenewal": {"enabled": False}}
        (await target.world.patch(one["links"]["self"]["uri"], body)).ok(200)


async def let_expire(target: Target) -> None:
    """Make today the anniversary, and pass it."""
    path = target.seats["links"]["self"]["uri"].replace("/v3/", "/sandbox/")
    (await target.world.post(f"{path}/expire", {})).ok(200)
    target.before = await target.fingerprint()


async def follow_up(
    target: Target, valid: Callable[..., Any], sent: dict[str, Any], made: dict[str, Any]
) -> None:
    """What was accepted is kept as sent and can be read; then room is made for the next one."""
    if isinstance(sent.get("externalReferenceId"), str):
        assert made["externalReferenceId"] == sent["externalReferenceId"]
    if str(made.get("orderType")).startswith("PREVIEW"):
        return
    if "links" in made:
        (await target.world.get(made["links"]["self"]["uri"])).ok(200)
    if valid is give_back and made["orderType"] == "RETURN":
        await target.place_order()
    if valid is late_renewal and made["orderType"] == "RENEWAL":
        await let_expire(target)
    if valid is scheduled:
        path = made["links"]["self"]["uri"].replace("/v3/", "/sandbox/")
        (await target.world.patch(path, {"status": "1004"})).ok(200)
        target.before = await target.fingerprint()


def is_object(content: bytes) -> bool:
    """Whether a body is one JSON object by platform.md 7, told in another way than the product."""
    if not content:
        return True
    try:
        value = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_int=str,
            parse_float=str,
        )
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and _depth(value) <= MAX_DEPTH


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _refuse(_: str) -> NoReturn:
    raise ValueError


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max((_depth(one) for one in inner if isinstance(one, dict | list)), default=0)
