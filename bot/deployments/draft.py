"""A request that somebody is about to make."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from bot.deployments.files import AttachedFile
from bot.deployments.follow_ups.prepare import choose_file
from bot.deployments.forms import MAX_FIELDS, fields_of_bot, own_values, rank
from bot.deployments.kinds import kind_of
from bot.deployments.merge import Stored
from bot.deployments.model import Deployment, FollowUp, Input
from bot.deployments.options import COUNT, MORE
from bot.deployments.plain_kinds import Typed
from bot.deployments.shapes import FormField
from bot.domain.errors import RefusedError
from bot.domain.presets import Preset
from bot.domain.requests import press_id
from bot.domain.text.file_names import file_behind


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A request to start a deployment from stored values and a file, asking for some inputs.

    `stored` are the values that it starts from; what is typed goes before them. `asked` are the inputs of its
    form, or None for the most important ones. `files` are those that it takes, by the names of their options;
    `follow_up` says which input takes one. `prompt` is shown if the deployment has none of its own.

    `typed` are options that go with it, such as the number of runs. `parent_key` is the run that it starts
    from, and `made_by` the one that made its file. `action` and `origin` identify a press (see `press_id`);
    without an origin, the files do.
    """

    deployment: Deployment
    title: str = ""
    stored: Stored = field(default_factory=Stored)
    asked: Sequence[Input] | None = None
    files: Mapping[str, tuple[AttachedFile, ...]] = field(default_factory=dict)
    follow_up: FollowUp | None = None
    prompt: str | None = None
    parent_key: str | None = None
    made_by: str | None = None
    private: bool = False
    action: str = ""
    origin: str = ""
    typed: Typed = field(default_factory=dict)
    preset: Preset | None = None
    is_default: bool = False

    def taking(self, files: Sequence[AttachedFile]) -> Draft | None:
        """Return the draft with the first file that an input takes, or None if none fits."""
        chosen = choose_file(self.follow_up, files) if self.follow_up is not None else None
        if chosen is None:
            return None
        key, file = chosen
        option = next(item.option_names[0] for item in self.deployment.offered if item.key == key)
        return replace(self, files={option: (file,)})

    @property
    def links(self) -> Sequence[str]:
        """Return the links of the files that it takes."""
        return [file.url for files in self.files.values() for file in files]

    def fields(
        self, typed: Typed, wrong: Collection[str] = (), gone: Set[str] = frozenset()
    ) -> Sequence[FormField]:
        """Return at most five fields, which show what was `typed` before, or else the stored values.

        They are for the inputs in `asked` or, if that is None, for the most important ones (see `rank`), and
        for the number of runs and the GPU if there is space. Options in `wrong` come first. The inputs with
        the keys `gone` need another file. Raises RefusedError if such an input has no field.
        """
        values = self.stored.inputs
        kinds = [kind_of(item) for item in (self.deployment.offered if self.asked is None else self.asked)]
        kinds = [kind for kind in kinds if kind.item.option_names[0] not in self.files]
        needed: list[FormField] = []
        possible: list[FormField] = []
        if self.asked is None:
            kinds.sort(key=lambda kind: rank(kind, values, typed, wrong))
            for each in fields_of_bot(self.deployment, self.stored.gpu, typed):
                (needed if each.name in {MORE, COUNT, *wrong} else possible).append(each)
        kinds = kinds[: MAX_FIELDS - len(needed)]
        if not gone <= {kind.item.key for kind in kinds}:
            raise RefusedError("parent_deleted")
        fields = [
            kind.field(own_values(kind, values), kind.typed(typed), gone=kind.item.key in gone)
            for kind in kinds
        ]
        return [*fields, *needed, *possible][:MAX_FIELDS]

    def press(self, typed: Typed) -> str | None:
        if not self.action:
            return None
        return press_id(self.action, self.origin or " ".join(map(file_behind, self.links)), typed)
