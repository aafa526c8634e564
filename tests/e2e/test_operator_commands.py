"""The operator's commands as processes beside a bot."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from bot import __version__
from bot.ops.export import FIELDS
from tests.e2e.bot_process import PROJECT, BotProcess


async def test_export_tells_every_field_and_no_token(home: BotProcess) -> None:
    await home.start()
    picture = home.discord.file("start.png", b"\x89PNG\r\n\x1a\n" + bytes(64), width=8, height=8)
    asked = [await home.ask(image=picture)]
    await home.discord.wait_until(lambda: asked[0].shown)
    asked.append(await home.ask(seed=7))
    await home.settled(runs=2)
    said = await home.command("export")
    assert said.code == 0, said.err
    first, second = (json.loads(line) for line in said.out.splitlines())
    assert tuple(first) == FIELDS
    # The picture is none, which the workflow finds out.
    assert (first["state"], second["state"]) == ("failed", "succeeded")
    assert first["requester_id"] == str(home.alice.id)
    assert first["created_at"] < second["created_at"]
    assert first["inputs"]["image"].endswith("/start.png")
    assert (second["seed"], second["inputs"]["seed"], second["prompt"]) == (7, 7, "a fox")
    assert second["outputs"][0]["filename"]
    assert "?" not in second["outputs"][0]["url"]
    for secret in (home.discord.token, home.comfydeploy.api_key, *(one.token for one in asked)):
        assert secret not in said.out
    about = (PROJECT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert [name for name in FIELDS if f"`{name}`" not in about] == []

    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for none in (("--since", later), ("--until", "2020-01-01"), ("--guild", "1")):
        assert (await home.command("export", *none)).out == ""
    limits = ("--since", "2020-01-01", "--until", later, "--guild", str(home.guild.id))
    assert len((await home.command("export", *limits)).out.splitlines()) == 2


async def test_a_restored_bot_posts_nothing_again(home: BotProcess) -> None:
    await home.start()
    first = next(line for line in home.log.splitlines() if "INFO" in line)
    assert f"comfydeploy-bot {__version__} starts" in first
    await home.ask()
    await home.settled(runs=1)
    said = await home.command("backup", "backup.tar.gz")
    assert said.code == 0, said.err
    await home.ask()
    await home.settled(runs=2)
    refused = await home.command("restore", "backup.tar.gz")
    assert (refused.code, "Stop all its processes first" in refused.err) == (2, True)
    await home.stop()
    shown = [message.text for message in home.discord.messages(home.channel)]
    said = await home.command("restore", "backup.tar.gz")
    assert said.code == 0, said.err
    await home.start()
    (run,) = await home.runs()
    assert run.state == "succeeded"
    await home.ask()
    await home.settled(runs=2)
    assert len(home.comfydeploy.call_log.queue_calls) == 3
    assert [message.text for message in home.discord.messages(home.channel)][: len(shown)] == shown
    assert len(home.discord.messages(home.channel)) == len(shown) + 1


def test_what_an_option_prints_reaches_a_pipe() -> None:
    # -E: as pipx starts it, and with a buffer, whatever PYTHONUNBUFFERED says.
    command = [sys.executable, "-E", "-m", "bot", "--version"]
    said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)  # noqa: S603
    assert said.stdout == f"comfydeploy-bot {__version__}\n"
