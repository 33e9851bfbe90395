"""The server's settings: built-in values, below a YAML file, below the environment, below the command line.

`__main__` calls `load` once; everybody else is handed the `Settings`. Not for a model's own settings, which
belong to its folder, and not for fault switches (`faults`).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_server import cgroup
from model_server.errors import StartupError
from model_server.providers import POLICIES, Provider
from model_server.providers import parse as parse_providers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DEFAULT_CONFIG_FILE = Path("/etc/modelserver/config.yaml")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set; each name is also the key in the file and, in capitals, the variable.

    Attributes:
        model_path: Folder of `<model>/<version>/model.onnx`.
        model_name: Serve this model only; it must exist. Empty: all there are, at least one.
        model_version: Serve this version only; 0: all, the highest answers when a request names none.
        host: Address to listen on.
        port: TCP port; 0 takes a free one and logs it.
        grpc_port: TCP port of gRPC; 0: no gRPC.
        log_level: debug, info, warning or error.
        access_log: Share of infer requests to log, 0 to 1.
        trace_sample: Share of requests to trace, 0 to 1; requests that belong to a trace follow its own choice.
        otlp_endpoint: Collector of traces; empty: $OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318.
        threads: ONNX Runtime's threads per model; 0: from the CPU quota and the affinity.
        instances: Executions of one model that may run at the same time.
        queue_size: Requests that may wait per model; one more is refused with 503.
        batch_limit: Most rows in one execution; 1 turns batching off.
        inline_below_seconds: When idle, run in the event loop if runs take less than this on average; 0: never.
        pad_batches: Fill joined batches up to a power of two.
        deadline_seconds: Longest wait for an answer; 0: as long as the client.
        warm_up: Run every model once before it counts as ready.
        providers: Execution providers, the most wanted first, with commas between them.
        provider_options: JSON: provider → option → value.
        provider_policy: `require`: do not start without the first provider; `prefer`: serve anyway, and say so.
        model_control: Allow clients to load and unload.
        cache_path: Where fetched models are kept; empty: $XDG_CACHE_HOME/model-server, else /tmp/model-server.
        max_model_bytes: Largest model file, also after unpacking.
        max_body_bytes: Largest request body, also after inflating; over gRPC, largest message.
        drain_seconds: Longest time to go on serving after SIGTERM.
        drain_quiet_seconds: End the drain early when no infer request came for this long after SIGTERM: what the
            proxies of a Service need to hear of it, however few requests a pod sees.
        enable_faults: Allow the labs' fault switches.
    """

    model_path: Path = Path("/models")
    model_name: str = ""
    model_version: int = 0
    host: str = "0.0.0.0"  # noqa: S104 - a pod is reached from outside
    port: int = 8000
    grpc_port: int = 0
    log_level: str = "info"
    access_log: float = 0.0
    trace_sample: float = 0.0
    otlp_endpoint: str = ""
    threads: int = 0
    instances: int = 1
    queue_size: int = 64
    batch_limit: int = 64
    inline_below_seconds: float = 0.0002
    pad_batches: bool = False
    deadline_seconds: float = 0.0
    warm_up: bool = True
    providers: str = "cpu"
    provider_options: str = ""
    provider_policy: str = "prefer"
    model_control: bool = False
    cache_path: str = ""
    max_model_bytes: int = 4 << 30
    max_body_bytes: int = 64 << 20
    drain_seconds: float = 5.0
    drain_quiet_seconds: float = 2.0
    enable_faults: bool = False
    #: CPUs by the cgroup's quota; read, not set.
    cpu_quota: float | None = field(default=None, metadata={"derived": True})

    @property
    def session_threads(self) -> int:
        """ONNX Runtime's `intra_op_num_threads`."""
        return self.threads or cgroup.usable_threads(self.cpu_quota, cgroup.affinity())

    @property
    def wanted_providers(self) -> tuple[Provider, ...]:
        """`providers` and `provider_options`, checked."""
        names = [name.strip().lower() for name in self.providers.split(",") if name.strip()]
        return parse_providers(names, json.loads(self.provider_options or "{}"))


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("want true or false")


def _ranged(kind: Callable[[str], float], low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            raise ValueError(f"want {low:g} to {high:g}")
        return value

    return parse


def _level(text: str) -> str:
    if text.lower() not in {"debug", "info", "warning", "error"}:
        raise ValueError("want debug, info, warning or error")
    return text.lower()


def _http(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("want a URL of HTTP or HTTPS")
    return text


def _policy(text: str) -> str:
    if text not in POLICIES:
        raise ValueError(f"want {' or '.join(POLICIES)}")
    return text


def _mapping(text: str) -> str:
    if not isinstance(json.loads(text or "{}"), dict):
        raise ValueError("want a JSON object")  # noqa: TRY004 - reported as any wrong value
    return text


_PARSERS: dict[str, Callable[[str], Any]] = {
    "model_path": Path,
    "model_name": str,
    "model_version": _ranged(int, 0, 2**31),
    "host": str,
    "port": _ranged(int, 0, 65535),
    "grpc_port": _ranged(int, 0, 65535),
    "log_level": _level,
    "access_log": _ranged(float, 0, 1),
    "trace_sample": _ranged(float, 0, 1),
    "otlp_endpoint": _http,
    "threads": _ranged(int, 0, 1024),
    "instances": _ranged(int, 1, 64),
    "queue_size": _ranged(int, 1, 100_000),
    "batch_limit": _ranged(int, 1, 100_000),
    "inline_below_seconds": _ranged(float, 0, 1),
    "pad_batches": _boolean,
    "deadline_seconds": _ranged(float, 0, 3600),
    "warm_up": _boolean,
    "providers": str,
    "provider_options": _mapping,
    "provider_policy": _policy,
    "model_control": _boolean,
    "cache_path": str,
    "max_model_bytes": _ranged(int, 1024, 1 << 44),
    "max_body_bytes": _ranged(int, 1024, 1 << 40),
    "drain_seconds": _ranged(float, 0, 3600),
    "drain_quiet_seconds": _ranged(float, 0, 3600),
    "enable_faults": _boolean,
}


def _arguments(argv: Sequence[str]) -> dict[str, str]:
    parser = argparse.ArgumentParser(
        prog="python -m model_server",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=100),  # looks for no terminal: 30 ms of imports
        description="Serve ONNX models over the Open Inference Protocol.",
        epilog="Every option can also stand in the config file or, in capitals, in the environment.",
    )
    parser.add_argument("--config-file", metavar="FILE", help=f"YAML settings (default {DEFAULT_CONFIG_FILE})")
    for item in fields(Settings):
        if item.metadata.get("derived"):
            continue
        flag = "--" + item.name.replace("_", "-")
        if item.name == "enable_faults":
            parser.add_argument(flag, action="store_const", const="true", help="allow the FAULT_* switches")
        else:
            shown = str(item.default) or "none"
            parser.add_argument(flag, metavar=item.name.rsplit("_", 1)[-1].upper(), help=f"default {shown}")
    return {name: value for name, value in vars(parser.parse_args(argv)).items() if value is not None}


def _file(path: Path, *, required: bool) -> dict[str, str]:
    """The file's settings as text, so that one set of parsers judges every source."""
    if not path.exists():
        if required:
            raise StartupError("config file not found", exit_code=2, path=str(path))
        return {}
    import yaml  # noqa: PLC0415 - 20 ms of cold start that only a process with a file has to pay

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise StartupError("config file unreadable", exit_code=2, path=str(path), reason=reason) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise StartupError("config file is not a mapping", exit_code=2, path=str(path))
    for key in content:
        if key not in _PARSERS:
            raise StartupError("unknown setting", exit_code=2, setting=str(key), path=str(path), known=sorted(_PARSERS))
    return {
        key: json.dumps(value) if isinstance(value, dict) else str(value)
        for key, value in content.items()
        if value is not None
    }


def load(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Put the settings together.

    Args:
        argv: The command line without the program's name.
        environ: The environment; empty variables count as unset.

    Raises:
        StartupError: A file, key or value is wrong; the fields say which and where it came from.
    """
    flags = _arguments(argv)
    named = flags.pop("config_file", None) or environ.get("CONFIG_FILE")
    path = Path(named) if named else DEFAULT_CONFIG_FILE
    variables = {name: environ[name.upper()] for name in _PARSERS if environ.get(name.upper())}
    values: dict[str, Any] = {}
    for source, texts in ((str(path), _file(path, required=bool(named))), ("environment", variables), ("flag", flags)):
        for name, text in texts.items():
            try:
                values[name] = _PARSERS[name](text)
            except ValueError as error:
                raise StartupError(
                    "invalid setting", exit_code=2, setting=name, source=source, reason=str(error)
                ) from error
    settings = Settings(**values, cpu_quota=cgroup.cpu_quota())
    try:
        _ = settings.wanted_providers
    except ValueError as error:
        raise StartupError("invalid setting", exit_code=2, setting="providers", reason=str(error)) from error
    return settings
