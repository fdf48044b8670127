"""Previews for a customer who does not exist yet."""

from datetime import datetime

from seatledger.contract.placeholders import SEGMENT_OF_PLACEHOLDER
from seatledger.contract.statuses import ACTIVE
from seatledger.domain.model import Account, Customer, Partner


def placeholder(
    customer_id: str, order_type: str | None, partner: Partner, now: datetime
) -> Account | None:
    """The brand-new customer that a placeholder id stands for (accounts.md 5.7).

    None for any other id, and for orders that are no PREVIEW: they need a real customer. An order
    type that could not be understood (None) may have been one.
    """
    segment = SEGMENT_OF_PLACEHOLDER.get(customer_id)
    if segment is None or order_type not in ("PREVIEW", None):
        return None
    customer = Customer(
        customer_id=customer_id,
        partner_id=partner.partner_id,
        reseller_id="",
        status=ACTIVE,
        external_reference_id="",
        profile={
            "marketSegment": segment,
            "marketSubSegments": [],
            "address": {"country": partner.country},
        },
        created_at=now,
    )
    return Account(customer, [segment])
