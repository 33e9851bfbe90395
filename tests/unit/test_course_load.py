"""Every mistake an author can make is told with its line, in words, with the mend – and never as a traceback."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from labs.course.load import CourseError, load_course, scan
from labs.course.schema import schema
from labs.errors import DataError
from tests.unit.course_sample import FILES, SCENARIO, spoiled, write_course

S = "3-services/no-answer/scenario.yaml"
FIX = "3-services/no-answer/solution/fix.yaml"
HINTS = "3-services/no-answer/hints.md"
CHAPTER = "3-services/chapter.yaml"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(6)
)

Change = dict[str, str | bytes | None]

# what is spoiled, where it is told, a part of the message, a part of the hint
MISTAKES: list[tuple[str, Change, str, str, str]] = [
    ("unknown key", spoiled(S, "weight: 2", "wieght: 2"), f"{S}:7", "unknown key `wieght`", "`weight`"),
    ("missing key", spoiled(S, "title: The service that does not answer\n", ""), f"{S}:1", "`title` is missing", ""),
    ("wrong enum", spoiled(S, "kind: fix", "kind: fux"), f"{S}:5", "`kind` cannot be `fux`", "build, fix, diagnose"),
    ("wrong literal", spoiled(S, "weight: 2", "weight: 3"), f"{S}:7", "`weight` cannot be `3`", "1, 2, 4"),
    ("lesson as a number", spoiled(S, 'lesson: "3.1"', "lesson: 3.1"), f"{S}:4", "must be text, not `3.1`", '"3.1"'),
    ("no such lesson", spoiled(S, 'lesson: "3.1"', 'lesson: "9.1"'), f"{S}:4", "`lesson` cannot be `9.1`", "in quotes"),
    ("bad id", spoiled(S, "id: no-answer", "id: No_Answer"), f"{S}:2", "`id` cannot be `No_Answer`", "dashes"),
    ("id of another folder", spoiled(S, "id: no-answer", "id: other"), f"{S}:2", "`id` is other", "no-answer"),
    ("too long", spoiled(S, "target_minutes: 4", "target_minutes: 900"), f"{S}:6", "less than or equal to 120", ""),
    ("not a number", spoiled(S, "target_minutes: 4", "target_minutes: four"), f"{S}:6", "valid integer", ""),
    ("wrong version", spoiled(S, "labs/v1", "labs/v2"), f"{S}:1", "cannot be `labs/v2`", "labs/v1"),
    ("duplicate key", spoiled(S, "kind: fix", "kind: fix\nid: no-answer"), f"{S}:6", "`id` is given twice", "line 2"),
    ("tab", spoiled(S, "  points: 2", "\tpoints: 2"), f"{S}:17", "tab is used for indentation", "spaces"),
    ("unclosed quote", spoiled(S, 'lesson: "3.1"', 'lesson: "3.1'), f"{S}:", "not valid YAML", ""),
    ("colon in text", spoiled(S, "Nobody gets", "Nobody: gets"), f"{S}:10", "mapping values", "quotes"),
    (
        "number as a key",
        spoiled(S, "requires: {nodes: 1}", "requires: {1: 1}"),
        f"{S}:8",
        "key 1 is not a string",
        '"1"',
    ),
    ("alias bomb", {S: BOMB}, f"{S}:", "more than 50000 values", "alias"),
    ("alias of itself", {S: "a: &a [*a]\n"}, f"{S}:1", "nested deeper", ""),
    ("merge key", spoiled(S, "requires: {nodes: 1}", "requires: {<<: {nodes: 1}}"), f"{S}:8", "merge keys", ""),
    ("custom tag", spoiled(S, "weight: 2", "weight: !!python/name:os.system 2"), f"{S}:7", "cannot be read", ""),
    ("empty file", {S: ""}, f"{S}:1", "the file is empty", ""),
    ("two documents", {S: SCENARIO + "---\nid: more\n"}, f"{S}:33", "2 documents", ""),
    ("a list", {S: "- a\n"}, f"{S}:1", "`key: value` lines", ""),
    ("not UTF-8", {S: SCENARIO.encode() + b"# \xff\n"}, f"{S}:32", "not UTF-8", "save it"),
    ("control character", {S: SCENARIO + "# \x07\n"}, f"{S}:32", "control character", "remove"),
    (
        "unknown fault",
        spoiled(S, "use: service_selector", "use: service_seletor"),
        f"{S}:13",
        "no fault",
        "service_selector",
    ),
    ("fault parameter", spoiled(S, "value: wbe", "vaule: wbe"), f"{S}:14", "unknown key `vaule`", "`value`"),
    ("fault parameter missing", spoiled(S, ", value: wbe", ""), f"{S}:14", "`value` is missing", ""),
    ("no fault kind", spoiled(S, "- use: service_selector\n  with", "- with"), f"{S}:13", "needs either `use`", ""),
    (
        "fault folder",
        spoiled(S, "- use: service_selector\n  with: {service: web, value: wbe}", "- apply: borken/"),
        f"{S}:13",
        "no folder `borken/`",
        "",
    ),
    ("setup folder", spoiled(S, "faults:", "setup: [bsae/]\nfaults:"), f"{S}:12", "no folder `bsae/`", "`base`"),
    ("two check kinds", spoiled(S, "  sustained:", "  cel: x\n  sustained:"), f"{S}:22", "exactly one of", ""),
    (
        "unknown check kind",
        spoiled(S, "  sustained:", "  sustaned:"),
        f"{S}:24",
        "unknown key `sustaned`",
        "`sustained`",
    ),
    (
        "typo below a union",
        spoiled(S, "name: web}\n  cel", "nmae: web}\n  cel"),
        f"{S}:20",
        "unknown key `nmae`",
        "`name`",
    ),
    ("two checks of one id", spoiled(S, "id: held", "id: selects"), f"{S}:22", "two checks are called", "line 16"),
    ("sustained of nothing", spoiled(S, "check: selects", "check: selcts"), f"{S}:24", "no other check", "`selects`"),
    ("guard bound", spoiled(S, '">=1"', '"=>1"'), f"{S}:28", "cannot be `=>1`", '">=2"'),
    ("diagnose without diagnosis", spoiled(S, "kind: fix", "kind: diagnose"), f"{S}:5", "needs a `diagnosis`", ""),
    (
        "wrong fix missing",
        spoiled(S, "delete-it]", "delete-itt]"),
        f"{S}:29",
        "no folder `wrong/delete-itt`",
        "`delete-it`",
    ),
    (
        "wrong fix unlisted",
        spoiled(S, "wrong: [relabel, delete-it]", "wrong: [relabel]"),
        f"{S}:29",
        "`wrong/delete-it` lies",
        "add",
    ),
    (
        "hint level",
        spoiled(S, "wrong:", "hints: [concept, feild]\nwrong:"),
        f"{S}:29",
        "cannot be `feild`",
        "concept, field",
    ),
    ("fix without steps", spoiled(FIX, "steps:", "stesp:"), f"{FIX}:2", "unknown key `stesp`", "`steps`"),
    (
        "step without action",
        spoiled(FIX, "  kubectl: [", "  expect: ok\n#  ["),
        f"{FIX}:3",
        "needs exactly one of `kubectl`, `helm`, `git`, `copy` and `answer`",
        "",
    ),
    (
        "helm unasked",
        spoiled(FIX, "  kubectl: [", "  helm: [list]\n#  ["),
        f"{FIX}:4",
        "does not name helm",
        "tools: [helm]",
    ),
    ("copy of nothing", spoiled(FIX, "  kubectl: [", "  copy: tree\n#  ["), f"{FIX}:4", "no folder `tree`", ""),
    (
        "kubectl as text",
        spoiled(FIX, "kubectl: [-n, shop, patch", "kubectl: get pods #"),
        f"{FIX}:4",
        "must be a list",
        "write [get, pods]",
    ),
    ("solution missing", {FIX: None}, FIX, "the file is missing", "fix.yaml"),
    ("hint section", spoiled(HINTS, "## field", "## feild"), f"{HINTS}:4", "section `feild`", "`field`"),
    ("hint section twice", spoiled(HINTS, "## field", "## concept"), f"{HINTS}:4", "stands here twice", ""),
    ("no debrief", {"3-services/no-answer/debrief.md": None}, "debrief.md", "the file is missing", "debrief.md"),
    ("stray file", {"3-services/no-answer/notes.txt": "x"}, "notes.txt", "unknown file", ""),
    ("stray folder", {"3-services/no-answer/brokn/x.yaml": "a: b"}, "brokn", "unknown folder", "`broken`"),
    ("folder that is no scenario", {"3-services/other/base/x.yaml": "a: b"}, "other", "no scenario", "scenario.yaml"),
    ("folder that is no chapter", {"services/chapter.yaml": "a: b"}, "services", "no chapter", "3-services"),
    ("chapter number", spoiled(CHAPTER, "number: 3", "number: 4"), f"{CHAPTER}:1", "`number` is 4", "says 3"),
    (
        "lesson of another chapter",
        spoiled(CHAPTER, '"3.2"', '"4.2"'),
        f"{CHAPTER}:7",
        "no lesson of this chapter",
        '"3.1"',
    ),
    ("lesson key as a number", spoiled(CHAPTER, '"3.2"', "3.2"), f"{CHAPTER}:7", "key 3.2 is not a string", "quotes"),
    (
        "showcase of another chapter",
        spoiled(CHAPTER, "number: 3", "number: 3\nshowcase: no-anwser"),
        f"{CHAPTER}:2",
        "no scenario `no-anwser`",
        "no-answer",
    ),
    ("chapter missing", {CHAPTER: None}, "chapter.yaml", "the file is missing", ""),
]


@pytest.mark.parametrize(
    ("change", "where", "message", "hint"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_a_mistake_is_told_with_its_place_and_the_mend(
    tmp_path: Path, change: Change, where: str, message: str, hint: str
) -> None:
    errors = scan(write_course(tmp_path, change)).errors
    told = [f"{e.where} | {e.message} | {e.hint}" for e in errors]
    assert any(where in e.where and message in e.message and hint in e.hint for e in errors), "\n".join(told)
    with pytest.raises(DataError) as raised:
        load_course(tmp_path)
    assert raised.value.exit_code == 2


def test_a_good_course_is_read_whole(tmp_path: Path) -> None:
    course = load_course(write_course(tmp_path))
    (scenario,) = course.scenarios
    assert (scenario.id, scenario.chapter, scenario.file.weight) == ("no-answer", 3, 2)
    assert [fix.id for fix in scenario.wrong] == ["relabel", "delete-it"]
    assert scenario.hints["field"] == "Compare what it looks for with what there is."
    assert course.chapters[0].lessons["3.2"] == "Ingress"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    change = {**spoiled(S, "kind: fix", "kind: fux"), **spoiled(CHAPTER, "number: 3", "number: 4")}
    with pytest.raises(CourseError) as raised:
        load_course(write_course(tmp_path, change))
    assert "2 mistakes" in str(raised.value)
    assert f"{S}:5" in str(raised.value)
    assert f"{CHAPTER}:1" in str(raised.value)


def test_one_bad_scenario_does_not_hide_the_others(tmp_path: Path) -> None:
    bad = {"3-services/worse/scenario.yaml": "id: worse\n"}
    found = scan(write_course(tmp_path, bad))
    assert [s.id for s in found.course.scenarios] == ["no-answer"]
    assert found.errors


def test_the_same_id_in_two_chapters_is_refused(tmp_path: Path) -> None:
    twin = {name.replace("3-services", "4-scale"): text for name, text in FILES.items()}
    twin["4-scale/chapter.yaml"] = twin["4-scale/chapter.yaml"].replace("3", "4")
    errors = scan(write_course(tmp_path, dict(twin))).errors
    assert any("two scenarios are called `no-answer`" in e.message and "4-scale" in e.where for e in errors)


def test_a_missing_course_says_which_variable_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        load_course(tmp_path / "nowhere")
    assert "LABS_SCENARIOS" in raised.value.hint


def test_the_digest_follows_the_files_and_the_cache_follows_both(tmp_path: Path) -> None:
    before = load_course(write_course(tmp_path)).scenarios[0].digest
    assert load_course(tmp_path).scenarios[0].digest == before
    (tmp_path / "3-services/no-answer/debrief.md").write_text("Another cause.\n")
    assert load_course(tmp_path).scenarios[0].digest != before


def test_an_unchanged_course_is_not_read_again(tmp_path: Path) -> None:
    first = load_course(write_course(tmp_path))
    begin = time.perf_counter()
    assert load_course(tmp_path) is first
    assert time.perf_counter() - begin < 0.1


def test_editors_get_a_schema_for_each_file() -> None:
    found = schema()
    assert set(found) == {"scenario", "fix", "chapter", "repository"}
    assert "apiVersion" in found["scenario"]["properties"]
    assert "with" in found["scenario"]["$defs"]["Fault"]["properties"]
    assert found["fix"]["properties"]["steps"]["minItems"] == 1
