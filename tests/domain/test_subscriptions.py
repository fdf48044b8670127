"""Auto-renewal settings as pure functions: the state machine and what a change must pass."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from seatledger.contract.limits import MAX_QUANTITY
from seatledger.domain.benefits import Commitment, Minimum, ThreeYearCommit
from seatledger.domain.model import Account, Customer, PartnerSettings, Subscription
from seatledger.domain.outcome import Refused
from seatledger.domain.subscriptions import Change, is_renewal_pending, update, with_settings
from tests import samples
from tests.settling import (
    AD,
    ADD_ON,
    ALL_APPS,
    FOLIO,
    PACK,
    SIGN,
    STARTER,
    folio,
    giving_back,
    line,
    order,
    settled,
)

TODAY = date(2026, 2, 10)
ENTERPRISE, LAB, CLASSIC, TEXT = (
    "80004567EA01A12", "30001772CB01A12", "65322447CA01A12", "65322461CA01A12",
)  # fmt: skip
IMPLICIT, EXPLICIT, DISABLED = (True, None), (True, 5), (False, None)


def committed(minimum: int, end: str, offer_type: str = "LICENSE", **more: Any) -> Customer:
    """A customer with a running commitment and the anniversary of the scenarios."""
    promise = Commitment(
        "COMMITTED", date(2025, 7, 7), date.fromisoformat(end), (Minimum(offer_type, minimum),)
    )
    return samples.customer(anniversary=AD, benefits=(ThreeYearCommit(promise),), **more)


def changed(
    stored: Subscription,
    change: Change,
    *others: Subscription,
    buyer: Customer | None = None,
    today: date = TODAY,
    settings: PartnerSettings | None = None,
    **facts: Any,
) -> Subscription | Refused:
    """What an update of a held subscription comes to."""
    account = Account(
        buyer or samples.customer(anniversary=AD), subscriptions=(stored, *others), **facts
    )
    seller = samples.partner(settings=settings or PartnerSettings())
    return update(stored, change, account, seller, samples.catalog(), today)


def refusal(stored: Subscription, change: Change, *others: Subscription, **more: Any) -> Any:
    """Code and details of a refused update."""
    result = changed(stored, change, *others, **more)
    assert isinstance(result, Refused), result
    return (result.code, *result.details)


def accepted(
    stored: Subscription, change: Change, *others: Subscription, **more: Any
) -> Subscription:
    """The subscription after an update that passed."""
    result = changed(stored, change, *others, **more)
    assert isinstance(result, Subscription), result
    return result


# What is sent, and what it makes of a subscription that was disabled, implicit and explicit 5 of
# 10: enabled, explicit quantity (the table of subscriptions.md 2).
TRANSITIONS: list[tuple[Change, tuple[bool, int | None], Any, Any]] = [
    (Change(enabled=True), IMPLICIT, IMPLICIT, EXPLICIT),
    (Change(enabled=True, quantity=7), (True, 7), (True, 7), (True, 7)),
    (Change(enabled=True, quantity=None), IMPLICIT, IMPLICIT, IMPLICIT),
    (Change(enabled=False), DISABLED, DISABLED, (False, 5)),
    (Change(enabled=False, quantity=0), DISABLED, DISABLED, (False, 5)),
    (Change(enabled=False, quantity=-7), DISABLED, DISABLED, (False, 5)),
    (Change(enabled=False, quantity=None), DISABLED, DISABLED, (False, 5)),
]
WHILE_ENABLED: list[tuple[Change, Any, Any]] = [
    (Change(quantity=7), (True, 7), (True, 7)),
    (Change(quantity=None), IMPLICIT, IMPLICIT),
    (Change(flex_codes=("X",)), IMPLICIT, EXPLICIT),
    (Change(resets_flex_codes=True), IMPLICIT, EXPLICIT),
]


@pytest.mark.proves("subscriptions.md 13", "subscriptions.md 14", "subscriptions.md 16")
@pytest.mark.parametrize(
    ("change", "stored", "expected"),
    [
        (change, before, after)
        for change, *results in TRANSITIONS
        for before, after in zip((DISABLED, IMPLICIT, EXPLICIT), results, strict=True)
    ]
    + [
        (change, before, after)
        for change, *results in WHILE_ENABLED
        for before, after in zip((IMPLICIT, EXPLICIT), results, strict=True)
    ],
)
def test_settings_move_between_three_states(
    change: Change, stored: tuple[bool, int | None], expected: tuple[bool, int | None]
) -> None:
    before = folio(10, auto_renewal=stored[0], explicit_quantity=stored[1])
    after = accepted(before, change)
    assert (after.auto_renewal, after.explicit_quantity) == expected
    kept = {"auto_renewal": stored[0], "explicit_quantity": stored[1], "flex_codes": ()}
    assert replace(after, **kept) == before


def test_the_quantity_of_a_disabled_subscription_is_not_forgotten_but_not_taken_up_either() -> None:
    explicit = folio(10, explicit_quantity=4)
    off = accepted(explicit, Change(enabled=False))
    assert off.renewal_quantity == 4
    assert accepted(off, Change(enabled=True)).renewal_quantity == 10


def test_a_scheduled_subscription_keeps_its_quantity_when_it_is_switched_on_again() -> None:
    scheduled = folio(0, status="1009", explicit_quantity=20)
    off = accepted(scheduled, Change(enabled=False))
    assert (off.auto_renewal, off.renewal_quantity) == (False, 20)
    assert accepted(off, Change(enabled=True)) == scheduled
    assert accepted(off, Change(enabled=True, quantity=9)).renewal_quantity == 9
    every = Change(enabled=True, quantity=None)
    assert refusal(scheduled, every) == ("3116", "autoRenewal.renewalQuantity")
    assert accepted(scheduled, Change(enabled=False, quantity=None)) == off


@pytest.mark.proves("subscriptions.md 15", "subscriptions.md 17", "subscriptions.md 18", "2147")
def test_discount_codes_are_kept_unseen_but_one_alone() -> None:
    chosen = accepted(folio(10, explicit_quantity=5), Change(True, flex_codes=("NOPE",)))
    assert (chosen.flex_codes, chosen.renewal_quantity) == (("NOPE",), 5)
    assert accepted(chosen, Change(enabled=True)).flex_codes == ("NOPE",)
    assert accepted(chosen, Change(flex_codes=("OTHER",))).flex_codes == ("OTHER",)
    assert accepted(chosen, Change(flex_codes=())).flex_codes == ()
    assert accepted(chosen, Change(resets_flex_codes=True)).flex_codes == ()
    assert accepted(chosen, Change(enabled=False)).flex_codes == ("NOPE",)
    two = Change(flex_codes=("A", "B"))
    assert refusal(chosen, two) == ("2147", "autoRenewal.flexDiscountCodes")
    assert refusal(chosen, Change(flex_codes=("A", "A"))) == refusal(chosen, two)


@pytest.mark.proves("subscriptions.md 19", "3119")
@pytest.mark.parametrize(
    ("stored", "today"),
    [
        (folio(0, status="1004"), TODAY),
        (folio(10, status="1004", expired_on=date(2026, 7, 7)), date(2026, 7, 8)),
        (folio(10, status="1002"), TODAY),
        (folio(10), date(2026, 7, 7)),
        (folio(10), date(2026, 7, 8)),
    ],
)
def test_what_is_inactive_or_renewing_is_not_editable(stored: Subscription, today: date) -> None:
    for change in (Change(enabled=True), Change(quantity=0), Change(resets_flex_codes=True)):
        assert refusal(stored, change, today=today) == ("3119",)


@pytest.mark.proves("subscriptions.md 36")
def test_settings_may_change_until_the_last_moment() -> None:
    assert accepted(folio(10), Change(quantity=3), today=date(2026, 7, 6)).renewal_quantity == 3


def test_the_renewal_is_pending_from_the_anniversary_until_its_order_has_settled() -> None:
    buyer = samples.customer(anniversary=AD)
    anniversary = date.fromisoformat(AD)
    held = Account(buyer, subscriptions=(folio(10),))
    assert not is_renewal_pending(held, date(2026, 7, 6))
    assert is_renewal_pending(held, anniversary)
    run = order(line(1, FOLIO, 10), order_type="RENEWAL", source="System")
    assert is_renewal_pending(replace(held, pending=(run,)), TODAY)
    late = replace(run, source="API")
    assert not is_renewal_pending(replace(held, pending=(late,)), TODAY)
    done = replace(run, status="1000")
    assert not is_renewal_pending(replace(held, pending=(done,)), TODAY)
    # A credit pack ends on a day of its own, which concerns nothing else.
    pack = samples.seats(PACK, 1, "2026-01-01", own_line="9200000001:1")
    assert not is_renewal_pending(replace(held, subscriptions=(pack, folio(10))), TODAY)


QUANTITIES = [
    (FOLIO, 1, True), (FOLIO, 10_000, True), (FOLIO, 0, False), (FOLIO, -1, False),
    (FOLIO, 10_001, False), (ENTERPRISE, 200_000, True), (ENTERPRISE, 200_001, False),
    (ENTERPRISE, 10**100, False), (LAB, 25, True), (LAB, 24, False), (SIGN, 1, True),
    (SIGN, 200_000, True), (SIGN, 200_001, False),
]  # fmt: skip


@pytest.mark.proves("subscriptions.md 12", "3116")
@pytest.mark.parametrize(("offer_id", "quantity", "fits"), QUANTITIES)
def test_a_renewal_quantity_lies_within_the_product(
    offer_id: str, quantity: int, fits: bool
) -> None:
    for enabled in (None, True):
        result = changed(samples.seats(offer_id, 30, AD), Change(enabled, quantity=quantity))
        if fits:
            assert isinstance(result, Subscription)
            assert result.renewal_quantity == quantity
        else:
            assert result == Refused("3116", ("autoRenewal.renewalQuantity",))
    off = accepted(samples.seats(offer_id, 30, AD), Change(enabled=False, quantity=quantity))
    assert not off.auto_renewal


ENDED = ("3123",)


@pytest.mark.proves("subscriptions.md 35", "3123")
@pytest.mark.parametrize("offer_id", [CLASSIC, TEXT])
def test_a_product_that_will_have_ended_gets_no_more_seats(offer_id: str) -> None:
    held = samples.seats(offer_id, 10, AD)
    assert refusal(held, Change(quantity=11)) == ENDED
    assert refusal(replace(held, auto_renewal=False), Change(enabled=True)) == ENDED
    assert refusal(replace(held, explicit_quantity=3), Change(quantity=None)) == ENDED
    assert accepted(held, Change(quantity=9)).renewal_quantity == 9
    assert accepted(held, Change(flex_codes=("X",))).flex_codes == ("X",)
    assert not accepted(held, Change(enabled=False)).auto_renewal


@pytest.mark.proves("subscriptions.md 35")
def test_a_commitment_carries_a_product_to_the_end_of_its_support() -> None:
    buyer = committed(10, "2028-07-06")
    grown = accepted(samples.seats(TEXT, 10, AD), Change(quantity=11), buyer=buyer)
    assert grown.renewal_quantity == 11
    assert refusal(samples.seats(CLASSIC, 10, AD), Change(quantity=11), buyer=buyer) == ENDED
    # The commitment ends the day before the anniversary: it covers no renewal.
    last = committed(10, "2026-07-06")
    assert refusal(samples.seats(TEXT, 10, AD), Change(quantity=11), buyer=last) == ENDED
    of_consumables = committed(1_000, "2028-07-06", "CONSUMABLES")
    held = samples.seats(TEXT, 10, AD)
    assert refusal(held, Change(quantity=11), buyer=of_consumables) == ENDED


@pytest.mark.parametrize("offer_id", [STARTER, PACK])
def test_what_is_sold_once_does_not_renew(offer_id: str) -> None:
    held = samples.seats(offer_id, 1, AD, auto_renewal=False)
    assert refusal(held, Change(enabled=True)) == ("3120", "Reason: NOT_RENEWABLE")
    assert accepted(held, Change(enabled=False)) == held
    assert accepted(held, Change(resets_flex_codes=True)) == held


SIX = [folio(6), samples.seats(ALL_APPS, 6, AD)]
FLOOR = ("3120", "Reason: THREE_YEAR_COMMIT")


@pytest.mark.proves("subscriptions.md 20", "3120")
def test_a_commitment_is_a_floor_for_what_renews() -> None:
    buyer = committed(10, "2027-07-06")
    one, other = SIX
    assert accepted(one, Change(quantity=4), other, buyer=buyer).renewal_quantity == 4
    assert refusal(one, Change(quantity=3), other, buyer=buyer) == FLOOR
    assert refusal(other, Change(enabled=False), one, buyer=buyer) == FLOOR


@pytest.mark.proves("subscriptions.md 21")
def test_raising_first_makes_room_for_a_cut() -> None:
    buyer = committed(10, "2027-07-06")
    one, other = SIX
    raised = accepted(other, Change(quantity=9), one, buyer=buyer)
    assert accepted(one, Change(quantity=3), raised, buyer=buyer).renewal_quantity == 3
    assert refusal(one, Change(enabled=False), raised, buyer=buyer) == FLOOR


@pytest.mark.proves("subscriptions.md 22")
@pytest.mark.parametrize("end", ["2026-07-06", "2026-01-01"])
def test_in_the_final_term_of_a_commitment_the_floor_is_gone(end: str) -> None:
    one, other = SIX
    assert not accepted(one, Change(enabled=False), other, buyer=committed(10, end)).auto_renewal


def test_what_is_below_the_floor_may_rise_but_not_fall() -> None:
    buyer = committed(10, "2027-07-06")
    low = folio(6, explicit_quantity=5)
    assert accepted(low, Change(quantity=6), buyer=buyer).renewal_quantity == 6
    assert accepted(low, Change(flex_codes=("X",)), buyer=buyer).renewal_quantity == 5
    assert refusal(low, Change(quantity=4), buyer=buyer) == FLOOR
    off = folio(6, auto_renewal=False)
    assert accepted(off, Change(enabled=True, quantity=2), buyer=buyer).renewal_quantity == 2


def test_the_floor_counts_what_a_commitment_counts() -> None:
    buyer = committed(10, "2027-07-06")
    one = folio(9)
    scheduled = samples.seats(ALL_APPS, 0, AD, status="1009", explicit_quantity=5)
    assert accepted(one, Change(quantity=5), scheduled, buyer=buyer).renewal_quantity == 5
    others = (
        replace(scheduled, auto_renewal=False),
        samples.seats(SIGN, 50, AD),  # of another offerType
        samples.seats(CLASSIC, 50, AD),  # ended
        samples.seats(ENTERPRISE, 50, AD, status="1004"),
    )
    assert refusal(one, Change(quantity=8), *others, buyer=buyer) == FLOOR
    consumables = committed(1_000, "2027-07-06", "CONSUMABLES")
    sign = samples.seats(SIGN, 1_000, AD)
    assert refusal(sign, Change(quantity=999), one, buyer=consumables) == FLOOR
    assert accepted(one, Change(enabled=False), sign, buyer=consumables).auto_renewal is False


def test_the_floor_is_down_in_a_relaxed_world_and_without_a_commitment_in_force() -> None:
    one, other = SIX
    off = Change(enabled=False)
    relaxed = PartnerSettings(relaxed_3yc=True)
    buyer = committed(10, "2027-07-06")
    assert not accepted(one, off, other, buyer=buyer, settings=relaxed).auto_renewal
    benefit = buyer.three_year_commit
    assert benefit is not None
    assert benefit.commitment is not None
    lost = replace(benefit, commitment=replace(benefit.commitment, status="NONCOMPLIANT"))
    assert not accepted(one, off, other, buyer=replace(buyer, benefits=(lost,))).auto_renewal


# Every refusal beside those that come after it (subscriptions.md 7).
def test_the_checks_have_an_order() -> None:
    buyer = committed(10, "2027-07-06")
    codes = ("A", "B")
    closed = replace(SIX[0], status="1004")
    assert refusal(closed, Change(True, 0, codes, "MOQ_100"), buyer=buyer) == ("3119",)
    off = samples.seats(CLASSIC, 30, AD, auto_renewal=False)
    wanted = Change(True, 0, codes, "MOQ_100")
    assert refusal(off, wanted, buyer=buyer)[0] == "3116"
    assert refusal(off, replace(wanted, quantity=5), buyer=buyer)[0] == "3123"
    starter = samples.seats(STARTER, 1, AD, auto_renewal=False)
    assert refusal(starter, replace(wanted, quantity=5), buyer=buyer) == (
        "3120", "Reason: NOT_RENEWABLE",
    )  # fmt: skip
    low = Change(True, 1, codes, "MOQ_100")
    assert refusal(SIX[0], low, SIX[1], buyer=buyer)[0] == "5125"
    assert refusal(SIX[0], replace(low, renewal_code=""), SIX[1], buyer=buyer) == FLOOR
    high = Change(True, 4, codes)
    assert refusal(SIX[0], high, SIX[1], buyer=buyer)[0] == "2147"


def test_a_product_the_list_has_lost_can_only_be_let_go() -> None:
    lost = samples.seats("99999999CA01A12", 10, AD)
    assert not accepted(lost, Change(enabled=False)).auto_renewal
    assert accepted(lost, Change(quantity=3)).renewal_quantity == 3
    assert refusal(lost, Change(quantity=11))[0] == "3116"
    assert refusal(replace(lost, auto_renewal=False), Change(enabled=True)) == ENDED
    assert refusal(lost, Change(renewal_code="MOQ_100"))[0] == "5123"


quantities: st.SearchStrategy[int | UnsetType | None] = st.one_of(
    st.just(UNSET), st.none(), st.integers(-1, 20), st.just(MAX_QUANTITY["TEAM"] + 1)
)
changes = st.builds(
    Change,
    enabled=st.sampled_from((None, True, False)),
    quantity=quantities,
    flex_codes=st.none() | st.lists(st.sampled_from("AB"), max_size=2).map(tuple),
    resets_flex_codes=st.booleans(),
)
events = st.lists(st.one_of(changes, st.integers(1, 9), st.just("give back")), max_size=12)


@given(events, st.booleans())
def test_implicit_always_means_all_seats(steps: list[Any], starts_scheduled: bool) -> None:
    """Any sequence of updates, purchases and returns (subscriptions.md 12)."""
    buyer = samples.customer(anniversary=AD)
    base = samples.seats(ALL_APPS, 5, AD)
    held = folio(0, status="1009", explicit_quantity=8) if starts_scheduled else folio(5)
    bought: list[Any] = []
    for number, step in enumerate(steps):
        before = held
        if isinstance(step, Change):
            result = changed(held, step, base)
            held = held if isinstance(result, Refused) else result
        elif isinstance(step, int):
            if held.status == "1004":
                break  # another purchase is another subscription
            new = order(line(1, FOLIO, step), order_id=f"92000000{number:02}")
            result_of = settled(new, buyer, [held, base])
            (held,) = result_of.subscriptions
            bought.append(result_of.order)
            assert held.current_quantity == before.current_quantity + step
            assert held.status == "1000"
            assert held.auto_renewal == before.auto_renewal
            assert held.explicit_quantity == before.explicit_quantity
        elif bought:
            original = bought.pop()
            back = settled(giving_back(original, 1), buyer, [held, base], original=original)
            (held,) = back.subscriptions
        if held.explicit_quantity is None:
            assert held.renewal_quantity == held.current_quantity
        else:
            assert held.renewal_quantity == held.explicit_quantity >= 1
        if held.status == "1009":
            assert held.current_quantity == 0
            assert held.renewal_quantity >= 1
        assert len(held.flex_codes) <= 1


@pytest.mark.proves("subscriptions.md 4", "subscriptions.md 5")
def test_the_pure_machine_looks_at_nothing_but_the_settings() -> None:
    stored = samples.seats(ADD_ON, 3, AD, explicit_quantity=2, flex_codes=("X",))
    assert with_settings(stored, Change()) == stored
