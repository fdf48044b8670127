"""The routes of the control API; they exist in sandbox mode alone."""

from typing import Any

from starlette.routing import Route

from seatledger.api.gate import Gate
from seatledger.engine.context import Engine
from seatledger.sandbox import (
    anniversary,
    clock,
    closed_discounts,
    commitments,
    discounts,
    edits,
    faults,
    fixtures,
    inspect,
    order_edits,
    settlement,
    snapshots,
    worlds,
)
from seatledger.sandbox.control import Control, Desk
from seatledger.settings import Settings

_LINKED = ("partner", "clock", "settlement", "faults", "snapshots", "events", "invariants")


class Sandbox:
    """The control API of one process."""

    def __init__(self, engine: Engine, gate: Gate, settings: Settings, version: str) -> None:
        self._desk = Desk(engine, gate, settings.admin_token, is_open=settings.sandbox_open)
        self._version = version

    def routes(self) -> list[Route]:
        """Every route (sandbox.md 2, 3, 5)."""
        desk = self._desk
        customer = "/sandbox/customers/{customer_id}"
        subscription = customer + "/subscriptions/{subscription_id}"
        commit = customer + "/three-year-commit"
        return [
            desk.own("/sandbox", get=self._index),
            desk.instance("/sandbox/partners", get=worlds.list_all, post=worlds.create),
            desk.instance("/sandbox/partners/{distributor_id}", delete=worlds.delete),
            desk.own("/sandbox/partner", get=worlds.show, patch=worlds.change),
            desk.own("/sandbox/catalog", put=worlds.put_catalog),
            desk.own(
                "/sandbox/flex-discounts", get=discounts.list_loaded, put=worlds.put_discounts
            ),
            desk.own("/sandbox/flex-discounts/{discount_id}", patch=discounts.move_end),
            desk.own("/sandbox/closed-discounts/templates", get=closed_discounts.list_templates),
            desk.own(
                "/sandbox/closed-discounts",
                get=closed_discounts.list_codes,
                post=closed_discounts.create,
            ),
            desk.own("/sandbox/closed-discounts/{code}", delete=closed_discounts.delete),
            desk.own("/sandbox/reset", post=worlds.reset),
            desk.own(
                "/sandbox/snapshots",
                get=snapshots.show_all,
                post=snapshots.take,
                delete=snapshots.delete_all,
            ),
            desk.own(
                "/sandbox/snapshots/{snapshot_id}", get=snapshots.show, delete=snapshots.delete
            ),
            desk.own("/sandbox/snapshots/{snapshot_id}/restore", post=snapshots.restore),
            desk.own("/sandbox/fixtures", post=fixtures.post),
            desk.own("/sandbox/resellers/{reseller_id}", patch=edits.reseller),
            desk.own(customer, patch=edits.customer),
            desk.own(customer + "/orders/{order_id}", patch=order_edits.order),
            desk.own(subscription, patch=edits.subscription),
            desk.own(customer + "/renewal-run", post=anniversary.renewal_run),
            desk.own(subscription + "/expire", post=anniversary.expire),
            desk.own(commit, patch=commitments.edit_terms),
            desk.own(commit + "/accept", post=commitments.accept),
            desk.own(commit + "/decline", post=commitments.decline),
            desk.own(commit + "/enroll", post=commitments.enroll),
            desk.own("/sandbox/clock", get=clock.show_clock, put=clock.set_clock),
            desk.own("/sandbox/clock/advance", post=clock.advance),
            desk.own(
                "/sandbox/settlement",
                get=settlement.show_settlement,
                put=settlement.set_settlement,
            ),
            desk.own("/sandbox/settle", post=settlement.settle),
            desk.own("/sandbox/faults", get=faults.show, post=faults.arm, delete=faults.disarm_all),
            desk.own("/sandbox/faults/{fault_id}", delete=faults.disarm),
            desk.own("/sandbox/explain/orders/{order_id}", get=inspect.explain_order),
            desk.own("/sandbox/explain/preview", post=inspect.explain_order_preview),
            desk.own("/sandbox/reconciliation-files", post=inspect.reconciliation_file),
            desk.own("/sandbox/invariants", get=inspect.invariants),
            desk.own("/sandbox/events", get=inspect.events),
        ]

    async def _index(self, control: Control) -> tuple[int, Any]:
        """GET /sandbox: what this is and where its calls are."""
        world = control.own
        return 200, {
            "product": "Seatledger",
            "version": self._version,
            "mode": "sandbox",
            "partner": world.partner_id,
            "clock": await clock.clock_of(control, world),
            "settlement": settlement.settlement_of(world),
            "faults": await faults.count(control),
            "links": {name: f"/sandbox/{name}" for name in _LINKED},
        }
