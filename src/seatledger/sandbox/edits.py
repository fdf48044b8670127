"""Direct edits (sandbox.md 3)."""

from typing import Any

from seatledger.sandbox.control import Control


async def reseller(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/resellers/{reseller-id}."""
    return 200, {}


async def customer(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/customers/{customer-id}."""
    return 200, {}


async def order(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/customers/{customer-id}/orders/{order-id}."""
    return 200, {}


async def subscription(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/customers/{customer-id}/subscriptions/{subscription-id}."""
    return 200, {}
