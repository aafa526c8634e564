"""The message of `/help`: the deployments, the rules that apply, and tips. The greeting of a new server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from discord.ui import LayoutView, Separator, TextDisplay

from bot.deployments.command_plan import CommandPlan
from bot.deployments.model import Deployment, taking_pictures
from bot.domain.text import escape_line
from bot.strings import say
from bot.ui.views import layout_of

_LISTED = 10
_MAX_TEXT = 3900
# Converts the path of a command, such as `/generate flux`, to the text that shows it.
Mention = Callable[[str], str]


def plain_mention(path: str) -> str:
    return f"`{path}`"


@dataclass(frozen=True, slots=True)
class HelpText:
    """The data for the message: the deployments, their commands, and how to mention a command.

    `rules` is the text about the user's own limits. `in_server` adds the commands that need a server.
    """

    deployments: Sequence[Deployment]
    plan: CommandPlan
    mention: Mention = plain_mention
    rules: str = ""
    in_server: bool = True


def help_layout(shown: HelpText) -> LayoutView:
    """Build the overview. Discord itself shows the options of a command."""
    blocks = [text for text in (shown.rules, _tips(shown.deployments), _commands(shown)) if text]
    space = _MAX_TEXT - sum(map(len, blocks))
    layout = layout_of(TextDisplay("\n".join([say("help_heading"), *_lines(shown, space)])))
    for text in blocks:
        layout.add_item(Separator())
        layout.add_item(TextDisplay(text))
    return layout


def greeting_layout(mention: Mention, deployments: Sequence[Deployment], plan: CommandPlan) -> LayoutView:
    """Build the message that introduces the bot."""
    first = next((_path(deployment, plan) for deployment in deployments), f"/{plan.name}")
    paths = {"generate": first, "settings": "/settings", "help": "/help"}
    return layout_of(TextDisplay(say("greeting", **{name: mention(path) for name, path in paths.items()})))


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
