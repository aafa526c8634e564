"""Results that are shown elsewhere, to a moderator, or more plainly than usual."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from discord import Colour
from discord.ui import ActionRow, LayoutView, Modal, TextDisplay

from bot.domain.forms import NO, FormField, Shape
from bot.domain.runs import Run, RunState
from bot.domain.text import channel_url, escape_line, shorten
from bot.strings import say
from bot.ui.custom_ids import Action, Form, FormId
from bot.ui.forms import form_modal
from bot.ui.message_parts import (
    LAYOUT_TEXT,
    FileKind,
    OutgoingMessage,
    PreparedOutputs,
    ResultMessages,
    fitting,
    framed,
    layout_of,
    remark_messages,
    run_button,
    subtext,
    text_blocks,
    texts,
)
from bot.ui.result_buttons import OfferedActions
from bot.ui.run_facts import COLOURS, facts_of, prompt_line

PROMPT_FIELD = "prompt"


def share_modal(key: str) -> Modal:
    """Build the form that asks whether a shared result shows its prompt."""
    show = FormField(
        name=PROMPT_FIELD,
        label="Show the prompt",
        description="Everybody who sees the gallery channel can read it.",
        shape=Shape.CHECKBOX,
        values=(NO,),
    )
    return form_modal(FormId(key, Form.SHARE).encode(), "Share your result", [show])


def share_messages(
    run: Run, title: str, prepared: PreparedOutputs, link: str | None, offered: OfferedActions
) -> list[OutgoingMessage]:
    """Build the messages of a result that is shared in the gallery channel. They ping nobody.

    `link` is the URL of the original message, or None if there is none. The prompt is shown if `run` has one.
    """
    is_picture = any(file.kind is FileKind.IMAGE for file in prepared.files)
    use = [run_button(run, Action.USE)] if offered.usable and is_picture else []
    row = [run_button(run, Action.EDIT), *use, run_button(run, Action.MORE)]
    heading = f"**{escape_line(title, 80)}** by <@{run.requester_id}>"
    return ResultMessages(
        run=run,
        heading=(heading, prompt_line(run)),
        footer=[subtext([f"[Open the original]({link})"])] if link else [],
        blocks=text_blocks(prepared.texts, spoiler=run.spoiler),
        remarks=prepared.remarks,
        rows=lambda _: [row],
        colour=COLOURS.get(run.state),
    ).with_files(prepared.files)


def opened_messages(
    run: Run, title: str, prepared: Mapping[str, PreparedOutputs]
) -> Sequence[OutgoingMessage]:
    """Build the messages that show a private result to a moderator; the first has Details and Delete."""
    outputs = prepared[run.key]
    details = run_button(run, Action.DETAILS)
    heading = f"**{escape_line(title, 80)}**: a private result of <@{run.requester_id}>"
    return ResultMessages(
        run=run,
        heading=(heading, prompt_line(run, only_requester=True)),
        footer=[subtext(facts_of(run))],
        blocks=text_blocks(outputs.texts, spoiler=run.spoiler),
        remarks=outputs.remarks,
        rows=lambda _: [[details, run_button(run, Action.DELETE)]],
        colour=Colour.blurple(),
    ).with_files(outputs.files)


_TEXT_LENGTH = 1500
_NAME_LENGTH = 80
# Returns whether a message may link to an address.
MayLink = Callable[[str], bool]


def withheld_message(run: Run, *, postable: bool) -> OutgoingMessage:
    """Build the message that replaces an age-restricted result in a channel where it may not be shown.

    `postable` adds the button that posts the result after the channel has been marked as age-restricted.
    """
    heading = f"<@{run.requester_id}> **Your result is ready**"
    buttons = [run_button(run, Action.DETAILS), run_button(run, Action.DISCARD)]
    if postable:
        buttons.insert(0, run_button(run, Action.REDELIVER))
    blocks = texts([heading, prompt_line(run)], [say("withheld")])
    layout = framed(COLOURS[RunState.SUCCEEDED], *blocks, ActionRow(*buttons))
    return OutgoingMessage(layout=layout, mention=run.requester_id)


def origin_message(run: Run) -> OutgoingMessage:
    """Build the message that says why a result comes as a direct message."""
    if run.user_install:
        return OutgoingMessage(content="I couldn't answer in time where you requested it, so here it is.")
    code = "from_private" if run.private else "from_elsewhere"
    return OutgoingMessage(content=say(code, url=channel_url(run.guild_id, run.channel_id)))


def linked_outputs(run: Run, may_link: MayLink, code: str = "media_linked", file: int = 0) -> PreparedOutputs:
    """Return a run's outputs with a link in place of each file, and the beginning of each text.

    `code` is the code of the sentence that contains the link. With the number of a `file`, the others are
    left out.
    """
    found = [output.text for output in run.outputs if output.text and output.text.strip()]
    space = _TEXT_LENGTH // run.count // max(1, len(found))
    links = enumerate(_links(run), 1)
    remarks = [link_remark(code, name, url, may_link) for number, (name, url) in links if file in (0, number)]
    return PreparedOutputs(texts=tuple(shorten(text, space) for text in found), remarks=tuple(remarks))


def link_remark(code: str, name: str, url: str, may_link: MayLink) -> str:
    """Return the sentence `code` with a link to an output, or one without it if the link may not be shown."""
    return say(code, name=name, url=url) if may_link(url) else say("media_forbidden", name=name)


def plain_messages(
    batch: Sequence[Run], shown: Sequence[Run], may_link: MayLink | None
) -> list[OutgoingMessage]:
    """Build messages with a sentence about a batch's outcome, and the links and texts of the `shown` runs.

    If `may_link` is None, links and texts are left out.
    """
    first = batch[0]
    links = [_line(name, url, may_link) for run in shown for name, url in _links(run)] if may_link else []
    blocks = list(_code_blocks(shown)) if may_link else []
    code = ("plain_result" if links or blocks else "plain_hidden") if shown else "plain_ended"
    heading = f"<@{first.requester_id}> {say(code)}"
    lines, left = fitting([*links, *blocks], LAYOUT_TEXT - len(heading) - 1)
    actions = [Action.MORE_OF_ALL if first.count > 1 else Action.MORE]
    actions = actions if shown else [Action.DETAILS, Action.DISCARD]
    buttons = ActionRow[LayoutView](*(run_button(first, action) for action in actions))
    layout = layout_of(TextDisplay("\n".join([heading, *lines])), buttons)
    return [OutgoingMessage(layout=layout, mention=first.requester_id), *remark_messages(left)]


def _links(run: Run) -> Iterator[tuple[str, str]]:
    files = [output for output in run.outputs if output.url]
    for number, output in enumerate(files, 1):
        yield escape_line(output.filename or "", _NAME_LENGTH) or f"file {number}", output.url or ""


def _line(name: str, url: str, may_link: MayLink) -> str:
    return f"[{name}]({url})" if may_link(url) else say("media_forbidden", name=name)


def _code_blocks(shown: Sequence[Run]) -> Iterator[str]:
    """Yield the beginning of each text.

    Texts behind a spoiler are left out, because code blocks can't be hidden.
    """
    for run in shown:
        for text in (output.text for output in run.outputs if output.text and not run.spoiler):
            yield f"```\n{shorten(text.replace('`', ''), _TEXT_LENGTH)}\n```"
