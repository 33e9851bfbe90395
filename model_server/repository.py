"""The models that are served: finding them at the start, looking them up, changing them while requests run.

`__main__` calls `open_repository` before the port opens, so that a missing model ends the process at once; `infer`,
`app` and `metrics` look models up; `control` loads and unloads. The map of models is replaced as a whole and only by
the event loop's thread (or before there is one), so lookups need no lock. `catalogue` knows what lies on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, cast

from model_server import catalogue, logs, model_config
from model_server.errors import BadRequest, NotFound
from model_server.runtime import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_server.config import Settings
    from model_server.faults import Faults

T = TypeVar("T")

_POLL_S = 0.002
#: Longest wait for a request that holds a model which is to go: a stalled client must not hold memory for ever.
_RETIRE_S = 30.0


class Repository:
    """The models that are served.

    Args:
        settings: Where models lie, and which to serve.
        faults: Handed to every model.
    """

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self._settings = settings
        self._faults = faults
        self._models: dict[str, dict[int, Model]] = {}
        self._retiring: list[Model] = []
        self._stats: dict[tuple[str, int], Any] = {}
        self._failures: dict[tuple[str, int], str] = {}
        self._gate = threading.Lock()  # one model at a time is loaded or closed
        self._changing = asyncio.Lock()

    def __iter__(self) -> Iterator[Model]:
        for versions in list(self._models.values()):
            yield from versions.values()

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model as the protocol writes them, rising.

        Raises:
            NotFound: There is no such model.
        """
        if name not in self._models:
            raise NotFound(f"unknown model {name[:100]!r}")
        return [str(version) for version in self._models[name]]

    def find(self, name: str, version: str | None = None) -> Model:
        """Return a model, ready or not; without a version, the highest that is ready, else the highest.

        Raises:
            NotFound: There is no such model or version.
        """
        versions = self._models.get(name)
        if versions is None:
            raise NotFound(f"unknown model {name[:100]!r}")
        if version is None:
            highest = next(reversed(versions.values()))
            if highest.problem is None:
                return highest
            return next((model for model in reversed(versions.values()) if model.problem is None), highest)
        if not version.isascii() or not version.isdigit() or int(version[:18]) not in versions:
            raise NotFound(f"unknown version {version[:100]!r} of model {name!r}")
        return versions[int(version[:18])]

    def problem(self) -> str | None:
        """Say why a request could fail now, or None when every model that must be there would answer."""
        for model in self:
            if model.problem is not None and model.required:
                return f"model {model.label}: {model.problem}"
        return None

    def start(self) -> None:
        """Find the models that the settings ask for.

        Raises:
            StartupError: A model that must be there is not; the message is "model not found".
        """
        for found in catalogue.scan(self._settings):
            models = self._make(found, None)
            for model in models.values():
                model.required = True
            if models:
                self._models[found.name] = models
            elif not self._settings.model_name:
                logs.event(logging.WARNING, "folder without a model", path=str(self._settings.model_path / found.name))
        if not self._models:
            raise catalogue.missing(self._settings)

    def load_in_background(self) -> None:
        """Start to load every model, one after the other."""
        threading.Thread(target=self._load_all, name="loader", daemon=True).start()

    def _load_all(self) -> None:
        self._faults.before_load()
        for model in self:
            self._load(model)

    def _load(self, model: Model) -> None:
        with self._gate:
            if model.problem == "loading":  # it may have failed or been unloaded by now
                model.load()

    def _close(self, model: Model) -> None:
        with self._gate:
            model.close("unloaded")

    def _make(self, found: catalogue.Found, override: Any) -> dict[int, Model]:
        """Make, but not load, a model for each version; a wrong config file makes models that have failed."""
        base = model_config.default(self._settings)
        error = found.error
        config = base
        if error is None:
            try:
                config = model_config.apply(model_config.read(found.folder, base), override)
            except model_config.ConfigError as wrong:
                error = str(wrong)
        models = {}
        for number, source in found.sources(config).items():
            model = Model(found.name, number, source, config=config, settings=self._settings, faults=self._faults)
            model.fingerprint = catalogue.fingerprint(source)
            model.stats = self._stats.setdefault((found.name, number), model.stats)
            if error is not None:
                model.fail(error)
            models[number] = model
        return models

    async def load(self, name: str, override: Any) -> None:
        """Serve what the model's folder holds now: new and changed versions in, vanished ones out.

        Versions that answer go on answering until their successors do.

        Args:
            name: Of the model.
            override: Settings over those of its config file, as JSON gives them; None for none.

        Raises:
            NotFound: There is no such model on disk.
            BadRequest: A version cannot be loaded; what was served before still is.
        """
        async with self._changing:
            old = self._models.get(name, {})
            new, failed = await _in_thread(lambda: self._load_changed(name, old, override))
            for number, model in new.items():
                model.required = number in old and old[number].required
            self._failures = {key: value for key, value in self._failures.items() if key[0] != name}
            for model in failed:
                if model.version not in new:
                    new[model.version] = model
                else:
                    self._failures[name, model.version] = str(model.problem)
            self._models = {**self._models, name: dict(sorted(new.items()))}
            await self._retire([model for model in old.values() if model not in new.values()])
        if failed:
            raise BadRequest("; ".join(f"model {model.label}: {model.problem}" for model in failed))

    def _load_changed(self, name: str, old: dict[int, Model], override: Any) -> tuple[dict[int, Model], list[Model]]:
        """In the loader's thread: the versions to serve from now on, and those that failed."""
        found = catalogue.look(self._settings, name)
        if found is None:
            raise NotFound(f"no model {name[:100]!r} in the repository")
        made = self._make(found, override)
        if not made:
            raise NotFound(f"no version of model {name[:100]!r} in the repository")
        serve: dict[int, Model] = {}
        failed: list[Model] = []
        for number, model in made.items():
            before = old.get(number)
            if model.problem == "loading" and before is not None and _same(before, model):
                serve[number] = before
                continue
            self._load(model)
            if model.problem is None:
                serve[number] = model
                continue
            failed.append(model)
            if before is not None and before.problem is None:
                serve[number] = before
        return serve, failed

    async def unload(self, name: str) -> None:
        """Stop serving a model: requests that have begun are answered, new ones find it unknown.

        Raises:
            NotFound: It is not served.
        """
        async with self._changing:
            if name not in self._models:
                raise NotFound(f"unknown model {name[:100]!r}")
            old = self._models[name]
            self._models = {key: value for key, value in self._models.items() if key != name}
            await self._retire(list(old.values()))

    async def _retire(self, models: list[Model]) -> None:
        self._retiring += models
        deadline = monotonic() + _RETIRE_S
        while any(model.in_flight for model in models) and monotonic() < deadline:  # noqa: ASYNC110 - requests pay for no event
            await asyncio.sleep(_POLL_S)
        for model in models:
            await _in_thread(functools.partial(self._close, model))
            self._retiring.remove(model)
            logs.event(logging.INFO, "model unloaded", model=model.name, version=model.version)

    async def index(self) -> list[dict[str, str]]:
        """Return every model that is served or lies on disk, in the protocol's form."""
        names = await _in_thread(lambda: catalogue.names(self._settings))
        rows = [self._row(model) for model in self]
        rows += [
            {"name": model.name, "version": str(model.version), "state": "UNLOADING", "reason": "unloading"}
            for model in self._retiring
        ]
        rows += [
            {"name": name, "version": "", "state": "UNAVAILABLE", "reason": "not loaded"}
            for name in names
            if name not in self._models
        ]
        return sorted(rows, key=lambda row: (row["name"], int(row["version"] or 0)))

    def _row(self, model: Model) -> dict[str, str]:
        reason = model.problem or self._failures.get((model.name, model.version), "")
        state = "READY" if model.problem is None else "LOADING" if model.problem == "loading" else "UNAVAILABLE"
        return {"name": model.name, "version": str(model.version), "state": state, "reason": reason}


async def _in_thread(call: Callable[[], T]) -> T:
    """Run a call in a daemon thread: one that hangs, on a download say, must not keep the process from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast(T, result))

    def work() -> None:
        result, error = None, None
        try:
            result = call()
        except Exception as raised:  # noqa: BLE001 - handed to the coroutine that waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(deliver, result, error)

    threading.Thread(target=work, name="loader", daemon=True).start()
    return await future


def _same(before: Model, now: Model) -> bool:
    """Whether a version that answers is what would be loaded again."""
    said = (before.source, before.config, before.fingerprint) == (now.source, now.config, now.fingerprint)
    return said and before.problem is None


def open_repository(settings: Settings, faults: Faults) -> Repository:
    """Return the repository with every model found and none loaded.

    Raises:
        StartupError: As `Repository.start`.
    """
    repository = Repository(settings, faults)
    repository.start()
    return repository
