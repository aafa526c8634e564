"""What is wrong in the settings: all of it at once, in words, without a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.config.settings import load_settings
from bot.domain.errors import StartupError
from tests.unit.config.environment import REQUIRED, load, mistakes, write_env


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
        "COMMAND_GUILD_IDS must be server ids, separated by commas; 'my server' isn't one.",
        "PUBLIC_URL must be an address without user name, query (?) or fragment (#).",
        "No deployment is named. Set COMFYDEPLOY_DEPLOYMENT_ID to the id of one deployment, "
        "or describe several in deployments.toml.",
    }


PORT = "a whole number from 0 to 65535, not"
COUNT = "a whole number from 1 to 9007199254740992, not"
SECONDS = "a whole number from 1 to 31622400, not"
ADDRESS = "an address that begins with https:// or http://"


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("WEB_PORT", "65536", f"{PORT} '65536'"),
        ("WEB_PORT", "-1", f"{PORT} '-1'"),
        ("POLL_INTERVAL_SECONDS", "0", f"{SECONDS} '0'"),
        ("DEPLOYMENTS_REFRESH_SECONDS", "14", f"{SECONDS.replace(' 1 ', ' 15 ')} '14'"),
        ("DAILY_GPU_SECONDS", "1.5", f"{COUNT} '1.5'"),
        ("MAX_CONCURRENT_RUNS", "0", f"{COUNT} '0'"),
        ("DAILY_GPU_SECONDS", "1" + "0" * 29, f"{COUNT} '1{'0' * 29}'"),
        ("RUN_DEADLINE_SECONDS", "1e3", f"{SECONDS} '1e3'"),
        ("POLL_INTERVAL_SECONDS", "90000000000000", f"{SECONDS} '90000000000000'"),
        ("SUBMIT_GRACE_SECONDS", "x", f"{SECONDS} 'x'"),
        ("PUBLIC_URL", "bot.example.com", ADDRESS),
        ("COMFYDEPLOY_API_URL", "ftp://h", ADDRESS),
        ("ALLOWED_GUILD_IDS", "1;2", "server ids, separated by commas; '1;2' isn't one"),
        ("ALLOWED_GUILD_IDS", ",", "server ids, separated by commas, or empty; ',' contains none"),
        ("ALLOWED_GUILD_IDS", "5,0", "server ids, separated by commas; '0' isn't one"),
        ("ALLOWED_GUILD_IDS", f"{2**63}", f"server ids, separated by commas; '{2**63}' isn't one"),
        ("COMMAND_GUILD_IDS", "' , '", "server ids, separated by commas, or empty; ' , ' contains none"),
        ("LOG_LEVEL", "loud", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'loud'"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_must_be(name: str, value: str, rule: str) -> None:
    assert mistakes(**{name: value}) == (f"{name} must be {rule}.",)


@pytest.mark.parametrize("name", ["WEB_PORT", "LOG_LEVEL", "ROLES", "ALLOWED_GUILD_IDS", "WEB_HOST"])
def test_what_is_repeated_is_shortened(name: str) -> None:
    (sentence,) = mistakes(**{name: "?" * 5000})
    assert f"'{'?' * 99}…'" in sentence


@pytest.mark.parametrize(
    ("name", "otherwise"),
    [("WEBHOOK_SECRET", "the bot makes one"), ("METRICS_TOKEN", "only this machine may read /metrics")],
)
def test_a_short_secret_is_told_what_leaving_it_empty_means(name: str, otherwise: str) -> None:
    told = f"{name} must have at least 16 characters. Leave it empty and {otherwise}."
    assert mistakes(**{name: "x"}) == (told,)


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


def test_lines_that_are_no_settings_are_told_with_all_other_mistakes() -> None:
    Path(".env").write_text("# ours\nDISCORD_TOKEN hunter2\nWEB_PORT=x\nSHARD_IDS=0\n", encoding="utf-8")
    with pytest.raises(StartupError) as caught:
        load_settings()
    beginnings = ["WEB_PORT must", ".env, line 2, is not NAME=value.", "DISCORD_TOKEN is missing"]
    beginnings += ["COMFYDEPLOY_API_KEY is missing", "No deployment is named", "SHARD_IDS is set without"]
    told = caught.value.mistakes
    assert [b for b, sentence in zip(beginnings, told, strict=True) if not sentence.startswith(b)] == []


def test_that_there_is_no_file_is_told_beside_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    there = "There is no .env in the current folder. Copy .env.example to it, or start the bot where it is."
    with pytest.raises(StartupError) as caught:
        load_settings()
    assert there in caught.value.mistakes
    assert there not in mistakes(DISCORD_TOKEN="")
    Path(".env").unlink()
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WEB_PORT", "x")
    with pytest.raises(StartupError) as caught:
        load_settings()
    assert there not in caught.value.mistakes


def test_a_folder_in_the_place_of_the_settings() -> None:
    Path(".env").mkdir()
    with pytest.raises(StartupError, match="is a folder"):
        load_settings()


def test_a_typing_slip_in_a_name_is_pointed_out_beside_the_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFYDEPLOY_API_KY", "x")
    found = mistakes(DISCORD_TOKEN="", DISCORD_TOKN="x", COMFYDEPLOY_API_KEY="")
    assert "DISCORD_TOKN is not a setting of this bot. Did you mean DISCORD_TOKEN?" in found
    assert "COMFYDEPLOY_API_KY is not a setting of this bot. Did you mean COMFYDEPLOY_API_KEY?" in found


def test_an_env_file_that_is_no_text_is_told_in_words() -> None:
    Path(".env").write_bytes(b"DISCORD_TOKEN=\xff\xfe\x00")
    with pytest.raises(StartupError, match=r"\.env can't be read: .* Save it as UTF-8 text\."):
        load_settings()


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
    assert sentence.startswith(f"{name} must be one word of ASCII characters")
    assert token not in sentence
