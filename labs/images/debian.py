"""Debian packages put together by mmdebstrap: a root file system, or what is unpacked of some packages.

Called by `base` and `packages`. What goes in is theirs to say; here is what both runs have in common.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labs import longrun, tools
from labs.errors import MachineError
from labs.events import Listener, Progress, State, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COMMON = (
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=APT::Sandbox::User "root"',  # the cache folder is closed to _apt
)


@dataclass(frozen=True, slots=True)
class Job:
    """One run, as it is told.

    Attributes:
        step: Id of its step.
        title: The step's title.
        expected: Seconds that it takes.
        log: Name of its log.
        failure: What to say when it fails.
        hint: The ways out.
    """

    step: str
    title: str
    expected: float
    log: str
    failure: str
    hint: str


def run(
    job: Job, arguments: Sequence[str], target: Path, *, spec: Mapping[str, Any], scratch: Path, emit: Listener
) -> float:
    """Run mmdebstrap; telling that it is done is the caller's.

    Args:
        job: What it is.
        arguments: Its options.
        target: What to make.
        spec: `base.yaml`, for the suite.
        scratch: Temporary folder in the cache's file system.
        emit: Told how it goes.

    Returns:
        The seconds that it took.

    Raises:
        MachineError: mmdebstrap is missing or fails; the hint names the ways out.
    """
    started = time.monotonic()
    emit(Step(job.step, job.title, State.RUNNING, f"mmdebstrap, about {job.expected:.0f} s"))

    def progress(elapsed: float) -> None:
        emit(Progress(job.step, min(elapsed, job.expected), job.expected, "seconds", elapsed, job.expected))

    command = [str(tools.require("mmdebstrap")), "--quiet", *_COMMON, *arguments]
    command += [str(spec["suite"]), str(target), *_sources(spec)]
    # The same bytes from the same packages.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "TMPDIR": str(scratch), "LC_ALL": "C.UTF-8"}
    log = longrun.log_file(job.log)
    try:
        longrun.run(command, env=environment, progress=progress, log=log, own_world=True)
    except longrun.CommandFailedError as error:
        emit(Step(job.step, job.title, State.FAILED, error.reason))
        raise MachineError(f"{job.failure}: {error.reason} (all of it: {log})", hint=job.hint) from error
    return time.monotonic() - started


def remove(patterns: Sequence[str]) -> str:
    """Return the option that removes files of the result.

    Args:
        patterns: Paths below its root.
    """
    unwanted = " ".join(f'"$1"/{pattern}' for pattern in patterns)
    return f"--customize-hook=rm -rf {unwanted}"


def _sources(spec: Mapping[str, Any]) -> list[str]:
    """Return what mmdebstrap takes as sources: this machine's own where they are of the suite, else its own default."""
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        try:
            text = path.read_text()
        except OSError:
            continue
        if re.search(rf"^(?:Suites:|deb )[^#\n]*\b{spec['suite']}\b", text, re.MULTILINE):
            return [str(path)]
    return []
