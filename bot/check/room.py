"""Whether outputs could pass through a temporary folder on their way to Discord."""

from __future__ import annotations

import shutil
import tempfile

from bot.check.finding import Finding, fine, wrong
from bot.delivery.uploads import check_room
from bot.domain.errors import StartupError

SUBJECT = "Temporary files"


def outputs() -> Finding:
    try:
        check_room()
    except StartupError:
        remedy = "Let the bot write to /tmp (in a container: --tmpfs /tmp), or name another in TMPDIR."
        return wrong(SUBJECT, "no folder can be written, and results pass through one.", remedy)
    folder = tempfile.gettempdir()
    return fine(
        SUBJECT, f"{folder} can be written; {shutil.disk_usage(folder).free // 1024**2:,} MiB are free."
    )
