"""Generated ConfigMaps keep their name when their content changes (F81): nothing rolls, the pods stay old.

A fault over files of the learner's workspace.
"""

from __future__ import annotations

from grader.model import Spec
from labs.errors import DataError
from labs.inject.faults._text import documents, flow, put, text_of

NUMBER = 81
SYMPTOM = "the ConfigMap is new and its name the old one; no rollout"
_KEY = "disableNameSuffixHash"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        file: The kustomization with the generators.
    """

    file: str


def edit(files: dict[str, str], params: Params) -> None:
    """Turn the suffix off in place."""
    text = text_of(files, params.file)
    value = documents(text)[0] or {}
    if not {"configMapGenerator", "secretGenerator"} & set(value):
        raise DataError(f"`{params.file}` generates nothing")
    options = value.get("generatorOptions")
    if options is None:
        files[params.file] = f"{text.rstrip()}\ngeneratorOptions: {flow({_KEY: True})}\n"
    elif options.get(_KEY) is not True:
        files[params.file] = put(text, (0, "generatorOptions"), {**options, _KEY: True})
