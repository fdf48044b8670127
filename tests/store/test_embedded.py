"""The embedded server is a real one: it comes back from every kill and loses nothing."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from seatledger import telemetry
from seatledger.store import embedded_place
from seatledger.store.embedded import EmbeddedError, EmbeddedPostgres

ROOT = os.geteuid() == 0
LOG = telemetry.get_logger("test")
PATIENCE_SECONDS = 30

# A process that uses the server until its standard input ends.
USER_PROCESS = """
import os, sys
from pathlib import Path
import asyncpg
from seatledger import telemetry
from seatledger.store.embedded import EmbeddedError, EmbeddedPostgres

folder, uid = Path(sys.argv[1]), int(sys.argv[2])
if uid != os.geteuid():
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
postgres = EmbeddedPostgres(folder, user=None, log=telemetry.get_logger("test"))
try:
    print(postgres.start(), flush=True)
except EmbeddedError as error:
    print(error, flush=True)
sys.stdin.read()
postgres.stop()
"""


class User:
    """Another process that uses the server of a data directory."""

    def __init__(self, data_dir: Path, uid: int = os.geteuid(), **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER_PROCESS, str(data_dir), str(uid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate(timeout=PATIENCE_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.leave()


def embedded(data_dir: Path, user: str | None = None) -> EmbeddedPostgres:
    return EmbeddedPostgres(data_dir, user=user, log=LOG)


def ask(url: str, sql: str) -> Any:
    """The value `sql` answers, as soon as the server takes connections."""

    async def answer() -> Any:
        connection = await asyncpg.connect(url, timeout=PATIENCE_SECONDS)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return asyncio.run(answer())
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if time.monotonic() > deadline:
                raise


def home_of(data_dir: Path) -> Path:
    home = embedded_place.find_home(data_dir)
    assert home is not None
    return home


def postmaster(data_dir: Path) -> int:
    lock = home_of(data_dir) / "data" / "postmaster.pid"
    return int(lock.read_text(encoding="utf-8").splitlines()[0])


def kill_server(data_dir: Path) -> int:
    """Kill it the hard way; returns once the process has ended."""
    pid = postmaster(data_dir)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    return pid


def alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    answer = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()[:1] not in ("", "Z")


def until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not fact():
        assert time.monotonic() < deadline, "waited in vain"


@contextmanager
def process(kind: str, account: embedded_place.Account) -> Iterator[int]:
    """The number of a process of this kind that is no database server."""
    if kind == "ourselves":
        yield os.getpid()
        return
    command = ("sleep", "600") if kind == "another program" else ("true",)
    child = account.spawn(*command, output=subprocess.DEVNULL)
    if kind == "a zombie":
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    if kind == "ended":
        child.wait()
    yield child.pid
    child.kill()
    child.wait()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory that the server's account can reach when the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="seatledger-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "data"


class TestItsServer:
    def test_is_durable_private_and_reproducible(self, data_dir: Path) -> None:
        names = "fsync full_page_writes synchronous_commit data_checksums listen_addresses"
        names += " TimeZone server_encoding max_connections max_wal_size random_page_cost"
        with embedded(data_dir) as url:
            found = [ask(url, f"SHOW {name}") for name in names.split()]
            collation = ask(url, "SELECT datcollate FROM pg_database WHERE datname = 'seatledger'")
            sockets = Path(ask(url, "SHOW unix_socket_directories"))
            mode = sockets.stat().st_mode & 0o777
        assert found == ["on"] * 4 + ["", "UTC", "UTF8", "200", "4GB", "1.1"]
        assert collation == "C.UTF-8"
        assert mode == 0o700
        assert not sockets.exists()

    def test_keeps_data_when_it_stops_and_leaves_no_process(self, data_dir: Path) -> None:
        with embedded(data_dir) as url:
            ask(url, "CREATE TABLE kept AS SELECT 7 AS value")
            pid = postmaster(data_dir)
        assert not alive(pid)
        with embedded(data_dir) as again:
            assert ask(again, "SELECT value FROM kept") == 7
            assert again == url

    def test_is_our_child_and_comes_back_when_killed(self, data_dir: Path) -> None:
        with embedded(data_dir) as url:
            ask(url, "CREATE TABLE kept AS SELECT 7 AS value")
            for _ in range(2):
                killed = kill_server(data_dir)
                assert ask(url, "SELECT value FROM kept") == 7
                pid = postmaster(data_dir)
                parent = subprocess.check_output(["ps", "-o", "ppid=", "-p", str(pid)], text=True)
                assert int(parent) == os.getpid()
                with pytest.raises(ProcessLookupError):
                    os.kill(killed, 0)  # reaped, too

    def test_works_below_a_long_path(self, data_dir: Path) -> None:
        deep = data_dir / ("a" * 75) / ("b" * 75)
        with embedded(deep) as url:
            assert ask(url, "SHOW data_directory") == str(home_of(deep) / "data")

    def test_ignores_the_callers_postgresql_variables(
        self, data_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("PGPORT", "PGDATA", "PGHOST", "PGDATABASE", "PGUSER", "PGTZ"):
            monkeypatch.setenv(name, "1")
        with embedded(data_dir) as url:
            assert ask(url, "SELECT current_database() || ' ' || current_user") == (
                "seatledger seatledger"
            )


class TestSeveralProcesses:
    def test_share_one_server_until_the_last_one_leaves(self, data_dir: Path) -> None:
        first, second = User(data_dir), User(data_dir)
        pid = postmaster(data_dir)
        assert first.said == second.said
        first.leave()
        assert ask(second.said, "SELECT 1") == 1
        assert postmaster(data_dir) == pid
        second.leave()
        assert not alive(pid)

    def test_that_start_at_once_make_one_cluster(self, data_dir: Path) -> None:
        data_dir.mkdir()
        code = [sys.executable, "-c", USER_PROCESS, str(data_dir), str(os.geteuid())]
        pipe = subprocess.PIPE
        users = [subprocess.Popen(code, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
        urls = {user.stdout.readline() for user in users if user.stdout is not None}
        for user in users:
            user.communicate(timeout=PATIENCE_SECONDS)
        assert len(urls) == 1
        assert "postgresql://" in urls.pop()

    def test_take_over_when_the_supervisor_is_killed(self, data_dir: Path) -> None:
        supervisor, other = User(data_dir), User(data_dir)
        ask(other.said, "CREATE TABLE kept AS SELECT 7 AS value")
        supervisor.kill()
        kill_server(data_dir)
        assert ask(other.said, "SELECT value FROM kept") == 7
        pid = postmaster(data_dir)
        other.leave()
        assert not alive(pid)


class TestAfterAKill:
    def test_of_everything_nothing_acknowledged_is_lost(self, data_dir: Path) -> None:
        user = User(data_dir)
        ask(user.said, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS value")
        user.kill()
        kill_server(data_dir)
        with embedded(data_dir) as url:
            assert ask(url, "SELECT count(*) FROM kept") == 1000

    def test_of_its_supervisor_a_living_server_is_joined(self, data_dir: Path) -> None:
        user = User(data_dir)
        user.kill()
        pid = postmaster(data_dir)
        with embedded(data_dir) as url:
            assert url == user.said
            assert postmaster(data_dir) == pid
        assert not alive(pid)

    @pytest.mark.parametrize("kind", ["another program", "a zombie", "ourselves", "ended"])
    def test_a_reused_process_number_does_not_stop_it(self, data_dir: Path, kind: str) -> None:
        with embedded(data_dir):
            lock = home_of(data_dir) / "data" / "postmaster.pid"
            rest = lock.read_text(encoding="utf-8").splitlines()[1:]
        with process(kind, embedded_place.choose_account(home_of(data_dir), None)) as pid:
            lock.write_text("\n".join([str(pid), *rest]), encoding="utf-8")
            with embedded(data_dir) as url:
                assert ask(url, "SELECT 1") == 1

    def test_half_a_cluster_is_made_anew(self, data_dir: Path) -> None:
        half = data_dir / "postgres" / "data.new"
        half.mkdir(parents=True)
        (half / "PG_VERSION").write_text("18", encoding="utf-8")
        with embedded(data_dir) as url:
            assert ask(url, "SELECT 1") == 1


class TestRefusals:
    def test_name_what_is_wrong_with_the_folder(self, data_dir: Path) -> None:
        data_dir.write_text("", encoding="utf-8")
        for folder in (data_dir, data_dir / "below"):
            with pytest.raises(EmbeddedError, match=f"data directory {folder}: [Nn]ot a"):
                embedded(folder).start()

    def test_quote_the_server_and_are_not_for_ever(self, data_dir: Path) -> None:
        with embedded(data_dir):
            settings = home_of(data_dir) / "data" / "postgresql.auto.conf"
        settings.write_text("wal_level = nonsense", encoding="utf-8")
        with pytest.raises(EmbeddedError, match=r"does not start: .*configuration file"):
            embedded(data_dir).start()
        settings.write_text("", encoding="utf-8")
        with embedded(data_dir) as url:
            assert ask(url, "SELECT 1") == 1

    def test_say_when_postgresql_is_missing(
        self, data_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded_place, "_installed", lambda: iter([data_dir]))
        with pytest.raises(EmbeddedError, match="no PostgreSQL found"):
            embedded(data_dir).start()

    def test_say_when_the_moved_database_is_gone(self, data_dir: Path) -> None:
        data_dir.mkdir()
        (data_dir / "postgres.location").write_text(f"{data_dir}/gone\n", encoding="utf-8")
        with pytest.raises(EmbeddedError, match="is gone from"):
            embedded(data_dir).start()


@pytest.mark.skipif(shutil.which("initdb") is None, reason="needs a PostgreSQL of the system")
def test_a_cluster_keeps_its_release(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without_wheel:
        without_wheel.setattr(embedded_place, "_wheel", lambda: None)
        with embedded(data_dir) as url:
            release = ask(url, "SHOW server_version")
    with embedded(data_dir) as url:
        assert ask(url, "SHOW server_version") == release
    monkeypatch.setattr(embedded_place, "_installed", lambda: iter([]))
    with pytest.raises(EmbeddedError, match=rf"needs PostgreSQL {release.partition('.')[0]}\b"):
        embedded(data_dir).start()


@pytest.mark.skipif(not ROOT, reason="only root can take another account")
class TestAsRoot:
    def test_runs_under_the_account_that_is_set(self, data_dir: Path) -> None:
        with embedded(data_dir, user="nobody"):
            owner = Path(f"/proc/{postmaster(data_dir)}").stat().st_uid
        assert owner == pwd.getpwnam("nobody").pw_uid

    @pytest.mark.parametrize(
        ("user", "cause"), [("no-such-one", "no account no-such-one"), ("root", "as root")]
    )
    def test_refuses_an_account_it_cannot_take(self, data_dir: Path, user: str, cause: str) -> None:
        with pytest.raises(EmbeddedError, match=cause):
            embedded(data_dir, user=user).start()

    def test_moves_the_database_out_of_a_closed_folder(self, tmp_path: Path) -> None:
        # pytest's own folders are closed to others, like a clone in root's home.
        before = [path.stat().st_mode for path in (tmp_path, *tmp_path.parents)]
        with embedded(tmp_path / "data") as url:
            ask(url, "CREATE TABLE kept AS SELECT 7 AS value")
        home = home_of(tmp_path / "data")
        try:
            with embedded(tmp_path / "data") as url:
                assert ask(url, "SELECT value FROM kept") == 7
            assert not home.is_relative_to(tmp_path)
            assert [path.stat().st_mode for path in (tmp_path, *tmp_path.parents)] == before
        finally:
            shutil.rmtree(home)
            with suppress(OSError):
                home.parent.rmdir()

    def test_copies_programs_out_of_a_closed_folder(self, data_dir: Path, tmp_path: Path) -> None:
        wheel = embedded_place._wheel()
        assert wheel is not None
        unused = shutil.ignore_patterns("include", "*.a", "pginstall")
        for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
            shutil.copytree(part, tmp_path / part.name, symlinks=True, ignore=unused)
        user = User(data_dir, PYTHONPATH=str(tmp_path))
        command = Path(f"/proc/{postmaster(data_dir)}/cmdline").read_bytes().split(b"\0")[0]
        assert ask(user.said, "SELECT 1") == 1
        assert Path(os.fsdecode(command)).is_relative_to(home_of(data_dir))
        user.leave()

    def test_a_normal_user_has_it_all_in_one_folder(self, data_dir: Path) -> None:
        nobody = pwd.getpwnam("nobody").pw_uid
        os.chown(data_dir.parent, nobody, -1)
        user = User(data_dir, nobody)
        ask(user.said, "CREATE TABLE kept AS SELECT 7 AS value")
        kill_server(data_dir)
        assert ask(user.said, "SELECT value FROM kept") == 7
        assert home_of(data_dir).is_relative_to(data_dir)
        assert {path.stat().st_uid for path in data_dir.rglob("*")} == {nobody}
        user.leave()

    def test_a_normal_user_is_told_whose_the_folder_is(self, data_dir: Path) -> None:
        data_dir.mkdir()
        user = User(data_dir, pwd.getpwnam("nobody").pw_uid)
        assert user.said == f"data directory {data_dir}: Permission denied"
        user.leave()
