"""A form as a modal: its boxes prefilled with what is stored, or with what was typed before. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from discord import TextStyle
from discord.ui import Label, Modal, TextInput

from bot.domain.rules import ServerRules
from bot.domain.settings_table import Box, Control, form_of, token
from bot.domain.text import shorten, visible
from bot.strings import say

_TITLE = 45


def dialog(
    control: Control, rules: ServerRules, *, about: str = "", typed: Sequence[str] | None = None
) -> Modal:
    """`control.arg` is what the form is about, `about` how a person calls it.

    The modal's own custom_id carries the form's stamp before the arg: `set:budgets:role:{stamp}:{role}`.
    """
    form = form_of(control.field)
    stamp = form.stamp(rules, control.arg)
    sent = Control(control.section, control.name, f"{stamp}:{token(control.arg)}")
    title = say(f"settings_form_{control.section.value}_{control.name}", about=visible(about))
    modal = Modal(title=shorten(title, _TITLE), timeout=None, custom_id=sent.custom_id)
    texts = form.prefill(rules, control.arg)
    if typed is not None and len(typed) == len(texts):
        texts = tuple(typed)
    for number, (box, text) in enumerate(zip(form.boxes, texts, strict=True)):
        modal.add_item(_label(number, box, text))
    return modal


def _label(number: int, box: Box, text: str) -> Label[Modal]:
    component: TextInput[Modal] = TextInput(
        custom_id=str(number),
        style=TextStyle.paragraph if box.paragraph else TextStyle.short,
        default=text[: box.longest] or None,
        required=box.required,
        max_length=box.longest,
    )
    return Label(
        text=say(f"settings_box_{box.name}"),
        description=say(f"settings_help_{box.name}"),
        component=component,
    )


def opened(arg: str) -> tuple[str, str]:
    """The stamp and what the form is about, from a sent modal's `arg`."""
    stamp, _, about = arg.partition(":")
    return stamp, about
