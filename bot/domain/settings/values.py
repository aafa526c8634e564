"""The roles, channels and deployments that settings may refer to, and the parsing of submitted values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import TypeVar

from bot.domain.errors import InputError, RefusedError
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.text import QUOTED, shorten, strip_invisible
from bot.domain.text.numbers import typed_integer, typed_number


class Names(StrEnum):
    """The kind of thing that a setting refers to by name."""

    GPU = "gpu"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewChannel:
    """The state of the review channel in Discord."""

    missing: tuple[str, ...] = ()  # missing permissions of the bot, by Discord's names
    reviewers_see: bool = True
    everybody_sees: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultPreset:
    """A channel's default preset for the panel. `set_at` and `set_by` are None if they aren't stored."""

    channel_id: int
    name: str
    deployment: str
    set_at: datetime | None = None
    set_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsContext:
    """The names and ids that a server's settings may refer to now, and the state that the panel warns about.

    `role_ids` excludes @everyone. `deployments` maps names to titles. `review` is None if no review channel
    is set or the channel is missing. `gallery_lacks` names the permissions that the bot lacks in the gallery
    channel. `manages_server` says whether the bot has the permission to read AutoMod rules. `automod_unread`
    holds the AutoMod rules that can't be applied completely. `automod_away` means that AutoMod rules can't
    be read at the moment. `unreadable` holds the paths of invalid stored settings. `gpu_unknown` holds
    the titles of deployments whose GPU is known only if the user chooses one, and `gpu_not_offered` of those
    whose GPU is never known. `default_presets` holds the default presets of channels that exist.
    """

    server: str = ""
    role_ids: frozenset[int] = frozenset()
    channel_ids: frozenset[int] = frozenset()
    deployments: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    review: ReviewChannel | None = None
    gallery_lacks: tuple[str, ...] = ()
    manages_server: bool = True
    automod_unread: tuple[NotApplied, ...] = ()
    automod_away: bool = False
    unreadable: tuple[str, ...] = ()
    gpu_unknown: tuple[str, ...] = ()
    gpu_not_offered: tuple[str, ...] = ()
    default_presets: tuple[DefaultPreset, ...] = ()

    def offered(self, names: Names) -> Mapping[str, str]:
        """Return the title of each name; a GPU's title is its name."""
        return self.deployments if names is Names.DEPLOYMENT else {gpu: gpu for gpu in self.gpus}


# Discord's limit for the options of a select, and for the roles chosen in one.
SELECT_LIMIT = 25


def whole_number(text: str) -> int | None:
    """Parse a whole number as users type it. Return None for blank text. Raises InputError."""
    number = typed_integer(text)
    if number is None and text.strip():
        raise InputError("settings_not_integer", value=shorten(text, QUOTED))
    return number


def decimal_number(text: str) -> float | None:
    """Parse a number as users type it. Return None for blank text. Raises InputError."""
    number = typed_number(text)
    if number is None and text.strip():
        raise InputError("settings_not_number", value=shorten(text, QUOTED))
    return number


def required(number: int | None) -> int:
    """Return the value. Raises InputError for None."""
    if number is None:
        raise InputError("settings_number_needed")
    return number


def lines(text: str) -> tuple[str, ...]:
    """Return the sorted lines of a text, without empty lines, repeated lines and invisible characters."""
    entries = {strip_invisible(line) for line in text.splitlines()}
    return tuple(sorted(entries - {""}, key=lambda entry: (entry.casefold(), entry)))


def known_ids(values: Iterable[str], known: frozenset[int], refusal: str) -> frozenset[int]:
    """Parse ids. Raises RefusedError with the code `refusal` for an id that is not in `known`."""
    ids = set()
    for value in values:
        if not (value.isascii() and value.isdigit()) or int(value) not in known:
            raise RefusedError(refusal)
        ids.add(int(value))
    return frozenset(ids)


def known_names(values: Sequence[str], known: Iterable[str], names: Names) -> frozenset[str]:
    """Return `values` as a set. Raises RefusedError if a name is not in `known`."""
    if not set(known).issuperset(values):
        raise RefusedError(f"settings_{names}_unknown")
    return frozenset(values)


def one(values: Sequence[str]) -> str:
    """Return the only value. Raises RefusedError for any other number, which Discord's clients never send."""
    if len(values) != 1:
        raise RefusedError("settings_stale")
    return values[0]


# The longest name that fits into a custom_id of 100 characters.
_LONGEST_NAME = 64


def token(name: str) -> str:
    """Return a GPU's or deployment's name for a custom_id, or a digest if the name is too long."""
    return name if len(name) <= _LONGEST_NAME else blake2b(name.encode(), digest_size=8).hexdigest()


def named(arg: str, names: Iterable[str]) -> str:
    """Return the name that belongs to a token, or the token itself if there is none."""
    return next((name for name in names if token(name) == arg), arg)


T = TypeVar("T")


def page_of(entries: Sequence[T], arg: str) -> Sequence[T]:
    """Return the part of a long list that one select shows. `arg` is the page, 0 if it isn't a number."""
    page = int(arg) if arg.isascii() and arg.isdigit() and len(arg) < 4 else 0
    return entries[page * SELECT_LIMIT : (page + 1) * SELECT_LIMIT]


@dataclass(frozen=True, slots=True)
class Edit:
    """The values that a control submitted, and the rules to change.

    Methods raise RefusedError for references that don't exist now.
    """

    rules: ServerRules
    arg: str
    values: Sequence[str]
    context: SettingsContext

    def channel(self) -> int | None:
        known = self.context.channel_ids
        return next(iter(known_ids(self.values[:1], known, "settings_channel_unknown")), None)

    def roles(self, values: Sequence[str] | None = None) -> frozenset[int]:
        """Return the roles in `values`, which defaults to the control's own values."""
        chosen = self.values if values is None else values
        return known_ids(chosen, self.context.role_ids, "settings_role_unknown")

    def name(self, names: Names) -> str:
        """Return the GPU or deployment that the control refers to."""
        known_names([self.arg], self.context.offered(names), names)
        return self.arg


@dataclass(frozen=True, slots=True)
class NotApplied:
    """An AutoMod rule that can't be applied completely. `code` is the reason, for `/settings`."""

    code: str
    rule: str
