"""The record of what `/privacy delete` did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.domain.runs import Run


@dataclass(frozen=True, slots=True)
class Erased:
    """The result of an erasure: the numbers of batches whose data was erased, and of deleted presets.

    `left` has the first run of each batch that kept its data, because it is active or has a pending message.
    """

    emptied: int
    left: Sequence[Run] = field(default=())
    presets: int = 0
