"""The reconciliation file of a month: generated once, the same ever after (orders.md 9, S-183)."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from seatledger.domain.outcome import Refused
from seatledger.domain.reconciliation import (
    HEADER,
    NUMBERS,
    Row,
    month_bounds,
    month_code,
    rows_of,
    with_totals,
)
from seatledger.engine.sheets import XLSX, CsvTable, Table, XlsxTable
from seatledger.engine.world import World, Worlds
from seatledger.store import reconciliation
from seatledger.store.database import transaction
from seatledger.store.reconciliation import File
from seatledger.store.rows import AnyConnection, AnyPool

# Work begun before midnight bears the old month and may commit a little later, and the clocks of
# several servers differ. A frozen clock waits for everybody.
LATE_COMMITS = timedelta(minutes=5)
_BATCH = 1_000


async def generate(
    connection: AnyConnection, world: World, month: str, at: datetime
) -> list[File] | Refused:
    """The files of a month `YYYYMM`, generated at the business instant `at` unless they were.

    The caller holds a transaction. Refused 1117 `month` for what is no month, or not over yet.
    """
    bounds = month_bounds(month)
    grace = timedelta(0) if world.row.clock_mode == "frozen" else LATE_COMMITS
    if bounds is None or at < bounds[1] + grace:
        return Refused("1117", ("month",))
    partner_id = world.partner_id
    await reconciliation.hold_month(connection, partner_id, month)
    found = await reconciliation.files(connection, partner_id, month)
    if found:
        return found
    counts: Counter[str] = Counter()
    totals: dict[str, Decimal] = {}
    batch: list[tuple[int, Row]] = []
    async for invoiced in reconciliation.completed(connection, partner_id, *bounds):
        for row in rows_of(invoiced, world.partner, world.catalog):
            counts[row.currency] += 1
            totals[row.currency] = totals.get(row.currency, Decimal(0)) + row.amount
            batch.append((counts[row.currency], row))
        if len(batch) >= _BATCH:
            await reconciliation.add_rows(connection, partner_id, month, batch)
            batch.clear()
    await reconciliation.add_rows(connection, partner_id, month, batch)
    contracted = {one for ones in world.partner.currencies.values() for one in ones}
    for currency in sorted(contracted | counts.keys()):
        file = File(currency, at, totals.get(currency, Decimal(0)), counts[currency])
        await reconciliation.add_file(connection, partner_id, month, file)
    return await reconciliation.files(connection, partner_id, month)


async def write(
    pool: AnyPool,
    worlds: Worlds,
    partner_id: str,
    month: str,
    currency: str,
    media_type: str,
    target: BinaryIO,
) -> Refused | None:
    """Write the file of a month (`202602`, `2026-02`) and currency as CSV or XLSX into `target`.

    It is generated now if it was not yet, and only complete and frozen once this has returned.
    `currency` "" means the one with rows; where none has any, the files are all the same.
    Refused 1117 `month` or `currency`, 1122 `currency` where several have rows; LookupError for an
    unknown partner.
    """
    code = month_code(month)
    if code is None:
        return Refused("1117", ("month",))
    async with transaction(pool) as connection:
        # First, so that the world cannot be emptied or set back in between.
        await reconciliation.hold_month(connection, partner_id, code)
        world = await worlds.current(partner_id, connection)
        if world is None:
            raise LookupError(f"there is no partner {partner_id}")
        at = worlds.now(world)
        files = await generate(connection, world, code, at)
        if isinstance(files, Refused):
            return files
        file = _chosen(files, currency, at)
        if isinstance(file, Refused):
            return file
        with TemporaryDirectory() as folder:
            table = _table(media_type, target, file, folder)
            await _render(connection, partner_id, code, file, table)
    return None


def _chosen(files: list[File], currency: str, at: datetime) -> File | Refused:
    if currency:
        named = [one for one in files if one.currency == currency]
        return named[0] if named else Refused("1117", ("currency",))
    filled = [one for one in files if one.row_count]
    if len(filled) > 1:
        return Refused("1122", ("currency",))
    # A partner whose contract names no currency has no file at all.
    return next(iter(filled or files), File("", at, Decimal(0), 0))


def _table(media_type: str, target: BinaryIO, file: File, folder: str) -> Table:
    if media_type == XLSX:
        return XlsxTable(target, HEADER, NUMBERS, file.generated_at, Path(folder))
    return CsvTable(target, HEADER)


async def _render(
    connection: AnyConnection, partner_id: str, month: str, file: File, table: Table
) -> None:
    """Write frozen rows page by page, beside the event loop: a long workbook takes a while."""
    async for page in reconciliation.frozen_pages(connection, partner_id, month, file.currency):
        rows = [with_totals(cells, file.total, file.currency) for cells in page]
        await asyncio.to_thread(table.add, rows)
    await asyncio.to_thread(table.close)
