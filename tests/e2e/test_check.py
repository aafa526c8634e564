"""`python -m bot check` as a process: a sound house is found sound, and each planted fault is found."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from aiohttp import web

from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.faults import Faults
from demo.ports import free_port
from tests.chaos.database import opened
from tests.discord.deployments import described
from tests.e2e.bot_process import BotProcess, CommandResult, bot_process
from tests.fakediscord.faults import Fault
from tests.serving import serving

NOWHERE = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e9999"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[BotProcess]:
    async with bot_process(tmp_path) as built:
        yield built


def found(said: CommandResult, level: str, *words: str) -> None:
    """Assert that a finding of that level contains all the words, and a remedy unless it is OK."""
    findings = said.out.replace("\n         ", " | ").splitlines()
    matching = [line for line in findings if line.startswith(level) and all(word in line for word in words)]
    assert matching, said.out + said.err
    assert level == "ok" or " | Remedy: " in matching[0], said.out


def remedies(said: CommandResult, subject: str) -> list[str]:
    """Return the remedy of each finding about that subject."""
    findings = said.out.replace("\n         ", " | ").splitlines()
    return [line.partition("Remedy: ")[2].partition(" | ")[0] for line in findings if f" {subject}: " in line]


@asynccontextmanager
async def elsewhere(answer: web.Response) -> AsyncIterator[str]:
    """Yield the address of a server that is not the bot."""

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=answer.status, headers=answer.headers, text=answer.text or "not the bot")

    async with serving(handle) as address:
        yield address


async def test_before_the_first_start_all_is_well_but_the_commands(home: BotProcess) -> None:
    home.database.unlink()
    said = await home.command("check")
    assert said.code == 0, said.out + said.err
    assert said.err == ""
    found(said, "ok", "Database", "the first start makes")
    found(said, "ok", "ComfyDeploy key")
    found(said, "ok", "Deployment", PICTURE_ID, "prompt", "up to 6000 characters", "gpu", "the bot's own")
    found(said, "ok", "Discord token", home.discord.bot.name)
    found(said, "ok", "Clock")
    found(said, "ok", "Intents")
    found(said, "ok", "Gateway", "1000 of 1000")
    found(said, "warning", "Commands", "all servers", "missing: ", "/generate")
    found(said, "ok", "Servers", "on 1,")
    found(said, "ok", "PUBLIC_URL", "this check answered")
    found(said, "ok", "Invite link", f"client_id={home.discord.bot.id}")
    assert not home.database.exists()
    assert not home.discord.commands.scopes
    assert not home.comfydeploy.call_log.queue_calls


async def test_beside_the_running_bot_the_bot_answers(home: BotProcess) -> None:
    await home.start()
    said = await home.command("check")
    assert said.code == 0, said.out
    found(said, "ok", "Database", "up to date")
    found(said, "ok", "Commands", "as they should be")
    found(said, "ok", "PUBLIC_URL", "the running bot answered")
    assert "warning" not in said.out.splitlines()[-1].replace("0 warnings", "")
    ((secret,),) = home.rows("SELECT value FROM key_values WHERE name = 'webhook_secret'")
    for hidden in (home.discord.token, home.comfydeploy.api_key, secret):
        assert hidden not in said.out + said.err


async def test_the_link_for_ones_own_account_only_where_that_is_allowed(home: BotProcess) -> None:
    said = await home.command("check")
    assert "Install link" not in said.out
    await home.start(ALLOW_USER_INSTALLS="true", DAILY_GPU_SECONDS="600")
    said = await home.command("check")
    found(said, "ok", "Install link", f"client_id={home.discord.bot.id}", "integration_type=1")
    (link,) = [line for line in said.out.splitlines() if "Install link" in line]
    assert link.split()[-1] in home.log


async def test_a_servers_rule_for_a_gpu_that_no_deployment_can_run_on(home: BotProcess) -> None:
    rules = json.dumps({"gpu_roles": {"GTX 970": [5]}})
    with closing(sqlite3.connect(home.database)) as database, database:
        row = (home.guild.id, rules, "2026-01-01 00:00:00", 1)
        database.execute("INSERT INTO server_rules VALUES (?, ?, ?, ?)", row)
    found(await home.command("check"), "warning", "GPU rules", f"{home.guild.id}: GTX 970", "/settings")


async def test_a_token_that_discord_refuses(home: BotProcess) -> None:
    said = await home.command("check", DISCORD_TOKEN="MTIz.no.such-token-at-all")
    assert said.code == 1
    found(said, "error", "Discord token", "Reset Token")
    assert "MTIz.no" not in said.out + said.err


async def test_discord_away(home: BotProcess) -> None:
    home.discord.faults.add("GET /applications/@me", Fault.drop_before(), times=None)
    found(await home.command("check"), "error", "Discord token", "can't be asked")


async def test_a_key_that_comfydeploy_refuses(home: BotProcess) -> None:
    said = await home.command("check", COMFYDEPLOY_API_KEY="no-such-key-at-all")
    assert said.code == 1
    found(said, "error", "ComfyDeploy key", "COMFYDEPLOY_API_KEY")
    found(said, "error", "Deployment", PICTURE_ID)
    assert remedies(said, "Deployment") == ["See the finding about the key above."]
    assert remedies(said, "Options") == ["Follow the remedies of the deployments above."]
    assert said.out.index(" Deployment: ") < said.out.index(" Options: ")
    assert "no-such-key" not in said.out + said.err


async def test_a_deployment_that_is_not_there(home: BotProcess) -> None:
    said = await home.command("check", COMFYDEPLOY_DEPLOYMENT_ID=NOWHERE)
    assert said.code == 1
    found(said, "ok", "ComfyDeploy key")
    found(said, "error", "Deployment", NOWHERE, "has no deployment with this id", "COMFYDEPLOY_DEPLOYMENT_ID")
    (home.folder / "own.toml").write_text(described(fox=NOWHERE, owl=PICTURE_ID), encoding="utf-8")
    said = await home.command("check", COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="own.toml")
    assert said.code == 1
    found(said, "error", "Deployment: fox", "deployment_id in [deployments.fox] of deployments.toml")
    found(said, "ok", "Deployment: owl")


async def test_a_deployment_that_is_not_described_while_there_is_no_list(home: BotProcess) -> None:
    home.comfydeploy.faults = Faults(deployment_status=500)
    said = await home.command("check")
    assert said.code == 1
    found(said, "error", "Deployment", PICTURE_ID, "Try again in a minute", "check the id")


async def test_comfydeploy_away(home: BotProcess) -> None:
    said = await home.command("check", COMFYDEPLOY_API_URL=f"http://127.0.0.1:{free_port()}/api")
    assert said.code == 1
    found(said, "error", "ComfyDeploy key", "can't be reached", "COMFYDEPLOY_API_URL")
    found(said, "error", "Deployment", PICTURE_ID, "Check again when ComfyDeploy answers")
    (deployment,), (options,) = remedies(said, "Deployment"), remedies(said, "Options")
    assert "id" not in deployment.split()
    assert options.endswith("check again when ComfyDeploy answers.")


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=404, text="404 page not found"),
        web.json_response({"detail": "Not Found"}, status=404),  # ComfyDeploy's own server, past its /api
        web.Response(status=403, text="<h1>Forbidden</h1>"),
        web.Response(text="<h1>A dashboard</h1>"),
    ],
    ids=["404", "no such path", "403", "200"],
)
async def test_an_api_url_that_leads_to_another_server(home: BotProcess, answer: web.Response) -> None:
    async with elsewhere(answer) as url:
        said = await home.command("check", COMFYDEPLOY_API_URL=url)
    assert said.code == 1
    found(said, "error", "ComfyDeploy key", "COMFYDEPLOY_API_URL doesn't look like", "usually ends in /api")
    found(said, "error", "Deployment", PICTURE_ID)
    assert answer.status == 200 or remedies(said, "Deployment") == ["See the finding about the key above."]


async def test_options_that_discord_cant_have(home: BotProcess) -> None:
    inputs = "".join(f'[deployments.mine.inputs.i{n}]\nkind = "image"\n' for n in range(30))
    (home.folder / "own.toml").write_text(
        f'[deployments.mine]\ndeployment_id = "{PICTURE_ID}"\n{inputs}', encoding="utf-8"
    )
    said = await home.command("check", COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="own.toml")
    found(said, "error", "Options", "file inputs", "Correct deployments.toml")
    found(said, "error", "Deployment", PICTURE_ID, "is not offered.", "its options below")
    assert said.out.index(" Deployment: ") < said.out.index(" Options: ")


@pytest.mark.parametrize("host", ["nonsense.invalid", "203.0.113.9"])
@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9"])
async def test_a_web_host_that_is_none_of_this_machines(home: BotProcess, host: str, url: str) -> None:
    said = await home.command("check", WEB_HOST=host, PUBLIC_URL=url)
    assert said.code == 1
    found(said, "error", "Web server", host, "WEB_HOST is the address of one of this machine's own")
    assert "error    PUBLIC_URL" not in said.out


async def test_the_ports_that_the_bot_would_open(home: BotProcess) -> None:
    port = str(free_port())
    said = await home.command("check", METRICS_PORT=port)
    found(said, "ok", "Web server", f"WEB_PORT {home.port}", "free")
    found(said, "ok", "Web server", f"METRICS_PORT {port}", "free")
    await home.start()
    found(await home.command("check"), "ok", "Web server", f"WEB_PORT {home.port}", "in use")


@pytest.mark.parametrize("token", ["", "a-token-of-prometheus-0123456789"])
async def test_a_metrics_port_that_the_bot_has(home: BotProcess, token: str) -> None:
    port = str(free_port())
    await home.start(METRICS_PORT=port, METRICS_TOKEN=token)
    said = await home.command("check", METRICS_PORT=port, METRICS_TOKEN=token)
    found(said, "ok", "Web server", f"METRICS_PORT {port}", "in use, as while the bot runs")


async def test_a_metrics_port_that_something_else_has(home: BotProcess) -> None:
    async with elsewhere(web.Response(text="ok\n")) as url:
        port = url.rpartition(":")[2]
        said = await home.command("check", METRICS_PORT=port)
    assert said.code == 0
    found(said, "warning", "Web server", f"METRICS_PORT {port}", "set METRICS_PORT to another")


async def test_a_deployment_that_only_the_file_describes(home: BotProcess) -> None:
    prompt = '[deployments.mine.inputs.prompt]\nkind = "text"\n'
    (home.folder / "own.toml").write_text(described(mine=PICTURE_ID) + prompt, encoding="utf-8")
    more = {"COMFYDEPLOY_DEPLOYMENT_ID": "", "DEPLOYMENTS_FILE": "own.toml"}
    home.comfydeploy.faults = Faults(deployment_status=500)
    said = await home.command("check", **more)
    assert said.code == 0, said.out
    found(said, "warning", "Deployment", "deployments.toml alone", "prompt")
    home.comfydeploy.faults = Faults()
    (home.folder / "own.toml").write_text(described(mine=NOWHERE) + prompt, encoding="utf-8")
    said = await home.command("check", **more)
    assert said.code == 1
    found(
        said, "error", "Deployment", "deployments.toml alone", "every request will fail", "[deployments.mine]"
    )


@pytest.mark.parametrize(("status", "level"), [(301, "error"), (302, "error"), (308, "warning")])
async def test_a_public_url_that_redirects(home: BotProcess, status: int, level: str) -> None:
    to = "https://bot.example.com/webhooks/comfydeploy/x"
    async with elsewhere(web.Response(status=status, headers={"Location": to})) as url:
        said = await home.command("check", PUBLIC_URL=url)
    found(said, level, "PUBLIC_URL", str(status), "Set PUBLIC_URL to https://bot.example.com")
    assert said.code == (1 if level == "error" else 0)


@pytest.mark.parametrize("status", [200, 404, 502])
async def test_a_public_url_that_leads_elsewhere(home: BotProcess, status: int) -> None:
    async with elsewhere(web.Response(status=status)) as url:
        said = await home.command("check", PUBLIC_URL=url)
    assert said.code == 1
    found(said, "error", "PUBLIC_URL", f"answers {status}, but not from here", str(home.port))


async def test_a_public_url_that_leads_nowhere(home: BotProcess) -> None:
    async with elsewhere(web.Response()) as url:
        pass
    found(await home.command("check", PUBLIC_URL=url), "error", "PUBLIC_URL", "can't be reached")


async def test_a_public_url_that_leads_to_another_bot(home: BotProcess) -> None:
    await home.start()
    said = await home.command("check", WEBHOOK_SECRET="another-secret-0123456789")
    found(said, "error", "PUBLIC_URL", "another webhook secret")


async def test_a_port_that_something_else_has(home: BotProcess) -> None:
    async with elsewhere(web.Response(status=200)) as url:
        said = await home.command("check", PUBLIC_URL=url, WEB_PORT=url.rpartition(":")[2])
    assert said.code == 1
    found(
        said, "warning", "Web server", "in use by something that doesn't answer as the bot does", "WEB_PORT"
    )
    found(said, "error", "PUBLIC_URL", "taken by something that is not this bot", "WEB_PORT")


async def test_a_port_that_something_silent_has(home: BotProcess) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "0.0.0.0", 0) as server:  # noqa: S104
        port = server.sockets[0].getsockname()[1]
        said = await home.command("check", PUBLIC_URL="", WEB_HOST="0.0.0.0", WEB_PORT=str(port))  # noqa: S104
    assert said.code == 0
    found(said, "warning", "Web server", f"WEB_PORT {port}", "set WEB_PORT to another")


@pytest.mark.parametrize(("ahead", "level"), [(-20, "warning"), (3600, "error")])
async def test_a_clock_that_is_off(home: BotProcess, ahead: int, level: str) -> None:
    home.discord.date_ahead = ahead
    said = await home.command("check")
    found(said, level, "Clock", "behind" if ahead > 0 else "ahead of")


async def test_a_schema_from_a_later_version(home: BotProcess) -> None:
    await home.start()
    await home.stop()
    home.write("UPDATE alembic_version SET version_num = '9999'")
    said = await home.command("check")
    assert said.code == 1
    found(said, "error", "Database", "9999", "newer version")


async def test_a_file_that_is_no_database(home: BotProcess) -> None:
    home.database.write_text("a shopping list, and long enough to be taken for more than a header\n" * 3)
    said = await home.command("check")
    assert said.code == 1
    found(said, "error", "Database", "not a database")


async def test_permissions_that_are_missing_on_a_server(home: BotProcess) -> None:
    poor = home.discord.add_guild("Poor")
    poor.bot_permissions &= ~0x8000  # Attach Files
    said = await home.command("check")
    found(said, "warning", "Servers", "on 1 of 2", "Poor", str(poor.id), "Attach Files")
    assert "Studio (" not in said.out


async def test_servers_in_the_settings_that_the_bot_is_not_on(home: BotProcess) -> None:
    said = await home.command("check", COMMAND_GUILD_IDS="4711", ALLOWED_GUILD_IDS="4712")
    assert said.code == 1
    found(said, "warning", "COMMAND_GUILD_IDS", "4711")
    found(said, "warning", "ALLOWED_GUILD_IDS", "4712")
    found(said, "error", "Commands", "server 4711", "Invite")


async def test_commands_that_somebody_else_changed(home: BotProcess) -> None:
    await home.start()
    (told,) = [c for c in home.discord.commands.scopes[None] if c["name"] == "help"]
    told["description"] = "Another program with this token wrote this"
    said = await home.command("check")
    found(said, "warning", "Commands", "changed: /help", "python -m bot sync")
    assert said.code == 0


async def test_no_start_is_left(home: BotProcess) -> None:
    home.discord.routes.starts_left = 0
    said = await home.command("check")
    assert said.code == 1
    found(said, "error", "Gateway", "1440 minutes")


async def test_a_bot_that_has_outgrown_its_shards(home: BotProcess) -> None:
    home.discord.routes.shards = 3
    found(await home.command("check"), "warning", "Gateway", "3 shards", "SHARD_COUNT=3")
    found(await home.command("check", SHARD_COUNT="3"), "ok", "Gateway")


async def test_a_process_that_only_takes_webhooks_needs_neither_key(home: BotProcess, tmp_path: Path) -> None:
    nothing = dict.fromkeys(("DISCORD_TOKEN", "COMFYDEPLOY_API_KEY", "COMFYDEPLOY_DEPLOYMENT_ID"), "")
    async with opened("postgres", tmp_path) as database:
        said = await home.command("check", ROLES="web", DATABASE_URL=database.url, **nothing)
    assert said.code == 0, said.out + said.err
    found(said, "ok", "PUBLIC_URL", "this check answered")
    assert "Discord token" not in said.out


async def test_settings_that_cant_be_read(home: BotProcess) -> None:
    said = await home.command("check", WEB_PORT="many", DISCORD_TOKEN="")
    assert said.code == 2
    assert "WEB_PORT" in said.err
    assert "DISCORD_TOKEN is missing" in said.err


async def test_sizes_that_the_file_or_comfydeploy_does_not_allow(home: BotProcess) -> None:
    head = f'[deployments.mine]\ndeployment_id = "{PICTURE_ID}"\n'
    sizes = "sizes.choices = {square = [512, 512], huge = [4096, 512]}\n"
    named = {"COMFYDEPLOY_DEPLOYMENT_ID": "", "DEPLOYMENTS_FILE": "own.toml"}
    (home.folder / "own.toml").write_text(head + sizes, encoding="utf-8")
    said = await home.command("check", **named)
    assert said.code == 0
    found(
        said, "warning", "Deployment", "size 'huge' is left out: width 4096 is above maximum 1536", "square"
    )
    (home.folder / "own.toml").write_text(f"{head}{sizes}inputs.width.max = 1024\n", encoding="utf-8")
    said = await home.command("check", **named)
    assert said.code != 0
    assert "size 'huge': width 4096 is above maximum 1024" in said.out + said.err
