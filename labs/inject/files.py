"""The learner's files of a task as the task begins: what the scenario ships, with the faults over files. Pure reading.

`labs.attempts.workspace` writes them and compares with them; `labs.course.lint` asks whether the faults fit.
"""

from __future__ import annotations

from labs.course.models import Scenario
from labs.errors import DataError
from labs.inject import faults


def broken(scenario: Scenario) -> dict[str, str]:
    """Return the files that faults change, by path from the workspace's folder; all others are as they are shipped.

    Raises:
        DataError: A fault does not fit the files.
    """
    chosen = [f for f in scenario.file.faults if f.use and faults.is_edit(f.use)]
    if not chosen:
        return {}
    root = scenario.folder / "workspace"
    shipped = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        try:
            shipped[path.relative_to(root).as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # no text: no fault is about it
        except OSError as error:
            raise DataError(f"a file of the workspace cannot be read: {error}", where=str(path)) from None
    files = dict(shipped)
    for fault in chosen:
        files = faults.edit(files, fault.use, fault.with_)
    return {name: text for name, text in files.items() if shipped.get(name) != text}
