"""Resellers, customers, contacts and deployments."""

from collections.abc import Collection, Mapping
from typing import Any

from asyncpg import Record

from seatledger.contract.statuses import ACTIVE, PENDING
from seatledger.domain.model import Customer, Deployment, Reseller
from seatledger.domain.profiles import duplicate_key
from seatledger.store import rows
from seatledger.store.rows import AnyConnection

_NAME_LOCK = 7_205_001


async def reseller(connection: AnyConnection, partner_id: str, reseller_id: str) -> Reseller | None:
    """A reseller of the partner."""
    return await rows.fetch_one(
        connection,
        Reseller,
        "SELECT to_jsonb(r) FROM reseller r WHERE reseller_id = $2 AND partner_id = $1",
        partner_id,
        reseller_id,
    )


async def customer(connection: AnyConnection, partner_id: str, customer_id: str) -> Customer | None:
    """A customer of the partner."""
    return await rows.fetch_one(
        connection,
        Customer,
        "SELECT to_jsonb(c) FROM customer c WHERE customer_id = $2 AND partner_id = $1",
        partner_id,
        customer_id,
    )


async def insert_reseller(connection: AnyConnection, row: Reseller) -> None:
    """Store a new reseller."""
    await rows.insert(connection, "reseller", [row])


async def insert_customer(connection: AnyConnection, row: Customer) -> None:
    """Store a new customer."""
    await rows.insert(connection, "customer", [row])


async def replace_reseller(connection: AnyConnection, row: Reseller, seen_version: int) -> bool:
    """Store a changed reseller under the version it was read with; False if that has passed."""
    return await _replace(connection, "reseller", "reseller_id", row.reseller_id, row, seen_version)


async def replace_customer(connection: AnyConnection, row: Customer, seen_version: int) -> bool:
    """Store a changed customer under the version it was read with; False if that has passed."""
    return await _replace(connection, "customer", "customer_id", row.customer_id, row, seen_version)


async def _replace(
    connection: AnyConnection,
    table: str,
    key: str,
    row_id: str,
    row: Reseller | Customer,
    seen_version: int,
) -> bool:
    guarded = await connection.fetchval(
        f"""UPDATE {table} SET version = version + 1
            WHERE {key} = $1 AND version = $2 RETURNING true""",
        row_id,
        seen_version,
    )
    if guarded:
        await rows.upsert(connection, table, key, [row])
    return bool(guarded)


async def bump_customer(connection: AnyConnection, customer_id: str, seen_version: int) -> bool:
    """Count a change of something that belongs to a customer; False if it changed meanwhile."""
    return bool(
        await connection.fetchval(
            """UPDATE customer SET version = version + 1
               WHERE customer_id = $1 AND version = $2 RETURNING true""",
            customer_id,
            seen_version,
        )
    )


async def namesakes(connection: AnyConnection, row: Customer) -> list[tuple[str, str]]:
    """(reseller id, status) of the partner's other customers with this name and first contact.

    Names are compared case-folded (accounts.md 5.4), which SQL cannot; addresses are ASCII.
    """
    key = duplicate_key(row.profile["companyName"], _first_email(row.profile))
    records = await connection.fetch(
        """SELECT reseller_id, status, profile ->> 'companyName' AS name FROM customer
           WHERE partner_id = $1 AND lower(profile #>> '{contacts,0,email}') = $2
             AND customer_id <> $3""",
        row.partner_id,
        key[1],
        row.customer_id,
    )
    return [
        (record["reseller_id"], record["status"])
        for record in records
        if duplicate_key(record["name"], key[1]) == key
    ]


async def has_duplicate(connection: AnyConnection, row: Customer) -> bool:
    """Whether the reseller has an active or pending customer of that name and first contact."""
    return any(
        reseller_id == row.reseller_id and status in (ACTIVE, PENDING)
        for reseller_id, status in await namesakes(connection, row)
    )


async def has_twin(connection: AnyConnection, row: Customer) -> bool:
    """Whether another reseller of the partner has an active customer of that name and contact."""
    return any(
        reseller_id != row.reseller_id and status == ACTIVE
        for reseller_id, status in await namesakes(connection, row)
    )


async def lock_name(connection: AnyConnection, row: Customer) -> None:
    """Let one transaction at a time add a customer of this name and first contact."""
    name, email = duplicate_key(row.profile["companyName"], _first_email(row.profile))
    await connection.execute(
        "SELECT pg_advisory_xact_lock($1, hashtext($2))",
        _NAME_LOCK,
        f"{row.reseller_id} {email} {name}",
    )


async def contact_names(
    connection: AnyConnection, partner_id: str, emails: Collection[str]
) -> dict[str, tuple[str, str]]:
    """Stored (first, last) names by lower-cased email."""
    records: list[Record] = await connection.fetch(
        """SELECT email, first_name, last_name FROM contact
           WHERE partner_id = $1 AND email = ANY ($2)""",
        partner_id,
        list(emails),
    )
    return {record["email"]: (record["first_name"], record["last_name"]) for record in records}


async def keep_contact_names(
    connection: AnyConnection, partner_id: str, contacts: Mapping[str, tuple[str, str]]
) -> None:
    """Remember names of emails new to the partner; known ones stay (accounts.md 4.1)."""
    emails = sorted(contacts)
    await connection.execute(
        """INSERT INTO contact (partner_id, email, first_name, last_name)
           SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[])
           ON CONFLICT DO NOTHING""",
        partner_id,
        emails,
        [contacts[email][0] for email in emails],
        [contacts[email][1] for email in emails],
    )


async def deployment(
    connection: AnyConnection, customer_id: str, deployment_id: str
) -> Deployment | None:
    """A deployment of a customer."""
    return await rows.fetch_one(
        connection,
        Deployment,
        "SELECT to_jsonb(d) FROM deployment d WHERE deployment_id = $2 AND customer_id = $1",
        customer_id,
        deployment_id,
    )


async def deployments(
    connection: AnyConnection, customer_id: str, status: str | None, limit: int, offset: int
) -> tuple[int, list[Deployment]]:
    """Total and a page of a customer's deployments, oldest first."""
    record: Record | None = await connection.fetchrow(
        """WITH found AS MATERIALIZED (
             SELECT d.* FROM deployment d
             WHERE d.customer_id = $1 AND ($2::text IS NULL OR d.status = $2))
           SELECT (SELECT count(*) FROM found) AS total, (
             SELECT COALESCE(jsonb_agg(to_jsonb(p) ORDER BY p.created_at, p.deployment_id), '[]')
             FROM (SELECT * FROM found ORDER BY created_at, deployment_id
                   LIMIT $3 OFFSET $4) p) AS items""",
        customer_id,
        status,
        limit,
        offset,
    )
    assert record is not None
    return record["total"], rows.decode_list(record["items"], Deployment)


async def put_deployment(connection: AnyConnection, row: Deployment) -> None:
    """Store a new or changed deployment."""
    await rows.upsert(connection, "deployment", "deployment_id", [row])


async def deployment_is_used(
    connection: AnyConnection, customer_id: str, deployment_id: str
) -> bool:
    """Whether an active or scheduled subscription belongs to the deployment."""
    return bool(
        await connection.fetchval(
            """SELECT EXISTS (SELECT 1 FROM subscription WHERE customer_id = $1
                 AND deployment_id = $2 AND status IN ('1000', '1009'))""",
            customer_id,
            deployment_id,
        )
    )


async def has_active_deployment(connection: AnyConnection, customer_id: str) -> bool:
    """Whether any deployment of the customer is active."""
    return bool(
        await connection.fetchval(
            """SELECT EXISTS (SELECT 1 FROM deployment
                 WHERE customer_id = $1 AND status = '1000')""",
            customer_id,
        )
    )


async def has_subscription_in(
    connection: AnyConnection, customer_id: str, statuses: Collection[str]
) -> bool:
    """Whether the customer has a subscription in one of these statuses."""
    return bool(
        await connection.fetchval(
            """SELECT EXISTS (SELECT 1 FROM subscription
                 WHERE customer_id = $1 AND status = ANY ($2))""",
            customer_id,
            list(statuses),
        )
    )


def _first_email(profile: Mapping[str, Any]) -> str:
    email: str = profile["contacts"][0]["email"]
    return email
