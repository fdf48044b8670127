"""Several partners on one server: ids nobody has, what is stored, what a caller sees."""

import re
from collections.abc import Mapping
from typing import Any

import asyncpg

from tests.harness import Reply, World

UNKNOWN = {
    "reseller-id": "1000999999",
    "customer-id": "1005999999",
    "deployment-id": "1450999999",
    "order-id": "9299999999",
    "subscription-id": "00000000000000000000000000000NA",
}


async def stored(database_url: str, *worlds: World) -> list[str]:
    """Every row of these partners."""
    connection = await asyncpg.connect(database_url)
    partners = [one.distributor_id for one in worlds]
    rows: list[str] = []
    tables = await connection.fetch(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'partner_id'"
        " AND table_schema = 'public' ORDER BY table_name"
    )
    for (table,) in tables:
        sql = f"SELECT t::text AS row FROM {table} t WHERE partner_id = ANY($1) ORDER BY 1"
        rows += [f"{table} {one['row']}" for one in await connection.fetch(sql, partners)]
    await connection.close()
    return rows


def fill(path: str, ids: Mapping[str, str]) -> str:
    """A path of the table with ids in place."""
    return re.sub(r"\{([a-z-]+)\}", lambda match: ids[match[1]], path)


def seen(reply: Reply) -> tuple[Any, ...]:
    """All a caller can tell two answers apart by."""
    same = {name: value for name, value in reply.headers.items()
            if name not in ("x-request-id", "x-correlation-id")}  # fmt: skip
    return reply.status, reply.content, same
