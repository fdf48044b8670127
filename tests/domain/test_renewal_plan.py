"""What renews on an anniversary: lines, levels, prices (subscriptions.md 9.1, orders.md 6.1)."""

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from seatledger.domain.benefits import CommitmentRequest, Minimum
from seatledger.domain.model import LevelStep, Price
from tests import samples
from tests.renewals import AD, deployment, expired, held, plan, scheduled, told
from tests.samples import committed

FOLIO, ALL_APPS, VECTOR = "65304479CA01A12", "11073058CA01A12", "69804578CA01A12"
TEMPO, SUITE, ADD_ON = "65304600CA01A12", "80004567EA01A12", "30005893CA01A12"
CLASSIC, MOTION = "65322447CA01A12", "65322461CA01A12"
SIGN, STARTER, PACK = "65322435CAT1A12", "65322450CAT1A12", "65327733CA01A12"
SCRIPT_EU, GOV = "65305345CA01A12", "30001475CC01A12"


def price_of(line_price: Price | None) -> tuple[Decimal, int | None, Decimal]:
    """Unit price, days and amount."""
    assert line_price is not None
    return line_price.unit_price, line_price.days, line_price.amount


@pytest.mark.proves("subscriptions.md 28", "orders.md 64", "S-139", "S-146", "S-149")
def test_enabled_subscriptions_renew_in_order_of_creation() -> None:
    lines = plan(
        held(VECTOR, 5, explicit_quantity=7),
        held(TEMPO, 4, auto_renewal=False),
        scheduled(ALL_APPS, 20),
        held(FOLIO, 10),
    ).lines
    assert [(one.number, one.offer_id, one.quantity, one.status) for one in lines] == [
        (1, "69804578CA02A12", 7, "1000"),
        (2, "11073058CA02A12", 20, "1000"),
        (3, "65304479CA02A12", 10, "1000"),
    ]
    assert [one.subscription_id for one in lines] == ["S69804578", "S11073058", "S65304479"]
    assert {one.currency for one in lines} == {"USD"}


@pytest.mark.parametrize(
    "seats",
    [
        held(FOLIO, 10, auto_renewal=False),
        held(FOLIO, 10, explicit_quantity=0),
        held(FOLIO, 0),
        expired(FOLIO, 10, auto_renewal=True),
        scheduled(FOLIO, 10, auto_renewal=False),
        held(STARTER, 1),
        held(PACK, 1, own_line="9200000001:1", renewal_date=date(2026, 8, 1)),
        held("99999999CA01A12", 3),
    ],
)
def test_what_is_not_set_to_renew_has_no_line(seats: object) -> None:
    assert plan(seats).lines == ()  # type: ignore[arg-type]


@pytest.mark.proves("orders.md 68", "subscriptions.md 29")
@pytest.mark.parametrize(("quantity", "level"), [(8, "01"), (9, "01"), (10, "02"), (60, "03")])
def test_the_level_is_that_of_the_renewing_total_up_or_down(quantity: int, level: str) -> None:
    buyer = samples.customer(anniversary=AD, license_level="03")
    found = plan(held(FOLIO, 60, explicit_quantity=quantity), buyer=buyer)
    assert told(found.lines) == [(f"65304479CA{level}A12", quantity, "1000")]


def test_everything_that_counts_makes_the_level_together() -> None:
    found = plan(held(FOLIO, 6), held(ADD_ON, 9), held(VECTOR, 3), held(SIGN, 1000))
    assert [one.offer_id for one in found.lines] == [
        "65304479CA01A12",
        "30005893CA01A12",
        "69804578CA01A12",
        "65322435CAT2A12",
    ]
    assert found.basis.levels == (
        LevelStep("LICENSE", 9, 1, 1, "PLAIN"),
        LevelStep("CONSUMABLES", 1000, 2, 1, "PLAIN"),
    )
    assert found.basis.anniversary == date(2026, 7, 7)


@pytest.mark.proves("orders.md 4.6 #12", "orders.md 64")
@pytest.mark.parametrize(
    ("anniversary", "days"),
    [("2026-07-07", 365), ("2027-07-07", 366), ("2028-02-29", 365), ("2027-03-01", 366)],
)
def test_a_renewal_bills_the_full_next_term(anniversary: str, days: int) -> None:
    buyer = samples.customer(anniversary=anniversary)
    seats = held(ALL_APPS, 5, renewal_date=date.fromisoformat(anniversary))
    (line,) = plan(seats, buyer=buyer).lines
    assert price_of(line.price) == (Decimal("389.00"), days, Decimal("1945.00"))


def test_consumables_that_are_never_prorated_show_no_days() -> None:
    (line,) = plan(held(SIGN, 1000)).lines
    assert price_of(line.price) == (Decimal("3.96"), None, Decimal("3960.00"))


@pytest.mark.proves("S-096", "S-097")
@pytest.mark.parametrize(
    ("now", "price"),
    [
        ("", "296.28"),  # the anniversary begins while it is 31 January on the Pacific coast
        ("2026-02-01T07:59:59Z", "296.28"),
        ("2026-02-01T08:00:00Z", "311.04"),
        ("2025-10-01T00:00:00Z", "296.28"),
    ],
)
def test_the_price_is_that_of_the_pacific_day(now: str, price: str) -> None:
    buyer = samples.customer(anniversary="2026-02-01")
    (line,) = plan(held(TEMPO, 1, renewal_date=date(2026, 2, 1)), buyer=buyer, now=now).lines
    assert price_of(line.price)[2] == Decimal(price)


@pytest.mark.proves("orders.md 66", "orders.md 4.6 #9", "S-145", "S-151")
def test_an_ended_product_does_not_renew_and_shows_its_last_price() -> None:
    buyer = samples.customer(
        anniversary=AD,
        tags=("HVD_MIGRATED_CUSTOMER",),
        hvd_code="HVD_L18_PRE",
        license_level="14",
    )
    found = plan(held(SUITE, 1), held(CLASSIC, 25), buyer=buyer)
    assert told(found.lines) == [(SUITE, 1, "1000"), (CLASSIC, 25, "1004")]
    assert {one.discount_code for one in found.lines} == {"HVD_L18_PRE"}
    assert [price_of(one.price)[2] for one in found.lines] == [
        Decimal("299.99"),
        Decimal("7499.75"),
    ]


@pytest.mark.proves("subscriptions.md 35")
def test_a_commitment_renews_what_is_sold_no_more_but_supported() -> None:
    plain = plan(held(MOTION, 12))
    assert told(plain.lines) == [("65322461CA01A12", 12, "1004")]
    assert price_of(plain.lines[0].price)[0] == Decimal("288.00")
    buyer = samples.customer(anniversary=AD, benefits=(committed("2025-07-07", ("LICENSE", 10)),))
    bound = plan(held(MOTION, 12), held(CLASSIC, 1), buyer=buyer)
    assert told(bound.lines) == [("65322461CA12A12", 12, "1000"), (CLASSIC, 1, "1004")]
    assert price_of(bound.lines[0].price)[0] == Decimal("259.20")


def test_what_does_not_renew_does_not_count_toward_the_level() -> None:
    found = plan(held(CLASSIC, 50), held(FOLIO, 5))
    assert told(found.lines) == [(CLASSIC, 50, "1004"), (FOLIO, 5, "1000")]
    assert found.basis.levels[0].quantity == 5


def test_a_product_without_a_price_in_its_place_does_not_renew() -> None:
    seats = held(VECTOR, 60, currency="EUR", deployment_id="D1")
    found = plan(seats, held(FOLIO, 5), deployments=(deployment("D1", "DE"),))
    assert told(found.lines) == [(VECTOR, 60, "1004"), (FOLIO, 5, "1000")]
    assert found.lines[0].price is None
    assert found.basis.levels[0].quantity == 5


@pytest.mark.parametrize(
    ("base", "statuses"),
    [
        (held(FOLIO, 5), ["1000", "1000"]),
        (scheduled(FOLIO, 5), ["1000", "1000"]),
        (held(FOLIO, 5, deployment_id="D1"), ["1000", "1004"]),
        (held(VECTOR, 5), ["1000", "1004"]),
    ],
)
def test_an_add_on_renews_with_its_base(base: object, statuses: list[str]) -> None:
    found = plan(base, held(ADD_ON, 2), deployments=(deployment("D1", "CA"),))  # type: ignore[arg-type]
    assert [one.status for one in found.lines] == statuses
    assert found.lines[1].price is not None


def test_an_add_on_whose_base_is_switched_off_does_not_renew() -> None:
    found = plan(held(FOLIO, 5, auto_renewal=False), held(ADD_ON, 2))
    assert told(found.lines) == [(ADD_ON, 2, "1004")]


def test_offers_of_another_segment_do_not_renew() -> None:
    found = plan(held(GOV, 60), held(FOLIO, 5))
    assert told(found.lines) == [("30001475CC01A12", 60, "1004"), (FOLIO, 5, "1000")]


def test_a_deployment_is_priced_where_it_lies() -> None:
    found = plan(
        held(SCRIPT_EU, 2, currency="EUR", deployment_id="D1"),
        held(FOLIO, 2),
        deployments=(deployment("D1", "DE"),),
    )
    assert [(one.currency, one.deployment_id) for one in found.lines] == [
        ("EUR", "D1"),
        ("USD", ""),
    ]
    prices = [one.price for one in found.lines]
    assert prices[0] is not None
    assert prices[1] is not None
    assert [(one.region, one.partner_price) for one in prices if one] == [
        ("WE", Decimal("374.64")),
        ("NA", prices[1].partner_price),
    ]


@pytest.mark.proves("S-143")
def test_migrated_customers_renew_with_their_code() -> None:
    buyer = samples.customer(
        anniversary=AD, tags=("HVD_MIGRATED_CUSTOMER",), hvd_code="HVD_L17_POST"
    )
    found = plan(held(SUITE, 60), held(FOLIO, 40), buyer=buyer)
    assert [(one.offer_id, one.discount_code) for one in found.lines] == [
        (SUITE, "HVD_L17_POST"),
        ("65304479CA04A12", ""),
    ]


def test_a_code_steps_down_with_the_recommitment() -> None:
    commit = replace(
        committed("2023-07-07", ("LICENSE", 50)),
        recommitment=CommitmentRequest(
            "ACCEPTED",
            (Minimum("LICENSE", 50),),
            start_date=date(2026, 7, 7),
            end_date=date(2029, 7, 6),
        ),
    )
    buyer = samples.customer(
        anniversary=AD,
        tags=("HVD_MIGRATED_CUSTOMER",),
        hvd_code="HVD_L18_PRE",
        benefits=(commit,),
    )
    for now in ("2026-01-07T12:00:00Z", ""):
        (line,) = plan(held(SUITE, 60), buyer=buyer, now=now).lines
        assert (line.discount_code, price_of(line.price)[0]) == ("HVD_L18_POST", Decimal("306.99"))


@pytest.mark.proves("orders.md 4.6 #13", "S-150")
def test_a_commitment_in_force_keeps_its_floor() -> None:
    buyer = samples.customer(
        anniversary=AD,
        license_level="13",
        benefits=(committed("2025-07-07", ("LICENSE", 50)),),
    )
    (photon,) = plan(held("11083117CA01A12", 10), buyer=buyer).lines
    assert photon.offer_id == "11083117CA03A12"  # no rows of its own under a commitment
    (folio,) = plan(held(FOLIO, 10), buyer=buyer).lines
    assert folio.offer_id == "65304479CA13A12"


def test_an_ended_commitment_gives_nothing() -> None:
    buyer = samples.customer(
        anniversary=AD,
        license_level="13",
        benefits=(committed("2023-07-07", ("LICENSE", 50)),),
    )
    (line,) = plan(held(FOLIO, 10), buyer=buyer, now="2026-06-20T12:00:00Z").lines
    assert line.offer_id == "65304479CA02A12"


@pytest.mark.proves("S-135")
def test_the_preview_looks_ahead_to_what_the_run_will_find() -> None:
    seats = (held(FOLIO, 10), held(CLASSIC, 25), scheduled(VECTOR, 3))
    ahead, run = plan(*seats, now="2025-08-01T12:00:00Z"), plan(*seats)
    assert [(one.offer_id, one.quantity, one.status) for one in ahead.lines] == told(run.lines)
