"""The port that gRPC listens on, in the event loop of uvicorn.

`__main__` calls `check_installation`, `serve` starts it before HTTP and stops it together with that.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from model_server import logs
from model_server.errors import StartupError

if TYPE_CHECKING:
    import grpc

    from model_server.predictions import Predictions
    from model_server.state import State


def check_installation() -> None:
    """Import what gRPC needs.

    Raises:
        StartupError: It is not installed.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its lines are not JSON; errors come as exceptions as well
    try:
        from model_server.rpc import service  # noqa: F401, PLC0415 - only a server with the setting pays for it
    except ImportError as error:
        raise StartupError(
            "gRPC is not installed",
            exit_code=2,
            setting="grpc_port",
            reason=str(error),
            hint="pip install 'kubernetes-ml-labs[grpc]'",
        ) from error


class RpcServer:
    """gRPC's side of the server.

    Args:
        state: Settings and models.
        predictions: HTTP's.
    """

    def __init__(self, state: State, predictions: Predictions) -> None:
        self._state = state
        self._predictions = predictions
        self._server: grpc.aio.Server

    async def start(self) -> None:
        """Listen.

        Raises:
            StartupError: The address is not ours or the port is taken.
        """
        import grpc  # noqa: PLC0415 - as above

        from model_server.rpc import service  # noqa: PLC0415 - as above

        settings = self._state.settings
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", settings.max_body_bytes),
                ("grpc.max_send_message_length", -1),  # as over HTTP, an answer is as long as the model makes it
                ("grpc.so_reuseport", 0),  # a port that is taken must be an error, not half of somebody's requests
            ]
        )
        self._server.add_generic_rpc_handlers(tuple(service.handlers(self._state, self._predictions)))
        host, port = settings.host, settings.grpc_port
        try:
            self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError as error:
            raise StartupError("cannot listen", exit_code=2, host=host, port=port, reason=str(error)) from error
        await self._server.start()
        logs.event(logging.INFO, "listening for gRPC", host=host, port=port)

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, tell connections to go, and end when the running calls have.

        Args:
            grace_s: Seconds after which those are cancelled; a second call can only shorten it.
        """
        await self._server.stop(grace_s)
