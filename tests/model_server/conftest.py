"""The model repository and one running server, shared by the tests of this folder."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest
from server_process import ROOT, Server, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labs' models, and one that hands back a tensor of every datatype."""
    folder = tmp_path_factory.mktemp("models")
    command = [sys.executable, "-m", "model_server.models", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    kinds = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"]
    _write_echo(folder / "echo" / "1", [*kinds, "FLOAT16", "FLOAT", "DOUBLE", "STRING"])
    _write_echo(folder / "typed" / "1", [*kinds, "FLOAT", "DOUBLE", "STRING"])
    _write_echo(folder / "halves" / "1", ["BFLOAT16", "FLOAT"])
    _write_echo(folder / "grid" / "1", ["FLOAT"], columns="columns")
    return folder


def _write_echo(folder: Path, kinds: list[str], *, columns: int | str = 3) -> None:
    from onnx import TensorProto, checker, helper, save  # noqa: PLC0415 - half a second that most tests do not need

    shape: list[str | int | None] = ["rows", columns]
    graph = helper.make_graph(
        [helper.make_node("Identity", [kind], [kind + "_OUT"]) for kind in kinds],
        "echo",
        [helper.make_tensor_value_info(kind, TensorProto.DataType.Value(kind), shape) for kind in kinds],
        [helper.make_tensor_value_info(kind + "_OUT", TensorProto.DataType.Value(kind), shape) for kind in kinds],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    folder.mkdir(parents=True)
    save(model, folder / "model.onnx")


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[Server]:
    """One server for all tests that do not change it."""
    with running(models, ACCESS_LOG="1", MAX_BODY_BYTES="200000", GRPC_PORT=free_port()) as started:
        started.wait_ready()
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """A client with keep-alive."""
    with httpx.Client(base_url=server.url) as opened:
        yield opened
