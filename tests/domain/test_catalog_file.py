"""Loading price lists and discounts: all or nothing, every bad row with its line."""

import csv
from datetime import date
from io import StringIO

import pytest

from seatledger.domain.catalog_file import CatalogFileError, LoadedCatalog, read_catalog
from seatledger.domain.discount_file import read_discounts
from tests.samples import data_file

Row = dict[str, str]


def rows(name: str) -> list[Row]:
    return list(csv.DictReader(data_file(name).splitlines()))


def text_of(found: list[Row]) -> str:
    written = StringIO()
    writer = csv.DictWriter(written, list(found[0]))
    writer.writeheader()
    writer.writerows(found)
    return written.getvalue()


CATALOG, DISCOUNTS = rows("sample_catalog.csv"), rows("sample_flex_discounts.csv")


def catalog(*changed: Row) -> LoadedCatalog:
    """A catalogue of copies of the first sample row (line 2) with changes, one for each."""
    return read_catalog(text_of([{**CATALOG[0], **changes} for changes in changed]))


def problems(*changed: Row) -> tuple[str, ...]:
    with pytest.raises(CatalogFileError) as refused:
        catalog(*changed)
    assert str(refused.value) == "; ".join(refused.value.problems)
    return refused.value.problems


def discount_problems(*changed: Row) -> tuple[str, ...]:
    with pytest.raises(CatalogFileError) as refused:
        read_discounts(text_of([{**DISCOUNTS[0], **changes} for changes in changed]))
    return refused.value.problems


def test_the_sample_catalogue_loads_without_a_warning() -> None:
    loaded = read_catalog(data_file("sample_catalog.csv"))
    assert (loaded.rows, loaded.warnings) == (125, ())


@pytest.mark.proves("catalog.md 35")
def test_overlapping_windows_are_refused_with_both_lines() -> None:
    found = problems(
        {"lastOrderDate": "2026-01-31"},
        {"offerId": "11073058CA02A12", "level": "02", "partnerPrice": "365.00"},
        {"firstOrderDate": "2026-01-31"},
    )
    assert found == ("row 4: window of 11073058CA01A12 overlaps that of row 2",)


def test_the_same_key_twice_is_an_overlap() -> None:
    found = problems({"partnerPrice": "380.00"}, {})
    assert found == ("row 3: window of 11073058CA01A12 overlaps that of row 2",)


@pytest.mark.parametrize(
    "other",
    [
        {"firstOrderDate": "2026-02-01"},
        {"region": "LA"},
        {"region": "WE", "currency": "EUR"},
        {"priceListType": "3YC"},
        {"priceListType": "3YC", "discountCode": "HVD_L18_PRE"},
    ],
)
def test_windows_of_other_keys_do_not_overlap(other: Row) -> None:
    assert catalog({"lastOrderDate": "2026-01-31"}, other).rows == 2


def test_windows_may_meet_and_the_last_may_stay_open() -> None:
    loaded = catalog({"lastOrderDate": "2026-01-31"}, {"firstOrderDate": "2026-02-01"})
    assert [row.last_day for row in loaded.catalog.rows] == [
        date(2026, 1, 31),
        date(9999, 12, 31),
    ]


def test_a_better_level_must_not_cost_more() -> None:
    found = problems(
        {"partnerPrice": "365.00"},
        {"offerId": "11073058CA02A12", "level": "02", "partnerPrice": "365.01"},
    )
    assert found == ("row 3: price 365.01 is above that of the lower level in row 2",)


def test_levels_of_two_scales_are_not_compared() -> None:
    plain = {"offerId": "11073058CA02A12", "level": "02", "partnerPrice": "365.00"}
    committed = {"offerId": "11073058CA12A12", "level": "12", "partnerPrice": "350.00"}
    high = {"offerId": "11073058CA13A12", "level": "13", "partnerPrice": "350.01"}
    in_one_list = [{**row, "priceListType": "3YC"} for row in (committed, plain)]
    assert catalog(*in_one_list).rows == 2
    found = problems(*in_one_list, {**high, "priceListType": "3YC"})
    assert found == ("row 4: price 350.01 is above that of the lower level in row 2",)


def test_an_add_on_needs_its_base_in_the_file() -> None:
    assert problems({}, {"offerId": "30005893CA01A12", "addOnFor": "65304479CA|11073058CA"}) == (
        "row 3: add-on target 65304479CA is not in the file",
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"offerId": "11073058CA01"}, "offerId '11073058CA01' has not 15 characters"),
        ({"partnerPrice": "0"}, "partnerPrice '0' is not positive"),
        ({"partnerPrice": "-1"}, "partnerPrice '-1' is not positive"),
        ({"partnerPrice": "NaN"}, "partnerPrice 'NaN' is not positive"),
        ({"partnerPrice": "ten"}, "partnerPrice 'ten' is no number"),
        ({"partnerPrice": "389.001"}, "partnerPrice 389.001 has more digits than USD allows"),
        (
            {"partnerPrice": "389.5", "currency": "JPY", "region": "JP"},
            "partnerPrice 389.5 has more digits than JPY allows",
        ),
        ({"estimatedStreetPrice": "ten"}, "estimatedStreetPrice 'ten' is no number"),
        ({"estimatedStreetPrice": "0"}, "estimatedStreetPrice '0' is not positive"),
        ({"acdIndicator": "Drop"}, "acdIndicator 'Drop' is unknown"),
        ({"acdEffectiveDate": "soon"}, "acdEffectiveDate 'soon' is no date"),
        ({"firstOrderDate": "2026-02-30"}, "firstOrderDate '2026-02-30' is no date"),
        ({"firstOrderDate": ""}, "firstOrderDate is missing"),
        ({"lastOrderDate": "31.12.2026"}, "lastOrderDate '31.12.2026' is no date"),
        (
            {"lastOrderDate": "2017-12-31"},
            "window 2018-01-01 to 2017-12-31 ends before it begins",
        ),
        ({"level": "02"}, "level '02' is not that of 11073058CA01A12"),
        ({"offerId": "11073058CA05A12", "level": "05"}, "level '05' is unknown"),
        ({"program": "SOLO"}, "program 'SOLO' is unknown"),
        ({"offerType": "GIFT"}, "offerType 'GIFT' is unknown"),
        ({"marketSegment": "NGO"}, "marketSegment 'NGO' is unknown"),
        ({"region": "XX"}, "region 'XX' is unknown"),
        ({"priceListType": "4YC"}, "priceListType '4YC' is unknown"),
        ({"termRule": "MONTHLY"}, "termRule 'MONTHLY' is unknown"),
        ({"renewable": "yes"}, "renewable 'yes' is unknown"),
        ({"minQuantity": "-1"}, "minQuantity '-1' is no whole number"),
        ({"maxOrdersPerTerm": "x"}, "maxOrdersPerTerm 'x' is no whole number"),
        ({"endOfSupportDate": "soon"}, "endOfSupportDate 'soon' is no date"),
    ],
)
def test_bad_cells_are_reported_with_their_line(changes: Row, problem: str) -> None:
    assert problems({}, changes) == (f"row 3: {problem}",)


def test_every_bad_row_is_reported() -> None:
    found = problems({"region": "XX"}, {}, {"partnerPrice": "0"})
    assert [problem.partition(":")[0] for problem in found] == ["row 2", "row 4"]


def test_lines_are_those_of_the_file_where_some_are_empty() -> None:
    lines = text_of([CATALOG[0], {**CATALOG[1], "region": "XX"}]).splitlines()
    with pytest.raises(CatalogFileError) as refused:
        read_catalog("\n".join((*lines[:2], "", *lines[2:])))
    assert refused.value.problems == ("row 4: region 'XX' is unknown",)


@pytest.mark.parametrize("cells", ["too,few", "," * 60])
def test_a_row_has_as_many_cells_as_the_header(cells: str) -> None:
    problem = "row 3: it has not as many columns as the header"
    with pytest.raises(CatalogFileError) as refused:
        read_catalog(text_of(CATALOG[:1]) + cells)
    assert refused.value.problems == (problem,)
    with pytest.raises(CatalogFileError) as refused:
        read_discounts(text_of(DISCOUNTS[:1]) + cells)
    assert refused.value.problems == (problem,)


@pytest.mark.parametrize("text", ["", "offerId,level\n11073058CA01A12,01\n"])
def test_a_file_without_the_columns_is_refused(text: str) -> None:
    for read in (read_catalog, read_discounts):
        with pytest.raises(CatalogFileError, match="row 1: missing columns"):
            read(text)


def test_a_catalogue_has_rows() -> None:
    with pytest.raises(CatalogFileError, match="row 1: the file has no rows"):
        read_catalog(data_file("sample_catalog.csv").splitlines()[0])


def test_letters_that_disagree_with_the_segment_are_a_warning() -> None:
    loaded = catalog({"offerId": "11073058CC01A12"})
    assert loaded.warnings == ("row 2: 11073058CC01A12 is sold to COM",)


def test_incompatibility_holds_in_both_directions() -> None:
    found = read_catalog(data_file("sample_catalog.csv")).catalog.products
    assert found["65331462CA"].incompatible_with == {"65322461CA"}
    assert found["65322461CA"].incompatible_with == {"65331462CA"}


@pytest.mark.parametrize(
    ("offer_id", "minimum"),
    [
        ("30001772CB01A12", 25),  # level 01 above its floor: a minimum purchase
        ("30001810CB01A12", 100),
        ("11073058CA03A12", 1),  # the floor of the level
        ("65324918CA14X12", 1),  # a minimum order quantity has its own rule
        ("65322435CAT4A12", 1),
        ("30001475CC09A12", 1),
    ],
)
def test_minimum_purchases(offer_id: str, minimum: int) -> None:
    found = read_catalog(data_file("sample_catalog.csv")).catalog
    assert found.offers[offer_id].minimum_purchase == minimum


def test_attributes_of_products() -> None:
    found = read_catalog(data_file("sample_catalog.csv")).catalog.products
    pack, credits_pack = found["65322450CA"], found["65327733CA"]
    assert (pack.max_orders_per_term, pack.own_term, pack.prorated) == (1, False, False)
    assert (credits_pack.own_term, credits_pack.renewable, credits_pack.prorated) == (
        True,
        False,
        False,
    )
    assert credits_pack.base_offer_id == "65327733CA01A12"
    assert found["65322435CA"].base_offer_id == "65322435CAT1A12"
    assert found["65322447CA"].end_of_support == date(2026, 5, 31)
    assert found["30005893CA"].add_on_for == {"65304479CA", "65322651CA"}
    assert not found["30005893CA"].counts_toward_level


def test_the_sample_discounts_load() -> None:
    assert len(read_discounts(data_file("sample_flex_discounts.csv")).all) == 16


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"code": ""}, "code '' has not 1 to 40 characters"),
        ({"code": "x" * 41}, f"code '{'x' * 41}' has not 1 to 40 characters"),
        ({"outcomeType": "GIFT"}, "outcomeType 'GIFT' is unknown"),
        ({"discountValues": "0"}, "discountValues '0' is no percentage"),
        ({"discountValues": "101"}, "discountValues '101' is no percentage"),
        ({"discountValues": "ten"}, "discountValues 'ten' is no number"),
        (
            {"outcomeType": "FIXED_DISCOUNT", "discountValues": "US:USD"},
            "discountValues 'US:USD' is not COUNTRY:CURRENCY:VALUE",
        ),
        ({"endDate": "2017-12-31T00:00:00Z"}, "endDate is before startDate"),
        ({"startDate": "2018-01-01T00:00:00"}, "'2018-01-01T00:00:00' has no zone"),
        ({"minCommitQuantity": "x"}, "minCommitQuantity 'x' is no whole number"),
        (
            {"discountLockEndDate": "2099-12-31T23:59:58Z"},
            "discountLockEndDate is before endDate",
        ),
        ({"category": "GIFT"}, "category 'GIFT' is unknown"),
        ({"visibility": ""}, "visibility '' is unknown"),
        ({"threeYearCommit": "SOON"}, "threeYearCommit 'SOON' is unknown"),
        ({"commitScope": "LAST_YEAR"}, "commitScope 'LAST_YEAR' is unknown"),
        ({"alwaysFails": "yes"}, "alwaysFails 'yes' is unknown"),
        ({"marketSegments": "COM|ORG"}, "marketSegments 'ORG' is unknown"),
        ({"marketSegments": ""}, "marketSegments '' is unknown"),
        ({"countries": "US|XX"}, "countries 'XX' is unknown"),
        ({"orderTypes": "NEW|GIFT"}, "orderTypes 'GIFT' is unknown"),
        (
            {"outcomeType": "FIXED_PRICE", "discountValues": "US:USD:-1"},
            "discountValues 'US:USD:-1' is not positive",
        ),
        (
            {"outcomeType": "FIXED_PRICE", "discountValues": "US:USD:Infinity"},
            "discountValues 'US:USD:Infinity' is not positive",
        ),
        (
            {"outcomeType": "FIXED_DISCOUNT", "discountValues": "US:USD:1|JP:JPY:1.5"},
            "discountValues 'JP:JPY:1.5' has more digits than JPY allows",
        ),
    ],
)
def test_bad_cells_of_discounts_are_reported_with_their_line(changes: Row, problem: str) -> None:
    assert discount_problems({"id": "other"}, changes) == (f"row 3: {problem}",)


def test_ids_of_discounts_are_unique() -> None:
    assert discount_problems({}, {}) == (f"row 3: id {DISCOUNTS[0]['id']} stands in row 2 too",)


def test_a_code_means_one_open_discount_at_a_time_in_a_segment() -> None:
    """It may return in another year, for another segment, or closed (catalog.md 7)."""
    code = DISCOUNTS[0]["code"]
    first = {"id": "a", "endDate": "2025-12-31T23:59:59Z"}
    overlap = f"row 3: code {code} overlaps that of row 2"
    assert discount_problems(first, {"id": "b", "startDate": "2025-12-31T00:00:00Z"}) == (overlap,)
    for other in (
        {"startDate": "2026-01-01T00:00:00Z"},
        {"marketSegments": "EDU|GOV"},
        {"visibility": "CLOSED"},
    ):
        changed = [{**DISCOUNTS[0], **changes} for changes in (first, {"id": "b", **other})]
        assert len(read_discounts(text_of(changed)).all) == 2


def test_discounts_name_products_of_the_catalogue() -> None:
    goods = read_catalog(data_file("sample_catalog.csv")).catalog
    text = data_file("sample_flex_discounts.csv")
    assert len(read_discounts(text, goods).all) == 16
    for other in ("99999999CA01A12", "11073058CA09A12", "11073058CA02A12"):
        with pytest.raises(CatalogFileError) as refused:
            read_discounts(text.replace("11073058CA01A12", other, 1), goods)
        problem = f"row 2: baseOfferIds {other} is no base offer of the catalogue"
        assert refused.value.problems == (problem,)
