"""What is inside one of our images: its size, and its bill of materials as syft finds it.

Called by `labs images`. The bill of a whole bundle is made from what our files pin (`labs.providers.engine.sbom`); this
one looks into the image itself, so the two can be held against each other.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grader.text import clean
from labs import longrun, tools
from labs.errors import EngineError, MachineError, UsageError
from labs.events import Listener, Progress, State, Step, silent
from labs.images import oci
from labs.providers.engine import store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labs.images.cached import Image

STEP = "sbom"
_HINT = "pip install 'kubernetes-ml-labs[sbom]', or put syft on PATH"
_SECONDS = 20.0


def size(image: Image) -> int:
    """Return the bytes of an image's layers, as a registry stores them.

    Raises:
        EngineError: Its archive in the cache is damaged.
    """
    try:
        return oci.size(image.archive)
    except ValueError as error:
        raise EngineError(str(error), hint="remove the file; the image is then built again") from None


def choose(images: Sequence[Image], wanted: str) -> Image:
    """Return the image of a name, with or without registry and tag.

    Raises:
        UsageError: There is none, or it is the name of several.
    """
    found: dict[Path, Image] = {}
    for image in images:
        if wanted in {image.reference, image.name, image.name.split("/", 1)[1]} and not image.private:
            found.setdefault(image.archive, image)
    if len(found) != 1:
        names = ", ".join(sorted({image.reference for image in images if not image.private}))
        raise UsageError(f"`{wanted}` is {'no image' if not found else 'the name of several images'}", hint=names)
    return next(iter(found.values()))


def write(image: Image, target: Path, emit: Listener = silent) -> int:
    """Write the bill of materials of an image as SPDX 2.3 JSON.

    Args:
        image: From `labs.images.ensure`.
        target: The file to write; it appears whole or not at all.
        emit: Told how far it is.

    Returns:
        Number of packages found.

    Raises:
        UsageError: The target's folder is not there.
        MachineError: syft is not there, or it could not read the image.
    """
    program = _syft()
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", hint="make it, or name another file")
    draft = target.with_name(f".{target.name}.draft")
    name, _, tag = image.reference.rpartition(":")
    # syft would ask the network for a newer syft.
    env = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false", "NO_COLOR": "1"}
    emit(Step(STEP, f"Looking into {image.reference}", State.RUNNING))
    try:
        with store.scratch() as scratch:
            oci.unpack(
                image.archive, scratch / "image"
            )  # syft refuses an index with two names, though both are one image
            command = [program, "scan", f"oci-dir:{scratch / 'image'}", "--output", f"spdx-json={draft}"]
            command += ["--source-name", name, "--source-version", tag]
            longrun.run(command, env=env, progress=lambda s: emit(Progress(STEP, min(s, _SECONDS), _SECONDS, "s", s)))
        count = len(json.loads(draft.read_text())["packages"])
        draft.replace(target)
    except longrun.CommandFailedError as error:
        emit(Step(STEP, f"Looking into {image.reference}", State.FAILED, clean(error.reason, 300)))
        raise MachineError(f"syft could not read {image.reference}: {clean(error.reason, 300)}", hint=_HINT) from error
    except OSError as error:
        raise MachineError(f"{target} cannot be written: {error.strerror}", hint="name another file") from error
    finally:
        draft.unlink(missing_ok=True)
    emit(Step(STEP, f"Looking into {image.reference}", State.DONE, f"{count} packages"))
    return count


def _syft() -> str:
    """Return syft: from the extra `sbom`, which lies beside our Python, or the one on PATH."""
    beside = Path(sys.executable).with_name("syft")
    found = beside if beside.is_file() else tools.find("syft")
    if found is None:
        raise MachineError("syft is not installed", hint=_HINT)
    return str(found)
