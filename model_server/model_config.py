"""One model's own settings: the file `config.yaml` in its folder, over the server's settings.

`repository` reads it; `runtime` is handed the result. A wrong file fails this model only, with a reason that names the
key. Not for the server's settings (`config`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from model_server import providers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from model_server.config import Settings

FILE = "config.yaml"
_MAX_BYTES = 64 << 10
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SCHEMES = ("file://", "http://", "https://", "oci://", "oci+http://")


class ConfigError(ValueError):
    """The model's configuration is wrong; the text names the key and the rule."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """Where a model version comes from.

    Attributes:
        url: file, http, https, oci or oci+http (a registry without TLS).
        sha256: Of the file, 64 hexadecimal digits.
        max_bytes: Largest size, also unpacked; 0: the server's `max_model_bytes`.
        unpack: The file is a zip archive with `model.onnx` at its top, beside external data.
    """

    url: str
    sha256: str
    max_bytes: int = 0
    unpack: bool = False


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What can be set for one model; defaults come from the server's settings.

    Attributes:
        instances: Executions that may run at the same time.
        threads: ONNX Runtime's threads for each execution.
        batch_limit: Most rows in one execution; 1 turns batching off.
        queue_size: Requests that may wait.
        deadline_seconds: Longest wait for an answer; 0: as long as the client.
        inline_below_seconds: Run in the event loop when idle and runs take less than this on average.
        warm_up: Run once before it counts as ready.
        pad_batches: Fill joined batches up to a power of two, which spares CUDA a new plan for each size.
        providers: The most wanted first.
        provider_policy: `require`: fail to load elsewhere; `prefer`: serve, and say so.
        versions: Serve these only; empty: all there are.
        artifacts: Files to fetch, by version.
    """

    instances: int
    threads: int
    batch_limit: int
    queue_size: int
    deadline_seconds: float
    inline_below_seconds: float
    warm_up: bool
    pad_batches: bool
    providers: tuple[providers.Provider, ...]
    provider_policy: str
    versions: tuple[int, ...] = ()
    artifacts: tuple[tuple[int, Artifact], ...] = ()


def default(settings: Settings) -> ModelConfig:
    """Return what a model without a file gets."""
    return ModelConfig(
        instances=settings.instances,
        threads=settings.session_threads,
        batch_limit=settings.batch_limit,
        queue_size=settings.queue_size,
        deadline_seconds=settings.deadline_seconds,
        inline_below_seconds=settings.inline_below_seconds,
        warm_up=settings.warm_up,
        pad_batches=settings.pad_batches,
        providers=settings.wanted_providers,
        provider_policy=settings.provider_policy,
    )


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ConfigError(f"want a whole number, {low} to {high}")
        return value

    return check


def _seconds(high: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if type(value) not in {int, float} or not 0 <= value <= high:
            raise ConfigError(f"want seconds, 0 to {high:g}")
        return float(value)

    return check


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ConfigError("want true or false")
    return value


def _policy(value: Any) -> str:
    if value not in providers.POLICIES:
        raise ConfigError(f"want {' or '.join(providers.POLICIES)}")
    return str(value)


def _providers(value: Any) -> tuple[providers.Provider, ...]:
    """Read a list of names, or of mappings with one name each and its options."""
    if not isinstance(value, list):
        raise ConfigError("want a list")
    names: list[str] = []
    options: dict[str, Any] = {}
    for item in value:
        if isinstance(item, dict) and len(item) == 1:
            [(name, given)] = item.items()
            options[str(name)] = given
        else:
            name = item
        names.append(str(name))
    return providers.parse(names, options)


def _versions(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise ConfigError("want a list of versions")
    return tuple(_integer(1, 2**31)(item) for item in value)


def _artifact(content: Any) -> Artifact:
    """Check one entry of `artifacts`.

    Raises:
        ValueError: A key is unknown or a value is wrong.
    """
    if not isinstance(content, dict) or not set(content) <= {"url", "sha256", "max_bytes", "unpack"}:
        raise ValueError("want url and sha256, and perhaps max_bytes and unpack")
    url, digest = content.get("url"), content.get("sha256")
    limit, unpack = content.get("max_bytes", 0), content.get("unpack", False)
    if not isinstance(url, str) or not url.startswith(_SCHEMES):
        raise ValueError(f"url must start with one of {', '.join(_SCHEMES)}")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest.removeprefix("sha256:")):
        raise ValueError("sha256 must be 64 hexadecimal digits")
    if type(limit) is not int or limit < 0 or type(unpack) is not bool:
        raise ValueError("max_bytes must be a whole number, unpack true or false")
    return Artifact(url, digest.removeprefix("sha256:"), limit, unpack)


def _artifacts(value: Any) -> tuple[tuple[int, Artifact], ...]:
    if not isinstance(value, dict):
        raise ConfigError("want a mapping from version to artifact")
    found = []
    for version, item in value.items():
        number = int(version) if isinstance(version, str) and version.isascii() and version.isdigit() else version
        found.append((_integer(1, 2**31)(number), _artifact(item)))
    return tuple(found)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "instances": _integer(1, 64),
    "threads": _integer(1, 1024),
    "batch_limit": _integer(1, 100_000),
    "queue_size": _integer(1, 100_000),
    "deadline_seconds": _seconds(3600),
    "inline_below_seconds": _seconds(1),
    "warm_up": _boolean,
    "pad_batches": _boolean,
    "providers": _providers,
    "provider_policy": _policy,
    "versions": _versions,
    "artifacts": _artifacts,
}


def apply(base: ModelConfig, content: Any) -> ModelConfig:
    """Put settings over others.

    Args:
        base: What holds where `content` says nothing.
        content: A mapping of the keys of `ModelConfig`, as YAML or JSON gives it.

    Raises:
        ConfigError: A key is unknown or a value is wrong.
    """
    if content is None:
        return base
    if not isinstance(content, dict):
        raise ConfigError("want a mapping")
    known = {item.name for item in fields(ModelConfig)}
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in known:
            raise ConfigError(f"unknown key {str(key)[:50]!r}; known: {', '.join(sorted(known))}")
        try:
            values[key] = _CHECKS[key](value)
        except ValueError as error:
            raise ConfigError(f"{key}: {error}") from None
    return replace(base, **values)


def read(folder: Path, base: ModelConfig) -> ModelConfig:
    """Read a model folder's file, if there is one.

    Args:
        folder: The model's; its file is known to lie inside.
        base: The server's settings.

    Raises:
        ConfigError: The file cannot be read or is wrong.
    """
    file = folder / FILE
    if not file.exists():
        return base
    import yaml  # noqa: PLC0415 - 20 ms of cold start that only a repository with such files has to pay

    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{FILE}: over {_MAX_BYTES} bytes")
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{FILE}: {' '.join(str(error).split())[:300]}") from error
    try:
        return apply(base, content)
    except ConfigError as error:
        raise ConfigError(f"{FILE}: {error}") from None
