"""The engine's binaries: asks each source in turn until every component is there.

Called by the engine, the images and `labs doctor`. The order is: cache, offline bundle, upstream release, build from
source. Each step is told as an event, and each failure names what is tried next. A finished component enters the cache
at once, so whatever interrupts a run, the next one goes on behind it.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import TYPE_CHECKING

from labs import paths, tools
from labs.errors import ComponentError, Interrupted, LabsError
from labs.events import Listener, Notice, Progress, State, Step, silent
from labs.providers.base import Finding
from labs.providers.engine import builder, bundle_reader, catalog, store
from labs.providers.engine.download import Downloader, step_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from labs.providers.engine.catalog import Component

RUNC = "runc"
_STEP = "components"


def ensure(emit: Listener = silent, names: Collection[str] | None = None) -> dict[str, Path]:
    """Have the engine's binaries, from wherever they can be had.

    Args:
        emit: Told about every source, component and second of a build.
        names: Components wanted (`runc` counts as one); all that a cluster needs when left out.

    Returns:
        Component name → binary.

    Raises:
        ComponentError: One cannot be had from any source; the message says why for each source.
        UsageError: A name is not a component.
        Interrupted: Ctrl-C; finished components are kept.
    """
    known = catalog.load()
    chosen = _of_a_cluster(known) if names is None else set(names) - {RUNC}
    wanted = catalog.select(chosen, known)
    found: dict[str, Path] = {}
    if names is None or RUNC in names:
        found[RUNC] = runc()
    cached, missing = _split(wanted, emit)
    if not missing:
        emit(Step(_STEP, "Components of the engine", State.DONE, f"{len(wanted)} from the cache"))
        return found | cached
    try:
        with store.lock(_STEP, emit), store.scratch() as scratch:
            cached, missing = _split(wanted, emit)  # another lab may just have made them
            return found | cached | _Run(missing, scratch, emit).all()
    except KeyboardInterrupt as error:
        raise Interrupted(
            "Stopped while the components were prepared; the finished ones are kept",
            hint="the same command goes on where it stopped",
        ) from error


def cached(name: str) -> Path | None:
    """Return a component's binary if it is in the cache, without looking anywhere else."""
    component = catalog.load().get(name)
    return store.lookup(store.binary(component)) if component else None


def runc() -> Path:
    """Return runc: the system's, else a bundle's.

    Raises:
        ComponentError: There is none; the hint installs it.
    """
    found = tools.find(RUNC) or bundle_reader.system_file(RUNC)
    if found is None:
        raise ComponentError("runc is not installed", hint=tools.install_hint([RUNC]))
    return found


def cni_bin_dir() -> Path:
    """Return the folder of the CNI plugins: the system's, else a bundle's.

    Raises:
        ComponentError: There is none; the hint installs them.
    """
    found = tools.find_cni() or bundle_reader.system_file("cni")
    if found is None:
        raise ComponentError("The CNI plugins are not installed", hint=tools.install_hint([tools.CNI]))
    return found


def findings(*, full: bool = False) -> list[Finding]:
    """Say for `labs doctor` what is there of each component.

    Args:
        full: Hash every cached binary (about two seconds) where otherwise size and time are compared.
    """
    lines = []
    for component in catalog.load().values():
        path = store.lookup(store.binary(component), full=full)
        record = store.record(store.binary(component))
        if path and record:
            told = f"{component.version}, {record.origin}"
            lines.append(Finding(component.name, component.name, ok=True, observed=told))
            continue
        broken = store.binary(component).exists()
        observed = "its cached file is not what was recorded" if broken else f"{component.version} is not there yet"
        hint = "the first task that needs it fetches it" if component.optional else "labs up fetches it"
        lines.append(Finding(component.name, component.name, ok=None, observed=observed, hint=hint))
    return lines


class _Run:
    """One pass over the sources for what the cache lacks."""

    def __init__(self, missing: list[Component], scratch: Path, emit: Listener) -> None:
        self.missing = missing
        self.scratch = scratch
        self.emit = emit
        self.found: dict[str, Path] = {}
        self.reasons: list[str] = []
        self.started = time.monotonic()

    def all(self) -> dict[str, Path]:
        total = len(self.missing)
        self.emit(Step(_STEP, "Components of the engine", State.RUNNING, f"{total} are not in the cache"))
        for source in (self._from_bundle, self._from_release, self._from_source):
            if self.missing:
                source()
        elapsed = time.monotonic() - self.started
        if self.missing:
            names = ", ".join(component.name for component in self.missing)
            self.emit(Step(_STEP, "Components of the engine", State.FAILED, names, elapsed))
            raise ComponentError(
                f"{names} cannot be had: {'; '.join(self.reasons)}",
                hint="labs bundle import FILE on a machine without a network; labs doctor says what is missing",
            )
        self.emit(Step(_STEP, "Components of the engine", State.DONE, f"{total} prepared", elapsed))
        return self.found

    def _from_bundle(self) -> None:
        title = "Offline bundle"
        location = os.environ.get("LABS_BUNDLE", "")
        if not location:
            self._skip("bundle", title, "LABS_BUNDLE is not set")
            return
        self.emit(Step("source:bundle", title, State.RUNNING, location))
        try:
            bundle_reader.import_location(location, self.scratch, self.emit)
        except LabsError as error:
            self._failed("bundle", title, str(error))
            return
        found, self.missing = _split(self.missing, self.emit)
        self.found |= found
        detail = f"{len(found)} components" if found else "it holds none of the versions wanted here"
        self.emit(Step("source:bundle", title, State.DONE if found else State.FAILED, detail))
        if not found:
            self.reasons.append(f"bundle: {detail}")

    def _from_release(self) -> None:
        title = "Upstream releases"
        releases = [component.release for component in self.missing if component.release]
        downloader = Downloader(self.scratch, self.emit)
        if not releases:
            self._skip("download", title, "upstream publishes no binaries of these")
            return
        if reason := downloader.why_not(releases):
            self._failed("download", title, reason)
            return
        before = len(self.missing)
        for component in tuple(self.missing):
            if component.release:
                self._one(component, "download", partial(downloader.fetch, component, component.release))
        self.emit(Step("source:download", title, State.DONE, f"{before - len(self.missing)} components"))

    def _from_source(self) -> None:
        title = "Build from source"
        oldest = max((component.go for component in self.missing), key=builder.ordered)
        try:
            go = builder.find_go(oldest) or builder.fetch_go(self.scratch, self.emit)
        except LabsError as error:
            self._failed("build", title, str(error))
            return
        expected = sum(map(builder.expected_seconds, self.missing))
        told = f"Go {go.version}, {len(self.missing)} components, about {_minutes(expected)}"
        self.emit(Step("source:build", title, State.RUNNING, told))
        self._warn_of_a_full_disk()
        self._in_lanes(go)
        if self.missing:
            self.emit(Step("source:build", title, State.FAILED, f"{len(self.missing)} did not build"))
            return
        self.emit(Step("source:build", title, State.DONE, f"{_minutes(time.monotonic() - self.started)}"))
        self._trim()

    def _in_lanes(self, go: builder.Toolchain) -> None:
        """Build what is missing, side by side where the machine is up to it; the first error ends all lanes."""
        lanes = builder.lanes(self.missing)
        stop = threading.Event()

        def work(lane: list[Component]) -> None:
            for component in lane:
                make = partial(builder.build, component, go, emit=self.emit, stop=stop, share=len(lanes))
                self._one(component, "build", make)

        with ThreadPoolExecutor(len(lanes), thread_name_prefix="build") as pool:
            try:
                for lane in as_completed([pool.submit(work, lane) for lane in lanes]):
                    lane.result()
            except BaseException:
                stop.set()
                raise

    def _warn_of_a_full_disk(self) -> None:
        needed = builder.BYTES * len(self.missing) / len(catalog.load())
        free = shutil.disk_usage(paths.cache_dir()).free
        if free < needed:
            told = f"The build may need {needed / 1e9:.0f} GB in {paths.cache_dir()}, {free / 1e9:.0f} GB are free"
            self.emit(Notice(told, hint="LABS_CACHE=FOLDER uses another disk", warning=True))

    def _one(self, component: Component, origin: str, make: Callable[[Path], None]) -> None:
        """Make one component by one source and put it into the cache, or note why that failed."""
        title = f"{component.name} {component.version}"
        started = time.monotonic()
        self.emit(Step(step_id(component), title, State.RUNNING, origin))
        target = self.scratch / f"{component.name}.new"
        try:
            make(target)
            target.chmod(0o755)
            self.found[component.name] = store.add(
                store.binary(component), target, origin=origin, seconds=time.monotonic() - started
            )
        except ComponentError as error:
            self.reasons.append(f"{origin}: {error}")
            self.emit(Step(step_id(component), title, State.FAILED, f"{error}{_next(origin)}"))
            return
        except OSError as error:
            raise ComponentError(
                f"{component.name} cannot be stored: {error.strerror or error}",
                where=str(paths.cache_dir()),
                hint="free some disk, or use another one with LABS_CACHE=FOLDER, then run the same command again",
            ) from error
        self.missing.remove(component)
        self.emit(Step(step_id(component), title, State.DONE, origin, time.monotonic() - started))
        self._progress()

    def _progress(self) -> None:
        done = len(self.found)
        elapsed = time.monotonic() - self.started
        self.emit(Progress(_STEP, done, done + len(self.missing), "components", elapsed))

    def _skip(self, origin: str, title: str, reason: str) -> None:
        self.emit(Step(f"source:{origin}", title, State.SKIPPED, f"{reason}{_next(origin)}"))

    def _failed(self, origin: str, title: str, reason: str) -> None:
        self.reasons.append(f"{origin}: {reason}")
        self.emit(Step(f"source:{origin}", title, State.FAILED, f"{reason}{_next(origin)}"))

    def _trim(self) -> None:
        """Give the build's disk back once nothing is left to build."""
        known = catalog.load()
        complete = all(store.lookup(store.binary(known[name])) for name in _of_a_cluster(known))
        if complete and (freed := builder.trim()):
            told = f"Go's build cache is removed, {freed / 1e9:.1f} GB are free again"
            self.emit(Notice(told, hint="LABS_KEEP_GO_CACHE=1 keeps it"))


def _of_a_cluster(known: dict[str, Component]) -> set[str]:
    return {name for name, component in known.items() if not component.optional}


def _split(wanted: Iterable[Component], emit: Listener) -> tuple[dict[str, Path], list[Component]]:
    """Part the components into those that the cache holds whole and those it does not."""
    found: dict[str, Path] = {}
    missing: list[Component] = []
    for component in wanted:
        place = store.binary(component)
        if path := store.lookup(place):
            found[component.name] = path
            continue
        missing.append(component)
        if place.exists() and store.record(place):
            emit(Notice(f"{place} is not what was recorded; it is made anew", warning=True))
    return found, missing


def _next(origin: str) -> str:
    """Name the source that is asked after this one."""
    follows = {"bundle": "; next: upstream releases", "download": "; next: build from source"}
    return follows.get(origin, "; no source is left")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"  # noqa: PLR2004 - two units, one bound
