"""An environment, read as the bot reads it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.config.settings import Settings, load_settings
from bot.domain.errors import StartupError

DEPLOYMENT = "3f2b9c1e-0d54-4a0e-9f0b-6d1f0c7f5a11"
TOKEN = "made-up-discord-token"
API_KEY = "made-up-comfydeploy-key"
REQUIRED = {"DISCORD_TOKEN": TOKEN, "COMFYDEPLOY_API_KEY": API_KEY, "COMFYDEPLOY_DEPLOYMENT_ID": DEPLOYMENT}


def write_env(**values: str) -> None:
    file = Path(".env")
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")


def read_env(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def load(**values: str) -> Settings:
    write_env(**{**REQUIRED, **values})
    return load_settings(os.environ)


def mistakes(**values: str) -> tuple[str, ...]:
    with pytest.raises(StartupError) as caught:
        load(**values)
    assert caught.value.__cause__ is None
    return caught.value.mistakes
