"""Ready-made data sets (sandbox.md 2)."""

from typing import Any

from seatledger.engine.context import Engine
from seatledger.sandbox.control import Control

SETS: dict[str, Any] = {}


async def make(
    engine: Engine, partner_id: str, name: str, ids: dict[str, str] | None = None
) -> dict[str, Any]:
    """Make a set."""
    return {}


async def post(control: Control) -> tuple[int, Any]:
    """POST /sandbox/fixtures."""
    return 201, {}
