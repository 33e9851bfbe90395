"""What lies in the model folder: names, versions, files; nothing is opened here but folders.

`repository` calls it at the start and at each load. A name is a folder, a version a folder with a whole number for a
name, or an entry of the config file's `artifacts`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model_server import guard
from model_server.errors import StartupError
from model_server.model_config import FILE as CONFIG_FILE

if TYPE_CHECKING:
    from model_server.config import Settings
    from model_server.model_config import Artifact, ModelConfig

FILE = "model.onnx"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # leaves out `..data` and its kin in mounted volumes
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Found:
    """One model's folder.

    Attributes:
        name: Of the model.
        folder: Its folder.
        files: ONNX files by version.
        only: Serve this version only; 0: all.
        error: Why the folder must not be read further; None when all is well.
    """

    name: str
    folder: Path
    files: dict[int, Path]
    only: int
    error: str | None

    def sources(self, config: ModelConfig) -> dict[int, Path | Artifact]:
        """Return where each version comes from, rising.

        Args:
            config: May name artifacts, and the versions to serve.
        """
        found: dict[int, Path | Artifact] = {**self.files, **dict(config.artifacts)}
        return {
            number: source
            for number, source in sorted(found.items())
            if self.only in {0, number} and (not config.versions or number in config.versions)
        }


def scan(settings: Settings) -> list[Found]:
    """Return every model that the settings ask for.

    Args:
        settings: `model_path`, `model_name` and `model_version` say where and which.
    """
    return [found for name in names(settings) if (found := look(settings, name)) is not None]


def names(settings: Settings) -> list[str]:
    """Return the names of the models that may be served."""
    return [settings.model_name] if settings.model_name else _folders(settings.model_path)


def look(settings: Settings, name: str) -> Found | None:
    """Return one model's folder, or None when there is none or this server is not to serve it.

    Args:
        settings: As above.
        name: As a client or a setting gives it.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME or settings.model_name not in {"", name}:
        return None
    folder = settings.model_path / name
    if not folder.is_dir():
        return None
    try:
        guard.inside(folder, settings.model_path)
        guard.inside(folder / CONFIG_FILE, settings.model_path)
    except guard.Refused as refused:
        return Found(name, folder, {1: folder / "1" / FILE}, 0, str(refused))
    return Found(name, folder, _versions(folder), settings.model_version, None)


def missing(settings: Settings) -> StartupError:
    """Return the error for a model that must be there and is not."""
    root = settings.model_path
    version = str(settings.model_version or "*")
    return StartupError(
        "model not found",
        exit_code=1,
        path=str(root / settings.model_name / version / FILE if settings.model_name else root),
        found=_folders(root),
        hint="the model path must hold <model>/<version>/model.onnx",
    )


def fingerprint(source: Path | Artifact) -> tuple[int, ...]:
    """Return numbers that change when the file does; an artifact's digest says it already."""
    if not isinstance(source, Path):
        return ()
    try:
        about = source.stat()
    except OSError:
        return ()
    return (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)


def _folders(root: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in root.iterdir() if _NAME.fullmatch(entry.name) and entry.is_dir())
    except OSError:
        return []


def _versions(folder: Path) -> dict[int, Path]:
    numbers = [int(name) for name in _folders(folder) if name.isascii() and name.isdigit() and str(int(name)) == name]
    files = {number: folder / str(number) / FILE for number in sorted(numbers)}
    return {number: file for number, file in files.items() if file.is_file()}
