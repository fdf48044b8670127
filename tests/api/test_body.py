"""Bytes to one JSON object: what is read, what is refused, and which duplicate keys are named."""

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatledger.api.body import Malformed, parse_object


def refusal(body: bytes) -> tuple[str, ...]:
    with pytest.raises(Malformed) as caught:
        parse_object(body)
    return caught.value.details


def nested(levels: int) -> bytes:
    """An object around arrays: `levels` containers inside each other, and two beside them."""
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b',"b":[],"c":{}}'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), json_values), st.booleans(), st.booleans())
def test_any_json_object_is_read_as_it_is(
    value: dict[str, Any], escaped: bool, indented: bool
) -> None:
    text = json.dumps(value, ensure_ascii=escaped, indent=2 if indented else None)
    assert parse_object(text.encode()) == value


def test_an_empty_body_is_an_empty_object() -> None:
    assert parse_object(b"") == {}


def test_a_byte_order_mark_and_surrounding_white_space_are_skipped() -> None:
    assert parse_object(b'\xef\xbb\xbf \r\n\t{"a": 1} \n') == {"a": 1}


def test_a_number_with_a_fraction_or_exponent_is_an_exact_decimal() -> None:
    body = b'{"a":3.0,"b":1e0,"c":85.0680000000000000000000001,"d":3}'
    parsed = parse_object(body)
    assert {name: type(value) for name, value in parsed.items()} == {
        "a": Decimal,
        "b": Decimal,
        "c": Decimal,
        "d": int,
    }
    assert str(parsed["c"]) == "85.0680000000000000000000001"


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("digits", [20, 4300, 4301, 100_000])
def test_integers_of_any_size_are_read_with_their_sign(sign: str, digits: int) -> None:
    parsed = parse_object(f'{{"a":{sign}{"9" * digits},"b":7}}'.encode())
    assert parsed["b"] == 7
    assert type(parsed["a"]) is int
    assert (parsed["a"] < -(10**18)) if sign else (parsed["a"] > 10**18)


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1.5E-99999999999999999999"])
def test_an_exponent_beyond_decimal_is_still_no_integer(number: str) -> None:
    assert type(parse_object(f'{{"a":{number}}}'.encode())["a"]) is Decimal


def test_a_huge_number_does_not_hide_a_duplicate_or_a_syntax_error() -> None:
    huge = b"9" * 5000
    assert refusal(b'{"n":' + huge + b',"a":1,"a":2}') == ("a: duplicate key",)
    assert refusal(b'{"n":' + huge + b",}") == ()


@pytest.mark.proves("platform.md 21")
@pytest.mark.parametrize(
    "body",
    [
        b"[1]",
        b'"text"',
        b"1",
        b"null",
        b"true",
        b" ",
        b"\xef\xbb\xbf",
        b"{",
        b'{"a":1}}',
        b'{"a":1} {"a":1}',
        b'{"a":1,}',
        b'{"a":1} // comment',
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":"\x00"}',
        b'{"a":"line\nbreak"}',
        b'{"a":"\\x41"}',
        b"\xff\xfe",
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc0\x80"}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        '{"a":1}'.encode("utf-32-be"),
    ],
)
def test_what_is_not_one_utf8_json_object_is_refused(body: bytes) -> None:
    assert refusal(body) == ()


def test_escapes_of_unstorable_characters_are_left_to_the_field_checks() -> None:
    assert parse_object(b'{"a":"\\u0000","b":"\\ud800"}') == {"a": "\x00", "b": "\ud800"}


def test_thirty_two_levels_are_read_and_one_more_is_refused() -> None:
    assert parse_object(nested(32))
    assert refusal(nested(33)) == ()
    assert refusal(b'{"a":' * 33 + b"1" + b"}" * 33) == ()


def test_depth_counts_containers_inside_each_other_not_beside() -> None:
    lines = [{"codes": [[]], "text": "[[[[{{{{"} for _ in range(200)]
    assert len(parse_object(json.dumps({"lines": lines}).encode())["lines"]) == 200


@pytest.mark.parametrize("opener", [b"[", b'{"a":'])
def test_extreme_depth_is_a_refusal(opener: bytes) -> None:
    assert refusal(opener * 200_000) == ()
    assert refusal(b'{"a":1,"a":' + opener * 200_000) == ()


@pytest.mark.proves("platform.md 21")
@pytest.mark.parametrize(
    ("body", "details"),
    [
        (b'{"orderType":"NEW","orderType":"RETURN"}', ("orderType: duplicate key",)),
        (
            b'{"lineItems":[{"quantity":1,"quantity":1},{"a":1},{"b":{"c":1,"c":[]}}]}',
            ("lineItems[0].quantity: duplicate key", "lineItems[2].b.c: duplicate key"),
        ),
        (b'{"a":1,"\\u0061":2,"a":3}', ("a: duplicate key",)),
        (
            b'{"a":[{"b":1,"b":2}],"a":[{"b":3,"b":4}]}',
            ("a[0].b: duplicate key", "a: duplicate key"),
        ),
        (b'{"\\ud800":1,"\\ud800":2}', ("?: duplicate key",)),
        (b'{"a":1.5,"a":1e99999999999999999999}', ("a: duplicate key",)),
    ],
)
def test_duplicate_keys_are_named_once_each_in_document_order(
    body: bytes, details: tuple[str, ...]
) -> None:
    assert refusal(body) == details


def test_a_syntax_error_behind_a_duplicate_key_is_just_a_syntax_error() -> None:
    assert refusal(b'{"a":1,"a":2') == ()


def test_the_list_of_duplicate_keys_is_bounded() -> None:
    assert len(refusal(b'{"a":[' + b",".join([b'{"b":1,"b":1}'] * 20_000) + b"]}")) == 10_000


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\u0d8ea1.-+ \n').map(str.encode))
def test_no_bytes_raise_anything_but_the_refusal(body: bytes) -> None:
    with suppress(Malformed):
        assert type(parse_object(body)) is dict
