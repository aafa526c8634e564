"""Check ComfyDeploy: the API key, each deployment with its options, and servers' rules for GPUs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from bot.comfydeploy.wire import load_object
from bot.deployments.catalogue import CAUSES, Catalogue
from bot.deployments.choices import SizeInput
from bot.deployments.command_plan import MAX_COMMAND_SIZE, CommandSpec
from bot.deployments.follow_ups import MAX_COMMANDS
from bot.deployments.inputs import Input, OptionSpec
from bot.deployments.model import Deployment, describes_itself
from bot.deployments.schema import DeploymentSettings
from bot.domain.errors import (
    BackendBadReply,
    BackendError,
    BackendForbidden,
    BackendNotFound,
    BackendRedirected,
    BackendServerError,
    BackendUnauthorized,
    BackendUnreachable,
    StartLater,
    StartupError,
)
from bot.domain.settings.fields import missing_references
from bot.domain.settings.kinds import Names, SettingsContext
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.text import shorten, strip_invisible
from bot.ops.findings import Finding, Setup, first, ok, problem, warning

KEY, DEPLOYMENT, COMMAND, MENU = "ComfyDeploy key", "Deployment", "Options", "Message commands"
RULES = "GPU rules"
# No run has this id; with a valid key ComfyDeploy answers 404.
_NO_RUN = "00000000-0000-4000-8000-000000000000"
# The `detail` of ComfyDeploy's web framework for an unknown path.
_NO_SUCH_PATH = "Not Found"
_ANSWER_LENGTH = 80
_SEE_KEY = "See the finding about the key above."
_WITHOUT = "To start without its answer, describe the deployment in full in deployments.toml."


async def check_key(setup: Setup) -> AsyncIterator[Finding]:
    try:
        await setup.backend.get_run(_NO_RUN)
    except (BackendNotFound, BackendForbidden, BackendBadReply) as error:
        yield ok(KEY, "ComfyDeploy accepts it.") if _from_the_api(error) else _other_server(error)
    except BackendUnauthorized:
        remedy = "Create an API key in ComfyDeploy's dashboard and copy it into COMFYDEPLOY_API_KEY."
        yield problem(KEY, "ComfyDeploy doesn't accept COMFYDEPLOY_API_KEY.", remedy)
    except BackendRedirected:
        remedy = "Set COMFYDEPLOY_API_URL to the API's own address."
        yield problem(KEY, "COMFYDEPLOY_API_URL redirects, which the bot never follows.", remedy)
    except BackendUnreachable as error:
        remedy = "Check COMFYDEPLOY_API_URL and the network."
        yield problem(KEY, f"ComfyDeploy can't be reached ({error}).", remedy)
    except BackendError as error:
        yield warning(KEY, f"ComfyDeploy gives no clear answer ({error}).", "Try again in a minute.")
    else:
        yield ok(KEY, "ComfyDeploy accepts it.")


def _from_the_api(error: BackendError) -> bool:
    """Return whether ComfyDeploy's API sent the error, since any web server can answer 404.

    The API's errors are JSON objects with a `detail` that says more than "Not Found".
    """
    _, _, body = str(error).partition(": ")
    try:
        detail = load_object(body.encode()).get("detail")
    except BackendBadReply:
        return False
    return isinstance(detail, str) and detail != _NO_SUCH_PATH


def _other_server(error: BackendError) -> Finding:
    answer = shorten(str(error), _ANSWER_LENGTH)
    summary = f"COMFYDEPLOY_API_URL doesn't look like the address of ComfyDeploy's API ({answer})."
    return problem(KEY, summary, "Set it to the API's own address, which usually ends in /api.")


async def check_deployments(setup: Setup) -> AsyncIterator[Finding]:
    """Load the deployments. Yield a finding for each, and for each mistake that keeps them from loading.

    If ComfyDeploy didn't describe every deployment, the remedy refers to the deployments' own findings.
    """
    catalogue, failed = setup.catalogue, None
    try:
        await catalogue.load()
    except StartupError as error:
        failed = error
    for finding in deployment_findings(setup.configs, catalogue):
        yield finding
    if failed is None:
        setup.loaded = bool(catalogue.all())
        return
    remedy = "Correct deployments.toml or COMFYDEPLOY_DEPLOYMENT_ID."
    if isinstance(failed, StartLater):
        remedy = "Follow the remedies of the deployments above, and check again when ComfyDeploy answers."
    elif catalogue.faults:
        remedy = "Follow the remedies of the deployments above."
    for mistake in failed.mistakes:
        yield problem(COMMAND, mistake, remedy)


def deployment_findings(configured: Sequence[DeploymentSettings], catalogue: Catalogue) -> Iterator[Finding]:
    """Yield a finding for each deployment, with a table of its options if it is offered.

    Findings about the size of the command and about the message commands follow.
    """
    for settings in configured:
        yield _deployment(settings, catalogue.faults.get(settings.deployment_id), catalogue)
    if not catalogue.all():
        return
    plan, menu = catalogue.plan, catalogue.message_commands
    summary = f"/{plan.name} takes {plan.size:,} of Discord's {MAX_COMMAND_SIZE:,} characters."
    yield ok(COMMAND, summary)
    names = ", ".join(f"'{each.label}'" for each in menu.offered)
    if menu.left_out:
        remedy = (
            f"Discord takes {MAX_COMMANDS} beside Use as input, in the file's order, each with its own name: "
            "put the most useful ones first, or leave it as it is."
        )
        summary = f"{names} are on every picture; the other follow-ups are only buttons."
        yield warning(MENU, summary, remedy, *menu.left_out)
    elif menu.offered:
        yield ok(MENU, f"{names} on every picture.")


def _deployment(settings: DeploymentSettings, fault: BackendError | None, catalogue: Catalogue) -> Finding:
    where = f"{settings.name} ({settings.deployment_id})"
    deployment = catalogue.get(settings.name)
    spec = catalogue.plan.command(settings.name) if deployment is not None else None
    if deployment is None or spec is None:
        if fault is None:
            return problem(DEPLOYMENT, f"{where} is not offered.", "Correct its options below.")
        summary = f"{where} is not offered: ComfyDeploy doesn't describe it ({fault})."
        return problem(DEPLOYMENT, summary, _remedy(fault))
    lines = (*deployment.warnings, *options_table(deployment, spec))
    if fault is not None:
        source = "deployments.toml alone" if describes_itself(settings) else "what ComfyDeploy said earlier"
        summary = f"{where} is offered from {source}: ComfyDeploy doesn't describe it ({fault})."
        return warning(DEPLOYMENT, summary, _remedy(fault), *lines)
    if deployment.warnings:
        remedy = "Correct or describe what is named here in deployments.toml, or leave it as it is."
        return warning(DEPLOYMENT, f"{where}, {deployment.title}.", remedy, *lines)
    return ok(DEPLOYMENT, f"{where}, {deployment.title}.", *lines)


def _remedy(fault: BackendError) -> str:
    match fault:
        case BackendUnauthorized() | BackendRedirected():
            return _SEE_KEY
        case BackendNotFound() | BackendForbidden() if not _from_the_api(fault):
            return _SEE_KEY
        case BackendForbidden():
            return "See in ComfyDeploy's dashboard whether the account is in order."
        case BackendServerError():
            return f"Try again in a minute. {CAUSES} {_WITHOUT}"
        case _ if fault.passing:
            return f"Check again when ComfyDeploy answers. {_WITHOUT}"
        case _:
            return "Check the id, or describe the deployment in deployments.toml."


_HEAD = ("option", "type", "input", "needed", "takes", "default")
_WIDEST = 36


def options_table(deployment: Deployment, spec: CommandSpec) -> list[str]:
    """Return the lines of a table of a deployment's options.

    Inputs that aren't offered are left out, because a fixed value may be secret.
    """
    rows = [_HEAD]
    for option in spec.options:
        needed, takes = "yes" if option.required else "", _short(_takes(option))
        default = _default(deployment.inputs.get(option.key or ""))
        rows.append((option.name, option.type.value, option.key or "the bot's own", needed, takes, default))
    keys = {option.key for option in spec.options}
    for item in deployment.offered:
        if item.key not in keys:
            needed, default = "yes" if item.required else "", _default(item)
            rows.append((item.option, item.kind.value, item.key, needed, "within 'more'", default))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _takes(option: OptionSpec) -> str:
    if option.choices:
        return ", ".join(choice.name for choice in option.choices)
    if option.autocomplete:
        return "suggestions"
    if option.max_length is not None:
        return f"up to {option.max_length} characters"
    low, high = option.minimum, option.maximum
    if low is None and high is None:
        return ""
    return f"{'' if low is None else f'{low:.15g}'}..{'' if high is None else f'{high:.15g}'}"


def _default(item: Input | None) -> str:
    default = item.default_size if isinstance(item, SizeInput) else item and item.default
    return "" if default is None else _short(str(default))


def _short(text: str) -> str:
    return shorten(strip_invisible(text), _WIDEST)


async def check_gpu_rules(setup: Setup) -> AsyncIterator[Finding]:
    """Check servers' rules that name GPUs against the deployments, as `/settings` does."""
    if setup.loaded and setup.usable:
        rules = await setup.store.rules.of_all_servers()
        for finding in rule_findings(rules, setup.catalogue.all()):
            yield finding


def rule_findings(rules: Mapping[int, ServerRules], deployments: Sequence[Deployment]) -> Iterator[Finding]:
    """Yield findings about servers' rules that name GPUs, or nothing if no server has such rules."""
    usable = SettingsContext(gpus=tuple(gpu for deployment in deployments for gpu in deployment.usable_gpus))
    without = [
        f"{server}: {', '.join(sorted(map(str, gpus)))}"
        for server, each in rules.items()
        if (gpus := missing_references(each, usable).get(Names.GPU))
    ]
    if without:
        summary = f"{_servers(without)} rules for GPUs that no deployment can run on. They have no effect."
        remedy = "A server admin presses Clean up in /settings, or you offer the GPUs in deployments.toml."
        yield warning(RULES, summary, remedy, *first(without))
    restricting = [str(server) for server, each in rules.items() if each.gpu_roles]
    unknown = [deployment.title for deployment in deployments if deployment.expected_gpu(None) is None]
    if restricting and unknown:
        summary = (
            f"the default GPU isn't known for {', '.join(unknown)}. {_servers(restricting)} roles for GPUs: "
            "members without all of them have to choose one, and can't use the deployment if it offers none."
        )
        remedy = "Set gpus and default_gpu of these deployments in deployments.toml."
        yield warning(RULES, summary, remedy, *first(restricting))
    elif not without and any(each.gpu_roles or each.approval.gpus for each in rules.values()):
        yield ok(RULES, "the deployments can run on every GPU that a server's rules name.")


def _servers(which: Sequence[str]) -> str:
    return "1 server has" if len(which) == 1 else f"{len(which)} servers have"
