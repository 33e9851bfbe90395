"""The repository extension from outside: config files, index, load and unload while requests run."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest
from server_process import mlp_request, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server_process import Server

#: A busy machine may stop after forty changes; 200 take about eight seconds on a quiet one.
ENOUGH_S = 12.0
INFER = "/v2/models/mlp/infer"


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """A repository of its own, with one version of `mlp` and with `fixed`."""
    shutil.copytree(models / "mlp" / "1", tmp_path / "mlp" / "1")
    shutil.copytree(models / "fixed", tmp_path / "fixed")
    return tmp_path


@pytest.fixture
def controlled(folder: Path) -> Iterator[Server]:
    with running(folder, MODEL_CONTROL="1") as server:
        server.wait_ready()
        yield server


def act(http: httpx.Client, what: str, **body: Any) -> httpx.Response:
    return http.post(f"/v2/repository/models/{what}", json=body, timeout=30)


def index(http: httpx.Client, **body: Any) -> dict[str, tuple[str, str]]:
    rows = http.post("/v2/repository/index", json=body).json()
    return {f"{row['name']}/{row['version']}": (row["state"], row["reason"]) for row in rows}


def test_load_and_unload(controlled: Server, folder: Path, models: Path) -> None:
    with httpx.Client(base_url=controlled.url) as http:
        assert index(http) == {"mlp/1": ("READY", ""), "fixed/1": ("READY", "")}
        assert act(http, "mlp/unload").status_code == 200
        assert http.post(INFER, json=mlp_request(1.0)).status_code == 404
        assert http.get("/v2/models/mlp/ready").status_code == 404
        assert http.get("/v2/health/ready").status_code == 200
        assert index(http)["mlp/"] == ("UNAVAILABLE", "not loaded")
        assert list(index(http, ready=True)) == ["fixed/1"]
        shutil.copytree(models / "mlp" / "2", folder / "mlp" / "2")
        assert act(http, "mlp/load", parameters={"config": json.dumps({"instances": 2})}).status_code == 200
        assert http.post(INFER, json=mlp_request(1.0)).json()["model_version"] == "2"
        config = http.get("/v2/models/mlp/config").json()
        assert config["instance_group"] == [{"kind": "KIND_CPU", "count": 2}]
        shutil.rmtree(folder / "mlp" / "2")
        assert act(http, "mlp/load").status_code == 200
        assert http.post(INFER, json=mlp_request(1.0)).json()["model_version"] == "1"
        for path, status in {"none/load": 404, "none/unload": 404, "..%2fx/load": 404, "mlp/other": 404}.items():
            answer = act(http, path)
            assert (answer.status_code, list(answer.json())) == (status, ["error"])
        wrong: list[Any] = [{"parameters": {"config": "{"}}, {"parameters": {"config": {"artifacts": {}}}}]
        wrong += [{"parameters": {"file:1/model.onnx": "AA"}}, {"parameters": {"config": {"threads": 0}}}]
        for body in wrong:
            assert act(http, "mlp/load", **body).status_code == 400, body
        assert http.post(INFER, json=mlp_request(1.0)).status_code == 200


def test_a_load_that_fails_changes_nothing(controlled: Server, folder: Path) -> None:
    whole = (folder / "mlp" / "1" / "model.onnx").read_bytes()
    with httpx.Client(base_url=controlled.url) as http:
        (folder / "mlp" / "2").mkdir()
        (folder / "mlp" / "2" / "model.onnx").write_bytes(b"not a model")
        answer = act(http, "mlp/load")
        assert answer.status_code == 400
        assert "mlp/2: failed to load: this is no ONNX file" in answer.json()["error"]
        assert http.post(INFER, json=mlp_request(1.0)).json()["model_version"] == "1"
        assert http.get("/v2/models/mlp/versions/2/ready").status_code == 503
        assert http.get("/v2/health/ready").status_code == 200
        replacement = folder / "new"
        replacement.write_bytes(whole[:-100])
        replacement.rename(folder / "mlp" / "1" / "model.onnx")
        assert act(http, "mlp/load").status_code == 400
        assert http.post(INFER, json=mlp_request(1.0)).status_code == 200
        state, reason = index(http)["mlp/1"]
        assert (state, "cut off" in reason) == ("READY", True)


def test_control_is_off_unless_it_is_asked_for(client: httpx.Client) -> None:
    assert act(client, "mlp/unload").status_code == 403
    assert act(client, "mlp/load").status_code == 403
    assert client.post(INFER, json=mlp_request(1.0)).status_code == 200
    assert index(client)["mlp/2"] == ("READY", "")


def test_the_models_own_config_file(folder: Path) -> None:
    (folder / "mlp" / "config.yaml").write_text(
        "batch_limit: 8\nqueue_size: 3\ninstances: 2\nthreads: 1\nproviders: [cuda: {device_id: 0}, cpu]\n"
    )
    (folder / "fixed" / "config.yaml").write_text("providers: [cuda: {device_idd: 0}]\n")
    with running(folder) as server:
        server.log("model loaded")
        assert server.log("execution provider not in use")["model"] == "mlp"
        with httpx.Client(base_url=server.url) as http:
            config = http.get("/v2/models/mlp/config").json()
            assert config["max_batch_size"] == 8
            assert config["parameters"]["queue_size"] == {"string_value": "3"}
            provider = http.get("/v2/models/mlp").json()["execution_provider"]
            assert provider["requested"] == ["CUDAExecutionProvider", "CPUExecutionProvider"]
            assert provider["active"] == ["CPUExecutionProvider"]
            reason = http.get("/v2/models/fixed/ready").json()["error"]
            assert "config.yaml: providers: unknown option 'device_idd' of cuda; known: device_id" in reason
            series = 'active="CPUExecutionProvider",model="mlp",requested="CUDAExecutionProvider",version="1"} 0.0'
            assert f"inference_execution_provider{{{series}" in http.get("/metrics").text


async def test_two_hundred_changes_under_load_fail_no_request_and_keep_no_memory(
    controlled: Server, folder: Path, models: Path
) -> None:
    process = psutil.Process(controlled.process.pid)
    statuses: list[int] = []
    versions: set[str] = set()
    stop = asyncio.Event()

    async def ask(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
        while not stop.is_set():
            answer = await http.post(path, json=body)
            statuses.append(answer.status_code)
            versions.add(answer.json().get("model_version", "none"))
            await asyncio.sleep(0.002)

    async with httpx.AsyncClient(base_url=controlled.url, timeout=60) as http:
        paths = ((INFER, mlp_request(1.0, 1.0)), ("/v2/models/fixed/infer", mlp_request(1.0)))
        asking = [asyncio.ensure_future(ask(http, *each)) for each in paths]
        early = 0
        until = time.monotonic() + ENOUGH_S
        turn = 0
        while turn < 100 and (turn < 20 or time.monotonic() < until):  # two changes each: version 2 comes and goes
            turn += 1
            if turn == 10:
                early = process.memory_info().rss
            shutil.copytree(models / "mlp" / "2", folder / "mlp" / "2")
            os.utime(folder / "mlp" / "1" / "model.onnx", ns=(turn, turn))  # so that version 1 is loaded again as well
            assert (await http.post("/v2/repository/models/mlp/load")).status_code == 200
            shutil.rmtree(folder / "mlp" / "2")
            assert (await http.post("/v2/repository/models/mlp/load")).status_code == 200
        late = process.memory_info().rss
        stop.set()
        await asyncio.gather(*asking)
        threads = process.num_threads()
        metrics = (await http.get("/metrics")).text
    assert set(statuses) == {200}
    assert {"1", "2"} <= versions
    assert late - early < 12 << 20
    assert threads < 30
    counted = metrics.split('inference_requests_total{model="fixed",outcome="success",version="1"} ')[1].split()[0]
    assert 0 < float(counted) <= len(statuses)
