"""Debian packages for an image that is more than the base: unpacked on this machine, never installed.

Called by the builder. The packages are of the base's suite and from the same sources, so they fit its libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.events import Listener, State, Step
from labs.images import base, debian

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
    job = debian.Job(
        step=f"image:packages-{names[0]}",
        title=f"Debian packages {', '.join(names)}",
        expected=EXPECTED_SECONDS,
        log=f"packages-{names[0]}",
        failure=f"The packages {', '.join(names)} cannot be had",
        hint="look at apt's sources (apt-get update must work), or bring a bundle: labs bundle import FILE",
    )
    options = ["--variant=extract", "--format=directory", f"--include={','.join(names)}", debian.remove(_DROPPED)]
    spec, _ = base.read_spec()
    seconds = debian.run(job, options, target, spec=spec, scratch=scratch, emit=emit)
    emit(Step(job.step, job.title, State.DONE, "", seconds))
