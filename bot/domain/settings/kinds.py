"""The kinds of settings. Each shows its values, offers boxes for them in a form, and reads what came back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Literal, TypeVar

from bot.domain.errors import InputError, InputErrors
from bot.domain.text import QUOTED, escape_line, listed, shorten, strip_invisible, without_joiners
from bot.domain.text.numbers import typed_integer, typed_number

# The limits of a server's own list of words.
WORD_LENGTH, WORD_COUNT = 60, 500
# Discord's limit for the options of a select, and for the roles chosen in one.
SELECT_LIMIT = 25
YES = "yes"
Shown = tuple[str, ...]
"""What a box shows or submits: a text, or the values that are chosen in a select."""
Control = Literal["text", "paragraph", "choice", "roles", "channel", "check"]
Option = tuple[str, str, str]
"""An option of a select: the value that it submits, its label, and what explains it."""
Given = Mapping[str, Sequence[str]]
"""What was submitted in the boxes that somebody changed, by the boxes' names."""


class Names(StrEnum):
    """The kind of thing that a setting names."""

    ROLE = "role"
    CHANNEL = "channel"
    GPU = "gpu"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewChannel:
    """The state of the review channel in Discord."""

    missing: tuple[str, ...] = ()  # missing permissions of the bot, by Discord's names
    reviewers_see: bool = True
    everybody_sees: bool = False


@dataclass(frozen=True, slots=True)
class NotApplied:
    """An AutoMod rule that can't be applied completely. `code` is the reason, for `/settings`."""

    code: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsContext:
    """What a server's settings may name now, and the state that the panel warns about.

    `role_ids` excludes @everyone. `deployments` maps names to titles. `review` is None if no review channel
    is set or the channel is missing. `gallery_lacks` names the permissions that the bot lacks in the gallery
    channel. `manages_server` says whether the bot has the permission to read AutoMod rules. `automod_unread`
    holds the AutoMod rules that can't be applied completely. `automod_away` means that AutoMod rules can't
    be read at the moment. `unreadable` holds the paths of invalid stored settings. `gpu_unknown` holds
    the titles of deployments whose GPU is known only if the user chooses one, and `gpu_not_offered` of those
    whose GPU is never known. `default_presets` maps channels to the names of their default presets.
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
    default_presets: Mapping[int, str] = field(default_factory=dict)

    def known(self, names: Names) -> Collection[int | str]:
        """Return the ids or names of everything of a kind that exists now, in the order of the lists."""
        if names in (Names.ROLE, Names.CHANNEL):
            return sorted(self.role_ids if names is Names.ROLE else self.channel_ids)
        return self.gpus if names is Names.GPU else self.deployments

    def ordered(self, names: Names, some: Iterable[int | str]) -> list[int | str]:
        """Sort ids or names as they are offered, with those that don't exist any more at the end."""
        places = {name: place for place, name in enumerate(self.known(names))}
        return sorted(some, key=lambda name: (places.get(name, len(places)), str(name)))

    def options(self, names: Names) -> list[tuple[str, str, str]]:
        """Return the options of a select: names, and their plain titles."""
        known = map(str, self.known(names))
        return [(name, strip_invisible(self.deployments.get(name, name)), "") for name in known]

    def title(self, names: Names, name: int | str) -> str:
        """Return the mention or title of something, which says so if it doesn't exist."""
        is_known = name in self.known(names)
        if names in (Names.ROLE, Names.CHANNEL):
            mention = f"<@&{name}>" if names is Names.ROLE else f"<#{name}>"
            return mention if is_known else f"a deleted {names} (`{name}`)"
        title = escape_line(self.deployments.get(str(name), str(name)), 40)
        return title if is_known else f"{title} (not offered)"


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a form. `label` and `about` replace those of the setting, and `suffix` follows the label.

    `id` is its name among all boxes, and `typed` what a refused form had in it.
    """

    control: Control
    shown: Shown = ()
    options: tuple[Option, ...] = ()
    most: int = 1
    label: str = ""
    about: str = ""
    suffix: str = ""
    id: str = ""
    typed: Shown | None = None

    @property
    def custom_id(self) -> str:
        """Return the id with a digest of what the box shows, which tells later if that has changed."""
        return f"{self.id}:{digest(self.shown)}"


def digest(values: Sequence[str]) -> str:
    lines = sorted(filter(None, map(str.strip, values)))
    return blake2b("\0".join(lines).encode(errors="replace"), digest_size=4).hexdigest()


class Kind:
    """Base class. `names` is what the values refer to, if they refer to anything."""

    names: Names | None = None

    def show(self, value: Any, context: SettingsContext) -> str:
        """Return a value as a text."""
        return listed(self.entries(value, context)) or "none"

    def entries(self, value: Any, context: SettingsContext) -> Sequence[str]:
        """Return the texts of what a list holds."""
        return ()

    def boxes(self, value: Any, context: SettingsContext) -> Mapping[str, Box]:
        """Return the boxes for a value by name. An empty name is that of an only box."""
        raise NotImplementedError

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        """Return the new value for what was submitted in boxes. Raises InputError."""
        raise NotImplementedError

    def existing(self, value: Any, context: SettingsContext) -> Any:
        """Return a value without references to what doesn't exist."""
        return value


class Choice(Kind):
    """One of a few values, which may be booleans or None."""

    def __init__(self, *options: tuple[object, str] | tuple[object, str, str]) -> None:
        self._stored = {str(option[0]).lower(): option[0] for option in options}
        self._options = tuple((str(each[0]).lower(), each[1], "".join(each[2:])) for each in options)

    def show(self, value: Any, context: SettingsContext) -> str:
        label = next(label for key, label, _ in self._options if key == str(value).lower())
        return label[:1].lower() + label[1:]

    def boxes(self, value: Any, context: SettingsContext) -> Mapping[str, Box]:
        return {"": Box("choice", (str(value).lower(),), self._options)}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        chosen = "".join(given[""])
        if chosen not in self._stored:
            raise InputError("settings_not_offered", value=shorten(chosen, QUOTED))
        return self._stored[chosen]


class Number(Kind):
    """A number. An empty box means `empty`, which is shown as `none`, and so does typing that."""

    def __init__(
        self, none: str = "no limit", *, unit: str = "", empty: int | None = None, decimal: bool = False
    ) -> None:
        self._none, self._unit, self._empty, self._decimal = none, unit, empty, decimal

    def show(self, value: Any, context: SettingsContext) -> str:
        if value is None or value == self._empty:
            return self._none
        number = f"{value:g}" if self._decimal else f"{value:,}"
        return f"{number} {self._unit}{'' if value == 1 else 's'}" if self._unit else number

    def boxes(self, value: Any, context: SettingsContext) -> Mapping[str, Box]:
        text = "" if value is None else f"{value:g}" if self._decimal else str(value)
        return {"": Box("text", (text,), suffix=f" ({self._unit}s)" if self._unit else "")}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        text = "".join(given[""])
        number = typed_number(text) if self._decimal else typed_integer(text)
        if number is None and text.strip():
            code = "settings_not_number" if self._decimal else "settings_not_integer"
            raise InputError(code, value=shorten(text, QUOTED))
        return self._empty if number is None or str(number) in (self._none, f"{self._none}.0") else number


class Reference(Kind):
    """A role or a channel, or None."""

    def __init__(self, names: Names) -> None:
        self.names: Names = names

    def show(self, value: Any, context: SettingsContext) -> str:
        return "none" if value is None else context.title(self.names, value)

    def boxes(self, value: Any, context: SettingsContext) -> Mapping[str, Box]:
        existing = self.existing(value, context)
        shown = () if existing is None else (str(existing),)
        return {"": Box("roles" if self.names is Names.ROLE else "channel", shown)}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        return next(iter(_known_ids(given[""][:1], self.names, context)), None)

    def existing(self, value: Any, context: SettingsContext) -> Any:
        return value if value in context.known(self.names) else None


class Several(Kind):
    """A set of roles, GPUs or deployments. A box shows 25 of them; what it doesn't show is kept."""

    def __init__(self, names: Names) -> None:
        self.names: Names = names

    def entries(self, value: Any, context: SettingsContext) -> Sequence[str]:
        return [context.title(self.names, name) for name in context.ordered(self.names, value or ())]

    def boxes(self, value: Any, context: SettingsContext) -> Mapping[str, Box]:
        if self.names is Names.ROLE:
            roles = [*map(str, sorted(self.existing(value, context)))]
            # The last box has room for more.
            shown = batches(roles) if len(roles) % SELECT_LIMIT else [*batches(roles), ()]
            return {
                str(n): Box("roles", page, most=SELECT_LIMIT, suffix=_number(n))
                for n, page in enumerate(shown)
            }
        boxes = {}
        for number, page in enumerate(batches(context.options(self.names))):
            chosen = tuple(name for name, _, _ in page if name in value)
            boxes[str(number)] = Box("choice", chosen, page, len(page), suffix=_number(number))
        return boxes

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        boxes, chosen = self.boxes(value, context), frozenset(value)
        for name, values in given.items():
            box = boxes[name]
            if self.names is Names.ROLE:
                chosen = chosen - set(map(int, box.shown)) | _known_ids(values, self.names, context)
            else:
                if unknown := set(values) - {name for name, _, _ in box.options}:
                    raise InputError("settings_not_offered", value=shorten(min(unknown), QUOTED))
                chosen = chosen - set(box.shown) | set(values)
        return chosen

    def existing(self, value: Any, context: SettingsContext) -> Any:
        return value and frozenset(value) & frozenset(context.known(self.names))


class Permitted(Several):
    """The roles that may use something. None means everybody, and no role means nobody."""

    def __init__(self) -> None:
        super().__init__(Names.ROLE)

    def show(self, value: Any, context: SettingsContext) -> str:
        return "everybody" if value is None else listed(self.entries(value, context)) or "nobody"

    def boxes(self, value: Any, context: SettingsContext) -> Mapping[str, Box]:
        everybody = Box("check", (YES,) if value is None else (), label="Open to everybody")
        return {"all": everybody, **super().boxes(value or frozenset(), context)}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        """Return None if the checkbox was ticked. Otherwise choosing roles closes what was open."""
        if given.get("all"):
            return None
        roles = {name: values for name, values in given.items() if name != "all"}
        return super().read(value or frozenset(), roles, context)


class WordList(Kind):
    """A list of words and phrases, which two boxes add to and remove from."""

    def entries(self, value: Any, context: SettingsContext) -> Sequence[str]:
        return [escape_line(word, WORD_LENGTH) for word in value]

    def boxes(self, value: Any, context: SettingsContext) -> Mapping[str, Box]:
        adding = "One per line. “fox*” matches foxes, too. Case and look-alike letters don't matter."
        add = Box("paragraph", label="Words and phrases to add", about=adding)
        remove = Box("paragraph", label="Words to remove", about="One per line, as they are listed")
        return {"add": add, "remove": remove} if value else {"add": add}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        """Return the sorted list. Raises InputErrors with all mistakes."""
        typed, gone = _lines(given.get("add", ())), _lines(given.get("remove", ()))
        codes = [(word, code) for word in typed if (code := _misplaced_star(word))]
        codes += [(word, "settings_word_too_long") for word in typed if len(word) > WORD_LENGTH]
        listed = set(map(_comparable, value))
        codes += [(word, "settings_word_not_listed") for word in gone if _comparable(word) not in listed]
        mistakes = [InputError(code, word=shorten(w, QUOTED), limit=WORD_LENGTH) for w, code in codes]
        removed = set(map(_comparable, gone))
        words = {word for word in value if _comparable(word) not in removed} | set(typed)
        if len(words) > WORD_COUNT:
            mistakes.append(InputError("settings_too_many_words", limit=WORD_COUNT))
        if mistakes:
            raise InputErrors(mistakes)
        return tuple(sorted(words, key=lambda word: (word.casefold(), word)))


T = TypeVar("T")


def batches(items: Sequence[T], size: int = SELECT_LIMIT) -> list[tuple[T, ...]]:
    """Split what doesn't fit into one select."""
    return [tuple(items[n : n + size]) for n in range(0, len(items), size)]


def _number(page: int) -> str:
    return f" ({page + 1})" if page else ""


def _known_ids(values: Iterable[str], names: Names, context: SettingsContext) -> frozenset[int]:
    known = {str(id): id for id in context.known(names)}
    if not known.keys() >= set(values):
        raise InputError(f"settings_{names}_unknown")
    return frozenset(int(known[value]) for value in values)


def _lines(texts: Iterable[str]) -> Sequence[str]:
    """Return the sorted lines of texts, without empty lines, repeated lines and invisible characters."""
    entries = {strip_invisible(line) for text in texts for line in text.splitlines()}
    return sorted(entries - {""})


def _misplaced_star(word: str) -> str | None:
    """Return the code of the refusal if a `*` of the word is no wildcard, or None."""
    core = word.strip("*").strip()
    if not core:
        return "settings_word_only_star"
    return "settings_word_inner_star" if "*" in core else None


def _comparable(word: str) -> str:
    return without_joiners(word).casefold()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of `/settings`, which is a form. `none` is shown if nothing in it is set.

    `has_twin` means that another section has settings with the same labels.
    """

    name: str
    title: str
    none: str = ""
    has_twin: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """The declaration of a setting: how `/settings`, the audit log and the documentation show it.

    Discord shows 45 characters of `label` in a form, and 100 of `about` below it. `has_effect` says whether
    the rules let it have any. `check` returns the code of the refusal for rules that conflict with it.
    """

    label: str
    kind: Kind
    about: str = ""
    has_effect: Callable[[Any], bool] = lambda _rules: True
    check: Callable[[Any, SettingsContext], str | None] = lambda _rules, _context: None
