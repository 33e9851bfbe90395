"""Gathers what a cluster is made from: binaries, CNI plugins, images, registries. Called by the provider.

It asks the resolver of the binaries and the images' builder, and knows nothing of where they get them from.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from labs import images as lab_images
from labs.errors import EngineError
from labs.events import Listener
from labs.images import Image, oci
from labs.providers.engine import bake, components, network
from labs.providers.engine.bringup import Supplies
from labs.providers.engine.layout import INSIDE, Layout
from labs.providers.engine.node import Node
from labs.providers.engine.processes import pipe_tool
from labs.providers.engine.readiness import step
from labs.providers.engine.record import Record
from labs.providers.profile import NamedProfile

NEEDED = ("pause", "coredns", "metrics-server", "tools")


def gather(profile: NamedProfile, emit: Listener) -> Supplies:
    """Have everything that a cluster of this profile needs.

    Raises:
        LabsError: Something cannot be had; the hint says what to do.
    """
    binaries = components.ensure(emit)
    images = lab_images.ensure(emit)
    references = {short_name(image): image.reference for image in images if not image.private}
    lacking = [name for name in NEEDED if name not in references]
    if lacking:
        raise EngineError(f"there is no image {', '.join(lacking)}", hint="run `labs doctor`")
    key = bake.digest(*sorted(f"{image.reference} {image.content_tag}" for image in images))
    if not bake.images_dir(key).is_dir():
        archives = _archives(images)
        with step(emit, "bake-images", "Unpacking the images for the nodes", f"{len(archives)} images"):
            bake.bake_images(key, archives, binaries)
    return Supplies(
        binaries=binaries,
        cni=components.cni_bin_dir(),
        images=references,
        baked=bake.images_dir(key),
        registries=lab_images.registry_storage(images, emit),
        key=bake.cluster_key(
            binaries, [references[name] for name in NEEDED], profile.text, forwards=network.host_forwards()
        ),
    )


def short_name(image: Image) -> str:
    """Return an image's name without its registry: `coredns`."""
    return image.name.partition("/")[2]


def _archives(images: list[Image]) -> dict[Path, list[str]]:
    """Return the archives that nodes have in advance, each with the references that it must hold."""
    archives: dict[Path, list[str]] = {}
    for image in images:
        if not image.private:
            archives.setdefault(image.archive, []).append(image.reference)
    return archives


def refresh(layout: Layout, record: Record, profile: NamedProfile, emit: Listener) -> None:
    """Import the images of today into running nodes, and give the registries today's storage.

    What a learner pushed stays: today's content is laid over what is there.
    """
    images = lab_images.ensure(emit)
    for index, spec in enumerate(profile.nodes, start=1):
        node = Node(layout, record, spec, index, len(profile.nodes))
        with step(emit, f"import-{spec.name}", f"Importing images into {spec.name}"):
            inside = node.inside()
            for archive in _archives(images):
                # A node does not see every folder of the host: the archive goes in through standard input.
                with archive.open("rb") as stream:
                    pipe_tool(
                        [*inside, f"{INSIDE}/bin/ctr", "-n", "k8s.io", "images", "import", "--local", "-"], stream
                    )
    for kind, storage in lab_images.registry_storage(images, emit).items():
        bake.copy_registry(storage, layout.registry / kind, keep=True)


def publish(layout: Layout, references: Collection[str], emit: Listener) -> None:
    """Have images that are made on demand in the cluster's public registry. Other references are left alone.

    Raises:
        LabsError: One cannot be built; the hint says what to do.
    """
    storage = layout.registry / "public"
    for image in lab_images.ensure_on_demand(references, emit):
        name = short_name(image)
        if not oci.is_published(storage, name, (image.tag, image.content_tag)):
            with step(emit, f"publish-{name}", f"Putting {image.reference} into the lab's registry"):
                oci.publish(storage, name, (image.tag, image.content_tag), oci.unpack_blobs(image.archive, storage))
