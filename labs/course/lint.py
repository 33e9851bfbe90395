"""What a good scenario is, checked without a cluster: one small rule per function, each finding with `file:line`.

`labs lint` and `tests/scenarios` call `lint`. A scenario that cannot even be read is `load.py`'s matter; its mistakes
are passed on here, so that an author sees everything at once. Whether a scenario *works* is for `labs.prove`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.errors import GraderError
from grader.expression import compile_expression
from labs.attempts.naming import read_name
from labs.course.load import scan
from labs.course.models import Chapter, Course, Fix, Scenario
from labs.course.position import Document, Path_, place, read_document, read_documents
from labs.course.spoilers import spoilers
from labs.errors import DataError
from labs.inject.files import broken
from labs.inject.manifests import CLUSTER_SCOPED, Manifest, read_folder, stages

LEAST_WRONG = 2
REGISTRIES = ("registry.lab/", "private.registry.lab/")
_LITERAL = re.compile(r"`([^`\n]+)`")
_NODE_NAME = re.compile(r"^(cpu|gpu|control-plane|worker)-\d+$")
_PATHS = frozenset({"-f", "-k", "--filename", "--kustomize", "--patch-file"})
_TODO = re.compile(r"\bTODO\b:?(.*)")
_NOTE = 80
_UNASSERTED = frozenset({"why", "id", "points", "untouched", "show"})


@dataclass(frozen=True, slots=True)
class LintFinding:
    """Something about a scenario that has to be mended before it is served.

    Attributes:
        rule: Stable key of the rule.
        where: `file:line`.
        message: What is wrong.
        hint: The mend.
    """

    rule: str
    where: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """A scenario as the rules see it.

    Attributes:
        scenario: The scenario.
        chapter: Its chapter.
        document: `scenario.yaml` with its lines.
        manifests: Folder name → manifests, of the folders that could be read.
    """

    scenario: Scenario
    chapter: Chapter
    document: Document
    manifests: dict[str, list[Manifest]]

    def finding(self, rule: str, loc: Path_, message: str, hint: str = "") -> LintFinding:
        """Return a finding about a place in `scenario.yaml`."""
        return LintFinding(rule, self.document.where(loc), message, hint)

    def all_manifests(self) -> Iterator[Manifest]:
        """Yield the manifests of every folder."""
        for found in self.manifests.values():
            yield from found


def lint(paths: Iterable[Path] | None = None, *, root: Path | None = None) -> list[LintFinding]:
    """Return everything that is wrong with the course, sorted by place.

    Args:
        paths: Only findings in these files and folders; default: all.
        root: Folder of the course; default: `paths.scenarios_dir()`.
    """
    found = scan(root)
    findings = [LintFinding("schema", error.where, error.message, error.hint) for error in found.errors]
    for chapter in found.course.chapters:
        for scenario in chapter.scenarios:
            findings += _scenario(scenario, chapter)
    findings += _course(found.course)
    if paths is not None:
        wanted = [path.resolve() for path in paths]
        findings = [f for f in findings if any(_inside(f.where, path) for path in wanted)]
    return sorted(dict.fromkeys(findings), key=lambda f: _sortable(f.where))


def _inside(where: str, wanted: Path) -> bool:
    path = Path(re.sub(r":\d+$", "", where)).resolve()
    return path == wanted or wanted in path.parents


def _sortable(where: str) -> tuple[str, int]:
    path, _, line = where.rpartition(":")
    return (path, int(line)) if line.isdigit() else (where, 0)


def _scenario(scenario: Scenario, chapter: Chapter) -> list[LintFinding]:
    findings: list[LintFinding] = []
    manifests: dict[str, list[Manifest]] = {}
    folders = [*scenario.file.setup, *(f.apply for f in scenario.file.faults if f.apply)]
    for folder in folders:
        try:
            manifests[folder] = read_folder(scenario.folder / folder)
        except DataError as error:
            findings.append(LintFinding("manifest", error.where, error.message, error.hint))
    subject = Subject(scenario, chapter, read_document(scenario.folder / "scenario.yaml"), manifests)
    if not findings:
        findings += _together(subject)
    for rule in RULES:
        findings += rule(subject)
    return findings


def _together(subject: Subject) -> Iterator[LintFinding]:
    try:
        stages(subject.scenario)
        broken(subject.scenario)
    except DataError as error:
        yield subject.finding("fault", ("faults",), error.message, error.hint)


# --- rules over one scenario -----------------------------------------------------------------------------------------


def literals(subject: Subject) -> Iterator[LintFinding]:
    """Every literal of the task is asserted: a learner who did what is written has passed, and nothing else counts."""
    file = subject.scenario.file
    asserted = [c.model_dump(by_alias=True, exclude=set(_UNASSERTED)) for c in file.checks]
    guarded = [g.model_dump(by_alias=True, exclude=set(_UNASSERTED)) for g in file.guards]
    words = " ".join([*_strings([*asserted, *guarded]), *file.namespaces])
    for literal in dict.fromkeys(_LITERAL.findall(file.task)):
        if not _said(literal.strip(), words):
            message = f"the task says `{literal}` and no check or guard asserts it"
            line = _line_of(subject, "task", literal)
            yield LintFinding("literal", line, message, "assert it, or take it out of the task")


def _said(literal: str, words: str) -> bool:
    if literal in words and not literal[-1:].isdigit() and not literal[:1].isdigit():
        return True
    parts = [p for p in re.split(r"[\s=:,\[\](){}\"]+", literal) if p]
    return all(re.search(rf"(?<![\w.]){re.escape(part)}(?![\w])", words) for part in parts)


def _line_of(subject: Subject, key: str, text: str) -> str:
    """Return the line of a word inside a folded text, so that the editor opens it there."""
    begin = subject.document.line((key,))
    lines = subject.document.path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines[begin - 1 :], begin):
        if f"`{text}`" in line:
            return place(subject.document.path, number)
    return place(subject.document.path, begin)


def images(subject: Subject) -> Iterator[LintFinding]:
    """Images are pinned and come from the lab's registry: a moving image makes a task that changes over night."""
    for document, loc, image in _images(subject):
        where = document.where(loc)
        if not image.startswith(REGISTRIES):
            yield LintFinding("image", where, f"the image `{image}` is not the lab's", "use registry.lab/NAME:TAG")
            continue
        name = image.rpartition("/")[2]
        tag = name.partition(":")[2]
        if "@sha256:" not in name and tag in {"", "latest"}:
            yield LintFinding("image", where, f"the image `{image}` is not pinned", "give it a tag other than latest")


def _images(subject: Subject) -> Iterator[tuple[Document, Path_, str]]:
    documents = [m.document for m in subject.all_manifests()]
    for fix in (subject.scenario.solution, *subject.scenario.wrong):
        documents += _yaml_of(fix)
    for document in documents:
        for loc, value in _walk(document.value):
            if loc[-1:] == ("image",) and isinstance(value, str) and "containers" in str(loc).lower():
                yield document, loc, value


def _yaml_of(fix: Fix) -> Iterator[Document]:
    for path in sorted(fix.folder.rglob("*.yaml")):
        if path.name != "fix.yaml":
            yield from read_documents(path)


def fix_files(subject: Subject) -> Iterator[LintFinding]:
    """The YAML files of the fixes can be read."""
    for fix in (subject.scenario.solution, *subject.scenario.wrong):
        try:
            list(_yaml_of(fix))
        except DataError as error:
            yield LintFinding("manifest", error.where, error.message, error.hint)


def fix_paths(subject: Subject) -> Iterator[LintFinding]:
    """What a step of kubectl names by `-f` and the like lies beside its `fix.yaml`."""
    for fix in (subject.scenario.solution, *subject.scenario.wrong):
        document = read_document(fix.folder / "fix.yaml")
        for index, step in enumerate(fix.file.steps):
            for name in _named(step.kubectl):
                if not (fix.folder / name).exists():
                    where = document.where(("steps", index, "kubectl"))
                    hint = "paths of kubectl begin in the folder of fix.yaml"
                    yield LintFinding("file", where, f"there is no `{name}` beside this file", hint)


def _named(words: Sequence[str]) -> Iterator[str]:
    for word, after in zip(words, [*words, ""][1:], strict=True):
        flag, _, value = word.partition("=")
        path = value or after
        if flag in _PATHS and path and path != "-" and "://" not in path:
            yield path


def node_names(subject: Subject) -> Iterator[LintFinding]:
    """No node is named: a scenario has to run on any topology that has what it requires."""
    for manifest in subject.all_manifests():
        for loc, value in _walk(manifest.object):
            named = loc[-1:] in {("nodeName",), ("kubernetes.io/hostname",)}
            if named or (isinstance(value, str) and _NODE_NAME.match(value)):
                where = manifest.document.where(loc)
                yield LintFinding(
                    "node-name", where, f"a node is named: `{value}`", "select nodes by a label of a pool"
                )


def namespaces(subject: Subject) -> Iterator[LintFinding]:
    """Everything lies in the scenario's namespaces, so that reset and stop find it."""
    own = subject.scenario.file.namespaces
    for manifest in subject.all_manifests():
        obj = manifest.object
        name = obj["metadata"]["name"] if obj["kind"] == "Namespace" else obj["metadata"].get("namespace")
        if obj["kind"] in CLUSTER_SCOPED and obj["kind"] != "Namespace":
            continue
        if name is not None and name not in own:
            where = manifest.document.where(("metadata", "namespace"))
            message = f"{obj['kind']} `{obj['metadata']['name']}` lies in `{name}`"
            yield LintFinding("namespace", where, message, f"the scenario's namespaces are {', '.join(own)}")


def expressions(subject: Subject) -> Iterator[LintFinding]:
    """Every expression compiles and uses only what it observes."""
    file = subject.scenario.file
    found: list[tuple[Path_, str, Iterable[str]]] = []
    for index, check in enumerate(file.checks):
        texts = [("cel", check.cel or ""), ("show", check.show)]
        found += [(("checks", index, key), text, check.observe) for key, text in texts if text]
    found += [(("guards", i, "cel"), g.cel, g.observe) for i, g in enumerate(file.guards) if g.cel]
    for loc, text, names in found:
        try:
            compile_expression(text, names)
        except GraderError as error:
            yield subject.finding("expression", loc, error.message, error.hint)


def fixes(subject: Subject) -> Iterator[LintFinding]:
    """There are tempting fixes that must fail: a check that any change satisfies proves nothing."""
    count = len(subject.scenario.wrong)
    if count < LEAST_WRONG:
        message = f"there are {count} wrong fixes, at least {LEAST_WRONG} are wanted"
        yield subject.finding("wrong", ("wrong",), message, "add folders under wrong/ and list them")


def judged(subject: Subject) -> Iterator[LintFinding]:
    """Something fails before the learner has done anything."""
    if all(check.untouched == "passes" for check in subject.scenario.file.checks):
        yield subject.finding("untouched", ("checks",), "no check fails on the untouched task", "add one that does")


def lesson(subject: Subject) -> Iterator[LintFinding]:
    """The lesson is one of the chapter's."""
    number = subject.scenario.file.lesson
    if number not in subject.chapter.lessons:
        hint = f"lessons of the chapter: {', '.join(subject.chapter.lessons)}"
        yield subject.finding("lesson", ("lesson",), f"chapter {subject.chapter.number} has no lesson {number}", hint)


def texts(subject: Subject) -> Iterator[LintFinding]:
    """A debrief and all hints are there."""
    if not subject.scenario.debrief:
        where = place(subject.scenario.folder / "debrief.md", 1)
        yield LintFinding("debrief", where, "the debrief is empty", "tell the cause and how one finds it")
    if not subject.scenario.hints:
        where = place(subject.scenario.folder / "hints.md", 1)
        yield LintFinding("hints", where, "there are no hints", "write `## concept`, `## field`, `## live`")


def hints(subject: Subject) -> Iterator[LintFinding]:
    """Hints lead to the solution and do not contain it."""
    for number, text in spoilers(subject.scenario):
        where = place(subject.scenario.folder / "hints.md", number)
        yield LintFinding("spoiler", where, f"this line gives the solution away: {text}", "point at it, do not say it")


def todos(subject: Subject) -> Iterator[LintFinding]:
    """Nothing is left to be written: what `labs new` marked, and notes of the author."""
    for path in sorted(p for p in subject.scenario.folder.rglob("*") if p.is_file()):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # no text: nobody writes notes there
        for number, line in enumerate(lines, 1):
            if found := _TODO.search(line):
                said = found[1].strip(" .\"'")[:_NOTE] or "something is still to be written"
                yield LintFinding("todo", place(path, number), f"to do: {said}")


def diagnosis(subject: Subject) -> Iterator[LintFinding]:
    """A diagnosis names an object that is there, can be proved, and the solution gives it rightly."""
    file, wanted = subject.scenario.file, subject.scenario.file.diagnosis
    if wanted is None:
        return
    there = [read_name(f"{m.object['kind']}/{m.object['metadata']['name']}") for m in subject.all_manifests()]
    there += [read_name(f"Namespace/{name}") for name in file.namespaces]
    for text in wanted.components:
        named = read_name(text)
        if named is None or not any(obj is not None and obj.same(named) for obj in there):
            hint = f"as Kind/name, one of {', '.join(sorted({str(obj) for obj in there}))}"
            yield subject.finding(
                "diagnosis", ("diagnosis", "component"), f"`component` is no object of this scenario: `{text}`", hint
            )
    if not wanted.evidences:
        message, hint = "`evidence` is missing", "give a text that is in the event, log line or field that proves it"
        yield subject.finding("diagnosis", ("diagnosis",), message, hint)
    causes = [step.answer.cause for step in subject.scenario.solution.file.steps if step.answer]
    if causes[-1:] != [wanted.cause]:
        where = place(subject.scenario.solution.folder / "fix.yaml", 1)
        message = "the solution does not answer the diagnosis" if not causes else "the solution answers another cause"
        hint = "begin with a step `answer: {component: …, cause: …, evidence: …}`"
        yield LintFinding("diagnosis", where, message, hint)


RULES: tuple[Callable[[Subject], Iterator[LintFinding]], ...] = (
    fix_files,
    fix_paths,
    literals,
    images,
    node_names,
    namespaces,
    expressions,
    fixes,
    judged,
    lesson,
    texts,
    hints,
    todos,
    diagnosis,
)


# --- rules over the course -------------------------------------------------------------------------------------------


def _course(course: Course) -> Iterator[LintFinding]:
    spaces: dict[str, Scenario] = {}
    alike: dict[str, Scenario] = {}
    for scenario in course.scenarios:
        document = read_document(scenario.folder / "scenario.yaml")
        for index, name in enumerate(scenario.file.namespaces):
            other = spaces.setdefault(name, scenario)
            if other is not scenario or name in scenario.file.namespaces[:index]:
                where = document.where(("namespaces", index))
                message = f"the namespace `{name}` is {other.id}'s too"
                yield LintFinding("namespace", where, message, "two tasks that run at once must not meet")
        checks = json.dumps([c.model_dump(mode="json", exclude={"id", "about", "why"}) for c in scenario.file.checks])
        twin = alike.setdefault(checks, scenario)
        if twin is not scenario:
            message = f"it checks exactly what {twin.id} checks"
            yield LintFinding("alike", document.where(("checks",)), message, "make it a task of its own")


# --- walking ---------------------------------------------------------------------------------------------------------


def _walk(value: Any, loc: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    yield loc, value
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _walk(child, (*loc, key))
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from _walk(child, (*loc, index))


def _strings(value: Any) -> Iterator[str]:
    for loc, found in _walk(value):
        if loc and isinstance(loc[-1], str):
            yield loc[-1]
        if isinstance(found, str):
            yield found
        elif isinstance(found, int | float) and not isinstance(found, bool):
            yield str(found)
