from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
from dotenv import dotenv_values

from bot.errors import StartupError
from bot.settings import NAMES, Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
DEPLOYMENT = "3f2b9c1e-0d54-4a0e-9f0b-6d1f0c7f5a11"
TOKEN = "made-up-discord-token"
API_KEY = "made-up-comfydeploy-key"
REQUIRED = {
    "DISCORD_TOKEN": TOKEN,
    "COMFYDEPLOY_API_KEY": API_KEY,
    "COMFYDEPLOY_DEPLOYMENT_ID": DEPLOYMENT,
}


@pytest.fixture(autouse=True)
def clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper() in NAMES or name.startswith(("DISCORD_", "COMFYDEPLOY_")):
            monkeypatch.delenv(name)


def write_env(**values: str) -> None:
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")


def load(**values: str) -> Settings:
    write_env(**{**REQUIRED, **values})
    return load_settings()


def mistakes(**values: str) -> tuple[str, ...]:
    with pytest.raises(StartupError) as caught:
        load(**values)
    assert caught.value.__cause__ is None
    return caught.value.mistakes


def test_the_required_variables_are_enough() -> None:
    settings = load()
    assert settings.discord_token.get_secret_value() == TOKEN
    assert settings.comfydeploy_api_url == "https://api.comfydeploy.com/api"
    assert settings.database_url.get_secret_value() == "sqlite+aiosqlite:///data/bot.db"
    assert (settings.web_host, settings.web_port) == ("0.0.0.0", 8080)  # noqa: S104  # the documented default
    assert (settings.poll_interval_seconds, settings.run_deadline_seconds) == (15, 3600)
    assert settings.submit_grace_seconds == 180
    assert settings.allowed_guild_ids is None
    assert settings.command_guild_ids == ()
    assert settings.max_concurrent_runs is None
    assert (settings.log_level, settings.log_format) == ("INFO", "text")


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_PORT", "9000")
    assert load(WEB_PORT="7000").web_port == 9000


def test_every_mistake_is_told_at_once() -> None:
    found = mistakes(
        DISCORD_TOKEN="",
        COMFYDEPLOY_API_KEY="",
        COMFYDEPLOY_DEPLOYMENT_ID="",
        WEB_PORT="abc",
        LOG_FORMAT="xml",
        ALLOW_DIRECT_MESSAGES="maybe",
        COMMAND_GUILD_IDS="12, my server",
        PUBLIC_URL="https://example.com/?a=1",
    )
    assert set(found) == {
        "DISCORD_TOKEN is missing. Create a bot at https://discord.com/developers/applications "
        "and copy its token.",
        "COMFYDEPLOY_API_KEY is missing. Create an API key in ComfyDeploy's dashboard and copy it.",
        "WEB_PORT must be a whole number from 0 to 65535, not 'abc'.",
        "LOG_FORMAT must be one of text, json, not 'xml'.",
        "ALLOW_DIRECT_MESSAGES must be true or false, not 'maybe'.",
        "COMMAND_GUILD_IDS must be server ids, separated by commas; 'my server' is none.",
        "PUBLIC_URL must be an address without user name, query (?) or fragment (#).",
        "No deployment is named. Set COMFYDEPLOY_DEPLOYMENT_ID to the id of one deployment, "
        "or describe several in deployments.toml.",
    }


PORT = "a whole number from 0 to 65535, not"
COUNT = "a whole number of at least 1, not"
SECONDS = "a whole number from 1 to 31622400, not"
ADDRESS = "an address that begins with https:// or http://"


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("WEB_PORT", "65536", f"{PORT} '65536'"),
        ("WEB_PORT", "-1", f"{PORT} '-1'"),
        ("POLL_INTERVAL_SECONDS", "0", f"{SECONDS} '0'"),
        ("DAILY_GPU_SECONDS", "1.5", f"{COUNT} '1.5'"),
        ("MAX_CONCURRENT_RUNS", "0", f"{COUNT} '0'"),
        ("RUN_DEADLINE_SECONDS", "1e3", f"{SECONDS} '1e3'"),
        ("POLL_INTERVAL_SECONDS", "90000000000000", f"{SECONDS} '90000000000000'"),
        ("SUBMIT_GRACE_SECONDS", "x", f"{SECONDS} 'x'"),
        ("PUBLIC_URL", "bot.example.com", ADDRESS),
        ("PUBLIC_URL", "https://", ADDRESS),
        ("PUBLIC_URL", "https://h:x/", ADDRESS),
        ("COMFYDEPLOY_API_URL", "ftp://h", ADDRESS),
        ("ALLOWED_GUILD_IDS", "1;2", "server ids, separated by commas; '1;2' is none"),
        ("ALLOWED_GUILD_IDS", ",", "server ids, separated by commas, or empty; ',' has none"),
        ("COMMAND_GUILD_IDS", "' , '", "server ids, separated by commas, or empty; ' , ' has none"),
        ("LOG_LEVEL", "loud", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'loud'"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_must_be(name: str, value: str, rule: str) -> None:
    assert mistakes(**{name: value}) == (f"{name} must be {rule}.",)


@pytest.mark.parametrize("ports", [{"METRICS_PORT": "9000", "WEB_PORT": " 9000"}, {"METRICS_PORT": "8080"}])
def test_the_metrics_cant_have_the_web_servers_port(ports: dict[str, str]) -> None:
    port = ports["METRICS_PORT"]
    other, told = mistakes(LOG_LEVEL="loud", **ports)
    assert other.startswith("LOG_LEVEL ")
    assert told == (
        f"METRICS_PORT and WEB_PORT are both {port}. Set METRICS_PORT to another, or leave it empty: "
        "then /metrics is on WEB_PORT."
    )


def test_ports_that_the_system_chooses_are_no_clash() -> None:
    assert load(METRICS_PORT="0", WEB_PORT="0").metrics_port == 0
    assert load(METRICS_PORT="9000", WEB_PORT="0").metrics_port == 9000
    assert len(mistakes(METRICS_PORT="x", WEB_PORT="x")) == 2


def test_a_deployment_id_must_be_a_uuid() -> None:
    (sentence,) = mistakes(COMFYDEPLOY_DEPLOYMENT_ID="flux")
    assert sentence.startswith("COMFYDEPLOY_DEPLOYMENT_ID must be a UUID like ")
    assert sentence.endswith(", not 'flux'.")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DISCORD_TOKEN", "Bot hunter2hunter2"),
        ("COMFYDEPLOY_API_KEY", "Bearer hunter2hunter2"),
        ("WEBHOOK_SECRET", "hunter2hunter2"),
        ("DATABASE_URL", "mysql://root:hunter2hunter2@db/bot"),
        ("DATABASE_URL", "hunter2hunter2"),
        ("PUBLIC_URL", "https://root:hunter2hunter2@example.com"),
    ],
)
def test_a_wrong_secret_is_not_repeated(name: str, value: str) -> None:
    (sentence,) = mistakes(**{name: f'"{value}"'})
    assert sentence.startswith(f"{name} must ")
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("sqlite+aiosqlite://", "must name a file: sqlite+aiosqlite:///data/bot.db"),
        ("sqlite+aiosqlite://data/bot.db", "must name a file: sqlite+aiosqlite:///data/bot.db"),
        ("sqlite+aiosqlite:///:memory:", "must name a file: sqlite+aiosqlite:///data/bot.db"),
        ("sqlite+aiosqlite:///data/bot.db?timeout=x", "takes nothing after a question mark"),
        ("postgresql+asyncpg://bot:hunter2@db/bot?sslmode=require", "such as ?ssl=require"),
        ("postgresql+asyncpg://bot:hunter2@db/bot?application_name=x", "must have no application_name="),
        ("postgresql+asyncpg://bot:hunter2@/bot?host=a,b", "must name one server"),
    ],
)
def test_a_database_that_the_driver_would_stumble_over(url: str, remedy: str) -> None:
    (sentence,) = mistakes(DATABASE_URL=url)
    assert sentence.startswith("DATABASE_URL must ")
    assert remedy in sentence
    assert "hunter2" not in sentence


def test_lines_that_are_no_settings_are_told_with_all_other_mistakes() -> None:
    Path(".env").write_text("# ours\nDISCORD_TOKEN hunter2\nWEB_PORT=x\nSHARD_IDS=0\n", encoding="utf-8")
    with pytest.raises(StartupError) as caught:
        load_settings()
    beginnings = ["WEB_PORT must", ".env, line 2, is not NAME=value.", "DISCORD_TOKEN is missing"]
    beginnings += ["COMFYDEPLOY_API_KEY is missing", "No deployment is named", "SHARD_IDS is set without"]
    told = caught.value.mistakes
    assert [b for b, sentence in zip(beginnings, told, strict=True) if not sentence.startswith(b)] == []


def test_a_folder_in_the_place_of_the_settings() -> None:
    Path(".env").mkdir()
    with pytest.raises(StartupError, match="is a folder"):
        load_settings()


def test_two_sources_of_deployments_are_refused() -> None:
    Path("mine.toml").touch()
    (sentence,) = mistakes(DEPLOYMENTS_FILE="mine.toml")
    assert "COMFYDEPLOY_DEPLOYMENT_ID and DEPLOYMENTS_FILE are both set" in sentence


def test_a_named_deployments_file_must_be_there() -> None:
    found = mistakes(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="mine.toml")
    assert found == ("DEPLOYMENTS_FILE names 'mine.toml', which is not there.",)


def test_deployments_toml_is_used_when_nothing_else_is_named() -> None:
    Path("deployments.toml").write_text(
        f'[deployments.a]\ndeployment_id = "{DEPLOYMENT}"\n', encoding="utf-8"
    )
    assert load(COMFYDEPLOY_DEPLOYMENT_ID="").deployments_file == Path("deployments.toml")


def test_a_deployments_toml_that_is_not_read_is_told() -> None:
    Path("deployments.toml").touch()
    settings = load()
    assert settings.deployments_file is None
    assert any("deployments.toml is not read" in warning for warning in settings.warnings())


def test_values_are_read_liberally() -> None:
    settings = load(
        COMMAND_GUILD_IDS=" 5, 7 ,5,",
        ALLOWED_GUILD_IDS="9",
        ALLOW_PRIVATE_MEDIA_HOSTS="Yes",
        LOG_LEVEL="debug",
        LOG_FORMAT="JSON",
        PUBLIC_URL="https://bot.example.com/comfy/",
        DATABASE_URL="postgresql+asyncpg://bot:pa%40ss@db/bot",
        COMFYDEPLOY_DEPLOYMENT_ID=DEPLOYMENT.upper(),
    )
    assert settings.command_guild_ids == (5, 7)
    assert settings.allowed_guild_ids == (9,)
    assert settings.allow_private_media_hosts is True
    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")
    assert settings.public_url == "https://bot.example.com/comfy"
    assert settings.comfydeploy_deployment_id == DEPLOYMENT
    assert "pa@ss" in settings.secret_values()


def test_neither_repr_nor_dump_shows_a_secret() -> None:
    settings = load(WEBHOOK_SECRET="0123456789abcdef", DATABASE_URL="postgresql+asyncpg://bot:hunter2@db/bot")
    for secret in (TOKEN, API_KEY, "0123456789abcdef", "hunter2"):
        assert secret in settings.secret_values()
        assert secret not in f"{settings!r} {settings} {settings.model_dump()}"


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({}, "PUBLIC_URL is not set: the bot asks ComfyDeploy for results every 15 seconds"),
        ({"PUBLIC_URL": "http://bot.example.com"}, "PUBLIC_URL is http:"),
        ({"PUBLIC_URL": "https://localhost:8080"}, "PUBLIC_URL is an address of this machine only"),
        ({"COMFYDEPLOY_API_URL": "http://comfy.example.com/api"}, "COMFYDEPLOY_API_URL is http:"),
        ({"ALLOW_USER_INSTALLS": "true"}, "ALLOW_USER_INSTALLS lets anybody"),
        (
            {"COMMAND_GUILD_IDS": "1", "ALLOW_USER_INSTALLS": "true"},
            "COMMAND_GUILD_IDS keeps the commands to those servers",
        ),
        ({"PUBLIC_ULR": "https://h"}, "PUBLIC_ULR is not a setting of this bot. Did you mean PUBLIC_URL?"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(values: dict[str, str], start: str) -> None:
    assert any(warning.startswith(start) for warning in load(**values).warnings())


def test_a_sound_setup_warns_of_nothing() -> None:
    assert load(PUBLIC_URL="https://bot.example.com", UNRELATED="x").warnings() == ()
    local = load(PUBLIC_URL="http://127.0.0.1:8080", COMFYDEPLOY_API_URL="http://127.0.0.1:9000/api")
    assert local.warnings() == ()


def test_a_typing_slip_in_a_name_is_pointed_out_beside_the_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFYDEPLOY_API_KY", "x")
    found = mistakes(DISCORD_TOKEN="", DISCORD_TOKN="x", COMFYDEPLOY_API_KEY="")
    assert "DISCORD_TOKN is not a setting of this bot. Did you mean DISCORD_TOKEN?" in found
    assert "COMFYDEPLOY_API_KY is not a setting of this bot. Did you mean COMFYDEPLOY_API_KEY?" in found


def test_an_env_file_that_is_no_text_is_told_in_words() -> None:
    Path(".env").write_bytes(b"DISCORD_TOKEN=\xff\xfe\x00")
    with pytest.raises(StartupError, match=r"\.env can't be read: .* Save it as UTF-8 text\."):
        load_settings()


def test_a_missing_env_file_leaves_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    assert load_settings().comfydeploy_deployment_id == DEPLOYMENT


def test_the_example_names_every_setting_and_no_other() -> None:
    assert sorted(dotenv_values(EXAMPLE)) == sorted(NAMES)


def test_the_values_of_the_example_are_the_defaults() -> None:
    example = {name: value for name, value in dotenv_values(EXAMPLE).items() if value}
    write_env(**{**example, **REQUIRED})
    from_example = load_settings()
    assert from_example == load()


def test_every_setting_of_the_example_is_explained() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if "=" in line and not line.startswith("#") and not line.startswith("WEB_PORT"):
            assert before.startswith("# "), line


@pytest.mark.parametrize(
    "token", ["tökén", '"quoted"', "'quoted'", "<token>", "two words", "Bot abc", "a\x01b"]
)
@pytest.mark.parametrize("name", ["DISCORD_TOKEN", "COMFYDEPLOY_API_KEY"])
def test_impossible_characters_are_told_without_the_secret(
    name: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_env(**{**REQUIRED, name: ""})
    monkeypatch.setenv(name, token)
    with pytest.raises(StartupError) as caught:
        load_settings()
    (sentence,) = caught.value.mistakes
    assert sentence.startswith(f"{name} must be one word of plain letters")
    assert token not in sentence


def test_a_folder_is_no_file_of_deployments() -> None:
    Path("mine").mkdir()
    found = mistakes(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="mine")
    assert found == ("DEPLOYMENTS_FILE names 'mine', which is a folder. Name the file in it.",)
    Path("deployments.toml").mkdir()
    assert mistakes(COMFYDEPLOY_DEPLOYMENT_ID="") == ("deployments.toml is a folder. Name the file in it.",)


def test_the_mistakes_of_both_files_are_told_at_once() -> None:
    Path("deployments.toml").write_text(
        f'[deployments.a]\ndeployment_id = "{DEPLOYMENT}"\nguid = 1\n[deployments.b]\ntitle = 3\n',
        encoding="utf-8",
    )
    found = mistakes(COMFYDEPLOY_DEPLOYMENT_ID="", DISCORD_TOKEN="", WEB_PORT="many", ROLES="gatway")
    for words in ("DISCORD_TOKEN", "WEB_PORT", "ROLES", "'guid'", "'title'", "'deployment_id' is missing"):
        assert [sentence for sentence in found if words in sentence], (words, found)
