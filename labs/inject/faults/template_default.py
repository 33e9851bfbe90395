"""A template of a Helm chart has lost the default of a value (F79): without that value it does not render.

A fault over files of the learner's workspace.
"""

from __future__ import annotations

import re

from grader.model import Spec
from labs.errors import DataError
from labs.inject.faults._text import text_of

NUMBER = 79
SYMPTOM = "helm: nil pointer evaluating interface {}, or a field that is empty"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        file: The template.
        value: The value whose default goes, `tracing.endpoint`.
    """

    file: str
    value: str


def edit(files: dict[str, str], params: Params) -> None:
    """Take `| default …` and `default …` away from the value, in place."""
    text = text_of(files, params.file)
    path = rf"\.Values\.{re.escape(params.value)}"
    guarded = (
        rf"\(\s*\.Values\.{re.escape(params.value.partition('.')[0])}\s*\)\.{re.escape(params.value.partition('.')[2])}"
    )
    if not re.search(rf"{path}\b|{guarded}\b", text):
        raise DataError(f"`{params.file}` does not use `.Values.{params.value}`")
    argument = r"(?:\"[^\"]*\"|\([^()]*\)|[^\s|}()]+)"
    plain = f".Values.{params.value}"
    text = re.sub(rf"(?:{path}|{guarded})\s*\|\s*default\s+{argument}", plain, text)
    files[params.file] = re.sub(rf"\bdefault\s+{argument}\s+(?:{path}|{guarded})\b", plain, text)
