"""What a picture checker says about a picture."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Label(StrEnum):
    """A label that a checker gives a picture with a score. docs/moderation.md explains them."""

    EXPLICIT = "explicit"
    NUDITY = "nudity"
    SUGGESTIVE = "suggestive"


# A picture has a label from this score on.
THRESHOLD: Final = 0.5
