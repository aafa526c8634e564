"""Check ComfyDeploy: the API key, and each deployment with its options."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from bot.deployments.catalogue import CAUSES, Catalogue
from bot.deployments.command_plan import MAX_COMMAND_SIZE, CommandSpec
from bot.deployments.model import Deployment, describes_itself
from bot.deployments.schema import DeploymentSettings
from bot.domain.errors import (
    BackendBadReply,
    BackendError,
    BackendNotFound,
    BackendRedirected,
    BackendServerError,
    BackendUnauthorized,
    BackendUnreachable,
    StartupError,
)
from bot.ops.findings import Finding, Setup, ok, problem, warning

KEY, DEPLOYMENT, COMMAND = "ComfyDeploy key", "Deployment", "Options"
# No run has this id; with a valid key ComfyDeploy answers 404.
_NO_RUN = "00000000-0000-4000-8000-000000000000"
_WITHOUT = "To start without its answer, describe the deployment in full in deployments.toml."


async def check_key(setup: Setup) -> AsyncIterator[Finding]:
    try:
        await setup.backend.get_run(_NO_RUN)
    except BackendNotFound as error:
        # Any web server answers 404, but only ComfyDeploy says what it didn't find.
        if '"detail"' in str(error) and '"Not Found"' not in str(error):
            yield ok(KEY, "ComfyDeploy accepts it.")
        else:
            yield _elsewhere(error)
    except BackendUnauthorized:
        remedy = "Create an API key in ComfyDeploy's dashboard and copy it into COMFYDEPLOY_API_KEY."
        yield problem(KEY, "ComfyDeploy doesn't accept COMFYDEPLOY_API_KEY.", remedy)
    except BackendRedirected:
        remedy = "Set COMFYDEPLOY_API_URL to the API's own address."
        yield problem(KEY, "COMFYDEPLOY_API_URL redirects, which the bot never follows.", remedy)
    except BackendBadReply as error:
        yield _elsewhere(error)
    except BackendUnreachable as error:
        remedy = "Check COMFYDEPLOY_API_URL and the network."
        yield problem(KEY, f"ComfyDeploy can't be reached ({error}).", remedy)
    except BackendError as error:
        yield warning(KEY, f"ComfyDeploy gives no clear answer ({error}).", "Try again in a minute.")


def _elsewhere(error: BackendError) -> Finding:
    remedy = "Set COMFYDEPLOY_API_URL to the API's own address, which usually ends in /api."
    return problem(KEY, f"COMFYDEPLOY_API_URL doesn't lead to ComfyDeploy's API ({error}).", remedy)


async def check_deployments(setup: Setup) -> AsyncIterator[Finding]:
    """Load the deployments. Yield a finding for each, and for each mistake that keeps them from loading."""
    mistakes: Sequence[str] = ()
    try:
        await setup.catalogue.load()
    except StartupError as error:
        mistakes = error.mistakes
    for finding in deployment_findings(setup.configs, setup.catalogue):
        yield finding
    for mistake in mistakes:
        yield problem(COMMAND, mistake, "Follow the remedies above, or correct deployments.toml.")


def deployment_findings(configured: Sequence[DeploymentSettings], catalogue: Catalogue) -> Iterator[Finding]:
    """Yield a finding for each deployment, with the names of its options if it is offered.

    A finding about the size of the command follows.
    """
    for settings in configured:
        yield _deployment(settings, catalogue.faults.get(settings.deployment_id), catalogue)
    if not catalogue.all():
        return
    plan = catalogue.plan
    yield ok(COMMAND, f"/{plan.name} takes {plan.size:,} of Discord's {MAX_COMMAND_SIZE:,} characters.")


def _deployment(settings: DeploymentSettings, fault: BackendError | None, catalogue: Catalogue) -> Finding:
    where = f"{settings.name} ({settings.deployment_id})"
    deployment = catalogue.get(settings.name)
    spec = catalogue.plan.command(settings.name) if deployment is not None else None
    if deployment is None or spec is None:
        if fault is None:
            return problem(DEPLOYMENT, f"{where} is not offered.", "Correct its options below.")
        summary = f"{where} is not offered: ComfyDeploy doesn't describe it ({fault})."
        return problem(DEPLOYMENT, summary, _remedy(fault))
    lines = (*deployment.warnings, f"options: {option_names(deployment, spec)}")
    if fault is not None:
        source = "deployments.toml alone" if describes_itself(settings) else "what ComfyDeploy said earlier"
        summary = f"{where} is offered from {source}: ComfyDeploy doesn't describe it ({fault})."
        return warning(DEPLOYMENT, summary, _remedy(fault), *lines)
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


def option_names(deployment: Deployment, spec: CommandSpec) -> str:
    """Return the names of a deployment's options, without those of inputs that aren't offered."""
    names = [option.name if option.required else f"[{option.name}]" for option in spec.options]
    keys = {option.key for option in spec.options}
    within = [item.option for item in deployment.offered if item.key not in keys]
    return " ".join(names) + (f", within 'more': {', '.join(within)}" if within else "")
