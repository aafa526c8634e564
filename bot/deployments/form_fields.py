"""Choose the fields of an edit form, and what each of them shows.

The form itself is built in bot/ui/edit_forms.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

from bot.deployments.model import ATTACHMENTS, Deployment, Input, OfferedValue, Size
from bot.deployments.options import GPU
from bot.deployments.size_conversion import as_offered
from bot.deployments.validation import AttachedFile, takes_value
from bot.domain.backend import InputKind
from bot.domain.errors import BotError, InputErrors, RefusedError, WrongFiles
from bot.domain.runs import InputValue

# Discord's limits: fields of a modal, and characters of a text input.
MAX_FIELDS = 5
TEXT_LENGTH = 4000
# The values of a form, by option name: text as the user typed or chose it, or uploaded files.
FormValue = str | tuple[AttachedFile, ...]
FormValues = Mapping[str, FormValue]


@dataclass(frozen=True, slots=True)
class FormField:
    """A form's field for the input `item`, or for the GPU if `item` is None.

    `value` is the prefilled text; for attachments it is the earlier link. If `is_file_gone` is True, the form
    requires another file.
    """

    name: str
    item: Input | None
    value: str
    choices: tuple[str, ...] = ()
    is_file_gone: bool = False


def editable_fields(
    deployment: Deployment,
    inputs: Mapping[str, InputValue],
    gpu: str | None,
    *,
    form_values: FormValues | None = None,
    exclude: str | None = None,
) -> tuple[FormField, ...]:
    """Return at most five fields: the most important inputs (see `_rank`), and the GPU if there is space.

    `form_values` override the earlier values, but don't change which fields there are. The input with the key
    `exclude` is left out.
    """
    form_values, earlier = form_values or {}, as_offered(deployment, inputs)
    items = [item for item in deployment.offered if item.key != exclude]
    items.sort(key=lambda item: _rank(item, earlier.get(item.key)))
    fields = [_field(item, earlier.get(item.key), form_values) for item in items[:MAX_FIELDS]]
    if len(deployment.gpus) > 1 and len(fields) < MAX_FIELDS:
        gpu_value = form_values.get(GPU, gpu if gpu in deployment.gpus else "")
        fields.append(FormField(GPU, None, str(gpu_value or ""), deployment.gpus))
    return tuple(fields)


def require_new_files(fields: Iterable[FormField], gone: Set[str]) -> tuple[FormField, ...]:
    """Let the form require other files for the inputs with the keys `gone`.

    Raises RefusedError if such an input has no field.
    """
    found = []
    for field in fields:
        key = field.item.key if field.item is not None else None
        found.append(replace(field, value="", is_file_gone=True) if key in gone else field)
    if not gone <= {field.item.key for field in found if field.item is not None}:
        raise RefusedError("parent_deleted")
    return tuple(found)


def without_refused_files(form_values: FormValues, *errors: BotError) -> FormValues:
    """Return the form's values without the files that one of the errors refuses."""
    mistakes = [
        each for error in errors for each in (error.errors if isinstance(error, InputErrors) else [error])
    ]
    options = {each.params.get("option") for each in mistakes}
    urls = frozenset(url for error in errors if isinstance(error, WrongFiles) for url in error.urls)

    def is_refused(option: str, value: FormValue) -> bool:
        return isinstance(value, tuple) and (option in options or any(file.url in urls for file in value))

    return {option: value for option, value in form_values.items() if not is_refused(option, value)}


def chosen_fields(
    deployment: Deployment,
    items: Iterable[Input],
    inputs: Mapping[str, InputValue],
    form_values: FormValues,
) -> tuple[FormField, ...]:
    """Return the fields for these inputs of a deployment, in this order, at most five.

    If a valid text is too long for a field, its input is left out of the form and keeps the text. If an
    invalid text is too long, the field shows its beginning.
    """
    earlier = as_offered(deployment, inputs)
    fields = []
    for item in items:
        field = _field(item, earlier.get(item.key), form_values)
        if len(field.value) > TEXT_LENGTH and is_usable(item, earlier.get(item.key)):
            continue
        fields.append(replace(field, value=field.value[:TEXT_LENGTH]))
    return tuple(fields[:MAX_FIELDS])


def is_usable(item: Input, earlier: OfferedValue | None) -> bool:
    """Return whether an input accepts an earlier value."""
    if earlier is None:
        return False
    return item.kind in ATTACHMENTS or (not isinstance(earlier, list) and takes_value(item, earlier))


def _rank(item: Input, earlier: OfferedValue | None) -> int:
    """Return an input's rank in a form: prompts first, then values that the user chose, then the others.

    A required input without a value comes early, because the form can't be sent without it. A seed comes
    after the other chosen values, because the bot may have drawn it.
    """
    if item.is_prompt:
        return 0
    if item.required and earlier is None:
        return 1
    if item.is_negative_prompt:
        return 2
    if earlier is not None and earlier != item.default:
        return 4 if item.is_seed else 3
    return 6 if item.kind in ATTACHMENTS else 5


def _field(item: Input, earlier: OfferedValue | None, form_values: FormValues) -> FormField:
    choices = tuple(choice.name for choice in item.choices)
    if item.kind is InputKind.BOOLEAN and not choices:
        choices = ("yes", "no")
    if isinstance(earlier, Size) and earlier not in item.sizes and takes_value(item, earlier):
        choices = (*choices, str(earlier))
    value = form_values.get(item.option)
    shown = item.default if earlier is None and shows_default(item) else earlier
    text = value if isinstance(value, str) else _as_typed(item, shown)
    return FormField(item.option, item, text, choices)


def shows_default(item: Input) -> bool:
    """Return whether a form preselects the default of an input that the earlier run omitted.

    If the user leaves it, the input is omitted again. Without this, a checkbox, which is always on or off,
    could show a value that the earlier run didn't have.
    """
    is_choice = bool(item.choices) or item.kind is InputKind.BOOLEAN
    return is_choice and not item.required and not item.is_seed


def _as_typed(item: Input, value: OfferedValue | None) -> str:
    """Return a value as a user types it: a choice by its name."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(value)
    names = {choice.value: choice.name for choice in item.choices}
    return names.get(str(value), str(value))
