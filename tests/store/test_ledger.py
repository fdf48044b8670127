"""The seat ledger is append-only, whoever writes."""

import asyncpg
import pytest

from seatledger.store.rows import AnyConnection
from tests.harness import World, line

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_entry SET delta = delta + 1 WHERE customer_id = '{customer}'",
        "DELETE FROM ledger_entry WHERE customer_id = '{customer}'",
        "TRUNCATE ledger_entry",
    ],
)
async def test_the_ledger_of_a_customer_is_never_changed(
    world: World, database: AnyConnection, change: str
) -> None:
    customer = await world.customer()
    (await world.order(customer, line("80004567EA01A12"))).ok(201)
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await database.execute(change.format(customer=customer))
    assert await database.fetchval(
        "SELECT sum(delta) FROM ledger_entry WHERE customer_id = $1", customer
    )
