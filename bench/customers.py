"""Customers by the thousand: copies of one that the service made, under ids of their own.

Every document in the copies is one the service wrote; ids alone are put together anew, in SQL, so
that a hundred thousand customers take seconds.
"""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg

FIRST_CUSTOMER = 1_500_000_000  # far beyond what the server's own ids reach here

# Of the template $1, which has one order; its copies are numbered $2 to $3.
_COPY = (
    """INSERT INTO customer
       SELECT copy.* FROM customer c, generate_series($2::bigint, $3) n,
         jsonb_populate_record(c, jsonb_build_object('customer_id', n::text)) copy
       WHERE c.customer_id = $1""",
    """INSERT INTO subscription
       SELECT copy.* FROM subscription s, generate_series($2::bigint, $3) n,
         jsonb_populate_record(s, jsonb_build_object('customer_id', n::text,
           'subscription_id', n || lpad(s.position::text, 20, '0') || 'NA')) copy
       WHERE s.customer_id = $1""",
    """INSERT INTO orders
       SELECT copy.* FROM orders o, generate_series($2::bigint, $3) n, LATERAL (
           SELECT jsonb_agg(line || jsonb_build_object(
             'subscription_id', n || lpad(s.position::text, 20, '0') || 'NA') ORDER BY at) AS own
           FROM jsonb_array_elements(o.lines) WITH ORDINALITY l (line, at)
           JOIN subscription s ON s.subscription_id = line ->> 'subscription_id') lines,
         jsonb_populate_record(o, jsonb_build_object('customer_id', n::text,
           'order_id', '91' || n, 'lines', own)) copy
       WHERE o.customer_id = $1""",
    """INSERT INTO ledger_entry
       SELECT copy.* FROM ledger_entry e JOIN subscription s USING (subscription_id),
         generate_series($2::bigint, $3) n,
         jsonb_populate_record(e, jsonb_build_object('customer_id', n::text, 'order_id', '91' || n,
           'subscription_id', n || lpad(s.position::text, 20, '0') || 'NA')) copy
       WHERE e.customer_id = $1""",
)
# More orders of the customers $1 to $2: settled ones like the first, the $3-th of each, at $4. The
# customer $5 gets a hundred times as many.
_MORE = """INSERT INTO orders
SELECT copy.* FROM (SELECT n, 0 AS nth FROM generate_series($1::bigint, $2) n
    UNION ALL SELECT $5::bigint, g FROM generate_series(1, 99) g) own
  JOIN orders o ON o.order_id = '91' || n,
  jsonb_populate_record(o, jsonb_build_object('order_id', '92' || n || lpad(nth::text, 2, '0')
      || lpad($3::int::text, 3, '0'), 'created_at', $4::timestamptz + nth * interval '1 minute',
    'completed_at', $4::timestamptz + nth * interval '1 minute')) copy"""
# What the last ten days of a year of orders leave behind: stored answers, request ids.
_LEFT = (
    """INSERT INTO idempotency SELECT i.partner_id, gen_random_uuid()::text,
         '/v3/customers/' || o.customer_id || '/orders', i.method, i.fingerprint, i.http_status,
         i.body, o.created_at
       FROM orders o, (SELECT * FROM idempotency ORDER BY completed_at DESC LIMIT 1) i
       WHERE o.created_at > $1::timestamptz - interval '10 days' AND o.order_id LIKE '92%'""",
    """INSERT INTO request_id SELECT partner_id, gen_random_uuid()::text, created_at
       FROM orders WHERE created_at > $1::timestamptz - interval '10 days'
         AND order_id LIKE '92%'""",
)


async def copy(
    connection: "asyncpg.Connection[asyncpg.Record]", template: str, count: int
) -> list[str]:
    """Store `count` copies of the customer `template`; gives their ids."""
    last = FIRST_CUSTOMER + count - 1
    for sql in _COPY:
        await connection.execute(sql, template, FIRST_CUSTOMER, last)
    return [str(number) for number in range(FIRST_CUSTOMER, last + 1)]


async def give_history(
    connection: "asyncpg.Connection[asyncpg.Record]", customers: Sequence[str], orders: int
) -> None:
    """Make each of the customers a year old, with `orders` more orders spread over it.

    The last of them gets a hundred times as many. As in life, neighbours in the table belong to
    different customers.
    """
    now = await connection.fetchval(
        """UPDATE customer SET created_at = created_at - interval '360 days',
             term_started_at = term_started_at - interval '360 days'
           RETURNING created_at + interval '360 days'"""
    )
    first, last = int(customers[0]), int(customers[-1])
    for nth in range(orders):
        at = now - timedelta(days=350) * (orders - nth) / orders
        await connection.execute(_MORE, first, last, nth, at, last)
    for sql in _LEFT:
        await connection.execute(sql, now)
