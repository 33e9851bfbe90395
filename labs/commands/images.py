"""`labs images list | sbom`: the images of the lab, how large they are and what is inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labs.commands.run import command
from labs.commands.session import Session


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    command(app, "list", example="labs images list --json")(list_)
    command(app, "sbom", example="labs images sbom model-server model-server.spdx.json")(sbom)


def list_(session: Session) -> None:
    """List the lab's images with their size; those that are missing are built first."""
    from labs import images
    from labs.images import sbom as inside

    with session.listener() as emit:
        every = images.ensure(emit)
    sizes = {each.reference: inside.size(each) for each in every}
    width = max(map(len, sizes))
    rows = [
        {
            "image": each.reference,
            "content_tag": each.content_tag,
            "bytes": sizes[each.reference],
            "private": each.private,
        }
        for each in every
    ]
    lines = [f"{each.reference:<{width}}  {sizes[each.reference] / 1e6:7.1f} MB  {each.content_tag}" for each in every]
    session.show(rows, "\n".join(lines))


def sbom(
    session: Session,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Its name, such as model-server.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="SPDX JSON to write.")],
) -> None:
    """Write what syft finds in one of the lab's images as an SPDX bill of materials."""
    from labs import images
    from labs.images import sbom as inside

    with session.listener() as emit:
        chosen = inside.choose([*images.ensure(emit), *images.ensure_on_demand([image], emit)], image)
        count = inside.write(chosen, file.absolute(), emit)
    session.show(
        {"image": chosen.reference, "bytes": inside.size(chosen), "packages": count, "file": str(file)},
        f"✓ {file}: {count} packages in {chosen.reference}",
    )
