"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes is the machine's doing; a busy one would fail tests that are right.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
