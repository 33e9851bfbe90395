"""Debian packages for an image that is more than the base: unpacked on this machine, never installed.

Called by the builder. The packages are of the base's suite and from the same sources, so they fit its libraries.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from labs import longrun, tools
from labs.errors import MachineError
from labs.events import Listener, Progress, State, Step
from labs.images import base

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXPECTED_SECONDS = 15.0
_DROPPED = ("dev", "proc", "sys", "var", "usr/share/doc", "usr/share/man", "usr/share/locale")


def unpack(names: Sequence[str], target: Path, scratch: Path, emit: Listener) -> None:
    """Unpack packages, and what they depend on, into a folder.

    Args:
        names: Packages of the base's suite.
        target: Folder to make.
        scratch: Temporary folder in the cache's file system.
        emit: Told how it goes.

    Raises:
        MachineError: mmdebstrap is missing or fails; the hint names the ways out.
    """
    step, title = f"image:packages-{names[0]}", f"Debian packages {', '.join(names)}"
    started = time.monotonic()
    emit(Step(step, title, State.RUNNING, f"mmdebstrap, about {EXPECTED_SECONDS:.0f} s"))

    def progress(elapsed: float) -> None:
        emit(Progress(step, min(elapsed, EXPECTED_SECONDS), EXPECTED_SECONDS, "seconds", elapsed, EXPECTED_SECONDS))

    log = longrun.log_file(f"packages-{names[0]}")
    command = [*_command(names), str(target)]
    spec, _ = base.read_spec()
    try:
        longrun.run(
            [*command, *base.sources(spec)], env=base.environment(scratch), progress=progress, log=log, own_world=True
        )
    except longrun.CommandFailedError as error:
        emit(Step(step, title, State.FAILED, error.reason))
        told = f"The packages {', '.join(names)} cannot be had: {error.reason} (all of it: {log})"
        hint = "look at apt's sources (apt-get update must work), or bring a bundle: labs bundle import FILE"
        raise MachineError(told, hint=hint) from error
    emit(Step(step, title, State.DONE, "", time.monotonic() - started))


def _command(names: Sequence[str]) -> list[str]:
    command = [str(tools.require("mmdebstrap")), "--quiet", "--variant=extract", "--format=directory"]
    command += ['--aptopt=Acquire::Languages "none"', '--aptopt=APT::Install-Recommends "false"']
    command.append('--aptopt=APT::Sandbox::User "root"')  # the cache folder is closed to _apt
    unwanted = " ".join(f'"$1"/{name}' for name in _DROPPED)
    spec, _ = base.read_spec()
    return [*command, f"--include={','.join(names)}", f"--customize-hook=rm -rf {unwanted}", str(spec["suite"])]
