"""Customers of an installation as an operator looks through them."""

from collections.abc import AsyncIterator

from msgspec import Struct

from seatledger.store.rows import AnyConnection, fetch_all

_PAGE = 1_000


class Listed(Struct, frozen=True):
    """A customer in a line; `parked_reason` says why its work was given up, if it was."""

    customer_id: str
    partner_id: str
    status: str
    parked_reason: str | None


async def customers(
    connection: AnyConnection, partner_id: str | None, *, only_parked: bool
) -> AsyncIterator[Listed]:
    """Customers of a partner, or of all, by id."""
    after = ""
    while page := await fetch_all(
        connection,
        Listed,
        """SELECT to_jsonb(found) FROM (
             SELECT customer_id, partner_id, status, parked_reason FROM customer
             WHERE customer_id > $1 AND ($2::text IS NULL OR partner_id = $2)
               AND (parked_reason IS NOT NULL OR NOT $3)
             ORDER BY customer_id LIMIT $4) found""",
        after,
        partner_id,
        only_parked,
        _PAGE,
    ):
        for one in page:
            yield one
        after = page[-1].customer_id
