"""Five hundred ways to spoil a shipped file: each gives a clear line with `file:line`, and none a traceback.

The mutations are drawn by fixed seeds from the files of the real course, so they grow with it. Each spoils one file of
a scenario that is otherwise whole; what is told must be about that file.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from labs import paths
from labs.course.lint import lint
from labs.course.load import load_course, scan
from labs.course.models import Scenario

EACH = 36  # mutations of each kind; fourteen kinds make 504
COURSE = load_course().scenarios
SCENARIO_KEYS = (
    "apiVersion",
    "id",
    "title",
    "lesson",
    "kind",
    "target_minutes",
    "weight",
    "namespaces",
    "task",
    "checks",
)
# Below these anything goes: parameters of faults, manifests, bodies of requests, labels.
FREE = {"with", "body", "body_match", "object", "manifest", "headers", "labels", "values", "set", "requires"}
WHERE = re.compile(r"^[^\n:]+:\d+$")
Loc = tuple[Any, ...]


class Sheet:
    """A file of a scenario that is about to be spoiled."""

    def __init__(self, draw: random.Random, scenario: Scenario, names: tuple[str, ...]) -> None:
        files = [p for name in names for p in sorted(scenario.folder.glob(name))]
        self.draw = draw
        self.name = draw.choice(files).relative_to(scenario.folder).as_posix()
        self.text = (scenario.folder / self.name).read_text(encoding="utf-8")

    def line(self) -> int:
        """Return the index of a line that holds a key, outside folded texts."""
        lines = self.text.split("\n")
        keys = [i for i, line in enumerate(lines) if re.match(r"^(- )?[a-z_]+:( |$)", line)]
        return self.draw.choice(keys)

    def with_line(self, change: Callable[[str], str]) -> str:
        """Return the text with one line of a key changed."""
        lines = self.text.split("\n")
        index = self.line()
        lines[index] = change(lines[index])
        return "\n".join(lines)

    def dumped(self, change: Callable[[Any], None]) -> str:
        """Return the file's value, changed, as YAML."""
        value = yaml.safe_load(self.text)
        change(value)
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def nodes(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, Any]]:
    """Yield every value that has a type of ours."""
    if loc:
        yield loc, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        if key not in FREE:
            yield from nodes(child, (*loc, key))


def put(value: Any, loc: Loc, fresh: Any) -> None:
    for part in loc[:-1]:
        value = value[part]
    value[loc[-1]] = fresh


OURS = ("scenario.yaml", "solution/fix.yaml", "wrong/*/fix.yaml")


def key_dropped(sheet: Sheet) -> str:
    if sheet.name == "scenario.yaml":
        return sheet.dumped(lambda v: v.pop(sheet.draw.choice(SCENARIO_KEYS)))
    return sheet.dumped(lambda v: v.pop(sheet.draw.choice(["about", "steps"])))


def key_unknown(sheet: Sheet) -> str:
    def change(value: Any) -> None:
        name = sheet.draw.choice([k for k in value if k != "id"])
        value[f"{name}{sheet.draw.choice('sxy_')}"] = value[name]

    return sheet.dumped(change)


def type_swapped(sheet: Sheet) -> str:
    def change(value: Any) -> None:
        loc, found = sheet.draw.choice(list(nodes(value)))
        wrong: dict[type, list[Any]] = {dict: ["text", 7], list: [7, {"a": {"b": 1}}], bool: [[1]], int: ["how many", [1]]}
        put(value, loc, sheet.draw.choice(wrong.get(type(found), [[{"a": [1]}], {"a": {"b": [1]}}])))

    return sheet.dumped(change)


def number_out_of_bounds(sheet: Sheet) -> str:
    name, value = sheet.draw.choice(
        [("target_minutes", 0), ("target_minutes", 10**30), ("weight", 3), ("settle_seconds", -1)]
    )
    return sheet.dumped(lambda v: v.update({name: value}))


def identifier_wrong(sheet: Sheet) -> str:
    wrong = ["No-Endpoints", "a b", "../../etc", "ümlaut", "-x", "", "x" * 300 + "!", "somebody-elses"]
    where = sheet.draw.choice(["id", "lesson", "wrong", "sustained"])

    def change(value: Any) -> None:
        word = sheet.draw.choice(wrong)
        if where == "wrong":
            value["wrong"] = [*value["wrong"], word or "nothing"]
        elif where == "sustained":
            value["checks"].append({"id": "z", "about": "z", "sustained": {"seconds": 1, "check": word}})
        else:
            value[where] = word

    return sheet.dumped(change)


def folder_wrong(sheet: Sheet) -> str:
    word = sheet.draw.choice(["nowhere/", "../../../etc/", "base/../../x", "/etc", "", "b\u0000"])
    key = sheet.draw.choice(["setup", "faults"])
    entry: Any = word if key == "setup" else {"apply": word}
    return sheet.dumped(lambda v: v.update({key: [*v.get(key, []), entry]}))


def fault_wrong(sheet: Sheet) -> str:
    wrong = [
        {"use": "no_such_fault"},
        {"use": "service_selector"},
        {"use": "service_selector", "apply": "base/"},
        {},
        7,
    ]
    wrong += [{"use": "service_selector", "with": {"service": "x", "value": [1], "more": 2}}]
    return sheet.dumped(lambda v: v.update(faults=[sheet.draw.choice(wrong)]))


def tab(sheet: Sheet) -> str:
    return sheet.with_line(lambda line: f"x:\n\t{line.strip('- ')}\n{line}")


def quote_open(sheet: Sheet) -> str:
    mark = sheet.draw.choice(['"', "'", "[", "{", "*", "&", "@", "%", "!!python/object:os.system ", "]"])
    return sheet.with_line(lambda line: f"{line.partition(':')[0]}: {mark}x: [")


def control_character(sheet: Sheet) -> bytes:
    text = sheet.with_line(lambda line: f"{line}@@").encode()
    return text.replace(
        b"@@", sheet.draw.choice([b"\x00", b"\x07", b"\xff\xfe", b"\xed\xa0\x80", b"\xc3", b"\x1b[2J"]), 1
    )


def key_twice(sheet: Sheet) -> str:
    name = next(line.partition(":")[0] for line in sheet.text.splitlines() if line[:1].isalpha())
    return f"{sheet.text.rstrip()}\n{name}: again\n"


def bomb(sheet: Sheet) -> str:
    wide = "a0: &a0 lol\n" + "\n".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, sheet.draw.randint(6, 40))
    )
    deep = "x: " + "[" * sheet.draw.randint(61, 5000)
    closed = "x: " + "[" * 900 + "]" * 900
    itself = "x: &x [*x]"
    merge = "x: &x {a: 1}\ny:\n  <<: *x"
    return f"{sheet.text.rstrip()}\n{sheet.draw.choice([wide, deep, closed, itself, merge])}\n"


def huge(sheet: Sheet) -> str:
    big = ["x" * (1 << 20), "\n" * (1 << 20) + "y"]
    lists = f"z: [{'1,' * 60_000}1]"
    return f"{sheet.text.rstrip()}\n{sheet.draw.choice([f'z: {big[0]}', f'z: 1{big[1]}', lists])}\n"


def manifest_broken(sheet: Sheet) -> str:
    documents = list(yaml.safe_load_all(sheet.text))
    one = sheet.draw.choice([d for d in documents if d])
    how = sheet.draw.choice(["apiVersion", "kind", "metadata", "name", "type"])
    if how == "name":
        one["metadata"].pop("name")
    elif how == "type":
        one["kind"] = sheet.draw.choice([["Pod"], 7, "", {"a": 1}])
    else:
        one.pop(how)
    return yaml.safe_dump_all(documents, sort_keys=False)


KINDS: list[tuple[Callable[[Sheet], str | bytes], tuple[str, ...]]] = [
    (key_dropped, OURS),
    (key_unknown, OURS),
    (type_swapped, OURS),
    (number_out_of_bounds, OURS[:1]),
    (identifier_wrong, OURS[:1]),
    (folder_wrong, OURS[:1]),
    (fault_wrong, OURS[:1]),
    (tab, OURS),
    (quote_open, OURS),
    (control_character, OURS),
    (key_twice, OURS[1:]),
    (bomb, OURS),
    (huge, OURS),
    (manifest_broken, ("base/*.yaml",)),
]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A course for each shipped scenario, with nothing else in it."""
    found = {}
    for scenario in COURSE:
        root = tmp_path_factory.mktemp(scenario.id)
        chapter = root / scenario.folder.parent.name
        shutil.copytree(scenario.folder, chapter / scenario.id)
        text = (paths.scenarios_dir() / chapter.name / "chapter.yaml").read_text(encoding="utf-8")
        kept = [line for line in text.splitlines() if not line.startswith("showcase")]
        (chapter / "chapter.yaml").write_text("\n".join(kept) + "\n", encoding="utf-8")
        found[scenario.id] = chapter / scenario.id
    return found


@pytest.mark.parametrize(("spoil", "names"), KINDS, ids=[spoil.__name__ for spoil, _ in KINDS])
def test_a_spoiled_file_is_told_with_its_line(
    spoil: Callable[[Sheet], str | bytes], names: tuple[str, ...], copies: dict[str, Path]
) -> None:
    for seed in range(EACH):
        draw = random.Random(f"{spoil.__name__} {seed}")  # noqa: S311 - a draw, no secret
        scenario = draw.choice([s for s in COURSE if any(s.folder.glob(names[-1]))])
        sheet = Sheet(draw, scenario, names)
        spoiled = spoil(sheet)
        path = copies[scenario.id] / sheet.name
        path.write_bytes(spoiled if isinstance(spoiled, bytes) else spoiled.encode())
        try:
            told = _told(copies[scenario.id].parent.parent, only_lint=spoil is manifest_broken)
        finally:
            path.write_text(sheet.text, encoding="utf-8")
        said = f"seed {seed}, {scenario.id}/{sheet.name}: {told}"
        assert any(str(path) in where for where, _ in told), said
        for where, message in told:
            assert WHERE.match(where), said
            assert message.strip(), said
            assert "\n" not in message, said
            assert len(message) < 400, said
            assert message.isprintable(), said
            assert not re.search(r"Traceback|pydantic|Input should|NoneType|<class|object at 0x", message), said


def _told(root: Path, *, only_lint: bool) -> list[tuple[str, str]]:
    if only_lint:
        return [(finding.where, finding.message) for finding in lint(root=root)]
    return [(error.where, f"{error.message} ({error.hint})") for error in scan(root).errors]
