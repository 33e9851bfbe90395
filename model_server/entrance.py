"""The ASGI application that uvicorn calls: infer and the probes at once, everything else once FastAPI is there.

`__main__` makes it. FastAPI takes two fifths of all the CPU time of a start and no prediction needs it, so it is
imported in a thread when the first request needs it. Routes belong into `app`; the two probes are here as well because
they have to answer while everything else is still being imported.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
from typing import TYPE_CHECKING, Any

import orjson

from model_server.infer import Infer, is_infer

if TYPE_CHECKING:
    from model_server.infer import Receive, Scope, Send
    from model_server.state import State

_JSON = (b"content-type", b"application/json")


def live() -> tuple[int, bytes]:
    """Return status and body of the liveness probe: whoever can answer is alive."""
    return 200, b'{"live":true}'


def ready(state: State) -> tuple[int, bytes]:
    """Return status and body of the readiness probe.

    Args:
        state: Knows whether a request would succeed.
    """
    problem = state.problem()
    if problem is None:
        return 200, b'{"ready":true}'
    return 503, orjson.dumps({"ready": False, "error": problem})


class Entrance:
    """The ASGI application.

    Args:
        state: Of the server that it runs in.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.infer = Infer(state)
        self._api: Any = None
        self._gate = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if is_infer(path):
            await self.infer(scope, receive, send)
        elif path in {"/v2/health/live", "/v2/health/ready"} and scope["method"] == "GET":
            await _send(live() if path.endswith("live") else ready(self._state), send)
        else:
            if self._api is None:
                await self._imported()
            await self._api(scope, receive, send)

    def _import(self) -> None:
        """Import the rest, in the caller's thread; the second call waits for the first."""
        with self._gate:
            if self._api is not None:
                return
            os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looks through every installed package
            gc.disable()  # imports make objects that stay; looking for garbage among them costs a tenth of the time
            from model_server import app  # noqa: PLC0415 - see the module's docstring

            self._api = app.build(self._state)
            gc.freeze()  # what is there by now stays: later collections need not look at it
            gc.enable()

    async def _imported(self) -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def work() -> None:
            self._import()
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=work, name="importer", daemon=True).start()
        await done.wait()


async def _send(status_and_body: tuple[int, bytes], send: Send) -> None:
    status, body = status_and_body
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
