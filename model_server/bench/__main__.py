"""`python -m model_server.bench`: measure, print JSON on stdout.

The server's core runs one contender at a time while the others sleep; rounds alternate, so that a slow minute of the
machine hits all of them. The main figure is CPU time per request, which other processes disturb least.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from model_server import models
from model_server.bench import contenders, limits, load, report
from model_server.bench.peers import environment

CONTENDERS = ("floor", "bare", "observed")
PEERS_WORKLOAD = "mlp-json"
WORKLOADS = ("mlp-json", "conv-json", "conv-binary")
#: Nice value of servers and load generators alike, where we may: above whatever else runs.
PRIORITY = -10


def _request(name: str, shape: list[int], *, binary: bool) -> bytes:
    """Return a whole HTTP request for one row of the model."""
    values = np.random.Generator(np.random.PCG64(7)).random(shape).astype(np.float32)
    item: dict[str, Any] = {"name": "input", "shape": shape, "datatype": "FP32"}
    document: dict[str, Any] = {"inputs": [item]}
    tail = b""
    if binary:
        tail = values.tobytes()
        item["parameters"] = {"binary_data_size": len(tail)}
        document["parameters"] = {"binary_data_output": True}
    else:
        item["data"] = [round(float(value), 4) for value in values.ravel()]
    content = json.dumps(document).encode()
    content += b" " * (-len(content) % 8) if binary else b""
    head = f"POST /v2/models/{name}/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(content) + len(tail)}\r\n"
    if binary:
        head += f"inference-header-content-length: {len(content)}\r\n"
    else:
        head += "content-type: application/json\r\n"  # KServe takes the body for binary without it
    return head.encode() + b"\r\n" + content + tail


def _workload(name: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    model, _, form = name.partition("-")
    file = folder / model / "1" / "model.onnx"
    shape = [1, *models.CONV_INPUT] if model == "conv" else [1, models.LAYERS[0]]
    request = _request(model, shape, binary=form == "binary")
    # Peers get the one workload that both of them can do; their figures for it are in the same rounds as ours.
    names = [*CONTENDERS, *(environment.VERSIONS if arguments.peers and name == PEERS_WORKLOAD else ())]
    rounds: dict[str, list[dict[str, float]]] = {each: [] for each in ("raw", *names)}
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(
                contenders.start(each, file=file, request=request, core=arguments.server_core, models=folder)
            )
            for each in names
        ]
        for contender in started:
            load.drive(contender.port, request, connections=arguments.connections, seconds=0.3)
        for _ in range(arguments.rounds):
            rounds["raw"].append(contenders.raw(file, core=arguments.server_core, seconds=arguments.seconds / 2))
            for contender in started:
                rounds[contender.name].append(_round(contender, request, arguments))
        memory = {each.name: {"memory_mb": each.memory(), "cold_start_s": each.cold_start} for each in started}
    return {
        each: {key: _middle(key, [one[key] for one in seen]) for key in seen[0]} | memory.get(each, {})
        for each, seen in rounds.items()
    }


def _limits(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the server at its limits, with the model whose run is long enough to queue behind."""
    file = folder / "conv" / "1" / "model.onnx"
    request = _request("conv", [1, *models.CONV_INPUT], binary=True)
    how = {"seconds": arguments.seconds * 2, "connections": arguments.connections}
    found: dict[str, Any] = {}
    with contenders.start("bare", file=file, request=request, core=arguments.server_core, models=folder) as server:
        found["overload"] = limits.overload(server, request, **how)
    if reason := limits.why_no_quota():
        return found | {"quota": {"skipped": reason}}
    with (
        limits.one_cpu() as group,
        contenders.start("bare", file=file, request=request, core=None, models=folder, group=group) as server,
    ):
        found["quota"] = limits.quota(server, request, **how)
    return found


def _middle(key: str, values: list[float]) -> float:
    """Return the least CPU time, since other processes can only add to it, and the median of everything else."""
    return min(values) if key == "cpu_us" else statistics.median(values)


def _round(contender: contenders.Contender, request: bytes, arguments: argparse.Namespace) -> dict[str, float]:
    before = contender.cpu()
    seen = load.drive(contender.port, request, connections=arguments.connections, seconds=arguments.seconds)
    cpu = contender.cpu() - before
    return {
        "rps": seen.requests / seen.seconds,
        "cpu_us": cpu / seen.requests * 1e6,
        "p50_ms": seen.p50 * 1e3,
        "p99_ms": seen.p99 * 1e3,
        "failed": seen.failed,
    }


def _machine(arguments: argparse.Namespace) -> dict[str, Any]:
    import onnxruntime  # noqa: PLC0415 - only its version

    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return {
        "cpu": cpu,
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "load": os.getloadavg()[0],
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "connections": arguments.connections,
    }


def main(argv: list[str]) -> int:
    """Measure and print; with `--readme`, also renew the table of the package's README."""
    parser = argparse.ArgumentParser(prog="python -m model_server.bench", description=str(report.__doc__))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    parser.add_argument("--workload", choices=WORKLOADS, action="append", help="default: all")
    parser.add_argument(
        "--limits", action="store_true", help="also a quota of one CPU, and twice the load it can carry"
    )
    parser.add_argument(
        "--peers", action="store_true", help="also MLServer and KServe; installs each once, in the user's cache"
    )
    parser.add_argument("--readme", action="store_true", help="renew the table in the README")
    arguments = parser.parse_args(argv)
    if arguments.peers:
        for each in environment.VERSIONS:
            environment.ensure(each)
    os.sched_setaffinity(0, {arguments.client_core})
    with contextlib.suppress(PermissionError):  # what else the machine does shall wait; servers and clients inherit it
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    results: dict[str, Any] = {"machine": _machine(arguments), "workloads": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models.write(folder)
        models.write_conv(folder)
        for workload in arguments.workload or WORKLOADS:
            results["workloads"][workload] = _workload(workload, folder, arguments)
        if arguments.limits:
            results["limits"] = _limits(folder, arguments)
    sys.stdout.write(json.dumps(results, indent=2) + "\n")
    if arguments.readme:
        report.into(Path(__file__).parents[1] / "README.md", report.table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
