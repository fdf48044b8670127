"""Orders over HTTP as fast as one process can send them: keep-alive connections on raw sockets.

A client library costs more per request than the server under test does, so this one speaks just
enough HTTP/1.1: it writes requests made beforehand and reads a status and a length.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from time import perf_counter
from typing import Protocol, cast
from urllib.parse import urlsplit

from msgspec import Struct

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "
_ANSWER_SECONDS = 60


class Load(Struct, frozen=True):
    """What a run sent and got back.

    `seats` is the sum of the accepted quantities, `latencies` the seconds from the first byte
    sent to the last byte of each acceptance, `repeated` the 503s that were sent once more.
    """

    accepted: int
    seats: int
    seconds: float
    latencies: list[float]
    repeated: int

    @property
    def rate(self) -> float:
        """Accepted orders per second."""
        return self.accepted / self.seconds


class LoadError(Exception):
    """The server answered something that is no acceptance and no 503, hung up, or fell silent."""


class Requests(Protocol):
    """Where requests go, what they are, and the status that accepts one."""

    host: str
    port: int
    accepted: bytes

    def next(self) -> tuple[bytes, int]:
        """A request nobody sent yet, and the seats it asks for."""
        ...


class Orders:
    """Orders, customer by customer in turn.

    Everything but the ids is put into bytes once. Every order has a correlation id and a request
    id that no other one has; their random head spreads them over the index as UUIDs would.
    """

    def __init__(
        self,
        address: str,
        paths: Sequence[str],
        headers: dict[str, str],
        bodies: Sequence[tuple[bytes, int]],
        accepted: bytes = b"201",
    ):
        """`paths` and `bodies`, each with its seats, take turns; `headers` go with all."""
        place = urlsplit(address)
        self.host = place.hostname or ""
        self.port = place.port or 0
        self.accepted = accepted
        fixed = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        self._heads = [
            b"POST %b HTTP/1.1\r\nHost: %b\r\n%bX-Correlation-Id: "
            % (path.encode(), place.netloc.encode(), fixed)
            for path in paths
        ]
        self._tails = [
            (
                b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body),
                seats,
            )
            for body, seats in bodies
        ]
        self._sent = 0
        self._random = random.Random()

    def parts(self) -> tuple[list[bytes], list[bytes]]:
        """What stands before the ids of a request, and what after them."""
        return self._heads, [tail for tail, _ in self._tails]

    def next(self) -> tuple[bytes, int]:
        """A request nobody sent yet, and the seats it asks for."""
        number = self._sent
        self._sent += 1
        name = b"%012d-%012d" % (self._random.randrange(10**12), number)
        head = self._heads[number % len(self._heads)]
        tail, seats = self._tails[number % len(self._tails)]
        return b"".join((head, name, b"\r\nX-Request-Id: ", name, tail)), seats


class _Run:
    """One run: counters that all its connections share."""

    def __init__(self, requests: Requests, until: float) -> None:
        self.requests = requests
        self.until = until
        self.accepted = self.seats = self.repeated = 0
        self.last = 0.0
        self.latencies: list[float] = []
        self.others: Counter[str] = Counter()


class _Connection(asyncio.Protocol):
    """One keep-alive connection: a request, its answer, the next request."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self._request = b""
        self._seats = 0
        self._began = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own class
        self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._run.others["connection lost"] += 1
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        _, found, rest = head.partition(_LENGTH)
        if not found:
            self._run.others["an answer without a length"] += 1
            self._finish()
            return
        length = int(rest.partition(b"\r")[0])
        if len(self._buffer) < end + len(_END_OF_HEAD) + length:
            return
        answer, self._buffer = self._buffer, b""
        self._judge(answer)

    def _judge(self, answer: bytes) -> None:
        run = self._run
        status = answer[9:12]
        run.last = perf_counter()
        if status == run.requests.accepted:
            run.accepted += 1
            run.seats += self._seats
            run.latencies.append(run.last - self._began)
            self._send_next()
        elif status == b"503":  # its turn did not come: the same order once more
            run.repeated += 1
            self._transport.write(self._request)
        else:
            run.others[answer.decode(errors="replace")] += 1
            self._finish()

    def _send_next(self) -> None:
        self._began = perf_counter()
        if self._began >= self._run.until:
            self._finish()
            return
        self._request, self._seats = self._run.requests.next()
        self._transport.write(self._request)

    def _finish(self) -> None:
        self.done.set_result(None)
        self._transport.close()


async def send(requests: Requests, connections: int, seconds: float) -> Load:
    """Keep `connections` busy for `seconds`, then wait for what is still on its way.

    LoadError when an answer neither accepts nor is a 503, or does not come.
    """
    loop = asyncio.get_running_loop()
    began = perf_counter()
    run = _Run(requests, began + seconds)
    made = [
        await loop.create_connection(lambda: _Connection(run), requests.host, requests.port)
        for _ in range(connections)
    ]
    ended = asyncio.gather(*(protocol.done for _, protocol in made))
    try:
        await asyncio.wait_for(ended, seconds + _ANSWER_SECONDS)
    except TimeoutError as error:
        raise LoadError(f"an answer did not come within {_ANSWER_SECONDS} seconds") from error
    if run.others:
        answer, count = run.others.most_common(1)[0]
        raise LoadError(f"{count} times instead of {requests.accepted.decode()}: {answer[:1000]}")
    return Load(run.accepted, run.seats, run.last - began, run.latencies, run.repeated)
