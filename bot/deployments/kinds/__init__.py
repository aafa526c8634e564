"""The kinds of inputs: one class for each, which offers, reads and shows its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.deployments.kinds.base import ATTACHMENTS, Input
from bot.deployments.kinds.choosing import BooleanInput, ChoiceInput, SizeInput
from bot.deployments.kinds.plain import FilesInput, FloatInput, IntegerInput, TextInput
from bot.domain.backend import InputKind

_BY_KIND: Mapping[InputKind, type[Input]] = {
    InputKind.INTEGER: IntegerInput,
    InputKind.FLOAT: FloatInput,
    InputKind.BOOLEAN: BooleanInput,
    **dict.fromkeys(ATTACHMENTS, FilesInput),
}


def input_of(**fields: Any) -> Input:
    """Return an input with these fields, which aren't validated, of the class for its kind."""
    if fields.get("parts"):
        return SizeInput.model_construct(**fields)
    kind = ChoiceInput if fields.get("choices") else _BY_KIND.get(fields["kind"], TextInput)
    return kind.model_construct(**fields)
