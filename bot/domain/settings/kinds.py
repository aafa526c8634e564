"""The kinds of settings. Each shows its values, offers boxes for them in a form, and reads what came back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from bot.domain.errors import InputError, InputErrors
from bot.domain.settings.values import Names, SettingsContext
from bot.domain.text import QUOTED, escape_line, listed, shorten, strip_invisible, without_joiners
from bot.domain.text.numbers import typed_integer, typed_number

# The limits of a server's own list of words.
WORD_LENGTH, WORD_COUNT = 60, 500
# Discord's limit for the options of a select, and for the roles chosen in one.
SELECT_LIMIT = 25
YES = "yes"
Shown = tuple[str, ...]
"""What a box shows or submits: a text, or the values that are chosen in a select."""
Given = Mapping[str, Sequence[str]]
"""What was submitted in the boxes that somebody changed, by the boxes' names."""


class Control(Enum):
    """What a box looks like."""

    TEXT = auto()
    PARAGRAPH = auto()
    CHOICE = auto()
    ROLES = auto()
    CHANNEL = auto()
    CHECK = auto()


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a select: the value that it submits and the one that is stored."""

    value: str
    label: str
    stored: object = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a form. `label` and `about` replace those of the setting if it has several boxes."""

    control: Control
    shown: Shown = ()
    options: tuple[Option, ...] = ()
    most: int = 1
    label: str = ""
    about: str = ""
    unit: str = ""


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
        self._options = tuple(
            Option(str(stored).lower(), label, stored, *about) for stored, label, *about in options
        )

    def show(self, value: Any, context: SettingsContext) -> str:
        label = next(option.label for option in self._options if option.stored == value)
        return label[:1].lower() + label[1:]

    def boxes(self, value: Any, context: SettingsContext) -> Mapping[str, Box]:
        return {"": Box(Control.CHOICE, (str(value).lower(),), self._options)}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        chosen = _only(given[""])
        for option in self._options:
            if option.value == chosen:
                return option.stored
        raise InputError("settings_not_offered", value=shorten(chosen, QUOTED))


class Flag(Kind):
    """A checkbox."""

    def show(self, value: Any, context: SettingsContext) -> str:
        return YES if value else "no"

    def boxes(self, value: Any, context: SettingsContext) -> Mapping[str, Box]:
        return {"": Box(Control.CHECK, (YES,) if value else ())}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        return bool(given[""])


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
        return {"": Box(Control.TEXT, (text,), unit=f"{self._unit}s" if self._unit else "")}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        text = _only(given[""])
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
        control = Control.ROLES if self.names is Names.ROLE else Control.CHANNEL
        return {"": Box(control, () if existing is None else (str(existing),))}

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
            filled = [roles[n : n + SELECT_LIMIT] for n in range(0, len(roles) + 1, SELECT_LIMIT)]
            return {
                str(n): Box(Control.ROLES, tuple(page), most=SELECT_LIMIT) for n, page in enumerate(filled)
            }
        options = [
            Option(str(name), strip_invisible(context.deployments.get(str(name), str(name))))
            for name in context.known(self.names)
        ]
        pages = [tuple(options[n : n + SELECT_LIMIT]) for n in range(0, len(options), SELECT_LIMIT)]
        return {
            str(n): Box(
                Control.CHOICE, tuple(o.value for o in page if o.value in value), page, most=len(page)
            )
            for n, page in enumerate(pages)
        }

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        boxes, chosen = self.boxes(value, context), frozenset(value)
        for name, values in given.items():
            box = boxes[name]
            if self.names is Names.ROLE:
                chosen = chosen - set(map(int, box.shown)) | _known_ids(values, self.names, context)
            else:
                if unknown := set(values) - {option.value for option in box.options}:
                    raise InputError("settings_not_offered", value=shorten(min(unknown), QUOTED))
                chosen = chosen - set(box.shown) | set(values)
        return chosen

    def existing(self, value: Any, context: SettingsContext) -> Any:
        return frozenset(value) & frozenset(context.known(self.names))


class Permitted(Several):
    """The roles that may use something. None means everybody, and no role means nobody."""

    def __init__(self) -> None:
        super().__init__(Names.ROLE)

    def show(self, value: Any, context: SettingsContext) -> str:
        return "everybody" if value is None else listed(self.entries(value, context)) or "nobody"

    def boxes(self, value: Any, context: SettingsContext) -> Mapping[str, Box]:
        everybody = Box(Control.CHECK, (YES,) if value is None else (), label="Open to everybody")
        return {"all": everybody, **super().boxes(value or frozenset(), context)}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        """Return None if the checkbox was ticked. Otherwise choosing roles closes what was open."""
        if given.get("all"):
            return None
        roles = {name: values for name, values in given.items() if name != "all"}
        return super().read(value or frozenset(), roles, context)

    def existing(self, value: Any, context: SettingsContext) -> Any:
        return None if value is None else super().existing(value, context)


class WordList(Kind):
    """A list of words and phrases, which two boxes add to and remove from."""

    def entries(self, value: Any, context: SettingsContext) -> Sequence[str]:
        return [escape_line(word, WORD_LENGTH) for word in value]

    def boxes(self, value: Any, context: SettingsContext) -> Mapping[str, Box]:
        adding = "One per line. “fox*” matches foxes, too. Case and look-alike letters don't matter."
        add = Box(Control.PARAGRAPH, label="Words and phrases to add", about=adding)
        remove = Box(Control.PARAGRAPH, label="Words to remove", about="One per line, as they are listed")
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


def _only(values: Sequence[str]) -> str:
    return next(iter(values), "")


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


Effect = Callable[[Any], bool]
Check = Callable[[Any, SettingsContext], str | None]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of `/settings`, which is a form. `none` is shown if nothing in it is set."""

    name: str
    title: str
    none: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """The declaration of a setting: how `/settings`, the audit log and the documentation show it.

    Discord shows 45 characters of `label` in a form, and 100 of `about` below it. `has_effect` says whether
    the rules let it have any. `check` returns the code of the refusal for rules that conflict with it.
    """

    label: str
    kind: Kind
    about: str = ""
    has_effect: Effect = lambda _rules: True
    check: Check = lambda _rules, _context: None
