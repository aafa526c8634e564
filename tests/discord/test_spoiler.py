"""Results behind a click: pictures, files and words; always, or where a channel is not age-restricted."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.standin.deployments import CAPTION_ID
from tests.discord.court import mark_adult, ruled
from tests.discord.files import bucket, song
from tests.discord.seen import hidden, text_of
from tests.stage import stage
from tests.web.service import run_under_way


@pytest.mark.parametrize(
    ("mode", "plain", "adult"),
    [("never", False, False), ("always", True, True), ("not_age_restricted", True, False)],
)
async def test_pictures_hide_as_the_server_set_it(
    tmp_path: Path, mode: str, plain: bool, adult: bool
) -> None:
    async with stage(tmp_path) as s:
        await ruled(s, spoiler=mode)
        marked = s.guild.create_text_channel("adult")
        await s.env.settle()
        mark_adult(s, marked)
        for channel, expected in ((s.channel, plain), (marked, adult)):
            await s.alice.slash(channel, "generate", prompt="a fox")
            await s.play()
            assert hidden(s, s.messages(channel)[-1]) == [expected]


async def test_words_hide_as_well(tmp_path: Path) -> None:
    async with stage(tmp_path, comfydeploy_deployment_id=CAPTION_ID) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        assert "||" not in text_of(s, s.messages()[-1])
        await ruled(s, spoiler="always")
        s.clock.move(seconds=1)
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        shown = text_of(s, s.messages()[-1])
        assert shown.count("||") == 2


async def test_files_that_stand_alone_hide_by_their_name(tmp_path: Path) -> None:
    async with bucket({"a.wav": (song(), "audio/wav")}) as base, run_under_way(tmp_path) as caller:
        s = caller.stage
        async with s.app.store.database.write() as connection:
            await connection.exec_driver_sql("UPDATE runs SET spoiler = 1")
        item = {"url": f"{base}/a.wav", "filename": "a.wav", "type": "output"}
        output = {"id": "o", "data": {"files": [item]}, "node_meta": {"node_id": "9"}}
        assert (await caller.call(caller.event("success", outputs=[output])))[0] == 204
        await s.play()
        (attachment,) = s.messages()[0].attachments
        assert attachment.filename.startswith("SPOILER_")
