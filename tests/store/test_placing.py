"""The write of a batch against other processes: whoever loses a race has written nothing."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from seatledger.domain.model import Customer, Order, OrderLine
from seatledger.store import accounts, placing
from seatledger.store.placing import Asked, Outcome
from seatledger.store.rows import AnyConnection

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 2, 10, 12, tzinfo=UTC)
Connect = Callable[[], Awaitable[AnyConnection]]


def unique(prefix: str) -> str:
    """A name nobody else has used, in this database either."""
    return f"{prefix}-{secrets.token_hex(8)}"


@pytest.fixture
async def connect(database_url: str) -> AsyncIterator[Connect]:
    """Opens connections as other processes have them."""
    opened: list[AnyConnection] = []

    async def open_one() -> AnyConnection:
        opened.append(await asyncpg.connect(database_url))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
async def connection(connect: Connect) -> AnyConnection:
    """Our own connection."""
    return await connect()


async def customer(connection: AnyConnection) -> str:
    """A stored customer in version 1."""
    made = Customer(unique("customer"), "partner", "reseller", "1000", "", {}, NOW)
    await accounts.insert_customer(connection, made)
    return made.customer_id


def stored(customer_id: str, key: str, *, request_id: str = "", **more: Any) -> Outcome:
    """A preview or refusal: nothing but its answer is written."""
    asked = Asked(
        partner_id="partner",
        path=f"/v3/customers/{customer_id}/orders",
        correlation_id=key,
        request_id=request_id,
        alive_since=NOW,
        customer_id=customer_id,
        reference_order_id="",
        wants_deployments=False,
        wants_discounts=False,
        wants_history=False,
    )
    return Outcome(asked, b"print", 201, key.encode(), NOW, **more)


def placed(
    customer_id: str, key: str, *, seen_version: int = 1, leans: bool = False, request_id: str = ""
) -> Outcome:
    """An accepted order, decided on a version of its customer."""
    line = OrderLine(
        number=1, offer_id="80004567EA01A12", quantity=1, currency="USD", status="1002"
    )
    order = Order(
        order_id=unique("order"),
        partner_id="partner",
        customer_id=customer_id,
        reseller_id="reseller",
        order_type="NEW",
        status="1002",
        source="API",
        external_reference_id="",
        reference_order_id="",
        created_at=NOW,
        lines=(line,),
    )
    return stored(
        customer_id,
        key,
        request_id=request_id,
        order=order,
        seen_version=seen_version,
        leans=leans,
    )


async def left_by(connection: AnyConnection, *customer_ids: str) -> tuple[int, int]:
    """How many orders and how many stored answers customers have."""
    paths = [f"/v3/customers/{one}/orders" for one in customer_ids]
    orders: int = await connection.fetchval(
        "SELECT count(*) FROM orders WHERE customer_id = ANY ($1)", customer_ids
    )
    answers: int = await connection.fetchval(
        "SELECT count(*) FROM idempotency WHERE path = ANY ($1)", paths
    )
    return orders, answers


async def waiting(
    connection: AnyConnection, other: AnyConnection, outcomes: Sequence[Outcome]
) -> "asyncio.Task[set[int]]":
    """A write of another process, begun and waiting for a lock."""
    write = asyncio.create_task(placing.write(other, outcomes))
    blocked = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
    while not await connection.fetchval(blocked, other.get_server_pid()):
        assert not write.done(), "it did not wait"
    return write


class TestTheVersionGuard:
    async def test_lets_one_of_two_open_transactions_through(
        self, connection: AnyConnection, connect: Connect
    ) -> None:
        owner = await customer(connection)
        first, second = await connect(), await connect()
        async with first.transaction():
            assert await placing.write(first, [placed(owner, "one")]) == {0}
            late = await waiting(connection, second, [placed(owner, "two")])
        assert await late == set()
        assert await left_by(connection, owner) == (1, 1)

    async def test_lets_the_second_through_when_the_first_rolls_back(
        self, connection: AnyConnection, connect: Connect
    ) -> None:
        owner = await customer(connection)
        first, second = await connect(), await connect()
        transaction = first.transaction()
        await transaction.start()
        assert await placing.write(first, [placed(owner, "one")]) == {0}
        late = await waiting(connection, second, [placed(owner, "two")])
        await transaction.rollback()
        assert await late == {0}
        assert await left_by(connection, owner) == (1, 1)

    async def test_judges_every_customer_of_a_batch_alone(self, connection: AnyConnection) -> None:
        current, changed = await customer(connection), await customer(connection)
        batch = [placed(changed, "one", seen_version=7), placed(current, "two")]
        assert await placing.write(connection, batch) == {1}
        assert await left_by(connection, current) == (1, 1)
        assert await left_by(connection, changed) == (0, 0)

    async def test_counts_one_change_for_all_orders_of_a_batch(
        self, connection: AnyConnection
    ) -> None:
        owner = await customer(connection)
        batch = [placed(owner, "one"), placed(owner, "two", leans=True), stored(owner, "three")]
        assert await placing.write(connection, batch) == {0, 1, 2}
        assert await placing.write(connection, [placed(owner, "four")]) == set()
        assert await placing.write(connection, [placed(owner, "four", seen_version=2)]) == {0}
        assert await left_by(connection, owner) == (3, 4)

    async def test_takes_its_customers_in_the_order_of_their_ids(
        self, connection: AnyConnection, connect: Connect
    ) -> None:
        low, high = sorted([await customer(connection), await customer(connection)])
        holder, writer = await connect(), await connect()
        async with holder.transaction():
            lock = "SELECT 1 FROM customer WHERE customer_id = $1 FOR NO KEY UPDATE NOWAIT"
            await holder.execute(lock, low)
            write = await waiting(connection, writer, [placed(high, "one"), placed(low, "two")])
            await holder.execute(lock, high)  # the writer does not have it while it waits for low
        assert await write == {0, 1}


class TestKeys:
    async def test_of_two_writers_at_once_go_to_the_first(
        self, connection: AnyConnection, connect: Connect
    ) -> None:
        owner = await customer(connection)
        first, second = await connect(), await connect()
        async with first.transaction():
            assert await placing.write(first, [stored(owner, "one")]) == {0}
            late = await waiting(connection, second, [stored(owner, "one")])
        assert await late == set()

    async def test_go_to_the_second_when_the_first_rolls_back(
        self, connection: AnyConnection, connect: Connect
    ) -> None:
        owner = await customer(connection)
        first, second = await connect(), await connect()
        transaction = first.transaction()
        await transaction.start()
        assert await placing.write(first, [stored(owner, "one")]) == {0}
        late = await waiting(connection, second, [stored(owner, "one")])
        await transaction.rollback()
        assert await late == {0}

    async def test_that_are_taken_keep_an_order_from_being_written(
        self, connection: AnyConnection
    ) -> None:
        owner, request = await customer(connection), unique("request")
        assert await placing.write(connection, [stored(owner, "one", request_id=request)]) == {0}
        batch = [
            placed(owner, "one"),
            placed(await customer(connection), "two", request_id=request),
            placed(await customer(connection), "three"),
        ]
        assert await placing.write(connection, batch) == {2}
        customers = [one.asked.customer_id for one in batch]
        assert await left_by(connection, *customers) == (1, 2)

    async def test_are_forgotten_after_ten_days(self, connection: AnyConnection) -> None:
        owner, request = await customer(connection), unique("request")
        assert await placing.write(connection, [stored(owner, "one", request_id=request)]) == {0}
        for at, won in (
            (datetime(2026, 2, 20, 12, 0, 0, tzinfo=UTC), set()),
            (datetime(2026, 2, 20, 12, 0, 1, tzinfo=UTC), {0}),
        ):
            again = stored(owner, "one", request_id=request)
            later = Outcome(again.asked, b"other", 201, b"other", at)
            assert await placing.write(connection, [later]) == won


class TestDecisionsThatLean:
    async def test_fall_with_the_order_they_lean_on(self, connection: AnyConnection) -> None:
        owner, other = await customer(connection), await customer(connection)
        assert await placing.write(connection, [stored(owner, "one")]) == {0}
        batch = [
            placed(owner, "one"),
            placed(owner, "two", leans=True),
            stored(owner, "three", seen_version=1, leans=True),
            placed(other, "four"),
        ]
        assert await placing.write(connection, batch) == set()
        assert await left_by(connection, owner, other) == (0, 1)

    async def test_fall_when_the_customer_changed(self, connection: AnyConnection) -> None:
        owner = await customer(connection)
        batch = [
            placed(owner, "one", seen_version=7),
            stored(owner, "two", seen_version=7, leans=True),
            stored(owner, "three"),
        ]
        assert await placing.write(connection, batch) == {2}
        assert await left_by(connection, owner) == (0, 1)
