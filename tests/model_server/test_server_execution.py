"""Batching and overload, seen through the server's own counters."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from server_process import mlp_request, running

if TYPE_CHECKING:
    from pathlib import Path

SLOW = {"ENABLE_FAULTS": "1", "MODEL_NAME": "mlp", "MODEL_VERSION": "1"}


def client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=30, limits=httpx.Limits(max_connections=None))


async def test_everything_queued_runs_together_and_each_gets_its_own_rows(models: Path) -> None:
    with running(models, FAULT_LATENCY_SECONDS="0.6", BATCH_LIMIT="8", **SLOW) as server:
        server.wait_ready()
        async with client(server.url) as http:
            alone = {}
            for value in (0.5, 1.0):
                answer = await http.post("/v2/models/mlp/infer", json=mlp_request(value))
                alone[value] = answer.json()["outputs"][0]["data"]
            values = [0.5, 1.0] * 6
            bad = http.post("/v2/models/mlp/infer", json=mlp_request(1.0) | {"id": 1})
            answers = await asyncio.gather(
                *(http.post("/v2/models/mlp/infer", json=mlp_request(value)) for value in values), bad
            )
            for value, answer in zip(values, answers[:-1], strict=True):
                assert answer.json()["outputs"][0]["data"] == pytest.approx(alone[value], rel=1e-5)
            assert answers[-1].status_code == 400
            batches = (await http.get("/v2/models/mlp/stats")).json()["model_stats"][0]["batch_stats"]
    sizes = {item["batch_size"]: item["compute_infer"]["count"] for item in batches}
    assert sum(size * count for size, count in sizes.items()) == 14
    assert max(sizes) == 8
    assert sum(sizes.values()) <= 6


async def test_deadlines_and_lost_clients_free_the_queue(models: Path) -> None:
    with running(models, FAULT_LATENCY_SECONDS="1.5", BATCH_LIMIT="1", DEADLINE_SECONDS="20", **SLOW) as server:
        server.wait_ready()
        async with client(server.url) as http:

            async def until(line: str) -> None:
                deadline = time.monotonic() + 20
                while line not in (await http.get("/metrics")).text:
                    assert time.monotonic() < deadline, line
                    await asyncio.sleep(0.01)

            await until("inference_server_ready 1.0")  # the page itself is there later than the predictions
            first = asyncio.ensure_future(http.post("/v2/models/mlp/infer", json=mlp_request(1.0)))
            await until('inference_requests_in_flight{model="mlp",version="1"} 1.0')
            began = time.monotonic()
            hasty = mlp_request(1.0) | {"parameters": {"timeout": 50_000}}
            late = await http.post("/v2/models/mlp/infer", json=hasty)
            assert (late.status_code, late.json()) == (504, {"error": "the deadline is over"})
            lost = [asyncio.ensure_future(http.post("/v2/models/mlp/infer", json=mlp_request(1.0))) for _ in range(5)]
            await until('inference_requests_in_flight{model="mlp",version="1"} 6.0')
            for each in lost:
                each.cancel()
            last = asyncio.ensure_future(http.post("/v2/models/mlp/infer", json=mlp_request(1.0)))
            assert (await first).status_code == 200
            assert (await last).status_code == 200
            assert time.monotonic() - began < 7  # the five that nobody waits for were not run
            await until('inference_requests_total{model="mlp",outcome="cancelled",version="1"} 5.0')
            metrics = (await http.get("/metrics")).text
            ran = (await http.get("/v2/models/mlp/stats")).json()["model_stats"][0]["execution_count"]
    assert 'inference_requests_total{model="mlp",outcome="rejected",version="1"} 1.0' in metrics
    assert ran == 2


async def test_overload_is_refused_at_once_and_probes_stay_quick(models: Path) -> None:
    with running(models, "--queue-size", "2", FAULT_LATENCY_SECONDS="0.5", BATCH_LIMIT="1", **SLOW) as server:
        server.wait_ready()
        async with client(server.url) as http:

            async def ask() -> tuple[httpx.Response, float]:
                began = time.monotonic()
                answer = await http.post("/v2/models/mlp/infer", json=mlp_request(1.0))
                return answer, time.monotonic() - began

            asked = [asyncio.ensure_future(ask()) for _ in range(10)]
            await asyncio.sleep(0.1)
            began = time.monotonic()
            assert (await http.get("/v2/health/live")).status_code == 200
            assert time.monotonic() - began < 0.3
            results = await asyncio.gather(*asked)
            metrics = (await http.get("/metrics")).text
    refused = [(answer, seconds) for answer, seconds in results if answer.status_code == 503]
    assert sorted(answer.status_code for answer, _ in results) == [200] * 3 + [503] * 7
    for answer, seconds in refused:
        assert int(answer.headers["retry-after"]) >= 1
        assert list(answer.json()) == ["error"]
        assert seconds < 0.5
    assert 'inference_requests_total{model="mlp",outcome="rejected",version="1"} 7.0' in metrics
    assert server.log("request failed")["outcome"] == "rejected"
