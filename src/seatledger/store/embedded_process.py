"""The embedded PostgreSQL server of one data directory: make its cluster, start, see, stop it."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seatledger.store.embedded_place import (
    CLUSTER,
    SOCKET_NAME,
    Account,
    EmbeddedError,
    choose_account,
    find_binaries,
    find_home,
    make_home,
    ourselves,
    socket_folder,
)

NAME = "seatledger"  # of the cluster's superuser and of its one database

_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "random_page_cost": "1.1",
    "synchronous_commit": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # What the server says of itself; failed statements would carry customers' data.
    "log_min_messages": "log",
    "log_checkpoints": "off",
}
_FATAL = re.compile(r".* (FATAL|PANIC): +")
_START_SECONDS = 300  # recovery after a crash may have gigabytes to replay
_STOP_SECONDS = 30
_POLL_SECONDS = 0.01
_ORPHANS_SECONDS = 0.1  # what its clients' processes may need to notice a killed server


@dataclass(frozen=True)
class Postmaster:
    """A living server: its process, its socket folder, and whether it takes connections."""

    pid: int
    sockets: Path
    ready: bool


class Server:
    """The server of one data directory. Only the holder of the owner's lock may change it."""

    def __init__(self, data_dir: Path, user: str | None) -> None:
        """`user` is the account to run under when we are root."""
        self._data_dir = data_dir
        self._user = user
        self._child: subprocess.Popen[bytes] | None = None
        self._exit_code = 0
        self._log_start = 0

    def find(self) -> Postmaster | None:
        """The living server of this data directory, whoever started it."""
        home = find_home(self._data_dir)
        return _postmaster(home / CLUSTER) if home is not None else None

    def is_running(self) -> bool:
        """Whether the server lives; reaps our child if it does not."""
        if self._child is not None:
            if self._child.poll() is None:
                return True
            self._exit_code = self._child.returncode
            self._child = None
        return self.find() is not None

    def ensure(self) -> Path:
        """Join the living server or start one, on a new cluster if need be.

        Returns its socket folder when it takes connections; EmbeddedError if it cannot start.
        """
        launched = False
        for _ in _patience("start", _START_SECONDS):
            found = self.find()
            if found is not None and found.ready:
                return found.sockets
            if self.is_running():
                continue
            if launched:
                reason = self._last_words()
                if "shared memory block" not in reason:
                    raise EmbeddedError(f"PostgreSQL does not start: {reason}")
                time.sleep(_ORPHANS_SECONDS)
            self._launch()
            launched = True
        raise AssertionError("patience ends by an error")

    def stop(self) -> None:
        """End the server: clients are cut off, everything committed is kept."""
        if not self.is_running():
            return
        found = self.find()
        pid = self._child.pid if self._child else found.pid if found else None
        if pid is None:
            return
        for how in (signal.SIGINT, signal.SIGQUIT):  # if need be without a last checkpoint
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
            with contextlib.suppress(EmbeddedError):
                for _ in _patience("stop", _STOP_SECONDS):
                    if not self.is_running():
                        break
                break
        if found is not None and found.ready:
            with contextlib.suppress(OSError):
                found.sockets.rmdir()

    def _launch(self) -> None:
        home = find_home(self._data_dir)
        account = choose_account(home, self._user)
        home = home or make_home(self._data_dir, account)
        cluster = home / CLUSTER
        major = _release(cluster)
        binaries = find_binaries(account, home, major)
        if major is None:
            _initialise(account, binaries, home)
        sockets = socket_folder(home, account)
        _forget_stale(cluster, sockets)
        words = [word for item in _SETTINGS.items() for word in ("-c", "=".join(item))]
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        output = os.open(_log_file(home), flags, 0o600)
        try:
            self._log_start = os.fstat(output).st_size
            self._child = account.spawn(
                binaries / "postgres", "-D", cluster, "-k", sockets, *words, output=output
            )
        finally:
            os.close(output)

    def _last_words(self) -> str:
        if self._exit_code < 0:
            return f"killed by signal {-self._exit_code}"
        home = find_home(self._data_dir)
        assert home is not None
        with _log_file(home).open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        # Not those to clients that came too early: "the database system is starting up".
        fatal = [line for line in lines if _FATAL.search(line) and "the database sys" not in line]
        return _FATAL.sub("", (fatal or lines or ["it gave no reason"])[-1])


def _release(cluster: Path) -> int | None:
    if not cluster.exists():
        return None
    try:
        return int((cluster / "PG_VERSION").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise EmbeddedError(f"{cluster} is not a database of PostgreSQL") from error


def _initialise(account: Account, binaries: Path, home: Path) -> None:
    """Make a cluster with its database, or nothing: what a crash left half made is replaced."""
    draft = home / "data.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if account.is_another:
        os.chown(draft, account.uid, account.gid)
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"]
    code, _, errors = account.run(binaries / "initdb", "-D", draft, f"--username={NAME}", *options)
    if code == 0:
        # Without a client at hand: one statement in the server's single-user mode.
        code, _, errors = account.run(
            binaries / "postgres",
            "--single",
            "-D",
            draft,
            "postgres",
            text=f"CREATE DATABASE {NAME}\n",
        )
    if code != 0 or "ERROR: " in errors:
        raise EmbeddedError(f"PostgreSQL cannot make its cluster: {errors.strip()[-300:]}")
    draft.rename(home / CLUSTER)
    folder = os.open(home, os.O_RDONLY)
    try:
        os.fsync(folder)  # else a power cut could undo the renaming, and so lose the data
    finally:
        os.close(folder)


def _postmaster(cluster: Path) -> Postmaster | None:
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    if not _is_server_of(pid, cluster):
        return None
    # The server writes the file line by line while it starts: pid, folder, start time, port,
    # socket folder, addresses, shared memory, state.
    ready = len(lines) > 7 and lines[7].strip() == "ready"
    return Postmaster(pid, Path(lines[4]) if ready else cluster, ready)


def _is_server_of(pid: int, cluster: Path) -> bool:
    # By its command line, which a dead process that nobody reaped no longer has, and which is
    # readable for all: root in a container may not look into other accounts' processes.
    return f" -D {cluster} " in _command_line(pid)


def _command_line(pid: int) -> str:
    if Path("/proc/self").exists():
        with contextlib.suppress(OSError):
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).replace("\0", " ")
        return ""
    _, output, _ = ourselves().run("ps", "-ww", "-o", "command=", "-p", str(pid))
    return output


def _forget_stale(cluster: Path, sockets: Path) -> None:
    """Remove lock files of a dead server where PostgreSQL would take it for alive.

    It looks only whether the process number is in use: by a zombie, or after a reboot or in a
    new container by another program. A free number it handles itself. The caller knows that no
    server of this cluster lives and holds the owner's lock; PostgreSQL's own check of the shared
    memory still keeps it from a cluster that orphaned backends work on.
    """
    lock = cluster / "postmaster.pid"
    try:
        pid = int(lock.read_text(encoding="utf-8").splitlines()[0])
        os.kill(pid, 0)
    except (FileNotFoundError, IndexError, ValueError, ProcessLookupError):
        return
    except PermissionError:
        pass  # in use, by another account
    (sockets / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
    lock.unlink(missing_ok=True)


def _log_file(home: Path) -> Path:
    return home / "postgres.log"


def _patience(what: str, seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(_POLL_SECONDS)
    raise EmbeddedError(f"PostgreSQL did not {what} within {seconds:.0f} seconds")
