"""`python -m bot check`."""

from __future__ import annotations

from collections import Counter
from typing import TextIO

from bot.app import utc_now
from bot.check.finding import Level, printed
from bot.check.run import findings
from bot.logs import Redactor
from bot.settings import Settings


async def check(settings: Settings, out: TextIO) -> int:
    """Prints each finding as soon as it is known. 1 when something is wrong; warnings are none."""
    redact = Redactor(settings.secret_values())
    counts: Counter[Level] = Counter()
    async for finding in findings(settings, utc_now):
        counts[finding.level] += 1
        out.write(redact(printed(finding)) + "\n")
        out.flush()
    errors, warnings = counts[Level.ERROR], counts[Level.WARNING]
    out.write(f"{counts[Level.OK]} ok, {warnings} warnings, {errors} errors\n")
    return 1 if errors else 0
