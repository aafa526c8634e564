"""The panel's custom_ids, `set:{section}:{name}[:{arg}]`: its whole state, so it outlives restarts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from zlib import crc32

# Everything of ours, also of another version: what we don't know is answered, not left to Discord's error.
PATTERN = re.compile(r"set:(?P<rest>.*)", re.DOTALL)
_PARTS = re.compile(r"(?P<section>[a-z]+):(?P<name>[a-z_]+)(?::(?P<arg>.*))?", re.DOTALL)

# Of the 100 characters of a custom_id, so many for what it is about.
_LONGEST = 64


class Section(StrEnum):
    """`home` is the overview."""

    HOME = "home"
    APPROVAL = "approval"
    WORDS = "words"
    BUDGETS = "budgets"
    GPUS = "gpus"
    PEOPLE = "people"
    RESULTS = "results"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Control:
    """What was pressed, chosen or sent."""

    section: Section
    name: str
    arg: str = ""

    @property
    def field(self) -> str:
        return f"{self.section.value}.{self.name}"

    @property
    def custom_id(self) -> str:
        return f"set:{self.section.value}:{self.name}" + (f":{self.arg}" if self.arg else "")

    @property
    def number(self) -> int:
        """The component's id: a client keeps a choice by it, so it must not pass to another control."""
        return crc32(self.custom_id.encode()) & 0x3FFFFFFF | 0x40000000


def parse(rest: str) -> Control | None:
    """None for what no panel of this version has."""
    match = _PARTS.fullmatch(rest)
    if match is None or match["section"] not in set(Section):
        return None
    return Control(Section(match["section"]), match["name"], match["arg"] or "")


def token(name: str) -> str:
    """A deployment or GPU as `arg`: its name, or a digest where that would not fit."""
    return name if len(name) <= _LONGEST else blake2b(name.encode(), digest_size=8).hexdigest()


def named(arg: str, names: Iterable[str]) -> str:
    """The name behind a token; the token itself when there is none any more."""
    return next((name for name in names if token(name) == arg), arg)
