"""Requests at a steady rate, sent whether or not earlier ones were answered: a slow server cannot slow the load.

`limits` calls `offer`. Latencies count from the moment a request was due, not from when a connection was free for it.
All connections are open before and have carried a request: on the loopback interface a large request on a new one can
meet a closed TCP window, which the kernel opens again by a timer, up to seconds later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, cast

from model_server.bench.wire import LENGTH, number

if TYPE_CHECKING:
    from collections.abc import Callable

_CONNECTIONS = 256
_OPENING_S = 60.0
_PATIENCE_S = 5.0  # for answers after the last request was sent


@dataclass(frozen=True, slots=True)
class Offered:
    """What became of the requests; times in seconds.

    Attributes:
        sent: How many were due.
        accepted: Latencies of those answered with 200, rising.
        refused: Latencies of those answered with 503, rising.
        advised: How many of these carried `Retry-After`.
        lost: Never answered, or with another status.
        late: By how much the load generator itself was late with each, rising; a server's figures mean little where
            this is not small beside them.
    """

    sent: int
    accepted: list[float]
    refused: list[float]
    advised: int
    lost: int
    late: list[float]


def percentile(rising: list[float], share: float) -> float:
    """Return the value that `share` of the sorted values do not exceed; 0.0 of none."""
    return rising[min(len(rising) - 1, int(len(rising) * share))] if rising else 0.0


class _Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._buffer = b""
        self._due = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it
        self._load.free(self)

    def ask(self, due: float, request: bytes) -> None:
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        if len(self._buffer) < head + 4 + number(self._buffer, LENGTH, head):
            return
        self._load.answered(int(self._buffer[9:12]), perf_counter() - self._due, b"\r\nretry-after: " in self._buffer)
        self._buffer = b""
        self._load.free(self)

    def close(self) -> None:
        self._transport.close()


class _Load:
    """All connections, and what waits for one."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port = port
        self._request = request
        self._idle: list[_Line] = []
        self._waiting: deque[float] = deque()
        self.lines: list[_Line] = []
        self.sent = self.advised = self.other = 0
        self.accepted: list[float] = []
        self.refused: list[float] = []
        self.late: list[float] = []

    def send(self, due: float) -> None:
        self.sent += 1
        self.late.append(perf_counter() - due)
        if self._idle:
            self._idle.pop().ask(due, self._request)
            return
        self._waiting.append(due)

    async def open(self) -> None:
        """Open the connections, and use each once."""
        loop = asyncio.get_running_loop()
        for number_of_open in range(_CONNECTIONS):
            _, line = await loop.create_connection(lambda: _Line(self), "127.0.0.1", self._port)
            self.lines.append(line)
            self.send(perf_counter())
            while len(self.accepted) + len(self.refused) + self.other <= number_of_open:  # noqa: ASYNC110
                await asyncio.sleep(0.0005)
        self.sent = self.advised = self.other = 0
        self.accepted, self.refused, self.late = [], [], []

    def free(self, line: _Line) -> None:
        if self._waiting:
            line.ask(self._waiting.popleft(), self._request)
        else:
            self._idle.append(line)

    def answered(self, status: int, seconds: float, advised: bool) -> None:
        if status == 200:  # noqa: PLR2004 - HTTP
            self.accepted.append(seconds)
        elif status == 503:  # noqa: PLR2004 - HTTP
            self.refused.append(seconds)
            self.advised += advised
        else:
            self.other += 1

    @property
    def missing(self) -> int:
        return self.sent - len(self.accepted) - len(self.refused) - self.other


async def _offer(port: int, request: bytes, rate: float, seconds: float, begun: Callable[[], None] | None) -> Offered:
    load = _Load(port, request)
    async with asyncio.timeout(_OPENING_S):
        await load.open()
    if begun:
        begun()
    begin = perf_counter()
    total = int(rate * seconds)
    while load.sent < total:
        now = perf_counter() - begin
        while load.sent < total and load.sent / rate <= now:
            load.send(begin + load.sent / rate)
        await asyncio.sleep(0.001)
    deadline = perf_counter() + _PATIENCE_S
    while load.missing and perf_counter() < deadline:  # noqa: ASYNC110 - ends by time as well
        await asyncio.sleep(0.01)
    for line in load.lines:
        line.close()
    lost = load.missing + load.other
    return Offered(load.sent, sorted(load.accepted), sorted(load.refused), load.advised, lost, sorted(load.late))


def offer(
    port: int, request: bytes, *, rate: float, seconds: float, begun: Callable[[], None] | None = None
) -> Offered:
    """Offer requests to a server on this machine.

    Args:
        port: Where it listens.
        request: A whole HTTP request.
        rate: Requests a second.
        seconds: How long.
        begun: Called when the connections are open and the first request is due.

    Raises:
        TimeoutError: The connections could not be opened and used in a minute.
    """
    import uvloop  # noqa: PLC0415 - the client's loop must not be slower than the server's

    return uvloop.run(_offer(port, request, rate, seconds, begun))
