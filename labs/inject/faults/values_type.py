"""A value of a Helm chart has a type that the chart cannot use (F77): the next upgrade fails.

A fault over files of the learner's workspace.
"""

from __future__ import annotations

from typing import Any

from grader.model import Spec
from labs.errors import DataError
from labs.inject.faults._text import documents, put, text_of

NUMBER = 77
SYMPTOM = "helm upgrade fails: the values do not meet the schema, or the manifest has a field of the wrong type"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        file: The values file.
        key: Where the value is, `resources.limits.memory`.
        value: The value of the wrong type, such as `"two"` for a count.
    """

    file: str
    key: str
    value: Any


def edit(files: dict[str, str], params: Params) -> None:
    """Change the value in place."""
    text = text_of(files, params.file)
    place = params.key.split(".")
    value = documents(text)[0]
    for part in place:
        if not isinstance(value, dict) or part not in value:
            raise DataError(f"`{params.file}` has no value `{params.key}`")
        value = value[part]
    if value != params.value or type(value) is not type(params.value):
        files[params.file] = put(text, (0, *place), params.value)
