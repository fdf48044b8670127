"""Bodies against their Structs: every offending field is named, and both ways agree."""

import copy
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType, field

from seatledger.contract.fields import PRINTABLE, TOO_LONG_2126, TRIM, Forbidden, Ignored
from seatledger.contract.walker import (
    MAX_FAULTS,
    FieldFaults,
    convert_plain,
    decode,
    in_document_order,
    walk,
)

T = TypeVar("T", bound=Struct)


class Body(Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """What all bodies have in common."""


class Line(Body, frozen=True, kw_only=True):
    ext_line_item_number: int
    offer_id: Annotated[str, Meta(min_length=1, max_length=40, extra=TRIM | PRINTABLE)]
    quantity: int
    deployment_id: Annotated[str, Meta(max_length=40, extra=TRIM | PRINTABLE)] = ""
    currency_code: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")] | None = None
    flex_discount_codes: tuple[Annotated[str, Meta(max_length=40)], ...] | None = None
    status: Ignored = None


class Order(Body, frozen=True, kw_only=True):
    order_type: Literal["NEW", "PREVIEW"]
    external_reference_id: (
        Annotated[str, Meta(max_length=35, extra=TOO_LONG_2126 | PRINTABLE)] | None
    ) = None
    reference_order_id: Forbidden = None
    line_items: Annotated[tuple[Line, ...], Meta(min_length=1)]
    customer_id: Ignored = None


class Address(Body, frozen=True, kw_only=True):
    country: Annotated[str, Meta(min_length=2, max_length=2)]
    city: Annotated[str, Meta(min_length=1, max_length=40, pattern=r'\A[^<>"]*\Z')]
    address_line2: Annotated[str, Meta(max_length=60)] = ""


class Profile(Body, frozen=True, kw_only=True):
    company_name: Annotated[str, Meta(min_length=4, max_length=80)]
    address: Address
    contacts: Annotated[list[Address], Meta(min_length=1)]
    segments: Annotated[list[Literal["COM", "EDU"]], Meta(min_length=1, max_length=2)] = field(
        default_factory=lambda: ["COM"]
    )


class Account(Body, frozen=True, kw_only=True):
    reseller_id: Annotated[str, Meta(min_length=1)]
    profile: Profile
    global_sales: bool = False


class Renewal(Body, frozen=True, kw_only=True):
    enabled: bool | None = None
    quantity: Annotated[int, Meta(ge=1, le=10_000)] | UnsetType | None = UNSET
    address: Address | None = None
    weight: Annotated[float, Meta(ge=0, le=1)] = 1.0


def line(**changes: Any) -> dict[str, Any]:
    return {"extLineItemNumber": 4, "offerId": "80004567EA01A12", "quantity": 1} | changes


def order(*lines: Any, **changes: Any) -> dict[str, Any]:
    return {"orderType": "NEW", "lineItems": list(lines) or [line()]} | changes


def account(**changes: Any) -> dict[str, Any]:
    address = {"country": "DE", "city": "Berlin"}
    profile = {"companyName": "Acme", "address": address, "contacts": [dict(address)]}
    return {"resellerId": "1", "profile": profile | changes}


def sound(raw: dict[str, Any], cls: type[T]) -> T:
    decoded = decode(raw, cls)
    assert isinstance(decoded, cls), decoded
    return decoded


def verdict(raw: dict[str, Any], cls: type[Struct] = Order) -> str:
    """The code that wins and its paths, as in `1117 lineItems[0].quantity`."""
    found = decode(raw, cls)
    assert isinstance(found, FieldFaults)
    first = found.first()
    assert first
    return " ".join([first[0], *first[1]])


def test_a_sound_body_becomes_its_struct() -> None:
    decoded = sound(order(line(flexDiscountCodes=["A"]), externalReferenceId="759"), Order)
    assert (decoded.order_type, decoded.external_reference_id) == ("NEW", "759")
    assert decoded.line_items[0].flex_discount_codes == ("A",)


@pytest.mark.proves("1121", "1122", "2126", "1117")
def test_codes_answer_in_their_order_of_precedence() -> None:
    raw = order(line(quantity="1", colour="red"), line(offerId=""), externalReferenceId="x" * 36)
    assert decode(raw, Order) == FieldFaults(
        unexpected=["lineItems[0].colour"],
        missing=["lineItems[1].offerId"],
        too_long=["externalReferenceId"],
        invalid=["lineItems[0].quantity"],
    )
    assert verdict(raw) == "1121 lineItems[0].colour"
    del raw["lineItems"][0]["colour"]
    assert verdict(raw) == "1122 lineItems[1].offerId"
    raw["lineItems"][1]["offerId"] = "B"
    assert verdict(raw) == "2126"
    raw["externalReferenceId"] = "x" * 35
    assert verdict(raw) == "1117 lineItems[0].quantity"
    assert FieldFaults().first() is None


@pytest.mark.proves("platform.md 22")
@pytest.mark.parametrize(
    "quantity", ["5", Decimal("5.0"), Decimal("1e0"), Decimal("1.5"), True, False, [], [1], {}]
)
def test_only_json_integers_are_integers(quantity: Any) -> None:
    assert verdict(order(line(quantity=quantity))) == "1117 lineItems[0].quantity"
    both = order(line(quantity=quantity, colour="red"))
    assert verdict(both) == "1121 lineItems[0].colour"


@pytest.mark.parametrize("quantity", [0, -1, 10**18, 2**64, 10**400, -(10**400)])
def test_integers_of_any_size_are_integers(quantity: int) -> None:
    assert sound(order(line(quantity=quantity)), Order).line_items[0].quantity == quantity


def test_everything_missing_is_listed() -> None:
    assert verdict({}) == "1122 orderType lineItems"
    assert verdict(order({"offerId": None}, line(quantity="", offerId="   "))) == (
        "1122 lineItems[0].offerId lineItems[0].extLineItemNumber lineItems[0].quantity"
        " lineItems[1].offerId lineItems[1].quantity"
    )


@pytest.mark.parametrize("nothing", [None, "", []])
def test_a_required_array_without_elements_is_missing(nothing: Any) -> None:
    assert verdict(order(lineItems=nothing)) == "1122 lineItems"


def test_of_a_missing_parent_only_the_parent_is_named() -> None:
    assert verdict(account(address=None), Account) == "1122 profile.address"
    assert verdict(account(address=""), Account) == "1122 profile.address"
    assert verdict({"resellerId": "1"}, Account) == "1122 profile"


@pytest.mark.parametrize("wrong", ["text", 1, True, Decimal("1.5"), [], [{}]])
def test_of_a_parent_of_the_wrong_type_only_the_parent_is_named(wrong: Any) -> None:
    assert verdict(account(address=wrong), Account) == "1117 profile.address"


def test_elements_of_the_wrong_type_are_named_by_position() -> None:
    lines: list[Any] = [line(), None, "x", line(flexDiscountCodes=["A", None, "B", 1])]
    codes = "lineItems[3].flexDiscountCodes"
    assert verdict(order(*lines)) == f"1117 lineItems[1] lineItems[2] {codes}[1] {codes}[3]"


def test_an_array_of_the_wrong_length_is_invalid_and_still_looked_into() -> None:
    too_many = account(segments=["COM", "EDU", "XXX"])
    assert verdict(too_many, Account) == "1117 profile.segments profile.segments[2]"
    assert verdict(account(segments=[]), Account) == "1117 profile.segments"


def test_unexpected_names_are_found_at_every_level_and_case_matters() -> None:
    raw = account(address={"country": "DE", "City": "x", "city": "x", "zip": {"a": 1}})
    raw |= {"foo": None, "a\ud800": 1}
    assert verdict(raw, Account) == "1121 profile.address.City profile.address.zip foo a?"


@pytest.mark.parametrize("value", ["1", " ", 0, False, Decimal("0.0"), [None], {"a": 1}])
def test_forbidden_fields_may_be_sent_empty_only(value: Any) -> None:
    assert verdict(order(referenceOrderId=value)) == "1121 referenceOrderId"
    sound(
        order(referenceOrderId=None if isinstance(value, int | Decimal) else type(value)()), Order
    )


@pytest.mark.parametrize("value", [None, "", 1, "\x00", "\ud800", [{"\ud800": "\x00"}], {}])
def test_ignored_fields_take_anything_and_keep_it(value: Any) -> None:
    assert sound(order(line(status=value), customerId=value), Order).customer_id == value


def test_null_of_an_optional_field_is_absence_unless_its_type_says_otherwise() -> None:
    assert sound(order(line(deploymentId=None)), Order).line_items[0].deployment_id == ""
    raw = {"quantity": None, "address": {"country": "DE", "city": "Köln"}}
    assert sound({"quantity": None}, Renewal).quantity is sound(raw, Renewal).quantity is None
    assert sound({}, Renewal).quantity is UNSET


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("quantity", value) for value in (0, 10_001, "", "1")),
        *(("enabled", value) for value in ("true", 1, "")),
        *(("weight", Decimal(value)) for value in ("1.1", "-0.1", "Infinity")),
    ],
)
def test_optional_fields_are_judged_when_sent(name: str, value: Any) -> None:
    assert verdict({name: value}, Renewal) == f"1117 {name}"


@pytest.mark.parametrize("code", ["usd", "USD\n", "", "US", "USDX"])
def test_patterns_are_anchored_and_literals_exact(code: str) -> None:
    assert verdict(order(line(currencyCode=code))) == "1117 lineItems[0].currencyCode"
    assert verdict(order(orderType="new")) == "1117 orderType"
    assert verdict(order(orderType="")) == "1122 orderType"


def test_marked_ids_are_trimmed_before_they_are_judged() -> None:
    padded = " " * 30 + "e0b170437c4e96ac5428364f674dffNA" + "  "
    (read,) = sound(order(line(offerId=padded, deploymentId="  ")), Order).line_items
    assert (read.offer_id, read.deployment_id) == (padded.strip(), "")
    for sent in (" id", "id "):
        assert sound(order(line(offerId=sent)), Order).line_items[0].offer_id == "id"
    for control in ("\tid", "id\r\n", "\x1fid", "\x85id"):
        assert verdict(order(line(offerId=control))) == "1117 lineItems[0].offerId"
    assert verdict(order(line(offerId=" " + "x" * 41))) == "1117 lineItems[0].offerId"


@pytest.mark.parametrize(
    "text", ['a "b" \\ c/d', "\\u0000", "Zoë", " x", "a\u00a0 ", "\u00ad", "\U0001f600" * 35]
)
def test_unusual_but_sound_text_is_kept_as_sent(text: str) -> None:
    assert sound(order(externalReferenceId=text), Order).external_reference_id == text


@pytest.mark.parametrize("bad", ["\x00", "a\x00b", "\ud800", "x\udfff"])
def test_unstorable_characters_make_any_string_invalid(bad: str) -> None:
    named = "1117 orderType lineItems[0].flexDiscountCodes[0]"
    assert verdict(order(line(flexDiscountCodes=[bad]), orderType=bad)) == named
    assert verdict(account(companyName="Acme" + bad), Account) == "1117 profile.companyName"


@pytest.mark.parametrize("control", ["\t", "\n", "\x1f", "\x7f", "\x85", "\x9f"])
def test_control_characters_are_invalid_where_the_field_says_so(control: str) -> None:
    assert verdict(order(externalReferenceId=f"a{control}b")) == "1117 externalReferenceId"
    sound(account(companyName=f"Acme{control}Ltd"), Account)


def test_faults_follow_the_document_and_absent_fields_their_object() -> None:
    contacts = [{"city": 1}, {"city": 2, "country": ""}]
    raw = {"profile": {"contacts": contacts}, "globalSales": 1, "resellerId": None}
    one, other = "profile.contacts[0]", "profile.contacts[1]"
    absent = ["profile.companyName", "profile.address", "resellerId"]
    assert decode(raw, Account) == FieldFaults(
        missing=[f"{one}.country", f"{other}.country", *absent],
        invalid=[f"{one}.city", f"{other}.city", "globalSales"],
    )


def test_faults_of_other_checks_are_merged_in_document_order() -> None:
    raw = order(*[line() for _ in range(11)], customerId="2")
    first = ["lineItems[0].quantity", "lineItems[0].currencyCode", "lineItems[2]"]
    last = ["lineItems[2].offerId", "lineItems[10].offerId", "customerId", "fetch-price"]
    assert in_document_order([*reversed(last), *reversed(first)], raw) == [*first, *last]
    for absent in (["fetch-price", "currencyCode"], ["currencyCode", "fetch-price"]):
        assert in_document_order(absent, raw) == absent


def test_the_list_of_faults_is_bounded() -> None:
    found = decode(order(*[{} for _ in range(MAX_FAULTS)]), Order)
    assert isinstance(found, FieldFaults)
    assert len(found.missing) == MAX_FAULTS


@pytest.mark.parametrize(
    ("hint", "default"),
    [
        (str, ...),  # required, yet "" would do
        (list[str], ...),  # required, yet [] would do
        (int | None, ...),  # required, yet null would do
        (int | str, 0),
        (Any, None),
        (Decimal, Decimal(0)),  # msgspec takes one from a string
        (dict[str, int], None),
    ],
)
def test_declarations_the_rules_cannot_hold_for_are_refused(hint: Any, default: Any) -> None:
    declared = ("name", hint) if default is ... else ("name", hint, default)
    with pytest.raises(TypeError):
        decode({}, msgspec.defstruct("Wrong", [declared], forbid_unknown_fields=True))
    with pytest.raises(TypeError):
        decode({}, msgspec.defstruct("LetsUnknownNamesPass", [("name", int, 0)]))


VALUES = [None, True, 0, 1, 10_001, 10**50, Decimal("3.0"), Decimal("0.5"), Decimal("Infinity")]
TEXTS = ["", " ", "a", "NEW", "USD", "DE", "Acme", "COM", " id ", "x" * 36, "x" * 41, "<b>", "é"]
ODD_TEXTS = ["\x00", "\ud800", "a\tb", "\x7f", "\x85", 'say "x"', "back\\slash", "id\u00a0"]
NAMES = ["offerId", "quantity", "deploymentId", "status", "referenceOrderId", "foo", "\ud800"]
ANYTHING = st.recursive(
    st.sampled_from([*VALUES, *TEXTS, *ODD_TEXTS]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=6,
)
FULL_LINE = line(deploymentId="1", currencyCode="USD", flexDiscountCodes=["A"], status="1000")
FULL_ORDER = order(FULL_LINE, line(), externalReferenceId="7", referenceOrderId="", customerId="1")
FULL_RENEWAL = {"quantity": 5, "address": {"country": "DE", "city": "B"}, "weight": Decimal(0)}
BODIES: list[tuple[dict[str, Any], type[Struct]]] = [
    (FULL_ORDER, Order),
    (account(segments=["EDU"]) | {"globalSales": True}, Account),
    (FULL_RENEWAL | {"enabled": True}, Renewal),
]


def containers(node: Any) -> Iterator[Any]:
    if isinstance(node, dict | list):
        yield node
        for child in node.values() if isinstance(node, dict) else node:
            yield from containers(child)


@st.composite
def edited_bodies(draw: st.DrawFn) -> tuple[dict[str, Any], type[Struct]]:
    """A sound body with up to three changes anywhere."""
    sample, cls = draw(st.sampled_from(BODIES))
    raw = copy.deepcopy(sample)
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
        target = draw(st.sampled_from(list(containers(raw))))
        if isinstance(target, list):
            target[draw(st.integers(0, 1)) :] = [draw(ANYTHING)] * draw(st.integers(0, 2))
        elif draw(st.booleans()):
            target.pop(draw(st.sampled_from([*target, "foo"])), None)
        else:
            target[draw(st.sampled_from([*target, *NAMES]))] = draw(ANYTHING)
    return raw, cls


def is_extraordinary(value: Any) -> bool:
    """Whether a body holds null or text that the quick way leaves to the walk."""
    if isinstance(value, dict):
        return any(is_extraordinary(one) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return any(map(is_extraordinary, value))
    if isinstance(value, str):
        plain = value.isascii() and value.isprintable() and not set(value) & {'"', "\\"}
        return not plain or value != value.strip(" ")
    return value is None


@settings(deadline=None, max_examples=1000)
@given(edited_bodies())
def test_the_quick_way_and_the_walk_agree(case: tuple[dict[str, Any], type[Struct]]) -> None:
    raw, cls = case
    before = copy.deepcopy(raw)
    quick, walked = convert_plain(raw, cls), walk(raw, cls)
    assert decode(raw, cls) == walked
    assert raw == before
    event(type(walked).__name__)
    if quick is not None:
        assert walked == quick
    elif isinstance(walked, cls):
        assert is_extraordinary(raw)
    else:
        assert isinstance(walked, FieldFaults)
        assert walked.first()
        named = [*walked.missing, *walked.too_long, *walked.invalid]
        assert len(set(named)) == len(named)
        assert in_document_order(walked.invalid, raw) == walked.invalid
        assert in_document_order(walked.missing, raw) == walked.missing


DAMAGES = st.dictionaries(
    st.sampled_from(["extLineItemNumber", "offerId", "quantity", "colour"]),
    st.sampled_from([None, "", {"red": 1}]),
)


@settings(deadline=None)
@given(st.lists(DAMAGES, min_size=1, max_size=6))
def test_exactly_the_damaged_fields_are_named(damages: list[dict[str, Any]]) -> None:
    expected: dict[str, set[str]] = {"unexpected": set(), "missing": set(), "invalid": set()}
    for index, damage in enumerate(damages):
        for name, value in damage.items():
            kind = "unexpected" if name == "colour" else "invalid" if value else "missing"
            expected[kind].add(f"lineItems[{index}].{name}")
    found = decode(order(*[line(**damage) for damage in damages]), Order)
    assert isinstance(found, FieldFaults) is any(expected.values())
    for kind, paths in expected.items():
        assert set(getattr(found, kind, ())) == paths
