"""From the command line to the exit code: settings, missing and broken models, faults, the drain."""

from __future__ import annotations

import shutil
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from server_process import Server, mlp_request, running

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("variables", "ending"),
    [
        ({"MODEL_NAME": "bert"}, "bert/*/model.onnx"),
        ({"MODEL_NAME": "mlp", "MODEL_VERSION": "9"}, "mlp/9/model.onnx"),
        ({"MODEL_NAME": "../mlp"}, "model.onnx"),
        ({"MODEL_PATH": "/nowhere/models"}, "/nowhere/models"),
    ],
)
def test_a_missing_model_ends_the_process_with_its_path(models: Path, variables: dict[str, str], ending: str) -> None:
    with running(models, **variables) as server:
        assert server.wait_exit() == 1
        line = server.log("model not found")
        assert line["level"] == "error"
        assert line["path"].endswith(ending)
        assert server.process.stderr
        assert server.process.stderr.read() == ""


def test_an_empty_volume_over_the_models_is_a_missing_model(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    with running(tmp_path) as server:
        assert server.wait_exit() == 1
        assert server.log("model not found")["path"] == str(tmp_path)


@pytest.mark.parametrize(
    ("flags", "variables", "message", "field"),
    [
        ([], {"PORT": "eighty"}, "invalid setting", "port"),
        (["--port", "70000"], {}, "invalid setting", "port"),
        ([], {"CONFIG_FILE": "/nowhere.yaml"}, "config file not found", "/nowhere.yaml"),
        ([], {"FAULT_ERROR_RATE": "0.5"}, "fault switches are set but not enabled", "FAULT_ERROR_RATE"),
        (["--enable-faults"], {"FAULT_ERROR_RATE": "2"}, "fault switch out of range", "FAULT_ERROR_RATE"),
        (["--enable-faults"], {"FAULT_TYPO": "1"}, "unknown fault switch", "FAULT_TYPO"),
        (["--host", "192.0.2.1"], {}, "cannot listen", "192.0.2.1"),
    ],
)
def test_wrong_settings_are_told_in_one_line(
    models: Path, flags: list[str], variables: dict[str, str], message: str, field: str
) -> None:
    with running(models, *flags, **variables) as server:
        assert server.wait_exit() == 2
        assert field in str(server.log(message))


def test_flags_win_over_variables_and_those_over_the_file(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"model_path: {models}\nmodel_name: fixed\nthreads: 3\nhost: 192.0.2.1\n")
    variables = {"MODEL_PATH": "", "CONFIG_FILE": str(file), "THREADS": "2"}
    with running(models, "--threads=1", **variables) as server:
        starting = server.log("starting")
        assert (starting["models"], starting["threads"]) == (["fixed/1"], 1)
        server.wait_ready()
    file.write_text("modle_path: /models\n")
    with running(models, CONFIG_FILE=str(file)) as server:
        assert server.wait_exit() == 2
        assert server.log("unknown setting")["setting"] == "modle_path"


def test_a_broken_model_says_why_and_takes_no_other_down(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "fixed", tmp_path / "fixed")
    whole = (models / "mlp" / "1" / "model.onnx").read_bytes()
    (tmp_path / "mlp" / "1").mkdir(parents=True)
    (tmp_path / "mlp" / "1" / "model.onnx").write_bytes(whole[: len(whole) // 2])
    with running(tmp_path) as server:
        assert server.log("model failed to load")["model"] == "mlp"
        server.log("model loaded")
        with httpx.Client(base_url=server.url) as http:
            ready = http.get("/v2/health/ready")
            assert ready.status_code == 503
            assert "mlp/1: failed to load" in ready.json()["error"]
            assert http.get("/v2/models/mlp/ready").status_code == 503
            assert http.post("/v2/models/mlp/infer", json=mlp_request(1.0)).status_code == 503
            assert http.post("/v2/models/fixed/infer", json=mlp_request(1.0)).status_code == 200
            assert 'inference_model_ready{model="mlp",version="1"} 0.0' in http.get("/metrics").text


def test_faults_of_an_enabled_process(models: Path) -> None:
    faults = {"FAULT_LOAD_DELAY_SECONDS": "4", "FAULT_ERROR_RATE": "1", "FAULT_LEAK_MB_PER_SECOND": "100"}
    with running(models, "--enable-faults", "--model-name", "mlp", **faults) as server:
        url = server.url
        assert httpx.get(f"{url}/v2/health/live").status_code == 200
        loading = httpx.get(f"{url}/v2/health/ready")
        assert (loading.status_code, loading.json()["error"]) == (503, "model mlp/1: loading")
        assert httpx.get(f"{url}/v2/models/mlp", timeout=30).status_code == 503
        server.wait_ready()
        answer = httpx.post(f"{url}/v2/models/mlp/infer", json=mlp_request(1.0))
        assert (answer.status_code, answer.json()) == (500, {"error": "injected fault"})
        assert memory(server) > 150


def memory(server: Server) -> float:
    """Resident memory in MB."""
    text = httpx.get(f"{server.url}/metrics").text
    line = next(line for line in text.splitlines() if line.startswith("process_resident_memory_bytes "))
    return float(line.split()[1]) / 1e6


def test_an_idle_server_leaves_once_the_proxies_can_know(models: Path) -> None:
    with running(models, MODEL_NAME="mlp") as server:
        server.wait_ready()
        assert memory(server) < 130
        with httpx.Client() as http:  # an open keep-alive connection must not hold it
            http.get(f"{server.url}/v2/health/live")
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert server.wait_exit() == 0
            assert time.monotonic() - began < 3.5  # 2.1 s on a quiet machine
        assert 2 <= server.log("stopped")["drain_seconds"] < 3.2


def test_a_server_that_is_told_to_end_while_it_loads_has_nobody_to_wait_for(models: Path) -> None:
    with running(models, MODEL_NAME="mlp", ENABLE_FAULTS="1", FAULT_LOAD_DELAY_SECONDS="20") as server:
        assert httpx.get(f"{server.url}/v2/health/live").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.wait_exit() == 0
    assert server.log("stopped")["drain_seconds"] < 1.5


def test_a_rare_caller_finds_the_server_that_heard_nothing_since_the_signal(models: Path) -> None:
    with running(models, MODEL_NAME="mlp", DRAIN_SECONDS="8", DRAIN_QUIET_SECONDS="2") as server:
        server.wait_ready()
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        for _ in range(3):  # each answer renews its patience
            time.sleep(1.2)
            assert httpx.post(f"{server.url}/v2/models/mlp/infer", json=mlp_request(1.0)).status_code == 200
        assert server.wait_exit() == 0
    assert 5.6 <= server.log("stopped")["drain_seconds"] < 8


def test_no_request_is_refused_or_dropped_while_draining(models: Path) -> None:
    """New connections all the time, as a Service sends them until its endpoints have changed."""
    with running(models, MODEL_NAME="mlp", DRAIN_SECONDS="12", DRAIN_QUIET_SECONDS="2") as server:
        server.wait_ready()
        url = server.url
        answers: list[Any] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                try:
                    answer = httpx.post(f"{url}/v2/models/mlp/infer", json=mlp_request(1.0), timeout=10)
                    answers.append((answer.status_code, answer.headers.get("connection")))
                except httpx.HTTPError as error:
                    answers.append(error)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 1
        while (ready := httpx.get(f"{url}/v2/health/ready")).status_code == 200:
            assert time.monotonic() < deadline
        assert ready.json() == {"ready": False, "error": "draining"}
        assert httpx.get(f"{url}/v2/health/live").status_code == 200
        time.sleep(1.2)
        stop.set()
        for thread in threads:
            thread.join()
        assert server.wait_exit() == 0
    assert {answer if isinstance(answer, Exception) else answer[0] for answer in answers} == {200}
    assert ("close" in {connection for _, connection in answers}) is True
    assert 1.2 < server.log("stopped")["drain_seconds"] < 12


def test_a_request_that_runs_when_the_drain_ends_is_finished(models: Path) -> None:
    variables = {"FAULT_LATENCY_SECONDS": "1.2", "DRAIN_SECONDS": "0.2", "MODEL_NAME": "fixed"}
    with running(models, "--enable-faults", **variables) as server:
        server.wait_ready()
        with socket.create_connection(("127.0.0.1", server.log("listening")["port"])) as connection:
            body = httpx.Request("POST", "http://x", json=mlp_request(1.0)).content
            head = f"POST /v2/models/fixed/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        assert server.wait_exit() == 0


def test_it_tells_nobody_that_it_runs(models: Path, tmp_path: Path) -> None:
    """ONNX Runtime would make an identity for its reports at home, and send them away."""
    with running(models, HOME=str(tmp_path)) as server:
        server.wait_ready()
        assert httpx.post(f"{server.url}/v2/models/mlp/infer", json=mlp_request(0.5)).status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert server.process.stderr
        assert server.process.stderr.read() == ""
    assert list(tmp_path.rglob("*")) == []
