"""How the processes of one server know each other's numbers: a folder with a file of each.

They share one port, so whichever is asked for the metrics answers for all. Each writes its file
every second; what one that has ended had counted stays, so that no counter runs backwards.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from seatledger import metrics
from seatledger.metrics import Cells, Snapshot

_DECODER = msgspec.json.Decoder(Snapshot)
_SUFFIX = ".json"

log = structlog.get_logger()


class Board:
    """The numbers of all processes; without a folder those of this one alone."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        # Process numbers come again: the rest of the name does not.
        self._own = f"{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        self._failing = False

    @property
    def is_shared(self) -> bool:
        """Whether other processes look at it."""
        return self._folder is not None

    def write(self) -> None:
        """Put this process's numbers where the others find them, all at once."""
        if self._folder is None:
            return
        draft = self._folder / f"{self._own}.new"
        try:
            draft.write_bytes(msgspec.json.encode(metrics.snapshot()))
            draft.replace(self._folder / self._own)
        except OSError as error:
            if not self._failing:
                log.warning("metrics not shared", error=str(error))
            self._failing = True
        else:
            self._failing = False

    def numbers(self) -> Mapping[str, Cells]:
        """The numbers of all processes as they were last written, this one's among them.

        Were this one's newer than what the others know of it, a counter would run backwards
        whenever another is asked next.
        """
        if self._folder is None:
            return metrics.merged([metrics.snapshot()], [])
        living: list[Snapshot] = []
        gone: list[Snapshot] = []
        for file in self._folder.glob(f"*{_SUFFIX}"):
            is_alive = _is_alive(int(file.name.partition("-")[0]))
            (living if is_alive else gone).append(_DECODER.decode(file.read_bytes()))
        return metrics.merged(living, gone)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        return True
    return True
