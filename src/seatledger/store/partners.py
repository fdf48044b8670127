"""Partners with their worlds (clock, settlement, data sets), credentials, and configuration."""

from datetime import datetime

from asyncpg import Record
from msgspec import Struct

from seatledger.domain.closed_codes import ClosedCode
from seatledger.domain.model import Partner
from seatledger.domain.reconciliation import closing_after
from seatledger.store.rows import AnyConnection, decode, encode


class WorldRow(Struct, frozen=True):
    """A partner with everything that decides how its calls are answered.

    `closed_codes` it had made for customers, `discount_ends` are end dates it moved, by discount.
    """

    partner_id: str
    version: int
    doc: Partner
    catalog_version: int
    discounts_version: int
    clock_mode: str
    clock_at: datetime
    clock_real: datetime
    clock_rate: float
    settlement_mode: str
    settlement_delay: int
    faults_armed: bool
    closed_codes: tuple[ClosedCode, ...] = ()
    discount_ends: dict[str, datetime] = {}


class Secret(Struct, frozen=True):
    """A secret of an API key, as it is stored: hashed. It is good until an instant (real clock)."""

    hash: str
    until: datetime | None = None


class Credential(Struct, frozen=True):
    """An API key of a partner. `secrets` may hold two during rotation."""

    client_id: str
    partner_id: str
    secrets: tuple[Secret, ...]
    scopes: tuple[str, ...]
    role: str
    status: str
    origin: str


async def load(connection: AnyConnection, partner_id: str) -> WorldRow | None:
    """A partner by id."""
    text = await connection.fetchval(
        """SELECT to_jsonb(p) || jsonb_build_object(
             'closed_codes', COALESCE((SELECT jsonb_agg(to_jsonb(c) ORDER BY c.created_at, c.code)
               FROM closed_code c WHERE c.partner_id = p.partner_id), '[]'),
             'discount_ends', COALESCE((SELECT jsonb_object_agg(e.discount_id, e.ends_at)
               FROM discount_end e WHERE e.partner_id = p.partner_id), '{}'))
           FROM partner p WHERE partner_id = $1""",
        partner_id,
    )
    return None if text is None else decode(text, WorldRow)


async def load_locked(connection: AnyConnection, partner_id: str) -> WorldRow | None:
    """A partner by id, kept from changing until the transaction ends; without its discounts."""
    text = await connection.fetchval(
        "SELECT to_jsonb(p) FROM partner p WHERE partner_id = $1 FOR NO KEY UPDATE", partner_id
    )
    return None if text is None else decode(text, WorldRow)


async def version_of(connection: AnyConnection, partner_id: str) -> int | None:
    """The version of a partner's row; every change bumps it."""
    version: int | None = await connection.fetchval(
        "SELECT version FROM partner WHERE partner_id = $1", partner_id
    )
    return version


async def all_ids(connection: AnyConnection) -> list[str]:
    """Every partner id."""
    records: list[Record] = await connection.fetch(
        "SELECT partner_id FROM partner ORDER BY partner_id"
    )
    return [record["partner_id"] for record in records]


async def insert(connection: AnyConnection, row: WorldRow) -> None:
    """Store a new partner."""
    await connection.execute(
        """INSERT INTO partner (partner_id, doc, catalog_version, discounts_version, clock_mode,
             clock_at, clock_real, clock_rate, settlement_mode, settlement_delay, closes_month_at)
           VALUES ($1, $2::jsonb, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        row.partner_id,
        encode(row.doc),
        row.catalog_version,
        row.discounts_version,
        row.clock_mode,
        row.clock_at,
        row.clock_real,
        row.clock_rate,
        row.settlement_mode,
        row.settlement_delay,
        closing_after(row.clock_at),
    )


async def replace_doc(connection: AnyConnection, partner: Partner, seen_version: int) -> bool:
    """Store changed contract fields, settings or quirks; False if the row changed meanwhile."""
    done = await connection.fetchval(
        """UPDATE partner SET doc = $2::jsonb, version = version + 1
           WHERE partner_id = $1 AND version = $3 RETURNING true""",
        partner.partner_id,
        encode(partner),
        seen_version,
    )
    return bool(done)


async def set_clock(
    connection: AnyConnection,
    partner_id: str,
    *,
    mode: str,
    at: datetime,
    real: datetime,
    rate: float,
) -> int | None:
    """Set a world's clock: `at` is the business instant that real instant `real` stands for.

    Gives the version the partner has then; None if there is no such partner any more.
    """
    version: int | None = await connection.fetchval(
        """UPDATE partner SET clock_mode = $2, clock_at = $3, clock_real = $4, clock_rate = $5,
             version = version + 1 WHERE partner_id = $1 RETURNING version""",
        partner_id,
        mode,
        at,
        real,
        rate,
    )
    return version


async def set_settlement(
    connection: AnyConnection, partner_id: str, mode: str, delay_seconds: int
) -> str | None:
    """Set how a world's accepted work settles (sandbox.md 5.2); gives the mode it had, None if
    there is no such partner any more.

    In a transaction: whoever writes on the old mode is waited for, whoever comes later finds the
    world changed. What the rest of the transaction changes misses nothing.
    """
    before: str | None = await connection.fetchval(
        "SELECT settlement_mode FROM partner WHERE partner_id = $1 FOR UPDATE", partner_id
    )
    await connection.execute(
        """UPDATE partner SET settlement_mode = $2, settlement_delay = $3,
             version = version + 1 WHERE partner_id = $1""",
        partner_id,
        mode,
        delay_seconds,
    )
    return before


async def set_faults_armed(connection: AnyConnection, partner_id: str, armed: bool) -> None:
    """Note whether the world has faults, so that calls need not look for them."""
    await connection.execute(
        "UPDATE partner SET faults_armed = $2, version = version + 1 WHERE partner_id = $1",
        partner_id,
        armed,
    )


async def set_data_set(
    connection: AnyConnection, kind: str, version: int, partner_id: str | None
) -> None:
    """Make a loaded data set the one of a partner, or of all (None)."""
    column = {"catalog": "catalog_version", "flex_discounts": "discounts_version"}[kind]
    await connection.execute(
        f"""UPDATE partner SET {column} = $1, version = version + 1
            WHERE $2::text IS NULL OR partner_id = $2""",
        version,
        partner_id,
    )


_SETUP_LOCK = 5_401_338
TABLES_OF_A_WORLD = (
    "reconciliation_row", "reconciliation_file", "event", "fault", "idempotency", "request_id",
    "closed_code", "discount_end", "redemption", "subscription", "orders", "deployment",
    "contact", "customer", "ledger_entry", "reseller",
)  # fmt: skip


async def delete(connection: AnyConnection, partner_id: str) -> bool:
    """Remove a partner and everything of it; False if there is none."""
    await empty(connection, partner_id)
    found = await connection.fetchval(
        "DELETE FROM partner WHERE partner_id = $1 RETURNING true", partner_id
    )
    return bool(found)


async def lock_all(connection: AnyConnection, partner_id: str) -> None:
    """Wait for whoever is writing in a world; whoever comes later finds it changed."""
    await connection.execute("SELECT 1 FROM partner WHERE partner_id = $1 FOR UPDATE", partner_id)
    await connection.execute(
        "UPDATE partner SET version = version + 1 WHERE partner_id = $1", partner_id
    )
    for table in ("reseller", "customer"):  # the lock order of everything that settles
        await connection.execute(
            f"""SELECT 1 FROM {table} WHERE partner_id = $1
                ORDER BY {table}_id FOR NO KEY UPDATE""",
            partner_id,
        )


async def empty(connection: AnyConnection, partner_id: str) -> None:
    """Remove everything of a partner but itself and its credentials.

    Nothing is left that belongs to something removed.
    """
    await lock_all(connection, partner_id)
    for table in TABLES_OF_A_WORLD:
        await connection.execute(f"DELETE FROM {table} WHERE partner_id = $1", partner_id)


async def hold(connection: AnyConnection, partner_id: str, seen_version: int) -> bool:
    """Keep a partner from being emptied until the transaction ends; False if it has changed."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM partner WHERE partner_id = $1 AND version = $2 FOR KEY SHARE",
            partner_id,
            seen_version,
        )
    )


async def load_credential(connection: AnyConnection, client_id: str) -> Credential | None:
    """A credential by API key."""
    text = await connection.fetchval(
        "SELECT to_jsonb(c) FROM credential c WHERE client_id = $1", client_id
    )
    return None if text is None else decode(text, Credential)


async def credentials_of(connection: AnyConnection, partner_id: str) -> list[Credential]:
    """Every credential of a partner."""
    records = await connection.fetch(
        "SELECT to_jsonb(c) FROM credential c WHERE partner_id = $1 ORDER BY client_id", partner_id
    )
    return [decode(record[0], Credential) for record in records]


async def put_credential(connection: AnyConnection, credential: Credential) -> None:
    """Store a credential, replacing one of the same API key of the same partner."""
    await connection.execute(
        """INSERT INTO credential (client_id, partner_id, secrets, scopes, role, status,
             origin)
           VALUES ($1, $2, $3::jsonb, $4::jsonb, $5, $6, $7)
           ON CONFLICT (client_id) DO UPDATE SET secrets = EXCLUDED.secrets,
             scopes = EXCLUDED.scopes, role = EXCLUDED.role, status = EXCLUDED.status
           WHERE credential.partner_id = EXCLUDED.partner_id""",
        credential.client_id,
        credential.partner_id,
        encode(credential.secrets),
        encode(credential.scopes),
        credential.role,
        credential.status,
        credential.origin,
    )


async def has_sandbox_credentials(connection: AnyConnection, demo_client_id: str) -> bool:
    """Whether there are credentials of a sandbox, or the demo's API key, whoever stored it."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT 1 FROM credential WHERE origin = 'sandbox' OR client_id = $1)",
            demo_client_id,
        )
    )


async def sandbox_world(connection: AnyConnection) -> str | None:
    """A partner whose clock, settlement or faults only a sandbox may have, None without one."""
    partner_id: str | None = await connection.fetchval(
        """SELECT partner_id FROM partner WHERE clock_mode <> 'system'
             OR settlement_mode <> 'auto' OR faults_armed ORDER BY partner_id LIMIT 1"""
    )
    return partner_id


async def add_data_set(connection: AnyConnection, kind: str, body: str) -> int:
    """Store a catalogue or discounts file; gives its version."""
    version: int = await connection.fetchval(
        "INSERT INTO data_set (kind, body) VALUES ($1, $2) RETURNING version", kind, body
    )
    return version


async def data_set(connection: AnyConnection, version: int) -> str:
    """The text of a stored data set."""
    body: str = await connection.fetchval("SELECT body FROM data_set WHERE version = $1", version)
    return body


async def products_in_use(connection: AnyConnection, partner_id: str | None) -> set[str]:
    """Keys of the products that open subscriptions and accepted orders of a partner, or of all,
    name."""
    records = await connection.fetch(
        """SELECT DISTINCT product_key FROM subscription
             WHERE status IN ('1000', '1002', '1009') AND ($1::text IS NULL OR partner_id = $1)
           UNION SELECT left(l ->> 'offer_id', 10) FROM orders o, jsonb_array_elements(o.lines) l
             WHERE o.status = '1002' AND ($1::text IS NULL OR o.partner_id = $1)""",
        partner_id,
    )
    return {record[0] for record in records}


async def latest_data_set(connection: AnyConnection, kind: str) -> int | None:
    """The newest version of a kind that was loaded for everyone, None before the first load."""
    version: int | None = await connection.fetchval(
        "SELECT value::int FROM config WHERE key = $1", f"{kind}_version"
    )
    return version


async def lock_setup(connection: AnyConnection) -> None:
    """Let one process at a time set a database up; held to the end of the transaction.

    The others wait for as long as a statement may take.
    """
    await connection.execute("SET LOCAL lock_timeout = 0")
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _SETUP_LOCK)


async def config(connection: AnyConnection, key: str) -> str | None:
    """A configuration value."""
    value: str | None = await connection.fetchval("SELECT value FROM config WHERE key = $1", key)
    return value


async def put_config(connection: AnyConnection, key: str, value: str, *, keep: bool = False) -> str:
    """Store a configuration value; with `keep` a value already there wins. Gives the stored."""
    change = "config.value" if keep else "EXCLUDED.value"
    stored: str = await connection.fetchval(
        f"""INSERT INTO config (key, value) VALUES ($1, $2)
            ON CONFLICT (key) DO UPDATE SET value = {change} RETURNING value""",
        key,
        value,
    )
    return stored


async def take_call(
    connection: AnyConnection, client_id: str, per_minute: int, real: datetime
) -> float:
    """Take one call from an API key's token bucket; gives the seconds to wait, 0 when allowed.

    The bucket holds a sixth of a minute's calls and is shared by all processes (platform.md 13).
    A refused call takes nothing, so that whoever asks too often still gets the allowed rate.
    """
    record = await connection.fetchrow(
        """WITH taken AS (
             INSERT INTO rate_bucket AS b (client_id, tokens, refilled_at)
             VALUES ($1, $2::float8 - 1, $4)
             ON CONFLICT (client_id) DO UPDATE SET
               tokens = LEAST($2, b.tokens + $3::float8 * EXTRACT(epoch FROM $4 - b.refilled_at))
                 - 1,
               refilled_at = $4
             WHERE b.tokens + $3 * EXTRACT(epoch FROM $4 - b.refilled_at) >= 1
             RETURNING true)
           SELECT EXISTS (SELECT 1 FROM taken) AS taken,
             (SELECT (1 - b.tokens) / $3 - EXTRACT(epoch FROM $4 - b.refilled_at)
              FROM rate_bucket b WHERE b.client_id = $1) AS wait""",
        client_id,
        max(1.0, per_minute / 6),
        per_minute / 60,
        real,
    )
    assert record is not None
    if record["taken"]:
        return 0.0
    # What we read may be older than what refused us: calls at the same time took the last ones.
    wait: float = record["wait"] or 0.0
    return wait if wait > 0 else 60 / per_minute
