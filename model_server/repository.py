"""The models on disk: which there are, which version answers, and loading them in the background.

`__main__` calls `scan` before the port opens, so that a missing model ends the process at once; `infer`, `app` and
`metrics` look models up. Not for formats or downloads.
"""

from __future__ import annotations

import logging
import re
import threading
from typing import TYPE_CHECKING

from model_server import logs
from model_server.errors import NotFound, StartupError
from model_server.runtime import Model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from model_server.config import Settings
    from model_server.faults import Faults

FILE = "model.onnx"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # leaves out `..data` and its kin in mounted volumes


class Repository:
    """The models that are served.

    Args:
        models: By name, then by version.
    """

    def __init__(self, models: dict[str, dict[int, Model]]) -> None:
        self._models = models

    def __iter__(self) -> Iterator[Model]:
        for versions in self._models.values():
            yield from versions.values()

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model as the protocol writes them, rising.

        Raises:
            NotFound: There is no such model.
        """
        if name not in self._models:
            raise NotFound(f"unknown model {name[:100]!r}")
        return [str(version) for version in sorted(self._models[name])]

    def find(self, name: str, version: str | None = None) -> Model:
        """Return a model, ready or not; without a version, the highest.

        Raises:
            NotFound: There is no such model or version.
        """
        versions = self._models.get(name)
        if versions is None:
            raise NotFound(f"unknown model {name[:100]!r}")
        if version is None:
            return versions[max(versions)]
        if not version.isascii() or not version.isdigit() or int(version[:18]) not in versions:
            raise NotFound(f"unknown version {version[:100]!r} of model {name!r}")
        return versions[int(version[:18])]

    def problem(self) -> str | None:
        """Say why a request could fail now, or None when every model would answer."""
        for model in self:
            if model.problem is not None:
                return f"model {model.label}: {model.problem}"
        return None

    def load_in_background(self, faults: Faults) -> threading.Thread:
        """Start to load every model, one after the other.

        Args:
            faults: May hold up the beginning.
        """
        thread = threading.Thread(target=self._load, args=(faults,), name="loader", daemon=True)
        thread.start()
        return thread

    def _load(self, faults: Faults) -> None:
        faults.before_load()
        for model in self:
            model.load()


def scan(settings: Settings, faults: Faults) -> Repository:
    """Find the models that the settings ask for.

    Args:
        settings: `model_path`, `model_name` and `model_version` say where and which.
        faults: Handed to every model.

    Raises:
        StartupError: A model that must be there is not; the message is "model not found".
    """
    root = settings.model_path
    names = [settings.model_name] if settings.model_name else _folders(root)
    models: dict[str, dict[int, Model]] = {}
    for name in names:
        files = _versions(root / name, settings.model_version) if _NAME.fullmatch(name) else {}
        if files:
            models[name] = {number: Model(name, number, file, settings, faults) for number, file in files.items()}
        elif not settings.model_name:
            logs.event(logging.WARNING, "folder without a model", path=str(root / name))
    if not models:
        version = str(settings.model_version or "*")
        missing = root / settings.model_name / version / FILE if settings.model_name else root
        raise StartupError(
            "model not found",
            exit_code=1,
            path=str(missing),
            found=_folders(root),
            hint="the model path must hold <model>/<version>/model.onnx",
        )
    return Repository(models)


def _folders(root: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in root.iterdir() if _NAME.fullmatch(entry.name) and entry.is_dir())
    except OSError:
        return []


def _versions(folder: Path, only: int) -> dict[int, Path]:
    numbers = [int(name) for name in _folders(folder) if name.isascii() and name.isdigit() and str(int(name)) == name]
    files = {number: folder / str(number) / FILE for number in sorted(numbers)}
    return {number: file for number, file in files.items() if file.is_file() and only in {0, number}}
