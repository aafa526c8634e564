"""Where the values come from: names that are close to a setting, empty values, and files of secrets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.config.settings import DATABASE_NAMES, NAMES, SECRETS, load_settings
from bot.domain.errors import StartupError
from tests.unit.config.environment import API_KEY, DEPLOYMENT, REQUIRED, TOKEN, load, mistakes, write_env

# Set by shells, systemd, CI and platforms, and by Kubernetes for services called web, metrics and database.
ELSEWHERE = Path(__file__).with_name("names_elsewhere.txt").read_text(encoding="utf-8").split()
SLIPS = {
    "DAILY_GPU_SECOND": "DAILY_GPU_SECONDS",
    "DISCORD_BOT_TOKEN": "DISCORD_TOKEN",
    "DISCORD_TOKEN_FIEL": "DISCORD_TOKEN_FILE",
    "COMFYDEPLOY_API_TOKEN": "COMFYDEPLOY_API_KEY",
    "ROLE": "ROLES",
    "webport": "WEB_PORT",
    "LOGLEVEL": "LOG_LEVEL",
    "SHARD_ID": "SHARD_IDS",
    "PUBLIC_URL_FILE": "PUBLIC_URL",
    "DATABASE_ULR": "DATABASE_URL",
}


def test_only_names_like_a_setting_are_told() -> None:
    environment = REQUIRED | dict.fromkeys([*ELSEWHERE, *SLIPS], "x") | {"PUBLIC_URL": "https://h"}
    told = [f"{name.upper()} is not a setting of this bot. Did you mean {SLIPS[name]}?" for name in SLIPS]
    assert [*load_settings(environment).warnings()] == told
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


def test_no_file_for_deployment_sets_what_the_bot_calls_unknown() -> None:
    root = Path(__file__).parents[3]
    texts = [
        file.read_text(encoding="utf-8")
        for file in (*root.glob("compose*.yaml"), root / "deploy/picture_check.py")
    ]
    names = {name for text in texts for name in re.findall(r'(?:\$\{|environment\.get\(")(\w+)', text)}
    assert {"BOT_IMAGE", "PICTURE_CHECK_MAX_PIXELS"} <= names
    assert load(**dict.fromkeys(names - {*NAMES} - {f"{name}_FILE" for name in SECRETS}, "x")).hints == ()


def test_an_empty_value_in_the_environment_is_unset() -> None:
    write_env(**REQUIRED, WEB_PORT="9000", LOG_LEVEL="")
    settings = load_settings(dict.fromkeys(NAMES, " ") | {"LOG_LEVEL": "DEBUG"})
    assert (settings.web_port, settings.log_level) == (9000, "DEBUG")


VALUES = {
    **dict.fromkeys(SECRETS, "made-up-secret-0123456789"),
    "DATABASE_URL": "postgresql://bot:made-up@db/bot",
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_every_secret_may_be_in_a_file(name: str, end: str) -> None:
    Path("secret").write_text(f"\ufeff{VALUES[name]}{end}", encoding="utf-8", newline="")
    write_env(**{**REQUIRED, name: ""})
    settings = load_settings({f"{name}_FILE": "secret"})
    assert getattr(settings, name.lower()).get_secret_value() == VALUES[name]
    assert settings == load(**{name: VALUES[name]})
    for file, environment in (({}, (name, f"{name}_FILE")), ({name: "x"}, (f"{name}_FILE",))):
        write_env(**{**REQUIRED, name: "", **file})
        with pytest.raises(StartupError) as caught:
            load_settings(dict.fromkeys(environment, "secret"))
        told = f"{name} and {name}_FILE are both set. Remove one of them, also from .env."
        assert caught.value.mistakes == (told,)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (
            "hunter2",
            "can't be read (No such file or directory).",
        ),
        ("folder", "can't be read (Is a directory)."),
        ("a\0b", "can't be read (embedded null byte)."),
        ("bytes", "can't be read (it isn't UTF-8 text)."),
        ("empty", "is empty. Write DISCORD_TOKEN into it, and nothing else."),
        ("blank", "is empty. Write DISCORD_TOKEN into it, and nothing else."),
        ("/dev/zero", "is too long. Write DISCORD_TOKEN into it, and nothing else."),
    ],
)
def test_a_file_without_a_secret_is_told_without_its_name(path: str, fault: str) -> None:
    Path("folder").mkdir()
    Path("bytes").write_bytes(b"\xff\xfe")
    Path("empty").touch()
    Path("blank").write_text(" \n\n")
    (sentence,) = mistakes(DISCORD_TOKEN="", DISCORD_TOKEN_FILE=path)
    assert sentence.startswith(f"DISCORD_TOKEN: the file of DISCORD_TOKEN_FILE {fault}")


def test_what_is_in_a_file_is_a_value_like_any_other() -> None:
    Path("secret").write_text("two\nlines\n")
    (sentence,) = mistakes(DISCORD_TOKEN="", DISCORD_TOKEN_FILE="secret")
    assert sentence.startswith("DISCORD_TOKEN: must be one word of ASCII characters")


def test_a_file_of_secrets_that_everybody_can_read_is_told() -> None:
    Path("mine").mkdir()
    write_env(**REQUIRED)
    Path(".env").rename("mine/settings")
    Path(".env").symlink_to("mine/settings")
    assert load_settings({}).hints == ()
    Path("mine/settings").chmod(0o644)
    (sentence,) = load_settings({}).hints
    assert sentence.startswith(".env holds secrets, and every user of this machine can read it.")
    write_env(DATABASE_URL="sqlite:///bot.db", COMFYDEPLOY_DEPLOYMENT_ID=DEPLOYMENT)
    keys = {"DISCORD_TOKEN": TOKEN, "COMFYDEPLOY_API_KEY": API_KEY}
    assert load_settings(keys).hints == ()
