"""Triton's client library, all four of it: over HTTP and gRPC, each blocking and with asyncio.

One list of questions serves all: a blocking client is asked in the event loop, which has nothing else to do.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server_process import Server

LIBRARIES = {
    "http": tritonclient.http,
    "http-asyncio": tritonclient.http.aio,
    "grpc": tritonclient.grpc,
    "grpc-asyncio": tritonclient.grpc.aio,
}


class Client:
    """One of the four; `ask` calls a method of it."""

    def __init__(self, name: str, server: Server) -> None:
        library: Any = LIBRARIES[name]
        self.over_grpc = name.startswith("grpc")
        self.shapes: Any = tritonclient.grpc if self.over_grpc else tritonclient.http
        self._client = library.InferenceServerClient(
            server.grpc if self.over_grpc else server.url.removeprefix("http://")
        )

    async def ask(self, method: str, *positional: Any, **named: Any) -> Any:
        call = getattr(self._client, method)
        if inspect.iscoroutinefunction(call):
            return await call(*positional, **named)
        return call(*positional, **named)

    async def about(self, method: str, *positional: Any) -> Any:
        """Ask for a document."""
        return await self.ask(method, *positional, **({"as_json": True} if self.over_grpc else {}))

    def tensor(self, name: str, values: Any, datatype: str) -> Any:
        given = self.shapes.InferInput(name, list(values.shape), datatype)
        given.set_data_from_numpy(values)
        return given


@pytest.fixture(params=LIBRARIES)
async def triton(request: pytest.FixtureRequest, server: Server) -> AsyncIterator[Client]:
    client = Client(request.param, server)
    yield client
    await client.ask("close")


async def test_health_and_documents(triton: Client) -> None:
    assert await triton.ask("is_server_live")
    assert await triton.ask("is_server_ready")
    assert await triton.ask("is_model_ready", "mlp", "1")
    assert not await triton.ask("is_model_ready", "none")
    assert (await triton.about("get_server_metadata"))["name"] == "model-server"
    metadata = await triton.about("get_model_metadata", "mlp")
    assert (metadata["platform"], metadata["versions"]) == ("onnxruntime_onnx", ["1", "2"])
    assert [int(size) for size in metadata["inputs"][0]["shape"]] == [-1, 20]
    config = await triton.about("get_model_config", "mlp")
    config = config.get("config", config)
    assert (config["max_batch_size"], config["input"][0]["data_type"]) == (64, "TYPE_FP32")
    assert config["instance_group"][0]["kind"] == "KIND_CPU"
    index = await triton.about("get_model_repository_index")
    rows = index["models"] if triton.over_grpc else index
    assert ("text", "1", "READY") in {(row["name"], row["version"], row["state"]) for row in rows}


async def test_predictions_and_what_is_counted_of_them(triton: Client) -> None:
    rows = np.ones((3, 20), np.float32)
    wanted = [triton.shapes.InferRequestedOutput("output")]
    for version in ("1", "2"):
        answer = await triton.ask(
            "infer", "mlp", [triton.tensor("input", rows, "FP32")], model_version=version, outputs=wanted
        )
        assert answer.as_numpy("output").shape == (3, 10)
        assert answer.as_numpy("output").sum(axis=1) == pytest.approx([1.0] * 3, rel=1e-5)
    counted = (await triton.about("get_inference_statistics", "mlp", "1"))["model_stats"][0]
    assert int(counted["inference_stats"]["success"]["count"]) >= 1
    assert {int(span["batch_size"]) for span in counted["batch_stats"]} >= {3}


async def test_texts_ids_and_timeouts(triton: Client) -> None:
    text = triton.tensor("text", np.array(["my parcel is late", "refund"], dtype=object), "BYTES")
    answer = await triton.ask("infer", "text", [text], request_id="7", timeout=5_000_000)
    assert [bytes(label) for label in answer.as_numpy("label")] == [b"delivery", b"billing"]
    response = answer.get_response()
    assert (response.id if triton.over_grpc else response["id"]) == "7"


async def test_compressed_requests(triton: Client) -> None:
    rows = np.zeros((60, 20), np.float32)
    for algorithm in ("gzip", "deflate"):
        how = {"compression_algorithm" if triton.over_grpc else "request_compression_algorithm": algorithm}
        answer = await triton.ask("infer", "mlp", [triton.tensor("input", rows, "FP32")], **how)
        assert answer.as_numpy("output").shape == (60, 10)


async def test_errors_come_as_the_clients_own_exception_with_our_words(triton: Client) -> None:
    rows = triton.tensor("input", np.ones((1, 20), np.float32), "FP32")
    with pytest.raises(InferenceServerException, match="unknown model 'none'"):
        await triton.ask("infer", "none", [rows])
    short = triton.tensor("input", np.ones((1, 19), np.float32), "FP32")
    with pytest.raises(InferenceServerException, match=r"shape of input input must be \[-1, 20\], got \[1, 19\]"):
        await triton.ask("infer", "mlp", [short])
    with pytest.raises(InferenceServerException, match="model_control"):
        await triton.ask("unload_model", "mlp")


async def test_json_and_binary_in_any_mix(server: Server) -> None:
    """Only HTTP has the two forms."""
    async with tritonclient.http.aio.InferenceServerClient(server.url.removeprefix("http://")) as client:
        rows = np.ones((2, 20), np.float32)
        answers = []
        for binary_in, binary_out in ((False, False), (False, True), (True, False), (True, True)):
            given = tritonclient.http.InferInput("input", [2, 20], "FP32")
            given.set_data_from_numpy(rows, binary_data=binary_in)
            wanted = [tritonclient.http.InferRequestedOutput("output", binary_data=binary_out)]
            answers.append(await client.infer("mlp", [given], outputs=wanted))
        for answer in answers:
            assert answer.as_numpy("output").ravel() == pytest.approx(answers[0].as_numpy("output").ravel(), rel=1e-6)


async def test_many_asyncio_calls_at_once(server: Server) -> None:
    async with tritonclient.grpc.aio.InferenceServerClient(server.grpc) as client:

        async def ask(number: int) -> int:
            rows = tritonclient.grpc.InferInput("input", [1 + number % 7, 20], "FP32")
            rows.set_data_from_numpy(np.full((1 + number % 7, 20), number, np.float32))
            answer = await client.infer("mlp", [rows], request_id=str(number))
            assert answer.as_numpy("output").shape == (1 + number % 7, 10)
            return int(answer.get_response().id)

        assert await asyncio.gather(*(ask(number) for number in range(60))) == list(range(60))
