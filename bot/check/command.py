"""`python -m bot check`."""

from __future__ import annotations

from collections import Counter
from typing import TextIO

from bot.app import utc_now
from bot.check.finding import Level, counted, printed
from bot.check.run import findings
from bot.config.logs import Redactor
from bot.config.settings import Settings


async def check(settings: Settings, out: TextIO) -> int:
    """Prints each finding as soon as it is known. 1 when something is wrong; warnings are none."""
    redact = Redactor(settings.secret_values())
    counts: Counter[Level] = Counter()
    async for finding in findings(settings, utc_now):
        counts[finding.level] += 1
        out.write(redact(printed(finding)) + "\n")
        out.flush()
    out.write(f"{counted(counts)}\n")
    return 1 if counts[Level.ERROR] else 0
