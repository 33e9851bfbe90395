"""Finds and reads the course: `scenarios/<n>-<slug>/chapter.yaml` and the scenario folders beside it.

`Tasks`, `cli.py`, `lint.py` and `labs.prove` call `load_course`; authors' tools call `scan`, which also returns the
good part of a course that has mistakes. Nothing is listed anywhere: a folder with a `scenario.yaml` is a scenario.
What a *good* scenario is, is `lint.py`'s question.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labs import paths
from labs.course.explain import M, nearest, validate
from labs.course.models import Chapter, ChapterFile, Course, Fix, FixFile, Scenario, ScenarioFile, StepAnswer
from labs.course.position import Document, Path_, place, read_document, read_text
from labs.course.repository import Repository
from labs.errors import DataError
from labs.inject import faults

CHAPTER = re.compile(r"^([1-9])-([a-z0-9]+(?:-[a-z0-9]+)*)$")
FILES = {"scenario.yaml", "hints.md", "debrief.md", "repository.yaml"}
FOLDERS = {"base", "broken", "workspace", "solution", "wrong"}
CHAPTER_ENTRIES = {"chapter.yaml", "quiz.yaml", "lessons"}


class CourseError(DataError):
    """Several files, or several lines, are wrong; all of them are told at once.

    Args:
        errors: Two or more mistakes, in the order of the files.
    """

    def __init__(self, errors: list[DataError]) -> None:
        lines = [f"{error}" + (f" ({error.hint})" if error.hint else "") for error in errors]
        super().__init__(
            f"{len(errors)} mistakes in the course:\n" + "\n".join(lines), hint="mend them and run `labs lint`"
        )
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found: the scenarios that can be read, and what is wrong with the rest."""

    course: Course
    errors: tuple[DataError, ...]


_cache: dict[Path, tuple[frozenset[tuple[str, int, int]], Scan]] = {}


def load_course(root: Path | None = None) -> Course:
    """Return the course.

    Args:
        root: Folder of the chapters; default: `paths.scenarios_dir()`.

    Raises:
        DataError: Something in it is wrong; a `CourseError` when it is more than one thing.
    """
    found = scan(root)
    if len(found.errors) == 1:
        raise found.errors[0]
    if found.errors:
        raise CourseError(list(found.errors))
    return found.course


def scan(root: Path | None = None) -> Scan:
    """Read everything below `root`; mistakes are collected, never raised. An unchanged folder is not read again."""
    root = root or paths.scenarios_dir()
    if not root.is_dir():
        hint = "LABS_SCENARIOS must name the folder that holds the chapters"
        return Scan(Course(chapters=()), (DataError("the course's folder is missing", where=place(root), hint=hint),))
    stamp = frozenset(_stamp(root))
    if root in _cache and _cache[root][0] == stamp:
        return _cache[root][1]
    errors: list[DataError] = []
    chapters = [chapter for folder in _subfolders(root, errors) if (chapter := _chapter(folder, errors)) is not None]
    chapters.sort(key=lambda chapter: chapter.number)
    _unique(chapters, errors)
    found = Scan(Course(chapters=tuple(chapters)), tuple(errors))
    _cache[root] = (stamp, found)
    return found


def _stamp(root: Path) -> Iterator[tuple[str, int, int]]:
    for path in root.rglob("*"):
        status = path.lstat()
        yield str(path), status.st_mtime_ns, status.st_size


def _entries(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.name.startswith((".", "_")))


def _subfolders(root: Path, errors: list[DataError]) -> Iterator[Path]:
    for path in _entries(root):
        if path.is_dir() and CHAPTER.match(path.name):
            yield path
        elif path.is_dir():
            hint = "a chapter's folder is <number>-<words-with-dashes>, such as 3-services"
            errors.append(DataError("this folder is no chapter", where=place(path), hint=hint))


def _read(model: type[M], path: Path, errors: list[DataError]) -> tuple[M | None, Document | None]:
    """Return a file as its model and as the document it is; None for what cannot be had, with the mistakes told."""
    try:
        document = read_document(path)
    except DataError as error:
        errors.append(error)
        return None, None
    file, wrong = validate(model, document)
    errors.extend(wrong)
    return file, document


def _chapter(folder: Path, errors: list[DataError]) -> Chapter | None:
    match = CHAPTER.match(folder.name)
    number, slug = (int(match[1]), match[2]) if match else (0, folder.name)
    file, document = _read(ChapterFile, folder / "chapter.yaml", errors)
    if document is None:
        return None
    if file is not None and file.number not in {None, number}:
        hint = f"the folder says {number}"
        errors.append(DataError(f"`number` is {file.number}", where=document.where(("number",)), hint=hint))
    scenarios = [s for path in _scenario_folders(folder, errors) if (s := _scenario(path, number, errors)) is not None]
    if file is None:
        return None
    errors.extend(_lessons(file, number, document))
    known = [scenario.id for scenario in scenarios]
    if file.showcase and file.showcase not in known:
        where, hint = document.where(("showcase",)), nearest(file.showcase, known)
        errors.append(DataError(f"this chapter has no scenario `{file.showcase}`", where=where, hint=hint))
    scenarios.sort(key=lambda scenario: (scenario.file.lesson, scenario.id))
    return Chapter(number=number, slug=slug, scenarios=tuple(scenarios), **file.model_dump(exclude={"number"}))


def _lessons(file: ChapterFile, number: int, document: Document) -> Iterator[DataError]:
    for lesson in file.lessons:
        if not re.fullmatch(rf"{number}\.[1-5]", lesson):
            hint = f'lessons of this chapter are "{number}.1" to "{number}.5"'
            yield DataError(
                f"`{lesson}` is no lesson of this chapter", where=document.where(("lessons", lesson)), hint=hint
            )


def _scenario_folders(folder: Path, errors: list[DataError]) -> Iterator[Path]:
    for path in _entries(folder):
        if path.name in CHAPTER_ENTRIES:
            continue
        if path.is_dir() and (path / "scenario.yaml").is_file():
            yield path
        elif path.is_dir():
            hint = "a scenario's folder holds a scenario.yaml"
            errors.append(DataError("this folder is no scenario", where=place(path), hint=hint))
        else:
            errors.append(DataError("unknown file", where=place(path), hint=nearest(path.name, CHAPTER_ENTRIES)))


def _scenario(folder: Path, chapter: int, errors: list[DataError]) -> Scenario | None:
    mistakes: list[DataError] = list(_strangers(folder))
    file, document = _read(ScenarioFile, folder / "scenario.yaml", mistakes)
    if document is None:
        errors.extend(mistakes)
        return None
    solution = _fix(folder / "solution", "solution", mistakes, file)
    if file is None:
        errors.extend(mistakes)
        return None
    mistakes.extend(_inner(file, folder, document))
    repository = _repository(folder, file, mistakes)
    hints = _hints(folder / "hints.md", file, mistakes)
    debrief = _text(folder / "debrief.md", mistakes)
    fixes = [
        _fix(folder / "wrong" / name, name, mistakes, file) for name in file.wrong if name in _wrong_folders(folder)
    ]
    errors.extend(mistakes)
    if mistakes or solution is None:
        return None
    return Scenario(
        file=file,
        folder=folder,
        chapter=chapter,
        hints=hints,
        debrief=debrief,
        solution=solution,
        wrong=tuple(fix for fix in fixes if fix is not None),
        repository=repository,
        digest=digest(folder),
    )


def digest(folder: Path) -> str:
    """Return the SHA-256 over the names and contents of all files below `folder`, hex."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        total.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def _strangers(folder: Path) -> Iterator[DataError]:
    for path in _entries(folder):
        known = FOLDERS if path.is_dir() else FILES
        if path.name not in known:
            what = "folder" if path.is_dir() else "file"
            yield DataError(f"unknown {what} in a scenario", where=place(path), hint=nearest(path.name, known))
    wrong = folder / "wrong"
    if wrong.is_dir():
        for path in _entries(wrong):
            if not path.is_dir():
                yield DataError("only folders belong here", where=place(path), hint="one folder for each wrong fix")


def _inner(file: ScenarioFile, folder: Path, document: Document) -> Iterator[DataError]:
    """What the models cannot see: references between the parts of a scenario, and to its folder."""
    if file.id != folder.name:
        yield DataError(f"`id` is {file.id}", where=document.where(("id",)), hint=f"the folder is called {folder.name}")
    yield from _folders(file, folder, document)
    seen: dict[str, int] = {}
    for index, check in enumerate(file.checks):
        where = document.where(("checks", index, "id"))
        if check.id in seen:
            yield DataError(f"two checks are called `{check.id}`", where=where, hint=f"see line {seen[check.id]}")
        seen.setdefault(check.id, document.line(("checks", index, "id")))
    for index, check in enumerate(file.checks):
        named = {"check": check.sustained.check} if check.sustained else {}
        named |= {"then": check.triggered.then} if check.triggered else {}
        for key, other in named.items():
            if other not in seen or other == check.id:
                message = f"`{check.kind}` names no other check of this scenario: `{other}`"
                hint = nearest(other, set(seen) - {check.id})
                yield DataError(message, where=document.where(("checks", index, check.kind, key)), hint=hint)
    yield from _diagnosis(file, document)
    for index, fault in enumerate(file.faults):
        if fault.use:
            later = "at" if fault.at else "when" if fault.when != "together" else ""
            yield from faults.check(fault.use, fault.with_, document, ("faults", index), later=later)


def _folders(file: ScenarioFile, folder: Path, document: Document) -> Iterator[DataError]:
    have = {p.name for p in folder.iterdir() if p.is_dir()}
    wanted: list[tuple[Path_, str]] = [(("setup", i), name) for i, name in enumerate(file.setup)]
    wanted += [(("faults", i, "apply"), fault.apply) for i, fault in enumerate(file.faults) if fault.apply]
    for loc, name in wanted:
        if name.rstrip("/") not in have:
            hint = nearest(name.rstrip("/"), have)
            yield DataError(f"there is no folder `{name}` in this scenario", where=document.where(loc), hint=hint)
    present = _wrong_folders(folder)
    for index, name in enumerate(file.wrong):
        if name not in present:
            hint = nearest(name, present)
            yield DataError(
                f"there is no folder `wrong/{name[:80]}`", where=document.where(("wrong", index)), hint=hint
            )
    for name in sorted(present - set(file.wrong)):
        message = f"`wrong/{name}` lies in the folder and is not listed under `wrong`"
        yield DataError(
            message, where=document.where(("wrong",)), hint=f"add `{name}` to `wrong`, or remove the folder"
        )


def _wrong_folders(folder: Path) -> set[str]:
    """Return the names that are there; a name of the file is never made a path, it may be anything."""
    wrong = folder / "wrong"
    return {path.name for path in _entries(wrong) if path.is_dir()} if wrong.is_dir() else set()


def _diagnosis(file: ScenarioFile, document: Document) -> Iterator[DataError]:
    if file.kind == "diagnose" and file.diagnosis is None:
        yield DataError("kind `diagnose` needs a `diagnosis`", where=document.where(("kind",)))
    if file.diagnosis and file.diagnosis.cause not in (known := {option.id for option in file.diagnosis.options}):
        where = document.where(("diagnosis", "cause"))
        yield DataError(
            f"`cause` names no option: `{file.diagnosis.cause}`", where=where, hint=nearest(file.diagnosis.cause, known)
        )


def _fix(folder: Path, name: str, errors: list[DataError], scenario: ScenarioFile | None) -> Fix | None:
    file, document = _read(FixFile, folder / "fix.yaml", errors)
    if file is None or document is None:
        return None
    for index, step in enumerate(file.steps):
        if step.copy_ and not (folder / step.copy_).is_dir():
            where = document.where(("steps", index, "copy"))
            errors.append(DataError(f"there is no folder `{step.copy_}` beside this file", where=where))
        for program in ("helm", "git"):
            if getattr(step, program) and scenario is not None and program not in scenario.requires.tools:
                message, hint = f"`requires` does not name {program}", f"`requires: {{tools: [{program}]}}`"
                errors.append(DataError(message, where=document.where(("steps", index, program)), hint=hint))
        if step.answer and scenario is not None:
            errors.extend(_answer(step.answer, scenario, document, ("steps", index, "answer")))
    return Fix(id=name, folder=folder, file=file)


def _answer(answer: StepAnswer, scenario: ScenarioFile, document: Document, loc: Path_) -> Iterator[DataError]:
    if scenario.diagnosis is None:
        yield DataError("this scenario has no `diagnosis` to answer", where=document.where(loc))
    elif answer.cause not in (known := {option.id for option in scenario.diagnosis.options}):
        hint = nearest(answer.cause, known)
        yield DataError(f"`cause` names no option: `{answer.cause}`", where=document.where((*loc, "cause")), hint=hint)


def _repository(folder: Path, scenario: ScenarioFile, errors: list[DataError]) -> Repository | None:
    if not (folder / "repository.yaml").is_file():
        return None
    file, document = _read(Repository, folder / "repository.yaml", errors)
    if document is None:
        return None
    if "git" not in scenario.requires.tools:
        hint = "`requires: {tools: [git]}` in scenario.yaml"
        errors.append(DataError("a repository needs git", where=document.where(("folder",)), hint=hint))
    if file is not None and (folder / "workspace" / file.folder).exists():
        where, hint = document.where(("folder",)), "its files are those of the newest commit"
        errors.append(DataError(f"`workspace/{file.folder}` exists too", where=where, hint=hint))
    return file


def _text(path: Path, errors: list[DataError]) -> str:
    try:
        return read_text(path).strip()
    except DataError as error:
        errors.append(error)
        return ""


def _hints(path: Path, file: ScenarioFile, errors: list[DataError]) -> dict[str, str]:
    text = _text(path, errors)
    sections: dict[str, list[str]] = {}
    current: list[str] | None = None
    known = set(file.hints)
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## "):
            level = line[3:].strip()
            if level not in known or level in sections:
                said = "stands here twice" if level in sections else "is not one of the scenario's `hints`"
                errors.append(
                    DataError(f"section `{level}` {said}", where=place(path, number), hint=nearest(level, known))
                )
            current = sections.setdefault(level, [])
        elif current is not None:
            current.append(line)
    hints = {level: "\n".join(lines).strip() for level, lines in sections.items()}
    absent = [level for level in file.hints if text and not hints.get(level)]
    errors.extend(DataError(f"section `## {level}` is missing or empty", where=place(path, 1)) for level in absent)
    return hints


def _unique(chapters: list[Chapter], errors: list[DataError]) -> None:
    seen: dict[str, Path] = {}
    for chapter in chapters:
        for scenario in chapter.scenarios:
            if scenario.id in seen:
                where = place(scenario.folder / "scenario.yaml", 1)
                hint = f"the other is {place(seen[scenario.id])}"
                errors.append(DataError(f"two scenarios are called `{scenario.id}`", where=where, hint=hint))
            seen.setdefault(scenario.id, scenario.folder)
