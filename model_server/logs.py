"""Logs as one JSON object per line on stdout; nothing of a request's payload is ever in them.

`configure` is called once by `__main__`; everybody else uses `event` (rare, through `logging`, so that libraries'
lines get the same form), and `infer` writes the access log through `AccessLog`, which skips `logging` because that
alone would cost more than a small model's run. Not for metrics.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
import time
from typing import Any, TextIO

import orjson

_log = logging.getLogger("model_server")


class JsonFormatter(logging.Formatter):
    """Turn a record into one JSON line; a traceback becomes the field `exception`, still on that line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without the newline."""
        line: dict[str, Any] = {
            "time": _timestamp(record.created),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.name != _log.name:
            line["logger"] = record.name
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def _timestamp(seconds: float) -> str:
    moment = dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send every log record of this process to the stream as JSON.

    Args:
        level: debug, info, warning or error.
        stream: stdout unless a test wants it elsewhere.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)  # libraries: only what went wrong
    _log.setLevel(level.upper())


def event(level: int, message: str, **fields: Any) -> None:
    """Log one event.

    Args:
        level: A level of `logging`.
        message: A constant sentence that can be searched for; what varies goes into the fields.
        fields: Further keys of the line.
    """
    _log.log(level, message, extra={"fields": fields})


class Throttle:
    """Let one event through per interval and count the ones it held back, so that overload cannot flood the log.

    Args:
        interval_s: Seconds between two lines.
    """

    def __init__(self, interval_s: float = 1.0) -> None:
        self._interval = interval_s
        self._next = 0.0
        self._held = 0

    def event(self, level: int, message: str, **fields: Any) -> None:
        """Log the event, or count it for the next line's field `repeated`."""
        now = time.monotonic()
        if now < self._next:
            self._held += 1
            return
        self._next = now + self._interval
        if self._held:
            fields["repeated"] = self._held
        self._held = 0
        event(level, message, **fields)


class AccessLog:
    """A line for every n-th infer request, written without `logging`.

    Args:
        rate: Share of requests to log, 0 to 1; 0 turns it off.
        stream: stdout unless a test wants it elsewhere.
    """

    def __init__(self, rate: float, stream: TextIO | None = None) -> None:
        self._rate = rate
        self._credit = 0.0
        self._stream = stream or sys.stdout

    def wants(self) -> bool:
        """Say whether this request's line is due; call once per request."""
        if self._rate <= 0:
            return False
        self._credit += self._rate
        if self._credit < 1:
            return False
        self._credit -= 1
        return True

    def write(self, **fields: Any) -> None:
        """Write the line."""
        line = {"time": _timestamp(time.time()), "level": "info", "message": "request", **fields}
        self._stream.write(orjson.dumps(line).decode() + "\n")
        self._stream.flush()
