"""Log lines: one structured line per event on standard error, in UTC, without secrets."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from seatledger.clock import RealClock, SystemClock
from seatledger.metrics import DATABASE_AWAY
from seatledger.settings import Settings
from seatledger.tracing import add_trace_id

# What callers put where it does not belong, and what PostgreSQL tells of the rows it refuses.
_HIDDEN = re.compile(
    r"eyJ[\w-]{5,}[\w.-]*|p8e-[\w-]{8,}"  # tokens, and secrets as we make them
    r"|[\w.+-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+"
    r"|(?<=DETAIL:  )[^\n]+",
    re.IGNORECASE,
)
_SIGNS_OF_HIDDEN = ("@", "%40", "eyJ", "p8e-", "DETAIL")
_SECRET_WORDS = ("secret", "token", "authorization")
_SHOWN = 4  # characters at either end (platform.md 2.4)
_SHORTEST_SHOWN = 4 * _SHOWN  # of a shorter value too little would stay hidden
_AWAY_SECONDS = 5.0
_QUIET = {
    "alembic": logging.WARNING,
    "asyncpg": logging.ERROR,  # it warns of every attempt to reconnect
    "uvicorn": logging.WARNING,
}


def configure(settings: Settings) -> None:
    """Send the service's own events and the libraries' to standard error in one format."""
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_trace_id,
        # Tracebacks are plain text: the richer forms print local variables, and so secrets.
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    last: list[Processor] = [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    ]
    if settings.log_format == "json":
        last = [structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*common, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    # Handlers already there stay: a test run's, or ours when command and service are one process.
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose lines carry `component=name`; takes an event name and keyword values."""
    logger: FilteringBoundLogger = structlog.get_logger(component=name)
    return logger


class DatabaseAway:
    """Says that the database is away: at once, then every few seconds, with how often it was met.

    Every call of every client meets it while it lasts; one line for each would bury the rest.
    """

    def __init__(self, clock: RealClock) -> None:
        self._clock = clock
        self._log = get_logger("database")
        self._said_at: float | None = None
        self._unsaid = 0

    def note(self, error: BaseException, **facts: str) -> None:
        """Count an error that means so; `facts` tell who met it."""
        DATABASE_AWAY.add()
        now = self._clock.monotonic()
        if self._said_at is not None and now - self._said_at < _AWAY_SECONDS:
            self._unsaid += 1
            return
        self._log.warning(
            "database away",
            error_type=type(error).__name__,
            error=str(error),
            more_since_last=self._unsaid,
            **facts,
        )
        self._said_at, self._unsaid = now, 0


database_away = DatabaseAway(SystemClock())


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Cut every value whose key speaks of a secret to its first and last 4 characters.

    In all other texts what looks like a token, a secret or an e-mail address is cut out.
    """
    return {key: _masked(key, value) for key, value in event.items()}


def without_hidden(text: str) -> str:
    """A text without what looks like a token, a secret or an e-mail address."""
    if any(sign in text for sign in _SIGNS_OF_HIDDEN):
        return _HIDDEN.sub("***", text)
    return text


def _masked(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {inner: _masked(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(key, item) for item in value]
    if value is None or not any(word in key.lower() for word in _SECRET_WORDS):
        return without_hidden(value) if isinstance(value, str) else value
    if isinstance(value, str) and len(value) >= _SHORTEST_SHOWN:
        return f"{value[:_SHOWN]}...{value[-_SHOWN:]}"
    return "***"
