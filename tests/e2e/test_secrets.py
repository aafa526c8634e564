"""No log line or message contains a secret, also at LOG_LEVEL=DEBUG and during faults."""

from __future__ import annotations

import json
import re
from pathlib import Path

from demo.fake_comfydeploy.faults import Faults
from tests.e2e.bot_process import POST, BotProcess, bot_process
from tests.fakediscord.faults import Fault
from tests.questions import webhook_secret

CALLBACK = "POST /interactions/{webhook_id}/{webhook_token}/callback"
EDIT = "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
TROUBLE = (
    Faults(queue_drop=True),
    Faults(queue_status=500),
    Faults(get_status=500, silent_end=True),
    Faults(body="cut-off"),
    Faults(body="expired"),
)
MAC = re.compile(r"/webhooks/comfydeploy/[a-z0-9]+/([^/?]+)")
SIGNATURE = re.compile(r"[?&](?:hm|X-Amz-Signature|X-Amz-Credential)=(?!\[hidden\])[^&\s\"]{6,}")
# Whatever these say is about one run.
OF_A_RUN = (
    "bot.workers.submission",
    "bot.workers.reports",
    "bot.delivery.messenger",
    "bot.workers.reconciler",
)


def lines_name_their_run(log: str) -> None:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    told = [line for line in lines if line["logger"] in OF_A_RUN]
    assert {"bot.workers.submission", "bot.workers.reports", "bot.delivery.messenger"} <= {
        line["logger"] for line in told
    }
    assert [line for line in told if not line.get("run")] == []
    assert all({"timestamp", "level", "logger", "message"} <= line.keys() for line in lines)


async def secrets_of(home: BotProcess, tokens: list[str]) -> dict[str, str]:
    """Return every secret of the bot's process in this test."""
    macs = {MAC.search(call.webhook or "") for call in home.comfydeploy.call_log.queue_calls}
    return {
        "the Discord token": home.discord.token,
        "the API key": home.comfydeploy.api_key,
        **{f"webhook MAC {n}": found[1] for n, found in enumerate(macs) if found},
        **{f"interaction token {n}": token for n, token in enumerate(tokens)},
        "the webhook secret": str(await webhook_secret(home.database)),
    }


async def live_through_trouble(home: BotProcess) -> list[str]:
    """Send requests with faults that make the bot and its libraries log; return the interaction tokens."""
    asked = []
    for fault in (Fault.answer(500), Fault.lose_reply(), Fault.drop_before(), Fault.answer(403)):
        home.discord.faults.add(POST, fault)
        home.discord.faults.add(EDIT, fault)
    for faults in (*TROUBLE, Faults()):
        home.comfydeploy.next_faults(faults)
        picture = home.discord.file("start.png", b"\x89PNG\r\n\x1a\n" + bytes(64), width=8, height=8)
        asked.append(await home.ask(image=picture))
    home.discord.faults.add(CALLBACK, Fault.answer(404))
    asked.append(await home.ask())
    await home.settled(runs=len(TROUBLE) + 1)
    return [interaction.token for interaction in asked]


async def test_no_secret_is_logged_or_shown(tmp_path: Path) -> None:
    async with bot_process(tmp_path, LOG_LEVEL="DEBUG", LOG_FORMAT="json", RUN_DEADLINE_SECONDS="20") as home:
        home.speed = 5
        await home.start()
        tokens = await live_through_trouble(home)
        page = await home.metrics()
        assert await home.stop() == 0
        shown = "\n".join(json.dumps(m.body) + m.text for m in home.discord.request_log.messages)
        log = home.log
        secrets = await secrets_of(home, tokens)
        assert {"webhook MAC 0", "interaction token 0", "the webhook secret"} <= secrets.keys()
        assert not [name for name, secret in secrets.items() if secret in log]
        assert not [name for name, secret in secrets.items() if secret in shown]
        assert not [name for name, secret in secrets.items() if secret in page]
        assert not SIGNATURE.findall(log)
        people = (home.alice.id, home.guild.id, home.channel.id, *await home.keys())
        assert not [one for one in people if str(one) in page]
        lines_name_their_run(log)
