"""Hundreds of requests that schemathesis makes up from two documents: ours, and one of the protocol itself.

It runs as a command, as its users run it; its plugin for pytest would load in every run of every test.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from server_process import Server, running

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
#: A load request's `config` is a text of JSON, which to OpenAPI is any text.
LENIENT = """
[[operations]]
include-name = "POST /v2/repository/models/{name}/load"
checks.positive_data_acceptance.enabled = false
"""
TOOL = Path(sys.executable).with_name("schemathesis")


@pytest.fixture(scope="module")
def changing(models: Path) -> Iterator[Server]:
    """A server whose models come and go."""
    with running(models, MODEL_CONTROL="true") as started:
        started.wait_ready()
        yield started


def judged(*arguments: str, folder: Path) -> str:
    """Run schemathesis; return what it said."""
    command = [TOOL, *arguments, "--seed=1", "--no-color", "--max-examples=10", "--phases=examples,coverage,fuzzing"]
    command += ["--generation-database=none"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=120)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


def test_our_own_document(changing: Server, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(LENIENT)
    said = judged(f"--config-file={config}", "run", f"{changing.url}/openapi.json", folder=tmp_path)
    operations = len(httpx.get(f"{changing.url}/openapi.json").json()["paths"])
    assert f"Tested: {operations}" in said


def test_the_protocols_document(server: Server, tmp_path: Path) -> None:
    document = HERE / "open_inference_protocol.yaml"
    # Whether a tensor fits a model is not in the document: a request that follows it may still be refused with 400.
    said = judged(
        "run", str(document), f"--url={server.url}", "--exclude-checks=positive_data_acceptance", folder=tmp_path
    )
    assert "Tested: 9" in said
