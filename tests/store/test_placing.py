"""The write of a batch against other processes: whoever loses a race has written nothing."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg
import pytest

from seatledger.domain.model import Customer, Order, OrderLine
from seatledger.engine import partners as partner_rules
from seatledger.engine.partners import NewWorld
from seatledger.store import accounts, partners, placing
from seatledger.store.placing import Asked, Outcome
from seatledger.store.rows import AnyConnection

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 2, 10, 12, tzinfo=UTC)
PARTNER = "partner"
Connect = Callable[[], Awaitable[AnyConnection]]
T = TypeVar("T")


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
    """Our own connection, to a database with the partner of most tests."""
    opened = await connect()
    async with opened.transaction():
        await partners.lock_setup(opened)
        if await partners.load(opened, PARTNER) is None:
            await seller(opened, PARTNER)
    return opened


async def seller(connection: AnyConnection, partner_id: str) -> str:
    """A stored partner in version 1."""
    await partner_rules.ensure_samples(connection)
    partner = partner_rules.default_partner(partner_id, "A partner")
    await partner_rules.create(connection, partner, NewWorld("frozen", NOW, "manual"), NOW)
    return partner_id


async def customer(connection: AnyConnection) -> str:
    """A stored customer in version 1."""
    made = Customer(unique("customer"), PARTNER, "reseller", "1000", "", {}, NOW)
    await accounts.insert_customer(connection, made)
    return made.customer_id


def stored(
    customer_id: str,
    key: str,
    *,
    request_id: str = "",
    partner_id: str = PARTNER,
    at: datetime = NOW,
    **more: Any,
) -> Outcome:
    """A preview or refusal: nothing but its answer is written."""
    asked = Asked(
        partner_id=partner_id,
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
    return Outcome(asked, b"print", 201, key.encode(), at, seen_world=1, **more)


def placed(
    customer_id: str, key: str, *, seen_version: int = 1, leans: bool = False, request_id: str = ""
) -> Outcome:
    """An accepted order, decided on a version of its customer."""
    line = OrderLine(
        number=1, offer_id="80004567EA01A12", quantity=1, currency="USD", status="1002"
    )
    order = Order(
        order_id=unique("order"),
        partner_id=PARTNER,
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


async def blocked(
    connection: AnyConnection, other: AnyConnection, statement: Coroutine[Any, Any, T]
) -> "asyncio.Task[T]":
    """A statement of another process, begun and waiting for a lock."""
    running = asyncio.create_task(statement)
    waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
    while not await connection.fetchval(waits, other.get_server_pid()):
        assert not running.done(), "it did not wait"
    return running


class TestTheVersionGuard:
    async def test_lets_one_of_two_open_transactions_through(
        self, connection: AnyConnection, connect: Connect
    ) -> None:
        owner = await customer(connection)
        first, second = await connect(), await connect()
        async with first.transaction():
            assert await placing.write(first, [placed(owner, "one")]) == {0}
            assert await placing.write(second, [placed(owner, "two")]) == set()
        assert await placing.write(second, [placed(owner, "two")]) == set()
        assert await left_by(connection, owner) == (1, 1)

    async def test_lets_the_second_through_when_the_first_has_rolled_back(
        self, connection: AnyConnection, connect: Connect
    ) -> None:
        owner = await customer(connection)
        first, second = await connect(), await connect()
        transaction = first.transaction()
        await transaction.start()
        assert await placing.write(first, [placed(owner, "one")]) == {0}
        await transaction.rollback()
        assert await placing.write(second, [placed(owner, "two")]) == {0}
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

    async def test_does_not_wait_for_a_customer_somebody_holds(
        self, connection: AnyConnection, connect: Connect
    ) -> None:
        held, free = await customer(connection), await customer(connection)
        holder = await connect()
        async with holder.transaction():
            lock = "SELECT 1 FROM customer WHERE customer_id = $1 FOR NO KEY UPDATE"
            await holder.execute(lock, held)
            batch = [placed(held, "one"), stored(held, "two"), placed(free, "three")]
            assert await placing.write(connection, batch) == {1, 2}
        assert await left_by(connection, held, free) == (1, 2)
        assert await placing.write(connection, batch[:1]) == {0}


class TestThePartnerGuard:
    async def test_judges_every_partner_of_a_batch_alone(self, connection: AnyConnection) -> None:
        changed = await seller(connection, unique("partner"))
        await partners.set_settlement(connection, changed, "auto", 0)
        owner = await customer(connection)
        batch = [stored(owner, "one", partner_id=changed), placed(owner, "two")]
        assert await placing.write(connection, batch) == {1}

    async def test_does_not_wait_for_a_partner_whose_settlement_changes(
        self, connection: AnyConnection, connect: Connect
    ) -> None:
        """What the change releases, and what is written on the old mode, never miss each other."""
        changing = await seller(connection, unique("partner"))
        other = await connect()
        outcome = stored(unique("customer"), "one", partner_id=changing)
        transaction = other.transaction()
        await transaction.start()
        await partners.set_settlement(other, changing, "immediate", 0)
        assert await placing.write(connection, [outcome]) == set()
        await transaction.rollback()
        assert await placing.write(connection, [outcome]) == {0}

    async def test_makes_a_change_of_settlement_wait_for_what_is_being_written(
        self, connection: AnyConnection, connect: Connect
    ) -> None:
        changing = await seller(connection, unique("partner"))
        writer, other = await connect(), await connect()
        async with writer.transaction():
            outcome = stored(unique("customer"), "one", partner_id=changing)
            assert await placing.write(writer, [outcome]) == {0}
            change = await blocked(
                connection, other, partners.set_settlement(other, changing, "immediate", 0)
            )
        await change
        assert await partners.version_of(connection, changing) == 2

    async def test_lets_nothing_be_written_for_one_that_is_gone(
        self, connection: AnyConnection
    ) -> None:
        gone = await seller(connection, unique("partner"))
        assert await partners.delete(connection, gone)
        outcome = stored(unique("customer"), "one", partner_id=gone)
        assert await placing.write(connection, [outcome]) == set()


class TestKeys:
    async def test_of_two_writers_at_once_go_to_the_first(
        self, connection: AnyConnection, connect: Connect
    ) -> None:
        owner = await customer(connection)
        first, second = await connect(), await connect()
        async with first.transaction():
            assert await placing.write(first, [stored(owner, "one")]) == {0}
            late = await blocked(connection, second, placing.write(second, [stored(owner, "one")]))
        assert await late == set()

    async def test_go_to_the_second_when_the_first_rolls_back(
        self, connection: AnyConnection, connect: Connect
    ) -> None:
        owner = await customer(connection)
        first, second = await connect(), await connect()
        transaction = first.transaction()
        await transaction.start()
        assert await placing.write(first, [stored(owner, "one")]) == {0}
        late = await blocked(connection, second, placing.write(second, [stored(owner, "one")]))
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
            later = stored(owner, "one", request_id=request, at=at)
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
