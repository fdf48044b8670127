"""Validation of addresses as sent, and their stored form."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatledger.contract.countries import SUPPORTED, countries_of, postal_pattern
from seatledger.domain.addresses import address_faults, missing_postal_code, normalized_address

SOLD_IN = countries_of("NA") | countries_of("WE")
SAN_JOSE = {
    "country": "US",
    "region": "CA",
    "city": "San Jose",
    "addressLine1": "200 Fairmont Ave",
    "addressLine2": "Apt 123",
    "postalCode": "95110-1234",
    "phoneNumber": "800-123-4567",
}


def faults(**changes: object) -> list[str]:
    return address_faults({**SAN_JOSE, **changes}, prefix="a", countries=SOLD_IN)


def test_a_valid_address_has_no_faults() -> None:
    assert faults() == []


def test_paths_carry_the_whole_way_by_default() -> None:
    address = {**SAN_JOSE, "city": "<b>"}
    assert address_faults(address, countries=SOLD_IN) == ["companyProfile.address.city"]


@pytest.mark.parametrize("country", ["CU", "JP", "us", "USA", "XX", "00", ""])
def test_a_country_outside_is_the_only_one_of_the_three_to_be_named(country: str) -> None:
    assert faults(country=country, region="??", postalCode="?") == ["a.country"]


def test_other_fields_are_named_beside_a_country_outside() -> None:
    assert faults(country="CU", city="x" * 41, postalCode="?") == ["a.country", "a.city"]


@pytest.mark.parametrize("region", ["CA", "NY", "DC", "AA", "AE", "AP"])
def test_regions_of_the_united_states(region: str) -> None:
    assert faults(region=region) == []


@pytest.mark.parametrize("region", ["00", "PR", "GU", "ON", "ca", "California", ""])
def test_other_regions_are_refused_in_the_united_states(region: str) -> None:
    assert faults(region=region) == ["a.region"]


@pytest.mark.parametrize(
    ("region", "valid"),
    [("ON", True), ("QC", True), ("PQ", True), ("00", False), ("NY", False), ("on", False)],
)
def test_regions_of_canada(region: str, valid: bool) -> None:
    expected = [] if valid else ["a.region"]
    assert faults(country="CA", postalCode="K1A 0B1", region=region) == expected


@pytest.mark.parametrize(
    ("region", "valid"),
    [
        ("00", True), ("SN", True), ("1", True), ("BE1", True), ("ABCD", True), ("ABCDE", False),
        ("sn", False), ("S-N", False), ("", False), ("Ä", False), ("１", False), ("SN\n", False),
    ],
)  # fmt: skip
def test_elsewhere_only_the_form_of_a_region_counts(region: str, valid: bool) -> None:
    expected = [] if valid else ["a.region"]
    assert faults(country="DE", postalCode="01067", region=region) == expected


@pytest.mark.parametrize("country", sorted(SUPPORTED - {"US", "CA"}))
def test_region_00_is_allowed_in_every_other_country(country: str) -> None:
    address = {"country": country, "region": "00"}
    assert address_faults(address, countries=SUPPORTED) == []


def test_city_region_and_postal_code_are_not_compared() -> None:
    assert faults(country="GB", region="00", city="Madrid", postalCode="SW1A 1AA") == []


@pytest.mark.parametrize(
    ("name", "limit"),
    [("city", 40), ("addressLine1", 60), ("addressLine2", 60), ("phoneNumber", 40)],
)
def test_free_text_is_bounded_and_without_markup(name: str, limit: int) -> None:
    for good in ("", "x" * limit, "名" * limit, "😀" * limit, "Zürich, Straße 1; c/o 'A'\n2"):
        assert faults(**{name: good}) == []
    for bad in ("x" * (limit + 1), "a<b", "a>b", 'a"b', "a\x00b", "a\ud800b"):
        assert faults(**{name: bad}) == [f"a.{name}"]


def test_without_a_rule_a_postal_code_is_free_text_of_forty_characters() -> None:
    for code, valid in (("", True), ("999077", True), ("x" * 40, True), ("x" * 41, False)):
        address = {"country": "HK", "region": "00", "postalCode": code}
        expected = [] if valid else ["companyProfile.address.postalCode"]
        assert address_faults(address, countries=SUPPORTED) == expected
    assert address_faults({"country": "HK", "postalCode": "<i>"}, countries=SUPPORTED)


def test_faults_come_in_document_order_whatever_the_order_of_the_keys() -> None:
    address = {"postalCode": "1", "region": "00", "phoneNumber": "<", "country": "US"}
    expected = ["a.postalCode", "a.region", "a.phoneNumber"]
    assert address_faults(address, prefix="a", countries=SOLD_IN) == expected


@pytest.mark.parametrize("value", [None, 5, 1.5, True, [], {}, ["US"]])
def test_values_of_other_types_are_passed_over(value: object) -> None:
    assert address_faults(dict.fromkeys(SAN_JOSE, value), countries=SOLD_IN) == []
    assert faults(country=value, region="??", postalCode="?") == []


def test_unknown_names_and_absent_fields_are_passed_over() -> None:
    assert address_faults({"colour": "<red>"}, countries=SOLD_IN) == []
    assert address_faults({}, countries=SOLD_IN) == []


@pytest.mark.parametrize(
    ("address", "missing"),
    [
        ({"country": "US"}, True),
        ({"country": "US", "postalCode": None}, True),
        ({"country": "US", "postalCode": ""}, True),
        ({"country": "US", "postalCode": "?"}, False),
        ({"country": "US", "postalCode": 95110}, False),
        ({"country": "HK"}, False),
        ({"country": "HK", "postalCode": ""}, False),
        ({"country": "CU"}, False),
        ({"country": ["US"]}, False),
        ({}, False),
    ],
)
def test_a_postal_code_is_missing_where_the_country_has_a_rule(
    address: dict[str, object], missing: bool
) -> None:
    assert missing_postal_code(address) is missing


def test_a_missing_postal_code_is_not_named_as_invalid_too() -> None:
    assert faults(postalCode="") == []


@given(data=st.data())
@settings(deadline=None)
def test_every_code_of_a_countrys_rule_is_accepted(data: st.DataObject) -> None:
    country = data.draw(st.sampled_from(sorted(SUPPORTED)))
    rule = postal_pattern(country)
    codes = st.from_regex(rule, fullmatch=True) if rule else st.just("")
    address = {"country": country, "postalCode": data.draw(codes)}
    assert address_faults(address, countries=SUPPORTED) == []
    assert not missing_postal_code(address)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(address=st.dictionaries(st.sampled_from([*SAN_JOSE, "other"]), JSON | st.just("US")))
@settings(deadline=None)
def test_any_json_is_judged_without_an_exception(address: dict[str, Any]) -> None:
    found = address_faults(address, prefix="a", countries=SOLD_IN)
    assert found == [f"a.{name}" for name in address if f"a.{name}" in found]
    missing_postal_code(address)
    assert set(map(type, normalized_address(address).values())) == {str}


def test_the_stored_form_has_every_key_in_the_order_of_the_samples() -> None:
    assert list(normalized_address({}).items()) == [(name, "") for name in SAN_JOSE]
    shuffled = dict(reversed(SAN_JOSE.items()))
    assert list(normalized_address(shuffled).items()) == list(SAN_JOSE.items())


def test_text_is_stored_byte_for_byte_and_null_like_absent() -> None:
    stored = normalized_address({"city": "  Mu\u0308nchen ", "addressLine2": None})
    assert stored["city"] == "  Mu\u0308nchen "
    assert stored["addressLine2"] == ""
