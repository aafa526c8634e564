"""The folder for temporary files, which outputs pass through on their way to Discord."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from bot.domain.errors import MediaUnavailable, StartupError

log = logging.getLogger(__name__)


def check_room() -> None:
    """Raises StartupError where no folder can be written, as on a read-only system without a /tmp."""
    try:
        with tempfile.TemporaryFile():
            pass
    except OSError as error:
        raise StartupError(
            f"No folder for temporary files can be written ({error.strerror}), and results pass through one. "
            "Let the bot write to /tmp (in a container: --tmpfs /tmp), or name another in TMPDIR."
        ) from error


def folder() -> AbstractContextManager[str]:
    """For one delivery. Without room for any, an outcome without files can still be told."""
    try:
        return tempfile.TemporaryDirectory(prefix="outputs-", ignore_cleanup_errors=True)
    except OSError as error:
        log.error("there is no folder for outputs: %s", error)  # noqa: TRY400
        return nullcontext(os.devnull)


@contextmanager
def writing() -> Iterator[None]:
    """What can't be put down now (the disk is full) may be later. Raises MediaUnavailable."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MediaUnavailable(f"it can't be put into a temporary file: {reason}") from error
