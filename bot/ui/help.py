"""The pages of `/help`, and the message of `/usage`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from discord.ui import LayoutView
from discord.utils import format_dt

from bot.deployments.command_plan import CommandPlan
from bot.deployments.model import Deployment
from bot.domain.policy import Spending, Usage, day_end
from bot.domain.requests import NAME_LENGTH, Actor, Preset
from bot.domain.settings.rules_and_defaults import ApprovalMode, Budget, ServerRules
from bot.domain.text import escape_line, shorten, shown_number
from bot.sentences import say
from bot.ui.custom_ids import HelpId, HelpPage
from bot.ui.message_parts import bar, button, layout_of, lines

_LISTED = 10
_DEFAULTS = 5
_TITLE = 40
_PROMPT = 100
_EXAMPLE = "a lighthouse at dusk, soft light, film photo"
_NAMES = 200
_REASON = 200
_LIMIT_BAR = 10
# Converts the path of a command, such as `/generate flux`, to the text that shows it.
Mention = Callable[[str], str]


def help_layout(page: HelpPage, *texts: str) -> LayoutView:
    labels = {each: "My limits" if each is HelpPage.LIMITS else each.capitalize() for each in HelpPage}
    buttons = (button(label, HelpId(each)) for each, label in labels.items() if each is not page)
    return layout_of(*texts, [*buttons])


def greeting_layout(mention: Mention, deployments: Sequence[Deployment], plan: CommandPlan) -> LayoutView:
    first = next((plan.path(each.name) for each in deployments), f"/{plan.name}")
    settings, help = mention("/settings"), mention("/help")
    return layout_of(say("greeting", generate=mention(first), settings=settings, help=help))


def start_texts(deployments: Sequence[Deployment], plan: CommandPlan, mention: Mention) -> list[str]:
    """Return how to begin, and a prompt to try or a description for each of the first deployments."""
    texts = [say("help_start")]
    for deployment in deployments[:_LISTED]:
        title, prompt = escape_line(deployment.title, _TITLE), deployment.prompt
        example = deployment.description
        if prompt is not None:
            default = prompt.default if isinstance(prompt.default, str) else ""
            example = deployment.example or default or _EXAMPLE
        quote = f"> {escape_line(example, _PROMPT)}" if example else ""
        texts.append(lines(f"**{title}** {mention(plan.path(deployment.name))}", quote))
    if len(deployments) > _LISTED:
        texts.append(f"-# And {len(deployments) - _LISTED} more.")
    return texts


def examples_text(deployments: Sequence[Deployment]) -> str:
    tips = [say("help_tips")]
    if any(deployment.max_count > 1 for deployment in deployments):
        tips.append("- Want a choice? `count` makes several at once, each with its own seed.")
    if any(each.picture_input for each in deployments):
        tips.append("- To start from a picture, open its message's menu. Choose Apps, then Use as input.")
    return "\n".join([*tips, "- Made something that you want again? ⋯ More has Save preset."])


def commands_text(mention: Mention, *, in_server: bool) -> str:
    queue = f"- {mention('/queue')} shows what is running and waiting on this server."
    save, use = mention("/preset save"), mention("/preset use")
    export, delete = mention("/privacy export"), mention("/privacy delete")
    return lines(
        "**More commands**",
        f"- {mention('/runs')} lists your requests, to open, cancel or post again.",
        queue if in_server else "",
        f"- {save} keeps a request's inputs under a name. {use} uses them again.",
        f"- {mention('/usage')} shows what you have used today.",
        f"- {export} sends you what I keep about you. {delete} deletes it.",
    )


def rules_of(
    actor: Actor,
    deployments: Sequence[Deployment],
    usage: Usage,
    rules: ServerRules,
    defaults: Sequence[Preset],
) -> Iterator[str]:
    """Yield a heading, and the rules that apply to a member. `defaults` are presets of these deployments."""
    yield "**Your limits here**"
    yield from (f"- {each}" for each in _restrictions(usage))
    roles, titles = actor.person.role_ids, {each.name: each.title for each in deployments}
    gpus = list(dict.fromkeys(gpu for each in deployments for gpu in each.gpus if len(each.gpus) > 1))
    mode, approval = rules.approval.mode, rules.approval
    reviewed = [titles[name] for name in titles if name in approval.deployments]
    reviewed += [gpu for gpu in gpus if gpu in approval.gpus]
    is_exempt = mode is ApprovalMode.WITHOUT_ROLES and roles & approval.exempt_roles
    if mode in (ApprovalMode.EVERYBODY, ApprovalMode.WITHOUT_ROLES) and not is_exempt:
        yield "- A moderator looks at each of your requests before it starts."
    elif mode is ApprovalMode.SELECTED and reviewed:
        yield f"- A moderator approves requests with these first: {_names(reviewed)}."
    else:
        yield "- Your requests start without a moderator's approval."
    yield "- `/usage` shows what you have used today, and what is left."
    for default in defaults[:_DEFAULTS]:
        name = escape_line(default.name, NAME_LENGTH)
        title = escape_line(titles.get(default.deployment, default.deployment), 60)
        yield say("help_rules_default", name=name, title=title)
    if len(defaults) > _DEFAULTS:
        yield f"- And {len(defaults) - _DEFAULTS} more."
    if actor.origin.guild_id is not None and rules.private_results:
        yield "- With `private`, only you and the moderators can see a result."
    closed = {name for name, allowed in rules.deployment_roles.items() if not allowed & roles}
    if names := [titles[name] for name in titles if name in closed]:
        yield f"- Your roles can't use {_names(names)}."
    closed = {name for name, allowed in rules.gpu_roles.items() if not allowed & roles}
    if names := [gpu for gpu in gpus if gpu in closed]:
        yield f"- Your roles can't use these GPUs: {_names(names)}."
    weights = rules.budgets.gpu_weights
    if names := [f"{gpu} ×{shown_number(weights[gpu])}" for gpu in gpus if weights.get(gpu, 1) != 1]:
        yield f"- GPU seconds count differently on {_names(names)}."
    if names := [each.title for each in deployments if each.age_restricted]:
        here = "like this one" if actor.origin.channel_age_restricted else "which this one isn't"
        yield f"- {_names(names)}: only in channels marked as age-restricted, {here}."


def _names(names: Iterable[str]) -> str:
    return escape_line(", ".join(names), _NAMES)


def usage_layout(
    other: int | None, usage: Usage, running: tuple[int, int], limits: Budget, of_server: Budget | None
) -> LayoutView:
    """Show the reader's usage, or that of another user, and with `of_server` also the server's."""
    heading = "### Your usage today" if other is None else f"### Usage of <@{other}> today"
    above, server = lines(heading, *_used(usage.person, running[0], limits), *_restrictions(usage)), ""
    if of_server is not None:
        server = lines("### The whole server today", *_used(usage.server, running[1], of_server))
    midnight = format_dt(day_end(usage.now), "R")
    resets = f"-# Resets {midnight}. The GPU seconds of unfinished runs are estimates."
    return layout_of(above, server, resets)


def _used(spent: Spending, running: int, limits: Budget) -> Iterator[str]:
    """Yield a line for each kind of use, with a bar if it is limited."""
    for name, limit, used, after in (
        ("Runs", limits.runs_a_day, spent.runs, ", {} left"),
        ("GPU seconds", limits.gpu_seconds_a_day, round(spent.gpu_seconds), ", {} left"),
        ("Running", limits.at_once, running, " at once"),
        ("Waiting", limits.waiting, spent.waiting, ""),
    ):
        if limit is None:
            yield f"{name}: {used}"
        else:
            share = used / limit if limit else 1
            yield f"{bar(share, _LIMIT_BAR)} {name}: {used} of {limit}{after.format(max(limit - used, 0))}"


def _restrictions(usage: Usage) -> Iterator[str]:
    block, paused = usage.block, usage.paused
    if block is not None:
        until = f" until {format_dt(block.until, 'f')}" if block.until else ""
        yield f"Blocked on this server{until}: {escape_line(block.reason or '-', _REASON)}"
    if paused is not None:
        # The reason is stored escaped.
        yield f"The bot is paused: {shorten(paused, 2 * _REASON)}"
