"""The load generator: so many connections, each asking again as soon as it is answered.

`__main__` calls `drive`. It reads no more of an answer than it must, so that the client's core is not the limit.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import cast

from model_server.bench.wire import LENGTH, number


@dataclass(frozen=True, slots=True)
class Round:
    """What one round saw; times in seconds.

    Attributes:
        requests: Answered.
        failed: Of those, not with 200.
        seconds: Length of the round.
        p50: Half of the requests took no longer.
        p99: 99 of 100 took no longer.
    """

    requests: int
    failed: int
    seconds: float
    p50: float
    p99: float


class _Asker(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes, times: list[float], until: float) -> None:
        self.failed = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._times = times
        self._until = until
        self._missing = -1
        self._buffer = b""
        self._asked = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it
        self._ask()

    def _ask(self) -> None:
        self._asked = perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            self._buffer = self._buffer + data if self._buffer else data
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            if not self._buffer.startswith(b"HTTP/1.1 200"):
                self.failed += 1
            self._missing = number(self._buffer, LENGTH, head) + head + 4 - len(self._buffer)
            self._buffer = b""
        else:
            self._missing -= len(data)
        if self._missing > 0:
            return
        now = perf_counter()
        self._times.append(now - self._asked)
        self._missing = -1
        if now < self._until:
            self._ask()
        elif not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


async def _drive(port: int, request: bytes, connections: int, seconds: float) -> Round:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    began = perf_counter()
    until = began + seconds
    opened = [
        await loop.create_connection(lambda: _Asker(request, times, until), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(asker.done for _, asker in opened))
    passed = perf_counter() - began
    for transport, _ in opened:
        transport.close()
    times.sort()
    failed = sum(asker.failed for _, asker in opened)
    return Round(len(times), failed, passed, times[len(times) // 2], times[len(times) * 99 // 100])


def drive(port: int, request: bytes, *, connections: int, seconds: float) -> Round:
    """Load a server on this machine.

    Args:
        port: Where it listens.
        request: A whole HTTP request.
        connections: Open at the same time.
        seconds: How long to ask.

    Raises:
        ConnectionError: The server closed a connection.
    """
    import uvloop  # noqa: PLC0415 - the client's loop must not be slower than the server's

    return uvloop.run(_drive(port, request, connections, seconds))
