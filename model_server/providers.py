"""Execution providers: which hardware a model runs on, with which options, and whether that is really so.

`config` and `model_config` parse with it, `runtime` opens sessions with it, `__main__` asks `unavailable` when a
provider is required. ONNX Runtime's own lists tell what was compiled in, not what works: a session that cannot use the
GPU falls back to the CPU without a word, so the only truth is `session.get_providers()`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from model_server.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CPU = "CPUExecutionProvider"
FULL_NAMES = {"cpu": CPU, "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
POLICIES = ("prefer", "require")

_DISTRIBUTIONS = ("onnxruntime", "onnxruntime_gpu")


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider that is asked for.

    Attributes:
        name: cpu, cuda or tensorrt.
        options: As ONNX Runtime takes them: all text.
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """Its name in ONNX Runtime."""
        return FULL_NAMES[self.name]


def _whole(value: Any) -> str:
    if type(value) is not int or value < 0:
        raise ValueError("want a whole number")
    return str(value)


def _switch(value: Any) -> str:
    if type(value) is not bool:
        raise ValueError("want true or false")
    return str(int(value))


def _path(value: Any) -> str:
    if not isinstance(value, str) or not os.path.isabs(value):  # noqa: PTH117 - a text for ONNX Runtime
        raise ValueError("want an absolute path")
    return value


def _one_of(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"want {' or '.join(choices)}")
        return str(value)

    return check


_OPTIONS: dict[str, dict[str, Callable[[Any], str]]] = {
    "cpu": {},
    "cuda": {
        "device_id": _whole,
        "gpu_mem_limit": _whole,
        "arena_extend_strategy": _one_of("kSameAsRequested", "kNextPowerOfTwo"),
        "cudnn_conv_algo_search": _one_of("HEURISTIC", "EXHAUSTIVE", "DEFAULT"),
        "use_tf32": _switch,
        "enable_cuda_graph": _switch,
    },
    "tensorrt": {
        "device_id": _whole,
        "trt_max_workspace_size": _whole,
        "trt_fp16_enable": _switch,
        "trt_engine_cache_enable": _switch,
        "trt_engine_cache_path": _path,
    },
}
#: Where ONNX Runtime's own choice costs memory or start-up time.
_DEFAULTS = {"cuda": {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC"}}


def parse(names: list[str], options: Mapping[str, Any]) -> tuple[Provider, ...]:
    """Check names and options.

    Args:
        names: Of providers, the most wanted first.
        options: By provider, then by option.

    Raises:
        ValueError: A name or option is unknown, or a value is out of range; says which.
    """
    for name in (*names, *options):
        if name not in FULL_NAMES:
            raise ValueError(f"unknown provider {str(name)[:50]!r}; known: {', '.join(FULL_NAMES)}")
    unused = sorted(set(options) - set(names))
    if unused:
        raise ValueError(f"options for {', '.join(unused)}, which is not among the providers")
    if not names or len(set(names)) != len(names):
        raise ValueError("want each provider once, at least one")
    return tuple(Provider(name, _DEFAULTS.get(name, {}) | _options(name, options.get(name))) for name in names)


def _options(name: str, given: Any) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ValueError(f"options of {name} must be a mapping")  # noqa: TRY004 - reported as any wrong value
    known = _OPTIONS[name]
    checked: dict[str, str] = {}
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"unknown option {str(key)[:50]!r} of {name}; known: {', '.join(known) or 'none'}")
        try:
            checked[key] = known[key](value)
        except ValueError as error:
            raise ValueError(f"option {key} of {name}: {error}") from None
    return checked


def for_session(wanted: tuple[Provider, ...]) -> list[tuple[str, dict[str, str]]]:
    """Return what `InferenceSession` takes; the CPU comes last in any case, for the nodes nobody else can run."""
    asked = [(provider.full_name, dict(provider.options)) for provider in wanted]
    return asked if any(name == CPU for name, _ in asked) else [*asked, (CPU, {})]


def known_here(wanted: tuple[Provider, ...]) -> list[tuple[str, dict[str, str]]]:
    """As `for_session`, without those that this build of ONNX Runtime lacks, of which it would warn in plain text."""
    import onnxruntime  # noqa: PLC0415 - a third of the cold start

    built_in = set(onnxruntime.get_available_providers())
    if any(provider.name != "cpu" for provider in wanted):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints, which would break JSON logs
            onnxruntime.preload_dlls()
    return [item for item in for_session(wanted) if item[0] in built_in]


def refusal(wanted: tuple[Provider, ...], active: list[str]) -> str | None:
    """Say why a session does not do what is required; None when it does.

    Args:
        wanted: The most wanted first.
        active: What `session.get_providers()` returns.
    """
    first = wanted[0].full_name
    if first in active:
        return None
    return f"{first} is required, but the session runs on {', '.join(active)}{_why(first)}"


def _why(full_name: str) -> str:
    import onnxruntime  # noqa: PLC0415 - as above

    if full_name not in onnxruntime.get_available_providers():
        return ": this build of ONNX Runtime does not have it (install the extra gpu)"
    return ": no usable device, driver or library; see what nvidia-smi says in this container"


def unavailable(wanted: tuple[Provider, ...]) -> str | None:
    """Open a session on a model of one node and say why the most wanted provider is not in use; None when it is."""
    import onnxruntime  # noqa: PLC0415 - as above

    from model_server import onnx_writer  # noqa: PLC0415 - only needed here

    tensor = [onnx_writer.value(name, onnx_writer.FLOAT, [1]) for name in ("x", "y")]
    model = onnx_writer.model(
        "probe",
        nodes=[onnx_writer.node("Relu", ["x"], ["y"])],
        constants=[],
        inputs=tensor[:1],
        outputs=tensor[1:],
        opsets={"": 17},
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model, options, providers=known_here(wanted))
    except Exception as error:  # noqa: BLE001 - its errors share no base
        return f"{wanted[0].full_name}: {' '.join(str(error).split())[:300]}"
    return refusal(wanted, session.get_providers())


def check_installation() -> None:
    """Insist on exactly one build of ONNX Runtime: two in one environment overwrite each other's files.

    Raises:
        StartupError: There is none, or there are both.
    """
    spec = importlib.util.find_spec("onnxruntime")
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise StartupError("onnxruntime is not installed", exit_code=2, hint="install the extra cpu or gpu")
    found = {
        name.split("-")[0]
        for name in os.listdir(os.path.dirname(places[0]))  # noqa: PTH208, PTH120 - runs in every cold start
        if name.endswith(".dist-info") and name.split("-")[0] in _DISTRIBUTIONS
    }
    if len(found) > 1:
        raise StartupError(
            "onnxruntime and onnxruntime-gpu are both installed",
            exit_code=2,
            hint="they overwrite each other: uninstall both, then install one",
        )
