"""Connections that are cut on demand, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from seatledger.api import answers
from seatledger.api.interception import ABORT, RESET, Cut
from seatledger.api.protocol import AbortableProtocol

pytestmark = pytest.mark.anyio


BODY = b"0123456789"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Cuts the connection of /cut before answering as if nothing had happened."""
    assert scope["type"] == "http"
    if scope["path"] == "/cut":
        scope["extensions"][ABORT]()
        while (await receive())["type"] != "http.disconnect":
            pass
    if scope["path"] == "/reset":
        scope["extensions"][RESET]()
        while (await receive())["type"] != "http.disconnect":
            pass
    if scope["path"] == "/half":
        scope["state"] = {"request_id": "1", "correlation_id": ""}
        await answers.response(scope, Cut(200, BODY))(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """The application on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            application, http=AbortableProtocol, lifespan="off", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        yield int(listener.getsockname()[1])
        server.should_exit = True
        await running


async def test_a_call_may_cut_its_connection() -> None:
    async with serving() as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/")).status_code == 204
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await client.post("/cut", content=b"body")
        assert (await client.get("/")).status_code == 204


async def test_a_call_may_reset_its_connection() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /reset HTTP/1.1\r\nHost: here\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_an_answer_may_be_cut_in_the_midst_of_its_body() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /half HTTP/1.1\r\nHost: here\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 10\r\n" in head.lower()
        assert await reader.readexactly(5) == BODY[:5]
        with pytest.raises(ConnectionResetError):
            await reader.read()
