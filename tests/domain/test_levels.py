"""Levels: quantity to rank, rank to level, and the level an order is entitled to."""

from typing import Any

import pytest

from seatledger.domain.levels import (
    CONSUMABLES,
    LICENSE,
    OfferType,
    Scale,
    floor_of_level,
    level_at,
    levels_downwards,
    rank_of_level,
    rank_of_quantity,
)
from seatledger.domain.model import LevelStep
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.request import RequestLine
from tests import samples
from tests.samples import want

A1, A2, A3, A4 = (f"11073058CA0{level}A12" for level in range(1, 5))
TEN_COMMITTED = samples.committed("2025-01-01", (LICENSE, 10))


def offers(*lines: RequestLine, **more: Any) -> list[str]:
    return [line.offer_id for line in samples.sold(*lines, **more)]


@pytest.mark.parametrize(
    ("offer_type", "quantity", "rank"),
    [
        (LICENSE, 0, 1),
        (LICENSE, 1, 1),
        (LICENSE, 9, 1),
        (LICENSE, 10, 2),
        (LICENSE, 49, 2),
        (LICENSE, 50, 3),
        (LICENSE, 99, 3),
        (LICENSE, 100, 4),
        (LICENSE, 200_000, 4),
        (CONSUMABLES, 0, 1),
        (CONSUMABLES, 999, 1),
        (CONSUMABLES, 1_000, 2),
        (CONSUMABLES, 2_499, 2),
        (CONSUMABLES, 2_500, 3),
        (CONSUMABLES, 4_999, 3),
        (CONSUMABLES, 5_000, 4),
        (CONSUMABLES, 14_999, 4),
        (CONSUMABLES, 15_000, 5),
        (CONSUMABLES, 49_999, 5),
        (CONSUMABLES, 50_000, 6),
        (CONSUMABLES, 99_999, 6),
        (CONSUMABLES, 100_000, 7),
    ],
)
def test_ranks_of_quantities(offer_type: OfferType, quantity: int, rank: int) -> None:
    assert rank_of_quantity(offer_type, quantity) == rank


@pytest.mark.parametrize(
    ("levels", "offer_type", "scale"),
    [
        ("01 02 03 04", LICENSE, "PLAIN"),
        ("01 12 13 14", LICENSE, "3YC"),  # rank 1 has no level of its own under a commitment
        ("T1 T2 T3 T4 T5 T6 T7", CONSUMABLES, "PLAIN"),
        ("TA TB TC TD TE TF TG", CONSUMABLES, "3YC"),
    ],
)
def test_levels_of_the_scales(levels: str, offer_type: OfferType, scale: Scale) -> None:
    for rank, level in enumerate(levels.split(), start=1):
        assert level_at(offer_type, scale, rank) == level
        assert rank_of_level(level) == rank


@pytest.mark.parametrize("level", ["06", "07", "08", "09"])
def test_levels_of_large_agencies_have_no_rank(level: str) -> None:
    assert rank_of_level(level) is None


@pytest.mark.parametrize(
    ("level", "floor"),
    [
        ("01", 1),
        ("02", 10),
        ("13", 50),
        ("14", 100),
        ("06", 100),
        ("07", 1_000),
        ("08", 5_000),
        ("09", 10_000),
        ("T1", 1),
        ("T5", 15_000),
        ("TG", 100_000),
    ],
)
def test_the_volume_floor_of_a_level(level: str, floor: int) -> None:
    assert floor_of_level(level) == floor


@pytest.mark.parametrize(
    ("offer_type", "scale", "rank", "levels"),
    [
        (LICENSE, "PLAIN", 1, "01"),
        (LICENSE, "PLAIN", 4, "04 03 02 01"),
        (LICENSE, "3YC", 1, "01"),
        (LICENSE, "3YC", 3, "13 03 12 02 01"),
        (CONSUMABLES, "PLAIN", 2, "T2 T1 01"),
        (CONSUMABLES, "3YC", 2, "TB T2 TA T1 01"),
    ],
)
def test_the_better_scale_is_tried_first_at_every_rank(
    offer_type: OfferType, scale: Scale, rank: int, levels: str
) -> None:
    assert levels_downwards(offer_type, scale, rank) == tuple(levels.split())


@pytest.mark.proves("orders.md 31", "S-090", "S-102", "S-116")
@pytest.mark.parametrize(
    ("quantity", "offer_id"), [(1, A1), (9, A1), (10, A2), (49, A2), (50, A3), (60, A3), (100, A4)]
)
def test_a_preview_takes_the_level_the_quantity_earns(quantity: int, offer_id: str) -> None:
    assert offers(want(A1, quantity)) == [offer_id]


@pytest.mark.proves("S-103", "S-104")
@pytest.mark.parametrize(
    "sent", [A1, A2, A3, A4, "11073058CA12A12", "11073058CA13A12", "11073058CA14A12"]
)
def test_a_preview_may_send_any_level(sent: str) -> None:
    assert offers(want(sent, 10)) == [A2]


@pytest.mark.proves("orders.md 32", "orders.md 36", "2129")
@pytest.mark.parametrize("sent", [A3, A4, "11073058CA12A12", "11073058CA14A12"])
def test_new_refuses_a_level_better_than_entitled(sent: str) -> None:
    refused = samples.refusal(want(sent, 10, number=4), order_type="NEW")
    assert refused == ("2129", "Line Item: 4, Reason: INELIGIBLE_DISCOUNT_LEVEL")


@pytest.mark.proves("orders.md 33")
def test_new_is_sold_the_worse_level_it_sends() -> None:
    (line,) = samples.sold(want(A1, 10), order_type="NEW")
    assert line.price is not None
    assert (line.offer_id, str(line.price.partner_price)) == (A1, "389.00")


@pytest.mark.proves("orders.md 34")
def test_the_level_held_and_the_sum_of_the_order_count() -> None:
    held = samples.customer(license_level="02")
    assert offers(want(A1, 1), buyer=held) == [A2]
    assert offers(want(A1, 6), want("69804578CA01A12", 4, 2)) == [A2, "69804578CA02A12"]


def test_products_that_do_not_count_take_the_level_without_earning_it() -> None:
    base, add_on = "65304479CA01A12", "30005893CA01A12"
    assert offers(want(base, 9), want(add_on, 9, 2)) == [base, add_on]
    assert offers(want(base, 10), want(add_on, 1, 2)) == [
        "65304479CA02A12",
        "30005893CA02A12",
    ]


def test_licences_and_consumables_have_levels_of_their_own() -> None:
    assert offers(want(A1, 9), want("65322435CAT1A12", 2_500, 2)) == [A1, "65322435CAT3A12"]


@pytest.mark.parametrize(
    ("quantity", "offer_id"),
    [(1_000, "65322435CATBA12"), (5_000, "65322435CATDA12"), (15_000, "65322435CAT5A12")],
)
def test_consumables_under_a_commitment(quantity: int, offer_id: str) -> None:
    benefit = samples.committed("2025-01-01", (CONSUMABLES, 1_000))
    buyer = samples.customer(benefits=(benefit,))
    assert offers(want("65322435CAT1A12", quantity), buyer=buyer) == [offer_id]


def test_a_commitment_raises_the_scale_of_its_offer_type_alone() -> None:
    buyer = samples.customer(benefits=(TEN_COMMITTED,), license_level="12")
    assert offers(want(A1, 1), want("65322435CAT1A12", 1_000, 2), buyer=buyer) == [
        "11073058CA12A12",
        "65322435CAT2A12",
    ]
    asked = samples.asked("REQUESTED", (LICENSE, 10))
    assert offers(want(A1, 10), buyer=samples.customer(benefits=(asked,))) == [A2]


@pytest.mark.parametrize(
    ("sent", "quantity", "offer_id"),
    [
        ("69804578CA01A12", 50, "69804578CA03A12"),  # no level 13: plain level of the same rank
        ("65304578CA01A12", 100, "65304578CA04A12"),  # no level of the commitment at all
        ("65331462CA01A12", 60, "65331462CA01A12"),  # sold at level 01 alone
        ("80004567EA01A12", 10, "80004567EA02A12"),  # no level 12, but 13
        ("80004567EA01A12", 50, "80004567EA13A12"),
    ],
)
def test_missing_levels_fall_back_by_at_most_what_the_list_lacks(
    sent: str, quantity: int, offer_id: str
) -> None:
    buyer = samples.customer(benefits=(TEN_COMMITTED,), license_level="12")
    assert offers(want(sent, quantity), buyer=buyer) == [offer_id]


def test_a_committed_customer_may_buy_the_plain_level_on_new() -> None:
    buyer = samples.customer(benefits=(TEN_COMMITTED,), license_level="12")
    assert offers(want(A2, 10), buyer=buyer, order_type="NEW") == [A2]


def test_the_decision_tells_how_the_level_was_found() -> None:
    held = samples.customer(license_level="03")
    decision = samples.decide(want(A1, 10), buyer=held)
    assert isinstance(decision, Accepted)
    assert decision.basis.levels == (LevelStep(LICENSE, 10, 2, 3, "PLAIN"),)
