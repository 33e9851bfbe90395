"""uvicorn's HTTP protocol with a short way for infer requests: whole request in, whole response out.

`serve` gives it to uvicorn. A task, an event and two messages per request cost more than a small model's run, and a
request needs none of them. It is held back until its body is complete and then offered to `Infer.at_once`; what that
declines, and whatever is unusual (pipelining, chunked bodies, `Expect`, HTTP/1.0, a drain), takes uvicorn's own way
from the beginning. A request for which there is no room is refused by its head: its body is thrown away as it comes,
and the prepared answer follows it, since clients that are answered while they still send close the connection. Routing
and the protocol's rules are not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from model_server.infer import HEADERS, LATER, is_infer, target

if TYPE_CHECKING:
    from model_server.infer import Headers, Infer

#: Bodies up to this many bytes are held back. A larger one is worth the usual way, which can refuse it early.
MOST = 1 << 20


class _Turn:
    """Stands where uvicorn keeps the request that it is answering, while the model runs one of ours.

    What comes behind it on the connection then waits in uvicorn's pipeline, and a shutdown waits as well.
    """

    __slots__ = ("disconnected", "keep_alive", "response_complete")

    def __init__(self) -> None:
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    @property
    def message_event(self) -> _Turn:
        """What uvicorn sets when the connection is lost; nobody waits for it."""
        return self

    def set(self) -> None:
        """Be set."""


class DirectProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        infer: Answers what can be answered at once.
        uvicorn: What uvicorn gives its protocols.
    """

    def __init__(self, infer: Infer, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._infer = infer
        self._url = b""
        self._name = ""
        self._version: str | None = None
        self._named: Headers = []
        self._missing = -1  # bytes of a body that is held back; below zero: nothing is
        self._chunks: list[bytes] = []
        self._refusal: bytes | None = None
        self._turn = _Turn()
        self._idle_since: float | None = None

    def on_message_begin(self) -> None:
        """Begin a request; the rest of what uvicorn keeps of one is made when it takes its way."""
        self.url = b""
        self.expect_100_continue = False
        self.headers: Headers = []

    def on_headers_complete(self) -> None:
        """Hold the request back if it may be answered at once."""
        size = self._size()
        if size is None:
            self._usual()
        else:
            self._missing, self._chunks = size, []
            self._refusal = self._infer.refuse(self._name, self._version) if self._infer.refusing_until else None

    def _size(self) -> int | None:
        """Return the length of a body worth waiting for, None for a request that takes the usual way."""
        busy = self.pipeline or self.flow.write_paused or not (self.cycle is None or self.cycle.response_complete)
        if busy or self.expect_100_continue or self.parser.get_method() != b"POST":
            return None
        if self.url != self._url and not self._take_apart():  # mostly it is the path of the last one
            return None
        length = b""
        self._named = []
        for header in self.headers:
            if header[0] not in HEADERS:
                continue
            if header[0] == b"content-length":
                length = b"twice" if length else header[1]
            else:
                self._named.append(header)
        if not length.isdigit() or len(length) > 7:  # noqa: PLR2004 - digits of MOST
            return None
        usual = self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive()
        if not usual or self.parser.should_upgrade():
            return None
        size = int(length)
        return size if 0 < size <= MOST and size <= self._infer.limit else None

    def _take_apart(self) -> bool:
        """Keep the model that a path names; false for a path that takes the usual way."""
        path = self.url.decode("latin-1")
        named = target(path) if is_infer(path) and "%" not in path and "?" not in path else None
        if named is None:
            return False
        self._url = self.url
        self._name, self._version = named
        return True

    def _usual(self) -> None:
        """Hand the request over to uvicorn, as if its headers were just complete."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if self._missing < 0:
            super().on_body(body)
        elif self._refusal is None:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Answer, if that is possible at once."""
        if self._missing < 0:
            super().on_message_complete()
            return
        answer = self._refusal
        if answer is None:
            body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            answer = self._infer.at_once(self._name, self._version, self._named, body, self)
        if answer is None:
            self._release()
            super().on_message_complete()
            return
        self._missing, self._chunks = -1, []
        if answer == LATER:
            self._turn = _Turn()
            self.cycle = cast("Any", self._turn)
            return
        self.transport.write(answer)
        self._answered()

    def _answered(self) -> None:
        """Do what uvicorn does after a response, with one timer for many of them."""
        if self.pipeline or self.flow.read_paused or self.transport.is_closing():
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_after(self.timeout_keep_alive)

    def on_response_complete(self) -> None:
        """Start the time that a connection may be idle."""
        self._cancel()
        more = bool(self.pipeline)
        super().on_response_complete()
        self._idle_since = None if more else self.loop.time()

    def _unset_keepalive_if_required(self) -> None:
        """Note that something came; uvicorn would cancel the timer here, only to set it again within a millisecond."""
        self._idle_since = None

    def _cancel(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle for so long, else look again when it could have been."""
        self.timeout_keep_alive_task = None
        idle = 0.0 if self._idle_since is None else self.loop.time() - self._idle_since
        if idle >= self.timeout_keep_alive:
            super().timeout_keep_alive_handler()
        elif not self.transport.is_closing():
            self._look_after(self.timeout_keep_alive - idle)

    def _look_after(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the timer as well."""
        self._cancel()
        super().connection_lost(exc)

    @property
    def keep_alive(self) -> bool:
        """Whether the connection is to be kept after the answer that is outstanding."""
        return self._turn.keep_alive

    def gone(self) -> bool:
        """Say whether the client has closed the connection; asked from any thread."""
        return bool(self.transport.is_closing())

    def answer(self, response: bytes, *, close: bool) -> None:
        """Send the outstanding answer.

        Args:
            response: All of it.
            close: Whether it says that the connection ends with it.
        """
        self._turn.response_complete = True
        if not self.transport.is_closing():
            self.transport.write(response)
            if close:
                self.transport.close()
        self._answered()

    def _release(self) -> None:
        """Let a request that was held back go the usual way."""
        chunks, self._missing, self._chunks = self._chunks, -1, []
        self._usual()
        for chunk in chunks:
            super().on_body(chunk)

    def shutdown(self) -> None:
        """Let a request that is half here be answered before the connection closes."""
        if self._missing >= 0 and self._refusal is not None:
            self.transport.write(self._refusal)
        elif self._missing >= 0:
            self._release()
        super().shutdown()
