"""Writes docs/reference/coverage.md: which tests prove which part of the contract.

A test names what it proves with `@pytest.mark.proves("orders.md 39", "S-116", "2122")`:

- `<file>.md <n>`: acceptance scenario n of a contract file
- `orders.md 4.6 #<n>`: a worked price example
- `S-<nnn>`, `<code>`: a row of seed_statements.csv, an error code of errors.csv (words too)

The tests are collected, not run; one marked skip or xfail proves nothing. What has to be proven is
data: docs/reference/scope.toml.

    python scripts/coverage_report.py           write the report
    python scripts/coverage_report.py --check   fail when it is stale or something has no test
"""

import csv
import re
import sys
import textwrap
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

from seatledger.contract.errors import catalogue

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = ROOT / "docs" / "contract"
STATEMENTS = ROOT / "src" / "seatledger" / "contract" / "data" / "seed_statements.csv"
SCOPE = ROOT / "docs" / "reference" / "scope.toml"
REPORT = ROOT / "docs" / "reference" / "coverage.md"

SCENARIO_FILES = ("orders", "platform", "accounts", "subscriptions", "catalog", "sandbox")
SCENARIO = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)
WORKED_EXAMPLE = re.compile(r"^\| (\d+) \| (.+?) \|", re.MULTILINE)

# The table of a kind of item (its name in scope.toml): title and columns before the tests.
TABLES = {
    "seed_statements": ("Seed statements", ("Id", "Section", "Statement")),
    "error_codes": ("Error codes", ("Code", "HTTP", "Message")),
    "scenarios": ("Acceptance scenarios and worked price examples", ("Id", "Text")),
}

HEAD = """\
# Coverage of the contract

Written by `python scripts/coverage_report.py` from the `proves` marks of the tests; not edited
by hand. What is in scope, and why the rest is not: [scope.toml](scope.toml).
"""

Tests = dict[str, list[str]]


class ReportError(Exception):
    """The report cannot be made: tests do not collect, or an id does not exist."""


class Item(NamedTuple):
    """Something a test can prove: kind, the id marks use, the other columns of its row."""

    kind: str
    id: str
    columns: tuple[str, ...]


class Scope(NamedTuple):
    """Ids that need no test yet with the reason, ids of which only a part is meant with it."""

    excluded: dict[str, str]
    partial: dict[str, str]


class Collector:
    """Pytest plugin: keeps what the collected tests claim to prove."""

    def __init__(self) -> None:
        self.node_ids: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Reads the `proves` marks of function, class, module and parameter."""
        for item in session.items:
            if any(item.iter_markers("skip")) or any(item.iter_markers("xfail")):
                continue
            function = item.nodeid.partition("[")[0]
            for claim in {str(arg) for mark in item.iter_markers("proves") for arg in mark.args}:
                self.node_ids[claim][function].append(item.nodeid)

    def tests(self) -> Tests:
        """Claim -> tests: one parameter set by its full id, several by the function's."""
        return {
            claim: sorted(ids[0] if len(ids) == 1 else name for name, ids in functions.items())
            for claim, functions in self.node_ids.items()
        }


def collect() -> Tests:
    """The tests of every claim made in tests/; nothing is run."""
    collector = Collector()
    arguments = ["--collect-only", "-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}"]
    arguments += ["-o", "addopts=--strict-markers --import-mode=importlib", str(ROOT / "tests")]
    output = StringIO()
    with redirect_stdout(output):
        code = pytest.main(arguments, plugins=[collector])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise ReportError(f"the tests do not collect\n{output.getvalue()}")
    return collector.tests()


def statements() -> Iterator[Item]:
    """The seed statements."""
    with STATEMENTS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Item("seed_statements", row["id"], (row["contract_section"], row["statement"]))


def error_codes() -> Iterator[Item]:
    """The error codes, each with all its statuses and messages."""
    statuses: dict[str, dict[str, None]] = defaultdict(dict)
    messages: dict[str, dict[str, None]] = defaultdict(dict)
    for row in catalogue():
        statuses[row.code][str(row.http_status)] = None
        messages[row.code][row.message] = None
    for code in statuses:
        yield Item("error_codes", code, (", ".join(statuses[code]), " / ".join(messages[code])))


def section(text: str, heading: str) -> str:
    """The text under the heading whose line ends so, up to the next of the same depth or less."""
    found = re.search(rf"^(#+) [\d.]+ {heading}$", text, re.MULTILINE)
    if found is None:
        return ""
    rest = text[found.end() :]
    end = re.search(rf"^#{{2,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def scenarios() -> Iterator[Item]:
    """The acceptance scenarios of each file and the worked price examples, in document order."""
    for stem in SCENARIO_FILES:
        text = (CONTRACT / f"{stem}.md").read_text(encoding="utf-8")
        examples = WORKED_EXAMPLE.finditer(section(text, "Worked examples"))
        found = [(f"4.6 #{example[1]}", example[2]) for example in examples]
        found += [(s[1], s[2]) for s in SCENARIO.finditer(section(text, "Acceptance scenarios"))]
        for number, content in found:
            short = textwrap.shorten(re.sub(r"`|\*\*", "", content), 100, placeholder=" ...")
            yield Item("scenarios", f"{stem}.md {number}", (short,))


def expand(entry: str) -> list[str]:
    """`orders.md 35-36` -> its two ids; any other entry is itself."""
    found = re.fullmatch(r"(.+) (\d+)-(\d+)", entry)
    if found is None:
        return [entry]
    return [f"{found[1]} {number}" for number in range(int(found[2]), int(found[3]) + 1)]


def load_scope(items: dict[str, Item]) -> Scope:
    """Reads scope.toml; an id that does not exist or is of another kind is refused."""
    scope = Scope({}, {})
    for kind, lists in tomllib.loads(SCOPE.read_text(encoding="utf-8")).items():
        entries = {entry: group["reason"] for group in lists["excluded"] for entry in group["ids"]}
        excluded = {id_: reason for entry, reason in entries.items() for id_ in expand(entry)}
        for id_ in (*excluded, *lists["partial"]):
            if id_ not in items or items[id_].kind != kind:
                raise ReportError(f"scope.toml: {kind} has no {id_}")
        scope.excluded.update(excluded)
        scope.partial.update(lists["partial"])
    return scope


def markdown_row(*cells: str) -> str:
    """One line of a table; a bar inside a cell is escaped."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table(header: tuple[str, ...], rows: list[str]) -> list[str]:
    """The lines of a table."""
    return [markdown_row(*header), "|" + "---|" * len(header), *rows]


def tests_cell(tests: list[str]) -> str:
    """The last cell of a row."""
    return "<br>".join(f"`{test}`" for test in tests) or "**none**"


def render(items: dict[str, Item], scope: Scope, tests: Tests) -> str:
    """The whole report: totals, one table per kind, what is proven beyond the scope."""
    totals, body = [], []
    for kind, (title, header) in TABLES.items():
        wanted = [i for i in items.values() if i.kind == kind and i.id not in scope.excluded]
        proven = sum(item.id in tests for item in wanted)
        counts = map(str, (len(wanted), proven, len(wanted) - proven))
        totals.append(markdown_row(title, *counts))
        rows = []
        for item in wanted:
            *first, last = item.columns
            if item.id in scope.partial:
                last += f" ({scope.partial[item.id]})"
            rows.append(markdown_row(item.id, *first, last, tests_cell(tests.get(item.id, []))))
        body += ["", f"## {title}", "", *table((*header, "Tests"), rows)]
    beyond = [
        markdown_row(id_, reason, tests_cell(tests[id_]))
        for id_, reason in scope.excluded.items()
        if id_ in tests
    ]
    if beyond:
        body += ["", "## Proven beyond the scope", ""]
        body += table(("Id", "Not in scope because", "Tests"), beyond)
    return "\n".join([HEAD, *table(("", "In scope", "Proven", "No test"), totals), *body, ""])


def report(*, check: bool) -> int:
    """Writes the report or checks it; the exit code is 1 when a check fails."""
    items = {item.id: item for item in (*statements(), *error_codes(), *scenarios())}
    scope = load_scope(items)
    tests = collect()
    if unknown := sorted(tests.keys() - items.keys()):
        claims = "\n".join(f"  {claim!r} in {', '.join(tests[claim])}" for claim in unknown)
        raise ReportError(f"tests claim to prove what the contract does not have:\n{claims}")
    missing = [id_ for id_ in items if id_ not in scope.excluded and id_ not in tests]
    text = render(items, scope, tests)
    stale = not REPORT.exists() or REPORT.read_text(encoding="utf-8") != text
    if not check:
        REPORT.write_text(text, encoding="utf-8")
    elif stale:
        print(f"{REPORT.relative_to(ROOT)} is stale: run python scripts/coverage_report.py")
    wanted = len(items.keys() - scope.excluded.keys())
    print(f"{wanted - len(missing)} of {wanted} in scope are proven")
    for kind in TABLES:
        if untested := [id_ for id_ in missing if items[id_].kind == kind]:
            print(f"{kind} without a test:", ", ".join(untested))
    return int(check and (stale or bool(missing)))


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    try:
        sys.exit(report(check=sys.argv[1:] == ["--check"]))
    except ReportError as error:
        sys.exit(str(error))
