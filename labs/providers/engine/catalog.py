"""What the engine's components are: `cluster-config/engine/components.yaml` and the `go.mod` files beside it, typed.

Called by the resolver (`components`), the builder, the bundle and the images. It reads files and nothing else.
"""

from __future__ import annotations

import hashlib
import platform
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from labs import paths
from labs.errors import DataError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

BUILD_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-modcacherw -mod=readonly"}
_GO_ARCHES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "amd64": "amd64"}


@dataclass(frozen=True, slots=True)
class Release:
    """Where upstream publishes a binary.

    Attributes:
        url: The file: the binary itself, or an archive when `member` is set.
        checksum: A file with the SHA-256 of `url`, alone or in `sha256sum` format.
        member: Path inside the archive, empty for a bare binary.
    """

    url: str
    checksum: str
    member: str = ""


@dataclass(frozen=True, slots=True)
class Component:
    """One binary of the engine.

    Attributes:
        name: File name of the binary, and its key everywhere.
        version: Upstream version without `v`.
        digest: 12 hex digits over what decides what the binary is: go.mod, go.sum, flags, package, processor.
        module: Folder with its `go.mod`.
        package: Go package of its `main`.
        ldflags: Linker flags, version already filled in.
        seconds: What a cold build takes on two cores.
        go: Oldest Go version that builds it.
        release: Upstream's own build, where there is one.
        optional: Whether no cluster needs it: a tool of single tasks, had when the first of them is started.
    """

    name: str
    version: str
    digest: str
    module: Path
    package: str
    ldflags: str
    seconds: float
    go: str
    release: Release | None
    optional: bool = False

    @property
    def key(self) -> str:
        """Return the cache key, unique to this version and its inputs."""
        return f"{self.version}-{self.digest}"


def go_arch() -> str:
    """Return Go's name of this machine's processor.

    Raises:
        UsageError: The engine is not made for it.
    """
    machine = platform.machine().lower()
    if machine not in _GO_ARCHES:
        raise UsageError(f"The embedded engine is not made for the processor {machine}", hint="labs up --provider kind")
    return _GO_ARCHES[machine]


def read_yaml(text: str) -> Any:
    """Parse YAML with libyaml where it is there: ten times faster, and this is on the way of every `labs up`.

    Raises:
        yaml.YAMLError: It is malformed.
    """
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders


def engine_config_dir() -> Path:
    """Return the folder with `components.yaml` and the Go modules."""
    return paths.cluster_config_dir() / "engine"


def load(root: Path | None = None) -> dict[str, Component]:
    """Read the catalogue.

    Args:
        root: Folder with `components.yaml`; the project's own when left out.

    Returns:
        Component name → component, in the order in which a build makes most sense.

    Raises:
        DataError: `components.yaml` or a `go.mod` is missing or malformed.
    """
    root = root or engine_config_dir()
    source = root / "components.yaml"
    try:
        modules: dict[str, Any] = read_yaml(source.read_text())["modules"]
        return {
            name: _component(root / folder, module, name, spec)
            for folder, module in modules.items()
            for name, spec in module["components"].items()
        }
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"The catalogue of components cannot be read: {error}",
            where=f"{source}:1",
            hint="restore cluster-config/engine from the repository",
        ) from error


def select(names: object, known: dict[str, Component]) -> list[Component]:
    """Return the named components, in the catalogue's order.

    Raises:
        UsageError: A name is not in the catalogue.
    """
    wanted = {str(name) for name in names} if isinstance(names, (list, tuple, set, frozenset)) else set(known)
    if unknown := sorted(wanted - set(known)):
        raise UsageError(
            f"There is no component named {', '.join(unknown)}", hint=f"the engine has: {', '.join(known)}"
        )
    return [component for name, component in known.items() if name in wanted]


def _component(folder: Path, module: dict[str, Any], name: str, spec: dict[str, Any]) -> Component:
    go_mod = (folder / "go.mod").read_text()
    version = _pinned(go_mod, module["pins"])
    major, minor = version.split(".")[:2]
    words = {"version": version, "major": major, "minor": minor, "arch": go_arch(), "name": name}
    ldflags = str(module["ldflags"]).format(**words)
    recipe = (
        go_mod,
        (folder / "go.sum").read_text(),
        repr(sorted(BUILD_ENVIRONMENT.items())),
        f"-trimpath -ldflags {ldflags}",
        spec["package"],
        go_arch(),
    )
    release = {key: text.format(**words) for key, text in module.get("release", {}).items()}
    return Component(
        name=name,
        version=version,
        digest=hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:12],
        module=folder,
        package=spec["package"],
        ldflags=ldflags,
        seconds=float(spec["seconds"]),
        go=_directive(go_mod),
        release=Release(**release) if release else None,
        optional=bool(spec.get("optional", False)),
    )


def _pinned(go_mod: str, path: str) -> str:
    found = re.search(rf"^(?:require )?\s*{re.escape(path)} v(\S+)", go_mod, re.MULTILINE)
    if not found:
        raise KeyError(f"go.mod does not require {path}")
    return found[1].removesuffix("+incompatible")


def _directive(go_mod: str) -> str:
    found = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    return found[1] if found else "1.21"
