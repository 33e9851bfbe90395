"""The real server in a process of its own, on a port that it chooses itself; used by the tests beside this file."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
START_S = 30.0
PATH = "/v2/models/mlp/infer"


class Server:
    """A running server: its process, its port, the lines it logged."""

    def __init__(self, models: Path, *flags: str, **variables: str) -> None:
        environment = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        environment |= {"MODEL_PATH": str(models), "HOST": "127.0.0.1", "PORT": "0", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "model_server", *flags],
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def log(self, message: str) -> dict[str, Any]:
        """Wait for a log line and return it."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if line["message"] == message:
                    return line
            if self.process.poll() is not None and not self._reader.is_alive():
                break
            time.sleep(0.01)
        pytest.fail(f"no line {message!r}; logged: {self.lines}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.log('listening')['port']}"

    @property
    def grpc(self) -> str:
        """Host and port of gRPC."""
        return f"127.0.0.1:{self.log('listening for gRPC')['port']}"

    def wait_ready(self) -> None:
        url = f"{self.url}/v2/health/ready"
        with httpx.Client() as http:
            self.wait_for(lambda: http.get(url).status_code == 200)
            http.get(f"{self.url}/v2", timeout=START_S)  # what is not needed for predictions comes in a little later

    def wait_for(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if true():
                return
            time.sleep(0.02)
        pytest.fail(f"it never came about; logged: {self.lines}")

    def wait_exit(self, seconds: float = START_S) -> int:
        code = self.process.wait(seconds)
        self._reader.join()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


def free_port() -> str:
    """A port for a setting that knows no "any"."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@contextlib.contextmanager
def running(models: Path, *flags: str, **variables: str) -> Iterator[Server]:
    """Start a server and kill it at the end."""
    server = Server(models, *flags, **variables)
    try:
        yield server
    finally:
        server.close()


def mlp_request(*rows: float) -> dict[str, Any]:
    """A request with one row of twenty equal numbers per argument."""
    data = [value for value in rows for _ in range(20)]
    return {"inputs": [{"name": "input", "shape": [len(rows), 20], "datatype": "FP32", "data": data}]}


def whole(body: bytes, *more: str, path: str = PATH, version: str = "1.1", method: str = "POST") -> bytes:
    """A whole HTTP request, with more header lines."""
    lines = [f"{method} {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode() + body


class Line:
    """One connection, read answer by answer."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=10)
        self.file = self.socket.makefile("rb")

    def answer(self) -> tuple[int, dict[str, str], Any]:
        status = int(self.file.readline().split()[1])
        headers = {}
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = self.file.read(int(headers["content-length"]))
        return status, headers, json.loads(body)

    def closed(self) -> bool:
        return self.file.read(1) == b""

    def close(self) -> None:
        self.file.close()
        self.socket.close()
