"""Forms, and the messages that lead to the form of a draft."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from discord import (
    ButtonStyle,
    ChannelType,
    MediaGalleryItem,
    Object,
    RadioGroupOption,
    SelectOption,
    TextStyle,
)
from discord.ui import (
    ActionRow,
    ChannelSelect,
    Checkbox,
    FileUpload,
    Item,
    Label,
    LayoutView,
    MediaGallery,
    Modal,
    RadioGroup,
    RoleSelect,
    Select,
    TextDisplay,
    TextInput,
)

from bot.domain.forms import YES, FormField, Option, Shape
from bot.domain.text import shorten
from bot.ui.custom_ids import DraftId
from bot.ui.message_parts import button, layout_of, modal_of

# Discord's limits: options of a select, and characters of labels and of an option.
_MAX_OPTIONS = 25
_LABEL_LENGTH = 80
_FIELD_LABEL = 45
_CHOICE_LENGTH = 100
_ROW = 5  # buttons
# A message with components holds 4,000 characters of text.
_MISTAKES_LENGTH = 3500


@dataclass(frozen=True, slots=True)
class PictureChoice:
    """Something to do with a picture. `target` is that of its draft."""

    label: str
    description: str
    target: str


def form_modal(custom_id: str, title: str, fields: Sequence[FormField]) -> Modal:
    """Build a form. Submissions are matched by custom_id alone, so they work after a restart."""
    shown = [field.label for field in fields]
    labels = (
        Label[Modal](
            # Several inputs may have the same name in the workflow.
            text=shorten(field.label, _FIELD_LABEL) if shown.count(field.label) == 1 else field.name,
            description=field.description or None,
            component=_component(field),
        )
        for field in fields
    )
    return modal_of(custom_id, title, *labels)


def refused_layout(sentence: str, id: DraftId, possible: int = 0) -> LayoutView:
    """Build the message for a refused request, with a button that opens a form with what was typed.

    Another one makes as many as are `possible`.
    """
    row = ActionRow[LayoutView]()
    if possible:
        label, count = f"Make {possible} instead", replace(id, count=str(possible))
        row.add_item(button(label, count, ButtonStyle.primary))
    style = ButtonStyle.secondary if possible else ButtonStyle.primary
    row.add_item(button("Edit and try again", id, style))
    return layout_of(TextDisplay(shorten(sentence, _MISTAKES_LENGTH)), row)


def pictures_layout(
    pictures: Sequence[str], keys: Sequence[str], choices: Sequence[PictureChoice]
) -> LayoutView:
    """Build a message with pictures and what can be done with one. The form reads the picture from it.

    `keys` are the keys of the runs that made the pictures, or empty. Several pictures have numbers, which
    lead to the choice if there is one.
    """
    gallery = MediaGallery[LayoutView](*map(MediaGalleryItem, pictures))
    if len(pictures) == 1:
        rows = [ActionRow(each) for each in _choice(DraftId(keys[0], picture="0"), choices)]
        return layout_of(TextDisplay("What should I do with this picture?"), gallery, *rows)
    target = choices[0].target if len(choices) == 1 else ""
    numbers = [button(str(index + 1), DraftId(key, target, str(index))) for index, key in enumerate(keys)]
    rows = [ActionRow(*numbers[start : start + _ROW]) for start in range(0, len(numbers), _ROW)]
    return layout_of(TextDisplay("Use which picture?"), gallery, *rows)


def _choice(id: DraftId, choices: Sequence[PictureChoice]) -> list[Item[LayoutView]]:
    """Return a button for a single choice, otherwise as many selects as the choices need."""
    if len(choices) == 1:
        only = replace(id, target=choices[0].target)
        return [button(shorten(choices[0].label, _LABEL_LENGTH), only, ButtonStyle.primary)]
    options = [
        SelectOption(
            label=shorten(each.label, _CHOICE_LENGTH),
            value=replace(id, target=each.target).encode(),
            description=shorten(each.description, _CHOICE_LENGTH) or None,
        )
        for each in choices
    ]
    parts = [options[start : start + _MAX_OPTIONS] for start in range(0, len(options), _MAX_OPTIONS)]
    # The chosen value counts; the ids only have to differ.
    ids = [replace(id, count=str(number) if number > 1 else "") for number in range(1, len(parts) + 1)]
    return [
        Select(placeholder="Choose what to do with it", options=part, custom_id=each.encode())
        for part, each in zip(parts, ids, strict=True)
    ]


def select_options(options: Iterable[Option], chosen: Collection[str] = ()) -> list[SelectOption]:
    """Return the options of a select as Discord takes them."""
    return [
        SelectOption(
            value=each.value,
            label=shorten(each.label, _CHOICE_LENGTH),
            description=each.about or None,
            default=each.value in chosen,
        )
        for each in options
    ]


def _component(field: FormField) -> Item[Any]:
    common: dict[str, Any] = {"custom_id": field.name, "required": field.required}
    chosen = {**common, "min_values": int(field.required), "max_values": field.most}
    match field.shape:
        case Shape.FILES:
            return FileUpload(**chosen)
        case Shape.CHECKBOX:
            return Checkbox(custom_id=field.name, default=field.value == YES)
        case Shape.RADIO:
            buttons = [
                RadioGroupOption(label=each.label, value=each.value, default=each.value == field.value)
                for each in field.options
            ]
            return RadioGroup(options=buttons, **common)
        case Shape.SELECT:
            options = select_options(field.options, field.values)
            return Select(placeholder=field.placeholder or None, options=options, **chosen)
        case Shape.ROLES:
            return RoleSelect(default_values=[*map(Object, field.values)], **chosen)
        case Shape.CHANNEL:
            types, shown = [ChannelType.text, ChannelType.news], [*map(Object, field.values)]
            return ChannelSelect(channel_types=types, default_values=shown, **chosen)
    return TextInput(
        style=TextStyle.paragraph if field.shape is Shape.PARAGRAPH else TextStyle.short,
        default=field.value or None,
        placeholder=field.placeholder or None,
        max_length=field.length,
        **common,
    )
