"""The infer path as one raw ASGI callable, because a framework's endpoint costs more than a small model's run.

`entrance` puts it in front of everything else. It reads the raw body whatever the content type says: clients of the
protocol send none, and only `Inference-Header-Content-Length` tells that a body is binary. What is not HTTP about a
request is in `predictions`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from model_server import codec
from model_server.errors import BadRequest, ClientGone, MethodNotAllowed, NotFound, Overloaded, ServerError, TooLarge
from model_server.predictions import Predictions

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Awaitable, Callable, MutableMapping

    from model_server.runtime import Model
    from model_server.state import State
    from model_server.worker import Outputs

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

Headers = list[tuple[bytes, bytes]]

_JSON = (b"content-type", b"application/json")
_BINARY = (b"content-type", b"application/octet-stream")
_CLOSE = (b"connection", b"close")
_OK = b"HTTP/1.1 200 OK"
_PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_REFUSING_S = 1.0  # after a queue was full, requests are looked at for so long before they are read
#: What `Infer.at_once` returns for an answer that comes later.
LATER = b""
#: Headers that matter here.
HEADERS = frozenset({b"content-length", b"inference-header-content-length", b"content-encoding", b"traceparent"})


@dataclass(slots=True)
class _Incoming:
    """The headers that matter."""

    length: int | None = None
    json_length: int | None = None
    encoding: str = ""
    traceparent: str = ""


_NOTHING = _Incoming()  # most requests have none of these headers but the length


class Waiting(Protocol):
    """A connection that waits for an answer."""

    @property
    def keep_alive(self) -> bool:
        """Whether the connection is to be kept."""

    def gone(self) -> bool:
        """Say whether the client has closed it; asked from any thread."""

    def answer(self, response: bytes, *, close: bool) -> None:
        """Send a whole response, which says whether the connection ends with it."""


def is_infer(path: str) -> bool:
    """Say whether a path belongs here."""
    return path.endswith("/infer") and path.startswith("/v2/models/")


def target(path: str) -> tuple[str, str | None] | None:
    """Return the model and the version, None for the highest, that a path names; None for one that names no model.

    Args:
        path: /v2/models/NAME/infer or /v2/models/NAME/versions/VERSION/infer.
    """
    parts = path.split("/")
    if len(parts) == 5:  # noqa: PLR2004 - the first form
        return parts[3], None
    if len(parts) == 7 and parts[4] == "versions":  # noqa: PLR2004 - the second form
        return parts[3], parts[5]
    return None


class Infer:
    """The ASGI callable.

    Args:
        state: Models, settings, and whether the server drains.

    Attributes:
        limit: Most bytes of a body.
        predictions: What gRPC shares with it.
        refusing_until: Before this, on the performance counter, a queue may be full; 0.0 when none was lately.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.predictions = Predictions(state)
        self.refusing_until = 0.0
        self.limit = state.settings.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = perf_counter()
        state = self._state
        state.last_infer = time.monotonic()
        state.in_flight += 1
        incoming = _Incoming()
        model: Model | None = None
        try:
            try:
                model = self._find(scope["path"], scope["method"])
                model.in_flight += 1
                _read_headers(scope["headers"], incoming)
                if model.worker.full:  # before the body is read
                    raise model.worker.refusal()  # noqa: TRY301 - answered below like any other
                headers, body, ended = await self._answer(model, incoming, receive)
                status = 200
            except asyncio.CancelledError:
                if model is not None:
                    model.stats.outcomes["cancelled"] += 1
                raise
            except Exception as error:  # noqa: BLE001 - uvicorn would answer in plain text what nobody foresaw
                status, headers, body, ended = self._refused(model, error, began)
        finally:
            state.in_flight -= 1
            if model is not None:
                model.in_flight -= 1
        if model is not None:
            model.stats.request.observe(ended - began)
        headers.append((b"content-length", b"%d" % len(body)))
        if state.draining_since is not None:
            headers.append(_CLOSE)  # keep-alive clients have to find another pod
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self.predictions.told(status, model, incoming.traceparent, ended - began, len(body))

    def refuse(self, name: str, version: str | None) -> bytes | None:
        """Refuse a request from its head alone, if its model has no room for it; `direct` asks.

        Reading a body and its numbers costs more than many a model's run. Not asked before a first request was refused.

        Args:
            name: Of the model, as `target` gives it.
            version: Of the model, likewise.

        Returns:
            The whole response, or None for a request that may go on.
        """
        began = perf_counter()
        if began > self.refusing_until:
            self.refusing_until = 0.0
            return None
        try:
            model = self._state.repository.find(name, version)
            worker = model.worker
        except ServerError:
            return None  # told and counted on the usual way
        if self._state.draining_since is not None or not worker.full:
            return None
        self._state.last_infer = time.monotonic()
        error = worker.refusal()
        seconds = perf_counter() - began
        self.predictions.failed(model, error, seconds)
        self.refusing_until = began + _REFUSING_S
        model.stats.request.observe(seconds)
        response = _rendered(error.message, error.headers)
        self.predictions.told(error.status, model, "", seconds, len(response))
        return response

    def at_once(self, name: str, version: str | None, raw: Headers, body: bytes, waiting: Waiting) -> bytes | None:
        """Answer a whole request in a single call if nothing has to be waited for, else when it has run; `direct` asks.

        Args:
            name: Of the model, as `target` gives it.
            version: Of the model, likewise.
            raw: The request's `HEADERS`, names in lower case, without the length.
            body: All of it.
            waiting: Gets the answer if it comes later.

        Returns:
            The whole response of a connection that is kept, `LATER`, or None for a request that has to take the usual
            way.
        """
        began = perf_counter()
        state = self._state
        try:
            model = state.repository.find(name, version)
            worker = model.worker
        except ServerError:
            return None  # told and counted on the usual way
        if state.draining_since is not None:
            return None
        incoming = _NOTHING
        state.last_infer = time.monotonic()
        status = 200
        try:
            if raw:
                incoming = _Incoming()
                _read_headers(raw, incoming)
                if incoming.encoding:
                    return None
            request = codec.decode(body, incoming.json_length, model)
            decoded = perf_counter()
            state.faults.maybe_fail()
            if not worker.may_run_inline(request.rows):
                future = worker.queue(
                    self.predictions.job(model, request, decoded, read_s=decoded - began, gone=waiting.gone)
                )
                state.in_flight += 1
                model.in_flight += 1
                later = _Later(model, request, incoming, began, decoded - began, waiting)
                future.add_done_callback(partial(self._ran, later))
                return LATER
            outputs = worker.run_inline(request.feeds, request.rows, decoded)
            headers, content, ended = self._encoded(model, request, outputs, decoded - began)
        except Exception as error:  # noqa: BLE001 - as above
            status, headers, content, ended = self._refused(model, error, began)
        model.stats.request.observe(ended - began)
        if not self.predictions.silent:
            self.predictions.told(status, model, incoming.traceparent, ended - began, len(content))
        return _response(status, headers, content)

    def _ran(self, later: _Later, future: Future[Outputs]) -> None:
        """Answer a request that had to wait for its turn."""
        model, state = later.model, self._state
        state.in_flight -= 1
        model.in_flight -= 1
        status = 200
        try:
            headers, content, ended = self._encoded(model, later.request, future.result(), later.decode_seconds)
        except Exception as error:  # noqa: BLE001 - nobody above would answer
            status, headers, content, ended = self._refused(model, error, later.began)
        seconds = ended - later.began
        model.stats.request.observe(seconds)
        close = state.draining_since is not None or not later.waiting.keep_alive
        if close:
            headers.append(_CLOSE)
        later.waiting.answer(_response(status, headers, content), close=close)
        self.predictions.told(status, model, later.incoming.traceparent, seconds, len(content))

    def _refused(self, model: Model | None, error: Exception, began: float) -> tuple[int, Headers, bytes, float]:
        """Return status, headers, body and the end on the performance counter; counts the failure."""
        ended = perf_counter()
        told = self.predictions.failed(model, error, ended - began)
        if isinstance(told, Overloaded):
            self.refusing_until = ended + _REFUSING_S
        return told.status, [_JSON, *told.headers], orjson.dumps({"error": told.message}), ended

    def _find(self, path: str, method: str) -> Model:
        named = target(path)
        if named is None:
            self._state.unknown_requests += 1
            raise NotFound("no such path")
        model = self.predictions.find(*named)
        if method != "POST":
            raise MethodNotAllowed("infer wants POST", headers=((b"allow", b"POST"),))
        return model

    async def _answer(self, model: Model, incoming: _Incoming, receive: Receive) -> tuple[Headers, bytes, float]:
        """Return headers, body and the end on the performance counter; counts a success."""
        limit = self.limit
        message = await receive()
        body = message.get("body", b"")
        if message["type"] != "http.request" or message.get("more_body") or len(body) > limit:
            body = await _read_body(message, receive, incoming.length, limit)
        if incoming.encoding:
            body = codec.inflate(body, incoming.encoding, limit)
        start = perf_counter()
        request = codec.decode(body, incoming.json_length, model)
        decoded = perf_counter()
        outputs = await self.predictions.run(model, request, decoded, read_s=decoded - start, gone=_gone(receive))
        return self._encoded(model, request, outputs, decoded - start)

    def _encoded(
        self, model: Model, request: codec.Request, outputs: Outputs, decode_seconds: float
    ) -> tuple[Headers, bytes, float]:
        """Return headers, body and the end on the performance counter; counts a success."""
        ran = perf_counter()
        content, json_length = codec.encode(request, model, outputs)
        ended = perf_counter()
        self.predictions.succeeded(model, decode_seconds, ended - ran)
        if json_length is None:
            return [_JSON], content, ended
        return [_BINARY, (b"inference-header-content-length", b"%d" % json_length)], content, ended


@dataclass(slots=True)
class _Later:
    """What is kept of a request while it waits for its turn; times in seconds, `began` on the performance counter."""

    model: Model
    request: codec.Request
    incoming: _Incoming
    began: float
    decode_seconds: float
    waiting: Waiting


@lru_cache(maxsize=64)
def _rendered(message: str, extra: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Return a refusal's whole response, the same for many requests."""
    return _response(Overloaded.status, [_JSON, *extra], orjson.dumps({"error": message}))


def _response(status: int, headers: Headers, content: bytes) -> bytes:
    """Return a whole HTTP response in one piece."""
    if status == 200 and len(headers) == 1:  # noqa: PLR2004 - what most requests get; always JSON
        return _PLAIN % (len(content), content)
    head = _OK if status == 200 else b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())  # noqa: PLR2004 - HTTP
    lines = [head, *(b"%s: %s" % header for header in headers), b"content-length: %d" % len(content), b"", content]
    return b"\r\n".join(lines)


def _gone(receive: Receive) -> Callable[[], bool] | None:
    """Return a cheap question whether the client has closed its connection.

    ASGI tells only those who wait in `receive`, and a task to wait there costs more than a small model's run. uvicorn's
    `receive` is a method of the object that knows; another server's requests just run to their end.
    """
    cycle: Any = getattr(receive, "__self__", None)
    return (lambda: cycle.disconnected) if hasattr(cycle, "disconnected") else None


def _read_headers(raw: Headers, incoming: _Incoming) -> None:
    for name, value in raw:
        if name not in HEADERS:
            continue
        if name == b"content-length":
            incoming.length = _size(value, "Content-Length")
        elif name == b"inference-header-content-length":
            incoming.json_length = _size(value, "Inference-Header-Content-Length")
        elif name == b"content-encoding":
            encoding = value.decode("latin-1").strip().lower()
            incoming.encoding = "" if encoding == "identity" else encoding
        elif name == b"traceparent":
            incoming.traceparent = value.decode("latin-1")


def _size(value: bytes, name: str) -> int:
    if not value.isdigit() or len(value) > 18:  # noqa: PLR2004 - beyond any size there is
        raise BadRequest(f"{name} is not a size")
    return int(value)


async def _read_body(message: Message, receive: Receive, length: int | None, limit: int) -> bytes:
    """Read the whole body from its first message on, refusing it as early as its size is known."""
    if length is not None and length > limit:
        raise TooLarge(f"the body is over {limit} bytes")
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone("the client has gone")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"the body is over {limit} bytes")
        if not message.get("more_body"):
            return b"".join((*chunks, chunk)) if chunks else chunk
        chunks.append(chunk)
        message = await receive()
