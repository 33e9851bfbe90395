"""`labs bundle build | import`: the engine's binaries and images as one file, for machines without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labs.commands.run import command
from labs.commands.session import Session


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    command(app, "build", example="labs bundle build labs.tar.gz")(build)
    command(app, "import", example="labs bundle import labs.tar.gz")(import_)


def build(
    session: Session, file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write: .tar or .tar.gz.")]
) -> None:
    """Pack the engine's binaries and images into one file, with its checksum beside it."""
    from labs.providers.engine import bundle

    with session.listener() as emit:
        made = bundle.build(file.absolute(), emit)
    session.show({"file": str(made), "bytes": made.stat().st_size}, f"✓ {made}")


def import_(session: Session, file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle.")]) -> None:
    """Take the engine's binaries and images from a bundle."""
    from labs.providers.engine import bundle

    with session.listener() as emit:
        names = bundle.import_(file.absolute(), emit)
    session.show({"files": names}, f"✓ {len(names)} files are in the cache; labs up uses them")
