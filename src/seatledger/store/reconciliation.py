"""Reconciliation files: the completed orders of a month, and the frozen rows (orders.md 9)."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import Struct

from seatledger.domain.model import Customer, Deployment, Order, Reseller
from seatledger.domain.reconciliation import Invoiced, Row
from seatledger.store.rows import AnyConnection, decode, decode_list, encode

_PAGE = 500
_CELLS = msgspec.json.Decoder(tuple[str, ...])

_MONTH = """
SELECT to_jsonb(o) AS o, to_jsonb(c) AS c, to_jsonb(r) AS r,
  COALESCE((SELECT jsonb_agg(to_jsonb(d)) FROM deployment d
    WHERE d.customer_id = o.customer_id), '[]') AS d,
  (SELECT to_jsonb(b) FROM orders b WHERE b.order_id = o.reference_order_id) AS b,
  nextval('invoice_number') AS n
FROM orders o JOIN customer c USING (customer_id)
  JOIN reseller r ON r.reseller_id = o.reseller_id
WHERE o.partner_id = $1 AND o.status IN ('1000', '1008') AND NOT o.forced
  AND o.completed_at >= $2 AND o.completed_at < $3
  AND o.order_type IN ('NEW', 'RENEWAL', 'RETURN')
ORDER BY o.order_id
"""


class File(Struct, frozen=True):
    """A frozen file; `total` in major units of its currency."""

    currency: str
    generated_at: datetime
    total: Decimal
    row_count: int


async def hold_month(connection: AnyConnection, partner_id: str, month: str) -> None:
    """Let one process at a time generate a month, and nobody empty the world meanwhile.

    Held to the end of the transaction.
    """
    await connection.execute(
        "SELECT 1 FROM partner WHERE partner_id = $1 FOR KEY SHARE", partner_id
    )
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{partner_id}/{month}"
    )


async def files(connection: AnyConnection, partner_id: str, month: str) -> list[File]:
    """The files of a month, by currency; none before it was generated."""
    records = await connection.fetch(
        """SELECT currency, generated_at, total, row_count FROM reconciliation_file
           WHERE partner_id = $1 AND month = $2 ORDER BY currency""",
        partner_id,
        month,
    )
    return [File(*record) for record in records]


async def completed(
    connection: AnyConnection, partner_id: str, start: datetime, end: datetime
) -> AsyncIterator[Invoiced]:
    """What completed from `start` to before `end`, by order id, each with an invoice number.

    Read through a cursor: a month may be large. Needs a transaction.
    """
    async for record in connection.cursor(
        _MONTH, partner_id, start, end, prefetch=_PAGE, timeout=None
    ):
        original = record["b"]
        yield Invoiced(
            decode(record["o"], Order),
            decode(record["c"], Customer),
            decode(record["r"], Reseller),
            tuple(decode_list(record["d"], Deployment)),
            decode(original, Order) if original is not None else None,
            record["n"],
        )


async def add_rows(
    connection: AnyConnection, partner_id: str, month: str, rows: Iterable[tuple[int, Row]]
) -> None:
    """Freeze rows at their positions."""
    await connection.executemany(
        """INSERT INTO reconciliation_row (partner_id, month, currency, position, cells)
           VALUES ($1, $2, $3, $4, $5::jsonb)""",
        [(partner_id, month, row.currency, at, encode(row.cells)) for at, row in rows],
    )


async def add_file(connection: AnyConnection, partner_id: str, month: str, file: File) -> None:
    """Freeze a file: from now on its rows stay as they are."""
    await connection.execute(
        """INSERT INTO reconciliation_file (partner_id, month, currency, generated_at, total,
             row_count)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        partner_id,
        month,
        file.currency,
        file.generated_at,
        file.total,
        file.row_count,
    )


async def frozen_pages(
    connection: AnyConnection, partner_id: str, month: str, currency: str
) -> AsyncIterator[list[tuple[str, ...]]]:
    """The rows of a file in their order, page by page. Needs a transaction."""
    cursor = await connection.cursor(
        """SELECT cells FROM reconciliation_row
           WHERE partner_id = $1 AND month = $2 AND currency = $3 ORDER BY position""",
        partner_id,
        month,
        currency,
    )
    while page := await cursor.fetch(_PAGE):
        yield [_CELLS.decode(record["cells"]) for record in page]
