"""What the service shows of itself, and whom it talks to. OWASP API7, API8, API9, API10."""

import ast
import re
from pathlib import Path

import httpx
import pytest

from seatledger.api.openapi import document
from seatledger.api.table import OPERATIONS
from tests.harness import World
from tests.security.routes import control_routes
from tests.wire import application, elsewhere, keys, send

pytestmark = pytest.mark.anyio

SOURCE = Path(__file__).parents[2] / "src" / "seatledger"
OPEN_ROUTES = frozenset(
    ("POST /ims/token/v3", "POST /ims/token/v2", "GET /ping", "GET /partnerservice/ping",
     "GET /livez", "GET /readyz", "GET /metrics")
)  # fmt: skip
# What opens connections of its own. Servers' sockets and the database's driver are not among them.
CLIENTS = re.compile(
    r"^(?:urllib\.request|http\.client|http\.cookiejar|ftplib|smtplib|poplib|imaplib|telnetlib|"
    r"xmlrpc|requests|httpx|aiohttp|urllib3|websockets|paramiko|boto3|grpc|socketserver)(?:\.|$)"
)
CALLS = frozenset(
    ("create_connection", "open_connection", "open_unix_connection", "create_datagram_endpoint",
     "sock_connect", "urlopen", "urlretrieve", "connect_ex", "sendto")
)  # fmt: skip
TOLD = ("server", "x-powered-by", "via", "set-cookie", "location", "etag")
SECURITY = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}
TO_THE_DATABASE = {"asyncpg.connect", "asyncpg.create_pool", "engine.connect"}


def _imports(tree: ast.AST) -> list[str]:
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{one.name}" for one in node.names]
    return found


def test_nothing_calls_out() -> None:
    """No address in a request can be called: the service opens no connection but its database's."""
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        name = path.relative_to(SOURCE).as_posix()
        assert [one for one in _imports(tree) if CLIENTS.match(one)] == [], name
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            assert node.func.attr not in CALLS, (name, node.lineno)
            if node.func.attr in ("connect", "create_pool"):
                assert ast.unparse(node.func) in TO_THE_DATABASE, (name, node.lineno)


async def test_every_answer_has_the_headers_and_tells_nothing(world: World) -> None:
    client = elsewhere(world.client)
    for method, path, headers in (
        ("GET", "/livez", []),
        ("GET", "/readyz", []),
        ("GET", "/v3/nothing", []),
        ("GET", "/v3/nothing", keys(world)),
        ("POST", "/v3/customers/1/orders", keys(world)),
        ("OPTIONS", "/v3/resellers", keys(world)),
        ("GET", "/ping", keys(world)),
        ("POST", "/ims/token/v3", []),
        ("GET", "/sandbox", keys(world)),
        ("GET", "/sandbox/partners", []),
        ("TRACE", "/v3/resellers", keys(world)),
    ):
        found = await send(client, method, path, headers)
        assert {name: found.headers[name] for name in SECURITY} == SECURITY, (method, path)
        assert [name for name in TOLD if name in found.headers] == [], (method, path)
        assert found.headers["content-type"] in (
            "application/json", "text/plain; charset=utf-8",
        ), (method, path)  # fmt: skip
        assert "access-control-allow-origin" not in found.headers


def _routes_served(client: httpx.AsyncClient) -> set[str]:
    """Every route of the application, as its router has them."""
    app = application(client)._serving
    while not hasattr(app, "routes"):
        app = app.app
    return {
        f"{method} {route.path}".replace("_id}", "-id}")
        for route in app.routes
        for method in route.methods - {"HEAD"}
    }


async def test_what_is_served_is_what_is_documented(world: World) -> None:
    """No forgotten route, no documented one missing; the control API is told in sandbox.md."""
    served = _routes_served(world.client)
    operations = {f"{one.method} {one.path}" for one in OPERATIONS}
    assert served == operations | set(control_routes()) | OPEN_ROUTES
    documented = {
        f"{method.upper()} {path}"
        for path, methods in document()["paths"].items()
        for method in methods
    }
    assert operations <= documented <= operations | OPEN_ROUTES
    told = (Path(__file__).parents[2] / "docs" / "contract" / "sandbox.md").read_text("utf-8")
    for route in control_routes():
        last = [one for one in route.split("/") if one and "{" not in one][-1]
        assert last in told, route


async def test_refusals_show_no_inner_workings(world: World) -> None:
    for path in (
        "/v3/customers/'; DROP TABLE orders; --", "/v3/customers/{{7*7}}",
        "/v3/customers/$(id)", "/v3/flex-discounts?country=%27&market-segment=COM",
    ):  # fmt: skip
        found = await world.get(path)
        assert found.status in (400, 404)
        assert set(found.body) == {"code", "message", "additionalDetails"}
        assert not re.search(r"asyncpg|Traceback|SELECT|python|psycopg|File \"", str(found.body))
