"""Every test here has a folder of its own, and nothing of this machine's environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.config.settings import NAMES


@pytest.fixture(autouse=True)
def clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper() in NAMES or name.startswith(("DISCORD_", "COMFYDEPLOY_")):
            monkeypatch.delenv(name)
