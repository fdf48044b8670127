"""A disk that can be made slower while PostgreSQL runs: a little library between it and fsync."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from seatledger.store import embedded_place

_SOURCE = Path(__file__).with_name("fsync_delay.c")
_BYTES = 4


class SlowDisk:
    """The library, compiled for this machine, and the number that steers it."""

    def __init__(self, folder: Path) -> None:
        """Compile into `folder`, which the account PostgreSQL runs under must be able to enter."""
        self._library = folder / "fsync_delay.so"
        self._delay = folder / "fsync_delay"
        self._write(0)
        options = ("-shared", "-fPIC", "-O2", "-ldl")
        subprocess.run(["gcc", _SOURCE, "-o", self._library, *options], check=True)
        self._library.chmod(0o755)

    @staticmethod
    def missing() -> str | None:
        """Why there can be none here; None if there can."""
        if sys.platform != "linux":
            return "it needs Linux"
        return None if shutil.which("gcc") else "there is no gcc"

    @contextmanager
    def under_new_servers(self) -> Iterator[None]:
        """Within, PostgreSQL is started with the library beneath it.

        The service hands none of its environment on to PostgreSQL, so it is added there.
        """
        own = embedded_place._environment()  # noqa: SLF001 - no setting: nobody else wants this
        more = {"LD_PRELOAD": str(self._library), "BENCH_FSYNC_DELAY": str(self._delay)}
        with patch.object(embedded_place, "_environment", lambda: {**own, **more}):
            yield

    @contextmanager
    def slower(self, milliseconds: float) -> Iterator[None]:
        """Within, every flush to disk takes that much longer."""
        self._write(round(milliseconds * 1000))
        try:
            yield
        finally:
            self._write(0)

    def _write(self, microseconds: int) -> None:
        # In place: PostgreSQL has the file mapped.
        with self._delay.open("r+b" if self._delay.exists() else "w+b") as file:
            file.write(microseconds.to_bytes(_BYTES, sys.byteorder))
        self._delay.chmod(0o644)
