"""Domain values <-> rows. A Struct's fields are its table's columns, so no mapping is written.

Rows come out as JSON that msgspec decodes into the Struct, and go in as one JSON array that
PostgreSQL spreads over the columns: one statement for any number of rows.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec
from asyncpg import Connection, Pool, Record
from asyncpg.pool import PoolConnectionProxy

if TYPE_CHECKING:  # generic in their stubs alone
    AnyConnection: TypeAlias = Connection[Record] | PoolConnectionProxy[Record]
    AnyPool: TypeAlias = Pool[Record]
else:
    AnyConnection = Connection | PoolConnectionProxy
    AnyPool = Pool
T = TypeVar("T", bound=msgspec.Struct)

# Amounts go into jsonb as JSON numbers with their own digits.
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def encode(value: Any) -> str:
    """A value as JSON text for a jsonb parameter."""
    return _ENCODER.encode(value).decode()


@cache
def _decoder(cls: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(cls)


def decode(text: str, cls: type[T]) -> T:
    """A row that PostgreSQL sent as JSON."""
    value: T = _decoder(cls).decode(text)
    return value


@cache
def _columns(cls: type[msgspec.Struct]) -> tuple[str, ...]:
    return cls.__struct_fields__


@cache
def _insert_sql(table: str, cls: type[msgspec.Struct], sort: str = "jsonb") -> str:
    names = ", ".join(_columns(cls))
    return (
        f"INSERT INTO {table} ({names}) "
        f"SELECT {names} FROM {sort}_populate_recordset(NULL::{table}, $1::{sort})"
    )


@cache
def _upsert_sql(table: str, cls: type[msgspec.Struct], key: str) -> str:
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in _columns(cls) if name != key)
    inserting = _insert_sql(table, cls, "json")  # faster where few columns are documents
    return f"{inserting} ON CONFLICT ({key}) DO UPDATE SET {changes}"


async def insert(connection: AnyConnection, table: str, rows: Sequence[msgspec.Struct]) -> None:
    """Insert rows of one Struct type; nothing for an empty sequence."""
    if rows:
        await connection.execute(_insert_sql(table, type(rows[0])), encode(rows))


async def upsert(
    connection: AnyConnection, table: str, key: str, rows: Sequence[msgspec.Struct]
) -> None:
    """Insert rows, or overwrite those whose `key` exists."""
    if rows:
        await connection.execute(_upsert_sql(table, type(rows[0]), key), encode(rows))


async def fetch_one(connection: AnyConnection, cls: type[T], sql: str, *arguments: Any) -> T | None:
    """The row of a query of one JSON column, None when there is none."""
    text = await connection.fetchval(sql, *arguments)
    return None if text is None else decode(text, cls)


async def fetch_all(connection: AnyConnection, cls: type[T], sql: str, *arguments: Any) -> list[T]:
    """The rows of a query of one JSON column."""
    return [decode(record[0], cls) for record in await connection.fetch(sql, *arguments)]


@cache
def _list_decoder(cls: type[T]) -> msgspec.json.Decoder[list[T]]:
    return msgspec.json.Decoder(list[cls])  # type: ignore[valid-type]


def decode_list(text: str, cls: type[T]) -> list[T]:
    """Rows that PostgreSQL sent as one JSON array."""
    return _list_decoder(cls).decode(text)
