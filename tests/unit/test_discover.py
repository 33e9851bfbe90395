"""The discovery beside Prometheus: the targets and labels that `kubernetes_sd_configs` would give."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from labs import paths

Json = dict[str, Any]


@pytest.fixture(scope="module")
def discover() -> Any:
    source = paths.cluster_config_dir() / "images" / "prometheus" / "discover.py"
    spec = importlib.util.spec_from_file_location("discover", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pod(ports: list[Json], ip: str = "10.0.0.7") -> Json:
    labels = {"app": "ranker", "app.kubernetes.io/x": "y"}
    annotations = {"prometheus.io/scrape": "true"}
    meta = {"name": "ranker-1", "namespace": "search", "uid": "u", "labels": labels, "annotations": annotations}
    container = {"name": "server", "image": "i:1", "ports": ports}
    status = {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": meta, "spec": {"containers": [container], "nodeName": "n"}, "status": status}


def test_a_pod_is_a_target_for_each_port_with_the_labels_that_relabelling_knows(discover: Any) -> None:
    http, grpc = discover.groups(pod([{"name": "http", "containerPort": 8000}, {"containerPort": 9000}]))
    assert (http["targets"], grpc["targets"]) == (["10.0.0.7:8000"], ["10.0.0.7:9000"])
    wanted = {
        "__meta_kubernetes_namespace": "search",
        "__meta_kubernetes_pod_name": "ranker-1",
        "__meta_kubernetes_pod_phase": "Running",
        "__meta_kubernetes_pod_ready": "true",
        "__meta_kubernetes_pod_label_app": "ranker",
        "__meta_kubernetes_pod_label_app_kubernetes_io_x": "y",
        "__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true",
        "__meta_kubernetes_pod_annotationpresent_prometheus_io_scrape": "true",
        "__meta_kubernetes_pod_container_port_name": "http",
    }
    assert wanted.items() <= http["labels"].items()


def test_a_pod_without_ports_is_its_address_and_one_without_an_address_is_no_target(discover: Any) -> None:
    (only,) = discover.groups(pod([]))
    assert only["targets"] == ["10.0.0.7"]
    assert discover.groups(pod([], ip="fd00::7"))[0]["targets"] == ["[fd00::7]"]
    assert discover.groups(pod([], ip="")) == []
