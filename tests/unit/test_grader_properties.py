"""Properties of what verdicts stand on: quantities, selectors, partial objects and paths, on generated values."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from grader.compare import ABSENT, differences, fetch
from grader.fake_cluster import selected
from grader.quantity import parse

settings.register_profile("repeatable", max_examples=100, deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-2", "e+4"]
numbers = st.decimals(min_value=0, max_value=10**6, places=3, allow_nan=False).map(lambda d: f"{d.normalize():f}")
words = st.text(alphabet="abcxyz-_.", min_size=1, max_size=6).filter(str.isidentifier)
leaves = st.one_of(st.integers(-5, 5), st.booleans(), st.text(max_size=5), st.sampled_from(["100m", "0.1", "1Gi"]))
objects = st.dictionaries(words, st.recursive(leaves, lambda x: st.dictionaries(words, x, max_size=3), max_leaves=8))


@given(numbers, st.sampled_from(SUFFIXES))
def test_a_quantity_has_the_value_that_kubernetes_gives_it(number: str, suffix: str) -> None:
    exponent = suffix.lower().startswith("e") and suffix != "E" and not suffix.startswith("Ei")
    wanted = Decimal(f"{number}{suffix}") if exponent else parse_quantity(f"{number}{suffix}")
    assert parse(f"{number}{suffix}") == wanted


@given(st.text(alphabet=st.characters(), max_size=60))
def test_any_text_is_a_quantity_or_none_and_never_an_error(text: str) -> None:
    found = parse(text)
    assert found is None or (found.is_finite() and any(c.isdecimal() for c in text))


@given(st.integers(1, 10**6))
def test_ways_to_write_one_amount_are_equal(amount: int) -> None:
    assert parse(f"{amount}Gi") == parse(f"{amount * 1024}Mi") == parse(amount * 1024**3)
    assert parse(f"{amount}") == parse(f"{amount * 1000}m") == parse(amount)


requirements = st.one_of(
    st.tuples(words, st.sampled_from(["=", "==", "!="]), words),
    st.tuples(words, st.sampled_from(["in", "notin"]), st.lists(words, min_size=1, max_size=3, unique=True)),
    st.tuples(words, st.sampled_from(["exists", "absent"]), st.none()),
)


def written(requirement: Any) -> str:
    key, verb, value = requirement
    if verb in {"in", "notin"}:
        return f"{key} {verb} ({','.join(value)})"
    return {"exists": key, "absent": f"!{key}"}.get(verb, f"{key}{verb}{value}")


def met(requirement: Any, labels: dict[str, str]) -> bool:
    """The rules of the API's documentation: what is not there is never equal, never among, and always unequal."""
    key, verb, value = requirement
    return {
        "=": labels.get(key) == value,
        "==": labels.get(key) == value,
        "!=": labels.get(key) != value,
        "in": verb == "in" and labels.get(key) in value,
        "notin": verb == "notin" and labels.get(key) not in value,
        "exists": key in labels,
        "absent": key not in labels,
    }[verb]


@given(st.lists(requirements, max_size=4), st.dictionaries(words, words, max_size=4))
def test_a_selector_picks_what_its_requirements_say(asked: list[Any], labels: dict[str, str]) -> None:
    assert selected(",".join(map(written, asked)), labels) == all(met(r, labels) for r in asked)


@st.composite
def parts(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """An object and some of it."""
    whole = draw(objects)

    def some(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: some(v) for k, v in value.items() if draw(st.booleans())}

    return whole, some(whole)


@given(parts())
def test_an_object_has_every_part_of_itself(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    whole, part = pair
    assert list(differences(part, whole)) == []


def paths(value: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [before]
    return [path for key, inner in value.items() for path in paths(inner, (*before, key))]


@given(objects, st.data())
def test_one_changed_field_is_the_one_that_is_named(whole: dict[str, Any], data: st.DataObject) -> None:
    assume(paths(whole))
    path = data.draw(st.sampled_from(paths(whole)))
    changed = copy.deepcopy(whole)
    at: Any = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = "something else entirely"
    (line,) = differences(changed, whole)
    assert line.startswith(f"{'.'.join(path)}:")
    assert fetch(changed, ".".join(path)) == "something else entirely"
    assert fetch(whole, ".".join((*path, "deeper"))) is ABSENT or isinstance(fetch(whole, ".".join(path)), dict)
