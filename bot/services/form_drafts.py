"""Keep drafts of users' forms in memory."""

from __future__ import annotations

from collections import OrderedDict
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class FormDrafts(Generic[T]):
    """A cache of each user's newest drafts, in memory. After a restart, forms open without their drafts.

    It holds at most `per_user` drafts of a user, and the drafts of the `users` who kept one most recently.
    """

    def __init__(self, random: Random, per_user: int = 5, users: int = 500) -> None:
        self._random = random
        self._per_user = per_user
        self._users = users
        self._kept: OrderedDict[int, OrderedDict[str, T]] = OrderedDict()

    def keep(self, user_id: int, draft: T) -> str:
        """Keep a draft and return its name."""
        name = self._random.randbytes(4).hex()
        drafts = self._kept.setdefault(user_id, OrderedDict())
        self._kept.move_to_end(user_id)
        drafts[name] = draft
        if len(drafts) > self._per_user:
            drafts.popitem(last=False)
        if len(self._kept) > self._users:
            self._kept.popitem(last=False)
        return name

    def get(self, name: str, user_id: int) -> T | None:
        """Return a draft, or None if it is no longer kept or belongs to another user."""
        drafts = self._kept.get(user_id)
        return drafts.get(name) if drafts is not None else None

    def forget(self, user_id: int) -> None:
        """Drop a user's drafts."""
        self._kept.pop(user_id, None)
