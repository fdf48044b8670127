"""One authenticated call on its way to a handler."""

import uuid
from collections.abc import Awaitable, Callable

from msgspec import Struct

from seatledger.api.body import Malformed, parse_object
from seatledger.api.query import Query
from seatledger.contract.walker import FieldFaults, decode
from seatledger.domain.outcome import Refused
from seatledger.engine.bodies import Body
from seatledger.engine.calls import Answer, Call
from seatledger.engine.context import Engine
from seatledger.engine.world import World
from seatledger.store.partners import Credential


class Context:
    """What a handler gets: the engine, the caller's world, and the request's parts.

    `injected_status` and `fail_after_write` are set by sandbox faults alone.
    """

    __slots__ = (
        "body",
        "correlation_id",
        "credential",
        "engine",
        "fail_after_write",
        "headers",
        "injected_status",
        "method",
        "own_request_id",
        "params",
        "path",
        "query_string",
        "request_id",
        "world",
    )

    def __init__(
        self,
        engine: Engine,
        world: World,
        credential: Credential | None,
        method: str,
        path: str,
        query_string: bytes,
        headers: "Headers",
    ) -> None:
        self.engine = engine
        self.world = world
        self.credential = credential
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers = headers
        self.params: dict[str, str] = {}
        self.body = b""
        self.correlation_id = ""
        self.own_request_id = ""
        self.request_id = ""
        self.injected_status: str | None = None
        self.fail_after_write = False

    @property
    def partner_id(self) -> str:
        """The tenant."""
        return self.world.partner_id

    def query(self) -> Query:
        """The query parameters."""
        return Query(self.query_string)

    def call(self) -> Call:
        """This call as the engine keeps it for replay."""
        return Call(
            partner_id=self.partner_id,
            method=self.method,
            path=self.path,
            query=self.query_string,
            correlation_id=self.correlation_id,
            own_request_id=self.own_request_id,
            body=self.body,
            injected_status=self.injected_status,
            fail_after_write=self.fail_after_write,
        )

    def parsed(self, shape: type[Struct]) -> Body:
        """The body with everything wrong with its form."""
        try:
            raw = parse_object(self.body)
        except Malformed as error:
            return Body({}, FieldFaults(), Refused("400", error.details))
        value = decode(raw, shape)
        return Body(raw, value if isinstance(value, FieldFaults) else FieldFaults())


class Headers:
    """Request headers by lower-case name; a header may come more than once."""

    __slots__ = ("_values",)

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        values: dict[bytes, list[str]] = {}
        for name, value in raw:
            values.setdefault(name.lower(), []).append(value.decode("latin-1"))
        self._values = values

    def all(self, name: bytes) -> list[str]:
        """Every value of a header."""
        return self._values.get(name, [])

    def one(self, name: bytes) -> str | None:
        """The value of a header; None if absent. Repeated: the last."""
        values = self._values.get(name)
        return values[-1] if values else None

    def is_repeated(self, name: bytes) -> bool:
        """Whether a header came more than once."""
        return len(self._values.get(name, ())) > 1


def new_request_id() -> str:
    """An X-Request-Id for a call that brought none (S-015)."""
    return str(uuid.uuid4())


Handler = Callable[[Context], Awaitable[Answer]]
