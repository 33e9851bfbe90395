"""The control plane's components and their flags, and the two registries, as processes of the host.

Called by `bringup.py`. They listen on the cluster's bridge, or (etcd) on a socket in the cluster's private folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labs import paths
from labs.providers.engine.addresses import Addresses
from labs.providers.engine.kubeconfig import write_kubeconfig
from labs.providers.engine.layout import Layout
from labs.providers.engine.node import CONFIG
from labs.providers.engine.plan import Probe, ProcessSpec
from labs.providers.engine.record import Record
from labs.providers.engine.render import render_to

ETCD_SOCKET = "localhost:2379"
"""File name of etcd's socket in `run/`; etcd and the API server read `unix://localhost:2379` as a relative path."""

SLOW_HOOKS = ("rbac/bootstrap-roles", "scheduling/bootstrap-system-priority-classes")

NO_PROBE = Probe()

PROVISIONER = """
mount --make-rprivate /
mount --bind "$0" /tmp/hostpath_pv
exec "$@"
"""


def configure(layout: Layout, addresses: Addresses) -> None:
    """Write what the control plane and the registries read."""
    for user in ("controller-manager", "scheduler"):
        path = layout.conf / f"{user}.kubeconfig"
        write_kubeconfig(path, pki=layout.pki, user=user, server=addresses.server, context=user)
    context = f"lab-{layout.name}"
    write_kubeconfig(layout.kubeconfig, pki=layout.pki, user="admin", server=addresses.server, context=context)
    for kind, address in (("public", addresses.registry), ("private", addresses.private_registry)):
        (layout.registry / kind).mkdir(exist_ok=True, mode=0o700)
        htpasswd = paths.cluster_config_dir() / CONFIG / "registry.htpasswd" if kind == "private" else None
        render_to(
            layout.conf / f"registry-{kind}.yaml",
            f"{CONFIG}/registry.yaml.j2",
            storage=layout.registry / kind,
            address=address,
            htpasswd=htpasswd,
        )


def processes(layout: Layout, record: Record, binaries: Mapping[str, Path]) -> list[ProcessSpec]:
    """Return the control plane and the registries for the supervisor."""
    addresses = record.addresses
    specs = [
        _etcd(layout, binaries["etcd"]),
        _api_server(layout, record, binaries["kube-apiserver"]),
        _controller_manager(layout, addresses, binaries["kube-controller-manager"]),
        _scheduler(layout, binaries["kube-scheduler"]),
    ]
    for kind, address in (("public", addresses.registry), ("private", addresses.private_registry)):
        name = "registry" if kind == "public" else "registry-private"
        argv = (str(binaries["registry"]), "serve", str(layout.conf / f"registry-{kind}.yaml"))
        env = {"OTEL_TRACES_EXPORTER": "none", "GOGC": "30"}
        specs.append(_spec(layout, name, argv, env=env, probe=Probe("tcp", address)))
    return specs


def _etcd(layout: Layout, binary: Path) -> ProcessSpec:
    url = f"unix://{ETCD_SOCKET}"
    peer = "unix://localhost:2380"
    argv = (
        str(binary),
        "--name=lab",
        f"--data-dir={layout.etcd}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=lab={peer}",
        # A lab that loses power goes back to its baked state; waiting for the disk at every write buys nothing.
        "--unsafe-no-fsync",
        # A single member elects itself; it need not wait long for others to speak up.
        "--heartbeat-interval=20",
        "--election-timeout=200",
        "--snapshot-count=5000",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=10m",
        "--log-level=warn",
    )
    probe = Probe("unix", str(layout.run / ETCD_SOCKET))
    return _spec(layout, "etcd", argv, env={"GOGC": "50"}, probe=probe)


def _api_server(layout: Layout, record: Record, binary: Path) -> ProcessSpec:
    pki, addresses = layout.pki, record.addresses
    argv = (
        str(binary),
        f"--bind-address={addresses.host}",
        f"--advertise-address={addresses.host}",
        "--secure-port=6443",
        f"--etcd-servers=unix://{ETCD_SOCKET}",
        f"--service-cluster-ip-range={addresses.services}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
        # One by one, the events of a namespace that was busy for an hour take over ten seconds to delete.
        "--delete-collection-workers=4",
        # A check may rest on an event; the default of an hour is shorter than a mock exam.
        "--event-ttl=24h0m0s",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        # The host reaches pods by their addresses; it has no kube-proxy of its own.
        "--enable-aggregator-routing=true",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        f"--audit-policy-file={paths.cluster_config_dir() / CONFIG / 'audit-policy.yaml'}",
        f"--audit-log-path={layout.logs}/audit.log",
        "--audit-log-maxsize=20",
        "--audit-log-maxbackup=2",
    )
    # From a bake, roles and priority classes are there at once. The API server takes another second to look at each of
    # them again before it calls itself ready; nobody needs to wait for that.
    slow = "&".join(f"exclude=poststarthook/{hook}" for hook in SLOW_HOOKS)
    url = f"{addresses.server}/readyz{f'?{slow}' if record.ready else ''}"
    probe = Probe("https", url, str(pki / "ca.crt"))
    # Started after etcd: an API server that finds none looks again only seconds later.
    # What lives in it is 65 MB when idle and 120 MB while four tasks are proved at once. A limit near that (190 MiB)
    # made it collect all the time: three quarters of its CPU time, and it was the busiest process of the machine.
    env = {"GOGC": "100", "GOMEMLIMIT": "400MiB"}
    return _spec(layout, "kube-apiserver", argv, env=env, after=("etcd",), probe=probe)


def _controller_manager(layout: Layout, addresses: Addresses, binary: Path) -> ProcessSpec:
    pki, config = layout.pki, layout.conf / "controller-manager.kubeconfig"
    # In a mount namespace of its own: the provisioner of the default StorageClass writes to a fixed path.
    argv = (
        "unshare",
        "--mount",
        "--propagation=unchanged",
        "--",
        "sh",
        "-euc",
        PROVISIONER,
        str(layout.storage),
        str(binary),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--secure-port=0",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        "--controllers=*,bootstrapsigner,tokencleaner",
        f"--root-ca-file={pki}/ca.crt",
        f"--service-account-private-key-file={pki}/sa.key",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        f"--cluster-cidr={addresses.pods}",
        f"--service-cluster-ip-range={addresses.services}",
        # The nodes' ranges are fixed, so that the nodes' networks can be made before the API server answers.
        "--allocate-node-cidrs=false",
        "--enable-hostpath-provisioner=true",
        f"--flex-volume-plugin-dir={layout.run}/volume-plugins",
        "--node-monitor-period=2s",
        "--node-monitor-grace-period=16s",
        # The default of 20 requests a second costs three seconds at every start.
        "--kube-api-qps=300",
        "--kube-api-burst=600",
        "--profiling=false",
    )
    return _spec(layout, "kube-controller-manager", argv, env={"GOGC": "50"}, after=("kube-apiserver",))


def _scheduler(layout: Layout, binary: Path) -> ProcessSpec:
    config = layout.conf / "scheduler.kubeconfig"
    argv = (
        str(binary),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--secure-port=0",
        "--leader-elect=false",
        "--kube-api-qps=300",
        "--kube-api-burst=600",
        "--profiling=false",
    )
    return _spec(layout, "kube-scheduler", argv, env={"GOGC": "50"}, after=("kube-apiserver",))


def _spec(
    layout: Layout,
    name: str,
    argv: tuple[str, ...],
    *,
    env: dict[str, str],
    probe: Probe = NO_PROBE,
    after: tuple[str, ...] = (),
) -> ProcessSpec:
    log = str(layout.logs / f"{name}.log")
    return ProcessSpec(name, argv, log, env=env, cwd=str(layout.run), after=after, probe=probe)
