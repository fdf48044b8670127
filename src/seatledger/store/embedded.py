"""PostgreSQL without an administrator: the server the service brings along.

Every process that needs the database of a data directory makes an `EmbeddedPostgres` on it.
The first one starts the server and supervises it; the others join. Two lock files decide:

- `postgres.users.lock`, shared: held by every process that uses the server;
- `postgres.owner.lock`, exclusive: held by the one that supervises it, as starts it again when it
  dies. If that process goes, the next one of the users takes its place.

Whoever leaves as the last user stops the server. A process that is killed stops nothing: its
server lives on until somebody joins it and leaves.
"""

import contextlib
import fcntl
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from structlog.typing import FilteringBoundLogger

from seatledger.store.embedded_place import EmbeddedError
from seatledger.store.embedded_process import NAME, Server

__all__ = ["EmbeddedError", "EmbeddedPostgres"]

_WATCH_SECONDS = 0.1
_JOIN_SECONDS = 60


class EmbeddedPostgres:
    """The embedded server of one data directory, as one process uses it.

    Linux and macOS. Not for use from several threads at once.
    """

    def __init__(self, data_dir: Path, *, user: str | None, log: FilteringBoundLogger) -> None:
        """Touches nothing yet. `user` is the account the server runs under if we are root."""
        self._data_dir = data_dir.resolve()
        self._log = log
        self._server = Server(self._data_dir, user)
        self._users: int | None = None
        self._owner: int | None = None
        self._leaving = threading.Event()
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> str:
        """Start or join the server; its address, as from `start`."""
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the server, and stop it if nobody else uses it."""
        self.stop()

    def start(self) -> str:
        """Start or join the server and watch over it until `stop`.

        Returns its address for asyncpg, which stays the same while anybody uses the server,
        in the form `postgresql://seatledger@/seatledger?host=/run/seatledger-0123&port=5432`;
        SQLAlchemy takes it with the scheme `postgresql+asyncpg`. Raises EmbeddedError with one
        line naming the cause.
        """
        assert self._users is None, "started already"
        self._leaving.clear()
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            self._users = _open(self._data_dir / "postgres.users.lock")
            fcntl.flock(self._users, fcntl.LOCK_SH)  # waits while a last user is leaving
            sockets = self._own_or_join()
        except OSError as error:
            self.stop()
            reason = "not a folder" if isinstance(error, FileExistsError) else error.strerror
            raise EmbeddedError(f"data directory {self._data_dir}: {reason}") from error
        except BaseException:
            self.stop()
            raise
        self._watcher = threading.Thread(target=self._watch, name="postgresql", daemon=True)
        self._watcher.start()
        return f"postgresql://{NAME}@/{NAME}?host={quote(str(sockets))}&port=5432"

    def stop(self) -> None:
        """Leave the server; the last one to leave stops it. Does nothing if not started."""
        if self._users is None:
            return
        if self._watcher is not None:
            self._leaving.set()
            self._watcher.join()
            self._watcher = None
        try:
            # Changing the lock gives up the shared one first, so of two that leave at once
            # one finds itself alone.
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._owner is None:
                self._owner = _open(self._data_dir / "postgres.owner.lock")
                fcntl.flock(self._owner, fcntl.LOCK_EX)  # its holder is leaving, too
            self._server.stop()
        except BlockingIOError:
            self._log.debug("postgresql left to its other users")
        except FileNotFoundError:
            self._log.warning("data directory is gone", path=str(self._data_dir))
        finally:
            self._let_go()

    def _own_or_join(self) -> Path:
        deadline = time.monotonic() + _JOIN_SECONDS
        while time.monotonic() < deadline:
            if self._takes_ownership():
                return self._server.ensure()
            found = self._server.find()
            if found is not None and found.ready:
                return found.sockets
            self._leaving.wait(_WATCH_SECONDS / 10)
        raise EmbeddedError(
            f"another process keeps the database in {self._data_dir}, but it cannot be reached"
        )

    def _takes_ownership(self) -> bool:
        if self._owner is None:
            owner = _open(self._data_dir / "postgres.owner.lock")
            try:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(owner)
                return False
            self._owner = owner
        return True

    def _watch(self) -> None:
        while not self._leaving.wait(_WATCH_SECONDS):
            try:
                if self._takes_ownership() and not self._server.is_running():
                    self._log.warning("postgresql died, starting it again")
                    self._server.ensure()
                    self._log.info("postgresql is back")
            except (EmbeddedError, OSError) as error:
                self._log.error("postgresql does not come back, trying on", reason=str(error))
                self._leaving.wait(10 * _WATCH_SECONDS)

    def _let_go(self) -> None:
        for lock in (self._owner, self._users):
            if lock is not None:
                with contextlib.suppress(OSError):
                    os.close(lock)
        self._owner = self._users = None


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
