"""The learner's files of a task: a private folder, put back to what the scenario ships.

Called by `seeding.py` and `fixes.py`.
"""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from labs import paths
from labs.errors import MachineError


def folder(cluster: str, scenario_id: str) -> Path:
    """Return where the files of a task lie; the folder need not be there."""
    return paths.state_dir() / "workspaces" / cluster / scenario_id


_UNBROKEN: Mapping[str, str] = {}


def restore(source: Path, target: Path, broken: Mapping[str, str] = _UNBROKEN) -> None:
    """Make `target` hold what `source` holds and nothing else; without a `source`, nothing.

    The folder itself stays, as the learner's shell may stand in it.

    Args:
        source: What the scenario ships.
        target: The learner's folder.
        broken: Path → text of the files that a fault has changed (`labs.inject.files`).
    """
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in target.iterdir():
            _remove(path)
        if source.is_dir():
            copy(source, target)
        for name, text in broken.items():
            (target / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise MachineError(f"the task's files cannot be written: {error}", where=str(target)) from None


def copy(source: Path, target: Path) -> None:
    """Save all files below `source` over those in `target`."""
    try:
        for path in _files(source):
            saved = target / path.relative_to(source)
            saved.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, saved)
    except OSError as error:
        raise MachineError(f"the task's files cannot be written: {error}", where=str(target)) from None


def remove(target: Path) -> None:
    """Remove the task's files."""
    shutil.rmtree(target, ignore_errors=True)


def differs(source: Path, target: Path, broken: Mapping[str, str] = _UNBROKEN, *, apart: str = "") -> list[str]:
    """Return the files that are not what `restore` makes of them, by name; those in the folder `apart` do not count."""
    ours = {p.relative_to(source): p for p in _files(source)} if source.is_dir() else {}
    theirs = {p.relative_to(target): p for p in _files(target)} if target.is_dir() else {}
    wrong = {name for name in set(ours) ^ set(theirs) if not apart or name.parts[0] != apart}
    for name in set(ours) & set(theirs):
        text = broken.get(name.as_posix())
        same = (
            filecmp.cmp(ours[name], theirs[name], shallow=False)
            if text is None
            else theirs[name].read_bytes() == text.encode()
        )
        if not same:
            wrong.add(name)
    return sorted(str(name) for name in wrong)


def _files(root: Path) -> Iterator[Path]:
    return (p for p in sorted(root.rglob("*")) if p.is_file())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
