"""What the supervisor runs: one `ProcessSpec` per component, kept as JSON between `up` and the daemon.

Written by `bringup.py`, read by `supervisor.py`. Standard library only: the daemon must stay small.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Probe:
    """How to tell that a component serves.

    Attributes:
        kind: `none` (it runs), `unix` (a socket accepts), `tcp` (a port accepts) or `https` (an URL answers 200).
        target: Socket path, `host:port`, or URL.
        ca: File with the CA for `https`.
    """

    kind: Literal["none", "unix", "tcp", "https"] = "none"
    target: str = ""
    ca: str = ""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One supervised process.

    Attributes:
        name: Such as `kube-apiserver` or `cpu-1/kubelet`.
        argv: Program and arguments, with whatever enters a namespace in front.
        log: File for its output.
        env: Its variables on top of the supervisor's.
        cwd: Folder it runs in.
        after: Names of those that must be ready before its first start.
        probe: How its readiness is told.
        once: It does one piece of work and ends; ready when it ended with 0, and started again when it failed.
        enabled: False stops it and keeps it stopped (a node that was switched off).
    """

    name: str
    argv: tuple[str, ...]
    log: str
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = "/"
    after: tuple[str, ...] = ()
    probe: Probe = field(default_factory=Probe)
    once: bool = False
    enabled: bool = True


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 so that a reader sees the old text or the new, never half of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    partial.replace(path)


def save_plan(path: Path, specs: list[ProcessSpec]) -> None:
    """Write the plan."""
    write_private(path, json.dumps([asdict(spec) for spec in specs], indent=1))


def load_plan(path: Path) -> list[ProcessSpec]:
    """Read a plan back.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not a plan of ours.
    """
    specs = []
    for raw in json.loads(path.read_text()):
        probe = Probe(**raw.pop("probe"))
        raw["argv"], raw["after"] = tuple(raw["argv"]), tuple(raw["after"])
        specs.append(ProcessSpec(**raw, probe=probe))
    return specs
