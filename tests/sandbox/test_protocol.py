"""Connections that are cut on demand, over real sockets."""

import asyncio
import socket

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from seatledger.api.interception import ABORT
from seatledger.api.protocol import AbortableProtocol

pytestmark = pytest.mark.anyio


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Cuts the connection of /cut before answering as if nothing had happened."""
    assert scope["type"] == "http"
    if scope["path"] == "/cut":
        scope["extensions"][ABORT]()
        while (await receive())["type"] != "http.disconnect":
            pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def test_a_call_may_cut_its_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            application, http=AbortableProtocol, lifespan="off", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=base_url) as client:
            assert (await client.get("/")).status_code == 204
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                await client.post("/cut", content=b"body")
            assert (await client.get("/")).status_code == 204
        server.should_exit = True
        await running
