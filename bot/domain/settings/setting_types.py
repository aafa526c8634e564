"""The kinds of settings. Each shows its values, makes the fields of a form, and reads what came back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from bot.domain.errors import InputError, InputErrors
from bot.domain.forms import NO, SELECT_LIMIT, YES, FormField, Option, Shape, batches
from bot.domain.picture_check import Flagged
from bot.domain.text import (
    QUOTED,
    escape_line,
    folded,
    listed,
    shown_number,
    strip_invisible,
    typed_integer,
    typed_number,
)

# The limits of a server's own list of words.
WORD_LENGTH, WORD_COUNT = 60, 500
# Characters of the texts that somebody types into a form.
_NUMBER_LENGTH, _WORDS_LENGTH = 20, 4000
Given = Mapping[str, Sequence[str]]
"""What was submitted in the changed fields, by the names that `SettingType.fields` gave them."""


class Names(StrEnum):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsContext:
    """What a server's settings may name now, and the state that the panel warns about.

    `role_ids` excludes @everyone. `deployments` maps names to titles. `review` is None if no review channel
    is set or the channel is missing. `gallery_lacks` names the permissions that the bot lacks in the gallery
    channel. `manages_server` says whether the bot has the permission to read AutoMod rules. `automod_unread`
    names the AutoMod rules that can't be applied completely. `automod_away` means that AutoMod rules can't
    be read at the moment. `unreadable` holds the paths of invalid stored settings. `gpu_unknown` holds
    the titles of deployments whose GPU is known only if the user chooses one, and `gpu_not_offered` of those
    whose GPU is never known. `default_presets` maps channels to the names of their default presets.
    `least_flagged` is the operator's minimum for flagged pictures, or None without a picture checker.
    """

    server: str = ""
    role_ids: frozenset[int] = frozenset()
    channel_ids: frozenset[int] = frozenset()
    deployments: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    review: ReviewChannel | None = None
    gallery_lacks: tuple[str, ...] = ()
    manages_server: bool = True
    automod_unread: tuple[str, ...] = ()
    automod_away: bool = False
    unreadable: tuple[str, ...] = ()
    gpu_unknown: tuple[str, ...] = ()
    gpu_not_offered: tuple[str, ...] = ()
    default_presets: Mapping[int, str] = field(default_factory=dict)
    least_flagged: Flagged | None = None

    def known(self, names: Names) -> Collection[int | str]:
        """Return the ids or names of everything of a kind that exists now, in the order of the lists."""
        if names in (Names.ROLE, Names.CHANNEL):
            return sorted(self.role_ids if names is Names.ROLE else self.channel_ids)
        return self.gpus if names is Names.GPU else self.deployments

    def chosen(self, names: Names, values: Iterable[str]) -> frozenset[int | str]:
        """Return what the values of a field stand for. Raises InputError if something doesn't exist."""
        known = {str(each): each for each in self.known(names)}
        if not known.keys() >= set(values):
            raise InputError(f"settings_{names}_unknown")
        return frozenset(known[value] for value in values)

    def ordered(self, names: Names, some: Iterable[int | str]) -> list[int | str]:
        """Sort ids or names as they are offered, with those that don't exist any more at the end."""
        places = {name: place for place, name in enumerate(self.known(names))}
        return sorted(some, key=lambda name: (places.get(name, len(places)), str(name)))

    def options(self, names: Names) -> list[Option]:
        """Return the options of a select: names, and their plain titles."""
        known = map(str, self.known(names))
        return [Option(name, strip_invisible(self.deployments.get(name, name))) for name in known]

    def title(self, names: Names, name: int | str) -> str:
        """Return the mention or title of something, which says so if it doesn't exist."""
        is_known = name in self.known(names)
        if names in (Names.ROLE, Names.CHANNEL):
            mention = f"<@&{name}>" if names is Names.ROLE else f"<#{name}>"
            return mention if is_known else f"a deleted {names} (`{name}`)"
        title = escape_line(self.deployments.get(str(name), str(name)), 40)
        return title if is_known else f"{title} (not offered)"


class SettingType:
    """A kind of values: how they are shown, entered in a form, and read.

    `names` is what the values refer to, if they refer to anything.
    """

    names: Names | None = None

    def show(self, value: Any, context: SettingsContext) -> str:
        return listed(self.entries(value, context)) or "none"

    def entries(self, value: Any, context: SettingsContext) -> Sequence[str]:
        return ()

    def fields(self, usual: FormField, value: Any, context: SettingsContext) -> Mapping[str, FormField]:
        """Return the fields for a value by name. An empty name is that of an only field.

        `usual` has the label and the description of the setting.
        """
        raise NotImplementedError

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        """Return the new value for what was submitted. Raises InputError, with escaped texts."""
        raise NotImplementedError

    def existing(self, value: Any, context: SettingsContext) -> Any:
        """Return a value without references to what doesn't exist."""
        if self.names is None or value is None:
            return value
        known = context.known(self.names)
        if isinstance(value, frozenset):
            return value & frozenset(known)
        return value if value in known else None


class Choice(SettingType):
    """One of a few values, which may be booleans or None."""

    def __init__(self, *options: tuple[object, str] | tuple[object, str, str]) -> None:
        self._stored = {str(option[0]).lower(): option[0] for option in options}
        self._options = tuple(Option(str(each[0]).lower(), *each[1:]) for each in options)

    def show(self, value: Any, context: SettingsContext) -> str:
        label = next(each.label for each in self._options if each.value == str(value).lower())
        return label[:1].lower() + label[1:]

    def fields(self, usual: FormField, value: Any, context: SettingsContext) -> Mapping[str, FormField]:
        chosen = (str(value).lower(),)
        return {"": replace(usual, shape=Shape.SELECT, values=chosen, options=self._options, required=True)}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        chosen = "".join(given[""])
        if chosen not in self._stored:
            raise InputError("settings_not_offered", value=escape_line(chosen, QUOTED))
        return self._stored[chosen]


class Number(SettingType):
    """A number. An empty field means `empty`, which is shown as `none`."""

    def __init__(
        self, none: str = "no limit", *, unit: str = "", empty: int | None = None, decimal: bool = False
    ) -> None:
        self._none, self._unit, self._empty, self._decimal = none, unit, empty, decimal

    def show(self, value: Any, context: SettingsContext) -> str:
        if value is None or value == self._empty:
            return self._none
        number = shown_number(value) if self._decimal else f"{value:,}"
        return f"{number} {self._unit}{'' if value == 1 else 's'}" if self._unit else number

    def fields(self, usual: FormField, value: Any, context: SettingsContext) -> Mapping[str, FormField]:
        text = "" if value is None else shown_number(value) if self._decimal else str(value)
        label = f"{usual.label} ({self._unit}s)" if self._unit else usual.label
        return {"": replace(usual, label=label, values=(text,), length=_NUMBER_LENGTH)}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        text = "".join(given[""])
        number = typed_number(text) if self._decimal else typed_integer(text)
        if number is None and text.strip():
            code = "settings_not_number" if self._decimal else "settings_not_integer"
            raise InputError(code, value=escape_line(text, QUOTED))
        return self._empty if number is None else number


class Reference(SettingType):
    def __init__(self, names: Names) -> None:
        self.names: Names = names

    def show(self, value: Any, context: SettingsContext) -> str:
        return "none" if value is None else context.title(self.names, value)

    def fields(self, usual: FormField, value: Any, context: SettingsContext) -> Mapping[str, FormField]:
        existing = self.existing(value, context)
        shape = Shape.ROLES if self.names is Names.ROLE else Shape.CHANNEL
        return {"": replace(usual, shape=shape, values=() if existing is None else (str(existing),))}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        return next(iter(context.chosen(self.names, given[""][:1])), None)


class Several(SettingType):
    """A set of roles, GPUs or deployments. A field shows 25 of them; what it doesn't show is kept."""

    def __init__(self, names: Names) -> None:
        self.names: Names = names

    def entries(self, value: Any, context: SettingsContext) -> Sequence[str]:
        return [context.title(self.names, name) for name in context.ordered(self.names, value or ())]

    def fields(self, usual: FormField, value: Any, context: SettingsContext) -> Mapping[str, FormField]:
        if self.names is Names.ROLE:  # Discord knows which roles can be chosen
            roles = batches([*map(str, sorted(self.existing(value, context)))])
            if not roles or len(roles[-1]) == SELECT_LIMIT:
                roles.append(())  # with room for more
            pages = [replace(usual, shape=Shape.ROLES, values=page, most=SELECT_LIMIT) for page in roles]
        else:
            pages = [
                replace(
                    usual,
                    shape=Shape.SELECT,
                    values=tuple(each.value for each in page if each.value in value),
                    options=page,
                    most=len(page),
                )
                for page in batches(context.options(self.names))
            ]
        return {
            str(number): replace(page, label=f"{usual.label} ({number + 1})") if number else page
            for number, page in enumerate(pages)
        }

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        shown, chosen = self.fields(FormField(name="", label=""), value, context), frozenset(value)
        for name, values in given.items():
            unchosen = context.chosen(self.names, shown[name].values)
            chosen = chosen - unchosen | context.chosen(self.names, values)
        return chosen


class Permitted(Several):
    """The roles that may use something. None means everybody, and no role means nobody."""

    def __init__(self) -> None:
        super().__init__(Names.ROLE)

    def show(self, value: Any, context: SettingsContext) -> str:
        return "everybody" if value is None else listed(self.entries(value, context)) or "nobody"

    def fields(self, usual: FormField, value: Any, context: SettingsContext) -> Mapping[str, FormField]:
        ticked = (YES if value is None else NO,)
        everybody = replace(usual, label="Open to everybody", shape=Shape.CHECKBOX, values=ticked)
        return {"all": everybody, **super().fields(usual, value or frozenset(), context)}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        """Return None if the checkbox was ticked. Otherwise choosing roles closes what was open."""
        if YES in given.get("all", ()):
            return None
        roles = {name: values for name, values in given.items() if name != "all"}
        return super().read(value or frozenset(), roles, context)


class WordList(SettingType):
    """A list of words and phrases, which two fields add to and remove from."""

    def entries(self, value: Any, context: SettingsContext) -> Sequence[str]:
        return [escape_line(word, WORD_LENGTH) for word in value]

    def fields(self, usual: FormField, value: Any, context: SettingsContext) -> Mapping[str, FormField]:
        usual = replace(usual, shape=Shape.PARAGRAPH, length=_WORDS_LENGTH)
        adding = "One per line. “fox*” matches foxes, too. Case and look-alike letters don't matter."
        add = replace(usual, label="Words and phrases to add", description=adding)
        remove = replace(usual, label="Words to remove", description="One per line, as they are listed")
        return {"add": add, "remove": remove} if value else {"add": add}

    def read(self, value: Any, given: Given, context: SettingsContext) -> Any:
        """Return the sorted list. Raises InputErrors with all mistakes."""
        lines = {name: "\n".join(texts).splitlines() for name, texts in given.items()}
        typed, gone = (
            sorted({*map(strip_invisible, lines.get(name, ()))} - {""}) for name in ("add", "remove")
        )
        cores = {word: word.strip("*").strip() for word in typed}
        present, removed = ({*map(folded, some)} for some in (value, gone))
        codes = [(word, "settings_word_only_star") for word, core in cores.items() if not core]
        codes += [(word, "settings_word_inner_star") for word, core in cores.items() if "*" in core]
        codes += [(word, "settings_word_too_long") for word in typed if len(word) > WORD_LENGTH]
        codes += [(word, "settings_word_not_listed") for word in gone if folded(word) not in present]
        mistakes = [InputError(code, word=escape_line(w, QUOTED), limit=WORD_LENGTH) for w, code in codes]
        words = {word for word in value if folded(word) not in removed} | set(typed)
        if len(words) > WORD_COUNT:
            mistakes.append(InputError("settings_too_many_words", limit=WORD_COUNT))
        if mistakes:
            raise InputErrors(mistakes)
        return tuple(sorted(words, key=lambda word: (word.casefold(), word)))


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

    Discord shows 45 characters of `label` in a form, and 100 of `about` below it. Without a `section`, it is
    in that of its model. `has_effect` says whether the rules let it have any. `check` returns the code of the
    refusal for rules that conflict with it.
    """

    label: str
    kind: SettingType
    about: str = ""
    section: Section | None = None
    has_effect: Callable[[Any], bool] = lambda _rules: True
    check: Callable[[Any, SettingsContext], str | None] = lambda _rules, _context: None
