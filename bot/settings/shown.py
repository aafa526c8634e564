"""What was typed in, as a mistake repeats it."""

from __future__ import annotations

_LENGTH = 100


def shown(text: str) -> str:
    """Quoted, and not longer than it takes to recognize it."""
    return repr(text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…")
