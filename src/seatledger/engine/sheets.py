"""Tables written row by row as CSV or XLSX, however long they are."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

CSV: Final = "text/csv"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS: Final = 1_048_576  # of a sheet, its header included

Row = Sequence[str]


class Table(Protocol):
    """A table being written. Cells are texts."""

    def add(self, rows: Iterable[Row]) -> None:
        """Append rows."""

    def close(self) -> None:
        """Finish: nothing is complete before."""


class CsvTable:
    """UTF-8 with CRLF line ends (RFC 4180). Cells stand as they are: they are there to be matched
    by programs, so none is changed to calm a spreadsheet."""

    def __init__(self, target: BinaryIO, header: Row) -> None:
        self._target = target
        self.add([header])

    def add(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        self._target.write(text.getvalue().encode())

    def close(self) -> None:
        """There is nothing after the last row."""


class XlsxTable:
    """A workbook with a sheet `Data`, continued in `Data 2` where a sheet is full.

    Columns in `numbers` hold numbers shown with their digits, all others text, so that nothing
    somebody wrote becomes a formula. `made_at` (UTC) is the one instant in the file: made again
    with the same rows it has the same bytes. `folder` takes what does not stay in memory.
    """

    def __init__(
        self,
        target: BinaryIO,
        header: Row,
        numbers: frozenset[int],
        made_at: datetime,
        folder: Path,
    ) -> None:
        import xlsxwriter  # only where a workbook is made: it takes long to load

        self._header = header
        self._numbers = numbers
        self._book = xlsxwriter.Workbook(target, {"constant_memory": True, "tmpdir": str(folder)})
        self._book.set_properties({"created": made_at})
        self._formats: dict[int, Any] = {}
        self._begin()

    def _begin(self) -> None:
        number = len(self._book.worksheets()) + 1
        self._sheet = self._book.add_worksheet("Data" if number == 1 else f"Data {number}")
        for column, name in enumerate(self._header):
            self._sheet.write_string(0, column, name)
        self._next = 1

    def add(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        for cells in rows:
            if self._next == MOST_ROWS:
                self._begin()
            for column, cell in enumerate(cells):
                if cell and column in self._numbers:
                    shown = self._format(len(cell.partition(".")[2]))
                    self._sheet.write_number(self._next, column, float(cell), shown)
                elif cell:
                    self._sheet.write_string(self._next, column, cell)
            self._next += 1

    def _format(self, digits: int) -> Any:
        if digits not in self._formats:
            form = f"{0:.{digits}f}"
            self._formats[digits] = self._book.add_format({"num_format": form})
        return self._formats[digits]

    def close(self) -> None:
        """Put the workbook together."""
        self._book.close()
