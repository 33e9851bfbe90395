"""Traces: W3C trace context in, OTLP out (JSON over HTTP), without a library.

`__main__` makes the tracer, `infer` asks `wants` for every request and calls `record` for those that are sampled; a
thread sends them in batches. A collector that is slow or away loses spans, never requests. Not for metrics or logs.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from model_server import logs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model_server.config import Settings

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_DEFAULT_ENDPOINT = "http://localhost:4318"
_MOST_WAITING = 4096
_BATCH = 512
_PERIOD_S = 1.0
_TIMEOUT_S = 3.0
_SERVER, _ERROR = 2, 2


@dataclass(frozen=True, slots=True)
class Parent:
    """What a client's `traceparent` says."""

    trace_id: str
    span_id: str
    sampled: bool


def parse(header: str) -> Parent | None:
    """Read a `traceparent` header; None when there is none or it is not valid, which begins a new trace."""
    match = _TRACEPARENT.fullmatch(header) if header else None
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Parent(trace_id, span_id, bool(int(flags, 16) & 1))


@dataclass(frozen=True, slots=True)
class Span:
    """One request; times in nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str
    began: int
    ended: int
    status: int
    attributes: dict[str, str | int | float]

    def document(self) -> dict[str, Any]:
        """Return it as OTLP's JSON has it."""
        return {
            "traceId": self.trace_id,
            "spanId": self.span_id,
            "parentSpanId": self.parent_id,
            "name": "infer",
            "kind": _SERVER,
            "startTimeUnixNano": str(self.began),
            "endTimeUnixNano": str(self.ended),
            "attributes": [{"key": key, "value": _value(value)} for key, value in self.attributes.items()],
            "status": {"code": _ERROR} if self.status >= 500 else {},  # noqa: PLR2004 - the server's fault
        }


def _value(value: str | float) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"doubleValue": value}


class Tracer:
    """Decides which requests are traced and sends them.

    Args:
        share: Of the requests without a parent that are traced, 0 to 1; with one, the parent's choice holds.
        endpoint: Of the collector; `/v1/traces` is added.
        headers: To send along.
        service: Name of this service.
    """

    def __init__(self, share: float, endpoint: str, headers: Mapping[str, str], service: str) -> None:
        self._share = share
        self._url = endpoint.rstrip("/") + "/v1/traces"
        self._headers = {"content-type": "application/json", **headers}
        self._service = service
        self._waiting: deque[Span] = deque(maxlen=_MOST_WAITING)
        self._stop = threading.Event()
        self._throttle = logs.Throttle(60)
        self._thread: threading.Thread | None = None

    def wants(self, parent: Parent | None) -> bool:
        """Say whether to trace a request; call once per request."""
        return random.random() < self._share if parent is None else parent.sampled  # noqa: S311 - no secret hangs on it

    def record(
        self, parent: Parent | None, seconds: float, status: int, attributes: dict[str, str | int | float]
    ) -> Span:
        """Queue a span that ends now, and return it.

        Args:
            parent: From the request; None begins a trace.
            seconds: How long the request took.
            status: Of the answer.
            attributes: By OpenTelemetry's names.
        """
        ended = time.time_ns()
        span = Span(
            trace_id=parent.trace_id if parent else f"{random.getrandbits(128) or 1:032x}",
            span_id=f"{random.getrandbits(64) or 1:016x}",
            parent_id=parent.span_id if parent else "",
            began=ended - int(seconds * 1e9),
            ended=ended,
            status=status,
            attributes=attributes | {"http.response.status_code": status},
        )
        self._waiting.append(span)
        if self._thread is None:
            self._thread = threading.Thread(target=self._send_for_ever, name="traces", daemon=True)
            self._thread.start()
        return span

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_TIMEOUT_S + 1)

    def _send_for_ever(self) -> None:
        while True:
            last = self._stop.wait(_PERIOD_S)
            while self._waiting:
                self._send([self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))])
            if last:
                return

    def _send(self, spans: list[Span]) -> None:
        import urllib.request  # noqa: PLC0415 - only where traces are sent

        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": self._service}}]}
        scope = {"scope": {"name": "model_server"}, "spans": [span.document() for span in spans]}
        body = orjson.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]})
        request = urllib.request.Request(self._url, body, self._headers)  # noqa: S310 - the operator's own setting
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310 - as above
                pass
        except (OSError, ValueError) as error:
            self._throttle.event(logging.WARNING, "traces lost", spans=len(spans), reason=str(error))


def from_settings(settings: Settings, environ: Mapping[str, str]) -> Tracer | None:
    """Return the tracer, or None when nothing asks for one.

    Args:
        settings: `trace_sample` and `otlp_endpoint`.
        environ: OpenTelemetry's own variables for endpoint, headers and service name count where ours are not set.
    """
    endpoint = settings.otlp_endpoint or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if not settings.trace_sample and not endpoint:
        return None
    pairs = [pair.partition("=") for pair in environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(",") if "=" in pair]
    headers = {name.strip(): value.strip() for name, _, value in pairs}
    service = environ.get("OTEL_SERVICE_NAME") or "model-server"
    return Tracer(settings.trace_sample, endpoint or _DEFAULT_ENDPOINT, headers, service)
