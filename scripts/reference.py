"""Writes docs/reference/api.md, errors.md, metrics.md and settings.md from what the code goes by.

python scripts/reference.py           write the pages
python scripts/reference.py --check   fail when one is stale
"""

import sys
from pathlib import Path

from coverage_report import markdown_row, table

from seatledger import metrics
from seatledger.api.reference import EVERY_BODY, EVERY_CALL, EVERY_WRITE, resource_of
from seatledger.api.table import OPERATIONS
from seatledger.contract.errors import CatalogueRow, catalogue
from seatledger.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"

API_HEAD = """\
# Operations

Written by `python scripts/reference.py` from the table of operations; not edited by hand. The same
table gives the OpenAPI document: `seatledger openapi`. What the codes mean: [errors.md](errors.md).
"""
ERRORS_HEAD = """\
# Error codes

Written by `python scripts/reference.py` from the error catalogue; not edited by hand. Answers have
the envelope of [platform.md 6](../contract/platform.md). A code in **bold** is answered by an
operation of [api.md](api.md), the token endpoint or the control API; the others belong to calls
that are not served yet. "-" under details: the key is left out of the answer.
"""
METRICS_HEAD = """\
# Metrics

Written by `python scripts/reference.py` from the definitions of the metrics; not edited by hand.
How to have them scraped, and what to watch: [monitoring.md](../how-to/monitoring.md).

Every process counts for itself; processes that share a port (`--workers`) answer for all of them,
with numbers up to a second old. Histograms have buckets (`_bucket`), `_sum` and `_count`.
"""
SETTINGS_HEAD = """\
# Settings

Written by `python scripts/reference.py` from the settings' own definitions; not edited by hand.
`seatledger serve --help` shows those that are options as well; an option wins over its variable.
What a partner is told (limits, windows, switches) is no setting of the server:
[contract, section 5](../contract/README.md).
"""
ELSEWHERE = frozenset({"404", "405", "409"})
"""Codes of unknown routes and of the control API, which no operation lists."""


def api_page() -> str:
    """Every operation with the codes that are its own, under its resource."""
    common = frozenset(EVERY_CALL)
    lines = [
        API_HEAD,
        f"Every operation may answer {', '.join(sorted(common))}.",
        f"POST and PATCH may also answer {', '.join(EVERY_BODY)}.",
        f"Those that are kept for replay may also answer {', '.join(EVERY_WRITE)}.",
        "The tables name what an operation answers beside these.",
    ]
    resources = dict.fromkeys(resource_of(one.path) for one in OPERATIONS)
    for resource in resources:
        rows = [
            markdown_row(
                one.method,
                f"`{one.path}`",
                one.summary,
                str(one.success),
                ", ".join(sorted(frozenset(one.codes) - common)),
            )
            for one in OPERATIONS
            if resource_of(one.path) == resource
        ]
        header = ("Method", "Path", "Summary", "Success", "Codes of its own")
        lines += ["", f"## {resource}", "", *table(header, rows)]
    return "\n".join([*lines, ""])


def errors_page() -> str:
    """The catalogue, in its order."""
    served = {*EVERY_CALL, *EVERY_BODY, *EVERY_WRITE, *ELSEWHERE}
    served.update(code for one in OPERATIONS for code in one.codes)
    rows = [
        markdown_row(
            f"**{row.code}**" if row.code in served or is_of_token(row) else row.code,
            str(row.http_status),
            row.message,
            "<br>".join(row.applies_to),
            details_cell(row),
        )
        for row in catalogue()
    ]
    header = ("Code", "HTTP", "Message", "Calls", "Details, for example")
    return "\n".join([ERRORS_HEAD, *table(header, rows), ""])


def metrics_page() -> str:
    """Every metric, those that are counted and those the database is asked for."""
    header = ("Name", "Kind", "Labels", "What it tells")
    lines = [METRICS_HEAD]
    for title, found in (
        ("Counted by every process", metrics.COUNTED),
        ("Asked for at every scrape; the same from every server of a database", metrics.STATED),
    ):
        rows = [
            markdown_row(
                f"`{one.name}`", one.kind, ", ".join(f"`{name}`" for name in one.labels), one.about
            )
            for one in found
        ]
        lines += [f"## {title}", "", *table(header, rows), ""]
    return "\n".join(lines)


def settings_page() -> str:
    """Every variable with its default."""
    rows = [
        markdown_row(f"`{PREFIX}{name.upper()}`", _default(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([SETTINGS_HEAD, *table(("Variable", "Default", "Meaning"), rows), ""])


def _default(value: object) -> str:
    if value is None or value == ():
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def is_of_token(row: CatalogueRow) -> bool:
    """Whether the token endpoint answers a row."""
    return any(call.startswith("token endpoint") for call in row.applies_to)


def details_cell(row: CatalogueRow) -> str:
    """The last cell of a row of the catalogue."""
    if row.details is None:
        return "-"
    return "<br>".join(f"`{detail}`" for detail in row.details)


def main(*, check: bool) -> int:
    """Writes the pages or checks them; the exit code is 1 when one is stale."""
    code = 0
    for name, text in (
        ("api.md", api_page()),
        ("errors.md", errors_page()),
        ("metrics.md", metrics_page()),
        ("settings.md", settings_page()),
    ):
        page = PAGES / name
        if not check:
            page.write_text(text, encoding="utf-8")
        elif not page.exists() or page.read_text(encoding="utf-8") != text:
            print(f"{page.relative_to(ROOT)} is stale: run python scripts/reference.py")
            code = 1
    return code


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    sys.exit(main(check=sys.argv[1:] == ["--check"]))
