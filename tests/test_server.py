"""How uvicorn is run: its limits, its processes, its sockets (platform.md 13 and 15)."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from seatledger import server
from seatledger.settings import PREFIX, Settings

Served = list[tuple[uvicorn.Config, list[socket.socket], dict[str, str]]]


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
        return found


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """What uvicorn was given, instead of serving."""
    given: Served = []
    environment: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", environment)

    def serve(self: Any, sockets: list[socket.socket]) -> None:
        self.started = True
        given.append((self.config, sockets, dict(environment)))

    class Many:
        def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
            given.append((config, sockets, dict(environment)))

        def run(self) -> None:
            assert Path(environment[f"{PREFIX}METRICS_DIR"]).is_dir()

    monkeypatch.setattr(uvicorn.Server, "run", serve)
    monkeypatch.setattr(server, "Multiprocess", Many)
    yield given
    for _, sockets, _ in given:
        for one in sockets:
            one.close()


def test_the_limits_of_connections(served: Served) -> None:
    greeted: list[str] = []
    server.run(Settings(port=free_port()), lambda: greeted.append("hello"))
    assert greeted
    ((config, (listener,), environment),) = served
    assert config.timeout_keep_alive == 75
    assert config.timeout_graceful_shutdown == 30
    assert not config.server_header
    assert listener.getsockname()[1] == config.port
    assert f"{PREFIX}METRICS_DIR" not in environment


def test_several_processes_share_sockets_and_numbers(served: Served) -> None:
    settings = Settings(port=free_port(), metrics_port=free_port(), workers=3)
    server.run(settings, lambda: None)
    ((config, sockets, environment),) = served
    assert config.workers == 3
    assert [one.getsockname()[1] for one in sockets] == [settings.port, settings.metrics_port]
    assert all(one.get_inheritable() for one in sockets)
    assert not Path(environment[f"{PREFIX}METRICS_DIR"]).exists(), "gone with the server"


def test_a_metrics_port_is_a_port_of_its_own() -> None:
    with pytest.raises(ValueError, match="metrics_port is a port of its own"):
        Settings(port=9464, metrics_port=9464)
