"""Having every image: from the cache by content tag, else built once.

Called through `labs.images`. What is cached never needs a base, a compiler or a network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs import paths, tools
from labs.errors import Interrupted, LabsError
from labs.events import Listener, Notice, Progress, State, Step, silent
from labs.images import base as bases
from labs.images import oci, recipe
from labs.images.buildah import Buildah
from labs.providers.base import Finding
from labs.providers.engine import bundle_reader, components, store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from labs.images.base import Base
    from labs.images.recipe import Recipe

STEP = "images"
_EXPECTED_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Image:
    """One name of an image that is there.

    Attributes:
        name: Such as `registry.lab/coredns`, without a tag.
        tag: The tag that scenarios use.
        content_tag: 12 hex digits that change with the image's inputs; a second tag of the same image.
        archive: OCI archive for `ctr image import`, under both tags. That of a private image holds its public names
            only, where it has any: a node that has imported an image never asks the registry for its credentials.
        private: Whether the registry asks for credentials.
    """

    name: str
    tag: str
    content_tag: str
    archive: Path
    private: bool = False

    @property
    def reference(self) -> str:
        """Return the name with its tag."""
        return f"{self.name}:{self.tag}"


def ensure(emit: Listener = silent) -> list[Image]:
    """Have every image of `cluster-config/images` that each cluster needs.

    Args:
        emit: Told about each build.

    Returns:
        One entry per name, ordered by name; several entries can share an archive.

    Raises:
        DataError: A recipe is malformed.
        LabsError: An image cannot be built; the hint names the mend.
        Interrupted: Ctrl-C; finished images are kept.
    """
    return _ensure([each for each in recipe.discover() if not each.on_demand], emit)


def ensure_on_demand(references: Collection[str] | None = None, emit: Listener = silent) -> list[Image]:
    """Have those images that are made only when a task wants them; raises as `ensure` does.

    Args:
        references: Names with tags that are wanted; others may be among them. None: every one.
        emit: Told about each build.

    Returns:
        The wanted images that are made on demand; empty, and nothing is done, where there is none.
    """
    recipes = recipe.discover(on_demand=True)
    if references is not None:
        recipes = [each for each in recipes if any(f"{n.repository}:{n.tag}" in references for n in each.names)]
    return _ensure(recipes, emit) if recipes else []


def _ensure(recipes: list[Recipe], emit: Listener) -> list[Image]:
    choices = bases.candidates()
    chosen, missing = _choose(recipes, choices)
    if missing:
        try:
            with store.lock(STEP, emit), store.scratch() as scratch:
                chosen = _build_missing(recipes, choices, scratch, emit)
        except KeyboardInterrupt as error:
            raise Interrupted(
                "Stopped while the images were built; the finished ones are kept",
                hint="the same command goes on where it stopped",
            ) from error
    else:
        emit(Step(STEP, "Images of the lab", State.DONE, f"{len(recipes)} from the cache"))
    return [image for each in recipes for image in _images(each, chosen)]


def registry_storage(images: Sequence[Image], emit: Listener = silent) -> dict[str, Path]:
    """Have the storage of registries that hold these images, in the file-system layout of distribution.

    Args:
        images: What `ensure` returned: asking again could answer for other sources than the caller saw.
        emit: Told when it has to be made.

    Returns:
        `public` and `private` (the authenticated registry) → root folder; copy it, hard links will do.
    """
    text = "\n".join(f"{image.reference} {image.content_tag}" for image in images)
    parent = paths.cache_dir() / "registry" / hashlib.sha256(text.encode()).hexdigest()[:12]
    if not parent.is_dir():
        with store.lock(STEP, emit), store.scratch() as scratch:
            if not parent.is_dir():
                _fill(images, scratch / "registry", emit)
                parent.parent.mkdir(exist_ok=True)
                (scratch / "registry").replace(parent)
                _remove_others(parent)
    return {kind: parent / kind for kind in ("public", "private")}


def findings() -> list[Finding]:
    """Say for `labs doctor` whether the images are there or can be built on this machine."""
    recipes = [each for each in recipe.discover() if not each.on_demand]
    chosen, lacking = _choose(recipes, bases.candidates())
    if not lacking:
        return [Finding(STEP, "Images of the lab", ok=True, observed=f"{len(recipes)} in the cache")]
    needed = ["buildah"] if chosen.reference or bases.local_path(chosen).exists() else ["buildah", "mmdebstrap"]
    if absent := tools.missing(needed):
        told = f"{len(lacking)} are to be built, and {', '.join(absent)} is missing"
        return [Finding(STEP, "Images of the lab", ok=False, observed=told, hint=tools.install_hint(absent))]
    return [Finding(STEP, "Images of the lab", ok=None, observed=f"{len(lacking)} are to be built", hint="labs up")]


def archive_path(name: str, content_tag: str) -> Path:
    """Return where an image's archive lies in the cache, or would."""
    return paths.cache_dir() / "images" / f"{name}-{content_tag}.tar"


def _choose(recipes: Sequence[Recipe], choices: Sequence[Base]) -> tuple[Base, list[Recipe]]:
    """Return the base under which most is cached, and what is not cached under it."""
    by_base = [(base, _missing(recipes, base)) for base in choices]
    return min(by_base, key=lambda pair: len(pair[1]))


def _missing(recipes: Iterable[Recipe], base: Base) -> list[Recipe]:
    return [each for each in recipes if store.lookup(archive_path(each.name, each.content_tag(base.identity))) is None]


def _build_missing(recipes: Sequence[Recipe], choices: Sequence[Base], scratch: Path, emit: Listener) -> Base:
    chosen, missing = _choose(recipes, choices)  # another lab may just have built them
    if missing and _from_bundle(scratch, emit):
        chosen, missing = _choose(recipes, choices)
    if not missing:
        return chosen
    started = time.monotonic()
    emit(Step(STEP, "Images of the lab", State.RUNNING, f"{len(missing)} to build"))
    try:
        builder = Buildah(scratch, emit)
        wanted = {name for each in missing for name in each.components}
        binaries = components.ensure(emit, wanted) if wanted else {}
        if any(each.needs_base for each in missing):
            ordered = [chosen, *(base for base in choices if base != chosen)]
            chosen = builder.prepare_base(ordered)
            missing = _missing(recipes, chosen)
        for done, each in enumerate(missing):
            emit(Progress(STEP, done, len(missing), "components", time.monotonic() - started))
            _build(builder, each, base=chosen, binaries=binaries, scratch=scratch, emit=emit)
    except LabsError as error:
        emit(Step(STEP, "Images of the lab", State.FAILED, error.message, time.monotonic() - started))
        raise
    emit(Step(STEP, "Images of the lab", State.DONE, f"{len(missing)} built", time.monotonic() - started))
    return chosen


def _from_bundle(scratch: Path, emit: Listener) -> bool:
    """Take in the bundle that `LABS_BUNDLE` names, if any; what it lacks is built."""
    location = os.environ.get("LABS_BUNDLE")
    if not location:
        return False
    try:
        bundle_reader.import_location(location, scratch, emit)
    except LabsError as error:
        emit(Notice(f"The bundle is of no use: {error}; the images are built", hint=error.hint, warning=True))
        return False
    return True


def _build(
    builder: Buildah, image: Recipe, *, base: Base, binaries: dict[str, Path], scratch: Path, emit: Listener
) -> None:
    started = time.monotonic()
    step, title = f"image:{image.name}", image.names[0].repository
    emit(Step(step, title, State.RUNNING, "building"))

    def progress(_elapsed: float) -> None:
        elapsed = time.monotonic() - started
        done = min(elapsed, _EXPECTED_SECONDS)
        emit(Progress(step, done, _EXPECTED_SECONDS, "seconds", elapsed, _EXPECTED_SECONDS))

    content_tag = image.content_tag(base.identity)
    draft = scratch / f"{image.name}.tar"
    try:
        builder.build(image, binaries, _references(image, content_tag), draft, progress)
    except LabsError as error:
        emit(Step(step, title, State.FAILED, error.message))
        raise
    seconds = time.monotonic() - started
    path = store.add(archive_path(image.name, content_tag), draft, origin="build", seconds=seconds)
    _prune(path)
    emit(Step(step, title, State.DONE, f"{path.stat().st_size / 1e6:.1f} MB", seconds))


def _prune(newest: Path) -> None:
    """Keep this archive and the one before it; an author at work would fill the disk otherwise."""
    name = newest.name[: -len("-0123456789ab.tar")]
    others = [path for path in newest.parent.glob(f"{name}-{'?' * 12}.tar") if path != newest]
    for path in sorted(others, key=lambda each: each.stat().st_mtime, reverse=True)[1:]:
        store.remove(path)


def _references(image: Recipe, content_tag: str) -> list[str]:
    """Return the names in an image's archive: the public ones where there are any."""
    names = [name for name in image.names if not name.private] or list(image.names)
    return sorted({f"{name.repository}:{tag}" for name in names for tag in (name.tag, content_tag)})


def _images(image: Recipe, base: Base) -> list[Image]:
    content_tag = image.content_tag(base.identity)
    archive = archive_path(image.name, content_tag)
    return [Image(name.repository, name.tag, content_tag, archive, name.private) for name in image.names]


def _fill(images: Iterable[Image], target: Path, emit: Listener) -> None:
    started = time.monotonic()
    emit(Step("registry-storage", "Storage of the lab's registry", State.RUNNING))
    public, private = target / "public", target / "private"
    for folder in (public, private):
        folder.mkdir(parents=True)
    known: dict[Path, oci.Blobs] = {}
    for image in images:
        blobs = known.get(image.archive) or oci.unpack_blobs(image.archive, public)
        known[image.archive] = blobs
        if image.private:
            oci.share_blobs(public, private, blobs)
        repository = image.name.partition("/")[2]
        oci.publish(private if image.private else public, repository, (image.tag, image.content_tag), blobs)
    emit(Step("registry-storage", "Storage of the lab's registry", State.DONE, "", time.monotonic() - started))


def _remove_others(keep: Path) -> None:
    for other in keep.parent.iterdir():
        if other != keep:
            shutil.rmtree(other, ignore_errors=True)
