"""The contract is consistent in itself, and the repository names no machine it was written on."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "docs" / "contract"
DATA = ROOT / "src" / "seatledger" / "contract" / "data"
SAMPLES = sorted((CONTRACT / "samples").glob("*.json"))
SAMPLE_KEYS = {
    "name",
    "seed_file",
    "method",
    "path",
    "query",
    "http_status",
    "setup",
    "request",
    "response",
    "notes",
    "volatile",
    "deviations",
    "extra_in_ours",
}
REFERENCE = re.compile(
    r"(?P<section>\d+(?:\.\d+)?)(?: #(?P<first>\d+)(?:-(?P<last>\d+))?)?|scenario (?P<scenario>\d+)"
)


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a CSV file of the contract."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def sections(name: str) -> dict[str, str]:
    """Section number -> its own text, without subsections, of a contract file."""
    text = (CONTRACT / name).read_text(encoding="utf-8")
    _, *parts = re.split(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def broken_references(cell: str) -> Iterator[str]:
    """The parts of a `contract_section` cell that point at nothing."""
    name = ""
    for part in cell.split("; "):
        if part == "errors.csv" or (part.startswith("samples/") and (CONTRACT / part).is_file()):
            continue
        if " " in part and part.split(" ")[0].endswith(".md"):
            name, part = part.split(" ", 1)
        found = REFERENCE.fullmatch(part)
        if not name or found is None:
            yield part
        elif found["scenario"]:
            acceptance = next(t for t in sections(name).values() if t.startswith("Acceptance"))
            if not re.search(rf"^{found['scenario']}\. ", acceptance, re.MULTILINE):
                yield part
        elif found["section"] not in sections(name):
            yield part
        elif found["first"]:
            table = sections(name)[found["section"]]
            for number in range(int(found["first"]), int(found["last"] or found["first"]) + 1):
                if not re.search(rf"^\| {number} \|", table, re.MULTILINE):
                    yield part


def test_every_seed_statement_names_an_existing_section() -> None:
    broken = {
        row["id"]: references
        for row in rows("seed_statements.csv")
        if (references := list(broken_references(row["contract_section"])))
    }

    assert broken == {}


def test_seed_statements_are_numbered_without_gaps() -> None:
    ids = [row["id"] for row in rows("seed_statements.csv")]

    assert ids == [f"S-{number:03}" for number in range(1, len(ids) + 1)]


def test_every_form_of_an_error_is_listed_once() -> None:
    listed = Counter(tuple(row.values()) for row in rows("errors.csv"))

    assert [form for form, times in listed.items() if times > 1] == []


def test_error_details_are_absent_or_a_list_of_texts() -> None:
    for row in rows("errors.csv"):
        example = row["additional_details_example"]
        if example == "(absent)":
            continue
        details = json.loads(example)
        assert isinstance(details, list), row
        assert all(isinstance(detail, str) and detail for detail in details), row


def test_error_statuses_are_http_errors_with_a_message() -> None:
    for row in rows("errors.csv"):
        assert HTTPStatus(int(row["http_status"])) >= HTTPStatus.BAD_REQUEST, row
        assert row["message"] == row["message"].strip() != "", row


def test_whether_details_are_sent_depends_on_code_and_status_alone() -> None:
    sent: dict[tuple[str, str], set[bool]] = {}
    for row in rows("errors.csv"):
        form = (row["code"], row["http_status"])
        sent.setdefault(form, set()).add(row["additional_details_example"] != "(absent)")

    assert {form for form, answers in sent.items() if len(answers) > 1} == set()


def test_every_route_is_listed_once_for_each_wave() -> None:
    routes = [(row["method"], row["path"], row["wave"]) for row in rows("endpoints.csv")]

    assert len(routes) == len(set(routes))
    assert {wave for _, _, wave in routes} == {"core", "second", "later"}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_sample_has_the_documented_keys(path: Path) -> None:
    sample: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))

    assert set(sample) == SAMPLE_KEYS
    assert sample["name"] == path.stem
    assert sample["method"] in {"POST", "PATCH"}
    assert sample["path"].startswith("/v3/customers/{customer-id}/orders")
    assert sample["http_status"] == (201 if sample["method"] == "POST" else 200)
    for deviation in sample["deviations"]:
        assert {"path", "sample", "ours", "why"} >= set(deviation) >= {"path", "why"}


def test_the_readme_explains_every_key_of_a_sample() -> None:
    reading = sections("README.md")["3"].partition("### Reading the samples")[2]

    assert {key for key in SAMPLE_KEYS if f"`{key}`" not in reading} == set()


def test_every_sample_belongs_to_a_seed_statement() -> None:
    named = {row["contract_section"] for row in rows("seed_statements.csv")}

    assert {f"samples/{path.name}" for path in SAMPLES} <= named


def test_every_file_the_readme_lists_exists() -> None:
    listed = re.findall(r"`([\w*]+(?:/\*)?\.(?:md|csv|json))`", sections("README.md")["1"])

    assert len(listed) > 10
    assert [name for name in listed if not [*CONTRACT.glob(name), *DATA.glob(name)]] == []


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the project, local state and caches left out."""
    for entry in sorted(ROOT.iterdir()):
        if entry.is_dir() and entry.name.startswith(".") and entry.name != ".ci":
            continue
        for path in sorted(entry.rglob("*")) if entry.is_dir() else [entry]:
            if path.is_file() and "__pycache__" not in path.parts:
                try:
                    yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
                except UnicodeDecodeError:
                    continue


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    foreign = re.compile(r"(?<![\w.*}])/wor[k]/|\.\./share[d]\b")

    assert [str(path) for path, text in texts() if foreign.search(text)] == []


def test_every_relative_link_of_the_documentation_leads_somewhere() -> None:
    link = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
    broken = [
        f"{path}: {target}"
        for path, text in texts()
        if path.suffix == ".md"
        for target in link.findall(text)
        if not (ROOT / path.parent / target).exists()
    ]

    assert broken == []
