"""A request that somebody is about to make, and its form, which bot/ui/forms.py builds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from bot.deployments.choices import own_input
from bot.deployments.files import is_kind
from bot.deployments.inputs import AttachedFile, Input, Typed, Values
from bot.deployments.merge import Stored
from bot.deployments.model import Deployment
from bot.deployments.schema.field_types import COUNT, GPU, MORE
from bot.domain.backend import InputKind
from bot.domain.errors import BotError, InputErrors, RefusedError
from bot.domain.forms import FORM_LIMIT, FormField, Shape
from bot.domain.policy import Facts
from bot.domain.requests import press_id
from bot.domain.text import file_behind
from bot.sentences import say

# Refusals that another GPU may avoid.
_ABOUT_GPU = frozenset(
    {"gpu_role", "gpu_role_none", "gpu_role_all", "budget_gpu", "server_budget_gpu", "gpu_removed"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A request to start a deployment from stored values and a file, asking for some inputs.

    `stored` are the values that it starts from, of which the first decide; what is typed goes before them.
    `asked` are the inputs of its form, or None for the most important ones. `files` are those that it takes,
    by the names of their options; `takes` has the key of the input that takes one, by the input's kind.
    `prompt` is shown if the deployment has none of its own.

    `typed` are options that go with it, such as the number of runs. `parent_key` is the run that it starts
    from, and `made_by` the one that made its file. `action` and `origin` identify a press (see `press_id`);
    without an origin, the files do. `facts` were read together with the presets, so they aren't read again.
    """

    deployment: Deployment
    title: str = ""
    stored: Sequence[Stored] = ()
    asked: Sequence[Input] | None = None
    files: Mapping[str, tuple[AttachedFile, ...]] = field(default_factory=dict)
    takes: Mapping[InputKind, str] = field(default_factory=dict)
    prompt: str | None = None
    parent_key: str | None = None
    made_by: str | None = None
    private: bool = False
    action: str = ""
    origin: str = ""
    typed: Typed = field(default_factory=dict)
    facts: Facts | None = None

    @property
    def values(self) -> Values:
        return {key: value for layer in reversed(self.stored) for key, value in layer.inputs.items()}

    def taking(self, files: Sequence[AttachedFile]) -> Draft | None:
        """Return the draft with the first file that an input takes, or None if none fits."""
        for file, (kind, key) in product(files, self.takes.items()):
            if is_kind(kind, file):
                return replace(self, files={self.deployment.inputs[key].option_names[0]: (file,)})
        return None

    def fields(
        self,
        typed: Typed,
        wrong: Collection[str] = (),
        gone: Set[str] = frozenset(),
    ) -> Sequence[FormField]:
        """Return at most five fields, which show what was `typed` before, or else the stored values.

        They are for the inputs in `asked` or, if that is None, for the most important ones (see `_rank`), and
        for the number of runs and the GPU if there is space. Options in `wrong` come first. The inputs with
        the keys `gone` need another file. Raises RefusedError if an input that needs a file has no field.
        """
        values, made = self.values, self.deployment
        items = [*(made.offered if self.asked is None else self.asked)]
        items = [item for item in items if item.option_names[0] not in self.files]
        needed: list[FormField] = []
        possible: list[FormField] = []
        if self.asked is None:
            items.sort(key=lambda item: _rank(item, values, typed, wrong))
            # The text has a mistake, otherwise its inputs would be among the others.
            if MORE in typed:
                about = say("option_more", names=", ".join(item.option for item in made.offered))
                more = own_input(MORE, InputKind.TEXT, about, is_prompt=True)
                needed.append(more.field({}, typed[MORE]))
            needed += [made.count_input.field({}, typed[COUNT])] if COUNT in typed else []
            if len(made.gpus) > 1:
                gpu = next((layer.gpu for layer in self.stored if layer.gpu), None)
                stored = {GPU: gpu} if gpu in made.gpus else {}
                gpu_field = made.gpu_input.field(stored, typed.get(GPU))
                (needed if GPU in wrong else possible).append(gpu_field)
        items = items[: FORM_LIMIT - len(needed)]
        if not gone <= {item.key for item in items}:
            raise RefusedError("parent_deleted")
        fields = [item.field(item.own(values), item.typed(typed)) for item in items]
        about = say("edit_file_deleted")
        for place, item in enumerate(items):
            if item.key in gone:
                fields[place] = replace(fields[place], description=about, required=True)
        return [*fields, *needed, *possible][:FORM_LIMIT]

    def press(self, typed: Typed) -> str | None:
        if not self.action:
            return None
        files = " ".join(file_behind(file.url) for files in self.files.values() for file in files)
        return press_id(self.action, self.origin or files, typed)


def _rank(item: Input, values: Values, typed: Typed, wrong: Collection[str]) -> int:
    """Return an input's rank in a form: prompts first, then values that the user chose, then the others.

    A required input without a value comes early, because the form can't be sent without it. A seed comes
    after the other chosen values, because the bot may have drawn it.
    """
    own, is_typed = item.own(values), item.typed(typed) is not None
    if item.is_prompt:
        return 0
    if not set(item.option_names).isdisjoint(wrong) or (item.required and not own and not is_typed):
        return 1
    if item.is_negative_prompt:
        return 2
    if is_typed or (own and own != item.default_values):
        return 4 if item.is_seed else 3
    return 6 if item.takes_file else 5


def changed(fields: Iterable[FormField], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return what somebody changed in a form: the values that the form didn't show.

    A value that was left alone keeps its origin, so it is dropped, not refused, if it no longer fits.
    """
    shown = {field.name: field.value for field in fields if field.shape is not Shape.FILES}
    return {name: value for name, value in sent.items() if value != shown.get(name)}


def mistaken_options(error: BotError) -> frozenset[str]:
    """Return the names of the options whose values an error is about."""
    errors = error.errors if isinstance(error, InputErrors) else (error,)
    named = frozenset(str(each.params["option"]) for each in errors if "option" in each.params)
    if error.code in _ABOUT_GPU and error.params.get("left") != 0:  # with 0 seconds left, none fits
        return named | {GPU}
    return named | {COUNT} if error.code.endswith("_count") else named


def without_refused_files(typed: Typed, error: BotError) -> dict[str, Any]:
    options = mistaken_options(error)
    are_files = {name for name, value in typed.items() if isinstance(value, AttachedFile | tuple)}
    return {name: value for name, value in typed.items() if name not in options & are_files}
