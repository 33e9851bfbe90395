"""Every endpoint but infer: health, metadata, configuration, statistics, metrics, repository; the errors' common form.

`entrance` imports it when the first request needs it: FastAPI is two fifths of a start's CPU time.
Slow things do not belong here: each endpoint runs in the event loop and only reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

import model_server
from model_server import control, describe, entrance, metrics, openapi
from model_server.errors import NotReady, ServerError

if TYPE_CHECKING:
    from model_server.runtime import Model
    from model_server.state import State


def build(state: State) -> Any:
    """Return the ASGI application of everything but infer.

    Args:
        state: Of the server that it runs in.
    """
    api = FastAPI(
        title="Model server",
        version=model_server.__version__,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False},
    )
    _add_error_handlers(api)
    _add_server_routes(api, state)
    _add_model_routes(api, state)
    control.add_routes(api, state)
    return api


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status_code=status, media_type="application/json")


def _answer(status_and_body: tuple[int, bytes]) -> Response:
    status, body = status_and_body
    return Response(body, status_code=status, media_type="application/json")


def _add_error_handlers(api: FastAPI) -> None:
    """Make every error `{"error": …}`, the framework's own included."""

    @api.exception_handler(ServerError)
    async def ours(_request: Request, error: ServerError) -> Response:
        response = _json({"error": error.message}, error.status)
        response.raw_headers.extend(error.headers)
        return response

    @api.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        text = {404: "no such path", 405: f"{request.method} is not allowed here"}.get(error.status_code, error.detail)
        response = _json({"error": text}, error.status_code)
        response.headers.update(error.headers or {})
        return response

    @api.exception_handler(RequestValidationError)
    async def validation(_request: Request, error: RequestValidationError) -> Response:
        places = [".".join(str(part) for part in problem["loc"]) + ": " + problem["msg"] for problem in error.errors()]
        return _json({"error": "; ".join(places)}, 422)

    @api.exception_handler(Exception)
    async def unforeseen(_request: Request, _error: Exception) -> Response:
        return _json({"error": "internal error"}, 500)


def _add_server_routes(api: FastAPI, state: State) -> None:
    page = metrics.registry(state)

    @api.get("/v2/health/live")
    async def live() -> Response:
        """Say that the event loop turns; it does so while models load and while the server drains."""
        return _answer(entrance.live())

    @api.get("/v2/health/ready", responses=openapi.errors(503))
    async def ready() -> Response:
        """Say whether a request would succeed, else why not."""
        return _answer(entrance.ready(state))

    @api.get("/v2")
    async def server() -> Response:
        """Name the server and the protocol's extensions that it speaks."""
        return _json(describe.server())

    @api.get("/metrics", response_class=PlainTextResponse)
    async def prometheus() -> Response:
        """Return the Prometheus page."""
        return Response(metrics.page(page), media_type=CONTENT_TYPE_LATEST)


def _add_model_routes(api: FastAPI, state: State) -> None:
    def find(name: str, version: str | None) -> Model:
        return state.repository.find(name, version)

    unknown, absent = openapi.errors(404), openapi.errors(404, 503)

    @api.get("/v2/models/{name}", responses=absent)
    @api.get("/v2/models/{name}/versions/{version}", responses=absent)
    async def metadata(name: str, version: str | None = None) -> Response:
        """Return versions, inputs and outputs."""
        model = _loaded(find(name, version))
        return _json(describe.metadata(model, state.repository.versions(name)))

    @api.get("/v2/models/{name}/ready", responses=absent)
    @api.get("/v2/models/{name}/versions/{version}/ready", responses=absent)
    async def model_ready(name: str, version: str | None = None) -> Response:
        """Say whether a request to this model would succeed, else why not."""
        model = find(name, version)
        body: dict[str, Any] = {"name": model.name, "version": str(model.version), "ready": model.problem is None}
        if model.problem is None:
            return _json(body)
        return _json(body | {"error": f"model {model.label} is not ready: {model.problem}"}, 503)

    @api.get("/v2/models/{name}/config", responses=absent)
    @api.get("/v2/models/{name}/versions/{version}/config", responses=absent)
    async def configuration(name: str, version: str | None = None) -> Response:
        """Return the configuration in Triton's form, for its clients."""
        return _json(describe.configuration(_loaded(find(name, version))))

    @api.get("/v2/models/{name}/stats", responses=unknown)
    @api.get("/v2/models/{name}/versions/{version}/stats", responses=unknown)
    async def statistics(name: str, version: str | None = None) -> Response:
        """Return the counters in Triton's form."""
        chosen = [version] if version is not None else state.repository.versions(name)
        return _json({"model_stats": [describe.statistics(find(name, each)) for each in chosen]})


def _loaded(model: Model) -> Model:
    """Insist on a signature, which only a loaded model has."""
    if not model.inputs:
        raise NotReady(f"model {model.label} is not ready: {model.problem}")
    return model
