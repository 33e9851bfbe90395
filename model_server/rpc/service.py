"""What each method answers. `server` registers `handlers`; infer shares `predictions` with HTTP.

Messages come as bytes, so that a broken one is answered and counted like any other wrong request. A call whose client
gives up, or whose deadline is over, is cancelled by gRPC; what it left in a queue is not run any more.
"""

from __future__ import annotations

import asyncio
import re
import time
from time import perf_counter
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf import json_format

from model_server import describe, loading
from model_server.errors import BadRequest, DeadlineExceeded, NotFound, NotReady, ServerError
from model_server.rpc import wire
from model_server.rpc.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from model_server.predictions import Predictions
    from model_server.runtime import Model
    from model_server.state import State

    Answer = Callable[[Any, Any], Awaitable[bytes]]

#: gRPC's codes for the statuses of `errors`.
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    499: grpc.StatusCode.CANCELLED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_HEALTH = Schema("health.proto")
_INFER = "ModelInfer"
#: Services that a health check may ask for, with whether a server that is not ready serves them.
_CHECKED = {"": False, "inference.GRPCInferenceService": False, "readiness": False, "liveness": True}


def handlers(state: State, predictions: Predictions) -> list[grpc.GenericRpcHandler]:
    """Return what grpcio needs to serve both services.

    Args:
        state: Of the server that they run in.
        predictions: HTTP's.
    """
    service = Service(state, predictions)
    methods: dict[str, dict[str, Any]] = {}
    for schema in (wire.SCHEMA, _HEALTH):
        for owner, name, kind in schema.methods():
            answer = getattr(service, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
            answer = answer if name == _INFER else _answering(kind, answer, predictions)
            methods.setdefault(owner, {})[name] = grpc.unary_unary_rpc_method_handler(answer)
    return [grpc.method_handlers_generic_handler(owner, each) for owner, each in methods.items()]


def _answering(kind: Any, answer: Callable[[Any], Awaitable[Any]], predictions: Predictions) -> Answer:
    """Wrap a method of the service: message in, message out, errors as gRPC's."""

    async def answering(body: bytes, context: Any) -> bytes:
        try:
            message = await answer(wire.parse(kind, body))
            return bytes(message.SerializeToString())
        except Exception as error:  # noqa: BLE001 - grpcio would tell the client the exception's words
            told = predictions.failed(None, error, 0.0)
        return await _abort(context, told)

    return answering


async def _abort(context: Any, error: ServerError) -> NoReturn:
    """End a call with an error."""
    after = dict(error.headers).get(b"retry-after")
    hint = () if after is None else (("grpc-retry-pushback-ms", f"{int(after) * 1000}"),)
    await context.abort(CODES.get(error.status, grpc.StatusCode.INTERNAL), error.message, hint)
    raise AssertionError  # grpcio's abort has raised its own exception


def _message(name: str, document: Any) -> Any:
    """Return a message made from a document that HTTP serves, without what the message has no field for."""
    return json_format.ParseDict(document, wire.SCHEMA.message(name)(), ignore_unknown_fields=True)


class Service:
    """The methods, by their names in snake case.

    Args:
        state: Of the server.
        predictions: HTTP's.
    """

    def __init__(self, state: State, predictions: Predictions) -> None:
        self._state = state
        self._predictions = predictions
        self._infer_request = wire.SCHEMA.message("ModelInferRequest")
        self._infer_head = wire.SCHEMA.part("ModelInferRequest", {"model_name", "model_version"})

    async def model_infer(self, body: bytes, context: Any) -> bytes:
        """Answer an infer request."""
        began = perf_counter()
        state = self._state
        state.last_infer = time.monotonic()
        state.in_flight += 1
        model: Model | None = None
        error: ServerError | None = None
        answer = b""
        try:
            head = wire.parse(self._infer_head, body)
            model = self._predictions.find(head.model_name, head.model_version or None)
            model.in_flight += 1
            answer = await self._infer(model, body, context)
        except asyncio.CancelledError:
            self._cancelled(model, context, began)
            raise
        except Exception as raised:  # noqa: BLE001 - grpcio would tell the client the exception's words
            error = self._predictions.failed(model, raised, perf_counter() - began)
        finally:
            state.in_flight -= 1
            if model is not None:
                model.in_flight -= 1
        seconds = perf_counter() - began
        if model is not None:
            model.stats.request.observe(seconds)
        traceparent = next((value for key, value in context.invocation_metadata() if key == "traceparent"), "")
        status = 200 if error is None else error.status
        self._predictions.told(status, model, traceparent, seconds, len(answer), protocol="grpc")
        if error is not None:
            await _abort(context, error)
        return answer

    async def _infer(self, model: Model, body: bytes, context: Any) -> bytes:
        """Return the answer's bytes; counts a success."""
        if model.worker.full:  # this and what is not ready are told before the tensors are read, as over HTTP
            raise model.worker.refusal()
        start = perf_counter()
        request = wire.decode(wire.parse(self._infer_request, body), model)
        decoded = perf_counter()
        left = context.time_remaining()
        if left is not None and left <= 0:
            raise DeadlineExceeded("the deadline is over")
        outputs = await self._predictions.run(model, request, decoded, read_s=decoded - start, patience_s=left or 0.0)
        ran = perf_counter()
        answer = wire.encode(request, model, outputs)
        self._predictions.succeeded(model, decoded - start, perf_counter() - ran)
        return answer

    def _cancelled(self, model: Model | None, context: Any, began: float) -> None:
        """Count a call that gRPC has ended: its deadline is over, or its client gave up."""
        left = context.time_remaining()
        if left is not None and left <= 0:
            self._predictions.failed(model, DeadlineExceeded("the deadline is over"), perf_counter() - began)
        elif model is not None:
            model.stats.outcomes["cancelled"] += 1

    async def server_live(self, _request: Any) -> Any:
        """Say that the event loop turns."""
        return _message("ServerLiveResponse", {"live": True})

    async def server_ready(self, _request: Any) -> Any:
        """Say whether a request would succeed."""
        return _message("ServerReadyResponse", {"ready": self._state.problem() is None})

    async def model_ready(self, request: Any) -> Any:
        """Say whether a request to this model would succeed; false, as Triton has it, for one that is not here."""
        try:
            model = self._find(request)
        except ServerError:
            return _message("ModelReadyResponse", {"ready": False})
        return _message("ModelReadyResponse", {"ready": model.problem is None})

    async def server_metadata(self, _request: Any) -> Any:
        """Name the server and the extensions that it speaks."""
        return _message("ServerMetadataResponse", describe.server())

    async def model_metadata(self, request: Any) -> Any:
        """Return versions, inputs and outputs."""
        model = self._loaded(request)
        versions = self._state.repository.versions(model.name)
        return _message("ModelMetadataResponse", describe.metadata(model, versions))

    async def model_config(self, request: Any) -> Any:
        """Return the configuration in Triton's form."""
        return _message("ModelConfigResponse", {"config": describe.configuration(self._loaded(request))})

    async def model_statistics(self, request: Any) -> Any:
        """Return the counters in Triton's form: of a version, of a model, or of all."""
        repository = self._state.repository
        if not request.name:
            models = list(repository)
        elif request.version:
            models = [repository.find(request.name, request.version)]
        else:
            models = [repository.find(request.name, version) for version in repository.versions(request.name)]
        return _message("ModelStatisticsResponse", {"model_stats": [describe.statistics(model) for model in models]})

    async def repository_index(self, request: Any) -> Any:
        """List every model with its state."""
        rows = await self._state.repository.index()
        return _message(
            "RepositoryIndexResponse",
            {"models": [row for row in rows if row["state"] == "READY" or not request.ready]},
        )

    async def repository_model_load(self, request: Any) -> Any:
        """Serve what the model's folder holds now; answers when it does."""
        loading.allowed(self._state)
        parameters = {key: wire.parameter(value) for key, value in request.parameters.items()}
        await self._state.repository.load(_named(request), loading.override({"parameters": parameters}))
        return _message("RepositoryModelLoadResponse", {})

    async def repository_model_unload(self, request: Any) -> Any:
        """Stop serving a model; answers when its requests are done and its memory is free."""
        loading.allowed(self._state)
        await self._state.repository.unload(_named(request))
        return _message("RepositoryModelUnloadResponse", {})

    async def check(self, request: Any) -> Any:
        """Answer a health check."""
        if request.service not in _CHECKED:
            raise NotFound("unknown service")
        serving = _CHECKED[request.service] or self._state.problem() is None
        return _HEALTH.message("HealthCheckResponse")(status="SERVING" if serving else "NOT_SERVING")

    def _find(self, request: Any) -> Model:
        return self._state.repository.find(request.name, request.version or None)

    def _loaded(self, request: Any) -> Model:
        """Return a model with a signature, which only a loaded one has."""
        model = self._find(request)
        if not model.inputs:
            raise NotReady(f"model {model.label} is not ready: {model.problem}")
        return model


def _named(request: Any) -> str:
    """Return the name in a request to load or unload."""
    name: str = request.model_name or request.repository_name
    if not name:
        raise BadRequest("model_name is missing")
    return name
