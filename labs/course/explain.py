"""Turns what pydantic says about an author's file into sentences with `file:line` and the mend.

`load.py` calls `validate`; `labs.inject.faults` uses it for the parameters of a fault. Not for data that programs
exchange.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from labs.course.position import Document, Path_
from labs.errors import DataError

M = TypeVar("M", bound=BaseModel)

_FEW = 15
_PATTERNS = {
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "lower-case words joined by dashes, such as `model-not-found`",
    r"^[1-6]\.[1-5]$": 'a lesson in quotes, such as "3.4"',
    r"^((>=|<=|==|>|<)\d+)?$": 'a bound such as ">=2"',
}


def validate(
    model: type[M], document: Document, value: Any = None, *, base: Path_ = ()
) -> tuple[M | None, list[DataError]]:
    """Return the model, or None and everything that is wrong with it.

    Args:
        model: What the value must be.
        document: Where it comes from (for lines).
        value: The value; default: the whole document.
        base: Where in the document the value lies.
    """
    try:
        return model.model_validate(document.value if value is None else value), []
    except ValidationError as error:
        return None, [explain(model, document, item, base) for item in _first_hand(_relevant(error))]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, or, where none is near, all of them as far as they are few."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f"known: {', '.join(names[:_FEW])}{more}" if names else ""


def explain(model: type[BaseModel], document: Document, item: Any, base: Path_ = ()) -> DataError:
    """Turn one pydantic error into a `DataError`."""
    loc: Path_ = (*base, *item["loc"])
    message, hint = _sentence(model, item)
    return DataError(message, where=document.where(loc), hint=hint)


def _first_hand(items: list[Any]) -> list[Any]:
    """Leave out that a list is too short when that is only so because its entries are wrong, which is told."""
    return [
        item
        for item in items
        if item["type"] != "too_short"
        or not any(o is not item and o["loc"][: len(item["loc"])] == item["loc"] for o in items)
    ]


def _relevant(error: ValidationError) -> list[Any]:
    """Of several readings of one value (a union), keep the one with the fewest complaints."""
    groups: dict[Path_, dict[str, list[Any]]] = {}
    result: list[Any] = []
    for item in error.errors(include_url=False):
        loc = item["loc"]
        tag = next((i for i, part in enumerate(loc) if isinstance(part, str) and part[:1].isupper()), None)
        if tag is None or tag == 0:
            result.append(item)
        else:
            groups.setdefault(loc[:tag], {}).setdefault(str(loc[tag]), []).append(item)
    for readings in groups.values():
        fewest = min(len(complaints) for complaints in readings.values())
        result.extend(next(complaints for complaints in readings.values() if len(complaints) == fewest))
    return result


def _sentence(model: type[BaseModel], item: Any) -> tuple[str, str]:  # noqa: PLR0911 - a table, one row per kind
    kind, ctx = item["type"], item.get("ctx", {})
    name = _name(item["loc"])
    if kind == "extra_forbidden":
        key = str(item["loc"][-1])
        return f"unknown key `{key}`", nearest(key, _keys(model, item["loc"][:-1]))
    if kind == "missing":
        return f"`{name}` is missing", f"add `{item['loc'][-1]}:`"
    if kind in {"literal_error", "enum"}:
        expected = ctx.get("expected", "")
        return f"`{name}` cannot be {_shown(item['input'])}", f"allowed: {expected.replace(chr(39), '')}"
    if kind == "string_pattern_mismatch":
        wanted = _PATTERNS.get(ctx.get("pattern", ""), f"text of the form {ctx.get('pattern')}")
        return f"`{name}` cannot be {_shown(item['input'])}", f"it is {wanted}"
    if kind == "value_error":
        said = str(ctx.get("error", item["msg"]))
        return (f"`{name}`: {said}" if name else said), ""
    if kind == "too_short":
        return f"`{name}` is too short", f"at least {ctx.get('min_length', 1)} wanted"
    if kind in {"tuple_type", "list_type"}:
        return f"`{name}` must be a list, not {_shown(item['input'])}", _as_list(item["input"])
    if kind == "string_type" and not isinstance(item["input"], (dict, list)):
        return f"`{name}` must be text, not {_shown(item['input'])}", f'write it in quotes: "{item["input"]}"'
    said = item["msg"].removeprefix("Input should be ")
    return f"`{name}` must be {said}, not {_shown(item['input'])}", ""


def _as_list(value: Any) -> str:
    words = value.split() if isinstance(value, str) else []
    return f"write [{', '.join(words)}]" if 0 < len(words) <= _FEW else "write [one, two], or a line `- one` for each"


def _name(loc: Path_) -> str:
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif isinstance(part, str) and not part[:1].isupper():
            text += f".{part}" if text else part
    return text


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    text = str(value)
    return f"`{text[:60]}…`" if len(text) > 60 else f"`{text}`"  # noqa: PLR2004 - as much as one line shows


def _keys(model: type[BaseModel], loc: Path_) -> set[str]:
    """Return the keys that are allowed where `loc` points, by walking the models' annotations."""
    here: Any = model
    for part in loc:
        here = _step(here, part)
        if here is None:
            return set()
    found = [m for m in _members(here) if isinstance(m, type) and issubclass(m, BaseModel)]
    return {field.alias or name for m in found for name, field in m.model_fields.items()}


def _members(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return [member for a in typing.get_args(annotation) for member in _members(a)]
    return [annotation]


def _step(annotation: Any, part: Any) -> Any:
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            if member.__name__ == part:
                return member
            for name, field in member.model_fields.items():
                if part in {name, field.alias}:
                    return field.annotation
        origin, args = typing.get_origin(member), typing.get_args(member)
        if origin in {tuple, list} and isinstance(part, int):
            return args[0]
        if origin is dict and isinstance(part, str):
            return args[1]
    return annotation if isinstance(part, str) and part[:1].isupper() else None
