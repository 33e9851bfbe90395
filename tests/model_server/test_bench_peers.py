"""The benchmark's peers: what it says where pip cannot install one, and their rows in the table."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from server_process import ROOT

from model_server.bench import report

if TYPE_CHECKING:
    from pathlib import Path


def test_a_peer_that_pip_cannot_install_ends_with_a_hint(tmp_path: Path) -> None:
    # Nobody listens on the discard port.
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "model_server.bench.peers.environment", "mlserver"],
        env=os.environ | nowhere | {"XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    error, hint = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert error.startswith("error: pip could not install mlserver==")
    assert hint.startswith("hint:  ")
    [log] = tmp_path.rglob("pip.log")
    assert str(log) in hint


def test_peers_have_rows_only_where_they_were_measured() -> None:
    seen = {"cpu_us": 50.0, "rps": 100.0, "memory_mb": 90.0, "cold_start_s": 0.5}
    about = {"rounds": 1, "seconds": 1, "connections": 1, "cpu": "x", "python": "3", "onnxruntime": "1", "load": 0.0}
    rows: dict[str, Any] = {"raw": {"rps": 200.0}, "floor": seen, "bare": seen, "observed": seen}
    assert "MLServer" not in report.table({"machine": about, "workloads": {"mlp-json": rows}})
    peers = {"mlserver": seen | {"cpu_us": 400.0}, "kserve": seen}
    table = report.table({"machine": about, "workloads": {"mlp-json": rows | peers}})
    assert "| MLServer 1.7.1 | 400 | 8.00 | 100 | – | – | 90 | 0.50 |" in table
    assert "| KServe 0.21.0 | 50 | 1.00 |" in table
