"""The sample data as domain values, and short ways to ask the rules without any I/O."""

from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from msgspec.structs import replace

from seatledger.domain.benefits import (
    Commitment,
    CommitmentRequest,
    Minimum,
    ThreeYearCommit,
)
from seatledger.domain.calendar import add_years
from seatledger.domain.catalog import Catalog
from seatledger.domain.catalog_file import read_catalog
from seatledger.domain.discount_file import read_discounts
from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.model import (
    Account,
    Customer,
    OrderLine,
    Partner,
    PartnerSettings,
    Redemption,
    Subscription,
)
from seatledger.domain.orders import new
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.request import OrderRequest, RequestLine
from seatledger.domain.outcome import Refused

CUSTOMER_ID = "1005000001"
NOW = "2026-02-10T12:00:00Z"


def data_file(name: str) -> str:
    """The text of a data file of the contract."""
    return files("seatledger.contract").joinpath("data", name).read_text("utf-8")


@cache
def catalog() -> Catalog:
    """The sample catalogue."""
    return read_catalog(data_file("sample_catalog.csv")).catalog


@cache
def discounts() -> FlexDiscounts:
    """The sample flexible discounts."""
    return read_discounts(data_file("sample_flex_discounts.csv"))


def at(text: str) -> datetime:
    """An instant as the API writes it."""
    return datetime.fromisoformat(text)


def partner(**changes: Any) -> Partner:
    """A partner that sells NA/USD, WE/EUR and GBP, JP/JPY in every segment and program."""
    usual = Partner(
        partner_id="P1",
        name="Partner",
        status="1000",
        country="US",
        regions=("NA", "WE", "JP"),
        currencies={"NA": ("USD",), "WE": ("EUR", "GBP"), "JP": ("JPY",)},
        market_segments=("COM", "EDU", "GOV"),
        programs=("TEAM", "ENTERPRISE"),
        global_sales_enabled=True,
        settings=PartnerSettings(),
    )
    return replace(usual, **changes)


def customer(
    *,
    country: str = "US",
    segment: str = "COM",
    sub_segments: tuple[str, ...] = (),
    anniversary: str = "",
    **changes: Any,
) -> Customer:
    """An active customer; with an `anniversary` its first term is running."""
    usual = Customer(
        customer_id=CUSTOMER_ID,
        partner_id="P1",
        reseller_id="R1",
        status="1000",
        external_reference_id="",
        profile={
            "marketSegment": segment,
            "marketSubSegments": list(sub_segments),
            "address": {"country": country},
        },
        created_at=at("2018-01-01T00:00:00Z"),
        coterm_date=date.fromisoformat(anniversary) if anniversary else None,
        term=1 if anniversary else 0,
    )
    return replace(usual, **changes)


def committed(
    start: str, *minimums: tuple[str, int], status: str = "COMMITTED", end: str = ""
) -> ThreeYearCommit:
    """A three-year commit that began on a day; three years long unless it `end`s another day."""
    first = date.fromisoformat(start)
    last = date.fromisoformat(end) if end else add_years(first, 3) - timedelta(days=1)
    return ThreeYearCommit(Commitment(status, first, last, of(*minimums)))


def asked(status: str, *minimums: tuple[str, int], **changes: Any) -> ThreeYearCommit:
    """A request for a three-year commit."""
    return ThreeYearCommit(request=CommitmentRequest(status, of(*minimums), **changes))


def of(*minimums: tuple[str, int]) -> tuple[Minimum, ...]:
    """Minimum quantities."""
    return tuple(Minimum(offer_type, quantity) for offer_type, quantity in minimums)


def seats(offer_id: str, quantity: int, renewal_date: str, **changes: Any) -> Subscription:
    """An active USD subscription of the customer."""
    usual = Subscription(
        subscription_id=f"S{offer_id}",
        customer_id=CUSTOMER_ID,
        partner_id="P1",
        product_key=offer_id[:10],
        offer_id=offer_id,
        current_quantity=quantity,
        used_quantity=0,
        auto_renewal=True,
        explicit_quantity=None,
        created_at=at("2018-01-01T00:00:00Z"),
        renewal_date=date.fromisoformat(renewal_date),
        status="1000",
        deployment_id="",
        currency="USD",
    )
    return replace(usual, **changes)


def redemption(code: str, when: str, product_key: str = "", **changes: Any) -> Redemption:
    """A use of a sample discount by the customer."""
    found = discounts().with_code(code)[0]
    usual = Redemption(
        partner_id="P1",
        customer_id=CUSTOMER_ID,
        discount_id=found.id,
        code=code,
        order_id="9200000001",
        line_number=1,
        product_key=product_key,
        redeemed_at=at(when),
        one_time=found.one_time_closed,
    )
    return replace(usual, **changes)


def want(offer_id: str, quantity: int = 1, number: int = 1, **more: Any) -> RequestLine:
    """A requested line."""
    return RequestLine(number, offer_id, quantity, **more)


def decide(
    *lines: RequestLine,
    order_type: str = "PREVIEW",
    buyer: Customer | None = None,
    now: str = NOW,
    currency: str = "USD",
    seller: Partner | None = None,
    codes: FlexDiscounts | None = None,
    goods: Catalog | None = None,
    **facts: Any,
) -> Accepted | Refused:
    """What the service decides; `facts` are fields of the account besides its customer."""
    who = buyer or customer()
    facts.setdefault("reseller_segments", ["COM", "EDU", "GOV"])
    return new.decide(
        OrderRequest(order_type, lines, currency=currency, fetch_price=True),
        Account(who, **facts),
        seller or partner(),
        goods or catalog(),
        codes or discounts(),
        at(now),
    )


def sold(*lines: RequestLine, **more: Any) -> tuple[OrderLine, ...]:
    """The lines of an accepted decision."""
    decision = decide(*lines, **more)
    assert isinstance(decision, Accepted), decision
    return decision.lines


def refusal(*lines: RequestLine, **more: Any) -> tuple[str, ...]:
    """Code and details of a refused decision."""
    decision = decide(*lines, **more)
    assert isinstance(decision, Refused), decision
    return (decision.code, *decision.details)
