"""One real cluster for all tests of this folder, and a namespace for each.

`LABS_TEST_CLUSTER=NAME` uses a cluster that runs already, which is quicker while writing tests.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from engine_kubectl import Kubectl, lent

from labs.providers.base import ClusterHandle
from labs.providers.engine.provider import EngineProvider

NAME = "tests"


@pytest.fixture(scope="session")
def provider() -> EngineProvider:
    if os.geteuid() != 0:
        pytest.skip("the embedded engine needs root")
    return EngineProvider()


@pytest.fixture(scope="session")
def cluster(provider: EngineProvider) -> Iterator[ClusterHandle]:
    with lent(provider, "LABS_TEST_CLUSTER", NAME) as handle:
        yield handle


@pytest.fixture
def kubectl(cluster: ClusterHandle) -> Iterator[Kubectl]:
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    tool = Kubectl(cluster, namespace)
    tool("create", "namespace", namespace)
    yield tool
    tool("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="session")
def image(cluster: ClusterHandle) -> str:
    """A small image with Python and curl that every node has."""
    daemons = Kubectl(cluster, "lab-system").get("daemonset", "lab-prober")
    return str(daemons["spec"]["template"]["spec"]["containers"][0]["image"])
