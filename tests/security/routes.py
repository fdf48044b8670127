"""The routes of the control API, as the service makes them."""

from collections.abc import Iterator
from typing import Any, cast

from seatledger.sandbox.routes import Sandbox
from seatledger.settings import Settings

ADMIN_ROUTES = frozenset(
    ("GET /sandbox/partners", "POST /sandbox/partners", "DELETE /sandbox/partners/{distributor-id}")
)


def control_routes() -> Iterator[str]:
    """`METHOD path` of every control call, with ids as in the contract: `{customer-id}`."""
    nothing = cast("Any", None)  # only the table is looked at
    for route in Sandbox(nothing, nothing, Settings(), "").routes():
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield f"{method} {route.path}".replace("_id}", "-id}")


def own_routes() -> Iterator[str]:
    """Those that act on the caller's own world."""
    return (one for one in control_routes() if one not in ADMIN_ROUTES)
