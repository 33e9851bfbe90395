"""What `/openapi.json` says beyond what FastAPI sees by itself: error answers, and bodies that are read by hand.

`app` and `control` hand it to their routes.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the answers of a route that are errors.

    Args:
        statuses: That it may answer with.
    """
    content = {"application/json": {"schema": _ERROR}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def body(**properties: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a JSON object that may also be left out.

    Args:
        properties: Name → JSON Schema.
    """
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": schema}}}}
