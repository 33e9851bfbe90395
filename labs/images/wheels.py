"""Wheels for the images, downloaded on this machine, so that no build step needs a network.

Called by the builder. Only what a requirements file pins by version and hash, and only ready-made wheels.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from labs import longrun, paths, tools
from labs.errors import MachineError
from labs.events import Listener, State, Step
from labs.providers.engine import catalog

if TYPE_CHECKING:
    from pathlib import Path

_PYTHON = "3.11"  # of the images' Debian base
_GLIBC = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def ensure(requirements: Path, scratch: Path, emit: Listener) -> Path:
    """Return a folder with the wheels that a requirements file names.

    Args:
        requirements: Every package pinned, with hashes.
        scratch: Temporary folder in the cache's file system.
        emit: Told when there is something to download.

    Raises:
        MachineError: They cannot be had.
    """
    key = hashlib.sha256(f"{requirements.read_text()}\0{catalog.go_arch()}".encode()).hexdigest()[:12]
    target = paths.cache_dir() / "wheels" / key
    if target.is_dir():
        return target
    started = time.monotonic()
    title = "Wheels of the inference server"
    emit(Step("image:wheels", title, State.RUNNING, "from the package index"))
    draft = scratch / f"wheels-{key}"
    machine = _MACHINES[catalog.go_arch()]
    command = [*_pip(), "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--implementation=cp", f"--python-version={_PYTHON}", "--abi=cp311", "--abi=abi3", "--abi=none"]
    command += [f"--platform={glibc}_{machine}" for glibc in _GLIBC]
    try:
        longrun.run([*command, "--dest", str(draft), "--requirement", str(requirements)])
    except longrun.CommandFailedError as error:
        emit(Step("image:wheels", title, State.FAILED, error.reason))
        raise MachineError(
            f"The wheels of {requirements.name} cannot be downloaded: {error.reason}",
            hint="look at pip's index settings (pip config list), or bring a bundle: labs bundle import FILE",
            where=str(requirements),
        ) from error
    target.parent.mkdir(exist_ok=True)
    for other in target.parent.iterdir():
        shutil.rmtree(other, ignore_errors=True)
    draft.replace(target)
    emit(Step("image:wheels", title, State.DONE, f"{len(list(target.iterdir()))} wheels", time.monotonic() - started))
    return target


def _pip() -> list[str]:
    """Return a pip to run: the environment's own, one of the system, or through uv (whose environments have none)."""
    python = shutil.which("python3")
    for candidate in (sys.executable, python):
        if candidate and _has_pip(candidate):
            return [candidate, "-m", "pip"]
    if uv := tools.find("uv"):
        return [str(uv), "tool", "run", "pip"]
    raise MachineError("There is no pip to download wheels with", hint=tools.install_hint(["python3-pip"]))


def _has_pip(python: str) -> bool:
    probe = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, timeout=30, check=False)
    return probe.returncode == 0
