"""Tables as CSV and XLSX: nothing lost, nothing changed, nothing carried out."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest

from seatledger.engine import sheets
from seatledger.engine.sheets import CsvTable, XlsxTable

HEADER = ("Name", "Amount")
MADE_AT = datetime(2026, 3, 1, 6, tzinfo=UTC)
TRICKY = [
    ("=1+1", "389.00"),
    ("+49 30 1", "-0.95"),
    ("-1", "54700"),
    ("@SUM(A1)", ""),
    ('a "quoted", part', "0.00"),
    ("{=1}", "29588054.76"),
    ("https://example.com/", "1"),
    ("000010", "2"),
    ("日本 ü", "3"),
    ("", "4"),
]


def workbook(rows: list[tuple[str, str]], folder: Path) -> bytes:
    stream = io.BytesIO()
    table = XlsxTable(stream, HEADER, frozenset({1}), MADE_AT, folder)
    for row in rows:
        table.add([row])
    table.close()
    return stream.getvalue()


def test_csv_gives_every_cell_back() -> None:
    stream = io.BytesIO()
    table = CsvTable(stream, HEADER)
    table.add(TRICKY)
    table.close()
    text = stream.getvalue().decode("utf-8")
    assert text.startswith("Name,Amount\r\n")
    assert [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))] == [HEADER, *TRICKY]


def test_a_workbook_shows_what_the_csv_says(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook(TRICKY, tmp_path)))
    assert book.sheetnames == ["Data"]
    header, *rows = book["Data"].iter_rows()
    assert tuple(cell.value for cell in header) == HEADER
    assert len(rows) == len(TRICKY)
    for (name, amount), (first, second) in zip(TRICKY, rows, strict=True):
        assert (first.value or "", first.data_type) == (name, "s" if name else "n")
        assert first.hyperlink is None
        if not amount:
            assert second.value is None
            continue
        assert isinstance(second.value, int | float)
        digits = len(second.number_format.partition(".")[2])
        assert f"{second.value:.{digits}f}" == amount


def test_a_workbook_made_again_has_the_same_bytes(tmp_path: Path) -> None:
    first = workbook(TRICKY, tmp_path)
    assert workbook(TRICKY, tmp_path) == first
    made = openpyxl.load_workbook(io.BytesIO(first)).properties
    assert made.created == MADE_AT.replace(tzinfo=None)


def test_a_full_sheet_is_continued_on_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "MOST_ROWS", 4)
    book = openpyxl.load_workbook(io.BytesIO(workbook(TRICKY, tmp_path)))
    assert book.sheetnames == ["Data", "Data 2", "Data 3", "Data 4"]
    names = []
    for sheet in book:
        header, *rows = sheet.iter_rows(values_only=True)
        assert header == HEADER
        names += [row[0] or "" for row in rows]
    assert names == [name for name, _ in TRICKY]


def test_a_finished_workbook_leaves_nothing_behind(tmp_path: Path) -> None:
    workbook(TRICKY, tmp_path)
    assert list(tmp_path.iterdir()) == []
