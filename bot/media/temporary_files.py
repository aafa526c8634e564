"""The temporary folder for outputs, and the handling of disk errors."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from bot.domain.errors import MediaUnavailable, StartupError

log = logging.getLogger(__name__)


def require_temporary_folder() -> None:
    """Raise StartupError if no temporary folder is writable, as on a read-only system without /tmp."""
    try:
        with tempfile.TemporaryFile():
            pass
    except OSError as error:
        raise StartupError(
            f"No folder for temporary files can be written ({error.strerror}), and results pass through one. "
            "Let the bot write to /tmp (in a container: --tmpfs /tmp), or name another in TMPDIR."
        ) from error


def temporary_folder() -> AbstractContextManager[str]:
    """Create a folder that exists inside the `with` block.

    If that fails, yield an unusable path, so that outcomes without files can still be sent.
    """
    try:
        return tempfile.TemporaryDirectory(prefix="outputs-", ignore_cleanup_errors=True)
    except OSError as error:
        # An expected error needs no traceback.
        log.error("can't create a temporary folder for outputs: %s", error)  # noqa: TRY400
        return nullcontext(os.devnull)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Map disk errors to a retryable `MediaUnavailable`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MediaUnavailable(f"can't write it to a temporary file: {reason}") from error
