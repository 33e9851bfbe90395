"""Building one image with buildah, in a storage folder of ours that is thrown away afterwards.

Called by `cached`. Isolation is `chroot` and the driver `vfs`, which work without Docker, user namespaces or overlay
mounts; every time stamp is 1970, so that the same inputs give the same digests.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from labs import longrun, tools
from labs.errors import EngineError, MachineError
from labs.images import base as bases
from labs.images import oci, packages, wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from labs.events import Listener
    from labs.images.base import Base
    from labs.images.recipe import Recipe

_BASE_IMAGE = "localhost/labs-base"


class Buildah:
    """One run of builds that share a base.

    Args:
        scratch: Temporary folder in the cache's file system; everything buildah stores goes there.
        emit: Told about the base and the wheels.

    Raises:
        MachineError: buildah is not installed.
    """

    def __init__(self, scratch: Path, emit: Listener) -> None:
        self._program = str(tools.require("buildah"))
        self._scratch = scratch
        self._emit = emit
        self._policy = scratch / "policy.json"
        self._policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        self._base: Base | None = None

    def prepare_base(self, choices: Iterable[Base]) -> Base:
        """Have a base in the storage: the first of the choices that can be had.

        Raises:
            LabsError: None can; it is the first one's reason.
        """
        first: Exception | None = None
        for choice in choices:
            try:
                self._make_base(choice)
            except (MachineError, EngineError) as error:
                first = first or error
            else:
                self._base = choice
                return choice
        raise first or EngineError("There is no base to build images on")

    def build(
        self,
        image: Recipe,
        binaries: Mapping[str, Path],
        references: Iterable[str],
        target: Path,
        progress: Callable[[float], None],
    ) -> None:
        """Build an image and write its archive.

        Args:
            image: What to build; where it needs a base, `prepare_base` was called.
            binaries: The engine's binaries by name.
            references: Full names for the archive.
            target: The archive to write.
            progress: Called about once a second with the elapsed seconds.

        Raises:
            EngineError: A build step failed; its last lines are in the message.
        """
        context = self._context(image, binaries)
        local = f"localhost/labs-{image.name}"
        arguments = [f"--build-arg=BASE={_BASE_IMAGE}"] if image.needs_base else []
        self._bud(context, context / "Containerfile", local, arguments, progress)
        layout = self._scratch / f"{image.name}.oci"
        self._run(
            ["push", "--quiet", f"--signature-policy={self._policy}", local, f"oci:{layout}:latest"],
            image.name,
            progress,
        )
        oci.write_archive(layout, references, target)
        for folder in (context, layout):
            shutil.rmtree(folder)

    def _make_base(self, choice: Base) -> None:
        context = self._scratch / "base"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir()
        if choice.reference:
            file, arguments = bases.public_containerfile(), [f"--build-arg=BASE={choice.reference}"]
        else:
            os.link(bases.local_tar(choice, self._scratch, self._emit), context / "base.tar")
            file, arguments = context / "Containerfile", []
            file.write_text('FROM scratch\nADD base.tar /\nCMD ["/bin/bash"]\n')
        self._bud(context, file, _BASE_IMAGE, arguments, lambda _elapsed: None)
        shutil.rmtree(context)

    def _context(self, image: Recipe, binaries: Mapping[str, Path]) -> Path:
        """Lay out the files of a build, all owned by root and with the same modes on every machine."""
        context = self._scratch / f"{image.name}.context"
        context.mkdir()
        sources = {name: binaries[name] for name in image.components} | image.files
        for name, source in sources.items():
            target = context / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o755 if name in binaries else 0o644)
        if image.wheels:
            shutil.copytree(wheels.ensure(image.wheels, self._scratch, self._emit), context / "wheels")
        if image.packages:
            packages.unpack(image.packages, context / "packages", self._scratch, self._emit)
        shutil.copyfile(image.folder / "Containerfile", context / "Containerfile")
        return context

    def _bud(
        self,
        context: Path,
        file: Path,
        name: str,
        arguments: list[str],
        progress: Callable[[float], None],
    ) -> None:
        pull = [] if name == _BASE_IMAGE else ["--pull-never"]
        command = ["bud", "--quiet", "--isolation=chroot", "--timestamp=0", "--identity-label=false", *pull]
        command += [f"--signature-policy={self._policy}", *arguments, f"--tag={name}", f"--file={file}", str(context)]
        self._run(command, name.rpartition("labs-")[2], progress)

    def _run(self, arguments: list[str], name: str, progress: Callable[[float], None]) -> None:
        command = [self._program, f"--root={self._scratch / 'storage'}", f"--runroot={self._scratch / 'run'}"]
        command += ["--storage-driver=vfs", *arguments]
        environment = {**os.environ, "TMPDIR": str(self._scratch), "BUILDAH_ISOLATION": "chroot"}
        log = longrun.log_file(f"image-{name}")
        try:
            longrun.run(command, env=environment, progress=progress, log=log, own_world=True)
        except longrun.CommandFailedError as error:
            told = f"The image {name} cannot be built: {error.reason}"
            raise EngineError(told, hint=f"the whole output is in {log}") from error
