"""The base of the images: Debian packages put together here, or a public image where that is wanted or all there is.

Called by the builder. `cluster-config/images/base/base.yaml` says what is in it; `LABS_IMAGE_BASE` chooses: `local`,
`public`, any image's name, or (unset) local where `mmdebstrap` is there and public elsewhere.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from labs import paths
from labs.errors import DataError
from labs.events import Listener, State, Step
from labs.images import debian, recipe
from labs.providers.engine import catalog, store

if TYPE_CHECKING:
    from collections.abc import Mapping

STEP = "image:base"
EXPECTED_SECONDS = 40.0
_VARIABLE = "LABS_IMAGE_BASE"
_HOOK = Path("/usr/share/mmdebstrap/hooks/merged-usr")
# Bytecode with times in it would be stale in the image, whose files are all of 1970: every start would compile again.
_COMPILE = (
    'find "$1"/usr/lib/python3* -name __pycache__ -prune -exec rm -rf {} + ; '
    'for lib in "$1"/usr/lib/python3.*; do '
    'chroot "$1" python3 -m compileall -q --invalidation-mode unchecked-hash "${lib#"$1"}"; done'
)


@dataclass(frozen=True, slots=True)
class Base:
    """A choice of base.

    Attributes:
        reference: The public image, empty for the one made here.
        identity: Enters the content tag of every image on it.
    """

    reference: str
    identity: str


def candidates() -> list[Base]:
    """Return the bases that would do, the best first; more than one only when nothing was chosen."""
    spec, text = read_spec()
    digest = hashlib.sha256(f"{text}\0{_COMPILE}\0{catalog.go_arch()}".encode()).hexdigest()[:12]
    local = Base("", f"local-{digest}")
    wanted = os.environ.get(_VARIABLE, "auto")
    if wanted == "local":
        return [local]
    reference = str(spec["public"]) if wanted in {"auto", "public"} else wanted
    containerfile = public_containerfile().read_text()
    public = Base(reference, hashlib.sha256(f"{reference}\0{containerfile}".encode()).hexdigest()[:12])
    return [local, public] if wanted == "auto" else [public]


def public_containerfile() -> Path:
    """Return the Containerfile that adds to a public image what the local base has too."""
    return recipe.images_dir() / "base" / "Containerfile.public"


def local_path(base: Base) -> Path:
    """Return where a base's root file system lies in the cache, or would."""
    return paths.cache_dir() / "images" / "base" / f"{base.identity}.tar"


def local_tar(base: Base, scratch: Path, emit: Listener) -> Path:
    """Return the local base's root file system, made by `mmdebstrap` when it is not cached.

    Raises:
        MachineError: `mmdebstrap` is missing or fails; the hint names the ways out.
    """
    target = local_path(base)
    if cached := store.lookup(target):
        return cached
    draft = scratch / "base.tar"
    spec, _ = read_spec()
    seconds = debian.run(_JOB, _options(spec), draft, spec=spec, scratch=scratch, emit=emit)
    path = store.add(target, draft, origin="build", seconds=seconds)
    for other in target.parent.glob("local-*.tar"):
        if other != path:
            store.remove(other)
    emit(Step(_JOB.step, _JOB.title, State.DONE, f"{path.stat().st_size >> 20} MiB", seconds))
    return path


_JOB = debian.Job(
    step=STEP,
    title="Debian base of the images",
    expected=EXPECTED_SECONDS,
    log="base",
    failure="The Debian base cannot be made",
    hint="look at apt's sources (apt-get update must work), or use a registry: LABS_IMAGE_BASE=public, or a bundle",
)


def read_spec() -> tuple[dict[str, Any], str]:
    """Return what `base.yaml` says, and its text.

    Raises:
        DataError: It cannot be read.
    """
    source = recipe.images_dir() / "base" / "base.yaml"
    try:
        text = source.read_text()
        return dict(catalog.read_yaml(text)), text
    except (OSError, yaml.YAMLError, TypeError, ValueError) as error:
        raise DataError(f"The base's recipe cannot be read: {error}", where=f"{source}:1") from error


def _options(spec: Mapping[str, Any]) -> list[str]:
    options = ["--variant=essential"]
    if _HOOK.is_dir():  # else `usrmerge` comes in, and all of Perl with it
        options.append(f"--hook-dir={_HOOK}")
    options += ["--dpkgopt=force-unsafe-io", f"--include={','.join(spec['packages'])}"]
    options += [f"--dpkgopt=path-exclude={pattern}" for pattern in spec["exclude"]]
    options.append(f"--customize-hook={_COMPILE}")
    return [*options, debian.remove(spec["remove"])]
