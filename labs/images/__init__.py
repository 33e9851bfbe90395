"""The lab's images, built without a cloud registry and importable by any provider.

Called by the providers and the bundle: `ensure` for the archives, `ensure_on_demand` for those
that only some tasks want, `registry_storage` for a registry that already holds
them all, `findings` for `labs doctor`. How an image is described, built and packed is in the modules below.
"""

from labs.images.cached import Image, ensure, ensure_on_demand, findings, registry_storage

__all__ = ["Image", "ensure", "ensure_on_demand", "findings", "registry_storage"]
