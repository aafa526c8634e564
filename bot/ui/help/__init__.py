"""The messages of `/help`: the deployments with their options, the rules that apply, and tips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from discord import SelectOption
from discord.ui import ActionRow, LayoutView, Select, Separator, TextDisplay

from bot.deployments.command_plan import CommandPlan
from bot.deployments.model import ATTACHMENTS, Deployment, Input, taking_pictures
from bot.deployments.options import COUNT, GPU, describe
from bot.domain.backend import InputKind
from bot.domain.text import escape_line, shorten
from bot.strings import say
from bot.ui.custom_ids import HelpId
from bot.ui.message_parts import subtext
from bot.ui.views import layout_of

_OPTIONS = 25
_SELECTS = 5
_LISTED = 10
_MAX_TEXT = 3900
_CHOICES_SHOWN = 10
# Converts the path of a command, such as `/generate flux`, to the text that shows it.
Mention = Callable[[str], str]


def plain_mention(path: str) -> str:
    return f"`{path}`"


@dataclass(frozen=True, slots=True)
class HelpText:
    """The data for the layouts: the deployments, their commands, and how to mention a command.

    `rules` is the text about the user's own limits. `in_server` adds the commands that need a server.
    """

    deployments: Sequence[Deployment]
    plan: CommandPlan
    mention: Mention = plain_mention
    rules: str = ""
    in_server: bool = True


def help_layout(shown: HelpText) -> LayoutView:
    """Build the overview of the deployments or, if there is only one, of its options."""
    blocks = [text for text in (shown.rules, _tips(shown.deployments), _commands(shown)) if text]
    space = _MAX_TEXT - sum(map(len, blocks))
    if len(shown.deployments) == 1:
        first = _deployment_text(shown.deployments[0], shown, space)
    else:
        first = "\n".join([say("help_heading"), *_lines(shown, space)])
    layout = layout_of(TextDisplay(first))
    for text in blocks:
        layout.add_item(Separator())
        layout.add_item(TextDisplay(text))
    for select in _selects(shown.deployments):
        layout.add_item(select)
    return layout


def deployment_layout(deployment: Deployment, shown: HelpText) -> LayoutView:
    """Build the view of one deployment's options, with selects to choose another deployment."""
    text = _deployment_text(deployment, shown, _MAX_TEXT)
    return layout_of(TextDisplay(text), *_selects(shown.deployments))


def _selects(deployments: Sequence[Deployment]) -> Iterator[ActionRow[LayoutView]]:
    if len(deployments) < 2:
        return
    for number in range(min(_SELECTS, -(-len(deployments) // _OPTIONS))):
        options = [
            SelectOption(label=shorten(deployment.title, 100), value=deployment.name)
            for deployment in deployments[number * _OPTIONS : (number + 1) * _OPTIONS]
        ]
        select: Select[LayoutView] = Select(
            placeholder=say("help_placeholder"), options=options, custom_id=HelpId(number).encode()
        )
        yield ActionRow(select)


def _tips(deployments: Sequence[Deployment]) -> str:
    tips = [say("help_tips")]
    if any(deployment.max_count > 1 for deployment in deployments):
        tips.append(say("help_tip_count"))
    if taking_pictures(deployments):
        tips.append(say("help_tip_picture"))
    return "\n".join(tips)


def _commands(shown: HelpText) -> str:
    paths = {
        "runs": "/runs",
        "queue": "/queue",
        "save": "/preset save",
        "use": "/preset use",
        "usage": "/usage",
        "export": "/privacy export",
        "delete": "/privacy delete",
    }
    mentions = {name: shown.mention(path) for name, path in paths.items()}
    codes = ["runs", *(["queue"] if shown.in_server else []), "presets", "usage", "privacy"]
    return "\n".join([say("help_commands"), *(say(f"help_command_{code}", **mentions) for code in codes)])


def _lines(shown: HelpText, space: int) -> Iterator[str]:
    """Yield a line for each deployment that fits, and then the number of the others."""
    space -= len(say("help_heading"))
    for count, deployment in enumerate(shown.deployments):
        line = _line(deployment, shown)
        space -= len(line) + 1
        if count == _LISTED or space < 60:
            yield say("help_more", count=len(shown.deployments) - count)
            return
        yield line


def _line(deployment: Deployment, shown: HelpText) -> str:
    code = "help_line" if deployment.description else "help_line_plain"
    return say(
        code,
        title=escape_line(deployment.title, 60),
        path=shown.mention(_path(deployment, shown.plan)),
        description=escape_line(deployment.description, 100),
    )


def _path(deployment: Deployment, plan: CommandPlan) -> str:
    spec = plan.command(deployment.name)
    return plan.path(spec) if spec is not None else f"/{plan.name}"


def _deployment_text(deployment: Deployment, shown: HelpText, space: int) -> str:
    path = shown.mention(_path(deployment, shown.plan))
    title = say("help_title", title=escape_line(deployment.title, 80), path=path)
    options = list(_options(deployment, shown.plan))
    return "\n".join([title, *_fitting(options, deployment, space - len(title))])


def _fitting(options: Sequence[str], deployment: Deployment, space: int) -> Iterator[str]:
    if deployment.description:
        description = escape_line(deployment.description, 300)
        space -= len(description) + 1
        yield description
    for count, line in enumerate(options):
        space -= len(line) + 1
        if space < 40:
            yield say("help_options_more", count=len(options) - count)
            return
        yield line


def _options(deployment: Deployment, plan: CommandPlan) -> Iterator[str]:
    """Yield the lines of all options, required ones first."""
    spec = plan.command(deployment.name)
    option_keys = {option.key for option in spec.options} if spec is not None else set()
    for item in sorted(deployment.offered, key=lambda item: not item.required):
        limits = [*_limits(item), *([] if item.key in option_keys else [say("help_in_more")])]
        yield _option(item.option, escape_line(describe(item), 110), limits)
    if spec is not None and (count := spec.option_for(COUNT)) is not None:
        yield _option(COUNT, count.description, [say("help_to", maximum=count.maximum)])
    if len(deployment.gpus) > 1:
        yield _option(GPU, say("edit_gpu"), [say("help_choices", choices=_join_names(deployment.gpus))])


def _option(name: str, description: str, limits: Sequence[str]) -> str:
    line = say("help_option", name=name, description=description)
    return "\n".join([line, *([subtext(limits)] if limits else [])])


def _limits(item: Input) -> Iterator[str]:
    if item.required:
        yield say("help_needed")
    if item.choices:
        yield say("help_choices", choices=_join_names([choice.name for choice in item.choices]))
    elif item.kind in (InputKind.INTEGER, InputKind.FLOAT) and not item.is_seed:
        yield from _range(item)
    elif item.kind is InputKind.TEXT and item.max_length:
        yield say("help_length", maximum=item.max_length)
    elif item.kind in ATTACHMENTS and item.max_count > 1:
        yield say("help_files", count=item.max_count)


def _range(item: Input) -> Iterator[str]:
    low, high = item.minimum, item.maximum
    if low is not None and high is not None:
        yield say("help_from_to", minimum=f"{low:.15g}", maximum=f"{high:.15g}")
    elif low is not None:
        yield say("help_from", minimum=f"{low:.15g}")
    elif high is not None:
        yield say("help_to", maximum=f"{high:.15g}")


def _join_names(names: Sequence[str]) -> str:
    shown = [escape_line(name, 40) for name in names[:_CHOICES_SHOWN]]
    return ", ".join([*shown, *(["…"] if len(names) > _CHOICES_SHOWN else [])])
