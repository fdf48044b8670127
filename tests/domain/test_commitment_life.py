"""What becomes of a three-year commit with time and at renewals."""

from datetime import date, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.benefits import (
    ACCEPTED,
    COMMITTED,
    EXPIRED,
    NONCOMPLIANT,
    REQUESTED,
    Commitment,
    CommitmentRequest,
    ThreeYearCommit,
)
from seatledger.domain.commitment_life import (
    COMMITMENT_END,
    RECOMMITMENT_START,
    REQUEST_EXPIRY,
    REQUEST_NONCOMPLIANT,
    activated,
    after_renewal,
    as_of,
    happen,
    next_due,
    renewal_binding,
    renewal_hvd_code,
)
from seatledger.domain.commitments import Binding, with_held
from seatledger.domain.levels import CONSUMABLES, LICENSE
from seatledger.domain.model import Account, Customer, PartnerSettings, Subscription
from tests import samples
from tests.samples import at, of, seats

A = "11073058CA01A12"
USUAL, RELAXED = PartnerSettings(), PartnerSettings(relaxed_3yc=True)
AD = "2027-04-12"
RUNNING = samples.committed("2024-05-14", (LICENSE, 50), end="2027-04-11")


def day(text: str) -> date:
    return date.fromisoformat(text)


def midnight(text: str) -> datetime:
    return at(f"{text}T00:00:00Z")


def buyer(commit: ThreeYearCommit, **changes: Any) -> Customer:
    changes.setdefault("anniversary", AD)
    return samples.customer(benefits=(commit,), **changes)


def happened(
    customer: Customer,
    kind: str,
    when: str,
    *held: Subscription,
    settings: PartnerSettings = USUAL,
) -> tuple[Customer, tuple[tuple[str, str], ...]]:
    account = Account(customer, subscriptions=held)
    return happen(account, samples.catalog(), kind, midnight(when), settings)


def commit_of(customer: Customer) -> ThreeYearCommit:
    assert customer.three_year_commit is not None
    return customer.three_year_commit


def following(quantity: int, status: str = ACCEPTED) -> ThreeYearCommit:
    """A commitment of 50 whose recommitment follows on its anniversary."""
    request = CommitmentRequest(status, of((LICENSE, quantity)), None, day(AD), day("2030-04-11"))
    if status == REQUESTED:
        request = CommitmentRequest(status, of((LICENSE, quantity)), day("2027-04-01"))
    return replace(RUNNING, recommitment=request)


@pytest.mark.proves("accounts.md 31")
@pytest.mark.parametrize("kind", ["request", "recommitment"])
def test_an_unanswered_request_expires_after_its_last_day(kind: str) -> None:
    asked = CommitmentRequest(REQUESTED, of((LICENSE, 50)), day("2025-07-07"))
    customer = buyer(replace(ThreeYearCommit(), **{kind: asked}))
    assert next_due(customer, USUAL) == (midnight("2025-07-15"), REQUEST_EXPIRY)
    early = happened(customer, REQUEST_EXPIRY, "2025-07-14")
    assert early == (customer, ())
    expired, events = happened(customer, REQUEST_EXPIRY, "2025-07-15")
    assert events == ((REQUEST_EXPIRY, EXPIRED),)
    assert getattr(commit_of(expired), kind) == CommitmentRequest(EXPIRED, of((LICENSE, 50)))
    assert next_due(expired, USUAL) is None


def test_time_limits_are_settings_and_may_be_lifted() -> None:
    asked = samples.asked(REQUESTED, (LICENSE, 50), counted_from=day("2025-07-07"))
    reached = samples.asked(
        ACCEPTED,
        (LICENSE, 50),
        counted_from=day("2025-07-07"),
        start_date=day("2025-07-07"),
        end_date=day("2028-07-06"),
    )
    limits = PartnerSettings(three_yc_request_ttl_days=1, three_yc_compliance_days=2)
    assert next_due(buyer(asked), limits) == (midnight("2025-07-09"), REQUEST_EXPIRY)
    assert next_due(buyer(reached), limits) == (midnight("2025-07-10"), REQUEST_NONCOMPLIANT)
    for commit in (asked, reached):
        assert next_due(buyer(commit), RELAXED) is None
        kind = REQUEST_EXPIRY if commit is asked else REQUEST_NONCOMPLIANT
        assert happened(buyer(commit), kind, "2026-01-01", settings=RELAXED) == (buyer(commit), ())


def test_the_time_to_answer_runs_once_the_customer_is_active() -> None:
    waiting = buyer(samples.asked(REQUESTED, (LICENSE, 50)))
    assert next_due(waiting, USUAL) is None
    active = activated(waiting, at("2025-07-07T23:59:59Z"))
    assert next_due(active, USUAL) == (midnight("2025-07-15"), REQUEST_EXPIRY)
    assert activated(active, at("2025-07-12T00:00:00Z")) == active
    blocked = replace(waiting, status="1012")
    assert activated(blocked, at("2025-07-07T00:00:00Z")) == blocked
    declined = buyer(samples.asked("DECLINED", (LICENSE, 50)))
    assert activated(declined, at("2025-07-07T00:00:00Z")) == declined
    nobody = samples.customer()
    assert activated(nobody, at("2025-07-07T00:00:00Z")) == nobody
    assert next_due(nobody, USUAL) is None


@pytest.mark.proves("accounts.md 34")
def test_an_accepted_request_that_is_not_reached_becomes_noncompliant() -> None:
    commit = samples.asked(
        ACCEPTED,
        (LICENSE, 50),
        counted_from=day("2024-06-10"),
        start_date=day("2024-06-10"),
        end_date=day("2027-06-09"),
    )
    customer = buyer(commit, anniversary="2025-06-10", license_level="02")
    held = seats(A, 20, "2025-06-10")
    assert next_due(customer, USUAL) == (midnight("2024-07-11"), REQUEST_NONCOMPLIANT)
    missed, events = happened(customer, REQUEST_NONCOMPLIANT, "2024-07-11", held)
    assert events == ((REQUEST_NONCOMPLIANT, NONCOMPLIANT),)
    request = commit_of(missed).request
    assert request is not None
    assert (request.status, request.end_date) == (NONCOMPLIANT, day("2027-06-09"))
    assert missed.license_level == "02"
    late = Account(missed, subscriptions=(seats(A, 50, "2025-06-10"),))
    assert with_held(late, samples.catalog()) == missed


@pytest.mark.proves("accounts.md 38")
def test_a_commitment_ends_with_its_last_day() -> None:
    commit = samples.committed("2024-04-12", (LICENSE, 10), end="2027-04-11")
    customer = buyer(commit, license_level="13", consumables_level="T2")
    assert next_due(customer, USUAL) == (midnight(AD), COMMITMENT_END)
    assert next_due(customer, RELAXED) == (midnight(AD), COMMITMENT_END)
    ended, events = happened(customer, COMMITMENT_END, AD, seats(A, 60, AD))
    assert events == ((COMMITMENT_END, EXPIRED),)
    assert commit.commitment is not None
    assert commit_of(ended) == ThreeYearCommit(replace(commit.commitment, status=EXPIRED))
    assert (ended.license_level, ended.consumables_level) == ("01", "T2")
    assert next_due(ended, USUAL) is None
    # Ahead of time the renewal sees the same.
    assert as_of(customer, day(AD), USUAL) == ended
    assert as_of(customer, day("2027-04-11"), USUAL) == customer
    assert renewal_binding(customer, LICENSE, {LICENSE: 60}, day(AD), USUAL) is None


def test_a_raise_that_was_not_reached_goes_with_its_commitment() -> None:
    raising = replace(
        RUNNING,
        request=CommitmentRequest(
            ACCEPTED, of((LICENSE, 100)), day("2027-04-01"), day("2024-05-14"), day("2027-04-11")
        ),
    )
    ended, _ = happened(buyer(raising), COMMITMENT_END, AD)
    request = commit_of(ended).request
    assert request is not None
    assert request.status == EXPIRED
    assert next_due(ended, USUAL) is None


@pytest.mark.proves("accounts.md 37")
def test_a_recommitment_takes_over_after_the_renewal() -> None:
    customer = buyer(following(60), license_level="13")
    assert next_due(customer, USUAL) == (midnight(AD), COMMITMENT_END)
    ended, _ = happened(customer, COMMITMENT_END, AD, seats(A, 60, AD))
    assert next_due(ended, USUAL) == (midnight(AD), RECOMMITMENT_START)
    # The renewal between the two is judged with what it reaches.
    bound = renewal_binding(ended, LICENSE, {LICENSE: 60}, day(AD), USUAL)
    assert bound == Binding("3YC", 3, day(AD))
    assert bound == renewal_binding(customer, LICENSE, {LICENSE: 60}, day(AD), USUAL)
    renewed = replace(ended, license_level="13", coterm_date=day("2028-04-12"))
    held = (seats(A, 60, "2028-04-12"),)
    after = after_renewal(
        Account(renewed, subscriptions=held), samples.catalog(), {LICENSE: 60}, day(AD), USUAL
    )
    assert after == renewed
    again, events = happened(after, RECOMMITMENT_START, AD, *held)
    assert events == ((RECOMMITMENT_START, COMMITTED),)
    assert commit_of(again) == ThreeYearCommit(
        Commitment(COMMITTED, day(AD), day("2030-04-11"), of((LICENSE, 60)), number=2)
    )
    assert again.license_level == "13"
    assert next_due(again, USUAL) == (midnight("2030-04-12"), COMMITMENT_END)


def test_a_recommitment_not_reached_has_30_days() -> None:
    ended, _ = happened(buyer(following(60)), COMMITMENT_END, AD)
    assert renewal_binding(ended, LICENSE, {LICENSE: 59}, day(AD), USUAL) is None
    held = (seats(A, 40, "2028-04-12"),)
    waiting, events = happened(ended, RECOMMITMENT_START, AD, *held)
    assert events == ((RECOMMITMENT_START, ACCEPTED),)
    assert next_due(waiting, USUAL) == (midnight("2027-05-13"), REQUEST_NONCOMPLIANT)
    missed, _ = happened(waiting, REQUEST_NONCOMPLIANT, "2027-05-13", *held)
    request = commit_of(missed).recommitment
    assert request is not None
    assert request.status == NONCOMPLIANT
    full = Account(waiting, subscriptions=(seats(A, 60, "2028-04-12"),))
    commitment = commit_of(with_held(full, samples.catalog())).commitment
    assert commitment is not None
    assert (commitment.status, commitment.start_date) == (COMMITTED, day(AD))


def test_an_unanswered_recommitment_changes_nothing() -> None:
    customer = buyer(following(60, REQUESTED))
    assert next_due(customer, USUAL) == (midnight("2027-04-09"), REQUEST_EXPIRY)
    later = as_of(customer, day(AD), USUAL)
    commit = commit_of(later)
    assert commit.commitment is not None
    assert commit.recommitment is not None
    assert (commit.commitment.status, commit.recommitment.status) == (EXPIRED, EXPIRED)


def tagged(commit: ThreeYearCommit, code: str = "HVD_L18_PRE") -> Customer:
    return buyer(commit, tags=("VIP", "HVD_MIGRATED_CUSTOMER"), hvd_code=code, license_level="14")


@pytest.mark.parametrize(
    ("code", "commit", "tags", "left"),
    [
        ("HVD_L18_PRE", following(60), ("VIP", "HVD_MIGRATED_CUSTOMER"), "HVD_L18_POST"),
        ("HVD_L18_POST", following(60), ("VIP",), None),
        ("HVD_L18_PRE", RUNNING, ("VIP",), None),
        ("HVD_L18_PRE", following(60, REQUESTED), ("VIP",), None),
    ],
)
def test_high_volume_codes_step_down_at_a_recommitment(
    code: str, commit: ThreeYearCommit, tags: tuple[str, ...], left: str | None
) -> None:
    customer = tagged(commit, code)
    totals = {LICENSE: 100}
    assert renewal_hvd_code(customer, totals, day("2026-04-12"), USUAL) == code
    assert renewal_hvd_code(customer, totals, day(AD), USUAL) == left
    later = as_of(customer, day(AD), USUAL)
    assert (later.tags, later.hvd_code) == (tags, left)


def test_the_high_volume_code_needs_a_commitment_that_is_met() -> None:
    totals = {LICENSE: 49}
    lost = after_renewal(
        Account(replace(tagged(RUNNING), coterm_date=day("2026-04-12"))),
        samples.catalog(),
        totals,
        day("2026-04-12"),
        USUAL,
    )
    assert renewal_hvd_code(lost, totals, day("2026-04-12"), USUAL) is None
    assert renewal_hvd_code(lost, {LICENSE: 50}, day("2026-04-12"), USUAL) == "HVD_L18_PRE"
    assert renewal_hvd_code(tagged(following(60)), {LICENSE: 59}, day(AD), USUAL) is None
    never_recorded = replace(tagged(RUNNING), benefits=())
    assert renewal_hvd_code(never_recorded, totals, day(AD), USUAL) == "HVD_L18_PRE"
    waiting, _ = happened(as_of(tagged(following(60)), day(AD), USUAL), RECOMMITMENT_START, AD)
    assert waiting.hvd_code == "HVD_L18_POST"
    missed, _ = happened(waiting, REQUEST_NONCOMPLIANT, "2027-05-13")
    assert (missed.hvd_code, missed.tags) == (None, ("VIP",))


RENEWED = "2026-04-12"


def renewed_account(total: int, level: str, *, coterm: str = AD) -> Account:
    return Account(
        buyer(RUNNING, license_level=level, anniversary=coterm),
        subscriptions=(seats(A, total, coterm),) if total else (),
    )


@pytest.mark.proves("subscriptions.md 40")
@pytest.mark.parametrize(("total", "level"), [(6, "01"), (49, "02"), (0, "01")])
def test_a_renewal_below_the_minimum_loses_the_commitment(total: int, level: str) -> None:
    totals = {LICENSE: total}
    customer = buyer(RUNNING, license_level="13", anniversary=RENEWED)
    # The run itself is still under the commitment (subscriptions.md 9.1 steps 4 and 9).
    bound = renewal_binding(customer, LICENSE, totals, day(RENEWED), USUAL)
    assert bound == Binding("3YC", 3, day("2024-05-14"))
    account = renewed_account(total, "13")
    after = after_renewal(account, samples.catalog(), totals, day(RENEWED), USUAL)
    assert RUNNING.commitment is not None
    lost = replace(RUNNING.commitment, status=NONCOMPLIANT, lapsed_on=day(RENEWED))
    assert (commit_of(after).commitment, after.license_level) == (lost, level)
    assert next_due(after, USUAL) is None


def test_a_renewal_that_meets_the_minimum_keeps_the_commitment() -> None:
    account = renewed_account(50, "13")
    for totals, settings in (({LICENSE: 50}, USUAL), ({LICENSE: 5}, RELAXED)):
        kept = after_renewal(account, samples.catalog(), totals, day(RENEWED), settings)
        assert kept == account.customer
        bound = renewal_binding(account.customer, LICENSE, totals, day(RENEWED), settings)
        assert bound == Binding("3YC", 3, day("2024-05-14"))


def test_one_missed_minimum_loses_the_whole_commitment() -> None:
    both = samples.committed("2024-05-14", (LICENSE, 10), (CONSUMABLES, 1_000), end="2027-04-11")
    customer = buyer(both, anniversary=RENEWED, license_level="12", consumables_level="TB")
    totals = {LICENSE: 60, CONSUMABLES: 999}
    account = Account(customer, subscriptions=(seats(A, 60, AD),))
    after = after_renewal(account, samples.catalog(), totals, day(RENEWED), USUAL)
    assert (after.license_level, after.consumables_level) == ("03", "T1")


@pytest.mark.proves("subscriptions.md 40")
def test_a_late_renewal_that_reaches_the_minimum_brings_the_commitment_back() -> None:
    lost = after_renewal(
        renewed_account(6, "01"), samples.catalog(), {LICENSE: 6}, day(RENEWED), USUAL
    )
    bound = renewal_binding(lost, LICENSE, {LICENSE: 50}, day(RENEWED), USUAL)
    assert bound == Binding("3YC", 3, day("2024-05-14"))
    assert renewal_binding(lost, LICENSE, {LICENSE: 49}, day(RENEWED), USUAL) is None
    account = Account(replace(lost, license_level="03"), subscriptions=(seats(A, 50, AD),))
    back = with_held(account, samples.catalog(), {LICENSE: 50})
    assert (commit_of(back), back.license_level) == (RUNNING, "13")
    # A purchase does not, nor less than the minimum, nor the renewal of a later term.
    assert with_held(account, samples.catalog()) == account.customer
    assert with_held(account, samples.catalog(), {LICENSE: 49}) == account.customer
    later = replace(account, customer=replace(account.customer, coterm_date=day("2028-04-12")))
    assert with_held(later, samples.catalog(), {LICENSE: 50}) == later.customer
    assert renewal_binding(lost, LICENSE, {LICENSE: 50}, day(AD), USUAL) is None


def test_a_run_that_reaches_an_accepted_request_commits() -> None:
    commit = samples.asked(
        ACCEPTED,
        (LICENSE, 50),
        counted_from=day("2026-04-01"),
        start_date=day("2026-04-01"),
        end_date=day("2029-04-11"),
    )
    customer = buyer(commit, anniversary=RENEWED, license_level="02")
    totals = {LICENSE: 60}
    bound = renewal_binding(customer, LICENSE, totals, day(RENEWED), USUAL)
    assert bound == Binding("3YC", 3, day("2026-04-01"))
    assert renewal_binding(customer, LICENSE, totals, day("2026-05-02"), USUAL) is None
    account = Account(replace(customer, license_level="13"), subscriptions=(seats(A, 60, AD),))
    after = after_renewal(account, samples.catalog(), totals, day(RENEWED), USUAL)
    commitment = commit_of(after).commitment
    assert commitment is not None
    assert (commitment.status, commitment.minimums) == (COMMITTED, of((LICENSE, 50)))


def test_customers_without_a_commitment_renew_at_plain_levels() -> None:
    plain = samples.customer(anniversary=AD, license_level="03")
    assert renewal_binding(plain, LICENSE, {LICENSE: 60}, day(AD), USUAL) is None
    account = Account(plain, subscriptions=(seats(A, 60, AD),))
    assert after_renewal(account, samples.catalog(), {LICENSE: 60}, day(AD), USUAL) == plain
