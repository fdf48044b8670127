"""The worlds a process keeps, and what it lets go."""

from collections.abc import AsyncIterator

import pytest

from seatledger.clock import ManualClock
from seatledger.engine import world as worlds_module
from seatledger.engine.world import Worlds
from seatledger.store.database import connect
from tests.conftest import MakeWorld
from tests.harness import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def worlds(database_url: str, real_clock: ManualClock) -> AsyncIterator[Worlds]:
    """The worlds of a process of its own beside the server under test."""
    async with await connect(database_url, 2) as pool:
        yield Worlds(pool, real_clock, always_current=True)


async def put_catalog(world: World, database_url: str) -> None:
    """Give a world a catalogue of its own, as good as the one it has."""
    async with await connect(database_url, 1) as pool:
        text = await pool.fetchval("SELECT body FROM data_set WHERE kind = 'catalog' LIMIT 1")
    csv = {"Content-Type": "text/csv"}
    (await world.put("/sandbox/catalog", content=text.encode(), headers=csv)).ok(200)


async def test_those_read_longest_ago_make_room(
    worlds: Worlds, new_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worlds_module, "MOST_WORLDS", 3)
    ids = [(await new_world()).distributor_id for _ in range(5)]
    for partner_id in (*ids[:3], ids[0], *ids[3:]):
        await worlds.refresh(partner_id)
    assert [one for one in ids if worlds.kept(one) is not None] == [ids[0], *ids[3:]]
    assert len(worlds._seen) == 3
    for partner_id in ids:
        found = await worlds.get(partner_id)
        assert found is not None
        assert found.partner_id == partner_id


async def test_catalogues_that_no_world_uses_any_more_go(
    worlds: Worlds, new_world: MakeWorld, database_url: str
) -> None:
    one, other = await new_world(), await new_world()
    for _ in range(4):
        for world in (one, other):
            await put_catalog(world, database_url)
            assert await worlds.get(world.distributor_id) is not None
    # Theirs, and the one that the last to be read had before.
    assert len(worlds._catalogs) <= 3
    assert len(worlds._discounts) == 1
    for world in (one, other):
        kept = worlds.kept(world.distributor_id)
        assert kept is not None
        assert kept.catalog is worlds._catalogs[kept.row.catalog_version]


async def test_a_world_that_is_gone_is_not_kept(worlds: Worlds, new_world: MakeWorld) -> None:
    world = await new_world()
    partner_id = world.distributor_id
    assert await worlds.get(partner_id) is not None
    admin = {"X-Admin-Token": "admin-token-of-the-tests"}
    path = f"/sandbox/partners/{partner_id}"
    assert (await world.client.delete(path, headers=admin)).status_code == 204
    assert await worlds.get(partner_id) is None
    assert worlds.kept(partner_id) is None
    assert partner_id not in worlds._seen
