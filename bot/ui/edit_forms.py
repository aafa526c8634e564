"""The forms behind Edit and Use as input, and the messages around them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from discord import ButtonStyle, MediaGalleryItem, SelectOption, TextStyle
from discord.ui import (
    ActionRow,
    Button,
    FileUpload,
    Item,
    Label,
    LayoutView,
    MediaGallery,
    Modal,
    Select,
    TextDisplay,
    TextInput,
)

from bot.deployments.model import ATTACHMENTS, Deployment, InputKind
from bot.deployments.options import describe
from bot.deployments.revision import TEXT_LENGTH, FormField
from bot.domain.text import shorten
from bot.strings import say

# Discord's limits: a form's title, a select's options.
_TITLE = 45
_OPTIONS = 25
_LABEL = 80
_CHOICE = 100
# Behind an option's name: the upload that stands for a text too long for a form. No option has a dot.
TEXT_FILE = ".txt"


def form_modal(custom_id: str, title: str, fields: Sequence[FormField]) -> Modal:
    """Answered by its custom_id alone, so that it outlives a restart."""
    modal = Modal(title=shorten(say("edit_title", title=title), _TITLE), custom_id=custom_id, timeout=None)
    for field in fields:
        modal.add_item(Label(text=field.name, description=_description(field), component=_component(field)))
    modal.stop()
    return modal


def refused_layout(sentence: str, custom_id: str, picture: str | None = None) -> LayoutView:
    """Why a form was not taken, and the button that brings it back filled."""
    layout = LayoutView(timeout=None)
    layout.add_item(TextDisplay(sentence))
    if picture is not None:
        layout.add_item(MediaGallery(MediaGalleryItem(picture)))
    layout.add_item(
        ActionRow(Button(label=say("button_edit_again"), style=ButtonStyle.primary, custom_id=custom_id))
    )
    layout.stop()
    return layout


def ready_layout(again_id: str, send_id: str) -> LayoutView:
    """An uploaded text has been read; whether it is sent is the person's word."""
    layout = LayoutView(timeout=None)
    layout.add_item(TextDisplay(say("edit_ready")))
    send = Button[LayoutView](label=say("button_send"), style=ButtonStyle.primary, custom_id=send_id)
    again = Button[LayoutView](label=say("button_edit_again"), custom_id=again_id)
    layout.add_item(ActionRow(send, again))
    layout.stop()
    return layout


def pictures_layout(
    pictures: Sequence[str], deployments: Sequence[Deployment], form_id: Any, select_id: Any
) -> LayoutView:
    """Each picture with the deployments that it can go to.

    `form_id(deployment, index)` and `select_id(index)` give the custom_ids. The pictures stay in the message,
    where the form finds them again.
    """
    layout = LayoutView(timeout=None)
    layout.add_item(TextDisplay(say("use_heading" if len(pictures) == 1 else "use_heading_several")))
    for index, picture in enumerate(pictures):
        layout.add_item(MediaGallery(MediaGalleryItem(picture)))
        layout.add_item(ActionRow(_choice(index, deployments, form_id, select_id)))
    layout.stop()
    return layout


def _choice(index: int, deployments: Sequence[Deployment], form_id: Any, select_id: Any) -> Item[LayoutView]:
    if len(deployments) == 1:
        (only,) = deployments
        label = shorten(say("button_use_with", title=only.title), _LABEL)
        return Button(label=label, style=ButtonStyle.primary, custom_id=form_id(only.name, index))
    options = [
        SelectOption(
            label=shorten(each.title, _CHOICE),
            value=each.name,
            description=shorten(each.description, _CHOICE) or None,
        )
        for each in deployments[:_OPTIONS]
    ]
    return Select(placeholder=say("use_placeholder"), options=options, custom_id=select_id(index))


def _description(field: FormField) -> str:
    if field.item is None:
        return say("edit_gpu")
    if field.item.kind in ATTACHMENTS:
        return say("edit_keep_file") if field.value else describe(field.item)
    return say("edit_long_text") if len(field.value) > TEXT_LENGTH else describe(field.item)


def _component(field: FormField) -> Item[Any]:
    item = field.item
    if item is not None and item.kind in ATTACHMENTS:
        needed = item.required and not field.value
        return FileUpload(
            custom_id=field.name,
            required=needed,
            min_values=1 if needed else 0,
            max_values=min(item.max_count, 10) if item.kind is InputKind.IMAGES else 1,
        )
    if len(field.value) > TEXT_LENGTH:
        return FileUpload(custom_id=field.name + TEXT_FILE, required=False, min_values=0, max_values=1)
    if 0 < len(field.choices) <= _OPTIONS:
        return _select(field)
    return _text(field)


def _select(field: FormField) -> Select[Any]:
    required = field.item is not None and field.item.required
    options = [
        SelectOption(label=name, value=name, default=name == field.value) for name in field.choices if name
    ]
    return Select(custom_id=field.name, required=required, min_values=int(required), options=options)


def _text(field: FormField) -> TextInput[Any]:
    item = field.item
    prose = item is not None and item.kind is InputKind.TEXT and not item.choices
    longest = (item.max_length if item is not None else None) or TEXT_LENGTH
    return TextInput(
        custom_id=field.name,
        style=TextStyle.paragraph if item is not None and item.is_prompt else TextStyle.short,
        required=item is not None and item.required,
        default=field.value or None,
        # A value from before the limit became smaller must still find room.
        max_length=max(len(field.value), min(longest, TEXT_LENGTH)) if prose else 100,
    )
