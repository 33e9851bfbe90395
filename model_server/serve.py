"""The listening socket, uvicorn, gRPC beside it, and the end: a drain that refuses nobody and leaves with exit code 0.

`__main__` calls `listen` and `run`. On SIGTERM readiness turns 503 at once, while the listener stays open, because
a Service's endpoints change some time after the signal. Plain uvicorn closes the listener first and dies of the signal.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from model_server import logs
from model_server.direct import DirectProtocol
from model_server.errors import StartupError

if TYPE_CHECKING:
    from types import FrameType

    from model_server.entrance import Entrance
    from model_server.rpc.server import RpcServer
    from model_server.state import State

_BACKLOG = 2048
_KEEP_ALIVE_S = 75  # above the 60 s of common proxies, so that they close first
_LOOK_S = 0.1
_IN_FLIGHT_S = 10  # after the drain, for requests that are still running


class DrainingServer(uvicorn.Server):
    """uvicorn with a drain in front of its shutdown.

    Args:
        config: uvicorn's.
        state: Told that the drain began; asked for traffic.
        rpc: Starts and ends with it; None without gRPC.
    """

    def __init__(self, config: uvicorn.Config, state: State, rpc: RpcServer | None) -> None:
        super().__init__(config)
        self._state = state
        self._rpc = rpc

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; gRPC first, since only its port can still be refused."""
        if self._rpc is not None:
            await self._rpc.start()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what runs, on both ports at the same time."""
        ending = [] if self._rpc is None else [asyncio.create_task(self._rpc.stop(_IN_FLIGHT_S))]
        await super().shutdown(sockets)
        while ending and not (await asyncio.wait(ending, timeout=_LOOK_S))[0]:
            if self.force_exit and self._rpc is not None:
                await self._rpc.stop(0)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Begin the drain; a second signal, or Ctrl-C, ends it."""
        if sig == signal.SIGTERM and self._state.draining_since is None:
            self._state.draining_since = monotonic()
            return
        self.force_exit = self.should_exit
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: see whether the drain is over."""
        since = self._state.draining_since
        if since is not None and not self.should_exit and self._drained(since):
            self.should_exit = True
        return await super().on_tick(counter)

    def _drained(self, since: float) -> bool:
        now = monotonic()
        settings = self._state.settings
        if now - since >= settings.drain_seconds:
            return True
        if not any(model.problem is None for model in self._state.repository):
            return self._state.in_flight == 0  # no model can answer, so nobody is waited for
        # Silence from before the signal says nothing: the proxies may not have heard yet, and send the next request.
        quiet = now - max(since, self._state.last_infer) >= settings.drain_quiet_seconds
        return quiet and self._state.in_flight == 0


def listen(host: str, port: int) -> socket.socket:
    """Open the port.

    Args:
        host: Address; with a colon in it, IPv6.
        port: 0 for any.

    Raises:
        StartupError: The address is not ours or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # asyncio sets this only on sockets that name their protocol, which this one does not. Accepted sockets inherit
        # it; without it the two writes of an answer meet delayed acknowledgements, and each request takes 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, OverflowError) as error:
        raise StartupError("cannot listen", exit_code=2, host=host, port=port, reason=str(error)) from error
    return listener


def run(application: Entrance, listener: socket.socket, state: State, rpc: RpcServer | None = None) -> None:
    """Serve until a signal ends it; returns after the drain.

    Args:
        application: ASGI, with the infer path in front.
        listener: Open.
        state: Of this server.
        rpc: gRPC's side of it; None without.

    Raises:
        StartupError: gRPC cannot listen.
    """
    host, port = listener.getsockname()[:2]
    logs.event(logging.INFO, "listening", host=host, port=port)
    config = uvicorn.Config(
        application,
        http=cast("Any", partial(DirectProtocol, application.infer)),  # uvicorn calls it and asks for no more
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_IN_FLIGHT_S,
    )
    DrainingServer(config, state, rpc).run(sockets=[listener])
    if state.tracer is not None:
        state.tracer.close()
    seconds = None if state.draining_since is None else round(monotonic() - state.draining_since, 3)
    logs.event(logging.INFO, "stopped", drain_seconds=seconds)
