"""Files of the wrong kind are refused before anything is spent, however they get into a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from bot.memory import WRITES_PER_PERSON
from demo.fake_comfydeploy.deployments import EVERY_INPUT_ID
from tests.discord.actors import block, pause
from tests.discord.deployments import described
from tests.discord.files import bucket, closing, png, song
from tests.discord.follow_ups import BOTH, SMALL
from tests.discord.forged import call
from tests.discord.moderated_server import set_rules
from tests.discord.rendered import buttons_of, filled, refusal, text_of, use_with
from tests.harness import Harness
from tests.sampling import every_nth
from tests.serving import serving

NOTES = ("notes.png", b"just some notes\n")
WRONG = "`image` needs a picture, but notes.png is a text file. Nothing was started."
Way = Callable[[Harness, Any], Awaitable[Any]]


async def by_command(bot: Harness, _message: Any) -> Any:
    return await bot.alice.slash(bot.channel, "generate picture", prompt="a fox", image=NOTES)


async def with_a_preset(bot: Harness, _message: Any) -> Any:
    return await bot.alice.slash(bot.channel, "generate picture", prompt="a fox", preset="noir", image=NOTES)


async def by_edit(bot: Harness, message: Any) -> Any:
    form = await bot.alice.click(message, label="Edit")
    return await bot.alice.submit_modal(form, filled(form.modal) | {"image": NOTES})


async def by_use_as_input(bot: Harness, _message: Any) -> Any:
    posted = await bot.bob.send(bot.channel, "look", attachments=[NOTES])
    offered = await bot.alice.context_menu(bot.channel, "Use as input", posted)
    form = await bot.alice.select(
        offered.response.message, use_with(bot, offered.response.message, "picture")
    )
    return await bot.alice.submit_modal(form, {"prompt": "a fox"})


async def by_message_command(bot: Harness, _message: Any) -> Any:
    posted = await bot.bob.send(bot.channel, "look", attachments=[NOTES])
    return await bot.alice.context_menu(bot.channel, "Upscale", posted)


async def by_follow_up_with_a_form(bot: Harness, _message: Any) -> Any:
    posted = await bot.bob.send(bot.channel, "look", attachments=[NOTES])
    form = await bot.alice.context_menu(bot.channel, "Animate", posted)
    return await bot.alice.submit_modal(form, {"motion": "pan"})


WAYS: dict[str, Way] = {
    way.__name__: way
    for way in (
        by_command,
        with_a_preset,
        by_edit,
        by_use_as_input,
        by_message_command,
        by_follow_up_with_a_form,
    )
}


@pytest.mark.bot(deployments=BOTH)
@pytest.mark.parametrize("way", every_nth(list(WAYS), 3))
async def test_a_text_that_is_named_like_a_picture_is_taken_nowhere(bot: Harness, way: str) -> None:
    message = await bot.made(**SMALL, image=("start.png", png()))
    await bot.alice.slash(bot.channel, "preset save", name="noir")
    refused = await WAYS[way](bot, message)
    refusal(bot, refused)
    assert text_of(bot, refused.response) == WRONG
    # Editing again can help only if the form has the file.
    assert bool(buttons_of(bot, refused.response)) is (way in ("by_edit", "by_command", "with_a_preset"))
    await bot.play()
    assert len(bot.calls) == len(await bot.runs()) == 1


@pytest.mark.parametrize(
    ("filename", "content", "sentence"),
    [
        ("run.png", b"MZ" + bytes(200), "but run.png is of the type `application/x-msdownload`."),
        ("song.jpg", song(), "but song.jpg is a sound file."),
        ("noise.webp", bytes(range(256)), "and noise.webp doesn't look like one."),
        ("clip.mp4", png(), "but clip.mp4 is a video."),
        ("notes.txt", png(), "but notes.txt is a text file."),
        ("report.pdf", b"%PDF-1.7", "but report.pdf is of the type `application/pdf`."),
        ("my_*file*.txt", b"x", r"but my\_\*file\*.txt is a text file."),
        ("unknown", bytes(range(256)), "and unknown doesn't look like one."),
        ("empty.png", b"", ""),
    ],
)
async def test_one_sentence_says_what_was_sent_and_what_is_needed(
    bot: Harness, filename: str, content: bytes, sentence: str
) -> None:
    refused = await bot.alice.slash(bot.channel, "generate", prompt="a fox", image=(filename, content))
    needs = f"`image` needs a picture, {sentence} Nothing was started."
    empty = "empty.png is empty. Please attach another file."
    assert refusal(bot, refused) == (needs if sentence else empty)
    assert bot.calls == []
    assert await bot.runs() == []


@pytest.mark.parametrize("filename", ["a.png", "a.jpg", "without an ending"])
async def test_a_picture_is_taken_whatever_its_name(bot: Harness, filename: str) -> None:
    await bot.ask(image=(filename, png()))
    assert len(bot.calls) == 1


FILES = ("imagealpha", "imagebatch", "video", "exr", "audio", "file")
EVERY = described(every=EVERY_INPUT_ID) + "".join(f"inputs.{name}.required = false\n" for name in FILES)


@pytest.mark.bot(deployments=EVERY)
@pytest.mark.parametrize(
    ("option", "needed"), [("video", "a video"), ("audio", "a sound file"), ("imagebatch2", "a picture")]
)
async def test_videos_and_sounds_are_checked_too(bot: Harness, option: str, needed: str) -> None:
    name = {"video": "a.mp4", "audio": "a.wav", "imagebatch2": "a.png"}[option]
    pictures = {"imagebatch1": ("b.png", png())} if option == "imagebatch2" else {}
    given = {**pictures, option: (name, b"some notes"), "file": (name, b"any file")}
    refused = await bot.alice.slash(bot.channel, "generate", prompt="a fox", **given)
    assert (
        refusal(bot, refused) == f"`{option}` needs {needed}, but {name} is a text file. Nothing was started."
    )
    assert bot.calls == []


async def ask_with(bot: Harness, url: str, **described: Any) -> Any:
    """Send a request with a file that Discord describes in this way."""
    attachment = {"id": "55", "filename": "cat.png", "size": 9, "url": url, "proxy_url": url, **described}
    options = [
        {"name": "prompt", "type": 3, "value": "a lion"},
        {"name": "image", "type": 11, "value": "55"},
    ]
    asked = await call(bot, bot.alice, "generate", options, {"attachments": {"55": attachment}})
    await bot.play()
    return asked


NOWHERE = "http://127.0.0.1:9/cat"
PICTURE = {"content_type": "image/png"}


async def test_a_file_that_can_not_be_read_is_not_refused_if_discord_calls_it_a_picture(
    bot: Harness,
) -> None:
    await ask_with(bot, NOWHERE, **PICTURE)
    assert [each.body["inputs"]["image"] for each in bot.calls] == [NOWHERE]


async def test_a_file_of_which_nobody_knows_the_type_is_refused(bot: Harness) -> None:
    refused = await ask_with(bot, NOWHERE, filename="cat")
    assert (
        refusal(bot, refused)
        == "`image` needs a picture, and cat doesn't look like one. Nothing was started."
    )
    assert bot.calls == []


async def test_what_discord_has_measured_is_not_read_again(bot: Harness) -> None:
    async with bucket({"cat": (b"some notes", "image/png")}) as address:
        refused = await ask_with(bot, f"{address}/cat", **PICTURE)
        assert "cat.png is a text file" in refusal(bot, refused)
        assert bot.calls == []
        await ask_with(bot, f"{address}/cat", **PICTURE, width=8, height=8)
        assert len(bot.calls) == 1


async def test_the_first_bytes_tell_what_discord_does_not_know(bot: Harness) -> None:
    async with bucket({"cat": (png(), "text/plain")}) as address:
        await ask_with(bot, f"{address}/cat", filename="cat")
    assert len(bot.calls) == 1


async def answers_to_notes(bot: Harness, times: int) -> tuple[list[str], int]:
    """Send requests with a text that is named like a picture; return their answers and the downloads."""
    downloads: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        downloads.append(request.path)
        return closing(web.Response(body=b"some notes"))

    async with serving(serve) as address:
        answers = [refusal(bot, await ask_with(bot, f"{address}/cat", **PICTURE)) for _ in range(times)]
    return answers, len(downloads)


async def test_a_user_with_wrong_files_is_slowed_down(bot: Harness) -> None:
    answers, downloads = await answers_to_notes(bot, WRITES_PER_PERSON + 1)
    assert all("cat.png is a text file" in answer for answer in answers[:-1])
    assert answers[-1] == "You're going too fast. Please try again in a minute."
    assert downloads == WRITES_PER_PERSON


async def blocked(bot: Harness) -> None:
    await block(bot, bot.alice)


async def without_the_role(bot: Harness) -> None:
    await set_rules(bot, deployment_roles={"default": [1]})


RULES = {"blocked": blocked, "paused": pause, "deployment_role_none": without_the_role}


@pytest.mark.parametrize("code", RULES)
async def test_no_file_is_downloaded_if_a_rule_refuses_the_request_anyway(bot: Harness, code: str) -> None:
    await RULES[code](bot)
    (answer,), downloads = await answers_to_notes(bot, 1)
    assert "cat.png" not in answer
    assert downloads == 0
    (entry,) = [each for each in await bot.audit() if each.action == "refusal"]
    assert (entry.outcome, entry.subject_id, entry.deployment) == (code, bot.alice.id, "default")
