"""Short ways to ask the rules of renewals without any I/O."""

from datetime import date
from typing import Any

from msgspec.structs import replace

from seatledger.domain.calendar import midnight
from seatledger.domain.catalog import Catalog
from seatledger.domain.model import (
    Account,
    Customer,
    Deployment,
    Order,
    OrderLine,
    Partner,
    PartnerSettings,
    Subscription,
)
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.renewal import RenewalPlan, plan_renewal
from seatledger.domain.orders.renewal_orders import decide_preview_renewal, decide_renewal
from seatledger.domain.orders.request import OrderRequest, RequestLine
from seatledger.domain.outcome import Refused
from tests import samples
from tests.samples import at

AD = "2026-07-07"
LAPSED = date(2026, 7, 7)
LATE = "2026-07-20T12:00:00Z"


def held(offer_id: str, quantity: int, **changes: Any) -> Subscription:
    """An active subscription that renews on the anniversary; its id is the product's key."""
    usual = samples.seats(offer_id, quantity, AD, subscription_id=f"S{offer_id[:8]}")
    return replace(usual, **changes)


def expired(offer_id: str, quantity: int, **changes: Any) -> Subscription:
    """A subscription that expired on the anniversary."""
    usual = held(offer_id, quantity, status="1004", auto_renewal=False, expired_on=LAPSED)
    return replace(usual, **changes)


def scheduled(offer_id: str, quantity: int, **changes: Any) -> Subscription:
    """A subscription that starts on the anniversary."""
    return replace(held(offer_id, 0, status="1009", explicit_quantity=quantity), **changes)


def deployment(deployment_id: str, country: str) -> Deployment:
    """A branch of the customer."""
    return Deployment(
        deployment_id,
        samples.CUSTOMER_ID,
        "P1",
        "1000",
        {"country": country},
        at("2018-01-01T00:00:00Z"),
    )


def account(*subscriptions: Subscription, buyer: Customer | None = None, **facts: Any) -> Account:
    """A customer whose anniversary is AD, with these subscriptions in order of creation."""
    facts.setdefault("reseller_segments", ["COM", "EDU", "GOV"])
    placed = [replace(one, position=number) for number, one in enumerate(subscriptions, start=1)]
    return Account(buyer or samples.customer(anniversary=AD), subscriptions=tuple(placed), **facts)


def plan(
    *subscriptions: Subscription,
    now: str = "",
    seller: Partner | None = None,
    goods: Catalog | None = None,
    **facts: Any,
) -> RenewalPlan:
    """What renews on the customer's anniversary, at its prices unless another instant is given."""
    known = account(*subscriptions, **facts)
    day = known.customer.coterm_date
    assert day is not None
    return plan_renewal(
        known,
        seller or samples.partner(),
        goods or samples.catalog(),
        samples.discounts(),
        day,
        at(now) if now else midnight(day),
    )


def told(lines: tuple[OrderLine, ...]) -> list[tuple[str, int, str]]:
    """Offer, quantity and status of each line."""
    return [(one.offer_id, one.quantity, one.status) for one in lines]


def renewing(
    seats: Subscription, quantity: int | None = None, number: int = 1, **more: Any
) -> RequestLine:
    """A requested line that renews a subscription: all of it, at its base offer, unless told."""
    return RequestLine(
        number,
        more.pop("offer_id", seats.offer_id),
        seats.current_quantity if quantity is None else quantity,
        subscription_id=more.pop("subscription_id", seats.subscription_id),
        **more,
    )


def judge(
    known: Account,
    *lines: RequestLine,
    preview: bool = False,
    now: str = LATE,
    quirks: tuple[str, ...] = (),
    goods: Catalog | None = None,
    fetch_price: bool = False,
    currency: str = "",
    **settings: Any,
) -> Accepted | Refused:
    """What the service decides on a RENEWAL, or on its preview, thirteen days late."""
    seller = samples.partner(settings=PartnerSettings(**settings), quirks=frozenset(quirks))
    decide = decide_preview_renewal if preview else decide_renewal
    order_type = "PREVIEW_RENEWAL" if preview else "RENEWAL"
    return decide(
        OrderRequest(order_type, lines, currency=currency, fetch_price=fetch_price),
        known,
        seller,
        goods or samples.catalog(),
        samples.discounts(),
        at(now),
    )


def sold(known: Account, *lines: RequestLine, **more: Any) -> tuple[OrderLine, ...]:
    """The lines of an accepted decision."""
    decision = judge(known, *lines, **more)
    assert isinstance(decision, Accepted), decision
    return decision.lines


def refusal(known: Account, *lines: RequestLine, **more: Any) -> tuple[str, ...]:
    """Code and details of a refused decision."""
    decision = judge(known, *lines, **more)
    assert isinstance(decision, Refused), decision
    return (decision.code, *decision.details)


def renewal_order(
    *seats: tuple[Subscription, int], at_instant: str = LATE, **changes: Any
) -> Order:
    """A RENEWAL order of so many seats each; completed unless told otherwise."""
    status = changes.get("status", "1000")
    usual = Order(
        order_id="9200000009",
        partner_id="P1",
        customer_id=samples.CUSTOMER_ID,
        reseller_id="R1",
        order_type="RENEWAL",
        status=status,
        source="API",
        external_reference_id="",
        reference_order_id="",
        created_at=at(at_instant),
        lines=tuple(
            OrderLine(
                number,
                one.offer_id,
                quantity,
                one.currency,
                status,
                subscription_id=one.subscription_id,
            )
            for number, (one, quantity) in enumerate(seats, start=1)
        ),
    )
    return replace(usual, **changes)
