"""The protocol's repository extension over HTTP: index, load, unload. `app` adds these routes.

By whose leave, and with which settings, is the same over gRPC: `loading`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response

from model_server import loading, openapi
from model_server.errors import BadRequest, TooLarge

if TYPE_CHECKING:
    from model_server.state import State

_LONGEST_BODY = 64 << 10
_PARAMETERS = {"type": "object", "properties": {"config": {"type": ["string", "object"]}}}


async def _document(request: Request) -> dict[str, Any]:
    """Read a small JSON object; no body is an empty one, whatever the content type says."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_BODY:
            raise TooLarge(f"the body is over {_LONGEST_BODY} bytes")
    if not body.strip():
        return {}
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("the request is not valid JSON") from None
    if not isinstance(content, dict):
        raise BadRequest("the request must be a JSON object")
    return content


def add_routes(api: FastAPI, state: State) -> None:
    """Add the extension's routes.

    Args:
        api: To add to.
        state: Repository and settings.
    """
    changing = openapi.errors(400, 403, 404, 413)

    @api.post(
        "/v2/repository/index",
        responses=openapi.errors(400, 413),
        openapi_extra=openapi.body(ready={"type": "boolean"}),
    )
    async def index(request: Request) -> Response:
        """List every model with its state; `{"ready": true}` leaves out what is not ready."""
        ready = (await _document(request)).get("ready", False)
        if not isinstance(ready, bool):
            raise BadRequest("ready must be true or false")
        rows = await state.repository.index()
        chosen = [row for row in rows if row["state"] == "READY"] if ready else rows
        return Response(orjson.dumps(chosen), media_type="application/json")

    @api.post(
        "/v2/repository/models/{name}/load",
        responses=changing,
        openapi_extra=openapi.body(parameters=_PARAMETERS),
    )
    async def load(name: str, request: Request) -> Response:
        """Serve what the model's folder holds now; answers when it does."""
        loading.allowed(state)
        await state.repository.load(name, loading.override(await _document(request)))
        return Response(b"{}", media_type="application/json")

    @api.post("/v2/repository/models/{name}/unload", responses=changing, openapi_extra=openapi.body())
    async def unload(name: str, request: Request) -> Response:
        """Stop serving a model; answers when its requests are done and its memory is free."""
        loading.allowed(state)
        await _document(request)
        await state.repository.unload(name)
        return Response(b"{}", media_type="application/json")
