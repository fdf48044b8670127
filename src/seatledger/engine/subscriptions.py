"""Subscriptions: read, schedule, update their renewal settings (subscriptions.md 5-7)."""

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct

from seatledger.contract.resources import SubscriptionList, SubscriptionOut
from seatledger.contract.walker import in_document_order
from seatledger.domain.calendar import utc_day
from seatledger.domain.model import Account, Subscription
from seatledger.domain.outcome import Refused
from seatledger.domain.scheduling import Wanted, default_currency, schedule
from seatledger.domain.subscriptions import (
    CODE_PATH,
    CODES_PATH,
    Change,
    allowed_actions,
    update,
)
from seatledger.engine import render
from seatledger.engine.bodies import Body, field_refusal, read_only_faults
from seatledger.engine.world import World
from seatledger.engine.writes import Done, LostRace, Scene, Write
from seatledger.store import subscriptions
from seatledger.store.ids import subscription_id as new_subscription_id
from seatledger.store.rows import AnyConnection

_READ_ONLY = (
    "subscriptionId", "offerId", "currentQuantity", "usedQuantity", "renewedQuantity",
    "creationDate", "renewalDate", "status", "deploymentId", "currencyCode", "allowedActions",
    "links",
)  # fmt: skip
_ENABLED_PATH = "autoRenewal.enabled"
_REDUCED = "reduced_subscription_patch_response"


class Resets(Struct, frozen=True):
    """What the query parameters of an update take away; `bad` names those nobody can read."""

    flex_codes: bool = False
    renewal_code: bool = False
    bad: tuple[str, ...] = ()


async def listed(
    connection: AnyConnection, world: World, now: datetime, customer_id: str
) -> SubscriptionList | None:
    """All subscriptions of a customer in creation order; None if the customer is unknown."""
    account = await subscriptions.account(connection, world.partner_id, customer_id)
    if account is None:
        return None
    items = tuple(shown(one, account, world, now) for one in account.subscriptions)
    return render.subscriptions(customer_id, items)


async def read(
    connection: AnyConnection, world: World, now: datetime, customer_id: str, subscription_id: str
) -> SubscriptionOut | None:
    """A subscription; None if the customer has no such one."""
    account = await subscriptions.account(connection, world.partner_id, customer_id)
    stored = _find(account, subscription_id)
    if account is None or stored is None:
        return None
    return shown(stored, account, world, now)


def shown(one: Subscription, account: Account, world: World, now: datetime) -> SubscriptionOut:
    """The resource as it is at the business instant `now`."""
    actions = allowed_actions(one, account, world.catalog, world.partner, now)
    return render.subscription(one, actions)


def _find(account: Account | None, subscription_id: str) -> Subscription | None:
    held = account.subscriptions if account is not None else ()
    return next((one for one in held if one.subscription_id == subscription_id), None)


async def create(
    scene: Scene, customer_id: str, body: Body, tracker_id: str = ""
) -> Done | Refused:
    """POST: a product the customer does not hold, to start with the next term."""
    partner = scene.world.partner
    account = await subscriptions.account(scene.connection, partner.partner_id, customer_id)
    if account is None:
        return Refused("1116")
    refused = _new_form_refusal(body, account)
    if refused is not None:
        return refused
    settings = body.raw["autoRenewal"]
    wanted = Wanted(
        offer_id=body.raw["offerId"],
        quantity=settings["renewalQuantity"],
        currency=body.raw.get("currencyCode") or "",
        deployment_id=body.raw.get("deploymentId") or "",
        renewal_code=settings.get("renewalCode") or "",
        flex_codes=tuple(settings.get("flexDiscountCodes") or ()),
        tracker_id=tracker_id,
    )
    made = schedule(wanted, account, partner, scene.world.catalog, scene.now, new_subscription_id())
    if isinstance(made, Refused):
        return made
    return Done(200, render.subscription(made), (_write(made, account),))


def _new_form_refusal(body: Body, account: Account) -> Refused | None:
    """1121, 1122 and 1117 of a POST: where the currency has no default it is required, and
    `enabled` may only be true."""
    has_default = default_currency(account) is not None and not account.customer.global_sales
    needs_currency = not has_default or bool(body.raw.get("deploymentId"))
    settings = body.raw.get("autoRenewal")
    is_off = isinstance(settings, dict) and settings.get("enabled") is False
    return field_refusal(
        body,
        missing=("currencyCode",) if needs_currency and not body.raw.get("currencyCode") else (),
        invalid=(_ENABLED_PATH,) if is_off else (),
    )


async def change(
    scene: Scene, customer_id: str, subscription_id: str, body: Body, resets: Resets
) -> Done | Refused:
    """PATCH: the renewal settings, or taking codes away by query parameter."""
    world = scene.world
    account = await subscriptions.account(scene.connection, world.partner_id, customer_id)
    stored = _find(account, subscription_id)
    if account is None or stored is None:
        return Refused("3115", variant=404)
    refused = _form_refusal(body, resets, stored, shown(stored, account, world, scene.now))
    if refused is not None:
        return refused
    changed = update(
        stored,
        _change(_settings(body.raw), resets),
        account,
        world.partner,
        world.catalog,
        utc_day(scene.now),
    )
    if isinstance(changed, Refused):
        return changed
    resource = render.subscription(changed)
    is_reduced = _REDUCED in world.partner.quirks
    return Done(
        200,
        render.reduced_subscription(resource) if is_reduced else resource,
        (_write(changed, account),),
    )


def _settings(raw: dict[str, Any]) -> dict[str, Any]:
    """The settings that were sent: null is none, except where it means all seats."""
    sent = raw.get("autoRenewal")
    if not isinstance(sent, dict):
        return {}
    return {
        name: value
        for name, value in sent.items()
        if value is not None or name == "renewalQuantity"
    }


def _form_refusal(
    body: Body, resets: Resets, stored: Subscription, resource: SubscriptionOut
) -> Refused | None:
    """Checks 2-4 of subscriptions.md 7. Settings without any member count as not sent."""
    if body.malformed is not None:
        return body.malformed
    if body.faults.unexpected:
        return field_refusal(body)
    fixed = read_only_faults(body.raw, render.to_builtins(resource), _READ_ONLY)
    if fixed:
        return Refused("1119", tuple(in_document_order(fixed, body.raw)))
    settings = _settings(body.raw)
    missing = []
    is_unreadable = "autoRenewal" in body.faults.invalid
    if not settings and not is_unreadable and not (resets.flex_codes or resets.renewal_code):
        missing.append("autoRenewal")
    elif settings and "enabled" not in settings and not stored.auto_renewal:
        missing.append(_ENABLED_PATH)
    both = resets.flex_codes and bool(settings.get("flexDiscountCodes"))
    refused = field_refusal(
        body, missing=missing, invalid=((CODES_PATH,) if both else ()) + resets.bad
    )
    if refused is None and resets.renewal_code and settings.get("renewalCode"):
        return Refused("5125", (CODE_PATH,))
    return refused


def _change(settings: dict[str, Any], resets: Resets) -> Change:
    codes = settings.get("flexDiscountCodes")
    return Change(
        enabled=settings.get("enabled"),
        quantity=settings.get("renewalQuantity", UNSET),
        flex_codes=None if codes is None else tuple(codes),
        renewal_code=settings.get("renewalCode", ""),
        resets_flex_codes=resets.flex_codes,
    )


def _write(row: Subscription, account: Account) -> Write:
    async def write(connection: AnyConnection) -> None:
        if not await subscriptions.put(connection, row, account.customer.version):
            raise LostRace

    return write
