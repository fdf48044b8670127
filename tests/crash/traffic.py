"""Clients at work: orders, returns and renewal settings with correlation ids, and what became of
each."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from random import Random
from typing import Any, Literal

import httpx

from seatledger.clock import SystemClock
from tests.harness import Reply, World, line, order, unique

SEATS = "80004567EA01A12"
DISCOUNTED = "11073058CA01A12"
RENEWED = "65304479CA01A12"  # its subscription is bought once and then only set up
DISCOUNT = "BLACK_FRIDAY_10_PERCENT_OFF"
CUSTOMERS = 3
PATIENCE_SECONDS = 180

_AGAIN_SECONDS = 0.05  # what a client rests before it repeats itself
_RETURNS, _CHANGES = 0.25, 0.2  # shares of what a client does

Kind = Literal["NEW", "RETURN", "PATCH"]


@dataclass
class Intent:
    """One write: what is sent until it is answered, and the answer."""

    kind: Kind
    customer: str
    path: str
    body: dict[str, Any]
    correlation_id: str = field(default_factory=lambda: unique("intent"))
    reply: Reply | None = None
    answered_at: float = 0.0  # the loop's time
    lost: int = 0  # how often no answer came

    @property
    def acknowledged(self) -> Reply:
        """Its success; nothing a client of ours asks for is refused."""
        wanted = 200 if self.kind == "PATCH" else 201
        assert self.reply is not None, f"never answered: {self}"
        assert self.reply.status == wanted, f"refused at {SystemClock().now()}: {self}"
        return self.reply


def purchase(customer: str, *lines: dict[str, Any]) -> Intent:
    """A NEW order."""
    return Intent("NEW", customer, f"/v3/customers/{customer}/orders", order(*lines))


def refund(bought: Intent) -> Intent:
    """A RETURN of all lines of an order."""
    placed = bought.acknowledged
    lines = [
        {key: one[key] for key in ("extLineItemNumber", "offerId", "quantity")}
        for one in placed["lineItems"]
    ]
    body = order(*lines, orderType="RETURN", referenceOrderId=placed["orderId"])
    return Intent("RETURN", bought.customer, bought.path, body)


async def send(world: World, intent: Intent) -> Reply:
    """Send an intent once."""
    method = "PATCH" if intent.kind == "PATCH" else "POST"
    return await world.call(method, intent.path, intent.body, correlation_id=intent.correlation_id)


async def insist(worlds: Sequence[World], intent: Intent) -> Reply:
    """Send an intent with its correlation id until it is answered, by one server or another.

    Neither a 503 nor the notice that a copy of it is still at work (4122) is an answer.
    """
    for world in _in_turn(worlds, intent):
        try:
            reply = await send(world, intent)
        except httpx.TransportError:
            intent.lost += 1
        else:
            if reply.status != 503 and not (reply.status == 400 and reply.code == "4122"):
                return reply
            assert reply.headers["Retry-After"]
            intent.lost += reply.status == 503
        await asyncio.sleep(_AGAIN_SECONDS)
    raise AssertionError("turns never end")


def _in_turn(worlds: Sequence[World], intent: Intent) -> Any:
    first = sum(intent.correlation_id.encode())
    return (worlds[(first + turn) % len(worlds)] for turn in count())


@dataclass
class Traffic:
    """Clients that write for a partner's few customers until told that it is over.

    Everything they begin they bring to an answer, whatever happens meanwhile.
    """

    worlds: Sequence[World]  # one partner, through each server
    customers: Sequence[str]
    renewed: Sequence[str]  # of each customer, the subscription whose renewal is set
    intents: list[Intent]
    random: Random
    is_over: bool = False
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @classmethod
    async def prepare(cls, worlds: Sequence[World], mode: str, random: Random) -> "Traffic":
        """Customers in a new world that settles by `mode`, each with a subscription to set up."""
        world = worlds[0]
        customers = [await world.customer() for _ in range(CUSTOMERS)]
        intents = [purchase(one, line(RENEWED, 10)) for one in customers]
        for intent in intents:
            intent.reply = await insist(worlds, intent)
        renewed = [(await world.seats(one))[0]["subscriptionId"] for one in customers]
        await world.settlement(mode)
        return cls(worlds, customers, renewed, intents, random)

    @property
    def answered(self) -> int:
        """How many writes have been answered."""
        return sum(one.reply is not None for one in self.intents)

    @property
    def lost(self) -> int:
        """How often an answer was lost, or was a 503, and the write repeated."""
        return sum(one.lost for one in self.intents)

    def longest_silence(self, since: float) -> float:
        """The longest time in which no write was answered from `since` on; the loop's seconds."""
        times = [since, *sorted(one.answered_at for one in self.intents if one.answered_at > since)]
        return max(later - earlier for earlier, later in pairwise(times))

    @asynccontextmanager
    async def running(self, clients: int) -> AsyncIterator[None]:
        """Let many clients write meanwhile; what they have begun is answered when it ends.

        A wrong answer ends it at once.
        """
        async with asyncio.TaskGroup() as tasks:
            for number in range(clients):
                tasks.create_task(self._client(number))
            try:
                yield
            finally:
                self.is_over = True

    async def has_answered(self, more: int) -> None:
        """Let the clients work until so many more writes are answered."""
        enough = self.answered + more
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: self.answered >= enough)

    async def _client(self, number: int) -> None:
        bought: deque[Intent] = deque()
        while not self.is_over:
            intent = await self._next(number, bought)
            self.intents.append(intent)
            async with asyncio.timeout(PATIENCE_SECONDS):
                intent.reply = await insist(self.worlds, intent)
            intent.answered_at = asyncio.get_running_loop().time()
            _ = intent.acknowledged
            if intent.kind == "NEW":
                bought.append(intent)
            async with self._news:
                self._news.notify_all()

    async def _next(self, number: int, bought: deque[Intent]) -> Intent:
        drawn = self.random.random()
        # One client alone sets up a subscription, so that the last answer tells what it holds.
        if drawn < _CHANGES and number < len(self.customers):
            customer, subscription = self.customers[number], self.renewed[number]
            path = f"/v3/customers/{customer}/subscriptions/{subscription}"
            settings = {"enabled": True, "renewalQuantity": self.random.randint(1, 99)}
            return Intent("PATCH", customer, path, {"autoRenewal": settings})
        if drawn < _CHANGES + _RETURNS and bought and await self._is_settled(bought[0]):
            return refund(bought.popleft())
        customer = self.random.choice(self.customers)
        lines = [line(SEATS, self.random.randint(1, 3))]
        if self.random.random() < 0.5:
            lines.append(line(DISCOUNTED, number=2, flexDiscountCodes=[DISCOUNT]))
        return purchase(customer, *lines)

    async def _is_settled(self, bought: Intent) -> bool:
        """Whether an order may be returned; False too when nobody can tell now."""
        path = f"{bought.path}/{bought.acknowledged['orderId']}"
        try:
            reply = await self.random.choice(self.worlds).get(path)
        except httpx.TransportError:
            return False
        return reply.status == 200 and bool(reply["status"] == "1000")
