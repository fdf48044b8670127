"""The processes and sockets of `seatledger serve`: uvicorn as the contract wants it."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from seatledger.api.protocol import AbortableProtocol
from seatledger.settings import Settings

KEEP_ALIVE_SECONDS: Final = 75  # of an idle connection (platform.md 13)
FINISH_SECONDS: Final = 30  # for running calls at shutdown (platform.md 15)
# With the default of 5 a slow machine would kill its API processes while they start.
_WORKER_SECONDS = 15


def run(settings: Settings, greet: Callable[[], None]) -> None:
    """Serve until told to stop. Every process reads `settings` from the environment.

    `greet` is called once clients can connect: they are answered when the service has started.
    """
    config = uvicorn.Config(
        "seatledger.app:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=AbortableProtocol,
        ws="none",
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        # Who calls is believed of the proxies that were named, and of nobody else.
        proxy_headers=bool(settings.tls_proxies),
        forwarded_allow_ips=list(settings.tls_proxies),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
        timeout_worker_healthcheck=_WORKER_SECONDS,
    )
    with _handed_on(settings):
        sockets = [config.bind_socket()]
        if settings.metrics_port is not None:
            sockets.append(_listener(settings.host, settings.metrics_port))
        for one in sockets:
            one.listen(config.backlog)
        greet()
        if settings.workers > 1:
            Multiprocess(config, sockets=sockets).run()
            return
        server = uvicorn.Server(config)
        with suppress(KeyboardInterrupt):  # it has stopped in order
            server.run(sockets=sockets)
        if not server.started:
            sys.exit(STARTUP_FAILURE)


@contextmanager
def _handed_on(settings: Settings) -> Iterator[None]:
    """The settings in the environment, with a folder where several processes share numbers."""
    if settings.workers == 1:
        os.environ.update(settings.to_environment())
        yield
        return
    with TemporaryDirectory(prefix="seatledger-", ignore_cleanup_errors=True) as folder:
        shared = settings.model_copy(update={"metrics_dir": Path(folder)})
        os.environ.update(shared.to_environment())
        yield


def _listener(host: str, port: int) -> socket.socket:
    """A socket for the metrics that the API processes inherit, as they do the API's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family=family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.set_inheritable(True)
    return listener
