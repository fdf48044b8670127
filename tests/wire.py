"""Under the harness: raw requests, sockets, addresses, credentials, databases of a test's own."""

import asyncio
import secrets as random
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import uvicorn

from seatledger.api.protocol import AbortableProtocol
from seatledger.engine.credentials import DEFAULT_SCOPES, hash_secret
from seatledger.engine.partners import new_client_id
from seatledger.store import partners
from seatledger.store.migrate import upgrade
from tests.harness import World, fetch_token, unique

TOKEN_PATH = "/ims/token/v3"
SCOPE = "openid,AdobeID,read_organizations"

_HOSTS = count(1)


def application(client: httpx.AsyncClient) -> Any:
    """The ASGI application an in-process client talks to."""
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    return transport.app


def elsewhere(client: httpx.AsyncClient, base_url: str = "http://testserver") -> httpx.AsyncClient:
    """A client of the same application at an address nobody else calls from."""
    number = next(_HOSTS)
    address = (f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", 40000)
    transport = httpx.ASGITransport(app=application(client), client=address)
    return httpx.AsyncClient(transport=transport, base_url=base_url)


def keys(world: World, **changes: str | None) -> list[tuple[str, str]]:
    """The headers of a valid GET as pairs; `X_Api_Key=None` leaves one out."""
    usual: dict[str, str | None] = {
        "X-Api-Key": world.client_id,
        "Authorization": f"Bearer {world.token}",
        "X-Correlation-Id": unique("correlation"),
        "Accept": "application/json",
    }
    usual |= {name.replace("_", "-"): value for name, value in changes.items()}
    return [(name, value) for name, value in usual.items() if value is not None]


async def send(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    headers: Sequence[tuple[str, str]] | Mapping[str, str] = (),
    **more: Any,
) -> httpx.Response:
    """A request with exactly these headers (and those no request goes without)."""
    request = client.build_request(method, path, headers=list(_pairs(headers)), **more)
    for name in ("accept", "user-agent"):
        if name not in {one.lower() for one, _ in _pairs(headers)}:
            request.headers.pop(name, None)
    return await client.send(request)


def _pairs(headers: Sequence[tuple[str, str]] | Mapping[str, str]) -> Sequence[tuple[str, str]]:
    return list(headers.items()) if isinstance(headers, Mapping) else headers


async def with_credential(
    world: World, database_url: str, *, role: str = "full", status: str = "active"
) -> World:
    """The world through another API key of its partner."""
    client_id, secret = new_client_id(), "p8e-another-secret-of-the-tests"
    first = "active" if status == "disabled" else status  # a disabled one gets no token
    await put_credential(world, database_url, client_id, secret, role=role, status=first)
    other = replace(world, client_id=client_id, secret=secret)
    other.token = await fetch_token(elsewhere(world.client), client_id, secret)
    if first != status:
        await put_credential(world, database_url, client_id, secret, role=role, status=status)
    return other


async def put_credential(
    world: World,
    database_url: str,
    client_id: str,
    *secrets: str,
    role: str = "full",
    status: str = "active",
) -> None:
    """Store an API key of the world's partner: there is no call for it."""
    credential = partners.Credential(
        client_id,
        world.distributor_id,
        tuple(hash_secret(secret) for secret in secrets),
        DEFAULT_SCOPES,
        role,
        status,
        "sandbox",
    )
    connection = await asyncpg.connect(database_url)
    try:
        await partners.put_credential(connection, credential)
    finally:
        await connection.close()


async def arm(world: World, effect: Mapping[str, Any], **more: Any) -> None:
    """Arm a fault for the world's next call that it fits."""
    (await world.post("/sandbox/faults", {"effect": effect, **more})).ok()


@asynccontextmanager
async def another_database(database_url: str) -> AsyncIterator[str]:
    """A migrated database of a test's own on the same server."""
    name = f"test_{random.token_hex(8)}"
    parts = urlsplit(database_url)
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        url = urlunsplit(parts._replace(path=f"/{name}"))
        await asyncio.to_thread(upgrade, url)
        yield url
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@asynccontextmanager
async def listening(app: Any, finish_seconds: int | None = None) -> AsyncIterator[tuple[str, int]]:
    """The application behind a real server, as the service runs it: its host and port.

    When it closes, running calls have `finish_seconds` to finish in, or all the time they want.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app,
            http=AbortableProtocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=finish_seconds,
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            await running
