"""Check ComfyDeploy: the API key, and each deployment with its options."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.comfydeploy.client import NO_RUN, ComfyDeploy
from bot.deployments.catalogue import CAUSES, Catalogue
from bot.deployments.command_plan import MAX_COMMAND_SIZE, CommandPlan
from bot.deployments.model import Deployment, describes_itself
from bot.deployments.schema import DeploymentSettings
from bot.domain.backend import Backend
from bot.domain.errors import (
    BackendBadReply,
    BackendCrashed,
    BackendError,
    BackendNotFound,
    BackendRedirected,
    BackendServerError,
    BackendUnauthorized,
    BackendUnreachable,
    StartLater,
    StartupError,
)
from bot.ops.findings import Finding, ok, problem, warning

KEY, DEPLOYMENT, COMMAND = "ComfyDeploy key", "Deployment", "Options"
KEY_REFUSED = "ComfyDeploy doesn't accept COMFYDEPLOY_API_KEY."
UNKNOWN_ID = "the account of COMFYDEPLOY_API_KEY has no deployment with this id."
_WITHOUT = "To start without its answer, describe the deployment in full in deployments.toml."


async def check_key(backend: ComfyDeploy) -> Finding:
    try:
        await backend.get_run(NO_RUN)
    except BackendUnauthorized:
        remedy = "Create an API key in ComfyDeploy's dashboard and copy it into COMFYDEPLOY_API_KEY."
        return problem(KEY, KEY_REFUSED, remedy)
    except BackendRedirected:
        remedy = "Set COMFYDEPLOY_API_URL to the API's own address."
        return problem(KEY, "COMFYDEPLOY_API_URL redirects, which the bot never follows.", remedy)
    except (BackendNotFound, BackendBadReply) as error:
        said = str(error)
        # Any web server answers 404, but only ComfyDeploy says what it didn't find.
        if isinstance(error, BackendNotFound) and '"detail"' in said and '"Not Found"' not in said:
            return ok(KEY, "ComfyDeploy accepts it.")
        remedy = "Set COMFYDEPLOY_API_URL to the API's own address, which usually ends in /api."
        return problem(KEY, f"COMFYDEPLOY_API_URL doesn't lead to ComfyDeploy's API ({error}).", remedy)
    except BackendUnreachable as error:
        remedy = "Check COMFYDEPLOY_API_URL and the network."
        return problem(KEY, f"ComfyDeploy can't be reached ({_reason(error)}).", remedy, passing=True)
    except BackendError as error:
        return warning(
            KEY, f"ComfyDeploy gives no clear answer ({_reason(error)}).", "Try again in a minute."
        )
    return warning(KEY, "ComfyDeploy describes a run that can't exist.", "Check COMFYDEPLOY_API_URL.")


def _reason(error: BackendError) -> str:
    """Return the text of an error without the call, which only the log needs."""
    return re.sub(r"^[A-Z]+ /\S*: ", "", str(error))


async def check_deployments(
    configured: Sequence[DeploymentSettings], catalogue: Catalogue, backend: Backend
) -> list[Finding]:
    """Load the deployments. Return a finding for each, and for each mistake that keeps them from loading."""
    refused: StartupError | None = None
    try:
        await catalogue.load()
    except StartupError as error:
        refused = error
    found = [_deployment(each, catalogue, await _is_unknown(each, catalogue, backend)) for each in configured]
    if catalogue.all():
        plan = catalogue.plan
        size = f"{plan.size:,} of Discord's {MAX_COMMAND_SIZE:,} characters"
        found.append(ok(COMMAND, f"/{plan.name} takes {size}."))
    if refused is not None:
        remedy = "Follow the remedies above, or correct deployments.toml."
        passing = isinstance(refused, StartLater)
        found += [problem(COMMAND, each, remedy, passing=passing) for each in refused.mistakes]
    return found


async def _is_unknown(settings: DeploymentSettings, catalogue: Catalogue, backend: Backend) -> bool:
    """Return whether the account has no deployment with this id.

    For such an id ComfyDeploy answers 500, as in an outage, but then it answers other calls.
    """
    fault = catalogue.faults.get(settings.deployment_id)
    if not isinstance(fault, BackendServerError) or isinstance(fault, BackendCrashed):
        return False
    try:
        await backend.ping()
    except BackendError:
        return False
    return True


def _deployment(settings: DeploymentSettings, catalogue: Catalogue, unknown: bool) -> Finding:
    where = f"{settings.name} ({settings.deployment_id})"
    fault, deployment = catalogue.faults.get(settings.deployment_id), catalogue.get(settings.name)
    lines: tuple[str, ...] = ()
    if deployment is not None:
        lines = (*deployment.warnings, f"options: {option_names(deployment, catalogue.plan)}")
    if unknown:
        summary = f"{where}: {UNKNOWN_ID}"
        return problem(DEPLOYMENT, summary, "Copy the id from ComfyDeploy's dashboard.", *lines)
    if fault is not None:
        reason = f"ComfyDeploy doesn't describe it ({_reason(fault)})."
        if deployment is None:
            summary = f"{where} is not offered: {reason}"
            return problem(DEPLOYMENT, summary, _remedy(fault), passing=fault.passing)
        source = "deployments.toml alone" if describes_itself(settings) else "what ComfyDeploy said earlier"
        return warning(DEPLOYMENT, f"{where} is offered from {source}: {reason}", _remedy(fault), *lines)
    if deployment is None:
        return problem(DEPLOYMENT, f"{where} is not offered.", "Correct its options below.")
    if deployment.warnings:
        remedy = "Correct or describe what is named here in deployments.toml, or leave it as it is."
        return warning(DEPLOYMENT, f"{where}, {deployment.title}.", remedy, *lines)
    return ok(DEPLOYMENT, f"{where}, {deployment.title}.", *lines)


def _remedy(fault: BackendError) -> str:
    if isinstance(fault, BackendServerError):
        return f"Try again in a minute. {CAUSES} {_WITHOUT}"
    if fault.passing:
        return f"Check again when ComfyDeploy answers. {_WITHOUT}"
    return f"See the finding about the key, and check the id and COMFYDEPLOY_API_URL. {_WITHOUT}"


def option_names(deployment: Deployment, plan: CommandPlan) -> str:
    """Return the names of a deployment's options, without those of inputs that aren't offered."""
    spec = plan.command(deployment.name)
    options = spec.options if spec is not None else ()
    names = [option.name if option.required else f"[{option.name}]" for option in options]
    inputs = [option.item for option in options]
    within = [item.option for item in deployment.offered if item not in inputs]
    return " ".join(names) + (f", within 'more': {', '.join(within)}" if within else "")
