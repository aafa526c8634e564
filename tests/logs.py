"""Capture the bot's own logging in a buffer during a test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_logging() -> Iterator[None]:
    """Replace pytest's log handlers by those of `setup_logging`, and restore them afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    loggers = [item for item in root.manager.loggerDict.values() if isinstance(item, logging.Logger)]
    levels = [(item, item.level) for item in loggers]
    filters = [(item, item.filters[:]) for item in loggers]
    root.handlers = []
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers, root.level = before
        for item, level in levels:
            item.setLevel(level)
        for item, kept in filters:
            item.filters = kept
