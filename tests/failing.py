"""Customers whose work fails, whoever carries it out: their settlement, their validation, and
what happens to them by itself."""

from typing import Any

import pytest

from seatledger.domain.model import Account, Customer
from seatledger.engine import agenda, settle
from seatledger.store import accounts


class Failing:
    """One such customer in this process, and how often its work was tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, customer: str, reason: str = "") -> None:
        self.attempts = 0
        self._customer = customer
        self._reason = reason
        has_twin = accounts.has_twin
        settled_before: Any = settle.__dict__["settle_in_turn"]
        happened_before: Any = agenda.__dict__["let_happen"]

        def settled(account: Account, *arguments: Any) -> Any:
            self._meet(account.customer)
            return settled_before(account, *arguments)

        def happened(account: Account, *arguments: Any) -> Any:
            self._meet(account.customer)
            return happened_before(account, *arguments)

        async def validated(connection: Any, customer: Customer) -> bool:
            self._meet(customer)
            return await has_twin(connection, customer)

        monkeypatch.setattr(settle, "settle_in_turn", settled)
        monkeypatch.setattr(agenda, "let_happen", happened)
        monkeypatch.setattr(accounts, "has_twin", validated)

    def _meet(self, customer: Customer) -> None:
        if customer.customer_id == self._customer:
            self.attempts += 1
            raise ZeroDivisionError(self._reason)
