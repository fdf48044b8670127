"""What a PREVIEW says is what a NEW does: random baskets over HTTP (orders.md scenario 37)."""

from datetime import date, timedelta
from typing import Any, NamedTuple

import pytest
from anyio import from_thread, to_thread
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

TODAY = date(2025, 7, 7)
FETCH = {"fetch-price": "true"}
OFFERS = (
    "11073058CA01A12",
    "11073058CA02A12",
    "11073058CA14A12",  # needs a commitment
    "69804578CA01A12",
    "11083117CA01A12",
    "80004567EA01A12",
    "65304479CA01A12",
    "65324918CA01A12",
    "30005893CA01A12",  # needs Folio Pro
    "65304578CA01A12",
    "65322461CA01A12",  # not beside the next one
    "65331462CA01A12",  # not on sale yet
    "65322435CAT1A12",
    "65322450CAT1A12",  # once per term
    "65327733CA01A12",
    "30001475CC01A12",  # government alone
    "11073061CA01A12",  # euros alone
    "99999999CA01A12",
)
SOLD_TO_ANYONE = (OFFERS[0], *OFFERS[3:8], "65304578CA01A12", "65322435CAT1A12")
CODES = (
    "BLACK_FRIDAY_10_PERCENT_OFF",
    "BLACK_FRIDAY_20_DOLLAR_OFF",
    "INTRO-PHOTON",
    "NON3YC_TERM_5",
    "NEW YEAR",  # not begun
    "BLACK_FRIDAY_22_FAILURE_3",
    "GOV_ALLAPPS_7",
    "H4SQ82RETAINVW6K3MPD7TZ1",
    "NOPE",
)


class Buyer(NamedTuple):
    """A customer: what it bought before, and when its term ends (None: it has no term)."""

    bought: tuple[tuple[str, int], ...]
    term_left: int | None
    extended: bool


Lines = list[dict[str, Any]]
QUANTITIES = st.integers(1, 130).map(lambda drawn: 10_001 if drawn > 125 else drawn)


@st.composite
def baskets(draw: st.DrawFn) -> Lines:
    """Lines with numbers of their own; most baskets keep to what anybody may buy."""
    plain = draw(st.integers(0, 2)) > 0
    offers = st.sampled_from(SOLD_TO_ANYONE if plain else OFFERS)
    numbers = draw(st.lists(st.integers(0, 999_999), min_size=1, max_size=5, unique=True))
    found = []
    for number in numbers:
        one = line(draw(offers), draw(QUANTITIES), number)
        if draw(st.integers(0, 3)) == 0:
            one["flexDiscountCodes"] = draw(
                st.lists(st.sampled_from(CODES[:4] if plain else CODES), max_size=2 - plain)
            )
        found.append(one)
    return found


BUYERS = st.builds(
    Buyer,
    st.lists(st.tuples(st.sampled_from(SOLD_TO_ANYONE), st.integers(1, 60)), max_size=2).map(tuple),
    st.none() | st.integers(1, 365),
    st.booleans(),
)


async def make_customer(world: World, reseller: str, buyer: Buyer) -> str:
    """A customer whose term, if it has one, ends in so many days."""
    top = {}
    if buyer.extended:
        top["cotermDate"] = (TODAY + timedelta(days=500)).isoformat()
    customer = await world.customer(reseller, top=top)
    if buyer.bought:
        lines = [line(offer, amount, n) for n, (offer, amount) in enumerate(buyer.bought)]
        (await world.order(customer, *lines)).ok()
        if buyer.term_left is not None:
            day = (TODAY + timedelta(days=buyer.term_left)).isoformat()
            changed = {"cotermDate": day}
            (await world.patch(f"/sandbox/customers/{customer}", changed)).ok(200)
    return customer


def names_a_level_too_good(reply: Reply) -> bool:
    """NEW meets check 39 of orders.md 2.3, which a preview corrects instead."""
    return all("INELIGIBLE_DISCOUNT_LEVEL" in detail for detail in reply.details)


async def check_promise(world: World, reseller: str, buyer: Buyer, basket: Lines) -> str:
    """PREVIEW a basket, post it back as NEW; gives what the preview answered."""
    customer = await make_customer(world, reseller, buyer)
    quote = await world.preview(customer, *basket)
    if quote.status != 201:
        placed = await world.order(customer, *basket)
        if not (placed.code == "2129" and names_a_level_too_good(placed)):
            placed.refused(quote.status, quote.code, *quote.details)
        return quote.code
    # As a client does: the lines as they were read, with the codes it had asked for.
    sent = [
        {**shown, "flexDiscountCodes": asked.get("flexDiscountCodes", [])}
        for shown, asked in zip(quote["lineItems"], basket, strict=True)
    ]
    placed = (
        await world.post(
            f"/v3/customers/{customer}/orders",
            {**quote.body, "orderType": "NEW", "lineItems": sent},
        )
    ).ok()
    charged = await world.read_order(customer, placed["orderId"], **FETCH)
    assert charged["status"] == "1000"
    assert charged["pricingSummary"] == quote["pricingSummary"]
    for promised, bought in zip(quote["lineItems"], charged["lineItems"], strict=True):
        assert (promised.pop("status"), bought.pop("status")) == ("", "1000")
        assert (promised.pop("subscriptionId"), len(bought.pop("subscriptionId"))) == ("", 32)
        assert promised == bought
    return "201"


@pytest.mark.proves("orders.md 37", "S-094", "S-101", "S-106", "platform.md 34")
async def test_a_preview_keeps_its_promise(world: World) -> None:
    reseller = await world.reseller()

    @settings(
        max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(BUYERS, baskets())
    def run(buyer: Buyer, basket: Lines) -> None:
        event(from_thread.run(check_promise, world, reseller, buyer, basket))

    await to_thread.run_sync(run)
