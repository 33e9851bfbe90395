"""A kustomize patch is aimed at a name that nothing has (F80): it changes nothing, without a word.

A fault over files of the learner's workspace.
"""

from __future__ import annotations

from grader.model import Spec
from labs.errors import DataError
from labs.inject.faults._text import documents, put, text_of

NUMBER = 80
SYMPTOM = "the overlay renders what the base says"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        file: A kustomization whose patches have a `target`, or a file that is a patch.
        name: The name that nothing has.
        patch: Which patch of the kustomization, counted from 0.
    """

    file: str
    name: str
    patch: int = 0


def edit(files: dict[str, str], params: Params) -> None:
    """Change the target's name, or the name in the patch, in place."""
    text = text_of(files, params.file)
    value = documents(text)[0] or {}
    patches = value.get("patches") or []
    if params.patch < len(patches) and "name" in (patches[params.patch].get("target") or {}):
        files[params.file] = put(text, (0, "patches", params.patch, "target", "name"), params.name)
    elif "name" in (value.get("metadata") or {}) and not patches:
        files[params.file] = put(text, (0, "metadata", "name"), params.name)
    else:
        raise DataError(f"`{params.file}` has no patch {params.patch} with a target, and is no patch itself")
