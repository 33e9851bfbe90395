"""Execution providers on a machine without a GPU: what is required fails with its reason, what is preferred is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from server_process import running

from model_server import providers
from model_server.errors import StartupError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["cuda", "tensorrt"])
def test_require_without_a_gpu_ends_the_start_with_the_reason(models: Path, name: str) -> None:
    with running(models, PROVIDERS=name, PROVIDER_POLICY="require") as server:
        assert server.wait_exit() == 1
        line = server.log("execution provider not available")
        assert providers.FULL_NAMES[name] in line["reason"]
        assert "does not have it" in line["reason"]


@pytest.mark.parametrize(
    "variables",
    [
        {"PROVIDERS": "gpu"}, {"PROVIDERS": "cuda,cuda"}, {"PROVIDER_POLICY": "must"}, {"PROVIDER_OPTIONS": "{"},
        {"PROVIDERS": "cuda", "PROVIDER_OPTIONS": '{"cuda": {"device_id": "0"}}'},
        {"PROVIDER_OPTIONS": '{"cuda": {"device_id": 0}}'},
    ],
)  # fmt: skip
def test_wrong_providers_are_a_wrong_setting(variables: dict[str, str]) -> None:
    from model_server import config  # noqa: PLC0415 - beside its only use

    with pytest.raises(StartupError) as raised:
        config.load([], variables)
    assert raised.value.exit_code == 2


def test_options_reach_onnx_runtime_over_defaults_that_save_memory() -> None:
    [cuda, cpu] = providers.for_session(providers.parse(["cuda"], {"cuda": {"device_id": 1, "use_tf32": False}}))
    assert cpu == ("CPUExecutionProvider", {})
    assert cuda == (
        "CUDAExecutionProvider",
        {
            "arena_extend_strategy": "kSameAsRequested",
            "cudnn_conv_algo_search": "HEURISTIC",
            "device_id": "1",
            "use_tf32": "0",
        },
    )


def test_exactly_one_build_of_onnx_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    providers.check_installation()
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").touch()
    for name in ("onnxruntime-1.32.0.dist-info", "onnxruntime_gpu-1.32.0.dist-info"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with pytest.raises(StartupError, match="both installed"):
        providers.check_installation()
    monkeypatch.setattr(sys, "path", [])
    sys.path_importer_cache.pop(str(tmp_path), None)
    with pytest.raises(StartupError, match="not installed"):
        providers.check_installation()
