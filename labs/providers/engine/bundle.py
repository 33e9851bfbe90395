"""Making an offline bundle: binaries, system tools, image archives, checksums and an SBOM in one tar.

Called by `labs bundle build|import`. Reading one is in `bundle_reader`, which the resolver uses too; `import_` is here
as well, so that a caller needs one module.
"""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from labs import images, paths
from labs.errors import Interrupted, MachineError, UsageError
from labs.events import Listener, Progress, State, Step, silent
from labs.images import base, recipe
from labs.providers.engine import bundle_reader, catalog, components, sbom, store
from labs.providers.engine.bundle_reader import Entry, import_

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["build", "import_"]

_STEP = bundle_reader.STEP
_GZIP_LEVEL = 4  # binaries: nearly the size of 9 in a third of the time


def build(path: Path, emit: Listener = silent) -> Path:
    """Write a bundle of everything the engine needs on this kind of machine, and `PATH.sha256` beside it.

    Args:
        path: File to write: `.tar`, or `.tar.gz` (smaller, half a minute longer).
        emit: Told how far it has come.

    Returns:
        `path`.

    Raises:
        UsageError: The name says a format that is not one of these.
        LabsError: A component or an image cannot be had, or the disk is full.
    """
    if not path.name.endswith((".tar", ".tar.gz", ".tgz")):
        raise UsageError(f"{path.name} is no name for a bundle", hint="end it in .tar or .tar.gz")
    started = time.monotonic()
    # Offline, nothing can be had later: also what only single tasks need.
    binaries = components.ensure(emit, {*catalog.load(), components.RUNC})
    files = dict(_files(binaries))
    every = images.ensure(emit) + images.ensure_on_demand(emit=emit)  # offline, nothing can be made later
    files |= {str(image.archive.relative_to(paths.cache_dir())): image.archive for image in every}
    title = f"Packing {path.name}"
    emit(Step(_STEP, title, State.RUNNING, f"{len(files)} files"))
    draft = path.with_name(f".{path.name}.part")
    try:
        _write(draft, files, _sbom(binaries, every), emit)
        path.with_name(f"{path.name}.sha256").write_text(f"{store.sha256_of(draft)}  {path.name}\n")
        draft.replace(path)
    except OSError as error:
        raise MachineError(f"The bundle cannot be written: {error.strerror or error}", where=str(path)) from error
    except KeyboardInterrupt as error:
        raise Interrupted("Stopped while the bundle was written; nothing is left of it") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    emit(Step(_STEP, title, State.DONE, f"{path.stat().st_size / 1e6:.0f} MB", time.monotonic() - started))
    return path


def _files(binaries: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Yield name in the bundle → file, for the components, runc and the CNI plugins."""
    for component in catalog.load().values():
        path = binaries[component.name]
        yield str(path.relative_to(paths.cache_dir())), path
    prefix = bundle_reader.system_prefix()
    yield f"{prefix}/{components.RUNC}", binaries[components.RUNC].resolve()
    for plugin in sorted(components.cni_bin_dir().iterdir()):
        if plugin.is_file():
            yield f"{prefix}/cni/{plugin.name}", plugin.resolve()


def _sbom(binaries: Mapping[str, Path], every: list[images.Image]) -> str:
    hashes = {component: store.sha256_of(binaries[component.name]) for component in catalog.load().values()}
    archives = {image.archive: store.sha256_of(image.archive) for image in every}
    return sbom.document(
        hashes,
        {image.reference: archives[image.archive] for image in every},
        bases=[tar for tar in map(base.local_path, base.candidates()) if tar.is_file()],
        requirements=[each.wheels for each in recipe.discover() if each.wheels],
    )


def _write(target: Path, files: Mapping[str, Path], bill: str, emit: Listener) -> None:
    entries = [
        Entry(name, store.sha256_of(path), path.stat().st_size, executable=not name.startswith("images/"))
        for name, path in sorted(files.items())
    ]
    manifest = {"apiVersion": bundle_reader.API, "files": [asdict(entry) for entry in entries]}
    started = time.monotonic()
    total = sum(entry.size for entry in entries)
    done = 0
    with _open(target) as tar:
        _add(tar, bundle_reader.MANIFEST, json.dumps(manifest, indent=1).encode())
        _add(tar, bundle_reader.SBOM, bill.encode())
        for entry in entries:
            with files[entry.name].open("rb") as stream:
                tar.addfile(_member(entry.name, entry.size), stream)
            done += entry.size
            emit(Progress(_STEP, done, total, "bytes", time.monotonic() - started))


def _open(target: Path) -> tarfile.TarFile:
    if ".tar.gz" in target.name or ".tgz" in target.name:
        return tarfile.open(target, "w:gz", compresslevel=_GZIP_LEVEL)
    return tarfile.open(target, "w")


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_member(name, len(content)), io.BytesIO(content))


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member
