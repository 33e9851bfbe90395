"""Makes the folder of a new scenario from the templates in `starter/`. `labs new` calls it.

What it makes can be proved as it is: a small task about a Service, of the kind that was asked for. Every place that an
author has to change says `TODO`, and lint names each with its line until none is left.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from labs import paths
from labs.course.explain import nearest
from labs.course.load import scan
from labs.course.models import ID, Chapter, Kind
from labs.course.schema import schema
from labs.errors import MachineError, UsageError

STARTER = Path(__file__).parent / "starter"
SCHEMAS = ".schema"
_LONGEST = 40


def create(name: str, *, chapter: int, kind: Kind, lesson: str = "", root: Path | None = None) -> list[Path]:
    """Make the folder of a scenario; return its files.

    Args:
        name: The scenario's id; also the name of its folder and of its first namespace.
        chapter: Number of the chapter.
        kind: What it will ask of the learner.
        lesson: Its lesson; default: the chapter's first.
        root: Folder of the course; default: `paths.scenarios_dir()`.

    Raises:
        UsageError: The id is taken or malformed, or there is no such chapter or lesson. Nothing was made.
        MachineError: The folder cannot be written.
    """
    root = root or paths.scenarios_dir()
    found = _chapter(chapter, root)
    _free(name, root)
    lesson = lesson or next(iter(found.lessons), "")
    if lesson not in found.lessons:
        raise UsageError(f"chapter {chapter} has no lesson {lesson}", hint=f"its lessons: {', '.join(found.lessons)}")
    folder = root / f"{found.number}-{found.slug}" / name
    words = {"@ID@": name, "@LESSON@": lesson, "@KIND@": kind.value}
    try:
        write_schemas(root)
        return [path for part in ("common", kind.value) for path in _copy(STARTER / part, folder, words)]
    except OSError as error:
        raise MachineError(f"the folder cannot be written: {error.strerror or error}", where=str(folder)) from None


def _chapter(number: int, root: Path) -> Chapter:
    chapters = scan(root).course.chapters
    for chapter in chapters:
        if chapter.number == number:
            return chapter
    known = ", ".join(f"{c.number} ({c.title})" for c in chapters) or "none"
    raise UsageError(f"there is no chapter {number}", hint=f"the chapters: {known}")


def _free(name: str, root: Path) -> None:
    if not re.fullmatch(ID, name) or len(name) > _LONGEST:
        hint = f"lower-case words joined by dashes, such as model-not-found; at most {_LONGEST} characters"
        raise UsageError(f"`{name}` cannot be an id", hint=hint)
    taken = next((path for path in root.glob(f"*/{name}") if path.exists()), None)
    if taken is not None:
        raise UsageError(f"there is a scenario `{name}` already", hint=f"it lies in {taken.parent.name}/{name}")
    spaces = {space: s.id for s in scan(root).course.scenarios for space in s.file.namespaces}
    if name in spaces:
        raise UsageError(f"the namespace `{name}` is {spaces[name]}'s", hint="choose another id")


def _copy(source: Path, target: Path, words: dict[str, str]) -> list[Path]:
    made = []
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        text = path.read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        fresh = target / path.relative_to(source)
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, encoding="utf-8")
        made.append(fresh)
    return made


def write_schemas(root: Path | None = None) -> list[Path]:
    """Write the schemas to where the first line of every new file points an editor; return them.

    The folder ignores itself in Git: its files can be made again at any time.
    """
    folder = (root or paths.scenarios_dir()) / SCHEMAS
    folder.mkdir(exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    made = []
    for name, body in schema().items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        made.append(path)
    return made


def kind_of(word: str) -> Kind:
    """Return the kind of that name; raises `UsageError` for another word."""
    known = [kind.value for kind in Kind]
    if word not in known:
        raise UsageError(f"there is no kind `{word}`", hint=nearest(word, known))
    return Kind(word)
