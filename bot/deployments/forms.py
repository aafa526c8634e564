"""What the form of a draft shows, and what somebody changed in it. It is built in bot/ui/edit_forms.py."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from bot.deployments.model import ATTACHMENTS, Deployment
from bot.deployments.naming import DESCRIPTION_LENGTH
from bot.deployments.options import COUNT, GPU, MORE
from bot.deployments.plain_kinds import CHOICES, TEXT_LENGTH, Kind, Typed, Values
from bot.deployments.shapes import FormField, Shape
from bot.domain.errors import BotError, InputErrors, WrongFiles
from bot.domain.text import shorten
from bot.strings import say

MAX_FIELDS = 5  # Discord's limit


def own_values(kind: Kind, values: Values) -> Values:
    return {key: values[key] for key in kind.keys if key in values}


def fields_of_bot(deployment: Deployment, gpu: str | None, typed: Typed) -> Iterable[FormField]:
    if MORE in typed:  # it has a mistake, otherwise its inputs would be among the others
        more, names = str(typed[MORE]), ", ".join(item.option for item in deployment.offered)
        description = shorten(say("option_more", names=names), DESCRIPTION_LENGTH)
        yield FormField(
            name=MORE,
            shape=Shape.PARAGRAPH,
            description=description,
            value=more[:TEXT_LENGTH],
            limit=TEXT_LENGTH,
        )
    if COUNT in typed:
        description, value = say("option_count"), str(typed[COUNT])
        yield FormField(name=COUNT, description=description, value=value)
    if len(gpus := deployment.gpus) > 1:
        shown = str(typed.get(GPU, gpu if gpu in gpus else "") or "")
        shape = Shape.SELECT if len(gpus) <= CHOICES else Shape.LINE
        yield FormField(name=GPU, shape=shape, description=say("edit_gpu"), value=shown, choices=gpus)


def rank(kind: Kind, values: Values, typed: Typed, wrong: Collection[str]) -> int:
    """Return an input's rank in a form: prompts first, then values that the user chose, then the others.

    A required input without a value comes early, because the form can't be sent without it. A seed comes
    after the other chosen values, because the bot may have drawn it.
    """
    item, own, is_typed = kind.item, own_values(kind, values), kind.typed(typed) is not None
    if item.is_prompt:
        return 0
    if not set(item.option_names).isdisjoint(wrong) or (item.required and not own and not is_typed):
        return 1
    if item.is_negative_prompt:
        return 2
    if is_typed or (own and own != kind.default):
        return 4 if item.is_seed else 3
    return 6 if item.kind in ATTACHMENTS else 5


def changed(fields: Iterable[FormField], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return what somebody changed in a form: the values that the form didn't show.

    A value that was left alone keeps its origin, so it is dropped, not refused, if it no longer fits.
    """
    shown = {field.name: field.value for field in fields if field.shape is not Shape.FILES}
    return {name: value for name, value in sent.items() if value != shown.get(name)}


def mistaken_options(error: BotError) -> frozenset[str]:
    """Return the names of the options that an error names."""
    errors = error.errors if isinstance(error, InputErrors) else (error,)
    return frozenset(str(each.params["option"]) for each in errors if "option" in each.params)


def without_refused_files(typed: Typed, error: BotError) -> dict[str, Any]:
    """Return what somebody entered without the files that the error refuses."""
    options = mistaken_options(error)
    urls = error.urls if isinstance(error, WrongFiles) else frozenset[str]()

    def is_refused(option: str, value: Any) -> bool:
        files = value if isinstance(value, tuple) else (value,) if hasattr(value, "url") else ()
        return bool(files) and (option in options or any(file.url in urls for file in files))

    return {option: value for option, value in typed.items() if not is_refused(option, value)}
