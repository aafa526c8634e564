"""Forms, and the messages that lead to the form of a draft."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import discord
from discord import ui

from bot.domain.forms import FORM_LIMIT, NO, YES, FormField, Option, Shape, batches
from bot.domain.moderation import BLOCK_DURATIONS, NOTE_LENGTH, REPORT_REASONS
from bot.domain.text import shorten
from bot.sentences import say
from bot.ui.custom_ids import Action, DraftId, RunId, SaveId
from bot.ui.message_parts import button, layout_of

# Discord's limits for the characters of a form's title, its labels, and an option.
_TITLE = _FIELD_LABEL = 45
_CHOICE_LENGTH = 100
# A message with components holds 4,000 characters of text.
_MISTAKES_LENGTH = 3500


def form_modal(custom_id: str, title: str, fields: Sequence[FormField]) -> ui.Modal:
    """Build a form. Submissions are matched by custom_id alone, so they work after a restart."""
    shown = [field.label for field in fields]
    modal = ui.Modal(title=shorten(title, _TITLE), custom_id=custom_id, timeout=None)
    for field in fields:
        # Several inputs may have the same name in the workflow.
        text = shorten(field.label, _FIELD_LABEL) if shown.count(field.label) == 1 else field.name
        about = field.description or None
        modal.add_item(ui.Label(text=text, description=about, component=_component(field)))
    modal.stop()
    return modal


def refused_layout(sentence: str, id: DraftId | SaveId, possible: int = 0) -> ui.LayoutView:
    """Build the message for a refused request. A button opens a form with what was typed."""
    row = [button("Edit and try again", id)]
    if possible and isinstance(id, DraftId):
        row.insert(0, button(f"Make {possible} instead", replace(id, count=str(possible))))
    row[0].style = discord.ButtonStyle.primary
    return layout_of(shorten(sentence, _MISTAKES_LENGTH), row)


def pictures_layout(pictures: Sequence[str], keys: Sequence[str], choices: Sequence[Option]) -> ui.LayoutView:
    """Build a message that asks which picture to use, or what to do with the only one.

    The form reads the picture from the message. `keys` are the keys of the runs that made the pictures, or
    empty.
    """
    gallery = ui.MediaGallery[ui.LayoutView](*map(discord.MediaGalleryItem, pictures))
    if len(pictures) > 1:
        target = choices[0].value if len(choices) == 1 else ""
        ids = [DraftId(key, target, str(index)) for index, key in enumerate(keys)]
        numbers = [button(str(number), id) for number, id in enumerate(ids, 1)]
        return layout_of("Use which picture?", gallery, *batches(numbers, FORM_LIMIT))
    id = DraftId(keys[0], picture="0")
    options = [each._replace(value=replace(id, target=each.value).encode()) for each in choices]
    selects = [
        ui.Select[ui.LayoutView](
            placeholder="Choose what to do with it",
            options=select_options(part),
            # The chosen value counts; the ids only have to differ.
            custom_id=replace(id, count=str(number) if number > 1 else "").encode(),
        )
        for number, part in enumerate(batches(options), 1)
    ]
    return layout_of("What should I do with this picture?", gallery, *([each] for each in selects))


def select_options(options: Iterable[Option], chosen: Collection[str] = ()) -> list[discord.SelectOption]:
    return [
        discord.SelectOption(
            value=each.value,
            label=shorten(each.label, _CHOICE_LENGTH),
            description=shorten(each.about, _CHOICE_LENGTH) or None,
            default=each.value in chosen,
        )
        for each in options
    ]


def _component(field: FormField) -> ui.Item[Any]:
    common: dict[str, Any] = {"custom_id": field.name, "required": field.required}
    chosen = {**common, "min_values": int(field.required), "max_values": field.most}
    match field.shape:
        case Shape.FILES:
            return ui.FileUpload(**chosen)
        case Shape.CHECKBOX:
            return ui.Checkbox(custom_id=field.name, default=field.value == YES)
        case Shape.RADIO:
            buttons = [
                discord.RadioGroupOption(
                    label=each.label, value=each.value, default=each.value == field.value
                )
                for each in field.options
            ]
            return ui.RadioGroup(options=buttons, **common)
        case Shape.SELECT:
            options = select_options(field.options, field.values)
            return ui.Select(placeholder=field.placeholder or None, options=options, **chosen)
        case Shape.ROLES:
            return ui.RoleSelect(default_values=[*map(discord.Object, field.values)], **chosen)
        case Shape.CHANNEL:
            types = [discord.ChannelType.text, discord.ChannelType.news]
            shown = [*map(discord.Object, field.values)]
            return ui.ChannelSelect(channel_types=types, default_values=shown, **chosen)
    return ui.TextInput(
        style=discord.TextStyle.paragraph if field.shape is Shape.PARAGRAPH else discord.TextStyle.short,
        default=field.value or None,
        placeholder=field.placeholder or None,
        max_length=field.length,
        **common,
    )


PROMPT_FIELD, REASON_FIELD, DURATION_FIELD, NOTE_FIELD = "prompt", "reason", "duration", "note"
_REASON = FormField(
    name=REASON_FIELD,
    label="Reason",
    description="The requester reads it in a direct message.",
    shape=Shape.PARAGRAPH,
    length=500,
)
_BLOCK_REASON = replace(_REASON, description="The person reads it when they try to generate.", required=True)


def _choice(name: str, label: str, code: str, values: Iterable[str]) -> FormField:
    """Return a field in which one of the values must be chosen; the sentence of `code` and value names it."""
    options = tuple(Option(each, say(f"{code}_{each}")) for each in values)
    return FormField(name=name, label=label, shape=Shape.RADIO, options=options, required=True)


_DURATION = _choice(DURATION_FIELD, "Duration", "duration", BLOCK_DURATIONS)
_WRONG = _choice(REASON_FIELD, "What is wrong with it?", "report_reason", REPORT_REASONS)
_NOTE = FormField(
    name=NOTE_FIELD,
    label="Note",
    description="Only the moderators read it, with your name.",
    shape=Shape.PARAGRAPH,
    length=NOTE_LENGTH,
)
_SHOW = FormField(
    name=PROMPT_FIELD,
    label="Show the prompt",
    description="Everybody who sees the gallery channel can read it.",
    shape=Shape.CHECKBOX,
    values=(NO,),
)
RUN_FORMS = {
    Action.REJECT: ("Reject this request", [_REASON]),
    Action.BLOCK: ("Block the requester", [_BLOCK_REASON, _DURATION]),
    Action.REPORT: ("Report this result", [_WRONG, _NOTE]),
    Action.SHARE: ("Share your result", [_SHOW]),
}


def run_modal(key: str, action: Action) -> ui.Modal:
    """Build the form that a button of a run opens, with the custom_id of the button."""
    return form_modal(RunId(key, action).encode(), *RUN_FORMS[action])
