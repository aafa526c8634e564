"""Use as input: from any message with a picture, from a result, over restarts."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.deployments import EVERY_INPUT_ID, PICTURE_ID, VIDEO_ID
from tests.discord.actors import owner, press_behind, press_delete, submit
from tests.discord.deployments import ONE, described
from tests.discord.files import post_pictures
from tests.discord.follow_ups import BOTH, SMALL, let_open
from tests.discord.rendered import (
    buttons_of,
    fields,
    filled,
    raw_components,
    refusal,
    requests_to,
    stored,
    text_of,
    use_with,
    walk,
)
from tests.harness import Harness


async def test_a_picture_of_anybodys_message_becomes_an_input_without_a_question(bot: Harness) -> None:
    message = await post_pictures(bot, "cat.png")
    form = await bot.alice.context_menu(bot.channel, "Use as input", message)
    assert "image" not in fields(form.modal)
    assert not (await submit(bot, form, {"prompt": "a lion"})).ephemeral
    (call,) = bot.calls
    assert call.body["inputs"]["image"] == message.attachments[0].url
    assert call.body["inputs"]["prompt"] == "a lion"


async def test_a_form_of_the_menu_that_a_restart_overtakes_says_what_to_do(bot: Harness) -> None:
    message = await post_pictures(bot, "cat.png")
    form = await bot.alice.context_menu(bot.channel, "Use as input", message)
    await bot.restart()
    refused = await bot.alice.submit_modal(form, {"prompt": "a lion"})
    assert refusal(bot, refused) == (
        "I can't find that picture any more. Please use the message's menu once more."
    )
    assert bot.calls == []


async def test_of_several_pictures_one_is_chosen_also_after_a_restart(bot: Harness) -> None:
    message = await post_pictures(bot, "cat.png", "dog.png")
    offered = await bot.alice.context_menu(bot.channel, "Use as input", message)
    assert offered.ephemeral
    await bot.restart()
    form = await bot.alice.click(offered.response.message, custom_id="draft::default:1::")
    await bot.restart()
    await submit(bot, form, {"prompt": "a lion"})
    assert [call.body["inputs"]["image"] for call in bot.calls] == [message.attachments[1].url]


THIRTY = "".join(
    f'[deployments.d{number}]\ndeployment_id = "{PICTURE_ID[:-2]}{number:02}"\ngroup = "g{number % 2}"\n'
    "inputs.image.kind = 'image'\ninputs.prompt.kind = 'text'\n"
    for number in range(30)
)


@pytest.mark.bot(deployments=THIRTY)
async def test_each_of_thirty_deployments_can_take_a_picture(bot: Harness) -> None:
    message = await post_pictures(bot, "cat.png")
    offered = (await bot.alice.context_menu(bot.channel, "Use as input", message)).response.message
    ids = [part["custom_id"] for part in walk(raw_components(bot, offered)) if part.get("options")]
    targets = [use_with(bot, offered, f"d{number}") for number in range(30)]
    assert [len(each) for each in targets] == [1] * 30
    form = await bot.alice.select(offered, targets[29], custom_id=ids[1])
    assert form.modal["title"].startswith("New from this picture")


async def test_a_result_is_used_by_its_button_and_is_the_parent(bot: Harness) -> None:
    message = await bot.made()
    await bot.restart()
    form = await press_behind(bot, message, "Use as input", bot.bob)
    await bot.restart()
    await submit(bot, form, {"prompt": "a fox at night"}, bot.bob)
    assert bot.calls[-1].body["inputs"]["image"].startswith("https://")
    parent, child = await bot.runs()
    assert child.request.parent_key == parent.key


HIDDEN = ("negative", "seed", "width", "height", "style", "guidance", "hires")
ONLY_A_PICTURE = (
    f'{ONE}gpus = ["L4"]\n[deployments.picture.inputs]\nprompt = {{ fixed = "a fox" }}\n'
    + "".join(f"{key} = {{ hidden = true }}\n" for key in HIDDEN)
)


@pytest.mark.bot(deployments=ONLY_A_PICTURE)
async def test_without_other_inputs_the_menu_starts_the_run(bot: Harness) -> None:
    message = await post_pictures(bot, "cat.png")
    assert not (await bot.alice.context_menu(bot.channel, "Use as input", message)).ephemeral
    await bot.play()
    assert [call.body["inputs"]["image"] for call in bot.calls] == [message.attachments[0].url]


@pytest.mark.bot(deployments=described(picture=PICTURE_ID, every=EVERY_INPUT_ID))
async def test_with_several_deployments_one_is_chosen(bot: Harness) -> None:
    message = await post_pictures(bot, "cat.png")
    offered = await bot.alice.context_menu(bot.channel, "Use as input", message)
    form = await bot.alice.select(offered.response.message, ["draft::picture:0::"])
    await submit(bot, form, {"prompt": "a lion"})
    assert (await bot.run()).request.deployment == "picture"


async def test_a_refused_form_keeps_the_picture_and_what_was_typed(bot: Harness) -> None:
    message = await post_pictures(bot, "cat.png")
    form = await bot.alice.context_menu(bot.channel, "Use as input", message)
    refused = await bot.alice.submit_modal(form, {"prompt": "a lion", "width": "9"})
    assert "but must be at least 256" in text_of(bot, refused.response)
    again = await bot.alice.click(refused.response.message, label="Edit and try again")
    (prompt, *_) = again.modal["components"]
    assert prompt["component"]["value"] == "a lion"
    await submit(bot, again, {"prompt": "a lion", "width": "256"})
    assert bot.calls[-1].body["inputs"]["image"] == message.attachments[0].url


@pytest.mark.bot(deployments=described(film=VIDEO_ID))
async def test_the_menu_follows_the_file(bot: Harness) -> None:
    def names() -> list[str]:
        found = requests_to(bot, "PUT", "/commands")[-1].json
        return [command["name"] for command in found if command["type"] == 3]

    olga = owner(bot)
    assert names() == []
    bot.runner.write_deployments(described(film=VIDEO_ID, picture=PICTURE_ID))
    await olga.slash(bot.channel, "reload")
    assert names() == ["Use as input"]
    form = await bot.alice.context_menu(bot.channel, "Use as input", await post_pictures(bot, "cat.png"))
    await submit(bot, form, {"prompt": "a lion"})
    assert (await bot.run()).request.deployment == "picture"
    await bot.restart(command_guild_ids=(bot.guild.id,))
    assert names() == ["Use as input"]
    bot.app.bot.owner_id = olga.id
    bot.runner.write_deployments(described(film=VIDEO_ID))
    await olga.slash(bot.channel, "reload")
    assert names() == []


GONE = "The result that this needs was deleted, so nothing was started."


async def test_a_deleted_result_is_refused_before_the_form_opens(bot: Harness) -> None:
    message = await bot.made()
    more = (await bot.bob.click(message, label="⋯ More")).response.message
    form = await bot.bob.click(more, label="Use as input")
    await press_delete(bot, message, bot.alice)
    refused = await bot.bob.click(more, label="Use as input")
    assert refused.modal is None
    assert refusal(bot, refused) == GONE
    # The form was opened before the deletion.
    assert refusal(bot, await bot.bob.submit_modal(form, {"prompt": "a lion"})) == GONE
    await bot.play()
    assert len(bot.calls) == 1


async def test_of_a_batch_only_the_deleted_picture_is_refused(bot: Harness) -> None:
    message = await bot.made(count=2)
    first, second = await bot.keys()
    offered = await bot.alice.context_menu(bot.channel, "Use as input", message)
    one = await bot.alice.click(message, label="1")
    await press_delete(bot, one.response.message, bot.alice)
    gone = await bot.alice.click(offered.response.message, custom_id=f"draft:{first}:default:0::")
    assert refusal(bot, gone) == GONE
    form = await bot.alice.click(offered.response.message, custom_id=f"draft:{second}:default:1::")
    await submit(bot, form, {"prompt": "a lion"})
    assert second in bot.calls[-1].body["inputs"]["image"]


async def test_a_picture_behind_an_address_of_another_application_is_not_taken(bot: Harness) -> None:
    """The address could serve another picture once a moderator has approved this one."""
    message = await bot.bob.send(bot.channel, "look")
    media = {"url": "https://elsewhere.example/cat.png", "content_type": "image/png"}
    stored(bot, message).components = [{"type": 12, "items": [{"media": media}]}]
    refused = await bot.alice.context_menu(bot.channel, "Use as input", message)
    assert "This message has no picture" in refusal(bot, refused)


@pytest.mark.bot(comfydeploy_deployment_id=VIDEO_ID)
async def test_without_a_deployment_that_takes_pictures_nothing_is_offered(bot: Harness) -> None:
    more = await bot.alice.click(await bot.made(), label="⋯ More")
    assert "Use as input" not in buttons_of(bot, more.response)
    assert bot.env.backend.find_command("generate", bot.guild.id, type=1)
    names = [command.name for command in bot.app.bot.tree.get_commands()]
    assert "Use as input" not in names


@pytest.mark.bot(deployments=BOTH)
@pytest.mark.parametrize("by", ["the message's menu", "More"])
async def test_the_form_begins_with_the_inputs_of_the_pictures_origin_without_its_seed(
    bot: Harness, by: str
) -> None:
    let_open(bot)
    original = await bot.made(**SMALL, prompt="a lion", style="ink", seed=7)
    await bot.click(original, "Upscale")
    upscaled = bot.messages()[-1]
    assert "> a lion" in text_of(bot, upscaled)
    if by == "More":
        offered = await press_behind(bot, upscaled, "Use as input", bot.bob)
    else:
        offered = await bot.bob.context_menu(bot.channel, "Use as input", upscaled)
    key = (await bot.runs())[-1].key
    form = await bot.bob.select(offered.response.message, [f"draft:{key}:picture:0::"])
    assert form.modal["title"] == "New from this picture"
    shown = fields(form.modal)
    assert shown["prompt"]["value"] == "a lion"
    assert filled(form.modal)["style"] == ["ink"]
    await submit(bot, form, filled(form.modal), bot.bob)
    sent = bot.calls[-1].body["inputs"]
    assert (sent["prompt"], sent["style"], sent["image"]) == ("a lion", "ink", upscaled.attachments[0].url)
    assert sent["seed"] != 7
