"""The forms of *Edit*, *Use as input* and follow-ups, and the messages that lead to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from discord import ButtonStyle, MediaGalleryItem, RadioGroupOption, SelectOption, TextStyle
from discord.ui import (
    ActionRow,
    Button,
    Checkbox,
    FileUpload,
    Item,
    Label,
    LayoutView,
    MediaGallery,
    Modal,
    RadioGroup,
    Select,
    TextDisplay,
    TextInput,
)

from bot.deployments.form_fields import TEXT_LENGTH, FormField
from bot.deployments.model import ATTACHMENTS, Deployment, Input
from bot.deployments.options import describe
from bot.domain.backend import InputKind
from bot.domain.text import shorten
from bot.strings import say
from bot.ui.custom_ids import UseId
from bot.ui.views import layout_of, modal_of

# Discord's limit for the options of a select.
_MAX_OPTIONS = 25
_LABEL_LENGTH = 80
_CHOICE_LENGTH = 100
# Discord takes 2 to 10 radio buttons. Each is a line of the form, so longer lists are selects.
_MAX_RADIO_BUTTONS = 5
_GONE_LENGTH = 50
# A message with components holds 4,000 characters of text.
_MISTAKES_LENGTH = 3500
# Ends the custom_id of an upload field that stands in for a text input, because the text is too long for one.
# Option names have no dot.
TEXT_FILE = ".txt"


def form_modal(custom_id: str, title: str, fields: Sequence[FormField], *, label: str | None = None) -> Modal:
    """Build a form to edit inputs or, if there is a `label`, for the follow-up with that label.

    Submissions are matched by custom_id alone, so they work after a restart.
    """
    heading = title if label == title else f"{label}: {title}" if label else say("edit_title", title=title)
    labels = (
        Label[Modal](text=field.name, description=_description(field), component=_component(field))
        for field in fields
    )
    return modal_of(custom_id, heading, *labels)


def refused_layout(sentence: str, custom_id: str, picture: str | None = None) -> LayoutView:
    """Build the message for a refused form, with a button that reopens it with the entered values.

    `picture` is the link of the form's picture, if it has one. The reopened form reads it from this message.
    """
    gallery = [MediaGallery[LayoutView](MediaGalleryItem(picture))] if picture is not None else []
    again = Button[LayoutView](label=say("button_edit_again"), style=ButtonStyle.primary, custom_id=custom_id)
    return layout_of(TextDisplay(shorten(sentence, _MISTAKES_LENGTH)), *gallery, ActionRow(again))


def ready_layout(again_id: str, send_id: str) -> LayoutView:
    """Build the message that asks whether to submit a form whose text was uploaded."""
    send = Button[LayoutView](label=say("button_send"), style=ButtonStyle.primary, custom_id=send_id)
    again = Button[LayoutView](label=say("button_edit_again"), custom_id=again_id)
    return layout_of(TextDisplay(say("edit_ready")), ActionRow(send, again))


def pictures_layout(pictures: Sequence[str], deployments: Sequence[Deployment], parent: str) -> LayoutView:
    """Build a message with each picture and a choice of deployments for it.

    `parent` is the key of the run that made the pictures, or empty. The form reads the picture from this
    message.
    """
    heading = say("use_heading" if len(pictures) == 1 else "use_heading_several")
    return _with_controls(heading, pictures, [_choice(n, deployments, parent) for n in range(len(pictures))])


def follow_up_pictures_layout(pictures: Sequence[str], label: str, custom_ids: Sequence[str]) -> LayoutView:
    """Build a message with each picture and the button of a follow-up for it."""
    heading = say("follow_up_one" if len(pictures) == 1 else "follow_up_several", label=label)
    style = ButtonStyle.primary
    buttons = [Button[LayoutView](label=label, style=style, custom_id=each) for each in custom_ids]
    return _with_controls(heading, pictures, buttons)


def _with_controls(heading: str, pictures: Sequence[str], controls: Sequence[Item[LayoutView]]) -> LayoutView:
    layout = layout_of(TextDisplay(heading))
    for picture, control in zip(pictures, controls, strict=True):
        layout.add_item(MediaGallery(MediaGalleryItem(picture)))
        layout.add_item(ActionRow(control))
    return layout


def _choice(index: int, deployments: Sequence[Deployment], parent: str) -> Item[LayoutView]:
    if len(deployments) == 1:
        (deployment,) = deployments
        label = shorten(say("button_use_with", title=deployment.title), _LABEL_LENGTH)
        custom_id = UseId(deployment.name, index, parent).encode()
        return Button(label=label, style=ButtonStyle.primary, custom_id=custom_id)
    options = [
        SelectOption(
            label=shorten(deployment.title, _CHOICE_LENGTH),
            value=deployment.name,
            description=shorten(deployment.description, _CHOICE_LENGTH) or None,
        )
        for deployment in deployments[:_MAX_OPTIONS]
    ]
    custom_id = UseId("", index, parent).encode()
    return Select(placeholder=say("use_placeholder"), options=options, custom_id=custom_id)


def _description(field: FormField) -> str:
    if field.item is None:
        return say("edit_gpu")
    if field.is_file_gone:
        return say("edit_file_deleted")
    if field.item.kind in ATTACHMENTS:
        return say("edit_keep_file") if field.value else describe(field.item)
    if 0 < len(field.choices) <= _MAX_OPTIONS and field.value not in ("", *field.choices):
        return say("edit_gone", value=shorten(field.value, _GONE_LENGTH))
    return say("edit_long_text") if len(field.value) > TEXT_LENGTH else describe(field.item)


def _component(field: FormField) -> Item[Any]:
    item = field.item
    if item is not None and item.kind in ATTACHMENTS:
        required = field.is_file_gone or (item.required and not field.value)
        return FileUpload(
            custom_id=field.name,
            required=required,
            min_values=1 if required else 0,
            max_values=min(item.max_count, 10) if item.kind is InputKind.IMAGES else 1,
        )
    if len(field.value) > TEXT_LENGTH:
        return FileUpload(custom_id=field.name + TEXT_FILE, required=False, min_values=0, max_values=1)
    if item is not None and item.kind is InputKind.BOOLEAN and field.value in _CHECKED:
        return Checkbox(custom_id=field.name, default=_CHECKED[field.value])
    if item is not None and _fits_radio_group(item, field):
        return _radio_group(item, field)
    if 0 < len(field.choices) <= _MAX_OPTIONS:
        return _select(field)
    return _text(field)


_CHECKED = {"yes": True, "no": False}


def _fits_radio_group(item: Input, field: FormField) -> bool:
    """Return whether a radio group suits the choices.

    If a field is optional, and has no known default or shows none of the choices, a select is used, because
    it can be cleared.
    """
    if not 2 <= len(field.choices) <= _MAX_RADIO_BUTTONS:
        return False
    return item.required or (item.default is not None and field.value in field.choices)


def _radio_group(item: Input, field: FormField) -> RadioGroup[Any]:
    options = [
        RadioGroupOption(label=name, value=name, default=name == field.value) for name in field.choices
    ]
    return RadioGroup(custom_id=field.name, required=item.required, options=options)


def _select(field: FormField) -> Select[Any]:
    required = field.item is not None and field.item.required
    options = [
        SelectOption(label=name, value=name, default=name == field.value) for name in field.choices if name
    ]
    return Select(custom_id=field.name, required=required, min_values=int(required), options=options)


def _text(field: FormField) -> TextInput[Any]:
    item = field.item
    is_free_text = item is not None and item.kind is InputKind.TEXT and not item.choices
    limit = (item.max_length if item is not None else None) or TEXT_LENGTH
    return TextInput(
        custom_id=field.name,
        style=TextStyle.paragraph if item is not None and item.is_prompt else TextStyle.short,
        required=item is not None and item.required,
        default=field.value or None,
        # Keep space for a value that is older than a lowered limit.
        max_length=max(len(field.value), min(limit, TEXT_LENGTH)) if is_free_text else 100,
    )
