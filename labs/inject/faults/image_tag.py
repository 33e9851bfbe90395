"""The image has a tag that was never pushed (F32): ErrImagePull, then ImagePullBackOff."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._target import Workload


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        tag: The wrong tag.
    """

    tag: str


def transform(manifests: list[Json], params: Params) -> None:
    """Change the tag in place."""
    container = params.container_of(manifests)
    image: str = container["image"].partition("@")[0]
    host, slash, name = image.rpartition("/")
    container["image"] = f"{host}{slash}{name.partition(':')[0]}:{params.tag}"
