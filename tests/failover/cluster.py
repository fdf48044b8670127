"""Three PostgreSQL nodes under patroni on loopback, with etcd beside them and haproxy in front."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.crash.stage import free_port
from tests.failover.programs import (
    SERVICE,
    etcd_command,
    haproxy_settings,
    patroni_settings,
)

NODES = 3
_PATIENCE_SECONDS = 180
_SUCCESSION_SECONDS = 90
_POLL_SECONDS = 0.1
_ACCOUNT = "postgres"  # under which everything runs if we are root


class Cluster:
    """The programs of a cluster, by ports of this machine."""

    def __init__(self, place: Path, programs: dict[str, Path]) -> None:
        """`place` is a folder of its own, `programs` has all of `programs.PACKAGES`."""
        self._place = place
        self._programs = programs
        self._port = free_port()
        self._nodes = {free_port(): free_port() for _ in range(NODES)}  # database: patroni
        self._patronis: list[subprocess.Popen[bytes]] = []
        self._others: list[subprocess.Popen[bytes]] = []

    @property
    def database_url(self) -> str:
        """The address of the service's database on whichever node is the primary."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/{SERVICE}"

    async def start(self) -> None:
        """Start everything, wait until all nodes replicate, and make the service's database."""
        etcd_port = free_port()
        self._own(self._place)
        etcd = etcd_command(self._programs["etcd"], self._place / "etcd", etcd_port, free_port())
        self._others.append(self._spawn("etcd", etcd))
        for number, (port, rest_port) in enumerate(self._nodes.items()):
            home = self._home(number)
            home.mkdir()
            self._own(home)
            (home / "patroni.json").write_text(
                patroni_settings(self._programs, home, port, rest_port, etcd_port)
            )
            self._patronis.append(self._spawn_patroni(number))
        proxy = self._place / "haproxy.cfg"
        proxy.write_text(haproxy_settings(self._port, self._nodes))
        self._others.append(self._spawn("haproxy", [self._programs["haproxy"], "-f", proxy]))
        await self.is_whole()
        await self._make_database()

    def stop(self) -> None:
        """End everything."""
        for number in range(len(self._patronis)):
            self._signal(number, signal.SIGKILL)
        for one in (*self._patronis, *self._others):
            one.kill()
            one.wait()

    async def primary(self) -> int:
        """The number of the node that is the primary."""
        found = await self._primaries()
        assert len(found) == 1, f"primaries: {found}\n{self.last_words()}"
        return found[0]

    async def has_new_primary(self, old: int) -> bool:
        """Wait for another node than `old` to be the primary; False if none is in good time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SUCCESSION_SECONDS):
                while not set(await self._primaries()) - {old}:
                    await asyncio.sleep(_POLL_SECONDS)
                return True
        return False

    def kill(self, number: int) -> None:
        """Kill a node's PostgreSQL with all its processes; its patroni lives on."""
        for pid in self._database_processes(number):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def cut_off(self, number: int, seconds: float) -> None:
        """Leave a node alone for a while, as a broken network does, then kill it with its patroni.

        What it sends meanwhile is never read by the others.
        """
        others = [one for one in range(NODES) if one != number]
        for one in others:
            self.freeze(one)
        await asyncio.sleep(seconds)
        self._signal(number, signal.SIGKILL)
        self._patronis[number].wait()
        for one in others:
            for pid in self._database_processes(one, "walreceiver"):
                os.kill(pid, signal.SIGKILL)
            self.thaw(one)

    def freeze(self, number: int) -> None:
        """Let a node stand still, patroni included, as a machine that hangs."""
        self._signal(number, signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        """Let a node go on where it stood still, or start its patroni again."""
        if self._patronis[number].poll() is None:
            self._signal(number, signal.SIGCONT)
        else:
            self._patronis[number] = self._spawn_patroni(number)

    async def is_whole(self) -> None:
        """Wait until a primary runs and, on its timeline, two more nodes, one synchronous."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS), httpx.AsyncClient(timeout=1) as client:
                while not await self._is_whole(client):
                    assert self._all_live(), f"a program ended\n{self.last_words()}"
                    await asyncio.sleep(_POLL_SECONDS)
                return
        raise AssertionError(f"the cluster does not become whole\n{self.last_words()}")

    def last_words(self) -> str:
        """The ends of all logs."""
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}"
            for log in sorted(self._place.glob("*.log"))
        )

    async def _primaries(self) -> list[int]:
        """The numbers of the nodes that say they are the primary."""
        found = []
        async with httpx.AsyncClient(timeout=1) as client:
            for number, rest_port in enumerate(self._nodes.values()):
                with suppress(httpx.TransportError):
                    if (await client.get(f"http://127.0.0.1:{rest_port}/primary")).is_success:
                        found.append(number)
        return found

    def _all_live(self) -> bool:
        return all(one.poll() is None for one in (*self._patronis, *self._others))

    async def _is_whole(self, client: httpx.AsyncClient) -> bool:
        members: list[dict[str, Any]] = []
        for rest_port in self._nodes.values():
            with suppress(httpx.TransportError, ValueError):
                members = (await client.get(f"http://127.0.0.1:{rest_port}/cluster")).json()[
                    "members"
                ]
                break
        roles = sorted(one["role"] for one in members)
        return (
            len(members) == NODES
            and roles.count("leader") == 1
            and any(role in ("sync_standby", "quorum_standby") for role in roles)
            and all(one["state"] in ("running", "streaming") for one in members)
            and len({one.get("timeline") for one in members}) == 1
        )

    async def _make_database(self) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    connection = await asyncpg.connect(
                        self.database_url.rpartition("/")[0] + "/postgres", timeout=5
                    )
                    await connection.execute(f"CREATE DATABASE {SERVICE}")
                    await connection.close()
                    return
                await asyncio.sleep(_POLL_SECONDS)

    def _home(self, number: int) -> Path:
        return self._place / f"node{number}"

    def _spawn_patroni(self, number: int) -> "subprocess.Popen[bytes]":
        home = self._home(number)
        return self._spawn(home.name, [self._programs["patroni"], home / "patroni.json"])

    def _signal(self, number: int, how: signal.Signals) -> None:
        """To patroni first: it must not see its database stand still."""
        for pid in (self._patronis[number].pid, *self._database_processes(number)):
            with suppress(ProcessLookupError):
                os.kill(pid, how)

    def _database_processes(self, number: int, name: str = "") -> list[int]:
        """The postmaster of a node and its children, those with `name` in their command line."""
        lock = self._home(number) / "data" / "postmaster.pid"
        if not lock.exists():
            return []
        postmaster = lock.read_text().splitlines()[0]
        listed = subprocess.run(
            ["ps", "-Aww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        )
        rows = [row.split(None, 2) for row in listed.stdout.splitlines()]
        return [
            int(pid)
            for pid, parent, command in rows
            if postmaster in (pid, parent) and name in command
        ]

    def _own(self, folder: Path) -> None:
        if os.getuid() == 0:
            shutil.chown(folder, _ACCOUNT, _ACCOUNT)
        folder.chmod(0o700 if folder != self._place else 0o755)

    def _spawn(self, name: str, command: Sequence[str | Path]) -> "subprocess.Popen[bytes]":
        account = pwd.getpwnam(_ACCOUNT) if os.getuid() == 0 else None
        with (self._place / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._place,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
                start_new_session=True,
                user=account and account.pw_uid,
                group=account and account.pw_gid,
                extra_groups=[] if account else None,
            )


@asynccontextmanager
async def running(place: Path, programs: dict[str, Path]) -> AsyncIterator[Cluster]:
    """A whole cluster in a folder of its own."""
    cluster = Cluster(place, programs)
    try:
        await cluster.start()
        yield cluster
    except BaseException:
        print(cluster.last_words())
        raise
    finally:
        cluster.stop()
