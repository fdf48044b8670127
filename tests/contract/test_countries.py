"""Countries, price regions, languages and postal code rules."""

import pycountry
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatledger.contract import countries
from seatledger.contract.countries import compile_postal, postal_pattern

UNSUPPORTED = frozenset(
    [
        "AQ", "AX", "BL", "BQ", "BV", "CU", "CW", "EH", "GG", "GS", "HM", "IM", "IO",
        "IR", "JE", "KM", "KP", "MF", "PN", "PW", "SD", "SJ", "SS", "SY", "TF",
    ]
)  # fmt: skip
RULED = sorted(country for country in countries.SUPPORTED if postal_pattern(country))

# country: codes that hold | codes that do not (";" between codes)
POSTAL_CODES = {
    "JM": "10;99 | 1;100",
    "IS": "101;900 | 10;1010",
    "GN": "001;999 | 0001;0A1",
    "AT": "1010;9990 | 101;10100",
    "CH": "8001;1200 | CH-8001;800",
    "AU": "0200;0299;0800;0999;1000;9999 | 0199;0300;0799;0000;999",
    "FI": "00100;99999 | 0010;FI-00100",
    "MX": "01000;99998 | 1000;010000",
    "DE": "01067;01001;99998 | 01000;00999;99999;1067",
    "CN": "100000;999078 | 10000;1000000",
    "SG": "018956;238823 | 18956;S238823",
    "CL": "8320000;0000001 | 832000;83200000",
    "BH": "317;1216 | 31;12160",
    "VN": "1;700000 | 7000000;1A",
    "IN": "110 001;110001 | 11000;110-001",
    "SE": "111 22;11122 | 1112;11 122;111-22",
    "GR": "104 31;999 99 | 10431;104  31",
    "JP": "100-0001;1000001 | 100 0001;100-001",
    "TW": "100;100-01;100-001 | 10001;100-0001;100-",
    "PL": "00-001;99-999 | 00001;00 001",
    "PT": "1000-001;9999-999 | 1000001;1000",
    "US": "95110;95110-1234 | 9511;951101234;95110-123;95110-",
    "SA": "11564;11564-1234 | 115641234;1156",
    "BR": "01310;01310-100;01310100 | 0131;01310-10;01310-",
    "CR": "10101;10101-1000;101011000 | 1010;10101-;10101-100",
    "VE": "1010;1010A;1010-a | 101;1010-;1010-1",
    "NL": "1012 AB;1012ab | 1012;1012-AB;1012 A",
    "AR": "1425;C1425;C1425ABC;1425abc | 142;C1425AB;CC1425",
    "SZ": "H100;m200 | 100;HH100;H1000",
    "BN": "BS8675;kb2333 | BS867;B8675;BS 8675",
    "HN": "CM1102;11101 | CM11011;1110;C11101",
    "SO": "JH 09010;jh09010 | JH 0901;J 09010;JH-09010",
    "GH": "GA-0144-1234;AK123;AK1234;AK12345 | GA-014-1234;AK12;AK123456",
    "MT": "VLT 1117;vlt1117 | VL 1117;VLT 111;VLT-1117",
    "CA": "K1A 0B1;v6b 4y8;X0A 0H0 | K1A0B1;K1A-0B1;W1A 0B1;D1A 0B1;K1D 0B1;K1A 0O1",
    "GB": "SW1A 1AA;sw1a1aa;M1 1AE;W1A 0AX;GIR 0AA;M1 1A | SW1A;1AA SW1A;SW1A-1AA;GIR;S 1AA",
    "IE": "D02 AF30;a65f4e2 | D02 AF3;D0 AF30;D02-AF30",
    "BE": "1000;B-1000;b-9999 | B1000;100;BE-1000",
    "BB": "11000;BB11000;bb14034 | B11000;1100;BB 11000",
    "FR": "75001;F-75001;2A004;F-2b600 | 7500;FR-75001;2C004;2A0040;F-2A00",
    "IT": "00118;I-00118;V-00120;v-00120 | 0011;IT-00118;I00118",
    "PE": "15001;PE 1500;pe 1500 | PE1500;1500;PE 15001",
    "AD": "AD500;ad700 | 500;AD50;AB500;AD5000",
    "AI": "AI-2640;ai-2640 | AI2640;2640;AI-2641",
    "AZ": "AZ 1000;AZ1000 | 1000;AZ-1000;AB 1000",
    "FK": "FIQQ 1ZZ;fiqq 1zz | FIQQ1ZZ;FIQA 1ZZ;FIQQ 2ZZ",
    "GI": "GX11 1AA;GX111AA | GX11 1AB;GX12 1AA",
    "KY": "KY1-1001;ky9-9999 | KY1001;KY11-1001;KY1 1001",
    "LC": "LC04 101;lc99 999 | LC04101;LC04  101;LC4 101",
    "LV": "LV-1010;lv-5001 | 1010;LV1010;LT-1010",
    "MD": "MD-2000;MD2000 | 2000;MD 2000;MA-2000",
    "MS": "MSR1110;msr1350 | 1110;MSR 1110;MST1110",
    "SH": "STHL 1ZZ;ascn 1zz | STHL1ZZ;STH 1ZZ;STHL 2ZZ",
    "TC": "TKCA 1ZZ;tkca 1zz | TKCA1ZZ;TKCB 1ZZ;TKCA 1ZA",
    "VC": "VC0100;vc0400 | 0100;VC010;VA0100",
    "VG": "VG1110;vg1160 | 1110;VG111;VC1110",
    "WS": "WS1010;ws9999 | 1010;WS101;WA1010",
    "KH": "12000;12999 | 13000;1200;120000",
    "SM": "47890;47899 | 47880;4789;478900",
    "VA": "00120 | 00121;0120",
    "PM": "97500 | 97501;9750",
    "GP": "97100;97199 | 97200;9710",
    "MQ": "97200;97299 | 97100;9720",
    "GF": "97300;97399 | 97400;9730",
    "RE": "97400;97499 | 97300;9740",
    "YT": "97600;97699 | 97500;9760",
    "MC": "98000;98099 | 97000;9800",
    "WF": "98600;98699 | 98700;9860",
    "PF": "98700;98799 | 98600;9870",
    "NC": "98800;98899 | 98700;9880",
}


def _matches(country: str, code: str) -> bool:
    rule = postal_pattern(country)
    assert rule is not None
    return rule.fullmatch(code) is not None


def test_supported_countries_are_iso_3166_without_the_unsupported_ones() -> None:
    iso = {country.alpha_2 for country in pycountry.countries}
    assert iso >= UNSUPPORTED
    assert len(UNSUPPORTED) == 25
    assert iso - UNSUPPORTED == countries.SUPPORTED
    assert len(countries.SUPPORTED) == 224


def test_every_country_lies_in_exactly_one_price_region() -> None:
    assert set(countries.PRICE_REGIONS) == {"NA", "LA", "MX", "PA", "JP", "AP", "EE", "WE"}
    listed = [one for region in countries.PRICE_REGIONS for one in countries.countries_of(region)]
    assert sorted(listed) == sorted(countries.SUPPORTED)
    for region in countries.PRICE_REGIONS:
        assert {countries.price_region(one) for one in countries.countries_of(region)} == {region}


@pytest.mark.parametrize(
    ("country", "region"),
    [
        ("US", "NA"), ("PR", "NA"), ("DE", "WE"), ("VA", "WE"), ("NZ", "PA"), ("JP", "JP"),
        ("MX", "MX"), ("GP", "LA"), ("FM", "AP"), ("ST", "AP"), ("RE", "EE"), ("TR", "EE"),
    ],
)  # fmt: skip
def test_price_region_of_a_country(country: str, region: str) -> None:
    assert countries.price_region(country) == region


@pytest.mark.parametrize("country", ["CU", "XX", "us", "USA", ""])
def test_an_unsupported_country_has_no_price_region(country: str) -> None:
    assert country not in countries.SUPPORTED
    with pytest.raises(KeyError):
        countries.price_region(country)


@pytest.mark.parametrize(
    ("regions", "currencies"),
    [
        ("NA LA MX EE AP", ("USD",)),
        ("PA", ("AUD",)),
        ("JP", ("JPY",)),
        ("WE", ("EUR", "GBP")),
    ],
)
def test_default_currencies(regions: str, currencies: tuple[str, ...]) -> None:
    assert {countries.default_currencies(region) for region in regions.split()} == {currencies}


def test_an_unknown_price_region_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        countries.countries_of("EU")
    with pytest.raises(KeyError):
        countries.default_currencies("EU")


def test_locales_are_listed_in_their_exact_case() -> None:
    assert len(countries.LOCALES) == 43
    assert {"en-US", "de-DE", "es-LA", "fr-XM", "sr-SP", "zh-HANT"} <= countries.LOCALES
    assert countries.LOCALES.isdisjoint({"en-us", "de-AT", "zh-hant", ""})


def _iso_regions(country: str, kind: str | None = None) -> frozenset[str]:
    return frozenset(
        one.code.removeprefix(f"{country}-")
        for one in pycountry.subdivisions
        if one.country_code == country and kind in (None, one.type)
    )


def test_united_states_regions_are_the_states_the_district_and_the_armed_forces() -> None:
    states = _iso_regions("US", "State")
    assert len(states) == 50
    assert countries.regions_of("US") == states | {"DC", "AA", "AE", "AP"}


def test_canadian_regions_are_the_provinces_and_the_older_code_of_quebec() -> None:
    assert countries.regions_of("CA") == _iso_regions("CA") | {"PQ"}


def test_no_other_country_has_a_closed_list_of_regions() -> None:
    closed = {one for one in countries.SUPPORTED if countries.regions_of(one) is not None}
    assert closed == {"US", "CA"}


@pytest.mark.parametrize("country", POSTAL_CODES)
def test_postal_codes(country: str) -> None:
    good, bad = (side.split(";") for side in POSTAL_CODES[country].split(" | "))
    assert [code for code in good if not _matches(country, code)] == []
    assert [code for code in bad if _matches(country, code)] == []


def test_the_table_of_postal_codes_covers_every_rule() -> None:
    covered = {postal_pattern(country) for country in POSTAL_CODES}
    assert {postal_pattern(country) for country in RULED} == covered


def test_countries_share_the_rule_of_their_row() -> None:
    assert len(RULED) == 165
    assert postal_pattern("PR") is postal_pattern("US")
    assert postal_pattern("CZ") is postal_pattern("SK")


@pytest.mark.parametrize("country", ["HK", "AE", "AO", "CU", "us", ""])
def test_a_country_without_a_rule(country: str) -> None:
    assert postal_pattern(country) is None


def test_number_ranges_hold_for_every_number() -> None:
    australian = {*range(200, 300), *range(800, 1000), *range(1000, 10_000)}
    assert {n for n in range(10_000) if _matches("AU", f"{n:04}")} == australian
    assert {n for n in range(100_000) if _matches("DE", f"{n:05}")} == set(range(1001, 99_999))


@given(data=st.data())
@settings(deadline=None)
def test_a_range_holds_exactly_the_numbers_within_its_bounds(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 5))
    numbers = st.integers(0, 10**width - 1)
    low, high = sorted((data.draw(numbers), data.draw(numbers)))
    rule = compile_postal(f"<{low:0{width}}-{high:0{width}}>")
    near = st.sampled_from([low, high, max(low - 1, 0), min(high + 1, 10**width - 1)])
    for number in data.draw(st.lists(numbers | near, min_size=5)):
        assert bool(rule.fullmatch(f"{number:0{width}}")) is (low <= number <= high)


@given(data=st.data())
@settings(deadline=None)
def test_a_code_of_the_rule_matches_in_either_case_and_only_as_a_whole(data: st.DataObject) -> None:
    country = data.draw(st.sampled_from(RULED))
    rule = postal_pattern(country)
    assert rule is not None
    code = data.draw(st.from_regex(rule, fullmatch=True))
    assert code.isascii()
    for same in (code, code.upper(), code.lower()):
        assert _matches(country, same)
    for other in (f"{code}\n", f" {code}", f"{code} ", f"{code}1111111", f"-{code}", ""):
        assert not _matches(country, other)


@pytest.mark.parametrize(
    ("country", "code"),
    [
        ("US", "９５１１０"),
        ("US", "٩٥١١٠"),
        ("NL", "1012 ſK"),
        ("NL", "1012 \u212aA"),
        ("GR", "104\u300031"),
    ],
)
def test_only_ascii_digits_letters_and_blanks_count(country: str, code: str) -> None:
    assert not _matches(country, code)


@pytest.mark.parametrize(
    ("notation", "good", "bad"),
    [
        ("9AX", ["1B3", "1bc"], ["AB3", "113", "1B-"]),
        ("9_9-9", ["1 2-3"], ["12-3", "1 2 3"]),
        ("'9A'9", ["9A1", "9a2"], ["111", "9B1"]),
        ("{AC-E}9", ["A1", "d2"], ["B1", "F1"]),
        ("9[[-]9]", ["1", "12", "1-2"], ["1-", "123"]),
        ("['B-'|'L-']99|A", ["12", "B-12", "L-12", "x"], ["B-", "B-L-12", "BX"]),
        ("'1.2'", ["1.2"], ["1x2"]),
    ],
)
def test_the_notation(notation: str, good: list[str], bad: list[str]) -> None:
    rule = compile_postal(notation)
    assert all(rule.fullmatch(code) for code in good)
    assert not any(rule.fullmatch(code) for code in bad)


@pytest.mark.parametrize("notation", ["99B9", "'AD", "{ab}", "9 9", "<1-22>", "<20-10>"])
def test_what_the_notation_does_not_know_is_refused(notation: str) -> None:
    with pytest.raises(ValueError, match=r"cannot read|not a range"):
        compile_postal(notation)
