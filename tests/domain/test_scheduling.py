"""Scheduled subscriptions as a pure function (subscriptions.md 6)."""

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.model import Account, Customer, Deployment, Partner, Subscription
from seatledger.domain.outcome import Refused
from seatledger.domain.scheduling import Wanted, default_currency, schedule
from tests import samples
from tests.samples import at
from tests.settling import AD, ADD_ON, ALL_APPS, FOLIO, PACK, SIGN, STARTER, folio

OPEN = "2026-06-20T12:00:00Z"
ENTERPRISE, JAPAN, EUROPE, LAB, CLASSIC, TEXT, TEMPO = (
    "80004567EA01A12", "11073064CA01A12", "11073061CA01A12", "30001772CB01A12",
    "65322447CA01A12", "65322461CA01A12", "65304600CA01A12",
)  # fmt: skip
TOKYO, BERLIN = "1400001758", "1450043516"
SEGMENTS = ["COM", "EDU", "GOV"]


def deployment(deployment_id: str, country: str, **changes: Any) -> Deployment:
    usual = Deployment(
        deployment_id, samples.CUSTOMER_ID, "P1", "1000", {"country": country}, at(OPEN)
    )
    return replace(usual, **changes)


def scheduled(
    offer_id: str = ALL_APPS,
    quantity: int = 20,
    *,
    buyer: Customer | None = None,
    held: tuple[Subscription, ...] | None = None,
    seller: Partner | None = None,
    now: str = OPEN,
    deployments: tuple[Deployment, ...] = (),
    segments: list[str] | None = None,
    **wanted: Any,
) -> Subscription | Refused:
    """What a scheduled purchase comes to, for a customer with 10 Folio in USD by default."""
    account = Account(
        buyer or samples.customer(anniversary=AD),
        reseller_segments=SEGMENTS if segments is None else segments,
        subscriptions=(folio(10, position=1),) if held is None else held,
        deployments=deployments,
    )
    return schedule(
        Wanted(offer_id, quantity, **wanted),
        account,
        seller or samples.partner(),
        samples.catalog(),
        at(now),
        "NEW1",
    )


def refusal(*arguments: Any, **more: Any) -> tuple[str, ...]:
    """Code and details of a refused purchase."""
    result = scheduled(*arguments, **more)
    assert isinstance(result, Refused), result
    return (result.code, *result.details)


def made(*arguments: Any, **more: Any) -> Subscription:
    """The subscription a purchase makes."""
    result = scheduled(*arguments, **more)
    assert isinstance(result, Subscription), result
    return result


def test_what_is_scheduled() -> None:
    assert made("11073058CA03A12", 20, flex_codes=("NOPE",), tracker_id="t") == Subscription(
        subscription_id="NEW1",
        customer_id=samples.CUSTOMER_ID,
        partner_id="P1",
        product_key="11073058CA",
        offer_id=ALL_APPS,
        current_quantity=0,
        used_quantity=0,
        auto_renewal=True,
        explicit_quantity=20,
        created_at=at(OPEN),
        renewal_date=date(2026, 7, 7),
        status="1009",
        deployment_id="",
        currency="USD",
        flex_codes=("NOPE",),
        position=2,
        tracker_id="t",
    )


@pytest.mark.proves("subscriptions.md 23", "3122")
@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        ("2026-06-06T23:59:59Z", False),
        ("2026-06-07T00:00:00Z", True),
        ("2026-07-04T23:59:59Z", True),
        ("2026-07-05T00:00:00Z", False),
        ("2026-07-07T00:00:00Z", False),
        ("2026-07-20T00:00:00Z", False),
    ],
)
def test_the_window_is_thirty_to_three_days_before_the_anniversary(now: str, is_open: bool) -> None:
    if is_open:
        assert made(now=now).status == "1009"
    else:
        assert refusal(now=now) == ("3122",)


@pytest.mark.proves("2122", "2124")
def test_offers_that_cannot_be_bought() -> None:
    assert refusal("99999999CA01A12") == ("2122", "offerId")
    assert refusal("11073058CA05A12") == ("2122", "offerId")
    known = samples.partner(programs=("TEAM",))
    assert refusal(ENTERPRISE, seller=known) == ("2124", "offerId")
    early = samples.customer(anniversary="2026-02-20")
    held = (samples.seats(FOLIO, 10, "2026-02-20"),)
    new = "65331462CA01A12"  # on sale from 2026-02-01, Pacific time
    last = "2026-02-01T07:59:59Z"
    assert refusal(new, buyer=early, held=held, now=last) == ("2122", "offerId")
    assert made(new, buyer=early, held=held, now="2026-02-01T08:00:00Z").status == "1009"


@pytest.mark.proves("2125", "2128")
def test_currency_and_region() -> None:
    assert made(currency="USD").currency == "USD"
    assert refusal(currency="EUR") == ("2125", "currencyCode")
    assert refusal(currency="XXX") == ("2125", "currencyCode")
    # The product is sold in yen alone, and in Japan alone.
    assert refusal(JAPAN) == ("2128", "currencyCode")
    in_yen = samples.partner(currencies={"NA": ("USD", "JPY")})
    assert refusal(JAPAN, currency="JPY", seller=in_yen) == ("2125", "currencyCode")
    german = samples.customer(country="DE", anniversary=AD)
    euros = (folio(10, currency="EUR"),)
    assert made(EUROPE, buyer=german, held=euros).currency == "EUR"
    assert refusal(ALL_APPS, buyer=german, held=euros) == ("2128", "currencyCode")
    assert refusal(EUROPE, buyer=german, held=euros, currency="USD") == ("2125", "currencyCode")


@pytest.mark.proves("subscriptions.md 26", "1139", "1140", "2138")
def test_deployments() -> None:
    buyer = samples.customer(anniversary=AD, global_sales=True)
    branch = deployment(TOKYO, "JP")
    yen: dict[str, Any] = {"currency": "JPY", "deployment_id": TOKYO}
    result = made(JAPAN, buyer=buyer, deployments=(branch,), **yen)
    assert (result.currency, result.deployment_id) == ("JPY", TOKYO)
    closed = samples.partner(global_sales_enabled=False)
    assert refusal(JAPAN, buyer=buyer, deployments=(branch,), seller=closed, **yen) == ("1139",)
    assert refusal(JAPAN, deployments=(branch,), **yen) == ("1140",)
    gone = (replace(branch, status="1004"),)
    for found in ((), gone):
        assert refusal(JAPAN, buyer=buyer, deployments=found, **yen) == ("2138", "deploymentId")
    euros = {**yen, "currency": "EUR"}
    assert refusal(JAPAN, buyer=buyer, deployments=(branch,), **euros) == ("2125", "currencyCode")


HELD = ("2129", "Reason: CUSTOMER_NOT_ELIGIBLE_FOR_PURCHASE")


@pytest.mark.proves("subscriptions.md 24", "2129")
@pytest.mark.parametrize("status", ["1000", "1002", "1009"])
def test_what_is_open_cannot_be_scheduled(status: str) -> None:
    held = (samples.seats(ALL_APPS, 1, AD, status=status), folio(10))
    assert refusal(held=held) == HELD
    assert refusal("11073058CA04A12", held=held) == HELD


def test_what_is_over_or_elsewhere_can_be_scheduled() -> None:
    over = samples.seats(ALL_APPS, 1, AD, status="1004")
    assert made(held=(over, folio(10))).status == "1009"
    buyer = samples.customer(anniversary=AD, global_sales=True)
    branch = deployment(BERLIN, "DE")
    there = {"currency": "EUR", "deployment_id": BERLIN}
    assert made(FOLIO, buyer=buyer, deployments=(branch,), **there).deployment_id == BERLIN


SEGMENT = ("2129", "Reason: INELIGIBLE_MARKET_SEGMENT")


def test_segments() -> None:
    assert refusal(LAB, 30) == SEGMENT
    held = (samples.seats("30001760CB01A12", 10, AD),)
    school: dict[str, Any] = {
        "buyer": samples.customer(segment="EDU", sub_segments=("K_12",), anniversary=AD),
        "held": held,
    }
    assert made(LAB, 30, **school).explicit_quantity == 30
    college = samples.customer(segment="EDU", sub_segments=("HIGHER_ED",), anniversary=AD)
    assert refusal(LAB, 30, buyer=college, held=held) == SEGMENT
    assert refusal(LAB, 30, **school, segments=["COM"]) == SEGMENT


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"auto_renewal": False}, False),
        ({"status": "1009", "explicit_quantity": 3}, True),
        ({"status": "1009", "explicit_quantity": 3, "auto_renewal": False}, False),
        ({"status": "1004"}, False),
        ({"deployment_id": BERLIN}, False),
        ({"product_key": ALL_APPS[:10]}, False),
    ],
)
def test_an_add_on_needs_a_base_that_goes_on(changes: dict[str, Any], fits: bool) -> None:
    held = (folio(10, **changes), samples.seats(ENTERPRISE, 1, AD))
    if fits:
        assert made(ADD_ON, held=held).status == "1009"
    else:
        assert refusal(ADD_ON, held=held) == ("2129", "Reason: INELIGIBLE_ADD_ON")


@pytest.mark.proves("subscriptions.md 24", "3132")
@pytest.mark.parametrize("offer_id", [SIGN, STARTER, PACK])
def test_consumables_and_one_time_products_are_not_scheduled(offer_id: str) -> None:
    assert refusal(offer_id, 1) == ("3132",)


@pytest.mark.proves("3123")
def test_a_product_that_will_have_ended_is_not_scheduled() -> None:
    assert refusal(TEXT) == ("3123",)
    assert refusal(CLASSIC) == ("3123",)
    promise = samples.committed("2025-07-07", ("LICENSE", 10))
    buyer = samples.customer(anniversary=AD, benefits=(promise,))
    assert refusal(TEXT, buyer=buyer) == ("3123",)
    assert made(TEMPO).status == "1009"  # a change of price is no end


@pytest.mark.proves("subscriptions.md 25", "3120")
def test_something_must_be_there_to_renew_with() -> None:
    for held in (
        (),
        (folio(0, status="1004"),),
        (folio(0, status="1009", explicit_quantity=3),),
        (samples.seats(PACK, 1, "2027-01-01", own_line="9200000001:1"),),
    ):
        assert refusal(held=held) == ("3120",)
    assert refusal(buyer=samples.customer(), held=()) == ("3120",)
    assert made(held=(folio(10, auto_renewal=False),)).status == "1009"


@pytest.mark.proves("3116")
@pytest.mark.parametrize(
    ("offer_id", "quantity", "fits"),
    [
        (ALL_APPS, 1, True), (ALL_APPS, 10_000, True), (ALL_APPS, 0, False),
        (ALL_APPS, -1, False), (ALL_APPS, 10_001, False), (ENTERPRISE, 200_000, True),
        (ENTERPRISE, 200_001, False),
    ],
)  # fmt: skip
def test_quantities(offer_id: str, quantity: int, fits: bool) -> None:
    if fits:
        assert made(offer_id, quantity).renewal_quantity == quantity
    else:
        assert refusal(offer_id, quantity) == ("3116", "autoRenewal.renewalQuantity")


@pytest.mark.proves("3116")
def test_an_education_pack_has_a_minimum() -> None:
    school = samples.customer(segment="EDU", sub_segments=("K_12",), anniversary=AD)
    held = (samples.seats("30001760CB01A12", 10, AD),)
    assert refusal(LAB, 24, buyer=school, held=held) == ("3116", "autoRenewal.renewalQuantity")
    assert made(LAB, 25, buyer=school, held=held).renewal_quantity == 25


@pytest.mark.proves("2147")
def test_one_code_at_most() -> None:
    codes = ("2147", "autoRenewal.flexDiscountCodes")
    assert refusal(flex_codes=("A", "B")) == codes


# Each check beside everything that comes after it.
def test_the_checks_have_an_order() -> None:
    bad: dict[str, Any] = {
        "quantity": 0, "renewal_code": "MOQ_100", "flex_codes": ("A", "B"), "currency": "XXX",
        "deployment_id": BERLIN, "held": (),
    }  # fmt: skip
    assert refusal("NOPE", **bad, now="2026-06-06T00:00:00Z") == ("3122",)
    assert refusal("NOPE", **bad) == ("2122", "offerId")
    branch = deployment(BERLIN, "DE")
    there = (branch,)
    assert refusal(LAB, **bad, deployments=there) == ("2125", "currencyCode")
    bad["currency"] = "EUR"
    assert refusal(LAB, **bad, deployments=there) == ("2128", "currencyCode")
    assert refusal(SIGN, **bad) == ("1140",)
    del bad["deployment_id"]
    bad["currency"] = "USD"
    assert refusal(LAB, **bad) == SEGMENT
    assert refusal(PACK, **bad) == ("3132",)
    assert refusal(TEXT, **bad) == ("3123",)
    assert refusal(ALL_APPS, **bad) == ("3120",)
    del bad["held"]
    assert refusal(ALL_APPS, **bad)[0] == "3116"
    bad["quantity"] = 1
    assert refusal(ALL_APPS, **bad)[0] == "5125"
    bad["renewal_code"] = ""
    assert refusal(ALL_APPS, **bad)[0] == "2147"


def test_the_currency_comes_from_what_is_active() -> None:
    def default(*held: Subscription) -> str | None:
        return default_currency(Account(samples.customer(), subscriptions=held))

    dollars, euros = folio(1), samples.seats(ALL_APPS, 1, AD, currency="EUR")
    assert default() == ""
    assert default(dollars, replace(euros, status="1004")) == "USD"
    assert default(euros, euros) == "EUR"
    assert default(dollars, euros) is None
