"""A row for each library fault: how it is used on `fault_world`, and what is then true of the objects."""

from __future__ import annotations

import base64
from datetime import timedelta

from tests.unit.fault_row import (
    WEB,
    Row,
    agent,
    deployment,
    gpus,
    lifetime,
    mounts,
    pod,
    record,
    server,
    service,
    shm,
    spec,
    switches,
    variable,
)
from tests.unit.fault_world import NS, one

TOO_MUCH = 'device.capacity["gpu.lab"].memory.isGreaterThan(quantity("80Gi"))'

NETWORK = [
    Row("service_selector", {"service": "web", "value": "wbe"}, lambda o: service(o)["selector"] == {"app": "wbe"}),
    Row(
        "target_port",
        {"service": "web", "target_port": 8080, "port": 80},
        lambda o: service(o)["ports"][0]["targetPort"] == 8080,
    ),
    Row(
        "named_target_port",
        {"service": "web", "port": 90},
        lambda o: service(o)["ports"][1]["targetPort"] == "htpp",
    ),
    Row(
        "default_deny",
        {"namespace": NS, "pods": {"app": "web"}},
        lambda o: (
            one(o, "NetworkPolicy", "default-deny")["spec"]
            == {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}
        ),
    ),
    Row(
        "egress_without_dns",
        {"namespace": NS, "name": "outgoing"},
        lambda o: (
            one(o, "NetworkPolicy", "outgoing")["spec"]["egress"] == [{"ports": [{"protocol": "TCP", "port": 443}]}]
        ),
    ),
    Row(
        "egress_without_dns",
        {"namespace": NS, "ports": [53, 443]},
        lambda o: (
            one(o, "NetworkPolicy", "egress")["spec"]["egress"] == [{"ports": [{"protocol": "TCP", "port": 443}]}]
        ),
    ),
    Row("dns_policy", WEB, lambda o: pod(o)["dnsPolicy"] == "Default"),
    Row(
        "dns_policy",
        {**WEB, "policy": "None", "nameservers": ["192.0.2.1"]},
        lambda o: (pod(o)["dnsPolicy"], pod(o)["dnsConfig"]) == ("None", {"nameservers": ["192.0.2.1"]}),
    ),
    Row(
        "wrong_upstream",
        {**WEB, "env": "FEATURES_URL", "to": "dta"},
        lambda o: variable(o, "FEATURES_URL") == "http://features.dta:8080/v1",
    ),
    Row("internal_traffic_local", {"service": "web"}, lambda o: service(o)["internalTrafficPolicy"] == "Local"),
    Row("publish_not_ready", {"service": "web"}, lambda o: service(o)["publishNotReadyAddresses"] is True),
    Row("bind_loopback", WEB, lambda o: server(o)["args"][:2] == ["--host", "127.0.0.1"]),
    Row("bind_loopback", {**WEB, "argument": "--bind"}, lambda o: variable(o, "HOST") == "127.0.0.1"),
    Row(
        "ingress_backend",
        {"ingress": "web", "service": "wbe", "port": "http"},
        lambda o: (
            spec(o, "Ingress", "web")["rules"][0]["http"]["paths"][0]["backend"]["service"]
            == {"name": "wbe", "port": {"name": "http"}}
        ),
    ),
    Row(
        "ingress_backend",
        {"ingress": "web", "ingress_class": "nginx"},
        lambda o: spec(o, "Ingress", "web")["ingressClassName"] == "nginx",
    ),
    Row(
        "headless_missing",
        {"statefulset": "store"},
        lambda o: spec(o, "StatefulSet", "store")["serviceName"] == "store-headless",
    ),
    Row(
        "headless_missing",
        {"statefulset": "store", "service": "stores"},
        lambda o: spec(o, "StatefulSet", "store")["serviceName"] == "stores",
    ),
    Row("host_port", WEB, lambda o: server(o)["ports"][0]["hostPort"] == 8000),
]
SCHEDULING = [
    Row(
        "memory_request",
        WEB,
        lambda o: [server(o)["resources"][k]["memory"] for k in ("requests", "limits")] == ["512Gi", "512Gi"],
    ),
    Row("node_selector", {**WEB, "value": "gpuu"}, lambda o: pod(o)["nodeSelector"]["pool"] == "gpuu"),
    Row("missing_toleration", WEB, lambda o: [t["key"] for t in pod(o)["tolerations"]] == ["other"]),
    Row(
        "anti_affinity",
        {**WEB, "replicas": 9},
        lambda o: (
            deployment(o)["replicas"] == 9
            and pod(o)["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            == [{"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}]
        ),
    ),
    Row(
        "topology_spread",
        WEB,
        lambda o: (
            [(c["topologyKey"], c["whenUnsatisfiable"]) for c in pod(o)["topologySpreadConstraints"]]
            == [("topology.labs.io/rack", "DoNotSchedule")]
        ),
    ),
    Row(
        "quota_too_small",
        {"namespace": NS, "hard": {"pods": "1"}},
        lambda o: one(o, "ResourceQuota", "team-quota")["spec"]["hard"]["pods"] == "1",
    ),
    Row(
        "limit_range",
        {"namespace": NS, "maximum": {"memory": "64Mi"}},
        lambda o: (
            one(o, "LimitRange", "container-limits")["spec"]["limits"]
            == [{"type": "Container", "max": {"memory": "64Mi"}}]
        ),
    ),
    Row(
        "node_affinity",
        {**WEB, "values": ["eu-3"]},
        lambda o: (
            pod(o)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
            == [{"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eu-3"]}]}]
        ),
    ),
    Row("missing_priority_class", WEB, lambda o: pod(o)["priorityClassName"] == "inference-critical"),
    Row(
        "batch_priority", {"priority_class": "batch"}, lambda o: one(o, "PriorityClass", "batch")["value"] == 1_000_000
    ),
    Row("scheduler_name", WEB, lambda o: pod(o)["schedulerName"] == "gpu-scheduler"),
    Row("scheduling_gate", WEB, lambda o: pod(o)["schedulingGates"] == [{"name": "labs.io/capacity-review"}]),
    Row(
        "storage_class",
        {"claim": "cache"},
        lambda o: spec(o, "PersistentVolumeClaim", "cache")["storageClassName"] == "fast-ssd",
    ),
    Row(
        "storage_class",
        {"claim": "data", "statefulset": "store"},
        lambda o: spec(o, "StatefulSet", "store")["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "fast-ssd",
    ),
    Row(
        "shared_rwo_volume",
        {"claim": "cache"},
        lambda o: spec(o, "PersistentVolumeClaim", "cache")["accessModes"] == ["ReadWriteOncePod"],
    ),
    Row("gpu_resource_name", WEB, lambda o: gpus(o) == [{"nvidia.com/gpus": "1"}] * 2),
    Row("too_many_gpus", {**WEB, "env": "TP_SIZE"}, lambda o: gpus(o) == [{"nvidia.com/gpu": "4"}] * 2),
    Row(
        "mig_name",
        {**WEB, "resource": "nvidia.com/gpu"},
        lambda o: gpus(o) == [{"nvidia.com/mig-1g.20gb": "1"}] * 2,
    ),
    Row("runtime_class", WEB, lambda o: pod(o)["runtimeClassName"] == "nvidia"),
    Row(
        "gpu_label",
        WEB,
        lambda o: pod(o)["nodeSelector"]["nvidia.com/gpu.product"] == "NVIDIA-A100-SXM4-40GB",
    ),
]
CONTAINER = [
    Row(
        "missing_config_map",
        {**WEB, "name": "settings"},
        lambda o: (
            pod(o)["volumes"][0]["configMap"]["name"] == "settings-v2"
            and server(o)["env"][2]["valueFrom"]["configMapKeyRef"]["name"] == "settings-v2"
        ),
    ),
    Row(
        "missing_config_key",
        {**WEB, "name": "settings", "key": "config.yaml", "wrong": "config.yml"},
        lambda o: pod(o)["volumes"][0]["configMap"]["items"] == [{"key": "config.yml", "path": "c.yaml"}],
    ),
    Row(
        "missing_config_key",
        {**WEB, "name": "settings", "key": "limit", "wrong": "limits"},
        lambda o: server(o)["env"][2]["valueFrom"]["configMapKeyRef"]["key"] == "limits",
    ),
    Row(
        "trailing_newline",
        {"secret": "token", "key": "token"},
        lambda o: base64.b64decode(one(o, "Secret", "token")["data"]["token"]) == b"abc\n",
    ),
    Row(
        "wrong_env",
        {**WEB, "env": "MODEL_PATH", "value": "/modles"},
        lambda o: variable(o, "MODEL_PATH") == "/modles",
    ),
    Row(
        "wrong_env",
        {**WEB, "env": "MODEL_PATH", "rename": "MODEL_PTH"},
        lambda o: (variable(o, "MODEL_PATH"), variable(o, "MODEL_PTH")) == (None, "/models"),
    ),
    Row(
        "wrong_argument",
        {**WEB, "argument": "--port", "value": "80"},
        lambda o: server(o)["args"][2] == "--port=80",
    ),
    Row(
        "wrong_argument",
        {**WEB, "argument": "--model-path", "value": "/mnt/modles"},
        lambda o: server(o)["args"][-1] == "--model-path=/mnt/modles",
    ),
    Row(
        "image_tag",
        {**WEB, "tag": "1.0.O"},
        lambda o: server(o)["image"] == "registry.lab/model-server:1.0.O",
    ),
    Row("pull_secret", WEB, lambda o: "imagePullSecrets" not in pod(o)),
    Row("pull_secret", {**WEB, "secret": "regcred"}, lambda o: pod(o)["imagePullSecrets"] == [{"name": "regcred"}]),
    Row(
        "shadowed_volume",
        {**WEB, "path": "/models"},
        lambda o: {"name": "cache", "mountPath": "/models"} in server(o)["volumeMounts"],
    ),
    Row(
        "read_only_root",
        WEB,
        lambda o: (
            server(o)["securityContext"]["readOnlyRootFilesystem"]
            and "/tmp" not in {m["mountPath"] for m in server(o)["volumeMounts"]}  # noqa: S108 - in the container
        ),
    ),
    Row(
        "non_root_image",
        WEB,
        lambda o: [server(o)["securityContext"][k] for k in ("runAsNonRoot", "runAsUser")] == [True, 0],
    ),
    Row(
        "non_root_image",
        {**WEB, "user": None},
        lambda o: server(o)["securityContext"]["runAsNonRoot"] and "runAsUser" not in server(o)["securityContext"],
    ),
    Row(
        "pod_security",
        {"namespace": NS},
        lambda o: one(o, "Namespace", NS)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted",
    ),
    Row(
        "memory_limit",
        {**WEB, "limit": "16Mi"},
        lambda o: [server(o)["resources"][k]["memory"] for k in ("requests", "limits")] == ["16Mi", "16Mi"],
    ),
    Row(
        "cpu_limit",
        WEB,
        lambda o: [server(o)["resources"][k]["cpu"] for k in ("requests", "limits")] == ["10m", "10m"],
    ),
    Row(
        "init_waits",
        {**WEB, "host": "modles"},
        lambda o: (
            [(c["name"], c["image"], c["command"][3:]) for c in pod(o)["initContainers"]]
            == [("wait-for-models", "registry.lab/tools:1.0.0", ["modles", "80"])]
        ),
    ),
    Row(
        "stale_config",
        {"config_map": "settings", "key": "config.yaml", "find": "64", "replace": "8"},
        lambda o: one(o, "ConfigMap", "settings")["data"]["config.yaml"] == "queue_size: 8\n",
    ),
    Row(
        "stale_config",
        {"config_map": "settings", "key": "limit", "value": "5"},
        lambda o: one(o, "ConfigMap", "settings")["data"]["limit"] == "5",
    ),
    Row(
        "log_to_file",
        WEB,
        lambda o: server(o)["command"][3:] == ["/tmp/server.log", "python3", "-m", "model_server"],  # noqa: S108
    ),
    Row(
        "scrape_annotation",
        WEB,
        lambda o: deployment(o)["template"]["metadata"]["annotations"]["prometheus.io/port"] == "9090",
    ),
    Row(
        "scrape_annotation",
        {**WEB, "value": ""},
        lambda o: "prometheus.io/port" not in deployment(o)["template"]["metadata"].get("annotations", {}),
    ),
    Row("small_shm", WEB, lambda o: shm(o) == {"medium": "Memory", "sizeLimit": "1Mi"}),
    Row("small_shm", {**WEB, "size": ""}, lambda o: "/dev/shm" not in {m["mountPath"] for m in mounts(o)}),  # noqa: S108
]
RIGHTS = [
    Row("missing_service_account", {**WEB, "name": "wbe"}, lambda o: pod(o)["serviceAccountName"] == "wbe"),
    Row(
        "role_verb",
        {"role": "reader", "resource": "configmaps", "verb": "watch"},
        lambda o: (
            [(r["resources"], r["verbs"]) for r in one(o, "Role", "reader")["rules"]]
            == [(["secrets"], ["get", "watch"]), (["configmaps"], ["get"])]
        ),
    ),
    Row(
        "binding_subject",
        {"binding": "reader", "to_namespace": "shop-dev"},
        lambda o: [s["namespace"] for s in one(o, "RoleBinding", "reader")["subjects"]] == ["shop-dev"],
    ),
    Row("no_token", WEB, lambda o: pod(o)["automountServiceAccountToken"] is False),
    Row(
        "cluster_admin",
        {"namespace": NS},
        lambda o: (
            one(o, "ClusterRoleBinding", "shop-admin")["subjects"]
            == [{"kind": "ServiceAccount", "name": "default", "namespace": NS}]
        ),
    ),
    Row(
        "dead_webhook",
        {"namespace": NS},
        lambda o: (
            one(o, "ValidatingWebhookConfiguration", "shop-policy")["webhooks"][0]["namespaceSelector"]
            == {"matchLabels": {"kubernetes.io/metadata.name": NS}}
        ),
    ),
    Row(
        "tag_policy",
        {"namespace": NS},
        lambda o: (
            spec(o, "ValidatingAdmissionPolicyBinding", "shop-tags")["policyName"] == "shop-tags"
            and ":latest" in spec(o, "ValidatingAdmissionPolicy", "shop-tags")["validations"][0]["expression"]
        ),
    ),
    Row(
        "stuck_finalizer",
        {"kind": "ConfigMap", "name": "settings"},
        lambda o: one(o, "ConfigMap", "settings")["metadata"]["finalizers"] == ["models.labs.io/archive"],
    ),
]
RELIABILITY = [
    Row("readiness_path", WEB, lambda o: server(o)["readinessProbe"]["httpGet"]["path"] == "/healthzz"),
    Row("readiness_port", WEB, lambda o: server(o)["readinessProbe"]["httpGet"]["port"] == 8081),
    Row(
        "impatient_liveness",
        {**WEB, "path": "/v2/health/ready"},
        lambda o: (
            "startupProbe" not in server(o)
            and server(o)["livenessProbe"]["httpGet"]["path"] == "/v2/health/ready"
            and server(o)["livenessProbe"]["failureThreshold"] == 1
        ),
    ),
    Row(
        "liveness_dependency",
        {**WEB, "url": "http://features:8080/healthz"},
        lambda o: server(o)["livenessProbe"]["exec"]["command"][-1] == "http://features:8080/healthz",
    ),
    Row(
        "no_surge_room",
        {**WEB, "hard": {"pods": "2"}},
        lambda o: (
            deployment(o)["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
            and one(o, "ResourceQuota", "team-quota")["spec"]["hard"]["pods"] == "2"
            and deployment(o)["template"]["metadata"]["annotations"]["labs.io/release"] == "2"
        ),
    ),
    Row(
        "bad_revision",
        {**WEB, "tag": "2.0.0"},
        lambda o: (
            server(o)["image"] == "registry.lab/model-server:2.0.0" and deployment(o)["progressDeadlineSeconds"] == 10
        ),
    ),
    Row("paused_rollout", WEB, lambda o: deployment(o)["paused"] is True),
    Row(
        "pdb_blocks_drain",
        {**WEB, "name": "web"},
        lambda o: (
            one(o, "PodDisruptionBudget", "web")["spec"]
            == {"minAvailable": "100%", "selector": {"matchLabels": {"app": "web"}}}
        ),
    ),
    Row(
        "no_grace",
        WEB,
        lambda o: pod(o)["terminationGracePeriodSeconds"] == 1 and "lifecycle" not in server(o),
    ),
    Row(
        "hpa_target",
        {"autoscaler": "web", "target": "wbe"},
        lambda o: one(o, "HorizontalPodAutoscaler", "web")["spec"]["scaleTargetRef"]["name"] == "wbe",
    ),
    Row(
        "hpa_without_requests",
        WEB,
        lambda o: all("cpu" not in part for part in server(o)["resources"].values()),
    ),
    Row(
        "hpa_fixed",
        {"autoscaler": "web"},
        lambda o: one(o, "HorizontalPodAutoscaler", "web")["spec"]["maxReplicas"] == 2,
    ),
    Row(
        "hpa_fixed",
        {"autoscaler": "web", "by": "behavior"},
        lambda o: (
            one(o, "HorizontalPodAutoscaler", "web")["spec"]["behavior"] == {"scaleUp": {"selectPolicy": "Disabled"}}
        ),
    ),
]
OVER_TIME = [
    Row("memory_leak", WEB, lambda o: switches(o, "FAULT_LEAK_MB_PER_SECOND") == ["1", "1"]),
    Row("slow_start", WEB, lambda o: switches(o, "FAULT_LOAD_DELAY_SECONDS") == ["1", "30"]),
    Row("error_rate", WEB, lambda o: switches(o, "FAULT_ERROR_RATE") == ["1", "0.3"]),
    Row("added_latency", WEB, lambda o: switches(o, "FAULT_LATENCY_SECONDS") == ["1", "0.3"]),
    Row(
        "flapping_pod",
        WEB,
        lambda o: (
            server(o)["readinessProbe"]["exec"]["command"][3:] == ["20", "8"]
            and "httpGet" not in server(o)["readinessProbe"]
        ),
    ),
    Row("degrading_node", {"namespace": NS, "every": 9}, lambda o: agent(o) == ["node.example.com/memory-errors", "9"]),
    Row("expired_certificate", {"secret": "tls"}, lambda o: lifetime(o) == timedelta(days=1)),
    Row(
        "growing_traffic",
        {"namespace": NS, "service": "web"},
        lambda o: (
            spec(o, "Deployment", "clients")["template"]["spec"]["containers"][0]["command"][3:9]
            == ["web", "80", "/v2/models/mlp/infer", "2", "50", "120"]
        ),
    ),
]
DELIVERY = [
    Row(
        "custom_metric",
        {"autoscaler": "web", "metric": "vllm:num_request_waiting"},
        lambda o: (
            [
                m.get("pods", {}).get("metric", {}).get("name")
                for m in spec(o, "HorizontalPodAutoscaler", "web")["metrics"]
            ]
            == [None, "vllm:num_request_waiting"]
        ),
    ),
    Row(
        "device_selector",
        {"claim": "gpu", "expression": TOO_MUCH},
        lambda o: (
            spec(o, "ResourceClaimTemplate", "gpu")["spec"]["devices"]["requests"][0]["exactly"]["selectors"]
            == [{"cel": {"expression": TOO_MUCH}}]
        ),
    ),
    Row(
        "stuck_release",
        {"release": "web"},
        lambda o: (
            [
                (
                    one(o, "Secret", name)["metadata"]["labels"]["status"],
                    record(one(o, "Secret", name))["info"]["status"],
                )
                for name in ("sh.helm.release.v1.web.v9", "sh.helm.release.v1.web.v10")
            ]
            == [("superseded", "superseded"), ("pending-upgrade", "pending-upgrade")]
        ),
    ),
    Row(
        "alert_metric",
        {"config_map": "rules", "metric": "inference_requests_total", "renamed": "nv_inference_request_success"},
        lambda o: (
            one(o, "ConfigMap", "rules")["data"]["alerts.yaml"].count("nv_inference_request_success{") == 2
            and "inference_requests_total_by_me" in one(o, "ConfigMap", "rules")["data"]["alerts.yaml"]
        ),
    ),
]
ROWS = [*NETWORK, *SCHEDULING, *CONTAINER, *RIGHTS, *RELIABILITY, *OVER_TIME, *DELIVERY]
