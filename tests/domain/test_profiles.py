"""Validation of company profiles as sent, and their stored form."""

import copy
import sys
import unicodedata
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatledger.contract.countries import LOCALES, countries_of
from seatledger.domain.profiles import (
    ProfileKind,
    duplicate_key,
    identity_of_contact,
    normalized_profile,
    profile_faults,
)

SOLD_IN = countries_of("NA") | countries_of("WE")
FAIRMONT: dict[str, Any] = {
    "companyName": "Fairmont",
    "preferredLanguage": "en-US",
    "address": {
        "country": "US",
        "region": "CA",
        "city": "San Jose",
        "addressLine1": "200 Fairmont Ave",
        "addressLine2": "Apt 123",
        "postalCode": "95110-1234",
        "phoneNumber": "800-123-4567",
    },
    "contacts": [
        {
            "firstName": "Donald",
            "lastName": "Duck",
            "email": "donald@duck.com",
            "phoneNumber": "408-123-4567",
        }
    ],
}


def judged(profile: dict[str, Any], kind: ProfileKind = "customer") -> list[str]:
    return profile_faults(profile, countries=SOLD_IN, kind=kind)


def faults(kind: ProfileKind = "customer", **changes: object) -> list[str]:
    return profile_faults({**FAIRMONT, **changes}, prefix="p", countries=SOLD_IN, kind=kind)


def contact_faults(**changes: object) -> list[str]:
    return faults(contacts=[{**FAIRMONT["contacts"][0], **changes}])


def with_address(**changes: object) -> dict[str, Any]:
    return {**FAIRMONT, "address": {**FAIRMONT["address"], **changes}}


@pytest.mark.parametrize("kind", ["reseller", "customer"])
def test_a_valid_profile_has_no_faults(kind: ProfileKind) -> None:
    assert judged(FAIRMONT, kind) == []


@pytest.mark.proves("accounts.md 7")
def test_name_too_short_and_first_name_too_long() -> None:
    profile = copy.deepcopy(FAIRMONT)
    profile["companyName"] = "Abc"
    profile["contacts"][0]["firstName"] = "x" * 36
    assert judged(profile) == [
        "companyProfile.companyName",
        "companyProfile.contacts[0].firstName",
    ]


@pytest.mark.proves("accounts.md 8")
def test_a_wrong_postal_code_alone_and_beside_a_bad_email() -> None:
    profile = copy.deepcopy(with_address(postalCode="9511"))
    assert judged(profile) == ["companyProfile.address.postalCode"]
    profile["contacts"][0]["email"] = "donald.duck.com"
    assert judged(profile) == [
        "companyProfile.address.postalCode",
        "companyProfile.contacts[0].email",
    ]


@pytest.mark.proves("accounts.md 9")
def test_a_london_postal_code_in_madrid() -> None:
    profile = with_address(country="GB", region="00", postalCode="SW1A 1AA", city="Madrid")
    assert judged(profile) == []


@pytest.mark.proves("accounts.md 10")
def test_region_country_and_language_outside_their_lists() -> None:
    for changes, path in (
        ({"region": "00"}, "companyProfile.address.region"),
        ({"country": "CU"}, "companyProfile.address.country"),
        ({"country": "JP"}, "companyProfile.address.country"),
    ):
        assert judged(with_address(**changes)) == [path]
    language = judged({**FAIRMONT, "preferredLanguage": "de-AT"})
    assert language == ["companyProfile.preferredLanguage"]


def test_faults_come_in_document_order_whatever_the_order_of_the_keys() -> None:
    profile = {
        "contacts": [{"phoneNumber": "<", "email": "x"}, {"lastName": ""}],
        "address": {"postalCode": "1", "country": "US"},
        "companyName": "Abc",
    }
    assert judged(profile) == [
        "companyProfile.contacts[0].phoneNumber",
        "companyProfile.contacts[0].email",
        "companyProfile.contacts[1].lastName",
        "companyProfile.address.postalCode",
        "companyProfile.companyName",
    ]


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("Abcd", True),
        ("Abc", False),
        ("x" * 80, True),
        ("x" * 81, False),
        ("株式会社アドビ", True),
        ("全角　スペース", True),
        ("（有）山田＆鈴木・田中", True),
        ("ＡＢＣ１２３", True),
        ("𠮷野家商店", True),
        ("ÅÄÖ Ødegård Ⅷ", True),
        ("Müller & Söhne, Nr. 1/2 (Süd) - 'A' \"B\"", True),
        ("snake_case", True),
        ("١٢٣٤", True),
        ("    ", True),
        ("Acme!", False),
        ("Acme\tGmbH", False),
        ("Acme\n", False),
        ("Acme@home", False),
        ("Acme＋Ｃｏ", False),
        ("Mu\u0308ller", False),
        ("Acme 😀", False),
        ("Acme\x00", False),
        ("Acme\ud800", False),
        ("", False),
    ],
)
def test_company_name(name: str, valid: bool) -> None:
    assert faults(companyName=name) == ([] if valid else ["p.companyName"])


@pytest.mark.parametrize("name", ["firstName", "lastName"])
@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("A", True),
        ("", False),
        ("x" * 35, True),
        ("x" * 36, False),
        ("李", True),
        ("山田　太郎", True),
        ('O\'Neil-Smith, Jr. & "Co" ＆ x_1', True),
        ("José", True),
        ("Jose\u0301", False),
        ("A(B)", False),
        ("A/B", False),
        ("<b>", False),
        ("A\n", False),
    ],
)
def test_names_of_contacts(name: str, text: str, valid: bool) -> None:
    assert contact_faults(**{name: text}) == ([] if valid else [f"p.contacts[0].{name}"])


def test_names_take_exactly_the_letters_and_numbers_of_unicode() -> None:
    signs = set("_ \u3000,.＆&'\"-")
    letters = {
        chr(point)
        for point in range(sys.maxunicode + 1)
        if unicodedata.category(chr(point))[0] in "LN"
    }
    accepted = {
        chr(point)
        for point in range(sys.maxunicode + 1)
        if not profile_faults(
            {"contacts": [{"firstName": chr(point)}]}, countries=(), kind="customer"
        )
    }
    assert accepted == letters | signs


@pytest.mark.parametrize(
    "email",
    [
        "a@b.co",
        "A.B+tag@Sub.Example.COM",
        "o'neil!#$%&*/=?^_`{|}~-@example.com",
        '"john doe"@example.com',
        '"a@b"@example.com',
        '"a\\"b"@example.com',
        "root@[192.168.0.1]",
        "root@[IPv6:2001:db8::1]",
        "qa@acme.test",
        "qa@mail.acme.local",
        "qa@acme.example",
        "a@xn--bcher-kva.de",
        "a" * 64 + "@example.com",
        "a" * 230 + "@acme.test",
    ],
)
def test_emails_that_hold(email: str) -> None:
    assert contact_faults(email=email) == []


@pytest.mark.parametrize(
    "email",
    [
        "", "a", "@b.co", "a@", "a@b", "a@localhost", "a.b.co", "a@@b.co", "a@b@c.co", ".a@b.co",
        "a.@b.co", "a..b@b.co", "a@b..co", "a@.co", "a@b.co.", "a@-b.co", "a@b-.co", "a@b_c.co",
        "a b@c.co", "a@b.co ", " a@b.co", "a@b.co\n", "a@b .co", "Bob <a@b.co>", "<a@b.co>",
        '"Bob" <a@b.co>', '"a@b.co', 'a"b"@c.co', '""@b.co', "root@[300.1.1.1]", "root@[1.2.3.4",
        "root@1.2.3.4]", "root@[IPv6:zz]", "ü@b.co", "a@bücher.de", "a@b.co,c@d.co",
        "a" * 231 + "@acme.test", "a\x00@b.co", "a@b\ud800.co",
    ],
)  # fmt: skip
def test_emails_that_do_not(email: str) -> None:
    assert contact_faults(email=email) == ["p.contacts[0].email"]


@pytest.mark.parametrize(
    ("number", "valid"),
    [("", True), ("+1 (408) 123-4567", True), ("1" * 40, True), ("1" * 41, False), ("<1>", False)],
)
def test_phone_number_of_a_contact(number: str, valid: bool) -> None:
    assert contact_faults(phoneNumber=number) == ([] if valid else ["p.contacts[0].phoneNumber"])


def test_every_contact_is_judged() -> None:
    good, bad = FAIRMONT["contacts"][0], {**FAIRMONT["contacts"][0], "email": "x"}
    assert faults(contacts=[good, bad] * 50) == [f"p.contacts[{n}].email" for n in range(1, 100, 2)]


def test_no_contacts_are_left_to_the_caller() -> None:
    assert faults(contacts=[]) == []


def test_languages_in_their_exact_case() -> None:
    assert [one for one in LOCALES if faults(preferredLanguage=one)] == []
    for language in ("en-us", "EN-US", "en", "de-AT", "zh-Hant", ""):
        assert faults(preferredLanguage=language) == ["p.preferredLanguage"]


@pytest.mark.parametrize(
    ("segments", "valid"),
    [
        (["COM"], True), (["EDU", "COM"], True), (["COM", "EDU", "GOV"], True), ([], False),
        (["COM", "COM"], False), (["COM", "MIL"], False), (["com"], False), ([""], False),
        ([1, None, {}], True),
    ],
)  # fmt: skip
def test_market_segments_of_a_reseller(segments: list[object], valid: bool) -> None:
    assert faults("reseller", marketSegments=segments) == ([] if valid else ["p.marketSegments"])
    assert faults("customer", marketSegments=segments) == []


@pytest.mark.parametrize(
    ("segment", "valid"),
    [("COM", True), ("EDU", True), ("GOV", True), ("com", False), ("MIL", False), ("", False)],
)
def test_market_segment_of_a_customer(segment: str, valid: bool) -> None:
    assert faults("customer", marketSegment=segment) == ([] if valid else ["p.marketSegment"])
    assert faults("reseller", marketSegment=segment) == []


@pytest.mark.parametrize("value", [None, 5, 1.5, True, [], {}, [[]], [None], ["x"]])
@pytest.mark.parametrize("kind", ["reseller", "customer"])
def test_values_of_other_types_are_passed_over(value: object, kind: ProfileKind) -> None:
    profile = dict.fromkeys([*FAIRMONT, "marketSegment", "other"], value)
    profile["contacts"] = [value, dict.fromkeys(FAIRMONT["contacts"][0], value)]
    assert judged(profile, kind) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*FAIRMONT["address"], *FAIRMONT["contacts"][0]]) | st.text(), inner
        )
    ),
    max_leaves=8,
)


@given(
    profile=st.dictionaries(
        st.sampled_from([*FAIRMONT, "marketSegment", "marketSegments", "other"]), JSON
    ),
    kind=st.sampled_from(get_args(ProfileKind)),
)
@settings(deadline=None)
def test_any_json_is_judged_without_an_exception(
    profile: dict[str, Any], kind: ProfileKind
) -> None:
    judged(profile, kind)
    normalized_profile(profile, kind)


@given(st.text() | st.emails() | st.from_regex(r"[\x00-\x7f]*@[\x00-\x7f]*"))
@settings(deadline=None)
def test_any_text_is_judged_as_an_email_without_an_exception(text: str) -> None:
    assert contact_faults(email=text) in ([], ["p.contacts[0].email"])


def test_stored_customer_has_every_key_in_the_order_of_the_sample() -> None:
    raw = {
        "contacts": [{"email": "a@b.co", "lastName": "B", "firstName": "A"}],
        "address": {"country": "HK", "region": "00", "city": "C", "addressLine1": "D"},
        "preferredLanguage": "en-GB",
        "companyName": " Acme　Ltd ",
    }
    stored = normalized_profile(raw, "customer")
    address = {
        "country": "HK",
        "region": "00",
        "city": "C",
        "addressLine1": "D",
        "addressLine2": "",
        "postalCode": "",
        "phoneNumber": "",
    }
    contact = {"firstName": "A", "lastName": "B", "email": "a@b.co", "phoneNumber": ""}
    expected = {
        "companyName": " Acme　Ltd ",
        "preferredLanguage": "en-GB",
        "marketSegment": "COM",
        "marketSubSegments": [],
        "address": address,
        "contacts": [contact],
    }
    assert stored == expected
    assert list(stored) == list(expected)
    assert list(normalized_profile(raw, "reseller")) == [
        "companyName",
        "preferredLanguage",
        "marketSegments",
        "address",
        "contacts",
    ]


def test_segments_are_kept_as_sent_and_default_to_commercial() -> None:
    reseller = normalized_profile({"marketSegments": ["GOV", "COM"]}, "reseller")
    assert reseller["marketSegments"] == ["GOV", "COM"]
    for unset in ({}, {"marketSegments": None, "marketSegment": None, "marketSubSegments": None}):
        assert normalized_profile(unset, "reseller")["marketSegments"] == ["COM"]
        customer = normalized_profile(unset, "customer")
        assert (customer["marketSegment"], customer["marketSubSegments"]) == ("COM", [])
    agency = {"marketSegment": "GOV", "marketSubSegments": ["FEDERAL"]}
    customer = normalized_profile(agency, "customer")
    assert (customer["marketSegment"], customer["marketSubSegments"]) == ("GOV", ["FEDERAL"])


def test_a_stored_profile_is_its_own_stored_form() -> None:
    stored = normalized_profile(FAIRMONT, "customer")
    assert normalized_profile(stored, "customer") == stored
    assert judged(stored) == []


def test_contacts_are_told_apart_without_regard_to_case() -> None:
    assert identity_of_contact("A.Lee@B.Com") == identity_of_contact("a.lee@b.com") == "a.lee@b.com"
    assert identity_of_contact("a.lee@b.com") != identity_of_contact("alee@b.com")


def test_duplicates_are_found_without_regard_to_case() -> None:
    assert duplicate_key("STRASSE & Co", "A@B.com") == duplicate_key("straße & co", "a@b.COM")
    assert duplicate_key("Acme", "a@b.com") != duplicate_key("Acme ", "a@b.com")
    assert duplicate_key("Acme", "a@b.com") != duplicate_key("Acme", "b@b.com")
