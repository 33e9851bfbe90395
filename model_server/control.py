"""The protocol's repository extension: index, load, unload. `app` adds these routes, `rpc` asks by the same rules.

Load and unload answer 403 unless the server was started with `model_control`: whoever can ask for a prediction must not
be able to take it away from everybody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response

from model_server import openapi
from model_server.errors import BadRequest, Forbidden, TooLarge

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


def override(document: dict[str, Any]) -> Any:
    """Return the settings in a load request: `parameters.config`, a text of JSON, as Triton's clients send it.

    Args:
        document: The request.

    Raises:
        BadRequest: It asks for what no request may have.
    """
    parameters = document.get("parameters")
    if parameters is None:
        return None
    if not isinstance(parameters, dict):
        raise BadRequest("parameters must be an object")
    if any(key.startswith("file:") for key in parameters):
        raise BadRequest("files cannot be sent in a load request")
    text = parameters.get("config")
    if text is None:
        return None
    try:
        content = orjson.loads(text) if isinstance(text, str) else text
    except orjson.JSONDecodeError:
        raise BadRequest("parameter config is not valid JSON") from None
    if isinstance(content, dict) and "artifacts" in content:
        raise BadRequest("artifacts belong into the model's config file: no request may tell the server what to fetch")
    return content


def allowed(state: State) -> None:
    """Insist on the setting that lets clients load and unload.

    Args:
        state: Of the server.

    Raises:
        Forbidden: It is off.
    """
    if not state.settings.model_control:
        raise Forbidden("load and unload are off; start the server with model_control")


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
        allowed(state)
        await state.repository.load(name, override(await _document(request)))
        return Response(b"{}", media_type="application/json")

    @api.post("/v2/repository/models/{name}/unload", responses=changing, openapi_extra=openapi.body())
    async def unload(name: str, request: Request) -> Response:
        """Stop serving a model; answers when its requests are done and its memory is free."""
        allowed(state)
        await _document(request)
        await state.repository.unload(name)
        return Response(b"{}", media_type="application/json")
