from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from bot.config.logs import Redactor, run_context, setup_logging
from tests.logs import own_logging

BOT_TOKEN = "MTE4NzY1NDMyMTA5ODc2NTQzMg.GaBcDe.aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789ab"
API_KEY = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoidXNlciJ9.c2lnbmF0dXJlLW1hZGUtdXA"
MAC = "f00dfacecafe0123456789abcdef0123"
INTERACTION = "aW50ZXJhY3Rpb246MTIzNDU2Nzg5MDEyMzQ1Njc4OTA6c2VjcmV0"
SIGNATURE = "5f4dcc3b5aa765d61d8327deb882cf99"
REGISTERED = 'odd "one" \\ été-secret'
LEAKS = [
    (f"logging in with {BOT_TOKEN} now", BOT_TOKEN),
    (f"Authorization: Bearer {API_KEY}", API_KEY),
    (f"key {API_KEY}", API_KEY),
    ("Authorization: bearer plain-key-0123456789", "plain-key-0123456789"),
    (f"POST https://bot.example.com/webhooks/comfydeploy/r1abc/{MAC}?target_events=run.output", MAC),
    (f"https://discord.com/api/v10/webhooks/118765432109876/{INTERACTION}/messages/@original", INTERACTION),
    (f"/interactions/1187654321098765432/{INTERACTION}/callback", INTERACTION),
    (f'{{"token": "{INTERACTION}", "type": 2}}', INTERACTION),
    (f"{{'token': '{INTERACTION}', 'type': 2}}", INTERACTION),
    (f"https://cdn.discordapp.com/attachments/1/2/a.png?ex=65f0&is=65ef&hm={SIGNATURE}&", SIGNATURE),
    (f"https://b.s3.amazonaws.com/o.png?X-Amz-Expires=3600&X-Amz-Signature={SIGNATURE}", SIGNATURE),
    (f"https://b.s3.amazonaws.com/o.png?X-Amz-Credential={SIGNATURE}&x=1", SIGNATURE),
    (f"https://d.cloudfront.net/o.png?Expires=1&Signature={SIGNATURE}", SIGNATURE),
    ("postgresql://bot:hunter2@db/bot", "hunter2"),
    (f"before {REGISTERED} after", REGISTERED),
]
Log = Callable[..., io.StringIO]


@pytest.fixture
def log() -> Iterator[Log]:
    """Set up logging into a buffer."""

    def start(level: str = "INFO", form: Literal["text", "json"] = "text") -> io.StringIO:
        stream = io.StringIO()
        setup_logging(level, form, secrets=(REGISTERED, ""), stream=stream)
        return stream

    with own_logging():
        yield start


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(("text", "secret"), LEAKS)
def test_no_secret_reaches_the_log_by_any_way(
    log: Log, form: Literal["text", "json"], text: str, secret: str
) -> None:
    stream = log("DEBUG", form)
    logger = logging.getLogger("bot.test")
    logger.info(text)
    logger.info("as an argument: %s %r", text, {"nested": [text]})
    logger.info("as a field", extra={"detail": text})
    logger.error("in a traceback", exc_info=RuntimeError(text))
    written = stream.getvalue()
    assert "in a traceback" in written
    assert "RuntimeError" in written
    assert "[hidden]" in written
    assert secret not in written
    assert json.dumps(secret)[1:-1] not in written
    if form == "json":
        assert [json.loads(line)["level"] for line in written.splitlines()] == ["INFO"] * 3 + ["ERROR"]


def test_other_text_stays_readable() -> None:
    line = (
        "GET https://api.comfydeploy.com/api/run/3f2b9c1e-0d54-4a0e-9f0b-6d1f0c7f5a11?queue_position=true "
        "Bot connected, bearer of news; /webhooks/comfydeploy/r1abc/ex at 2026-11-24T14:04:33.439000Z"
    )
    assert Redactor()(line) == line.replace("/ex ", "/[hidden] ")
    assert Redactor()(f"/webhooks/comfydeploy/r1abc/{MAC} 200") == "/webhooks/comfydeploy/r1abc/[hidden] 200"
    assert Redactor(["bot"])("the bot is ready") == "the bot is ready"  # too short for a secret
    form = "postgresql://USER:PASSWORD@HOST/NAME"
    assert Redactor()(form) == form
    # A secret that begins another leaves no rest.
    assert Redactor(["12345678", "1234567890"])("x 1234567890 y") == "x [hidden] y"


async def test_each_task_logs_its_own_run(log: Log) -> None:
    log()
    stream = log("INFO", "json")  # a second set-up doesn't double the lines
    logger = logging.getLogger("bot.test")
    both_inside = asyncio.Barrier(2)

    async def work(key: str) -> None:
        with run_context(key):
            await both_inside.wait()
            logger.warning("in a task")

    await asyncio.gather(work("r1"), work("r2"))
    logger.warning("explicit", extra={"run": "r3"})
    logger.warning("outside")
    *in_tasks, explicit, outside = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert sorted(line["run"] for line in in_tasks) == ["r1", "r2"]
    assert (explicit["message"], explicit["run"]) == ("explicit", "r3")
    assert outside.pop("timestamp").endswith("+00:00")
    assert outside == {"level": "WARNING", "logger": "bot.test", "message": "outside"}


FORGED = "2026-11-29 12:00:00,000 ERROR    bot.app all lost"


def _fail(line_break: str) -> None:
    """Fail with forged lines in an exception, its cause, its note and its group."""
    cause = ValueError(f"cause{line_break}{FORGED}")
    error = RuntimeError(f"a cat{line_break}{FORGED}\x1b[2J\u202e")
    error.add_note(f"note{line_break}{FORGED}")
    try:
        raise error from cause
    except RuntimeError as raised:
        raise ExceptionGroup(f"group{line_break}{FORGED}", [raised]) from None


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\x1c", "\u2028"])
def test_an_exceptions_text_cannot_forge_a_line(log: Log, line_break: str) -> None:
    stream = log()
    logger = logging.getLogger("bot.test")
    try:
        _fail(line_break)
    except ExceptionGroup:
        logger.exception("failed: %s", f"a{line_break}{FORGED}", stack_info=True)
    logger.info("as a field", extra={"run": f"r1{line_break}{FORGED}"})
    written = stream.getvalue()
    assert written.count("all lost") == 6
    records = [line for line in written.splitlines() if not line.startswith("    ")]
    assert [line.partition(" bot.test ")[2][:6] for line in records] == ["failed", "run=r1"]
    assert all(c.isprintable() or c == "\n" for c in written)


def test_libraries_speak_only_where_it_helps(log: Log) -> None:
    stream = log("DEBUG")
    logging.getLogger("aiohttp.access").error("GET /webhooks")
    logging.getLogger("discord.http").debug("payload")
    logging.getLogger("sqlalchemy.engine.Engine").info("SELECT")
    logging.getLogger("discord.gateway").info("connected")
    logging.getLogger("bot.test").debug("ours")
    assert [line.split()[-1] for line in stream.getvalue().splitlines()] == ["connected", "ours"]
