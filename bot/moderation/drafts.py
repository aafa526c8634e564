"""What somebody typed into a form that was refused, kept for "Edit again"."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence

_MOST = 200


class Drafts:
    """In memory and bounded: after a restart a form opens with what is stored instead."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, tuple[int, tuple[str, ...]]] = OrderedDict()

    def keep(self, person_id: int, typed: Sequence[str]) -> str:
        """Returns the draft's name."""
        name = secrets.token_hex(4)
        self._kept[name] = (person_id, tuple(typed))
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return name

    def get(self, name: str, person_id: int) -> tuple[str, ...] | None:
        """Only for the person who typed it."""
        owner, typed = self._kept.get(name, (0, ()))
        return typed if owner == person_id else None
