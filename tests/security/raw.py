"""Bytes on a connection, exactly as an attacker would write them."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from tests.harness import World

PATIENCE_SECONDS = 20
MALFORMED = b'{"code":"400","message":"Malformed request","additionalDetails":[]}'

Address = tuple[str, int]


@dataclass
class Answer:
    """One HTTP answer as it came off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error code of the envelope."""
        return str(self.json()["code"])

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


async def read_answer(reader: asyncio.StreamReader) -> Answer | None:
    """The next answer of a connection; None when it is closed instead."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    pairs = (line.partition(": ") for line in lines)
    headers = {name.lower(): value for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split(" ")[1]), headers, body)


async def say(address: Address, *parts: bytes) -> list[Answer]:
    """Send bytes on a connection of their own, and give all answers until the server closes it."""
    reader, writer = await asyncio.open_connection(*address)
    answers: list[Answer] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
        except ConnectionError:
            pass  # it has heard enough; what it said is still to be read
        while (answer := await read_answer(reader)) is not None:
            answers.append(answer)
        writer.close()
    return answers


def request(world: World, method: str, target: str, body: bytes = b"", /, **headers: str) -> bytes:
    """A valid request of a world; `Host=""` and the like leave a header out."""
    sent = {
        "Host": "seatledger.example",
        "X-Api-Key": world.client_id,
        "Authorization": f"Bearer {world.token}",
        "X-Correlation-Id": "intent",
        **({"Content-Type": "application/json", "Content-Length": str(len(body))} if body else {}),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"{name}: {value}\r\n" for name, value in sent.items() if value]
    return f"{method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1") + body
