"""The machine's clock against those of the services. Pure."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime

from bot.check.finding import Finding, fine, warning, wrong

SUBJECT = "Clock"
# A Date header has whole seconds, and the answer was under way for some.
_NOTICED, _HARMFUL = 5.0, 60.0
_REMEDY = "Let the system keep its time: timedatectl set-ntp true."


def compare(date: str | None, now: datetime) -> Finding | None:
    """`date` is a Date header that has just arrived; None when there is none to compare with."""
    try:
        theirs = parsedate_to_datetime(date or "")
        ahead = (now - theirs).total_seconds()
    except (TypeError, ValueError):
        return None
    if abs(ahead) < _NOTICED:
        return fine(SUBJECT, "it agrees with Discord's.")
    said = f"it is {abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} Discord's."
    if abs(ahead) < _HARMFUL:
        return warning(SUBJECT, said, _REMEDY)
    return wrong(SUBJECT, f"{said} Deadlines, budgets and interactions go by it.", _REMEDY)
