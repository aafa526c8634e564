"""`python -m bot check`: it finds a sound setup sound, and each planted fault."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bot import __version__
from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.faults import Faults
from tests.chaos.database import opened
from tests.e2e.bot_process import BotProcess, CommandResult, described
from tests.fakediscord.faults import Fault
from tests.ports import free_port
from tests.questions import insert_foreign_table, set_schema_version, webhook_secret
from tests.serving import serving

NOWHERE = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e9999"
OWN_FILE = {"COMFYDEPLOY_DEPLOYMENT_ID": "", "DEPLOYMENTS_FILE": "own.toml"}
TO = "https://bot.example.com/webhooks/comfydeploy/x"
NOTHING = dict.fromkeys(("DISCORD_TOKEN", "COMFYDEPLOY_API_KEY", "COMFYDEPLOY_DEPLOYMENT_ID"), "")


def findings(said: CommandResult) -> list[str]:
    return said.out.replace("\n         ", " | ").splitlines()


def found(said: CommandResult, level: str, *words: str) -> None:
    """Assert that a finding of that level contains all the words, and a remedy unless it is OK."""
    matching = [line for line in findings(said) if line.startswith(level) and all(w in line for w in words)]
    assert matching, said.out + said.err
    assert level == "ok" or " | Remedy: " in matching[0], said.out


async def finds(home: BotProcess, level: str, *words: str, **settings: str) -> CommandResult:
    """Run the check; assert that its exit code fits the level and that it has such a finding."""
    said = await home.command("check", **settings)
    assert said.code == (1 if level == "error" else 0), said.out + said.err
    found(said, level, *words)
    return said


def errors(said: CommandResult) -> list[str]:
    """Return the subjects of the errors."""
    return [line.split()[1].strip(":") for line in findings(said) if line.startswith("error")]


def write_file(home: BotProcess, text: str) -> None:
    """Write the deployments that the settings `OWN_FILE` use."""
    (home.folder / "own.toml").write_text(text, encoding="utf-8")


@asynccontextmanager
async def elsewhere(status: int, **headers: str) -> AsyncIterator[str]:
    """Yield the address of a server that is not the bot."""

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers, text="<h1>A dashboard</h1>")

    async with serving(handle) as address:
        yield address


async def test_before_the_first_start_everything_is_well(home: BotProcess) -> None:
    home.database_file.unlink()
    said = await finds(home, "ok", "Database", "the first start makes")
    assert said.err == ""
    for words in (
        ("ComfyDeploy key",),
        ("Deployment", PICTURE_ID, "options: prompt [", "[gpu]"),
        ("Discord token", home.discord.bot.name),
        ("Clock",),
        ("Servers", "on 1,"),
        ("PUBLIC_URL", "this check answered"),
        ("Invite link", f"client_id={home.discord.bot.id}"),
    ):
        found(said, "ok", *words)
    assert "Install link" not in said.out
    assert not home.database_file.exists()
    assert not home.discord.commands.scopes
    assert not home.comfydeploy.call_log.queue_calls


async def test_beside_the_running_bot_the_bot_answers(home: BotProcess) -> None:
    await home.start(ALLOW_USER_INSTALLS="true")
    said = await finds(home, "ok", "Database", "up to date")
    found(said, "ok", "PUBLIC_URL", "the running bot answered")
    found(said, "ok", "Install link", f"client_id={home.discord.bot.id}", "integration_type=1")
    secret = await webhook_secret(home.database)
    assert secret is not None
    for hidden in (home.discord.token, home.comfydeploy.api_key, secret):
        assert hidden not in said.out + said.err
    await finds(home, "error", "PUBLIC_URL", "another webhook secret", WEBHOOK_SECRET="another-secret-01234")


async def test_imperfections_are_warnings(home: BotProcess) -> None:
    home.discord.date_ahead = -20
    poor = home.discord.add_guild("Poor")
    poor.bot_permissions &= ~0x8000  # Attach Files
    ids = {"ALLOWED_GUILD_IDS": "4712", "COMMAND_GUILD_IDS": "4711"}
    said = await finds(home, "warning", "Clock", "ahead of", **ids)
    found(said, "warning", "Servers", "on 1 of 2", "Poor", str(poor.id), "Attach Files")
    assert "Studio (" not in said.out
    for name, each in ids.items():
        found(said, "warning", name, each, "is not on")
        found(said, "warning", "Settings", f"{each} doesn't look like a server's id")
    found(await home.command("check", PUBLIC_URL="http://nas"), "warning", "Settings", "can't reach nas")


async def test_a_database_that_the_bot_can_not_use(home: BotProcess) -> None:
    await set_schema_version(home.database, "v9_0001")
    await finds(home, "error", "Database", "v9_0001", "Start the version that made it")
    home.database_file.write_text("a shopping list, and long enough to be taken for more than a header\n" * 3)
    await finds(home, "error", "Database", "it is damaged. | Remedy: Name another file in DATABASE_URL")
    home.database_file.unlink()
    await finds(home, "error", "Database: /proc can't be written", DATABASE_URL="sqlite:////proc/x/y.db")
    url = f"postgresql://bot@127.0.0.1:{free_port()}/bot"
    await finds(
        home, "error", "Database: PostgreSQL can't be reached (Connection refused).", DATABASE_URL=url
    )
    await insert_foreign_table(home.database)
    await finds(home, "error", "Database", "tables of another program")


async def test_discord_away_and_a_wrong_clock(home: BotProcess) -> None:
    home.discord.date_ahead = 3600
    await finds(home, "error", "Clock", "behind")
    home.discord.faults.add("GET /users/@me", Fault.drop_before(), times=None)
    await finds(home, "error", "Discord token", "No connection to discord.com")


async def test_a_token_and_a_key_that_are_refused(home: BotProcess) -> None:
    token, key = "MTIz.no.such-token-at-all", "no-such-key-at-all"
    said = await finds(
        home, "error", "Discord token", "Reset Token", DISCORD_TOKEN=token, COMFYDEPLOY_API_KEY=key
    )
    found(said, "error", "ComfyDeploy key", "COMFYDEPLOY_API_KEY")
    found(said, "error", "Deployment", PICTURE_ID, "See the finding about the key")
    found(said, "error", "Options", "Follow the remedies above, or correct deployments.toml.")
    assert said.out.index(" Deployment: ") < said.out.index(" Options: ")
    assert [secret for secret in ("MTIz.no", "no-such-key") if secret in said.out + said.err] == []
    said = await home.command("check", DISCORD_TOKEN="0123456789abcdef")
    found(said, "warning", "Settings", "DISCORD_TOKEN doesn't look like a bot token: it should have")
    assert "0123456789abcdef" not in said.out


async def test_deployments_that_comfydeploy_does_not_describe(home: BotProcess) -> None:
    home.comfydeploy.faults = Faults(deployment_status=500)
    await finds(home, "error", "Deployment", PICTURE_ID, "Try again in a minute", "with this id")
    prompt = '[deployments.mine.inputs.prompt]\nkind = "text"\n'
    write_file(home, described(mine=PICTURE_ID) + prompt)
    await finds(home, "warning", "Deployment", "deployments.toml alone", "prompt", **OWN_FILE)
    home.comfydeploy.faults = Faults()
    write_file(home, described(fox=NOWHERE, owl=PICTURE_ID))
    words = ("Deployment: fox", NOWHERE, "has no deployment with this id", "Copy the id")
    said = await finds(home, "error", *words, **OWN_FILE)
    found(said, "ok", "ComfyDeploy key")
    found(said, "ok", "Deployment: owl")


async def test_comfydeploy_away(home: BotProcess) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    words = ("ComfyDeploy key", "can't be reached (Connection refused).", "COMFYDEPLOY_API_URL")
    said = await finds(home, "error", *words, COMFYDEPLOY_API_URL=url)
    found(said, "error", "Deployment", "ComfyDeploy doesn't describe it (Connection refused).")
    found(said, "error", "Deployment", PICTURE_ID, "Check again when ComfyDeploy answers")
    await home.discord.stop()
    network = ("Network: neither Discord nor", "; 127.0.0.1: Connection refused).")
    said = await finds(home, "error", *network, COMFYDEPLOY_API_URL=url)
    assert errors(said) == ["Network"]


async def test_addresses_that_lead_to_another_server(home: BotProcess) -> None:
    words = ("ComfyDeploy key", "COMFYDEPLOY_API_URL doesn't lead to", "usually ends in /api")
    for status in (200, 404):
        async with elsewhere(status) as url:
            said = await finds(home, "error", *words, COMFYDEPLOY_API_URL=url)
        found(said, "error", "Deployment", PICTURE_ID)
    async with elsewhere(302, Location=TO) as url:
        await finds(home, "error", "PUBLIC_URL", f"redirects (302) to {TO}", PUBLIC_URL=url)
    async with elsewhere(502) as url:
        await finds(home, "error", "PUBLIC_URL", "answers 502, but not from here", PUBLIC_URL=url)
    async with elsewhere(200) as url:
        port = url.rpartition(":")[2]
        told = ("answers 200, but it isn't the bot", f"Port {port} on", "set WEB_PORT to another")
        await finds(home, "error", "PUBLIC_URL", *told, PUBLIC_URL=url, WEB_PORT=port)


async def test_a_process_that_only_takes_webhooks_needs_neither_key(home: BotProcess) -> None:
    async with opened("postgres", home.folder) as database:
        settings = {"ROLES": "web", "DATABASE_URL": database.url, **NOTHING}
        said = await finds(home, "ok", "PUBLIC_URL", "this check answered", **settings)
    assert "Discord token" not in said.out


async def test_mistakes_do_not_hide_the_rest(home: BotProcess) -> None:
    said = await home.command("check", DISCORD_TOKEN="", WEB_PORT="many", LOG_LEVEL="loud")
    assert (said.code, said.err) == (2, "")
    for words in (("WEB_PORT", "whole number"), ("LOG_LEVEL", "one of")):
        found(said, "error", "Settings", *words)
    found(said, "ok", "Deployment", PICTURE_ID)
    urls = {"PUBLIC_URL": "bot.example.com", "DATABASE_URL": "mysql://x/y", "COMFYDEPLOY_API_URL": "x"}
    said = await home.command("check", **urls)
    for name in urls:
        assert [line for line in findings(said) if name in line and not line.startswith("error")] == []
    assert not [line for line in findings(said) if " Database: " in line or " ComfyDeploy key: " in line]
    said = await home.command("check", DISCORD_TOKEN="")
    assert said.code == 2
    found(said, "error", "Settings", "DISCORD_TOKEN is missing")
    assert errors(await home.command("check", COMFYDEPLOY_DEPLOYMENT_ID="mine")) == ["Settings"]
    write_file(home, "[deployments.mine]\ndeployment = 1\n")
    said = await finds(home, "error", "Deployment", "deployment", "deployments.toml", **OWN_FILE)
    found(said, "ok", "Discord token")


async def test_the_findings_as_json(home: BotProcess) -> None:
    said = await home.command("check", "--json", COMMAND_GUILD_IDS="4711")
    assert said.code == 0
    told = json.loads(said.out)
    assert told["version"] == __version__
    assert ("ok", "ComfyDeploy key") in {(each["level"], each["subject"]) for each in told["findings"]}
    assert any(each["level"] == "warning" and each["remedy"] for each in told["findings"])
    assert home.discord.token not in said.out
