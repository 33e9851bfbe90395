"""The files of the labs' models, which are written without the `onnx` package, judged by it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime

from model_server import models

if TYPE_CHECKING:
    from pathlib import Path


def test_they_are_valid_small_and_the_same_every_time(tmp_path: Path) -> None:
    files = models.write(tmp_path)
    assert [str(file.relative_to(tmp_path)) for file in files] == [
        "mlp/1/model.onnx", "mlp/2/model.onnx", "fixed/1/model.onnx", "text/1/model.onnx",
    ]  # fmt: skip
    for file in files:
        onnx.checker.check_model(onnx.load(file), full_check=True)
        assert file.stat().st_size < 250_000
    first = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert [hashlib.sha256(file.read_bytes()).hexdigest() for file in models.write(tmp_path)] == first
    assert len(set(first)) == 4


def test_the_arithmetic_is_that_of_the_network(tmp_path: Path) -> None:
    file = models.write(tmp_path)[0]
    weights = {item.name: onnx.numpy_helper.to_array(item) for item in onnx.load(file).graph.initializer}
    assert sum(array.size for array in weights.values()) == 49_930
    rows = np.linspace(-1, 1, 60, dtype=np.float32).reshape(3, 20)
    hidden = rows
    for layer in (1, 2, 3):
        hidden = hidden @ weights[f"w{layer}"] + weights[f"b{layer}"]
        hidden = np.maximum(hidden, 0) if layer < 3 else hidden
    expected = np.exp(hidden) / np.exp(hidden).sum(axis=1, keepdims=True)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"input": rows})[0], expected, rtol=1e-5)


def test_usage(capsys: object) -> None:
    del capsys  # keeps the usage line off the screen
    assert models.main([]) == 2
    assert models.main(["--help"]) == 2
