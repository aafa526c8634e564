"""The operator's commands as processes beside a bot."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys

import pytest

from bot import __version__
from bot.domain.runs import RunState
from bot.ops.backups import FIELDS
from demo.fake_comfydeploy.faults import Faults
from tests.e2e.bot_process import PROJECT, BotProcess
from tests.harness import HELD

RUN = 'deployment="default"'


@pytest.mark.bot(DAILY_GPU_SECONDS="600")
async def test_each_run_is_exported_with_every_field_and_counted(home: BotProcess) -> None:
    await home.start()
    home.comfydeploy.next_faults(Faults(queue_status=500, queue_starts=0), Faults())
    picture = home.discord.file("start.png", b"\x89PNG\r\n\x1a\n" + bytes(64), width=8, height=8)
    asked = [await home.ask(image=picture)]
    await home.until(lambda: home.comfydeploy.call_log.queue_calls)
    asked.append(await home.ask(seed=7))
    await home.settled(runs=2)
    said = await home.command("export")
    assert said.code == 0, said.err
    second, first = (json.loads(line) for line in said.out.splitlines())
    assert tuple(first) == FIELDS
    assert (first["state"], second["state"]) == ("unconfirmed", "succeeded")
    assert first["requester_id"] == str(home.alice.id)
    assert first["created_at"] < second["created_at"]
    assert first["inputs"]["image"].endswith("/start.png")
    assert (second["seed"], second["inputs"]["seed"], second["prompt"]) == (7, 7, "a fox")
    assert second["outputs"][0]["filename"]
    assert "?" not in second["outputs"][0]["url"]
    for secret in (home.discord.token, home.comfydeploy.api_key, *(one.token for one in asked)):
        assert secret not in said.out
    expected = {
        f'requests_total{{{RUN},outcome="accepted"}}': 2,
        'comfydeploy_calls_total{call="queue",result="500"}': 1,
        'comfydeploy_call_seconds_count{call="queue"}': 2,
        f'outcomes_total{{{RUN},state="succeeded"}}': 1,
        'message_attempts_total{kind="outcome",result="done"}': 2,
        'webhooks_total{result="recorded"}': len(home.comfydeploy.call_log.webhook_attempts),
        "delivery_seconds_count": 2,
        "gpu_seconds_daily_limit": 600,
        f'build_info{{python="{platform.python_version()}",version="{__version__}"}}': 1,
        "store_up": 1,
        "servers": 1,
    }
    page = (await home.metrics()).splitlines()
    found = dict(line.removeprefix("comfydeploy_bot_").rsplit(" ", 1) for line in page)
    assert {name: float(found[name]) for name in expected} == expected


async def test_a_new_webhook_secret_leaves_each_run_in_flight_one_outcome(home: BotProcess) -> None:
    home.comfydeploy.faults = HELD
    await home.start()
    await home.ask()
    await home.held()
    assert await home.stop() == 0
    # In place of the generated one, which stays in the database.
    (home.folder / "secret").write_text("a-secret-of-the-operators-own\n")
    await home.start(WEBHOOK_SECRET_FILE="secret")
    home.comfydeploy.faults = Faults()
    home.comfydeploy.release()
    await home.ask()
    await home.settled(runs=2)
    await home.check_outcomes(calls=2)
    assert {run.state for run in await home.runs()} == {RunState.SUCCEEDED}
    counted = re.findall(r'webhooks_total{result="(\w+)"} [1-9]', await home.metrics())
    assert sorted(counted) == ["recorded", "wrong_secret"]  # the run from after, and the one from before


async def test_a_container_asks_whether_the_bot_responds(home: BotProcess) -> None:
    async def healthcheck(**more: str) -> int:
        asking = await home.spawn(
            "healthcheck", log=home.folder / "health.log", env=home.environment() | more
        )
        return await asking.wait()

    settings, said = home.folder / ".env", home.folder / "health.log"
    settings.write_text(f"web_port = '{home.port} '\n")
    await home.start()
    assert [await healthcheck(WEB_PORT=port) for port in (str(home.port), "", "  ", "1")] == [0, 0, 0, 1]
    await home.kill()
    assert await healthcheck(WEB_HOST="") == 1
    assert "doesn't answer on WEB_PORT 1 (Connection refused). See its log." in said.read_text()
    assert await healthcheck(WEB_PORT="many") == 1
    settings.unlink()
    settings.mkdir()
    assert await healthcheck() == 1
    *_, number, folder = said.read_text().splitlines()
    assert number == "WEB_PORT: must be a whole number below 65536."
    assert (
        folder == ".env can't be read (Is a directory). It must be a text file that the bot's user may read."
    )


def test_what_an_option_prints_reaches_a_pipe() -> None:
    # -E: as pipx starts it, and with a buffer, whatever PYTHONUNBUFFERED says.
    command = [sys.executable, "-E", "-m", "bot", "--version"]
    said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)  # noqa: S603
    assert said.stdout == f"comfydeploy-bot {__version__}\n"
