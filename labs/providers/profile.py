"""Topologies: `cluster-config/profiles/<name>.yaml`, typed. Called by the provider and by whoever lists profiles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labs import paths
from labs.errors import DataError, UsageError

MAX_NODES = 8
NodeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,14}[a-z0-9]$")]


class Taint(BaseModel):
    """A taint a node carries from the start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class NodeSpec(BaseModel):
    """One node of a topology.

    Attributes:
        name: Name of the Node object.
        labels: Labels on top of those that the kubelet sets.
        taints: Taints it carries from the start.
        gpus: Simulated GPUs it has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: NodeName
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()
    gpus: Annotated[int, Field(ge=0, le=8)] = 0


class Profile(BaseModel):
    """A topology.

    Attributes:
        about: One sentence for a person who chooses.
        nodes: The nodes, in the order of their addresses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    nodes: Annotated[tuple[NodeSpec, ...], Field(min_length=1, max_length=MAX_NODES)]


@dataclass(frozen=True, slots=True)
class NamedProfile:
    """A profile with the name under which it is asked for."""

    name: str
    profile: Profile
    text: str

    @property
    def nodes(self) -> tuple[NodeSpec, ...]:
        """Its nodes."""
        return self.profile.nodes


def profile_names() -> list[str]:
    """Return the names of the profiles there are."""
    return sorted(path.stem for path in (paths.cluster_config_dir() / "profiles").glob("*.yaml"))


def load_profile(name: str) -> NamedProfile:
    """Read a profile.

    Raises:
        UsageError: There is none of that name; the hint lists those there are.
        DataError: Its file is malformed.
    """
    path: Path = paths.cluster_config_dir() / "profiles" / f"{name}.yaml"
    if name not in profile_names():
        known = ", ".join(profile_names())
        raise UsageError(f"there is no profile {name!r}", hint=f"profiles: {known}")
    text = path.read_text()
    try:
        profile = Profile.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise DataError("is not YAML", where=str(path), hint=str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{field}: {first['msg']}", where=str(path), hint="compare it with two-cpu.yaml") from error
    names = [node.name for node in profile.nodes]
    if len(set(names)) != len(names):
        raise DataError("two nodes have the same name", where=str(path))
    return NamedProfile(name, profile, text)
