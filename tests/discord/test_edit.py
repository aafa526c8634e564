"""Edit opens a form with the earlier values, and again with refused ones, also after a restart."""

from __future__ import annotations

import pytest

from bot.services.rate_limits import WRITES_PER_PERSON
from demo.fake_comfydeploy.deployments import CAPTION_ID
from tests.discord.actors import block, moderator, submit
from tests.discord.deployments import ONE
from tests.discord.rendered import CHECKBOX, RADIO_GROUP, fields, filled, text_of
from tests.harness import Harness


async def test_an_edit_changes_what_was_typed_and_keeps_the_rest(bot: Harness) -> None:
    message = await bot.made(seed=7, style="ink", gpu="L4")
    form = await bot.alice.click(message, label="Edit")
    shown = fields(form.modal)
    assert list(shown) == ["prompt", "negative", "style", "seed", "width"]
    assert (shown["prompt"]["value"], shown["seed"]["value"]) == ("a fox", "7")
    assert [each["value"] for each in shown["style"]["options"] if each.get("default")] == ["ink"]
    await bot.restart()
    sent = await bot.alice.submit_modal(form, {**filled(form.modal), "prompt": "a wolf"})
    assert not sent.ephemeral
    await bot.play()
    first, second = (call.body for call in bot.calls)
    assert second["inputs"] == first["inputs"] | {"prompt": "a wolf"}
    assert second["gpu"] == "L4"
    parent, child = await bot.runs()
    assert (child.request.parent_key, child.request.prompt) == (parent.key, "a wolf")


@pytest.mark.bot(deployments=f'{ONE}inputs.style.choices = ["photo", "ink", "oil"]\n')
async def test_a_yes_or_no_is_a_checkbox_and_a_short_choice_has_radio_buttons(bot: Harness) -> None:
    message = await bot.made(hires=True, style="ink")
    form = await bot.alice.click(message, label="Edit")
    shown = fields(form.modal)
    assert (shown["hires"]["type"], shown["hires"]["default"]) == (CHECKBOX, True)
    assert (shown["style"]["type"], filled(form.modal)["style"]) == (RADIO_GROUP, "ink")
    await bot.restart()
    await submit(bot, form, {**filled(form.modal), "hires": False, "style": "oil"})
    first, second = (call.body["inputs"] for call in bot.calls)
    assert second == first | {"hires": False, "style": "oil"}


async def test_every_mistake_is_told_and_nothing_typed_is_lost(bot: Harness) -> None:
    message = await bot.made()
    form = await bot.alice.click(message, label="Edit")
    typed = {"prompt": "a wolf", "width": "99999", "height": "x", "seed": "y"}
    refused = await bot.alice.submit_modal(form, filled(form.modal) | typed)
    assert refused.ephemeral
    assert text_of(bot, refused.response).splitlines() == [
        "`seed` needs a whole number, not “y”.",
        "`width` is 99999, but must be at most 1536.",
        "`height` needs a whole number, not “x”.",
    ]
    again = await bot.alice.click(refused.response.message, label="Edit again")
    shown = fields(again.modal)
    assert {name: shown[name]["value"] for name in typed} == typed
    await submit(bot, again, filled(again.modal) | {"width": "512", "height": "", "seed": ""})
    assert bot.calls[-1].body["inputs"]["width"] == 512
    assert len(bot.calls) == 2
    await bot.restart()  # which forgets what was typed
    again = await bot.alice.click(refused.response.message, label="Edit again")
    assert fields(again.modal)["prompt"]["value"] == "a fox"


async def test_a_text_too_long_for_a_form_goes_as_a_file(bot: Harness) -> None:
    message = await bot.made(prompt="fox " * 1200)
    form = await bot.alice.click(message, label="Edit")
    assert fields(form.modal)["prompt"]["custom_id"] == "prompt.txt"
    text = "wolf " * 1000 + "the end"
    ready = await bot.alice.submit_modal(form, {"prompt.txt": ("prompt.txt", text.encode())})
    assert len(bot.calls) == 1
    (answer,) = ready.followups or [ready.response]
    await bot.click(answer.message, "Send")
    assert bot.calls[-1].body["inputs"]["prompt"] == text


async def test_a_file_that_is_no_text_is_refused_with_the_other_mistakes(bot: Harness) -> None:
    message = await bot.made(prompt="fox " * 1200)
    form = await bot.alice.click(message, label="Edit")
    typed = {"prompt.txt": ("a.png", b"\x89PNG\xff\xfe"), "width": "9"}
    sent = await bot.alice.submit_modal(form, filled(form.modal) | typed)
    (answer,) = sent.followups or [sent.response]
    assert text_of(bot, answer).splitlines() == [
        "`prompt`: that file isn't plain text. Please attach one that is.",
        "`width` is 9, but must be at least 256.",
    ]
    again = await bot.alice.click(answer.message, label="Edit again")
    assert fields(again.modal)["width"]["value"] == "9"
    assert len(bot.calls) == 1


async def test_no_text_is_downloaded_for_a_form_that_a_rule_refuses(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusals count, and the text isn't lost."""
    message = await bot.made(prompt="fox " * 1200)
    bot.clock.move(minutes=1)
    *forms, last = [await bot.alice.click(message, label="Edit") for _ in range(WRITES_PER_PERSON + 1)]
    http, downloaded = bot.app.bot.http, list[str]()
    download = http.get_from_cdn

    async def counted(url: str) -> bytes:
        downloaded.append(url)
        return await download(url)

    monkeypatch.setattr(http, "get_from_cdn", counted)
    await block(bot, bot.alice)
    text = "wolf " * 1000 + "the end"
    for form in forms:
        refused = await bot.alice.submit_modal(form, {"prompt.txt": ("prompt.txt", text.encode())})
        assert "blocked you from generating on this server: spam" in text_of(bot, refused.response)
    slowed = await bot.alice.submit_modal(last, {"prompt.txt": ("prompt.txt", text.encode())})
    assert "You're going too fast. Please try again in a minute." in text_of(bot, slowed.response)
    assert downloaded == []
    refusals = [line.outcome for line in await bot.audit() if line.action == "refusal"]
    assert refusals == ["blocked"] * WRITES_PER_PERSON
    await moderator(bot).slash(bot.channel, "unblock", user=bot.alice)
    bot.clock.move(minutes=1)
    again = await bot.alice.click(slowed.response.message, label="Edit again")
    ready = await bot.alice.submit_modal(again, {})
    (answer,) = ready.followups or [ready.response]
    await bot.click(answer.message, "Send")
    assert bot.calls[-1].body["inputs"]["prompt"] == text
    assert len(downloaded) == 1


@pytest.mark.bot(comfydeploy_deployment_id=CAPTION_ID)
async def test_a_form_with_space_offers_the_gpu(bot: Harness) -> None:
    message = await bot.made(gpu="L4")
    form = await bot.alice.click(message, label="Edit")
    shown = fields(form.modal)
    assert list(shown) == ["prompt", "seed", "gpu"]
    assert [each["value"] for each in shown["gpu"]["options"] if each.get("default")] == ["L4"]
    await submit(bot, form, {**filled(form.modal), "gpu": ["T4"]})
    assert bot.calls[-1].body["gpu"] == "T4"
