"""The second opinion on CEL: evaluates an expression with `cel-python`, to compare with the grader's own library.

Tests of the adapter and of every scenario's expressions call it. No part of the application does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import celpy
from celpy.adapter import CELJSONEncoder, json_to_cel
from celpy.evaluation import CELEvalError


class Gap(Exception):  # noqa: N818 - the same idea as grader.errors.Undefined
    """The data lacks what the expression asks for."""


def evaluate(source: str, data: Mapping[str, Any]) -> Any:
    """Return the value as plain JSON.

    Raises:
        Gap: A field, an index or an overload is not there.
        celpy.CELParseError: The source is no CEL.
    """
    environment = celpy.Environment()
    program = environment.program(environment.compile(source))
    try:
        value = program.evaluate({name: json_to_cel(value) for name, value in data.items()})
    except CELEvalError as error:
        raise Gap(str(error)) from None
    return json.loads(json.dumps(value, cls=CELJSONEncoder))
