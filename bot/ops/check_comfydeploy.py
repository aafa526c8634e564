"""ComfyDeploy: the key, each deployment, and the options that become of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bot.comfydeploy.client import ComfyClient
from bot.comfydeploy.deployments import DeploymentInfo
from bot.comfydeploy.wire import WireError, load_object
from bot.database.key_values import KeyValueStore
from bot.deployments.catalogue import Catalogue
from bot.deployments.command_plan import LARGEST_COMMAND, size
from bot.deployments.compile import describes_itself
from bot.deployments.model import Deployment, Input
from bot.deployments.options import PRESET_OPTION, CommandSpec, OptionSpec
from bot.deployments.schema import DeploymentConfig
from bot.domain.errors import (
    ComfyBadReply,
    ComfyError,
    ComfyForbidden,
    ComfyNotFound,
    ComfyRedirected,
    ComfyServerError,
    ComfyUnauthorized,
    ComfyUnreachable,
    StartLater,
    StartupError,
)
from bot.domain.text import shorten, strip_invisible
from bot.ops.findings import Finding, ok, problem, warning

KEY, DEPLOYMENT, COMMAND = "ComfyDeploy key", "Deployment", "Options"
# No run has it: a key that is taken gets a 404 for it.
_NO_RUN = "00000000-0000-4000-8000-000000000000"
# What the framework beneath ComfyDeploy's API says of a path that it doesn't have.
_NO_SUCH_PATH = "Not Found"
_TOLD = 80
_SEE_KEY = "See what is said of the key above."
_WITHOUT = "To start without its answer, describe the deployment in full in deployments.toml."


async def key(comfy: ComfyClient) -> Finding:
    try:
        await comfy.run(_NO_RUN)
    except (ComfyNotFound, ComfyForbidden, ComfyBadReply) as error:
        return ok(KEY, "ComfyDeploy takes it.") if _from_the_api(error) else _other_server(error)
    except ComfyUnauthorized:
        remedy = "Create an API key in ComfyDeploy's dashboard and copy it into COMFYDEPLOY_API_KEY."
        return problem(KEY, "ComfyDeploy doesn't accept COMFYDEPLOY_API_KEY.", remedy)
    except ComfyRedirected:
        remedy = "Set COMFYDEPLOY_API_URL to the API's own address."
        return problem(KEY, "COMFYDEPLOY_API_URL redirects, which the bot never follows.", remedy)
    except ComfyUnreachable as error:
        return problem(
            KEY, f"ComfyDeploy can't be reached ({error}).", "Check COMFYDEPLOY_API_URL and the network."
        )
    except ComfyError as error:
        return warning(KEY, f"ComfyDeploy gives no clear answer ({error}).", "Try again in a minute.")
    return ok(KEY, "ComfyDeploy takes it.")


def _from_the_api(error: ComfyError) -> bool:
    """Whether ComfyDeploy itself said so: its errors are JSON with a `detail`. Any web server has a 404."""
    _, _, body = str(error).partition(": ")
    try:
        detail = load_object(body.encode()).get("detail")
    except WireError:
        return False
    return isinstance(detail, str) and detail != _NO_SUCH_PATH


def _other_server(error: ComfyError) -> Finding:
    answer = shorten(str(error), _TOLD)
    said = f"COMFYDEPLOY_API_URL doesn't look like the address of ComfyDeploy's API ({answer})."
    return problem(KEY, said, "Set it to the API's own address, which usually ends in /api.")


class Asked:
    """ComfyDeploy's answers about deployments, kept so that each is asked for once."""

    def __init__(self, comfy: ComfyClient) -> None:
        self._comfy = comfy
        self.faults: dict[str, ComfyError] = {}

    async def deployment(self, deployment_id: str) -> DeploymentInfo:
        try:
            return await self._comfy.deployment(deployment_id)
        except ComfyError as error:
            self.faults[deployment_id] = error
            raise


class ReadOnlyCache:
    """What the store remembers of deployments, where there is one to read; nothing is written."""

    def __init__(self, notes: KeyValueStore | None) -> None:
        self._notes = notes

    async def get_deployment(self, deployment_id: str) -> str | None:
        return await self._notes.get_deployment(deployment_id) if self._notes is not None else None

    async def put_deployment(self, deployment_id: str, description: str) -> None:
        """A check changes nothing."""


def catalogue_of(configs: Sequence[DeploymentConfig], asked: Asked, notes: KeyValueStore | None) -> Catalogue:
    return Catalogue(configs, asked, ReadOnlyCache(notes), extra=(PRESET_OPTION,))


def not_loaded(error: StartupError, asked: Asked) -> Iterator[Finding]:
    """What hinders a command. Where ComfyDeploy described nothing, each deployment's own finding says why."""
    if isinstance(error, StartLater):
        remedy = "See what is said of each deployment above, and check again when ComfyDeploy answers."
    elif asked.faults:
        remedy = "Do what is said of each deployment above."
    else:
        remedy = "Correct deployments.toml or COMFYDEPLOY_DEPLOYMENT_ID."
    for mistake in error.mistakes:
        yield problem(COMMAND, mistake, remedy)


def deployments(configs: Sequence[DeploymentConfig], asked: Asked, catalogue: Catalogue) -> Iterator[Finding]:
    """One finding each, with the table of its options; then the command's size."""
    for config in configs:
        yield _deployment(config, asked.faults.get(config.deployment_id), catalogue)
    if catalogue.all():
        plan = catalogue.plan
        said = f"/{plan.name} takes {size(plan):,} of Discord's {LARGEST_COMMAND:,} characters."
        yield ok(COMMAND, said)


def _deployment(config: DeploymentConfig, fault: ComfyError | None, catalogue: Catalogue) -> Finding:
    where = f"{config.name} ({config.deployment_id})"
    offered = catalogue.get(config.name)
    spec = catalogue.plan.command(config.name) if offered is not None else None
    if offered is None or spec is None:
        if fault is None:
            return problem(
                DEPLOYMENT, f"{where} is not offered.", "Correct what is said of the options below."
            )
        said = f"{where} is not offered: ComfyDeploy doesn't describe it ({fault})."
        return problem(DEPLOYMENT, said, _remedy(fault))
    table = options_table(offered, spec)
    if fault is not None:
        source = "deployments.toml alone" if describes_itself(config) else "what ComfyDeploy said earlier"
        said = f"{where} is offered from {source}: ComfyDeploy doesn't describe it ({fault})."
        return warning(DEPLOYMENT, said, "See in ComfyDeploy's dashboard whether it works.", *table)
    if offered.warnings:
        remedy = "Describe what is named here in deployments.toml, or leave it as it is."
        return warning(DEPLOYMENT, f"{where}, {offered.title}.", remedy, *offered.warnings, *table)
    return ok(DEPLOYMENT, f"{where}, {offered.title}.", *table)


def _remedy(fault: ComfyError) -> str:
    """What helps against the fault itself."""
    match fault:
        case ComfyUnauthorized() | ComfyRedirected():
            return _SEE_KEY
        case ComfyNotFound() | ComfyForbidden() if not _from_the_api(fault):
            return _SEE_KEY
        case ComfyForbidden():
            return "See in ComfyDeploy's dashboard whether the account is in order."
        case ComfyServerError():
            # 500 is its answer for an id that it doesn't know, too.
            return f"Try again in a minute. If ComfyDeploy answers otherwise, check the id. {_WITHOUT}"
        case _ if fault.passing:
            return f"Check again when ComfyDeploy answers. {_WITHOUT}"
        case _:
            return "Check the id, or describe the deployment in deployments.toml."


_HEAD = ("option", "type", "input", "needed", "takes", "default")
_WIDEST = 36


def options_table(deployment: Deployment, spec: CommandSpec) -> list[str]:
    """Its lines, with a head. Fixed inputs are left out: they are not offered, and may be secret."""
    inputs = {item.key: item for item in deployment.offered}
    rows = [_HEAD, *(_row(option, inputs.get(option.key or "")) for option in spec.options)]
    own = {option.key for option in spec.options}
    rows += [_apart(item) for item in deployment.offered if item.key not in own]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return [_line(row, widths) for row in rows]


def _row(option: OptionSpec, item: Input | None) -> tuple[str, ...]:
    return (
        option.name,
        option.type.value,
        option.key or "the bot's own",
        _yes(option.required),
        _short(_takes(option)),
        _default(item),
    )


def _apart(item: Input) -> tuple[str, ...]:
    """One for which there was no room among the options."""
    return (item.option, item.kind.value, item.key, _yes(item.required), "within 'more'", _default(item))


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
    return "" if item is None or item.default is None else _short(str(item.default))


def _short(text: str) -> str:
    return shorten(strip_invisible(text), _WIDEST)


def _yes(flag: bool) -> str:
    return "yes" if flag else ""


def _line(row: Iterable[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
