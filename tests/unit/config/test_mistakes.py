"""Mistakes in the settings: all of them at once, in words, without a secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.config.settings import load_settings
from bot.domain.errors import StartupError
from tests.unit.cases import read_cases
from tests.unit.config.environment import REQUIRED, mistakes, read_env, write_env

FOLDER = Path(__file__).parent


@pytest.mark.parametrize(
    ("text", "sentences"),
    [*read_cases(FOLDER / "mistakes.txt"), *read_cases(FOLDER / "mistakes_in_addresses.txt")],
)
def test_mistakes_are_told_at_once_without_secrets(text: str, sentences: tuple[str, ...]) -> None:
    assert mistakes(**read_env(text)) == sentences
    assert "hunt" not in "".join(sentences)


@pytest.mark.parametrize("name", ["WEB_PORT", "LOG_LEVEL", "ROLES", "ALLOWED_GUILD_IDS", "WEB_HOST"])
def test_no_sentence_quotes_a_value(name: str) -> None:
    (sentence,) = mistakes(**{name: "?\0" * 25})
    assert "?" not in sentence


def test_the_driver_of_postgresql_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.config.fields.find_spec", lambda name: None)
    (sentence,) = mistakes(DATABASE_URL="postgresql://bot:hunter2@db/bot")
    assert sentence == "DATABASE_URL: needs the PostgreSQL driver. Install the bot with its extra [postgres]."


def start_error() -> StartupError:
    with pytest.raises(StartupError) as caught:
        load_settings(os.environ)
    return caught.value


def test_a_missing_file_is_told_beside_missing_settings() -> None:
    there = "There is no .env in the current folder. Create it with `comfydeploy-bot setup` or"
    assert there in str(start_error())
    assert there not in "".join(mistakes(DISCORD_TOKEN=""))


@pytest.mark.parametrize("target", ["nowhere", ".env"])
def test_settings_that_are_a_link_to_nothing(target: str) -> None:
    Path(".env").symlink_to(target)
    told = ".env can't be read (it is a link to a file that doesn't exist)."
    assert start_error().mistakes[0].startswith(told)


def test_a_folder_or_bytes_in_the_place_of_the_settings() -> None:
    Path(".env").mkdir()
    assert ".env can't be read (Is a directory)." in str(start_error())
    Path(".env").rmdir()
    Path(".env").write_bytes(b"DISCORD_TOKEN=\xff\xfe\x00")
    (sentence,) = start_error().mistakes
    assert sentence.startswith(".env can't be read (it isn't UTF-8 text). It must be a text file")


def test_a_line_without_a_value_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    write_env(**REQUIRED)
    with Path(".env").open("a") as file:
        file.write("\n\na slip\n")
    assert start_error().mistakes == (".env, line 6, is not NAME=value.",)
    assert not caplog.messages


@pytest.mark.parametrize("token", ["tökén", '"quoted"', "'quoted'", "<token>", "two words", "a\x01b"])
def test_impossible_characters_are_told_without_the_secret(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_env(**{**REQUIRED, "DISCORD_TOKEN": "", "COMFYDEPLOY_API_KEY": ""})
    for name in ("DISCORD_TOKEN", "COMFYDEPLOY_API_KEY"):
        monkeypatch.setenv(name, token)
    told = start_error().mistakes
    assert ["must be one word of ASCII characters" in sentence for sentence in told] == [True, True]
    assert token not in "".join(told)
