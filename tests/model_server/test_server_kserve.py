"""KServe's clients, over HTTP and gRPC.

KServe cannot be installed beside us (it wants psutil below 6, the app 7), so they run in the environment that the
benchmark makes for KServe's server; the first run makes it, which takes a minute or two and a package index.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model_server.bench.peers import environment

if TYPE_CHECKING:
    from server_process import Server

SCRIPT = Path(__file__).with_name("kserve_client.py")


def test_kserves_clients(server: Server) -> None:
    command = [environment.ensure("kserve"), SCRIPT, server.url, server.grpc]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert "unknown model 'nobody'" in found["http"].pop("error")
    for answers in (found["http"].pop("answers"), found["grpc"].pop("answers")):
        assert answers
        for answer in answers:
            assert (answer["id"], answer["model"]) == ("7", "mlp")
            assert answer["sums"] == pytest.approx([1.0, 1.0], rel=1e-5)
    ready = {"live": True, "ready": True, "model": True}
    assert found == {"http": ready, "grpc": ready}
