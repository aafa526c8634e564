"""Where the values come from: names that are close to a setting, empty values, and files of secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from bot.config.settings import DATABASE_NAMES, NAMES, SECRETS, load_settings, read_settings
from bot.domain.errors import StartupError
from bot.ops.check import check_settings
from tests.unit.config.environment import REQUIRED, load, mistakes, read_env, write_env

# Set by shells, systemd, CI and platforms, and by Kubernetes for services called web, metrics and database.
ELSEWHERE = Path(__file__).with_name("names_elsewhere.txt").read_text(encoding="utf-8").split()
SLIPS = read_env(Path(__file__).with_name("names_misspelled.txt").read_text(encoding="utf-8"))


def test_only_names_like_a_setting_are_told() -> None:
    environment = REQUIRED | dict.fromkeys([*ELSEWHERE, *SLIPS], "x") | {"PUBLIC_URL": "https://h"}
    told = [f"{name.upper()} is not a setting of this bot. Did you mean {SLIPS[name]}?" for name in SLIPS]
    assert [*load_settings(environment).warnings()] == told
    found = check_settings(*read_settings(environment))
    assert {each.remedy for each in found if each.summary in told} == {""}  # the sentence says it
    with pytest.raises(StartupError) as caught:
        load_settings(environment | {"DISCORD_TOKEN": ""})
    assert set(told) < set(caught.value.mistakes)
    # Commands that need only the database hear only of its settings.
    assert [*load_settings(environment, DATABASE_NAMES).hints] == [told[-1]]


def test_no_part_of_a_secret_in_a_line_of_its_own_is_told() -> None:
    write_env(**REQUIRED)
    with Path(".env").open("a") as file:
        file.write("\nK7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72=\nMTIzNDU2.GabcDe.hunter2\nK7gNU3sdoOL0w=\n")
    told = tuple(f"Line {number} of .env is not a setting of this bot." for number in (5, 6, 7))
    assert load_settings({}).hints == told


def test_what_compose_and_the_checker_read_from_the_same_file_is_known() -> None:
    root = Path(__file__).parents[3]
    texts = [file.read_text() for file in (*root.glob("compose*.yaml"), root / "deploy/picture_check.py")]
    names = set(re.findall(r'(?:\$\{|environment\.get\(")(\w+)', "".join(texts)))
    assert {"BOT_IMAGE", "PICTURE_CHECK_MAX_PIXELS"} <= names
    assert load(**{name: "x" for name in names if name not in NAMES and "_FILE" not in name}).hints == ()


def test_an_empty_value_in_the_environment_is_unset() -> None:
    write_env(**REQUIRED, WEB_PORT="9000", LOG_LEVEL="")
    settings = load_settings(dict.fromkeys(NAMES, " ") | {"LOG_LEVEL": "DEBUG"})
    assert (settings.web_port, settings.log_level) == (9000, "DEBUG")


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_be_in_a_file(name: str) -> None:
    value = "sqlite:///mine.db" if name == "DATABASE_URL" else "made-up-secret-0123456789"
    for text in (value, f"{value}\n", f"\ufeff{value}\r\n"):
        Path("secret").write_text(text, encoding="utf-8", newline="")
        assert load(**{name: "", f"{name}_FILE": "secret"}) == load(**{name: value})
    told = f"{name} and {name}_FILE are both set. Remove one of them, also from .env."
    assert mistakes(**{name: value, f"{name}_FILE": "secret"}) == (told,)
    write_env(**{**REQUIRED, name: value})
    with pytest.raises(StartupError, match=told):
        load_settings({f"{name}_FILE": "secret"})


FAULTS = {
    "hunter2": "can't be read (No such file or directory)",
    "folder": "is no regular file",
    "pipe": "is no regular file",
    "/dev/zero": "is no regular file",
    "a\0b": "can't be read (embedded null byte)",
    "bytes": "can't be read (it isn't UTF-8 text)",
    "blank": "is empty",
}


@pytest.mark.parametrize("path", FAULTS)
def test_a_file_without_a_secret_is_told_without_its_name(path: str) -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("bytes").write_bytes(b"\xff\xfe")
    Path("blank").write_text(" \n\n")
    (sentence,) = mistakes(DISCORD_TOKEN="", DISCORD_TOKEN_FILE=path)
    assert sentence.startswith(f"DISCORD_TOKEN: the file of DISCORD_TOKEN_FILE {FAULTS[path]}. ")


def test_a_file_of_secrets_that_everybody_can_read_is_told() -> None:
    write_env(**REQUIRED)
    Path(".env").rename("settings").chmod(0o644)
    Path(".env").symlink_to("settings")
    (sentence,) = load_settings({}).hints
    assert sentence.startswith(".env holds secrets, and every user of this machine can read it.")
    Path("settings").chmod(0o640)
    assert load_settings({}).hints == ()
    write_env(DATABASE_URL="sqlite:///bot.db")
    Path("settings").chmod(0o644)
    assert load_settings(REQUIRED).hints == ()
