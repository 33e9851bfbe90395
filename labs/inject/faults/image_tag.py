"""The image has a tag that was never pushed (F32): ErrImagePull, then ImagePullBackOff."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import waiting
from labs.inject.faults._target import Workload

NUMBER = 32
SYMPTOM = "ErrImagePull, then ImagePullBackOff"
SEEN = waiting("ErrImagePull", "ImagePullBackOff")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        tag: The wrong tag.
    """

    tag: str


def transform(manifests: list[Json], params: Params) -> None:
    """Change the tag in place."""
    container = params.container_of(manifests)
    container["image"] = retagged(container["image"], params.tag)


def retagged(image: str, tag: str) -> str:
    """Return the image's name with another tag and without a digest."""
    host, slash, name = image.partition("@")[0].rpartition("/")
    return f"{host}{slash}{name.partition(':')[0]}:{tag}"
