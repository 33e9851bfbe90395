"""gRPC and the server around it: settings, queue, deadlines, cancellation, faults, logs, models, the drain."""

from __future__ import annotations

import json
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import httpx
import pytest
from grpc_calls import INFER, call, channel, mlp, refusal
from server_process import ROOT, Server, free_port, mlp_request, running
from tritonclient.grpc import service_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHECK = "/grpc.health.v1.Health/Check"
LIVENESS = b"\x0a\x08liveness"
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def figure(server: Server, series: str) -> float:
    """A figure of the metrics page."""
    page = httpx.get(f"{server.url}/metrics").text
    return float(next(line for line in page.splitlines() if line.startswith(series + " ")).split()[-1])


def of(series: str, **labels: str) -> str:
    labels = {"model": "mlp", "version": "2"} | labels
    return series + "{" + ",".join(f'{key}="{labels[key]}"' for key in sorted(labels)) + "}"


@pytest.fixture
def slow(models: Path) -> Iterator[Server]:
    """A server whose executions take a second, one row at a time, with room for two requests that wait."""
    variables = {"FAULT_LATENCY_SECONDS": "1", "QUEUE_SIZE": "2", "BATCH_LIMIT": "1"}
    with running(models, "--enable-faults", MODEL_NAME="mlp", GRPC_PORT=free_port(), **variables) as server:
        server.wait_ready()
        yield server


def test_a_request_past_its_deadline_is_not_run(slow: Server) -> None:
    late = mlp(1.0)
    late.parameters["timeout"].int64_param = 100_000
    with channel(slow.grpc) as line, ThreadPoolExecutor() as pool:
        first = pool.submit(call, line, INFER, mlp(1.0).SerializeToString())
        until(lambda: figure(slow, of("inference_requests_in_flight")) == 1)
        assert refusal(line, late.SerializeToString()) == (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "the deadline is over",
        )
        assert refusal(line, mlp(1.0).SerializeToString(), timeout=0.1)[0] == grpc.StatusCode.DEADLINE_EXCEEDED
        assert first.result()
    # Of a call's own deadline the client's word, that it has given up, may come before our clock says so.
    ended = [of("inference_requests_total", outcome=outcome) for outcome in ("rejected", "cancelled")]
    until(lambda: sum(figure(slow, series) for series in ended) == 2)
    assert figure(slow, ended[0]) >= 1
    assert figure(slow, of("inference_requests_total", outcome="success")) == 1
    assert figure(slow, of("inference_batch_size_count")) == 1
    assert figure(slow, of("inference_requests_in_flight")) == 0


def test_a_call_that_the_client_gives_up_is_not_run(slow: Server) -> None:
    with channel(slow.grpc) as line, ThreadPoolExecutor() as pool:
        first = pool.submit(call, line, INFER, mlp(1.0).SerializeToString())
        until(lambda: figure(slow, of("inference_requests_in_flight")) == 1)
        given_up = line.unary_unary(INFER).future(mlp(1.0).SerializeToString())
        until(lambda: figure(slow, of("inference_requests_in_flight")) == 2)
        given_up.cancel()
        until(lambda: figure(slow, of("inference_requests_total", outcome="cancelled")) == 1)
        assert first.result()
        assert call(line, INFER, mlp(1.0).SerializeToString())
    assert figure(slow, of("inference_batch_size_count")) == 2


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(slow: Server) -> None:
    body = mlp(1.0).SerializeToString()
    with channel(slow.grpc) as line, ThreadPoolExecutor() as pool:
        accepted = [pool.submit(call, line, INFER, body)]
        until(lambda: figure(slow, of("inference_requests_in_flight")) == 1)
        accepted += [pool.submit(call, line, INFER, body) for _ in range(2)]
        until(lambda: figure(slow, of("inference_queue_depth")) == 2)
        with pytest.raises(grpc.RpcError) as refused:
            call(line, INFER, body)
        error = refused.value
        assert isinstance(error, grpc.Call)
        assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "queue full: 2 requests wait")
        over_http = httpx.post(f"{slow.url}/v2/models/mlp/infer", json=mlp_request(1.0))
        assert (over_http.status_code, over_http.json()) == (503, {"error": error.details()})
        assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"] == over_http.headers["retry-after"] + "000"
        # Of what follows no more than the name is read: fields that contradict each other, and no message at all.
        twice = mlp(1.0)
        twice.raw_input_contents.append(b"")
        for wrong in (twice.SerializeToString(), b"\x0a\x03mlp\x2a\x03\xff\xff\xff"):
            code, text = refusal(line, wrong)
            assert (code, text[:10]) == (grpc.StatusCode.UNAVAILABLE, "queue full")
        assert all(each.result() for each in accepted)
        assert figure(slow, of("inference_requests_total", outcome="rejected")) == 4
        assert figure(slow, of("inference_requests_total", outcome="invalid")) == 0
        assert refusal(line, wrong) == (grpc.StatusCode.INVALID_ARGUMENT, "the message is no ModelInferRequest")


def test_faults_logs_and_traces_are_those_of_http(models: Path) -> None:
    variables = {"FAULT_ERROR_RATE": "1", "ACCESS_LOG": "1", "GRPC_PORT": free_port(), "MODEL_NAME": "mlp"}
    with running(models, "--enable-faults", **variables) as server, channel(server.grpc) as line:
        server.wait_ready()
        headers = (("traceparent", f"00-{TRACE}-{SPAN}-01"),)
        told = refusal(line, mlp(1.0).SerializeToString(), metadata=headers)
        assert told == (grpc.StatusCode.INTERNAL, "injected fault")
        request = server.log("request")
        assert (request["status"], request["protocol"], request["trace_id"]) == (500, "grpc", TRACE)
        assert figure(server, of("inference_requests_total", outcome="failed")) == 1


def test_an_unforeseen_error_keeps_its_words_to_itself(models: Path, tmp_path: Path) -> None:
    broken = "from model_server import codec, describe\ndef fail(*_):\n    raise KeyError('SECRET-PAYLOAD')\n"
    (tmp_path / "sitecustomize.py").write_text(broken + "codec.to_binary = describe.metadata = fail\n")
    path = f"{tmp_path}:{ROOT}"
    with running(models, PYTHONPATH=path, GRPC_PORT=free_port()) as server, channel(server.grpc) as line:
        server.wait_ready()
        internal = (grpc.StatusCode.INTERNAL, "internal error")
        assert refusal(line, mlp(1.0).SerializeToString()) == internal
        assert refusal(line, b"\x0a\x03mlp", "/inference.GRPCInferenceService/ModelMetadata") == internal
        assert server.log("unforeseen error")["where"] == "sitecustomize.py:3"
        assert not any("SECRET-PAYLOAD" in json.dumps(each) for each in server.lines)
        server.process.kill()
        assert server.process.stderr
        assert "SECRET-PAYLOAD" not in server.process.stderr.read()


def test_a_model_that_is_not_ready_is_unavailable(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "fixed", tmp_path / "fixed")
    (tmp_path / "mlp" / "1").mkdir(parents=True)
    (tmp_path / "mlp" / "1" / "model.onnx").write_bytes(b"no model")
    with running(tmp_path, GRPC_PORT=free_port()) as server, channel(server.grpc) as line:
        server.log("model loaded")
        server.log("model failed to load")
        told = httpx.post(f"{server.url}/v2/models/mlp/infer", json=mlp_request(1.0))
        assert told.status_code == 503
        assert refusal(line, mlp(1.0).SerializeToString()) == (grpc.StatusCode.UNAVAILABLE, told.json()["error"])
        assert call(line, CHECK) == NOT_SERVING
        assert call(line, CHECK, LIVENESS) == SERVING


def test_loading_and_unloading_by_the_rules_of_http(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "fixed", tmp_path / "fixed")
    load, unload = (f"/inference.GRPCInferenceService/RepositoryModel{verb}" for verb in ("Load", "Unload"))
    named = service_pb2.RepositoryModelLoadRequest(model_name="mlp")
    other = service_pb2.RepositoryModelLoadRequest(repository_name="mlp").SerializeToString()  # as KServe's clients
    with running(tmp_path, GRPC_PORT=free_port()) as server, channel(server.grpc) as line:
        server.wait_ready()
        for method in (load, unload):
            code, text = refusal(line, named.SerializeToString(), method)
            assert code == grpc.StatusCode.PERMISSION_DENIED
            assert "model_control" in text
    with running(tmp_path, GRPC_PORT=free_port(), MODEL_CONTROL="true") as server, channel(server.grpc) as line:
        server.wait_ready()
        assert refusal(line, named.SerializeToString(), load)[0] == grpc.StatusCode.NOT_FOUND
        shutil.copytree(models / "mlp", tmp_path / "mlp")
        call(line, load, named.SerializeToString())
        assert call(line, INFER, mlp(1.0).SerializeToString())
        call(line, unload, other)
        assert refusal(line, mlp(1.0).SerializeToString()) == (grpc.StatusCode.NOT_FOUND, "unknown model 'mlp'")
        named.parameters["file:1/model.onnx"].bytes_param = b"x"
        told = refusal(line, named.SerializeToString(), load)
        assert told == (grpc.StatusCode.INVALID_ARGUMENT, "files cannot be sent in a load request")
        assert refusal(line, b"", load) == (grpc.StatusCode.INVALID_ARGUMENT, "model_name is missing")


def test_the_drain_refuses_no_call_and_finishes_what_runs(models: Path) -> None:
    variables = {"FAULT_LATENCY_SECONDS": "1", "DRAIN_SECONDS": "3", "MODEL_NAME": "mlp", "GRPC_PORT": free_port()}
    variables["BATCH_LIMIT"] = "1"
    body = mlp(1.0).SerializeToString()
    with running(models, "--enable-faults", **variables) as server, ThreadPoolExecutor() as pool:
        server.wait_ready()
        with channel(server.grpc) as line:
            assert call(line, CHECK) == SERVING
            server.process.send_signal(signal.SIGTERM)
            until(lambda: call(line, CHECK) == NOT_SERVING)
            assert call(line, CHECK, LIVENESS) == SERVING
            with channel(server.grpc) as fresh:
                assert call(fresh, INFER, body)
                # One second each, one after the other: the drain ends while the last one runs.
                calls = [pool.submit(call, each, INFER, body) for each in (line, fresh, line)]
                assert all(each.result() for each in calls)
        assert server.wait_exit() == 0
        assert server.process.stderr
        assert server.process.stderr.read() == ""
    assert 3 <= server.log("stopped")["drain_seconds"] < 8


def test_an_idle_server_leaves_once_the_proxies_can_know(models: Path) -> None:
    with running(models, MODEL_NAME="mlp", GRPC_PORT=free_port()) as server, channel(server.grpc) as line:
        server.wait_ready()
        assert call(line, CHECK) == SERVING
        server.process.send_signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert 2 <= server.log("stopped")["drain_seconds"] < 3.2


def test_what_stops_grpc_from_starting_is_told_in_one_line(models: Path, tmp_path: Path, server: Server) -> None:
    taken = server.grpc.rpartition(":")[2]
    with running(models, GRPC_PORT=taken) as other:
        assert other.wait_exit() == 2
        assert str(other.log("cannot listen")["port"]) == taken
        assert other.process.stderr
        assert other.process.stderr.read() == ""
    # Somebody is quicker: takes the port when it has been looked at, before gRPC opens it.
    quicker = "from model_server import serve\nopen_ = serve.listen\nclass Kept:\n    def close(self): pass\n"
    quicker += "def listen(host, port):\n    listen.last = open_(host, port)\n"
    quicker += "    return Kept() if port == GRPC else listen.last\nserve.listen = listen\n"
    port = free_port()
    (tmp_path / "sitecustomize.py").write_text(quicker.replace("GRPC", port))
    with running(models, GRPC_PORT=port, PYTHONPATH=f"{tmp_path}:{ROOT}") as other:
        assert other.wait_exit() == 2
        assert str(other.log("cannot listen")["port"]) == port
        assert other.process.stderr
        assert other.process.stderr.read() == ""
    (tmp_path / "sitecustomize.py").unlink()
    (tmp_path / "grpc.py").write_text("raise ImportError('nothing here')")
    with running(models, GRPC_PORT=free_port(), PYTHONPATH=f"{tmp_path}:{ROOT}") as other:
        assert other.wait_exit() == 2
        line = other.log("gRPC is not installed")
        assert (line["setting"], line["reason"]) == ("grpc_port", "nothing here")
