"""Starts what is measured, each on the server's core, and reads what the kernel says it used.

`__main__` starts one after the other and keeps them running for the alternating rounds.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model_server.bench.peers import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_S = 60.0
#: Variables of a server that observes all it can; the share of traced requests is what production uses.
OBSERVED = {"ACCESS_LOG": "1", "TRACE_SAMPLE": "0.01"}


@dataclass(frozen=True, slots=True)
class Contender:
    """A running server.

    Attributes:
        name: In the report.
        port: Where it listens.
        pid: Its process.
        cold_start: Seconds from its start to its first answer.
    """

    name: str
    port: int
    pid: int
    cold_start: float

    def cpu(self) -> float:
        """Return the CPU seconds of all its threads so far, of those that have ended too."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Return its resident memory in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def start(
    name: str, *, file: Path, request: bytes, core: int | None, models: Path, group: str = ""
) -> Iterator[Contender]:
    """Start a server, wait for its first answer, and end it afterwards.

    Args:
        name: floor, bare, observed, or that of a peer.
        file: The model, for the floor.
        request: A whole HTTP request that a working server answers with 200.
        core: To pin it to; None for any.
        models: The model repository, for the server.
        group: File of a cgroup that the server writes itself into before it starts.
    """
    port = _free_port()
    variables: dict[str, str] = {}
    if name == "floor":
        command = [sys.executable, "-m", "model_server.bench.floor", str(port), str(file)]
    elif name in environment.VERSIONS:
        command = _peer(name, port, file)
        variables = {"PYTHONPATH": "", "PYTHONWARNINGS": "ignore"}
    else:
        command = [sys.executable, "-m", "model_server"]
        variables = {"MODEL_PATH": str(models), "MODEL_NAME": file.parts[-3], "HOST": "127.0.0.1", "PORT": str(port)}
        variables |= OBSERVED if name == "observed" else {}
    began = time.monotonic()
    cores = f"0-{(os.cpu_count() or 1) - 1}" if core is None else str(core)
    entering = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', group] if group else []
    process = subprocess.Popen(
        [*entering, "taskset", "-c", cores, *command],
        env=os.environ | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if name in environment.VERSIONS else None,  # they log as they please
    )
    try:
        while not _answers(port, request):
            if process.poll() is not None or time.monotonic() - began > _START_S:
                sys.exit(f"{name} does not start: {' '.join(command)}")
            time.sleep(0.005)
        yield Contender(name, port, process.pid, time.monotonic() - began)
    finally:
        process.kill()
        process.wait()


def _peer(name: str, port: int, file: Path) -> list[str]:
    """Return the command that starts a peer, as its own documentation starts it."""
    python = environment.ensure(name)
    here = Path(environment.__file__).parent
    model = file.parts[-3]
    if name == "kserve":
        return [str(python), str(here / "kserve_server.py"), str(port), model, str(file)]
    folder = file.parents[2] / "mlserver"
    folder.mkdir(exist_ok=True)
    shutil.copy(here / "mlserver_model.py", folder)
    settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": _free_port(), "metrics_port": _free_port()}
    settings |= {"parallel_workers": 0, "debug": False}  # with workers, each request crosses a process
    described = {"name": model, "implementation": "mlserver_model.OnnxModel", "parameters": {"uri": str(file)}}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(described))
    return [str(python.with_name("mlserver")), "start", str(folder)]


def _answers(port: int, request: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request)
            return connection.recv(15).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def raw(file: Path, *, core: int, seconds: float) -> dict[str, float]:
    """Return how often per second the model runs without a server, and the CPU time of one run.

    Args:
        file: The model.
        core: To pin it to.
        seconds: How long to run it.
    """
    command = ["taskset", "-c", str(core), sys.executable, "-m", "model_server.bench.raw", str(file), str(seconds)]
    runs, passed, cpu = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return {"rps": int(runs) / float(passed), "cpu_us": float(cpu) / int(runs) * 1e6}
