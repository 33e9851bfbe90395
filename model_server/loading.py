"""What a client may ask for when it loads or unloads a model, over HTTP (`control`) and gRPC (`rpc`).

Both are refused unless the server was started with `model_control`: whoever can ask for a prediction must not be able
to take it away from everybody else. Imports no web framework: gRPC starts before there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from model_server.errors import BadRequest, Forbidden

if TYPE_CHECKING:
    from model_server.state import State


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
