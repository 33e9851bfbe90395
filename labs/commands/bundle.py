"""`labs bundle build | import`: the engine's binaries as one file, for machines without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labs.commands.run import command
from labs.commands.session import Session


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    command(app, "build", example="labs bundle build labs-bundle.tar.zst")(build)
    command(app, "import", example="labs bundle import labs-bundle.tar.zst")(import_)


def build(session: Session, file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write.")]) -> None:
    """Pack the engine's binaries and images into one file with its checksums."""
    raise NotImplementedError


def import_(session: Session, file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle.")]) -> None:
    """Take the engine's binaries and images from a bundle."""
    raise NotImplementedError
