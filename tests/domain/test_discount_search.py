"""Searching flexible discounts: filters, dates, states (catalog.md 8)."""

from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.discount_search import Search, Span, closed_code, reused_by, search
from seatledger.domain.discounts import FlexDiscount, FlexDiscounts
from tests import samples
from tests.samples import NOW, at

CLOSED = "H4SQ82RETAINVW6K3MPD7TZ1"
EASTER = "EASTER_26"


def days(first: str, last: str = "") -> Span:
    return at(first), at(last or first)


def found(now: str = NOW, codes: FlexDiscounts | None = None, **wanted: Any) -> list[str]:
    """The codes of the open discounts that a commercial search in the US finds."""
    looked = Search(**{"segment": "COM", "country": "US", **wanted})
    return [one.code for one in search(codes or samples.discounts(), looked, at(now))]


def running(code: str, start: str, end: str, lock: str = "") -> FlexDiscount:
    usual = samples.discounts().with_code("SUMMER_SALE_123")[0]
    return replace(
        usual, id=code, code=code, start=at(start), end=at(end), lock_end=at(lock) if lock else None
    )


def test_the_open_ones_of_a_segment_by_start_code_and_id() -> None:
    assert found() == [
        "BLACK_FRIDAY_10_PERCENT_OFF",
        "BLACK_FRIDAY_20_DOLLAR_OFF",
        "BLACK_FRIDAY_22_FAILURE_3",
        "EXISTING3YC_YEAR_50PLUS",
        "INTRO-PHOTON",
        "NEW3YC_FULL_TERM_18",
        "NON3YC_TERM_5",
        "UPSELL_PROMO_123",
        "NEW YEAR",
        EASTER,
        "SUMMER_SALE_123",
        "WINTER_SALE_123",
    ]
    assert found(segment="EDU") == ["EDU_LAB_FIXED_15"]
    assert found(segment="GOV") == ["GOV_ALLAPPS_7"]


def test_only_what_can_be_used_in_the_country() -> None:
    assert "INTRO-PHOTON" not in found(country="DE")
    assert "BLACK_FRIDAY_20_DOLLAR_OFF" in found(country="DE")
    assert "BLACK_FRIDAY_20_DOLLAR_OFF" not in found(country="NZ")
    everywhere = replace(
        samples.discounts().with_code("INTRO-PHOTON")[0], countries=frozenset({"*"})
    )
    assert found(codes=FlexDiscounts([everywhere]), country="CA") == ["INTRO-PHOTON"]
    assert found(codes=FlexDiscounts([everywhere]), country="DE") == []


def test_categories_products_id_and_code() -> None:
    assert found(categories=("INTRO",)) == ["INTRO-PHOTON"]
    assert "INTRO-PHOTON" not in found(categories=("STANDARD",))
    assert found(categories=("STANDARD", "INTRO")) == found()
    photon = found(product_keys=frozenset({"11083117CA", "99999999CA"}))
    assert {"BLACK_FRIDAY_10_PERCENT_OFF", "INTRO-PHOTON", "NEW YEAR"} <= set(photon)
    assert "WINTER_SALE_123" not in photon
    (discount,) = samples.discounts().with_code("NEW YEAR")
    assert found(discount_id=discount.id) == found(code="NEW YEAR") == ["NEW YEAR"]
    assert found(code="new year") == found(code="NEW YEAR", segment="EDU") == []


@pytest.mark.parametrize(
    ("now", "plain", "with_reusable"),
    [
        ("2026-02-10T12:00:00Z", True, True),  # upcoming
        ("2026-04-15T23:59:59Z", True, True),
        ("2026-04-16T00:00:00Z", False, True),
        ("2028-03-31T23:59:59Z", False, True),
        ("2028-04-01T00:00:00Z", False, False),
    ],
)
def test_a_reusable_discount_lives_on_until_its_lock_date(
    now: str, plain: bool, with_reusable: bool
) -> None:
    assert (EASTER in found(now)) == plain
    assert (EASTER in found(now, reusable=True)) == with_reusable


CAMPAIGNS = FlexDiscounts(
    [
        running("MAY", "2026-05-01T00:00:00Z", "2026-05-31T23:59:59Z"),
        running("NOON", "2026-06-10T12:00:00Z", "2026-06-20T11:59:59Z"),
        running("LOCKED", "2026-04-01T00:00:00Z", "2026-04-30T23:59:59Z", "2026-12-31T23:59:59Z"),
    ]
)
BEFORE = "2026-02-10T12:00:00Z"


@pytest.mark.proves("catalog.md 22")
@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, ["LOCKED", "MAY", "NOON"]),
        (days("2026-05-31T23:59:59Z"), None, ["MAY"]),
        (days("2026-06-01T00:00:00Z"), None, []),
        (days("2026-06-10T00:00:00Z", "2026-06-10T23:59:59Z"), None, ["NOON"]),
        (days("2026-06-10T11:59:59Z"), None, []),
        (days("2026-06-20T00:00:00Z", "2026-06-20T23:59:59Z"), None, ["NOON"]),
        (None, days("2026-04-30T23:59:59Z"), ["LOCKED"]),
        (None, days("2026-05-01T00:00:00Z"), ["LOCKED", "MAY"]),
        (days("2026-05-15T00:00:00Z"), days("2026-06-10T12:00:00Z"), ["MAY", "NOON"]),
        (days("2026-06-01T00:00:00Z"), days("2026-06-09T00:00:00Z"), []),
        (days("2026-05-20T00:00:00Z"), days("2026-05-10T00:00:00Z"), []),
    ],
)
def test_dates_choose_what_runs(
    since: Span | None, until: Span | None, expected: list[str]
) -> None:
    assert found(BEFORE, CAMPAIGNS, since=since, until=until) == expected


def test_reusables_run_until_their_lock_date_when_they_are_wanted() -> None:
    june = days("2026-06-01T00:00:00Z", "2026-06-01T23:59:59Z")
    now = "2026-06-01T12:00:00Z"
    assert found(now, CAMPAIGNS, since=june) == []
    assert found(now, CAMPAIGNS, since=june, reusable=True) == ["LOCKED"]


def closed(now: str = NOW, codes: FlexDiscounts | None = None, **wanted: Any) -> bool:
    looked = Search(**{"segment": "COM", "country": "US", "code": CLOSED, **wanted})
    return closed_code(codes or samples.discounts(), looked, at(now)) is not None


@pytest.mark.proves("catalog.md 23")
def test_a_closed_code_is_found_by_its_exact_code_alone() -> None:
    assert CLOSED not in found()
    assert found(code=CLOSED) == []
    assert closed()
    assert not closed(code=CLOSED.lower())
    assert not closed(code="")
    assert not closed(segment="EDU")
    assert not closed(discount_id="55555555-5bb8-4476-bd3f-5562299ab403")
    assert closed(now="2099-09-10T23:59:59Z")
    assert not closed(now="2099-09-11T00:00:00Z")
    american = replace(samples.discounts().with_code(CLOSED)[0], countries=frozenset({"US"}))
    assert closed(codes=FlexDiscounts([american]))
    assert not closed(codes=FlexDiscounts([american]), country="CA")


def test_what_a_customer_has_used_and_can_use_again_the_last_use_first() -> None:
    uses = [
        samples.redemption(EASTER, "2026-04-01T00:00:00Z"),
        samples.redemption("NEW YEAR", "2026-03-01T00:00:00Z"),
        samples.redemption("NEW YEAR", "2026-04-02T00:00:00Z", line_number=2),
        samples.redemption("WINTER_SALE_123", "2026-12-02T00:00:00Z"),  # has no lock date
        samples.redemption("EXISTING3YC_YEAR_50PLUS", "2026-04-03T00:00:00Z", returned=True),
    ]

    def reused(now: str) -> list[str]:
        return [one.code for one in reused_by(samples.discounts(), uses, at(now))]

    assert reused("2026-04-10T00:00:00Z") == ["NEW YEAR", EASTER]
    assert reused("2027-03-02T00:00:00Z") == [EASTER]
    assert reused("2028-04-01T00:00:00Z") == []
    late = [samples.redemption(EASTER, "2026-05-01T00:00:00Z")]
    assert reused_by(samples.discounts(), late, at("2026-05-02T00:00:00Z")) == []
