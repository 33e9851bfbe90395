"""Does something with a folder now and after every save, by looking at the times of its files.

`labs prove --watch` calls it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

EVERY = 0.5  # seconds between two looks

Stamp = frozenset[tuple[str, int, int]]


def stamp(folder: Path) -> Stamp:
    """Return what tells one state of a folder's files from another; what vanishes while it is read is left out."""
    found = set()
    for path in folder.rglob("*"):
        try:
            status = path.stat()
        except OSError:
            continue
        if path.is_file() and not path.name.startswith("."):
            found.add((str(path), status.st_mtime_ns, status.st_size))
    return frozenset(found)


def watch(
    folder: Path,
    act: Callable[[Callable[[], bool]], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Act at once, and again whenever a file of the folder has changed. It ends with `KeyboardInterrupt` only.

    Args:
        folder: What is watched.
        act: What is done; it is handed a function that says whether something has changed since it began, so that it
            can end early. A folder is read only when it has been at rest for one look: editors write in steps.
        sleep: Lets time pass.
    """
    seen: Stamp | None = None
    while True:
        now = stamp(folder)
        if now == seen:
            sleep(EVERY)
            continue
        if seen is not None:
            sleep(EVERY)
            if stamp(folder) != now:
                continue
        seen = now
        act(lambda begun=now: stamp(folder) != begun)  # type: ignore[misc] # mypy does not infer a default's type
