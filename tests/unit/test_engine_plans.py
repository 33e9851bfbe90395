"""What the engine decides before it touches the machine: addresses, profiles, certificates, configurations, doctor."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from labs.errors import DataError, UsageError
from labs.providers.engine import addons, control_plane, doctor, kubeconfig, pki
from labs.providers.engine.addresses import MAX_INDEX, Addresses, Network, candidates
from labs.providers.engine.bake import copy_registry, digest
from labs.providers.engine.layout import Layout
from labs.providers.engine.node import Node
from labs.providers.engine.plan import Probe, ProcessSpec, load_plan, save_plan
from labs.providers.engine.record import Record, load_record
from labs.providers.profile import load_profile, profile_names

IMAGES = {name: f"registry.lab/{name}:1" for name in ("pause", "coredns", "metrics-server", "tools")}
COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "registry",
    "kube-network-policies",
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout("lab", tmp_path / "clusters" / "lab")
    layout.create()
    return layout


@pytest.fixture
def record() -> Record:
    return Record(name="lab", id="1234", profile="two-cpu", index=3, key="k")


def nodes(layout: Layout, record: Record) -> list[Node]:
    specs = load_profile(record.profile).nodes
    return [Node(layout, record, spec, i, len(specs)) for i, spec in enumerate(specs, start=1)]


def test_ranges_of_different_clusters_never_meet() -> None:
    seen: list[Network] = []
    for index in range(MAX_INDEX + 1):
        for net in Addresses(index).ranges:
            assert not any(net.overlaps(other) for other in seen)
            seen.append(net)
    assert Addresses(0).node_pods(2) == Network("10.100.2.0/24")
    assert Addresses(0).node(1) == "172.30.0.11"


def test_a_number_is_free_when_nothing_of_the_host_is_in_its_ranges() -> None:
    taken = [Network("172.30.0.0/24"), Network("10.151.3.0/24")]
    assert candidates(taken, reserved={2})[0] == 3
    vpn = Network("10.0.0.0/8")
    assert candidates([vpn], reserved=set())[0] == 0, "a wide route is shadowed where nothing better is left"
    everything = [Network("172.30.0.0/16"), *(Network(f"10.{100 + i}.0.0/16") for i in range(MAX_INDEX + 1))]
    assert candidates(everything, reserved=set()) == []


def test_profiles_are_discovered_and_their_mistakes_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"two-cpu", "three-cpu"} <= set(profile_names())
    assert [node.name for node in load_profile("two-cpu").nodes] == ["cpu-1", "cpu-2"]
    with pytest.raises(UsageError, match="no profile 'huge'") as missing:
        load_profile("huge")
    assert "two-cpu" in missing.value.hint
    folder = tmp_path / "profiles"
    folder.mkdir()
    monkeypatch.setattr("labs.paths.cluster_config_dir", lambda: tmp_path)
    (folder / "odd.yaml").write_text("about: x\nnodes: [{name: A!}]\n")
    with pytest.raises(DataError, match=r"odd\.yaml: nodes\.0\.name"):
        load_profile("odd")
    (folder / "twin.yaml").write_text("about: x\nnodes: [{name: aa}, {name: aa}]\n")
    with pytest.raises(DataError, match="same name"):
        load_profile("twin")


def test_certificates_chain_to_their_own_authority_and_name_their_hosts(tmp_path: Path) -> None:
    addresses = Addresses(3)
    pki.write_pki(tmp_path, addresses, {"cpu-1": addresses.node(1)})
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    load = {path.stem: x509.load_pem_x509_certificate(path.read_bytes()) for path in tmp_path.glob("*.crt")}
    for name, certificate in load.items():
        authority = "front-proxy-ca" if name.startswith("front-proxy") else "ca"
        certificate.verify_directly_issued_by(load[authority])
    names = load["apiserver"].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = names.get_values_for_type(x509.IPAddress)
    assert {ipaddress.ip_address(addresses.host), ipaddress.ip_address(addresses.api_service)} <= set(hosts)
    kubelet = load["kubelet-cpu-1"]
    assert kubelet.subject.rfc4514_string() == "O=system:nodes,CN=system:node:cpu-1"
    assert "authority" not in kubelet.issuer.rfc4514_string()
    with pytest.raises(ValueError, match="Issuer"):
        kubelet.verify_directly_issued_by(load["front-proxy-ca"])


def test_a_kubeconfig_stands_alone_and_is_private(tmp_path: Path) -> None:
    pki.write_pki(tmp_path, Addresses(0), {})
    path = tmp_path / "kubeconfig"
    kubeconfig.write_kubeconfig(path, pki=tmp_path, user="admin", server=Addresses(0).server, context="lab-x")
    config = yaml.safe_load(path.read_text())
    assert config["current-context"] == "lab-x"
    assert str(tmp_path) not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_configuration_renders_and_listens_only_inside(layout: Layout, record: Record) -> None:
    addresses = record.addresses
    pki.write_pki(layout.pki, addresses, {node.name: node.address for node in nodes(layout, record)})
    control_plane.configure(layout, addresses)
    binaries = {name: Path("/bin/true") for name in COMPONENTS}
    specs = control_plane.processes(layout, record, binaries)
    for node in nodes(layout, record):
        node.configure(IMAGES["pause"])
        specs += node.processes(binaries=binaries)
        kubelet = yaml.safe_load((node.folder / "kubelet.yaml").read_text())
        assert kubelet["address"] == node.address
        assert kubelet["authentication"]["anonymous"] == {"enabled": False}
        assert json.loads((node.folder / "cni" / "10-lab.conflist").read_text())["plugins"][0]["ipMasq"] is False
        hosts = {path.parent.name for path in node.folder.glob("certs.d/*/hosts.toml")}
        assert hosts == {"registry.lab", "private.registry.lab", "_default"}
    names = {spec.name for spec in specs}
    assert all(needed in names for spec in specs for needed in spec.after)
    flags = " ".join(argument for spec in specs for argument in spec.argv)
    assert "--listen-client-urls=unix:" in flags
    assert "0.0.0.0" not in flags  # noqa: S104 - that nobody binds to it is the point
    for kind in ("public", "private"):
        registry = yaml.safe_load((layout.conf / f"registry-{kind}.yaml").read_text())
        assert registry["http"]["addr"].startswith(addresses.host)
        assert ("auth" in registry) == (kind == "private")
    save_plan(layout.plan, specs)
    assert load_plan(layout.plan) == specs


def test_add_ons_name_only_images_that_there_are(layout: Layout, record: Record) -> None:
    pki.write_pki(layout.pki, record.addresses, {})
    objects = addons.manifests(record, IMAGES, layout.pki)
    owner = next(o for o in objects if o["metadata"]["name"] == "lab-owner")
    assert owner["data"]["id"] == record.id
    pods = [o["spec"]["template"]["spec"] for o in objects if o["kind"] in {"Deployment", "DaemonSet"}]
    assert {c["image"] for pod in pods for c in pod["containers"]} == set(IMAGES.values()) - {IMAGES["pause"]}
    namespaced = [o for o in objects if o["kind"] not in {"Namespace", "StorageClass", "APIService"}]
    assert all("namespace" in o["metadata"] for o in namespaced if "Cluster" not in o["kind"])


def test_a_broken_record_is_no_cluster(layout: Layout, record: Record) -> None:
    record.save(layout)
    assert load_record(layout) == record
    layout.record.write_text("{")
    assert load_record(layout) is None
    layout.record.write_text('{"name": "lab"}')
    assert load_record(layout) is None


def test_a_copied_registry_shares_blobs_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"
    blob = source / "docker/registry/v2/blobs/sha256/ab/abcd/data"
    link = source / "docker/registry/v2/repositories/tools/_manifests/tags/1/current/link"
    for path in (blob, link):
        path.parent.mkdir(parents=True)
        path.write_text("content")
    target = tmp_path / "target"
    copy_registry(source, target)
    copy_registry(source, target, keep=True)
    assert (target / blob.relative_to(source)).samefile(blob)
    assert not (target / link.relative_to(source)).samefile(link)


def test_digests_tell_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")


def test_the_doctor_looks_and_changes_nothing() -> None:
    findings = {finding.id: finding for finding in doctor.findings()}
    assert {"root", "runc", "cni", "cgroups", "disk", "memory", "inotify", "network-policy", "etcd"} <= set(findings)
    assert all(finding.hint for finding in findings.values() if finding.ok is False)
    assert findings["root"].ok is (os.geteuid() == 0)


def test_a_spec_survives_its_json(tmp_path: Path) -> None:
    spec = ProcessSpec("a", ("true",), "/dev/null", after=("b",), probe=Probe("tcp", "127.0.0.1:1"), once=True)
    save_plan(tmp_path / "plan.json", [spec])
    assert load_plan(tmp_path / "plan.json") == [spec]
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600


def test_importing_the_supervisor_stays_small() -> None:
    heavy = "{'cryptography', 'kubernetes', 'pydantic', 'jinja2', 'yaml', 'httpx'}"
    program = f"import sys; import labs.providers.engine.supervisor; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
