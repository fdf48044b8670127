"""What the rules of subscriptions need to know of a customer, and writing one subscription."""

from seatledger.domain.model import Account, Subscription
from seatledger.store import accounts, rows
from seatledger.store.rows import AnyConnection

# Of the orders in flight only a renewal run matters (subscriptions.md 7 #5).
_ACCOUNT = """
SELECT jsonb_build_object(
  'customer', to_jsonb(c),
  'reseller_segments', COALESCE((SELECT r.profile -> 'marketSegments'
      FROM reseller r WHERE r.reseller_id = c.reseller_id), '[]'),
  'subscriptions', COALESCE((SELECT jsonb_agg(to_jsonb(s) ORDER BY s.position)
      FROM subscription s WHERE s.customer_id = c.customer_id), '[]'),
  'pending', COALESCE((SELECT jsonb_agg(to_jsonb(o)) FROM orders o
      WHERE o.customer_id = c.customer_id AND o.status = '1002'
      AND o.order_type = 'RENEWAL' AND o.source = 'System'), '[]'),
  'deployments', COALESCE((SELECT jsonb_agg(to_jsonb(d))
      FROM deployment d WHERE d.customer_id = c.customer_id), '[]'))
FROM customer c WHERE c.customer_id = $2 AND c.partner_id = $1
"""


async def account(connection: AnyConnection, partner_id: str, customer_id: str) -> Account | None:
    """A customer of the partner with its subscriptions in creation order, its deployments, and
    its renewal run in flight if there is one."""
    return await rows.fetch_one(connection, Account, _ACCOUNT, partner_id, customer_id)


async def put(connection: AnyConnection, row: Subscription, seen_version: int) -> bool:
    """Store a new or changed subscription while its customer has the version it was judged on;
    False if that has passed. Counts as a change of the customer."""
    if not await accounts.bump_customer(connection, row.customer_id, seen_version):
        return False
    await rows.upsert(connection, "subscription", "subscription_id", [row])
    return True
