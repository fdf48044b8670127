"""Three-year commit: requests, acceptance, what orders fill, and what a commitment gives."""

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.benefits import (
    ACCEPTED,
    COMMITMENT_REQUEST,
    COMMITTED,
    DECLINED,
    RECOMMITMENT_REQUEST,
    REQUESTED,
    Commitment,
    CommitmentRequest,
    ThreeYearCommit,
)
from seatledger.domain.commitment_requests import (
    Asked,
    accept,
    decline,
    enrollable,
    enrolled,
    open_request,
    requested,
)
from seatledger.domain.commitments import (
    committed_minimum,
    covers,
    floor_of,
    held_quantity,
    price_lock,
    promised_minimum,
    scale_of,
    with_held,
)
from seatledger.domain.levels import CONSUMABLES, LICENSE
from seatledger.domain.model import Account, Customer, PartnerSettings, Subscription
from tests import samples
from tests.samples import at, of, seats

A, FOLIO, SIGN, ADD_ON = (
    "11073058CA01A12", "65304479CA01A12", "65322435CAT1A12", "30005893CA01A12",
)  # fmt: skip
AD = "2025-04-12"


def day(text: str) -> date:
    return date.fromisoformat(text)


def holding(commit: ThreeYearCommit | None, *held: Subscription, **changes: Any) -> Account:
    """An account with a three-year commit and seats."""
    benefits = () if commit is None else (commit,)
    buyer = samples.customer(benefits=benefits, **changes)
    return Account(buyer, subscriptions=held)


def open_for(*minimums: tuple[str, int], on: str = "2024-06-01") -> ThreeYearCommit:
    return samples.asked(REQUESTED, *minimums, counted_from=day(on))


def accepted(account: Account, now: str, kind: str = COMMITMENT_REQUEST) -> Customer:
    return accept(account, samples.catalog(), kind, at(f"{now}T12:00:00Z"))


def commit_of(customer: Customer) -> ThreeYearCommit:
    assert customer.three_year_commit is not None
    return customer.three_year_commit


def commitment_of(customer: Customer) -> Commitment:
    commitment = commit_of(customer).commitment
    assert commitment is not None
    return commitment


def request_of(customer: Customer, kind: str = COMMITMENT_REQUEST) -> CommitmentRequest:
    request = commit_of(customer).requested(kind)
    assert request is not None
    return request


DATES = {
    "no anniversary yet": ("", "2024-06-10", "2025-06-10", "2027-06-09"),
    "no anniversary yet, 29 February": ("", "2024-02-29", "2025-02-28", "2027-02-27"),
    "long before the anniversary": (AD, "2024-05-14", AD, "2027-04-11"),
    "31 days before it": (AD, "2025-03-12", AD, "2027-04-11"),
    "30 days before it": (AD, "2025-03-13", AD, "2028-04-11"),
    "23 days before it": (AD, "2025-03-20", AD, "2028-04-11"),
    "the day before it": (AD, "2025-04-11", AD, "2028-04-11"),
    "on it, before the run has settled": (AD, "2025-04-12", AD, "2028-04-11"),
    "anniversary on 29 February": ("2028-02-29", "2027-06-01", "2028-02-29", "2030-02-27"),
}


@pytest.mark.proves("accounts.md 32", "accounts.md 35")
@pytest.mark.parametrize(("anniversary", "on", "coterm", "end"), DATES.values(), ids=DATES)
def test_dates_follow_the_day_of_acceptance(
    anniversary: str, on: str, coterm: str, end: str
) -> None:
    held = [seats(A, 5, anniversary)] if anniversary else []
    customer = accepted(holding(open_for((LICENSE, 10)), *held, anniversary=anniversary), on)
    request = request_of(customer)
    assert (request.status, request.start_date) == (ACCEPTED, day(on))
    assert (customer.coterm_date, request.end_date) == (day(coterm), day(end))
    assert request.counted_from == day(on)
    assert commit_of(customer).commitment is None
    assert (customer.license_level, customer.term) == ("01", 1 if anniversary else 0)


def test_an_acceptance_opens_a_term_for_a_lapsed_customer() -> None:
    lapsed = holding(open_for((LICENSE, 10)), anniversary=AD, license_level="04")
    customer = accepted(lapsed, "2025-05-01")
    assert customer.coterm_date == day("2026-05-01")
    assert request_of(customer).end_date == day("2028-04-30")
    assert (customer.term, customer.license_level) == (2, "01")
    assert customer.term_started_at == at("2025-05-01T12:00:00Z")


@pytest.mark.proves("accounts.md 35")
@pytest.mark.parametrize(
    ("on", "end"), [("2024-05-14", "2027-04-11"), ("2025-03-20", "2028-04-11")]
)
def test_a_minimum_already_held_is_committed_at_once(on: str, end: str) -> None:
    account = holding(open_for((LICENSE, 50)), seats(A, 60, AD), anniversary=AD, license_level="03")
    customer = accepted(account, on)
    commit = commit_of(customer)
    assert commit == ThreeYearCommit(Commitment(COMMITTED, day(on), day(end), of((LICENSE, 50))))
    assert (customer.license_level, customer.consumables_level) == ("13", "T1")


@pytest.mark.parametrize(
    ("held_level", "minimum", "level"),
    [("01", 10, "12"), ("04", 10, "14"), ("02", 50, "13"), ("01", 100, "14")],
)
def test_a_commitment_lifts_the_level_and_never_lowers_it(
    held_level: str, minimum: int, level: str
) -> None:
    commit = open_for((LICENSE, minimum))
    account = holding(commit, seats(A, minimum, AD), anniversary=AD, license_level=held_level)
    assert accepted(account, "2024-06-10").license_level == level


def test_volume_lifts_consumables_above_their_commitment() -> None:
    commit = open_for((CONSUMABLES, 1_000))
    account = holding(commit, seats(SIGN, 2_500, AD), anniversary=AD, consumables_level="T3")
    assert accepted(account, "2024-06-10").consumables_level == "TC"


def test_edu_customers_keep_the_plain_levels_of_licenses() -> None:
    commit = open_for((LICENSE, 50), (CONSUMABLES, 1_000))
    lab = seats("30001772CB01A12", 60, AD)
    account = holding(
        commit, lab, seats(SIGN, 1_000, AD), segment="EDU", anniversary=AD, license_level="02"
    )
    customer = accepted(account, "2024-06-10")
    assert (customer.license_level, customer.consumables_level) == ("03", "TB")
    assert (scale_of(customer, LICENSE), scale_of(customer, CONSUMABLES)) == ("PLAIN", "3YC")
    assert price_lock(customer, LICENSE) == day("2024-06-10")


@pytest.mark.proves("accounts.md 36")
def test_each_offer_type_is_committed_when_it_is_reached() -> None:
    account = holding(open_for((LICENSE, 100), (CONSUMABLES, 1_000)))
    waiting = replace(account, customer=accepted(account, "2024-06-10"))
    customer = with_held(
        replace(waiting, subscriptions=(seats(SIGN, 1_000, "2025-06-10"),)), samples.catalog()
    )
    dates = (day("2024-06-10"), day("2027-06-09"))
    held = commitment_of(customer)
    assert (held.start_date, held.end_date, held.minimums) == (*dates, of((CONSUMABLES, 1_000)))
    rest = request_of(customer)
    assert (rest.status, rest.start_date, rest.end_date) == (ACCEPTED, *dates)
    assert rest.minimums == of((LICENSE, 100))
    assert (customer.license_level, customer.consumables_level) == ("01", "TB")
    full = (seats(SIGN, 1_000, "2025-06-10"), seats(A, 100, "2025-06-10"))
    customer = with_held(Account(customer, subscriptions=full), samples.catalog())
    assert commit_of(customer) == ThreeYearCommit(
        replace(held, minimums=of((LICENSE, 100), (CONSUMABLES, 1_000)))
    )
    assert customer.license_level == "14"


@pytest.mark.proves("accounts.md 33")
def test_an_order_that_reaches_the_minimum_commits() -> None:
    account = holding(open_for((LICENSE, 10)))
    customer = replace(accepted(account, "2024-06-10"), license_level="02", term=1)
    done = with_held(
        Account(customer, subscriptions=(seats(FOLIO, 12, "2025-06-10"),)), samples.catalog()
    )
    assert commit_of(done) == ThreeYearCommit(
        Commitment(COMMITTED, day("2024-06-10"), day("2027-06-09"), of((LICENSE, 10)))
    )
    assert done.license_level == "12"
    few = with_held(
        Account(customer, subscriptions=(seats(FOLIO, 9, "2025-06-10"),)), samples.catalog()
    )
    assert few == customer


def test_held_are_active_seats_of_products_that_count() -> None:
    account = holding(
        None,
        seats(A, 5, AD),
        seats(FOLIO, 6, AD, currency="EUR"),
        seats(FOLIO, 7, AD, status="1004", subscription_id="gone"),
        seats(A, 8, AD, status="1009", subscription_id="next"),
        seats(ADD_ON, 9, AD),
        seats(SIGN, 1_500, AD),
    )
    assert held_quantity(account, samples.catalog(), LICENSE) == 11
    assert held_quantity(account, samples.catalog(), CONSUMABLES) == 1_500


def test_a_raise_keeps_the_dates_of_the_commitment() -> None:
    running = samples.committed("2023-05-01", (LICENSE, 10))
    raising = replace(
        running,
        request=CommitmentRequest(REQUESTED, of((LICENSE, 50), (CONSUMABLES, 1_000)), day(AD)),
    )
    account = holding(
        raising, seats(A, 60, "2026-04-12"), anniversary="2026-04-12", license_level="12"
    )
    customer = accepted(account, "2025-06-01")
    held, rest = commitment_of(customer), request_of(customer)
    assert running.commitment is not None
    assert held == replace(running.commitment, minimums=of((LICENSE, 50)))
    assert (rest.start_date, rest.end_date) == (held.start_date, held.end_date)
    assert (rest.minimums, rest.counted_from) == (of((CONSUMABLES, 1_000)), day("2025-06-01"))
    assert (customer.license_level, customer.coterm_date) == ("13", day("2026-04-12"))


def test_an_unreached_raise_leaves_the_commitment_as_it_is() -> None:
    running = samples.committed("2023-05-01", (LICENSE, 10))
    raising = replace(running, request=CommitmentRequest(REQUESTED, of((LICENSE, 50)), day(AD)))
    account = holding(raising, seats(A, 12, "2026-04-12"), anniversary="2026-04-12")
    customer = accepted(account, "2025-06-01")
    assert commitment_of(customer) == running.commitment
    assert request_of(customer).status == ACCEPTED
    assert committed_minimum(customer, LICENSE) == 10


@pytest.mark.proves("accounts.md 37")
def test_a_recommitment_waits_for_its_first_day() -> None:
    running = samples.committed("2024-05-14", (LICENSE, 50), end="2027-04-11")
    asking = replace(running, recommitment=CommitmentRequest(REQUESTED, of((LICENSE, 60)), day(AD)))
    account = holding(asking, seats(A, 60, "2027-04-12"), anniversary="2027-04-12")
    customer = accepted(account, "2027-03-15", RECOMMITMENT_REQUEST)
    assert commitment_of(customer) == running.commitment
    assert commit_of(customer).recommitment == CommitmentRequest(
        ACCEPTED,
        of((LICENSE, 60)),
        None,
        day("2027-04-12"),
        day("2030-04-11"),
    )


def test_a_recommitment_accepted_too_late_begins_at_once() -> None:
    over = samples.committed("2024-05-14", (LICENSE, 50), end="2027-04-11", status="EXPIRED")
    asking = replace(
        over, recommitment=CommitmentRequest(REQUESTED, of((LICENSE, 60)), day("2027-04-10"))
    )
    account = holding(asking, seats(A, 60, "2028-04-12"), anniversary="2028-04-12")
    customer = accepted(account, "2027-04-15", RECOMMITMENT_REQUEST)
    assert commit_of(customer) == ThreeYearCommit(
        Commitment(COMMITTED, day("2027-04-12"), day("2030-04-11"), of((LICENSE, 60)), number=2)
    )


def test_a_later_commitment_takes_the_place_of_one_that_ended() -> None:
    over = samples.committed("2020-05-14", (LICENSE, 50), status="EXPIRED")
    asking = replace(over, request=CommitmentRequest(REQUESTED, of((LICENSE, 10)), day(AD)))
    account = holding(asking, seats(A, 10, "2026-04-12"), anniversary="2026-04-12")
    held = commitment_of(accepted(account, "2025-06-01"))
    assert (held.start_date, held.end_date) == (day("2025-06-01"), day("2028-04-11"))
    assert (held.number, held.minimums) == (2, of((LICENSE, 10)))


def test_a_request_takes_the_place_of_the_last_one_of_its_kind() -> None:
    asked = Asked(COMMITMENT_REQUEST, of((LICENSE, 20)))
    first = holding(open_for((LICENSE, 10))).customer
    again = requested(first, asked, at("2024-07-01T00:00:00Z"))
    assert commit_of(again) == open_for((LICENSE, 20), on="2024-07-01")
    declined = decline(again, COMMITMENT_REQUEST)
    assert request_of(declined) == CommitmentRequest(DECLINED, of((LICENSE, 20)))
    assert open_request(declined, COMMITMENT_REQUEST) is None
    pending = requested(replace(first, status="1002"), asked, at("2024-07-01T00:00:00Z"))
    assert request_of(pending).counted_from is None


def test_enrolling_commits_to_what_is_held() -> None:
    account = holding(None, seats(A, 12, AD), seats(SIGN, 999, AD), anniversary=AD)
    goods = samples.catalog()
    assert enrollable(account, goods) == of((LICENSE, 12))
    customer = enrolled(account, goods, enrollable(account, goods), at("2024-06-10T00:00:00Z"))
    assert commit_of(customer) == ThreeYearCommit(
        Commitment(COMMITTED, day("2024-06-10"), day("2027-04-11"), of((LICENSE, 12)))
    )
    assert enrollable(holding(None, seats(A, 9, AD), seats(SIGN, 1_000, AD)), goods) == ()
    both = holding(None, seats(A, 10, AD), seats(SIGN, 1_000, AD))
    assert enrollable(both, goods) == of((LICENSE, 10), (CONSUMABLES, 1_000))


def test_a_commitment_covers_its_offer_types_on_its_days() -> None:
    commit = samples.committed("2024-05-14", (LICENSE, 50), end="2027-04-11")
    customer = samples.customer(benefits=(commit,))
    assert covers(customer, LICENSE, day("2024-05-14"))
    assert covers(customer, LICENSE, day("2027-04-11"))
    assert not covers(customer, LICENSE, day("2027-04-12"))
    assert not covers(customer, LICENSE, day("2024-05-13"))
    assert not covers(customer, CONSUMABLES, day("2025-01-01"))
    for status in ("NONCOMPLIANT", "EXPIRED", "INACTIVE"):
        lost = samples.committed("2024-05-14", (LICENSE, 50), end="2027-04-11", status=status)
        without = samples.customer(benefits=(lost,))
        assert not covers(without, LICENSE, day("2025-01-01"))
        assert price_lock(without, LICENSE) is None
        assert committed_minimum(without, LICENSE) == 0


@pytest.mark.proves("subscriptions.md 22")
@pytest.mark.parametrize(
    ("end", "relaxed", "floor"),
    [("2027-07-06", False, 10), ("2026-07-07", False, 10), ("2026-07-06", False, 0),
     ("2027-07-06", True, 0)],
)  # fmt: skip
def test_the_floor_of_settings_is_gone_in_the_final_term(
    end: str, relaxed: bool, floor: int
) -> None:
    commit = samples.committed("2024-07-07", (LICENSE, 10), end=end)
    customer = samples.customer(anniversary="2026-07-07", benefits=(commit,))
    assert floor_of(customer, LICENSE, PartnerSettings(relaxed_3yc=relaxed)) == floor
    assert floor_of(customer, CONSUMABLES, PartnerSettings()) == 0


def test_promises_of_a_day() -> None:
    running = samples.committed("2024-04-12", (LICENSE, 50), end="2027-04-11")
    following = replace(
        running,
        recommitment=CommitmentRequest(
            ACCEPTED, of((LICENSE, 100)), None, day("2027-04-12"), day("2030-04-11")
        ),
    )
    customer = samples.customer(benefits=(following,))
    assert promised_minimum(customer, LICENSE, day("2027-04-11")) == 50
    assert promised_minimum(customer, LICENSE, day("2027-04-12")) == 100
    assert promised_minimum(customer, CONSUMABLES, day("2027-04-11")) == 0
    assert promised_minimum(samples.customer(), LICENSE, day("2027-04-11")) == 0
