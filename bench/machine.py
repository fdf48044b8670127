"""Where a figure was measured, and the processor time it took."""

import os
import platform
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct

PROC = Path("/proc")
_LIBRARIES = ("seatledger", "asyncpg", "msgspec", "starlette", "uvicorn", "uvloop")


class Machine(Struct, frozen=True):
    """Processor, memory (GiB, 0 if unknown) and operating system."""

    processor: str
    cores: int
    memory: int
    system: str


class Processor:
    """Processor seconds of the server process and of PostgreSQL with all its processes.

    Read from /proc; elsewhere there are no figures.
    """

    def __init__(self, server: int, backend: int) -> None:
        """`server` is the server's process id, `backend` that of any PostgreSQL connection."""
        self.server = server
        self._postmaster = int(_fields(backend)[1]) if PROC.exists() else 0

    def seconds(self) -> tuple[float, float] | None:
        """(server, PostgreSQL) since they started."""
        if not PROC.exists():
            return None
        while True:  # again when a backend ended meanwhile: it would count twice or not at all
            ended = _used(self._postmaster, ended_children=True)
            backends = sum(_used(pid) for pid in self._backends())
            if ended == _used(self._postmaster, ended_children=True):
                return _used(self.server), ended + backends

    def _backends(self) -> list[int]:
        found = []
        for folder in PROC.iterdir():
            with suppress(OSError):  # it ended meanwhile
                if folder.name.isdigit() and int(_fields(int(folder.name))[1]) == self._postmaster:
                    found.append(int(folder.name))
        return found


def descendants(pid: int) -> list[int]:
    """Processes that a process has started, and those that they have; in Linux."""
    parents: dict[int, list[int]] = {}
    for folder in PROC.iterdir():
        with suppress(OSError):  # it ended meanwhile
            if folder.name.isdigit():
                parents.setdefault(int(_fields(int(folder.name))[1]), []).append(int(folder.name))
    found = list(parents.get(pid, ()))
    for one in found:  # which grows on the way
        found += parents.get(one, ())
    return found


def memory(pids: Sequence[int], what: str) -> int:
    """Bytes that processes hold (Linux): `Rss` all of each, `Pss` what they share in parts.

    One that has ended meanwhile holds nothing.
    """
    return sum(_held(pid, what) for pid in pids)


def _held(pid: int, what: str) -> int:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(
        int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{what}:")
    )


def machine() -> Machine:
    """This machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        _processor(),
        os.cpu_count() or 1,
        round(pages / 2**30),
        f"{platform.system()} {platform.release()}",
    )


def versions(postgresql: str) -> dict[str, str]:
    """Versions of everything that takes part, and the commit where there is one."""
    found = {"python": platform.python_version(), "postgresql": postgresql}
    found |= {name: version(name) for name in _LIBRARIES}
    commit = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    if commit.returncode == 0:
        found["commit"] = commit.stdout.strip()
    return found


def _processor() -> str:
    info = PROC / "cpuinfo"
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _fields(pid: int) -> list[str]:
    """The numbers of a process after its name: state, parent, ..."""
    return (PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()


def _used(pid: int, *, ended_children: bool = False) -> float:
    try:
        fields = _fields(pid)
    except OSError:
        return 0.0
    last = 15 if ended_children else 13
    return sum(map(int, fields[11:last])) / os.sysconf("SC_CLK_TCK")
