"""Ids in blocks: one trip to a sequence gives a process a thousand numbers."""

import secrets

from seatledger.contract.placeholders import SEGMENT_OF_PLACEHOLDER
from seatledger.store.rows import AnyConnection

BLOCK = 1_000


class IdBlocks:
    """Hands out ids of one kind: `prefix`, then a number of at least `digits` digits.

    Ids grow longer rather than repeat when the digits are used up; a restart loses the rest of
    a block.
    """

    def __init__(self, sequence: str, prefix: str, digits: int) -> None:
        self._sequence = sequence
        self._prefix = prefix
        self._digits = digits
        self._next = self._end = 0

    def has(self, count: int) -> bool:
        """Whether `take` can be called `count` times."""
        return self._end - self._next >= count

    async def reserve(self, connection: AnyConnection, count: int) -> None:
        """Make sure `take` can be called `count` times (at most a block) before the next wait.

        The caller's connection is used: it has one, and must not wait for another.
        """
        assert 0 <= count <= BLOCK
        while not self.has(count):
            block = await connection.fetchval(f"SELECT nextval('{self._sequence}')")
            if not self.has(count):
                self._next, self._end = (block - 1) * BLOCK, block * BLOCK

    def take(self) -> str:
        """The next id; `reserve` must have been called."""
        assert self._next < self._end, "no id reserved"
        number = self._next
        self._next += 1
        return f"{self._prefix}{number:0{self._digits}d}"

    async def new(self, connection: AnyConnection) -> str:
        """One id."""
        await self.reserve(connection, 1)
        return self.take()


class Ids:
    """Every kind of generated id (accounts.md 2, orders.md 1.3)."""

    def __init__(self) -> None:
        self.orders = IdBlocks("order_id_block", "9200", 6)
        self.returns = IdBlocks("return_id_block", "55", 7)
        self._accounts = IdBlocks("account_id_block", "1", 9)
        self.deployments = IdBlocks("deployment_id_block", "14", 8)

    async def reserve_orders(self, connection: AnyConnection, count: int) -> None:
        """Reserve `count` ids of either kind of order, together."""
        while not (self.orders.has(count) and self.returns.has(count)):
            await self.orders.reserve(connection, count)
            await self.returns.reserve(connection, count)

    async def account(self, connection: AnyConnection) -> str:
        """A reseller or customer id; never a placeholder customer's."""
        while (account_id := await self._accounts.new(connection)) in SEGMENT_OF_PLACEHOLDER:
            pass
        return account_id


def subscription_id() -> str:
    """32 characters, not guessable (subscriptions.md 1)."""
    return secrets.token_hex(15) + "NA"
