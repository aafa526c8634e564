"""Lists of runs, as a person sees them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from discord import ButtonStyle
from discord.ui import ActionRow, Button, LayoutView, TextDisplay

from bot.buttons import Action, custom_id
from bot.messages import phase
from bot.store.history import Entry
from bot.text import quoted
from bot.words import say

RUNS_SHOWN = 10
_PROMPT = 80
_BUTTONS_IN_A_ROW = 5


def runs_layout(entries: Sequence[Entry], title: Callable[[str], str]) -> LayoutView:
    """One's own runs, newest first; a button for each result that could not be delivered."""
    layout = LayoutView(timeout=None)
    lines = [_line(number, entry, title) for number, entry in enumerate(entries, 1)]
    text = "\n".join([say("runs_heading"), *lines]) if lines else say("runs_none")
    layout.add_item(TextDisplay(text))
    buttons = [_post_button(number, entry) for number, entry in enumerate(entries, 1) if entry.kept]
    for start in range(0, len(buttons), _BUTTONS_IN_A_ROW):
        layout.add_item(ActionRow(*buttons[start : start + _BUTTONS_IN_A_ROW]))
    return layout


def _line(number: int, entry: Entry, title: Callable[[str], str]) -> str:
    run = entry.run
    if entry.kept:
        link = say("runs_kept")
    elif entry.place is not None:
        # A message in another channel than the run's went to the requester directly.
        guild_id = run.guild_id if entry.place[0] == run.channel_id else None
        link = say("runs_link", url=jump_url(guild_id, *entry.place))
    else:
        link = ""
    state = say(
        "runs_line",
        state=say(phase(run.state)),
        title=quoted(title(run.deployment), 60),
        at=int(run.created_at.timestamp()),
        link=link,
    )
    prompt = f"\n-# {quoted(run.prompt, _PROMPT)}" if run.prompt else ""
    return f"{number}. {state}{prompt}"


def _post_button(number: int, entry: Entry) -> Button[LayoutView]:
    return Button(
        label=say("runs_post", number=number),
        style=ButtonStyle.primary,
        custom_id=custom_id(entry.run.key, Action.POST),
    )


def jump_url(guild_id: int | None, channel_id: int, message_id: int) -> str:
    """Discord's link to a message; without a server it lies in direct messages."""
    return f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}/{message_id}"
