"""uvicorn's HTTP protocol with a short way for small infer requests: whole request in, whole response out.

`serve` gives it to uvicorn. A task, an event and two messages per request cost more than a small model's run, and a
request that can be answered at once needs none of them. It is held back until its body is complete and then offered to
`Infer.at_once`; what that declines, and whatever is unusual (pipelining, chunked bodies, `Expect`, HTTP/1.0, a drain),
takes uvicorn's own way from the beginning. Routing and the protocol's rules are not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from model_server.infer import is_infer

if TYPE_CHECKING:
    from model_server.infer import Headers, Infer

#: Bodies up to this many bytes are held back. A larger one is worth the usual way, which can refuse it early.
MOST = 1 << 20


class DirectProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        infer: Answers what can be answered at once.
        uvicorn: What uvicorn gives its protocols.
    """

    def __init__(self, infer: Infer, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._infer = infer
        self._path = ""
        self._missing = -1  # bytes of a body that is held back; below zero: nothing is
        self._chunks: list[bytes] = []

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

    def _size(self) -> int | None:
        """Return the length of a body worth waiting for, None for a request that takes the usual way."""
        busy = self.pipeline or self.flow.write_paused or not (self.cycle is None or self.cycle.response_complete)
        if busy or self.expect_100_continue or self.parser.get_method() != b"POST":
            return None
        path = self.url.decode("latin-1")
        if not is_infer(path) or "%" in path or "?" in path:
            return None
        length = [value for name, value in self.headers if name == b"content-length"]
        if len(length) != 1 or not length[0].isdigit() or len(length[0]) > 7:  # noqa: PLR2004 - digits of MOST
            return None
        usual = self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive()
        if not usual or self.parser.should_upgrade():
            return None
        self._path = path
        size = int(length[0])
        return size if 0 < size <= min(MOST, self._infer.limit) else None

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
        else:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Answer, if that is possible at once."""
        if self._missing < 0:
            super().on_message_complete()
            return
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        answer = self._infer.at_once(self._path, self.headers, body)
        if answer is None:
            self._release()
            super().on_message_complete()
            return
        self._missing = -1
        self.transport.write(answer)
        self.on_response_complete()

    def _release(self) -> None:
        """Let a request that was held back go the usual way."""
        chunks, self._missing = self._chunks, -1
        self._usual()
        for chunk in chunks:
            super().on_body(chunk)

    def shutdown(self) -> None:
        """Let a request that is half here be answered before the connection closes."""
        if self._missing >= 0:
            self._release()
        super().shutdown()
