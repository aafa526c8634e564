"""deploy/kubernetes: its settings, ports, paths and roles are the bot's. `make lint` validates the schema."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from bot import __version__
from bot.comfydeploy.wire import WEBHOOK_PATH
from bot.config.fields import Role, Shards
from bot.config.settings import NAMES, Settings, load_settings
from bot.media.ssrf import is_public
from tests.unit.test_deploy import DOCKERFILE, ROOT, ROUTES, SECRETS

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
OBJECTS = [
    each
    for name in KUSTOMIZATION["resources"]
    for each in yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))
]
IN_SECRET = SECRETS | {"DATABASE_URL": "postgresql://bot:x@postgres/bot"}
ORDINAL = "metadata.labels['apps.kubernetes.io/pod-index']"


def all_of(*kinds: str) -> list[dict[str, Any]]:
    return [each for each in OBJECTS if each["kind"] in kinds]


def one(kind: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in all_of(kind) if each["metadata"]["name"] == name)
    return found


WORKLOADS = {each["metadata"]["name"]: each for each in all_of("Deployment", "StatefulSet")}
SHARED = one("ConfigMap", "comfydeploy-bot")["data"]


def pod_of(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a workload's pod and its container."""
    pod = WORKLOADS[name]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container


def environment(name: str, ordinal: int) -> dict[str, str]:
    """Return what the bot in a pod gets as its environment."""
    own = {}
    for variable in pod_of(name)[1]["env"]:
        source = variable.get("valueFrom", {})
        if "secretKeyRef" in source:
            assert source["secretKeyRef"] == {"name": "comfydeploy-bot", "key": variable["name"]}
            own[variable["name"]] = IN_SECRET[variable["name"]]
        elif "fieldRef" in source:
            assert source["fieldRef"]["fieldPath"] == ORDINAL
            own[variable["name"]] = str(ordinal)
        else:
            own[variable["name"]] = variable["value"]
    return SHARED | own


def settings_of(name: str, ordinal: int = 0) -> Settings:
    given = environment(name, ordinal)
    assert set(given) <= set(NAMES)
    return load_settings(given | {"COMFYDEPLOY_DEPLOYMENT_ID": SECRETS["COMFYDEPLOY_DEPLOYMENT_ID"]})


@pytest.fixture(autouse=True)
def no_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_each_role_has_its_pods_of_this_version_and_each_shard_one_gateway() -> None:
    (image,) = KUSTOMIZATION["images"]
    assert {pod_of(name)[1]["image"] for name in WORKLOADS} == {image["name"]}
    assert image["newTag"] == __version__
    found = {name: settings_of(name).roles for name in WORKLOADS}
    assert found == {role.value: {role} for role in Role}
    replicas = WORKLOADS["gateway"]["spec"]["replicas"]
    shards = [settings_of("gateway", ordinal).shards for ordinal in range(replicas)]
    assert shards == [Shards(replicas, (n,)) for n in range(replicas)]


def test_secrets_come_only_by_reference_and_only_where_they_are_needed() -> None:
    secret = {name.upper() for name, value in Settings.model_fields.items() if "Secret" in str(value)}
    assert "DISCORD_TOKEN" in secret
    assert not secret & set(SHARED)
    assert secret & set(environment("web", 0)) == {"DATABASE_URL"}
    assert all_of("Secret") == []


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_ports_and_probes_are_the_bots(name: str) -> None:
    settings, (pod, container) = settings_of(name), pod_of(name)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": settings.web_port, "metrics": settings.metrics_port}
    paths = {
        kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")
    }
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    assert set(paths.values()) <= ROUTES
    assert {container[f"{kind}Probe"]["httpGet"]["port"] for kind in paths} == {"http"}
    assert pod["terminationGracePeriodSeconds"] >= 15


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_pods_are_confined(name: str) -> None:
    pod, container = pod_of(name)
    user, group = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)[0]
    assert pod["enableServiceLinks"] is False  # a Service named web would set WEB_PORT
    assert pod["automountServiceAccountToken"] is False
    context = pod["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_selector_finds_the_pods(name: str) -> None:
    spec = WORKLOADS[name]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels
    budget = one("PodDisruptionBudget", name)["spec"]
    assert (budget["maxUnavailable"], budget["selector"]["matchLabels"]) == (1, labels)
    everywhere, web = (each["spec"]["podSelector"]["matchLabels"] for each in all_of("NetworkPolicy"))
    assert everywhere.items() <= labels.items()
    assert (web.items() <= labels.items()) is (name == "web")


def test_webhooks_and_nothing_else_reach_the_web_pods() -> None:
    (ingress,) = all_of("Ingress")
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == (WEBHOOK_PATH, "Prefix")
    assert path["backend"]["service"] == {"name": "web", "port": {"name": "http"}}
    service = one("Service", "web")["spec"]
    assert service["selector"] == WORKLOADS["web"]["spec"]["template"]["metadata"]["labels"]
    assert [(port["name"], port["targetPort"]) for port in service["ports"]] == [("http", "http")]
    assert rule["host"] == urlsplit(settings_of("web").public_url or "").hostname
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]


def test_pods_reach_only_public_addresses_by_https() -> None:
    rules = one("NetworkPolicy", "comfydeploy-bot")["spec"]["egress"]
    (rule,) = (each for each in rules if "ipBlock" in each["to"][0])
    assert rule["ports"] == [{"port": 443, "protocol": "TCP"}]
    assert {to["ipBlock"]["cidr"] for to in rule["to"]} == {"0.0.0.0/0", "2000::/3"}
    refused = {network for to in rule["to"] for network in to["ipBlock"]["except"]}
    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"}
    assert private <= refused
    # The bot itself refuses each of them, too.
    assert not any(is_public(end) for each in map(ip_network, refused) for end in (each[0], each[-1]))
