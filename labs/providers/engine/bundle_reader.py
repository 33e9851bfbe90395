"""Taking an offline bundle in: its checksum, its manifest, its members, each checked before it enters the cache.

Called by the resolver (`components`, for `LABS_BUNDLE`) and by `bundle`, which also writes bundles. Nothing is trusted:
the file is hashed first, a member must be a plain file that the manifest names and hashes, and nothing is written
outside the cache.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from labs import paths
from labs.errors import ComponentError, DataError
from labs.events import Listener, Progress, State, Step, silent
from labs.providers.engine import catalog, download, store

MANIFEST = "manifest.json"
SBOM = "sbom.cdx.json"
API = "labs/v1"
STEP = "bundle"
CHUNK = 1 << 20
_MANIFEST_LIMIT = 16 << 20
_EVENT_SECONDS = 0.5
# The folders a bundle may write to, each below the cache; no part of a name may begin with a dot.
_NAME = re.compile(r"(?:bin|system|images)(?:/[A-Za-z0-9][A-Za-z0-9._+-]*)+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a bundle.

    Attributes:
        name: Path in the tar and, below the cache folder, on this machine.
        sha256: Its hash.
        size: Bytes.
        executable: Whether it is a program.
    """

    name: str
    sha256: str
    size: int
    executable: bool


def import_(path: Path, emit: Listener = silent) -> list[str]:
    """Take a bundle file into the cache.

    Args:
        path: The tar; `PATH.sha256` lies beside it.
        emit: Told how far it has come.

    Returns:
        The names of the files taken in.

    Raises:
        DataError: The file is not there, has no or another checksum, or is not a bundle. What was taken in before the
            fault stays: each file was checked on its own.
    """
    started = time.monotonic()
    emit(Step(STEP, f"Importing {path.name}", State.RUNNING, "checking its checksum"))
    try:
        _verify(path)
        with store.scratch() as scratch, tarfile.open(path, "r|*") as tar:
            names = _take_in(tar, path, scratch, emit)
    except (OSError, tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
        emit(Step(STEP, f"Importing {path.name}", State.FAILED, str(error)))
        raise DataError(f"This is no bundle that can be used: {error}", where=str(path), hint=_HINT) from error
    except DataError as error:
        emit(Step(STEP, f"Importing {path.name}", State.FAILED, error.message))
        raise
    emit(Step(STEP, f"Importing {path.name}", State.DONE, f"{len(names)} files", time.monotonic() - started))
    return names


def import_location(location: str, scratch: Path, emit: Listener) -> None:
    """Take in what `LABS_BUNDLE` names: a file, or a URL that is downloaded first.

    Raises:
        DataError: It is not usable.
        ComponentError: The URL does not answer or its checksum is another.
    """
    if not location.startswith(("http://", "https://")):
        import_(Path(location).expanduser(), emit)
        return
    name = location.split("?", maxsplit=1)[0].rsplit("/", 1)[-1] or "bundle.tar.gz"
    target = scratch / name
    download.fetch_with_checksum(location, target)
    target.with_name(f"{name}.sha256").write_text(f"{store.sha256_of(target)}  {name}\n")
    import_(target, emit)


def system_file(name: str) -> Path | None:
    """Return a system tool that a bundle brought for this processor: `runc`, or the folder `cni`; None without one."""
    path = system_dir() / name
    return path if path.exists() else None


def system_dir() -> Path:
    """Return the folder of the system tools that came out of a bundle."""
    return paths.cache_dir() / system_prefix()


def system_prefix() -> str:
    """Return the bundle's folder of system tools for this processor."""
    return f"system/linux-{catalog.go_arch()}"


_HINT = "make it again with labs bundle build FILE, and copy FILE.sha256 along with it"


def _verify(path: Path) -> None:
    sidecar = path.with_name(f"{path.name}.sha256")
    if not path.is_file():
        raise DataError("There is no such file", where=str(path), hint="labs bundle build FILE makes one")
    if not sidecar.is_file():
        raise DataError("The checksum file is missing", where=str(sidecar), hint=_HINT)
    try:
        expected = download.checksum_for(sidecar.read_text(), path.name)
    except ComponentError as error:
        raise DataError(error.message, where=str(sidecar), hint=_HINT) from error
    if (actual := store.sha256_of(path)) != expected:
        raise DataError(f"Its SHA-256 is {actual}, expected is {expected}", where=str(path), hint=_HINT)


def _take_in(tar: tarfile.TarFile, path: Path, scratch: Path, emit: Listener) -> list[str]:
    entries: dict[str, Entry] | None = None
    taken: list[str] = []
    started = told = time.monotonic()
    done = total = 0
    for member in tar:
        stream = tar.extractfile(member) if member.isreg() else None
        if stream is None:
            raise DataError(f"{member.name} is not a plain file", where=str(path), hint=_HINT)
        if entries is None:
            entries = _manifest(member, stream)
            total = sum(entry.size for entry in entries.values())
            continue
        if member.name == SBOM:
            continue
        entry = entries.get(member.name)
        if entry is None:
            raise DataError(f"{member.name} is not in the bundle's manifest", where=str(path), hint=_HINT)
        _install(entry, stream, scratch)
        taken.append(entry.name)
        done += entry.size
        if (now := time.monotonic()) - told >= _EVENT_SECONDS:
            told = now
            emit(Progress(STEP, done, total, "bytes", now - started))
    if entries is None or set(taken) != set(entries):
        raise DataError("Files of the manifest are missing", where=str(path), hint=_HINT)
    return taken


def _manifest(member: tarfile.TarInfo, stream: IO[bytes]) -> dict[str, Entry]:
    if member.name != MANIFEST or member.size > _MANIFEST_LIMIT:
        raise ValueError(f"it does not begin with {MANIFEST}")
    document: dict[str, Any] = json.load(stream)
    if document.get("apiVersion") != API:
        raise ValueError(f"its format is {document.get('apiVersion')!r}, this version reads {API}")
    entries = [Entry(**fields) for fields in document["files"]]
    for entry in entries:
        if not _NAME.fullmatch(entry.name):
            raise ValueError(f"{entry.name!r} lies outside the folders of a bundle")
    return {entry.name: entry for entry in entries}


def _install(entry: Entry, stream: IO[bytes], scratch: Path) -> None:
    draft = scratch / "member"
    digest = hashlib.sha256()
    with draft.open("wb") as target:
        while chunk := stream.read(CHUNK):
            target.write(chunk)
            digest.update(chunk)
    if digest.hexdigest() != entry.sha256:
        raise ValueError(f"{entry.name} has the SHA-256 {digest.hexdigest()}, the manifest says {entry.sha256}")
    draft.chmod(0o755 if entry.executable else 0o644)
    store.add(paths.cache_dir() / entry.name, draft, origin="bundle")
