"""The cache of the engine's binaries: a folder per component, version and digest, each file with its recorded SHA-256.

Called by the resolver (`components`) and the bundle. A file enters by one atomic rename, so what is here is whole; on
use its size and time are compared, and only where they differ, or where `labs doctor` asks, is it hashed again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from labs import paths
from labs.events import Listener, Notice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labs.providers.engine.catalog import Component

_LOCK_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Record:
    """What was known of a file when it entered the cache.

    Attributes:
        sha256: Its hash, lower-case hex.
        size: Its length in bytes.
        mtime_ns: Its modification time; another time means "hash it again", not "broken".
        origin: `bundle`, `download`, `build`, each with a word on where exactly.
        seconds: How long that took.
    """

    sha256: str
    size: int
    mtime_ns: int
    origin: str
    seconds: float = 0.0


def binary(component: Component) -> Path:
    """Return where this very version of a component lies, or would."""
    return paths.cache_dir() / "bin" / component.name / component.key / component.name


def record(path: Path) -> Record | None:
    """Return what was recorded for a cached file, None where there is no readable record."""
    try:
        return Record(**json.loads(_record_file(path).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def lookup(path: Path, *, full: bool = False) -> Path | None:
    """Return the cached file if it is what was recorded, else None.

    Args:
        path: Its place in the cache, for instance `binary(component)`.
        full: Hash the file even where size and time are as recorded.
    """
    known = record(path)
    try:
        found = path.stat()
    except OSError:
        return None
    if known is None or found.st_size != known.size:
        return None
    if not full and found.st_mtime_ns == known.mtime_ns:
        return path
    if sha256_of(path) != known.sha256:
        return None
    if found.st_mtime_ns != known.mtime_ns:
        with contextlib.suppress(OSError):  # a cache that we may only read is still a cache
            _write_record(path, replace(known, mtime_ns=found.st_mtime_ns))
    return path


def add(path: Path, source: Path, *, origin: str, seconds: float = 0.0) -> Path:
    """Move a finished file into the cache, whole or not at all.

    Args:
        path: Its place in the cache.
        source: The file, in the cache's file system (see `scratch`); it is moved.
        origin: Where it came from, for `labs doctor` and the SBOM.
        seconds: How long that took.

    Returns:
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = sha256_of(source)
    with source.open("rb") as stream:
        os.fsync(stream.fileno())
    status = source.stat()
    # The record goes first: a crash between the two leaves a record without its file, which counts as absent.
    _write_record(path, Record(digest, status.st_size, status.st_mtime_ns, origin, round(seconds, 1)))
    source.replace(path)
    return path


def remove(path: Path) -> None:
    """Remove a cached file and its record; no error when it is not there."""
    path.unlink(missing_ok=True)
    _record_file(path).unlink(missing_ok=True)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a temporary folder in the cache's file system, removed on every way out.

    Folders that a `kill -9` left behind are removed too, once nobody's process id matches them.
    """
    parent = paths.cache_dir() / "tmp"
    parent.mkdir(exist_ok=True)
    for old in parent.iterdir():
        if not _alive(old.name.split("-")[0]):
            shutil.rmtree(old, ignore_errors=True)
    path = parent / f"{os.getpid()}-{time.monotonic_ns()}"
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def lock(name: str, emit: Listener) -> Iterator[None]:
    """Hold a lock of the cache; another lab that holds it is waited for, however long its build takes.

    Args:
        name: What is locked, for instance `components`.
        emit: Told once when there is somebody to wait for.
    """
    path = paths.cache_dir() / f"{name}.lock"
    with path.open("a+") as stream:
        told = False
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    stream.seek(0)
                    who = stream.read().strip() or "unknown"
                    emit(Notice(f"Another lab (process {who}) prepares the {name}; waiting until it is done"))
                    told = True
                time.sleep(_LOCK_POLL_SECONDS)
        stream.seek(0)
        stream.truncate()
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _record_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _write_record(path: Path, new: Record) -> None:
    target = _record_file(path)
    draft = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    draft.write_text(json.dumps(asdict(new), indent=1) + "\n")
    draft.replace(target)


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):
        return True
    return True
