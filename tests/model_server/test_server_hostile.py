"""A model repository that means harm: each trick fails its own model with a reason, and nothing else."""

from __future__ import annotations

import io
import shutil
import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from onnx import TensorProto, helper
from server_process import mlp_request, running

from model_server import artifacts, guard, onnx_writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import ModelProto

LIMIT = 64 << 20


def model(nodes: list[Any], constants: list[Any], shape: list[Any] | None = None) -> ModelProto:
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [info("x", TensorProto.FLOAT, shape or [1])],
        [info("y", TensorProto.FLOAT, None)],
        initializer=constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def external(location: str) -> ModelProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return model([helper.make_node("Add", ["x", "w"], ["y"])], [tensor])


def huge_constant() -> ModelProto:
    shape = helper.make_tensor("s", TensorProto.INT64, [2], [1 << 20, 1 << 20])
    grown = helper.make_node("ConstantOfShape", ["s"], ["c"])
    return model([grown, helper.make_node("Add", ["x", "c"], ["y"])], [shape])


def huge_claim() -> ModelProto:
    return model([helper.make_node("Add", ["x", "w"], ["y"])], [TensorProto(name="w", data_type=1, dims=[1 << 40])])


def negative() -> ModelProto:
    return model([helper.make_node("Add", ["x", "w"], ["y"])], [TensorProto(name="w", data_type=1, dims=[-4])])


def nested() -> bytes:
    """Graphs in graphs, deeper than the protobuf library would write."""
    graph = b""
    for _ in range(60):
        attribute = onnx_writer._blob(6, graph)
        graph = onnx_writer._blob(1, onnx_writer._blob(5, attribute))
    return onnx_writer._blob(7, graph)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: external("/etc/passwd"), "outside the model's folder"),
        (lambda: external("../../secret"), "outside the model's folder"),
        (lambda: external("link"), "link out of the model's folder"),
        (lambda: external("missing"), "missing"),
        (lambda: external(""), "outside the model's folder"),
        (huge_constant, "claims"),
        (huge_claim, "claims"),
        (negative, "negative"),
        (nested, "nested"),
    ],
)
def test_files_are_looked_through(tmp_path: Path, make: Callable[[], ModelProto | bytes], reason: str) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    file = tmp_path / "model.onnx"
    content = make()
    file.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    with pytest.raises(guard.Refused, match=reason):
        guard.inspect(file, LIMIT)


@pytest.mark.parametrize("content", [b"", b"\x7fELF" * 100, b"PK\x03\x04" + b"\x00" * 100, b"\x3a\xff\xff\xff\xff\x7f"])
def test_what_is_no_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(content)
    with pytest.raises(guard.Refused):
        guard.inspect(file, LIMIT)
    file.write_bytes(b"\x08" + b"\x01" * 2000)
    with pytest.raises(guard.Refused, match="over the limit"):
        guard.inspect(file, 1000)


def test_each_trick_fails_its_own_model_only(models: Path, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    shutil.copytree(models / "mlp", root / "mlp")
    outside = tmp_path / "outside" / "1"
    outside.mkdir(parents=True)
    shutil.copy(models / "mlp" / "1" / "model.onnx", outside)
    (root / "linked-folder").symlink_to(outside.parent)
    (root / "linked-file" / "1").mkdir(parents=True)
    (root / "linked-file" / "1" / "model.onnx").symlink_to(outside / "model.onnx")
    (root / "mounted" / "..data" / "1").mkdir(parents=True)  # as the kubelet lays out a volume
    shutil.copy(models / "fixed" / "1" / "model.onnx", root / "mounted" / "..data" / "1")
    (root / "mounted" / "1").symlink_to("..data/1")
    bad = {"external": external("../../../outside/1/model.onnx"), "constant": huge_constant()}
    bad["wide"] = model([helper.make_node("Relu", ["x"], ["y"])], [], [1, 1 << 34])
    for name, content in bad.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.onnx").write_bytes(content.SerializeToString())
    (root / "yaml" / "1").mkdir(parents=True)
    shutil.copy(models / "fixed" / "1" / "model.onnx", root / "yaml" / "1")
    (root / "yaml" / "config.yaml").write_text("a: &a [1]\nb: !!python/object/apply:os.system [true]\n")
    with running(root) as server:
        server.log("listening")
        with httpx.Client(base_url=server.url) as http:
            server.wait_for(lambda: "LOADING" not in http.post("/v2/repository/index").text)
            rows = {row["name"]: row for row in http.post("/v2/repository/index").json()}
            assert http.post("/v2/models/mlp/infer", json=mlp_request(1.0)).status_code == 200
            assert http.post("/v2/models/mounted/infer", json=mlp_request(1.0)).status_code == 200
    reasons = {name: row["reason"] for name, row in rows.items() if row["state"] == "UNAVAILABLE"}
    assert sorted(reasons) == ["constant", "external", "linked-file", "linked-folder", "wide", "yaml"]
    assert "leaves the model repository" in reasons["linked-folder"]
    assert "leaves the model repository" in reasons["linked-file"]
    assert "max_body_bytes" in reasons["wide"]


def archive(entries: dict[str, bytes], mode: int = stat.S_IFREG | 0o644) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            opened.writestr(info, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (archive({"model.onnx": b"\x00" * (8 << 20)}), "unpacks to more than"),
        (archive({"../model.onnx": b"x"}), "no plain file inside"),
        (archive({"/model.onnx": b"x"}), "no plain file inside"),
        (archive({"model.onnx": b"/etc/passwd"}, stat.S_IFLNK | 0o777), "no plain file inside"),
        (archive({f"{number}": b"" for number in range(300)}), "over the limit of 256"),
        (archive({"other": b"x"}), "no model.onnx"),
        (b"PK nonsense", "cannot be unpacked"),
    ],
)
def test_archives_are_not_trusted(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "model.zip"
    file.write_bytes(content)
    digest = artifacts._sha256(file)
    from model_server.model_config import Artifact  # noqa: PLC0415 - beside its only use

    with pytest.raises(artifacts.FetchError, match=reason):
        artifacts.fetch(Artifact(f"file://{file}", digest, unpack=True), tmp_path / "cache", 1 << 20)
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.name == "model.onnx" and _kept(path)] == []
    assert Path("/etc/passwd").exists()


def _kept(path: Path) -> bool:
    return not path.parent.name.endswith(".new")
