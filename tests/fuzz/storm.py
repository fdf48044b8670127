"""Mutated requests over many connections, each answer judged, failures kept as files."""

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

from seatledger.contract.errors import catalogue
from tests.fuzz.recorded import Request, of_api, of_edits, of_open_paths, of_worlds
from tests.fuzz.scene import Scene, furnish
from tests.fuzz.wire import Shot, shot
from tests.harness import World

PATIENCE_SECONDS = 70  # beyond the time any call may take (platform.md 13)
DOUBT_SECONDS = 0.5
INTERNALS = (b"Traceback", b"asyncpg", b"msgspec", b'File "/', b"Exception", b"SELECT ")
MEDIA_TYPES = frozenset(
    ("application/json", "text/plain; charset=utf-8", "text/csv",
     "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
)  # fmt: skip
CATALOGUED = frozenset((row.code, row.http_status, row.message) for row in catalogue())

Address = tuple[str, int]
MakeWorld = Callable[[], Awaitable[World]]


class Fault(Exception):
    """An answer that must not be."""


@dataclass
class Answer:
    """Status, headers by lower-case name, and body of one answer."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Report:
    """What came of a storm."""

    answers: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """How many requests have been dealt with."""
        return self.routes.total()


@dataclass
class Stage:
    """The worlds requests are aimed at: for the API, for edits, for calls on a whole world."""

    scenes: list[Scene]
    requests: list[tuple[Scene, Request]]

    @classmethod
    async def set_up(cls, make_world: MakeWorld, api_worlds: int) -> "Stage":
        """Furnished worlds, with a request for every route."""
        scenes = [Scene(await make_world(), {}) for _ in range(api_worlds + 2)]
        for scene in scenes:
            await furnish(scene)
        edited, moved, *api = scenes
        requests = [(edited, one) for one in (*of_edits(edited), *of_open_paths(edited))]
        requests += [(moved, one) for one in of_worlds(moved)]
        near = {"cotermDate": "2025-07-27"}  # the next term is on sale
        for scene in api:
            path = scene.filled("/sandbox/customers/{customer-id}")
            (await scene.world.patch(path, near)).ok(200)
            requests += [(scene, one) for one in of_api(scene, 2 / api_worlds)]
        return cls(scenes, requests)

    def pick(self, random: Random) -> Shot:
        """Any of its requests, with faults."""
        weights = [request.weight for _, request in self.requests]
        ((scene, request),) = random.choices(self.requests, weights)
        return shot(request.of(scene), request.route, random)

    async def check(self) -> None:
        """Assert that the invariants of its worlds hold."""
        for scene in self.scenes:
            await scene.world.is_sound()


@dataclass
class Storm:
    """Requests `0..number` of a seed, on connections that are kept while they last.

    Writes of one customer wait for each other: `api_worlds` spreads them.
    """

    address: Address
    make_world: MakeWorld
    seed: int
    connections: int = 32
    stage_requests: int = 10_000
    api_worlds: int = 8
    failures: Path | None = None
    report: Report = field(default_factory=Report)

    async def blow(self, number: int) -> AsyncIterator[Report]:
        """Send them all, a stage after the other; gives the report after each."""
        for first in range(0, number, self.stage_requests):
            stage = await Stage.set_up(self.make_world, self.api_worlds)
            numbers = count(first)
            last = min(number, first + self.stage_requests)
            await asyncio.gather(
                *(self._connection(stage, numbers, last) for _ in range(self.connections))
            )
            await stage.check()
            yield self.report

    async def _connection(self, stage: Stage, numbers: "count[int]", last: int) -> None:
        line = Line(self.address)
        while (number := next(numbers)) < last:
            fired = stage.pick(Random(f"{self.seed} {number}"))
            answers: Sequence[Answer] = ()
            self.report.routes[fired.route] += 1
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    answers = await line.exchange(fired)
                self._note(fired, answers)
            except (Fault, TimeoutError, OSError, ValueError, asyncio.IncompleteReadError) as error:
                self._keep(number, fired, answers, error, line.before)
                line.hang_up()
        line.hang_up()

    def _note(self, fired: Shot, answers: Sequence[Answer]) -> None:
        for one in answers:
            code = judge(one)
            self.report.answers[f"{one.status} {code}".strip()] += 1
            if one.status < 300:
                self.report.accepted[fired.route] += 1
        if not answers:
            self.report.answers["connection closed"] += 1

    def _keep(
        self,
        number: int,
        fired: Shot,
        answers: Sequence[Answer],
        error: Exception,
        before: bytes,
    ) -> None:
        told = f"seed {self.seed}, request {number}, {fired.route}: {error!r}"
        self.report.failures.append(told)
        if self.failures is not None:
            self.failures.mkdir(exist_ok=True)
            name = self.failures / f"{self.seed}-{number}"
            name.with_suffix(".http").write_bytes(fired.content)
            name.with_suffix(".txt").write_text(
                f"{told}\nSend it again: nc HOST PORT < {name.name}.http\n"
                + "".join(f"{one!r}\n" for one in answers)
                + f"Before it on the connection: {before!r}\n",
                "utf-8",
            )


class Line:
    """A connection that is made anew when it is gone."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.before = b""

    async def exchange(self, fired: Shot) -> list[Answer]:
        """Send a request and give its answer; of a doubtful one all answers, if any come."""
        if fired.is_doubtful:
            self.hang_up()
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, limit=2**22)
        reader, writer = self._streams
        with suppress(ConnectionError):  # an answer may be there before all is sent
            writer.write(fired.content)
            await writer.drain()
        if fired.is_doubtful:
            return await self._all(fired.method, reader)
        answer = await read(reader, fired.method)
        if answer is None:
            raise Fault("the connection was closed without an answer")
        self.before = fired.content
        if answer.headers.get("connection") == "close":
            self.hang_up()
        return [answer]

    async def _all(self, method: str, reader: asyncio.StreamReader) -> list[Answer]:
        found: list[Answer] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(DOUBT_SECONDS) as doubt:
                while (answer := await read(reader, method)) is not None:
                    found.append(answer)
                    doubt.reschedule(asyncio.get_running_loop().time() + DOUBT_SECONDS / 10)
        self.hang_up()
        return found

    def hang_up(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
            self.before = b""


async def read(reader: asyncio.StreamReader, method: str) -> Answer | None:
    """The next final answer; None when the connection is closed."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        status = int(first.split(" ")[1])
        if status >= 200:
            break
    headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
    is_bare = method == "HEAD" or status in (204, 304)
    body = b"" if is_bare else await reader.readexactly(int(headers["content-length"]))
    return Answer(status, headers, body)


def judge(answer: Answer) -> str:
    """The code of an answer; Fault when it is none the contract knows."""
    headers, body = answer.headers, answer.body
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    if any(word in body for word in INTERNALS) and headers["content-type"] != "text/csv":
        raise Fault(f"internals shown: {body[:500]!r}")
    if headers.get("content-type") not in MEDIA_TYPES or "x-request-id" not in headers:
        raise Fault(f"headers {headers}")
    if headers["x-content-type-options"] != "nosniff" or "server" in headers:
        raise Fault(f"headers {headers}")
    if not body or headers["content-type"] != "application/json":
        if answer.status >= 500 and (answer.status, body) != (503, b"not ready"):
            raise Fault(f"{answer.status} {body[:500]!r}")
        return ""
    value = json.loads(body)
    if answer.status < 300:
        return ""
    return _refusal(answer, value)


def _refusal(answer: Answer, value: object) -> str:
    if not isinstance(value, dict):
        raise Fault(f"no envelope: {answer.body[:500]!r}")
    code, message = (
        value.get("code", value.get("error")),
        value.get("message", value.get("error_description")),
    )
    is_known = (code, answer.status, message) in CATALOGUED or (code, answer.status) == ("409", 409)
    names = {"error", "error_description"} if "error" in value else {"code", "message"}
    if not is_known or set(value) - {"additionalDetails"} != names:
        raise Fault(f"no catalogued refusal: {answer.status} {answer.body[:500]!r}")
    if answer.status >= 500 and (code != "503" or "retry-after" not in answer.headers):
        raise Fault(f"{answer.status} {answer.body[:500]!r}")
    return str(code)
