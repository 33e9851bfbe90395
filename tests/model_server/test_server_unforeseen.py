"""Errors that nobody foresaw: they reach the client in the protocol's form and the log without the request's words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest
from server_process import ROOT, mlp_request, running

if TYPE_CHECKING:
    from pathlib import Path

#: Python imports a module of this name at its start. `id` 7 is then more than the server can bear.
SABOTAGE = """
from model_server import codec
written = codec.encode
def encode(request, model, outputs):
    if request.id == "7":
        raise KeyError("SECRET-PAYLOAD")
    return written(request, model, outputs)
codec.encode = encode
"""


def test_an_unforeseen_error_is_told_like_any_other(models: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SABOTAGE)
    with running(models, MODEL_NAME="mlp", PYTHONPATH=f"{tmp_path}:{ROOT}") as server:
        server.wait_ready()
        path = f"{server.url}/v2/models/mlp/infer"
        bad, good = ({**mlp_request(1.0), "id": name} for name in ("7", "8"))
        with httpx.Client() as http:
            for _ in range(2):
                short = http.post(path, json=bad)
                usual = http.post(path, content=iter([json.dumps(bad).encode()]))  # chunked
                for answer in (short, usual):
                    assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})
                    assert answer.headers["content-type"] == "application/json"
                assert http.post(path, json=good).json()["id"] == "8"
            page = http.get(f"{server.url}/metrics").text
        assert 'inference_requests_total{model="mlp",outcome="failed",version="2"} 4.0' in page
        assert 'inference_requests_in_flight{model="mlp",version="2"} 0.0' in page
        line = server.log("unforeseen error")
        assert (line["level"], line["error"], line["where"]) == ("error", "KeyError", "sitecustomize.py:6")
        assert not any("SECRET-PAYLOAD" in json.dumps(each) for each in server.lines)


@pytest.mark.parametrize("shape", [[2**62, 0], [2**63, 0]])
def test_sizes_beyond_any_memory_are_the_clients_error(client: httpx.Client, shape: list[int]) -> None:
    request = {"inputs": [{"name": "FLOAT", "shape": shape, "datatype": "FP32", "data": []}]}
    answer = client.post("/v2/models/grid/infer", json=request)
    assert (answer.status_code, answer.json()) == (400, {"error": "shape of input FLOAT is too large"})
