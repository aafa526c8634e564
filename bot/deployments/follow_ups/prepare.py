"""Find a follow-up, and turn a result's file and inputs into the inputs of the run that follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.deployments.earlier_values import Revision, revise
from bot.deployments.follow_ups.link import named_inputs, still_required
from bot.deployments.form_fields import FormField, FormValues, chosen_fields, is_usable
from bot.deployments.model import Deployment, FollowUp, FollowUpRef, Input
from bot.deployments.size_conversion import as_offered
from bot.deployments.validation import AttachedFile, is_kind
from bot.domain.backend import InputKind
from bot.domain.runs import InputValue, Run


def find_follow_up(
    deployments: Sequence[Deployment], source: Deployment | None, ref: FollowUpRef
) -> FollowUp | None:
    """Return the follow-up that `ref` identifies, as it is configured now, or None.

    A follow-up whose label has changed isn't found, because it may do something else now. The follow-ups of
    `source`, the result's deployment, are searched first.
    """
    own = source.follow_ups if source is not None else ()
    others = (each for deployment in deployments for each in deployment.follow_ups)
    return next((each for each in (*own, *others) if each.reference == ref), None)


@dataclass(frozen=True, slots=True)
class Preparation:
    """A follow-up that is about to start: its deployment, and the inputs that are carried over or fixed."""

    follow_up: FollowUp
    target: Deployment
    inputs: Mapping[str, InputValue]

    @classmethod
    def of(
        cls, follow_up: FollowUp, target: Deployment, parent: Run | None, source: Deployment | None
    ) -> Preparation:
        """Combine the fixed inputs with those carried over from `parent`, if there is one."""
        carried = _carried(follow_up, parent, source) if parent is not None else {}
        return cls(follow_up, target, {**carried, **follow_up.inputs})

    def choose(self, files: Iterable[AttachedFile]) -> tuple[str, InputValue] | None:
        """Choose the first file that an input takes. Return the input's key and value, or None if none fits.

        The value is the file's URL, or a list with this URL.
        """
        for file in files:
            for kind, key in self.follow_up.takes.items():
                if is_kind(kind, file):
                    return key, [file.url] if kind is InputKind.IMAGES else file.url
        return None

    def fields(self, form_values: FormValues) -> tuple[FormField, ...]:
        """Return the fields of the form that precedes the run. If there are none, a press starts the run."""
        return chosen_fields(self.target, self._asked(), self.inputs, form_values)

    def revise(
        self, taken: tuple[str, InputValue], form_values: FormValues, draw_seed: Callable[[Input], int]
    ) -> Revision:
        """Return the run's inputs. `taken` is the result of `choose`.

        Raises InputErrors with all mistakes.
        """
        key, link = taken
        return revise(self.target, {**self.inputs, key: link}, None, form_values, draw_seed)

    def _asked(self) -> list[Input]:
        """Return the inputs in `ask`, then required inputs without a usable value."""
        offered = as_offered(self.target, self.inputs)
        named = [item for key in self.follow_up.ask for item in self.target.offered if item.key == key]
        fitting = [item.key for item in self.target.offered if is_usable(item, offered.get(item.key))]
        given = {*fitting, *self.follow_up.takes.values(), *self.follow_up.ask}
        return [*named, *still_required(self.target, given)]


def _carried(follow_up: FollowUp, parent: Run, source: Deployment | None) -> dict[str, InputValue]:
    values: dict[str, InputValue] = {}
    for name, keys in follow_up.carry.items():
        items = named_inputs(source, name) if source is not None else ()
        for item, key in zip(items, keys, strict=False):
            # If the prompt was left out, `parent.prompt` is the deployment's default, which the result shows.
            value = parent.inputs.get(item.key, parent.prompt if item.is_prompt else None)
            if value is not None:
                values[key] = value
    return values
