"""Query parameters by kind, bad values collected, and the links of paged lists."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatledger.api.query import Query, instant_of, page_link, page_links

LIST = "/v3/customers/1/orders"


def test_a_single_value_may_be_repeated_only_with_the_same_value() -> None:
    query = Query(b"a=x&a=x&b=1&b=2&c=&c=y&d=%78&d=x")
    assert [query.text(name) for name in "abcd"] == ["x", None, "y", "x"]
    assert query.bad == ("b",)


def test_absent_and_empty_values_are_the_same() -> None:
    query = Query(b"a=&b&c=")
    assert query.text("a") is None
    assert query.texts("b") == ()
    assert query.integer("c", 25) == 25
    assert query.flag("d", default=True)
    assert query.instant("a") is None
    assert query.comma_list("e") == ()
    assert query.bad == ()


def test_multiple_values_keep_their_order_and_their_commas() -> None:
    query = Query(b"status=1002&status=1000&status=1002&status=&offer-id=A,B&offer-id=A%2CB")
    assert query.texts("status", {"1000", "1002"}) == ("1002", "1000")
    assert query.texts("offer-id") == ("A,B",)
    assert query.bad == ()


def test_a_comma_list_may_be_repeated() -> None:
    query = Query(b"offer-ids=A,B&offer-ids=%20B%20,C,,")
    assert query.comma_list("offer-ids") == ("A", "B", "C")


@pytest.mark.parametrize("read", [Query.text, Query.texts, Query.comma_list])
def test_values_outside_the_allowed_ones_are_bad(read: object) -> None:
    query = Query(b"order-type=PREVIEW")
    assert callable(read)
    assert not read(query, "order-type", {"NEW", "RETURN"})
    assert query.bad == ("order-type",)


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("TRUE", True), ("False", False), ("fAlSe", False)]
)
def test_booleans_in_any_letter_case(value: str, expected: bool) -> None:
    assert Query(f"fetch-price={value}".encode()).flag("fetch-price", default=not expected) is (
        expected
    )


@pytest.mark.parametrize("value", ["yes", "1", "0", "true%20", "tru", "%00"])
def test_other_words_are_no_booleans(value: str) -> None:
    query = Query(f"fetch-price={value}".encode())
    assert not query.flag("fetch-price")
    assert query.bad == ("fetch-price",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", 5),
        ("%2B5", 5),
        ("-5", -5),
        ("007", 7),
        ("9223372036854775808", 2**63 - 1),
        ("9" * 100, 2**63 - 1),
        ("-" + "9" * 100, -(2**63) + 1),
    ],
)
def test_integers_within_sixty_four_bits(value: str, expected: int) -> None:
    query = Query(f"offset={value}".encode())
    assert (query.integer("offset", 0), query.bad) == (expected, ())


@pytest.mark.parametrize(
    "value", ["1.0", "1e3", "ten", "0x10", "1_000", "%20 5", "5%0A", "٣", "--5", "-", "9" * 101]
)
def test_other_texts_are_no_integers(value: str) -> None:
    query = Query(f"limit={value}".encode())
    assert (query.integer("limit", 25, minimum=1), query.bad) == (25, ("limit",))


@pytest.mark.parametrize(("value", "bad"), [(0, True), (1, False), (50, False), (51, True)])
def test_integers_outside_their_bounds_are_bad(value: int, bad: bool) -> None:
    query = Query(f"limit={value}".encode())
    query.integer("limit", 20, minimum=1, maximum=50)
    assert bool(query.bad) is bad


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-07-07", datetime(2025, 7, 7, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2025-07-07T18:00Z", datetime(2025, 7, 7, 18, tzinfo=UTC)),
        ("2025-07-07T18:00:59Z", datetime(2025, 7, 7, 18, 0, 59, tzinfo=UTC)),
        ("2025-07-07T18:00:59.123Z", datetime(2025, 7, 7, 18, 0, 59, 123000, tzinfo=UTC)),
    ],
)
def test_dates_and_times_are_utc_instants(text: str, expected: datetime) -> None:
    assert instant_of(text) == expected
    query = Query(f"start-date={text}".encode())
    assert query.instant("start-date") == expected
    assert query.bad == ()


@pytest.mark.parametrize(
    "text",
    [
        "2025-07-07T18:00:00+02:00",
        "2025-07-07T18:00:00+00:00",
        "2025-07-07T18:00:00",
        "2025-07-07T18:00:00z",
        "2025-07-07t18:00:00Z",
        "2025-07-07 18:00:00Z",
        "2025-07-07Z",
        "2025-07-07T18Z",
        "2025-07-07T18:00.000Z",
        "2025-07-07T18:00:00.Z",
        "2025-07-07T18:00:00.1234Z",
        "2025-07-07\n",
        "2025-7-7",
        "20250707",
        "2025-02-29",
        "2025-13-01",
        "2025-00-10",
        "0000-01-01",
        "2025-07-07T24:00Z",
        "2025-07-07T18:60Z",
        "2025-07-07T18:00:60Z",
        "٢٠٢٥-07-07",
        "yesterday",
    ],
)
def test_other_forms_zones_and_impossible_dates_are_bad(text: str) -> None:
    assert instant_of(text) is None


def test_all_bad_parameters_are_listed_as_received() -> None:
    query = Query(b"end-date=x&status=9&start-date=y&limit=z&unknown=1")
    query.integer("limit", 25)
    query.texts("status", {"1000"})
    query.refuse("market-segment")
    query.refuse("country")
    query.instant("start-date")
    query.instant("end-date")
    assert query.bad == (
        "end-date",
        "status",
        "start-date",
        "limit",
        "country",
        "market-segment",
    )


def test_unknown_names_are_ignored() -> None:
    query = Query(b"Limit=3&utm=1&limit=5&utm=2")
    assert query.integer("limit", 25) == 5
    assert query.filters() == ()


@pytest.mark.parametrize("raw", [b"a=%zz", b"a=%", b"a=%ff", b"a=\xff", b"a=%ed%a0%80", b"%=%&=&&"])
def test_malformed_encoding_never_raises(raw: bytes) -> None:
    query = Query(raw)
    value = query.text("a")
    assert value is None or value.encode()
    assert query.integer("a", 7) == 7


def test_text_that_no_database_can_hold_is_bad() -> None:
    query = Query(b"reseller-id=%00&offer-id=A&offer-id=B%00&offer-ids=A,%00")
    assert query.text("reseller-id") is None
    assert query.texts("offer-id") == ()
    assert query.comma_list("offer-ids") == ()
    assert query.bad == ("reseller-id", "offer-id", "offer-ids")


@settings(deadline=None)
@given(st.binary(max_size=100) | st.text(alphabet="alimt=&%0f1+,;é\0").map(str.encode))
def test_no_query_raises_and_every_link_can_be_sent(raw: bytes) -> None:
    query = Query(raw)
    for name in ("a", "l", ""):
        query.text(name)
        query.texts(name)
        query.comma_list(name)
        query.flag(name)
        query.instant(name)
    assert query.integer("limit", 25) <= 2**63 - 1
    assert page_link(LIST, query.filters(), 25, 0).isascii()


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["status", "offer-id"]), st.text(min_size=1, max_size=8)))
)
def test_following_a_link_gives_the_same_filters(pairs: list[tuple[str, str]]) -> None:
    first = page_link(LIST, pairs, 25, 50)
    again = Query(urlsplit(first).query.encode())
    again.texts("status")
    again.texts("offer-id")
    assert again.filters() == tuple(dict.fromkeys(pairs))
    assert (again.integer("limit", 0), again.integer("offset", 0)) == (25, 50)


@pytest.mark.proves("platform.md 26")
def test_links_of_a_page_in_the_middle() -> None:
    query = Query(b"limit=25&offset=25&order-type=NEW&order-type=NEW&extra=1&status=")
    query.texts("order-type")
    query.texts("status")
    limit, offset = query.integer("limit", 25), query.integer("offset", 0)
    links = page_links(LIST, query.filters(), limit=limit, offset=offset, count=25, total=60)
    assert links == {
        relation: {
            "uri": f"{LIST}?order-type=NEW&limit=25&offset={offset}",
            "method": "GET",
            "headers": [],
        }
        for relation, offset in (("self", 25), ("next", 50), ("prev", 0))
    }


@settings(deadline=None)
@given(st.integers(1, 100), st.integers(0, 300), st.integers(0, 300))
def test_next_and_prev_exist_exactly_when_there_are_such_pages(
    limit: int, offset: int, total: int
) -> None:
    count = max(0, min(limit, total - offset))
    links = page_links(LIST, (), limit=limit, offset=offset, count=count, total=total)
    offsets = {
        relation: int(dict(parse_qsl(urlsplit(link["uri"]).query))["offset"])
        for relation, link in links.items()
    }
    assert offsets.pop("self") == offset
    assert offsets.pop("next", None) == (offset + limit if offset + count < total else None)
    assert offsets.pop("prev", None) == (max(0, offset - limit) if offset else None)
    assert not offsets


def test_paths_and_values_are_percent_encoded_and_dates_stay_as_sent() -> None:
    link = page_link("/v3/customers/Zoë 1/orders", [("start-date", "2025-07-07T18:00Z")], 5, 0)
    assert link == (
        "/v3/customers/Zo%C3%AB%201/orders?start-date=2025-07-07T18%3A00Z&limit=5&offset=0"
    )
