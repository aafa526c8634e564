"""Check the servers' GPU rules against the deployments, as `/settings` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bot.deployments.model import Deployment
from bot.domain.settings.fields import missing_references
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.settings.values import Names, SettingsContext
from bot.ops.findings import Finding, ok, warning

RULES = "GPU rules"
_SHOWN = 20


def rule_findings(rules: Mapping[int, ServerRules], deployments: Sequence[Deployment]) -> Iterator[Finding]:
    """Yield findings about servers' rules that name GPUs, or nothing if no server has such rules."""
    usable = SettingsContext(gpus=tuple(gpu for deployment in deployments for gpu in deployment.usable_gpus))
    missing = {
        server: sorted(map(str, missing_references(each, usable).get(Names.GPU, ())))
        for server, each in rules.items()
    }
    without = [f"{server}: {', '.join(gpus)}" for server, gpus in missing.items() if gpus]
    if without:
        yield warning(
            RULES,
            f"{_servers(len(without))} rules for GPUs that no deployment can run on. They have no effect.",
            "A server admin presses Clean up in /settings, or you offer the GPUs in deployments.toml.",
            *_first(without),
        )
    restricting = [str(server) for server, each in rules.items() if each.gpu_roles]
    unknown = [deployment.title for deployment in deployments if deployment.expected_gpu(None) is None]
    if restricting and unknown:
        yield warning(
            RULES,
            f"the default GPU isn't known for {', '.join(unknown)}. "
            f"{_servers(len(restricting))} roles for GPUs: members without all of them have to choose one, "
            "and can't use the deployment if it offers none.",
            "Set gpus and default_gpu of these deployments in deployments.toml.",
            *_first(restricting),
        )
    elif not without and any(each.gpu_roles or each.approval.gpus for each in rules.values()):
        yield ok(RULES, "the deployments can run on every GPU that a server's rules name.")


def _servers(count: int) -> str:
    return "1 server has" if count == 1 else f"{count} servers have"


def _first(lines: Sequence[str]) -> list[str]:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return [*lines[:_SHOWN], *more]
