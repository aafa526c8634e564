"""Repeat a change whose commit the database didn't confirm."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from bot.domain.errors import CommitUnknown, StoreUnavailable

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
# The parameter that tells a change that it may be stored already.
_TOLD = "may_be_stored"


def repeat_if_unknown(change: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Make a store's method repeat its change once if the commit isn't confirmed.

    If the repetition isn't confirmed either, or the database doesn't answer, the method raises CommitUnknown.
    Use this only for an idempotent change that locks the rows it writes, so that the first transaction has
    ended before the second reads them. Others may change the rows between the two, so the repetition must
    recognize its own change, by a claim, a time or an audit entry, and leave later changes alone. A change
    whose repetition would return or raise something else takes `may_be_stored`, which is True in the
    repetition.
    """
    told = {_TOLD: True} if _TOLD in inspect.signature(change).parameters else {}
    again: Callable[..., Awaitable[T]] = change  # also takes `told`, which isn't a part of P

    @wraps(change)
    async def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await change(*args, **kwargs)
        except CommitUnknown as unknown:
            log.warning("repeating %s, whose commit was not confirmed: %s", change.__name__, unknown)
            try:
                return await again(*args, **{**kwargs, **told})
            except CommitUnknown:
                raise
            except StoreUnavailable as error:
                raise CommitUnknown(str(error)) from error

    return repeated
