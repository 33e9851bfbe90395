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
    first, _, rest = map(re.escape, params.value.partition("."))
    use = rf"(?:\.Values\.{re.escape(params.value)}|\(\s*\.Values\.{first}\s*\)\.{rest})"
    if not re.search(rf"{use}\b", text):
        raise DataError(f"`{params.file}` does not use `.Values.{params.value}`")
    argument = r"(?:\"[^\"]*\"|\([^()]*\)|[^\s|}()]+)"
    plain = f".Values.{params.value}"
    text = re.sub(rf"{use}\s*\|\s*default\s+{argument}", plain, text)
    files[params.file] = re.sub(rf"\bdefault\s+{argument}\s+{use}\b", plain, text)
