"""What waits to be worked off in the whole installation, for those who watch it."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from seatledger.store.due import AGENDA_IS_FREE, NOT_WAITING
from seatledger.store.rows import AnyConnection

# Partners on the system clock alone: in the worlds of a sandbox being late means nothing. Every
# part reads an index of what waits, so that the statement costs what there is to do.
_DUE = f"""
SELECT 'order' AS kind, o.run_at AS at, c.customer_id, c.parked_reason
  FROM partner p JOIN orders o USING (partner_id) JOIN customer c USING (customer_id)
  WHERE p.clock_mode = 'system' AND o.status = '1002' AND o.run_at <= $1 AND {NOT_WAITING}
UNION ALL SELECT 'account', settle_at, customer_id, parked_reason
  FROM partner p JOIN customer c USING (partner_id)
  WHERE p.clock_mode = 'system' AND c.status = '1002' AND c.settle_at <= $1
UNION ALL SELECT 'account', settle_at, NULL, NULL
  FROM partner p JOIN reseller r USING (partner_id)
  WHERE p.clock_mode = 'system' AND r.status = '1002' AND r.settle_at <= $1
UNION ALL SELECT 'agenda', due_at, customer_id, parked_reason
  FROM partner p JOIN customer c USING (partner_id)
  WHERE p.clock_mode = 'system' AND c.due_at <= $1
    AND (c.parked_reason IS NOT NULL OR {AGENDA_IS_FREE})
UNION ALL SELECT 'month', closes_month_at, NULL, NULL
  FROM partner p WHERE p.clock_mode = 'system' AND closes_month_at <= $1"""

_BACKLOG = f"""
WITH due AS ({_DUE})
SELECT k.kind, count(due.kind) FILTER (WHERE parked_reason IS NULL) AS waiting,
  min(at) FILTER (WHERE parked_reason IS NULL) AS oldest,
  (SELECT count(DISTINCT customer_id) FROM due WHERE parked_reason IS NOT NULL) AS all_parked
FROM unnest(ARRAY['order', 'account', 'agenda', 'month']) AS k (kind) LEFT JOIN due USING (kind)
GROUP BY k.kind ORDER BY k.kind"""


class Due(Struct, frozen=True):
    """Due work of one kind that is not parked; `oldest` is when its first fell due."""

    kind: str
    count: int
    oldest: datetime | None


class Backlog(Struct, frozen=True):
    """What is due, by kind, and how many customers' due work is parked."""

    due: Sequence[Due]
    parked_customers: int


async def read(connection: AnyConnection, at: datetime) -> Backlog:
    """The backlog of partners on the system clock at a real instant."""
    records = await connection.fetch(_BACKLOG, at)
    due = [Due(one["kind"], one["waiting"], one["oldest"]) for one in records]
    return Backlog(due, records[0]["all_parked"])
