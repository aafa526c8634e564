"""What the operator's commands and failed starts print. `make snapshots` writes the transcripts.

A transcript shows each finding of a check once, and after each check how many there are.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web
from dotenv import dotenv_values

from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.faults import Faults
from tests.chaos.database import opened
from tests.e2e.bot_process import PROJECT, BotProcess, described
from tests.fakediscord.faults import Fault
from tests.questions import insert_foreign_table, insert_rules, set_schema_version, webhook_secret
from tests.serving import serving

TRANSCRIPTS = Path(__file__).with_name("transcripts")
NAMES = ("DISCORD_TOKEN", "COMFYDEPLOY_API_KEY", "COMFYDEPLOY_DEPLOYMENT_ID")
WRONG_TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDe.no-such-token-at-all-0123456789"
WRONG_KEY = "no-such-key-at-all"
NOWHERE = "7b1f6a52-0c1e-4d0b-9a55-1f3f0a5e9999"
NOBODY = "127.0.0.1:1"  # a reserved port
OWN_FILE = {"COMFYDEPLOY_DEPLOYMENT_ID": "", "DEPLOYMENTS_FILE": "own.toml"}
SHOPPING = "a shopping list, and long enough to be taken for more than a header\n"
_CHANGING = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"MB free for .*; a", "MB free for FOLDERS; a"),
    (r"\b\d{5,}\b", "NUMBER"),
    (r"it is \d+ (seconds|minutes)", r"it is N \1"),
    (r"PostgreSQL [\d.]+,", "PostgreSQL VERSION,"),
    (r"(error while attempting|the name can't be) .*\)\.", "REASON)."),
)


class Screen:
    """A terminal in which somebody types commands beside `home`."""

    def __init__(self, home: BotProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.monkeypatch = monkeypatch
        self.has_free(10**10)
        self.lines: list[str] = []
        self._seen: set[str] = set()

    async def types(self, *arguments: str, told: str = "", **settings: str) -> None:
        """Run a command with these settings, or without arguments a start, and note what it prints.

        With `told`, the transcript has these words instead of the command and its settings.
        """
        typed = "".join(f" {each}" for each in (*arguments, *map("=".join, settings.items())))
        quiet = {"SUBMIT_GRACE_SECONDS": "180", "LOG_LEVEL": "CRITICAL"}
        said = await self.home.command(*arguments, **quiet | settings)
        self.lines.append(f"{told or f'python -m bot{typed}'}: exit code {said.code}")
        printed = said.out.replace("\n         ", " | ").splitlines()
        self.lines += [f"  {line.rstrip()}" for line in printed if line and line not in self._seen]
        self._seen.update(line for line in printed if line.startswith(("ok ", "error ", "warning ")))
        self.lines += [f"  stderr: {line}" for line in said.err.splitlines()]
        for secret in (self.home.discord.token, self.home.comfydeploy.api_key, WRONG_TOKEN, WRONG_KEY):
            assert secret not in said.out + said.err

    def answers(self, *texts: str) -> None:
        """Let the next command find a terminal, at which somebody answers its questions."""
        typed = iter(texts)

        def hidden(question: str) -> str:
            sys.stdout.write(f"{question}***\n")
            return next(typed)

        def shown(question: str) -> str:
            text = next(typed)
            sys.stdout.write(f"{question}{text}\n")
            return text

        self.monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        self.monkeypatch.setattr("getpass.getpass", hidden)
        self.monkeypatch.setattr("builtins.input", shown)

    def has_free(self, size: int) -> None:
        """Let every disk have so many bytes of free space."""
        self.monkeypatch.setattr("bot.ops.check.disk_usage", lambda _: SimpleNamespace(free=size))

    async def knows_what_is_ok(self) -> None:
        """Leave the findings of a sound setup out of the transcript."""
        await self.types("check")
        self.lines.clear()

    def transcript(self) -> str:
        text = "\n".join(self.lines).strip().replace(str(self.home.folder), "⟨folder⟩")
        for pattern, instead in _CHANGING:
            text = re.sub(pattern, instead, text)
        return f"{text}\n"


async def check(home: BotProcess, screen: Screen) -> None:
    home.database_file.unlink()
    await screen.types("check")
    assert not home.database_file.exists()
    assert not home.discord.commands.synced
    assert not home.comfydeploy.call_log.queue_calls
    await home.start(ALLOW_USER_INSTALLS="true")
    await screen.types("check", told="beside the running bot")
    assert str(await webhook_secret(home.database)) not in "".join(screen.lines)
    await screen.types(told="a second start beside it")
    await screen.types("check", WEBHOOK_SECRET="another-secret-01234")
    await home.stop()
    await screen.types(
        "check",
        DISCORD_TOKEN=WRONG_TOKEN,
        COMFYDEPLOY_API_KEY=WRONG_KEY,
        told="with a wrong token and a wrong key",
    )
    await screen.types("check", DISCORD_TOKEN="0123456789abcdef")
    await screen.types("check", DISCORD_TOKEN="", WEB_PORT="many", LOG_LEVEL="loud")
    env = home.folder / ".env"
    env.write_text("DISCORD_TOKEN=mine\nCOMMAND_GUILD_IDS=4711\n")
    env.chmod(0o644)
    await screen.types("check", DATABASE_URL="", DATABASE_URL_FILE="nowhere", DAILY_GPU_SECOND="100")
    await screen.types("export", DATABASE_ULR="sqlite:///other.db")
    env.unlink()
    await screen.types("check", ALLOWED_GUILD_IDS="4712")
    await screen.types("check", PUBLIC_URL="http://nas")
    wrong = {"PUBLIC_URL": "bot.example.com", "DATABASE_URL": "mysql://x/y", "COMFYDEPLOY_API_URL": "x"}
    await screen.types("check", **wrong)
    said = await home.command("check", "--json", ALLOWED_GUILD_IDS="4711")
    assert {each["level"] for each in json.loads(said.out)["findings"]} == {"ok", "warning"}
    async with opened("postgres", home.folder) as database:
        only = dict.fromkeys(NAMES, "") | {"ROLES": "web", "DATABASE_URL": database.url}
        await screen.types("check", told="a process that only takes webhooks, without the keys", **only)


async def check_databases(home: BotProcess, screen: Screen) -> None:
    await screen.knows_what_is_ok()
    await screen.types("check", DATABASE_URL="sqlite:////proc/x/y.db")
    await screen.types("check", DATABASE_URL=f"postgresql://bot@{NOBODY}/bot")
    await set_schema_version(home.database, "v9_0001")
    await screen.types("check", told="a database of another version")
    await screen.types("export")
    home.database_file.write_text(SHOPPING * 3)
    await screen.types("check", told="a file that is no database")
    await screen.types()
    assert home.database_file.read_text() == SHOPPING * 3
    home.database_file.unlink()
    await screen.types("export", told="an export without a file")
    assert not home.database_file.exists()
    await insert_foreign_table(home.database)
    await screen.types("check", told="a database of another program")


@asynccontextmanager
async def elsewhere(status: int) -> AsyncIterator[str]:
    """Yield the address of a server that is not the bot."""

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "https://bot.example.com/x"}, text="Hello")

    async with serving(handle) as address:
        yield address


async def blind_channels(home: BotProcess, screen: Screen) -> None:
    dark, review = home.discord.add_guild("Dark"), home.discord.add_text(home.guild, "review")
    hall, gallery = home.discord.add_text(dark, "hall"), home.discord.add_text(home.guild, "gallery")
    dark.bot_permissions &= ~0x400  # View Channel
    home.discord.withdraw(review, "view_channel")
    home.discord.withdraw(gallery, "embed_links")
    rules = {"approval": {"review_channel_id": review.id}, "gallery_channel_id": gallery.id}
    await insert_rules(home.database, home.guild.id, rules)
    await screen.types("check", told="the bot can't see a server and the review channel of another")
    home.discord.grant(hall, "view_channel")
    home.discord.grant(review, "view_channel")
    await screen.types("check", told="it sees one channel of the server, and the review channel")
    screen.has_free(10**8)
    await screen.types("check", told="the disk is full", BACKUP_DIR=str(home.folder))
    screen.has_free(10**10)


async def check_services(home: BotProcess, screen: Screen) -> None:
    await screen.knows_what_is_ok()
    home.discord.date_ahead = -20
    home.discord.add_guild("Poor").bot_permissions &= ~0x8000  # Attach Files
    await screen.types("check", told="Discord's clock is behind, and a permission is missing on a server")
    home.discord.date_ahead = 3600
    await screen.types("check", told="Discord's clock is an hour ahead")
    home.discord.date_ahead = 0
    await blind_channels(home, screen)
    for setting, status in (
        ("COMFYDEPLOY_API_URL", 200),
        ("COMFYDEPLOY_API_URL", 404),
        ("PUBLIC_URL/a/path", 404),
        ("PUBLIC_URL", 302),
        ("PUBLIC_URL", 502),
    ):
        async with elsewhere(status) as url:
            name, slash, path = setting.partition("/")
            told = f"a server at {setting} answers {status}"
            await screen.types("check", told=told, **{name: f"{url}{slash}{path}"})
    async with elsewhere(200) as url:
        port = url.rpartition(":")[2]
        await screen.types("check", PUBLIC_URL=url, WEB_PORT=port, told="another program has the port")
    await screen.types("check", COMFYDEPLOY_API_URL=f"http://{NOBODY}/api")
    home.discord.faults.add("GET /users/@me", Fault.drop_before(), times=None)
    await screen.types("check", told="Discord's API is away")
    await home.discord.stop()
    await screen.types("check", COMFYDEPLOY_API_URL=f"http://{NOBODY}/api")


async def check_deployments(home: BotProcess, screen: Screen) -> None:
    await screen.knows_what_is_ok()
    file, prompt = home.folder / "own.toml", '[deployments.mine.inputs.prompt]\nkind = "text"\n'
    images = "".join(f'[deployments.mine.inputs.i{n}]\nkind = "image"\n' for n in range(30))
    then = '[[deployments.mine.then]]\ndeployment = "upp"\nlabel = "Upscale"\n'
    fixed = '[deployments.mine.inputs.negative]\nfixed = "hunter2"\n'
    for told, text, faults in (
        ("ComfyDeploy describes nothing", described(mine=PICTURE_ID), Faults(deployment_status=500)),
        ("it does so, but the file does", described(mine=PICTURE_ID) + prompt, Faults(deployment_status=500)),
        ("one that is unknown beside one that isn't", described(fox=NOWHERE, owl=PICTURE_ID), Faults()),
        ("a lost follow-up and a fixed input", described(mine=PICTURE_ID) + then + fixed, Faults()),
        ("thirty inputs for files", described(mine=PICTURE_ID) + images, Faults()),
        ("a mistake in the file", "[deployments.mine]\ndeployment = 1\n", Faults()),
    ):
        home.comfydeploy.faults = faults
        file.write_text(text, encoding="utf-8")
        await screen.types("check", told=told, **OWN_FILE)


async def close_once_connected(home: BotProcess, code: int) -> None:
    await home.discord.wait_until(lambda: home.discord.gateway.live)
    await home.discord.gateway.close(code)


async def starts(home: BotProcess, screen: Screen) -> None:
    # First, because a start remembers how ComfyDeploy describes a deployment.
    await screen.types(COMFYDEPLOY_API_URL=f"http://{NOBODY}/api")
    await screen.types(COMFYDEPLOY_API_KEY=WRONG_KEY, told="with a wrong key")
    await screen.types(DATABASE_URL=f"postgresql://bot:hunter2@{NOBODY}/bot")
    await screen.types(WEB_HOST="203.0.113.9")
    await screen.types(ROLES="messenger")
    await screen.types(DISCORD_TOKEN="MTIz.no.such-token")
    taken = home.comfydeploy.url.rpartition(":")[2].partition("/")[0]
    await screen.types(WEB_PORT=taken)
    await screen.types(METRICS_PORT=taken)
    with screen.monkeypatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(home.folder / "gone"))
        await screen.types(told="without a folder for temporary files")
    for code in (4004, 4011, 4014):
        closing = asyncio.create_task(close_once_connected(home, code))
        await screen.types(told=f"Discord closes the connection with {code}")
        await closing
    before = home.discord.gateway.identified
    home.discord.starts_left = 0
    await screen.types(told="no session start is left")
    assert home.discord.gateway.identified == before
    home.discord.faults.add("*", Fault.drop_before(), times=None)
    await screen.types(told="Discord is away")


async def setup(home: BotProcess, screen: Screen) -> None:
    token, key = home.discord.token, home.comfydeploy.api_key
    env, empty = home.folder / ".env", dict.fromkeys(NAMES, "")
    screen.monkeypatch.setattr("sys.stdin", StringIO(token))
    await screen.types("setup", told="without a terminal", **empty)
    assert not env.exists()
    before = "# mine\nDISCORD_TOKEN='old'  # comment\nLOG_LEVEL=DEBUG\nCOMFYDEPLOY_API_KEY=\n"
    env.write_text(before)
    env.chmod(0o644)
    screen.answers(token, key, PICTURE_ID.replace("0", "f"), PICTURE_ID)
    await screen.types("setup", told="the present .env has other settings", **empty)
    assert env.read_text() == (
        f"# mine\nDISCORD_TOKEN={token}\nLOG_LEVEL=DEBUG\n"
        f"COMFYDEPLOY_API_KEY={key}\nCOMFYDEPLOY_DEPLOYMENT_ID={PICTURE_ID}\n"
    )
    env.unlink()
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    (home.folder / ".env.example").write_text(example)
    (home.folder / "deployments.toml").touch()
    home.discord.faults.add("GET /users/@me/guilds", Fault.answer(404), times=None)
    screen.answers(token, key)
    await screen.types("setup", told="with the example as template", **empty)
    changed = zip(example.splitlines(), env.read_text().splitlines(), strict=True)
    assert [old.rstrip("=") for old, new in changed if old != new] == list(NAMES[:2])


async def setup_at_a_terminal(home: BotProcess, screen: Screen) -> None:
    token, key = home.discord.token, home.comfydeploy.api_key
    empty, env = dict.fromkeys(NAMES, ""), home.folder / ".env"
    screen.answers(key, WRONG_TOKEN, token, key, "picture", PICTURE_ID)
    await screen.types("setup", told="with an answer that is wrong at first", **empty)
    assert env.stat().st_mode & 0o777 == 0o600
    screen.answers("", "", "")
    await screen.types("setup", told="and again", **empty)
    assert dotenv_values(env) == dict(zip(NAMES, (token, key, PICTURE_ID), strict=True))
    screen.answers("", "a-new-key", "n", "another-key", "y", "", "y")
    away = {"COMFYDEPLOY_API_URL": f"http://{NOBODY}/api"}
    await screen.types("setup", told="while ComfyDeploy is away", **empty, **away)
    assert dotenv_values(env)["COMFYDEPLOY_API_KEY"] == "another-key"
    before = "COMFYDEPLOY_API_KEY_FILE=key\nDISCORD_TOKN=\n"
    env.write_text(before)
    await screen.types("setup", told="with a file of a secret that isn't there", **empty)
    (home.folder / "key").write_text(f"{key}\n")
    screen.answers(token, PICTURE_ID)
    await screen.types("setup", told="with a file of a secret", **empty)
    assert env.read_text() == f"{before}DISCORD_TOKEN={token}\nCOMFYDEPLOY_DEPLOYMENT_ID={PICTURE_ID}\n"


async def commands(home: BotProcess, screen: Screen) -> None:
    await screen.types("chekc")


SCENES = (
    check,
    check_databases,
    check_services,
    check_deployments,
    starts,
    setup,
    setup_at_a_terminal,
    commands,
)


@pytest.mark.parametrize("scene", SCENES, ids=[scene.__name__ for scene in SCENES])
async def test_the_operator_reads(
    home: BotProcess,
    scene: Callable[[BotProcess, Screen], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Screen(home, monkeypatch)
    await scene(home, screen)
    file = TRANSCRIPTS / f"{scene.__name__}.txt"
    if os.environ.get("WRITE_SNAPSHOTS"):
        file.write_text(screen.transcript(), encoding="utf-8")
    assert screen.transcript() == file.read_text(encoding="utf-8")
