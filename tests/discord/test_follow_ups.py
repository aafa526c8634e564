"""Follow-ups: in one press, with a form, of a batch, behind More, on any picture, over restarts."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from demo.fake_comfydeploy.deployments import SLOW_ID
from tests.discord.actors import (
    block,
    delete,
    erase_data,
    open_details,
    override,
    owner,
    pause,
    press_behind,
    submit,
)
from tests.discord.deployments import described
from tests.discord.files import bucket, png, post_pictures
from tests.discord.follow_ups import ANIMATE, BOTH, MANY, PICTURE, SMALL, TARGETS, UPSCALE, let_open
from tests.discord.moderated_server import ModeratedServer, mark_adult, set_rules
from tests.discord.rendered import (
    buttons_of,
    fields,
    filled,
    galleries_of,
    menus,
    raw_components,
    refusal,
    requests_to,
    stored,
    text_of,
)
from tests.harness import Harness

AT_ONCE = ANIMATE.replace('ask = ["motion"]\n', "")
OF_ANOTHER = described(second=SLOW_ID) + AT_ONCE.replace("deployments.picture", "deployments.second")
pytestmark = pytest.mark.bot(deployments=BOTH)


async def made(bot: Harness, **options: Any) -> Any:
    """Return a small result of Alice's."""
    return await bot.made(**{**SMALL, **options})


def sent(bot: Harness) -> dict[str, Any]:
    """Return the inputs of the last queue call."""
    found: dict[str, Any] = bot.calls[-1].body["inputs"]
    return found


async def size_of(message: Any) -> tuple[int, int]:
    with Image.open(io.BytesIO(await message.attachments[0].read())) as image:
        return image.size


async def test_one_press_enlarges_a_result_after_a_restart_and_links_to_it(bot: Harness) -> None:
    message = await made(bot)
    assert list(buttons_of(bot, message)) == ["Upscale", "Animate", "Again", "4 more", "Edit", "⋯ More"]
    await bot.restart()
    let_open(bot)
    assert not (await bot.click(message, "Upscale")).ephemeral
    assert sent(bot) == {"image": message.attachments[0].url}
    parent, child = await bot.runs()
    assert (child.request.parent_key, child.request.deployment) == (parent.key, "upscale")
    result = bot.messages()[-1]
    width, height = await size_of(message)
    assert await size_of(result) == (2 * width, 2 * height)
    link = f"https://discord.com/channels/{bot.guild.id}/{bot.channel.id}/{message.id}"
    shown = text_of(bot, result)
    assert f"Made from [an earlier result]({link}) · {2 * width} × {2 * height}" in shown
    assert "> a fox" in shown
    details = await open_details(result, bot.bob)
    assert f"made from [`{parent.key}`]({link})" in text_of(bot, details.response)


async def test_an_enlarged_picture_is_animated_with_the_prompt_of_the_original(bot: Harness) -> None:
    let_open(bot)
    await bot.click(await made(bot, prompt="a lion"), "Upscale")
    enlarged = bot.messages()[-1]
    assert list(buttons_of(bot, enlarged)) == ["Animate", "Again", "Edit", "⋯ More"]
    await bot.restart()
    form = await bot.bob.click(enlarged, label="Animate")
    assert list(fields(form.modal)) == ["motion"]
    await submit(bot, form, {"motion": "pan"}, bot.bob)
    assert sent(bot) == {"image": enlarged.attachments[0].url, "prompt": "a lion", "motion": "pan"}
    assert list(buttons_of(bot, bot.messages()[-1])) == ["Again", "Edit", "⋯ More"]


async def test_a_form_asks_first_and_the_prompt_is_carried_over(bot: Harness) -> None:
    message = await made(bot, prompt="a lion")
    form = await bot.alice.click(message, label="Animate")
    assert form.modal["title"] == "Animate"
    assert list(fields(form.modal)) == ["motion"]
    await bot.restart()
    await set_rules(bot, words={"blocked": ["lion"]})
    refused = await bot.alice.submit_modal(form, {"motion": "pan"})
    assert "Your **prompt** has a word" in text_of(bot, refused.response)
    assert len(bot.calls) == 1
    assert buttons_of(bot, refused.response) == {}  # the form doesn't ask for the prompt
    await set_rules(bot)
    form = await bot.alice.click(message, label="Animate")
    await submit(bot, form, {"motion": "pan"})
    assert sent(bot) == {"image": message.attachments[0].url, "prompt": "a lion", "motion": "pan"}
    assert "> a lion" in text_of(bot, bot.messages()[-1])


async def test_one_of_a_batch_is_opened_and_followed(bot: Harness) -> None:
    message = await made(bot, count=2)
    assert "Upscale" not in buttons_of(bot, message)
    one = await bot.alice.click(message, label="2")
    labels = [
        "Upscale",
        "Animate",
        "Again",
        "4 more",
        "Edit",
        "Use as input",
        "Post",
        "Save preset",
        "Details",
        "Delete",
    ]
    assert list(buttons_of(bot, one.response)) == labels
    await bot.restart()
    await bot.click(one.response.message, "Upscale")
    _, second, child = await bot.runs()
    assert child.request.parent_key == second.key
    assert second.key in sent(bot)["image"]


@pytest.mark.bot(deployments=MANY)
async def test_more_than_three_are_behind_more(bot: Harness) -> None:
    message = await made(bot)
    assert list(buttons_of(bot, message)) == ["2×", "3×", "4×", "Again", "4 more", "Edit", "⋯ More"]
    more = await bot.alice.click(message, label="⋯ More")
    assert list(buttons_of(bot, more.response)) == ["Use as input", "Save preset", "Details", "Delete"]
    labelled = dict(menus(bot, more.response.message)["Choose a follow-up"])
    assert [*labelled] == ["2×", "3×", "4×", "Upscale", "Animate"]
    await bot.restart()
    await bot.alice.select(more.response.message, [labelled["Upscale"]])
    await bot.play()
    assert "scale" not in sent(bot)
    offered = await press_behind(bot, more.response.message, "Use as input", bot.alice)
    assert list(menus(bot, offered.response.message)) == ["Choose what to do with it"]


async def test_a_press_is_judged_like_a_command(bot: Harness) -> None:
    message = await made(bot)

    async def told() -> str:
        return refusal(bot, await bot.click(message, "Upscale"))

    await set_rules(bot, deployment_roles={"upscale": [4242]})
    assert (await told()).startswith("Your roles can't use this.")
    await set_rules(bot, budgets={"person": {"runs_a_day": 1}})
    assert (await told()).startswith("You have reached today's limit of 1.")
    await pause(bot)
    assert "paused for the moment: moving" in await told()
    await block(bot, bot.alice)
    assert "You can't generate on this server" in await told()
    override(bot, {bot.alice.user: False})
    await bot.later(minutes=2)
    assert "don't let you use this here" in await told()
    assert len(bot.calls) == 1


async def test_a_second_press_starts_nothing_in_whichever_message(bot: Harness) -> None:
    message = await made(bot, count=2)
    one, same = [(await bot.alice.click(message, label="1")).response.message for _ in range(2)]
    await bot.alice.click(one, label="Upscale")
    assert "You've just pressed this." in refusal(bot, await bot.click(same, "Upscale"))
    forms = [await bot.alice.click(one, label="Animate") for _ in range(2)]
    _, second = [await bot.alice.submit_modal(form, {"motion": "pan"}) for form in forms]
    assert "You've just pressed this." in refusal(bot, second)
    await bot.play()
    assert len(bot.calls) == 4


async def test_it_waits_for_approval_with_its_picture(server: ModeratedServer) -> None:
    await server.ask(**SMALL)
    await server.decide("Approve")
    (message,) = server.messages()
    assert (await server.click(message, "Upscale")).ephemeral
    assert len(server.calls) == 1
    assert len(galleries_of(server, server.card)) == 1
    await server.restart()
    let_open(server)
    await server.decide("Approve")
    assert len(server.calls) == 2
    width, height = await size_of(message)
    assert await size_of(server.messages()[-1]) == (2 * width, 2 * height)


@pytest.mark.bot(deployments=BOTH.replace(UPSCALE, f"age_restricted = true\n{UPSCALE}"))
async def test_its_card_only_links_to_an_age_restricted_picture(server: ModeratedServer) -> None:
    mark_adult(server, server.channel)
    await server.ask(**SMALL)
    await server.decide("Approve")
    (message,) = server.messages()
    name = message.attachments[0].filename
    async with bucket({name: (png(), "image/png")}) as host:
        stored(server, message).attachments[0]["url"] = f"{host}/{name}"
        await server.alice.click(message, label="Upscale")
        mark_adult(server, server.channel, marked=False)
        await server.play()
    assert galleries_of(server, server.card) == []
    assert f"[{name}]({host}/{name}) isn't shown" in server.verdict


async def test_a_target_that_is_gone_is_told_and_nothing_is_spent(bot: Harness) -> None:
    message = await made(bot)
    no_input = BOTH.replace('label = "Upscale"', 'label = "Upscale"\ninput = "photo"')
    await bot.restart(deployments=no_input)
    told = "This isn't offered any more, so nothing was started. More under a result shows what is."
    assert refusal(bot, await bot.click(message, "Upscale")) == told
    await bot.restart(deployments=f"{PICTURE}{UPSCALE}")
    gone = refusal(bot, await bot.click(message, "Upscale"))
    assert gone.startswith("That deployment isn't offered any more.")
    assert len(bot.calls) == 1


async def test_a_button_starts_nothing_under_another_label_and_more_has_the_new_one(bot: Harness) -> None:
    message = await made(bot)
    replaced = UPSCALE.replace('label = "Upscale"', 'label = "Restore"').replace("🔍", "🩹")
    await bot.restart(deployments=f"{PICTURE}{replaced}{ANIMATE}{TARGETS}")
    told = "This isn't offered any more, so nothing was started. More under a result shows what is."
    assert refusal(bot, await bot.click(message, "Upscale")) == told
    assert len(bot.calls) == 1
    more = await bot.alice.click(message, label="⋯ More")
    labelled = dict(menus(bot, more.response.message)["Choose a follow-up"])
    assert [*labelled] == ["Restore", "Animate"]
    await bot.alice.select(more.response.message, [labelled["Restore"]])
    await bot.play()
    assert len(bot.calls) == 2


@pytest.mark.parametrize("by_bot", [True, False])
async def test_a_result_that_was_deleted_is_told_and_nothing_is_spent(bot: Harness, by_bot: bool) -> None:
    message = await made(bot, count=2)
    one = (await bot.alice.click(message, label="1")).response.message
    if by_bot:
        await delete(bot, message)
        told = "The result that this needs was deleted, so nothing was started."
    else:
        bot.env.backend.delete_message(bot.channel.id, message.id)
        told = "I can't find the file of this result. Attach it to a new request."
    for label in ("Upscale", "Animate"):  # at once, and with a form
        assert refusal(bot, await bot.click(one, label)) == told
    assert len(bot.calls) == 2


async def test_a_form_for_a_result_deleted_meanwhile_is_not_offered_again(bot: Harness) -> None:
    message = await made(bot, count=2)
    one = (await bot.alice.click(message, label="1")).response.message
    form = await bot.alice.click(one, label="Animate")
    await delete(bot, message)
    refused = await bot.alice.submit_modal(form, {"motion": "pan"})
    assert refusal(bot, refused) == "The result that this needs was deleted, so nothing was started."
    assert len(bot.calls) == 2


@pytest.mark.parametrize("action", ["Again", "Edit"])
async def test_a_follow_up_is_not_repeated_once_its_original_was_deleted(bot: Harness, action: str) -> None:
    let_open(bot)
    original = await made(bot)
    await bot.click(original, "Upscale")
    upscaled = bot.messages()[-1]
    form = await bot.alice.click(upscaled, label="Edit")
    await delete(bot, original)
    told = "The result that this needs was deleted, so nothing was started."
    if action == "Again":
        assert refusal(bot, await bot.click(upscaled, "Again")) == told
    else:
        sent = await submit(bot, form, filled(form.modal))
        assert told in text_of(bot, sent.response)
        again = await bot.alice.click(upscaled, label="Edit")
        (label,) = [each for each in again.modal["components"] if each["component"]["custom_id"] == "image"]
        assert label["component"]["required"]
        assert label["description"] == "The earlier file was deleted. Please attach another."
    assert len(bot.calls) == 2


@pytest.mark.parametrize("content", [b"just some notes\n", b"", None], ids=["text", "empty", "deleted"])
async def test_a_refused_file_is_not_kept_in_place_of_a_deleted_one(
    bot: Harness, content: bytes | None
) -> None:
    let_open(bot)
    original = await made(bot)
    deleted = original.attachments[0].filename, await original.attachments[0].read()
    await bot.click(original, "Upscale")
    upscaled = bot.messages()[-1]
    await delete(bot, original)
    form = await bot.alice.click(upscaled, label="Edit")
    wrong = deleted if content is None else ("note.png", content)
    sent = await submit(bot, form, filled(form.modal) | {"image": wrong})
    for values in ({"image": wrong}, {"image": ("cat.png", png())}):
        again = await bot.alice.click(sent.response.message, label="Edit and try again")
        (label,) = [each for each in again.modal["components"] if each["component"]["custom_id"] == "image"]
        assert label["component"]["required"]
        assert label["description"] == "The earlier file was deleted. Please attach another."
        sent = await submit(bot, again, filled(again.modal) | values)
    assert len(bot.calls) == 3


@pytest.mark.parametrize("by_button", [True, False])
async def test_a_result_whose_prompt_was_erased_is_not_followed_with_a_default(
    bot: Harness, by_button: bool
) -> None:
    message = await made(bot)
    await erase_data(bot)
    if by_button:
        refused = await bot.click(message, "Animate")
    else:
        refused = await bot.alice.context_menu(bot.channel, "Animate", message)
    assert refusal(bot, refused).startswith("The data of this request was deleted, so it can't be repeated.")
    assert len(bot.calls) == 1


@pytest.mark.bot(deployments=f"{PICTURE}{AT_ONCE}{OF_ANOTHER}{TARGETS}")
@pytest.mark.parametrize("by_button", [True, False])
async def test_a_result_whose_deployment_was_removed_is_not_followed_with_a_default(
    bot: Harness, by_button: bool
) -> None:
    """Another deployment has a follow-up with the same label and the same target."""
    message = await made(bot, prompt="a lion")
    await bot.restart(deployments=f"{OF_ANOTHER}{TARGETS}")
    let_open(bot)
    if by_button:
        refused = await bot.click(message, "Animate")
    else:
        refused = await bot.alice.context_menu(bot.channel, "Animate", message)
        await bot.play()
    told = "This isn't offered any more, so nothing was started. More under a result shows what is."
    assert refusal(bot, refused) == told
    assert len(bot.calls) == 1


async def test_a_message_command_follows_any_picture_in_one_step(bot: Harness) -> None:
    let_open(bot)
    message = await post_pictures(bot, "cat.png")
    assert not (await bot.alice.context_menu(bot.channel, "Upscale", message)).ephemeral
    await bot.play()
    assert sent(bot) == {"image": message.attachments[0].url}
    assert await size_of(bot.messages()[-1]) == (16, 16)
    text = await bot.bob.send(bot.channel, "look", attachments=[("notes.txt", b"words")])
    refused = await bot.alice.context_menu(bot.channel, "Upscale", text)
    assert "This message has no picture" in refusal(bot, refused)


async def test_a_message_command_lets_choose_a_picture_and_asks(bot: Harness) -> None:
    message = await post_pictures(bot, "cat.png", "dog.png")
    offered = await bot.alice.context_menu(bot.channel, "Animate", message)
    rows = [part["components"] for part in raw_components(bot, offered.response) if part["type"] == 1]
    _, second = [button["custom_id"] for row in rows for button in row]
    await bot.restart()
    form = await bot.alice.click(offered.response.message, custom_id=second)
    await submit(bot, form, {"motion": "pan"})
    assert sent(bot) == {"image": message.attachments[1].url, "motion": "pan"}


async def test_a_message_command_on_a_result_carries_its_prompt_and_age_mark(bot: Harness) -> None:
    await bot.restart(deployments=BOTH.replace(UPSCALE, f"age_restricted = true\n{UPSCALE}"))
    mark_adult(bot, bot.channel)
    message = await made(bot)
    form = await bot.bob.context_menu(bot.channel, "Animate", message)
    await submit(bot, form, {"motion": "pan"}, bot.bob)
    parent, child = await bot.runs()
    assert child.inputs["prompt"] == "a fox"
    assert (child.request.parent_key, child.request.requester_id) == (parent.key, bot.bob.id)
    assert child.request.age_restricted
    await bot.click(bot.messages()[-1], "Try again", bot.bob)
    offered = await bot.bob.context_menu(bot.channel, "Use as input", message)
    form = await bot.bob.select(offered.response.message, [f"draft:{parent.key}:upscale:0::"])
    await bot.bob.submit_modal(form, {})
    assert [run.request.age_restricted for run in await bot.runs()] == [True] * 4


async def test_message_commands_follow_the_file(bot: Harness) -> None:
    def names() -> list[str]:
        found = requests_to(bot, "PUT", "/commands")[-1].json
        return [command["name"] for command in found if command["type"] == 3]

    assert names() == ["Use as input", "Upscale", "Animate"]
    count = len(requests_to(bot, "PUT", "/commands"))
    await bot.restart()
    assert len(requests_to(bot, "PUT", "/commands")) == count
    bot.runner.write_deployments(MANY)
    olga = owner(bot)
    await olga.slash(bot.channel, "reload")
    assert names() == ["Use as input", "2×", "3×", "4×", "Upscale"]
    await bot.restart(command_guild_ids=(bot.guild.id,))
    bot.app.bot.owner_id = olga.id
    bot.runner.write_deployments(BOTH)
    await olga.slash(bot.channel, "reload")
    assert names() == ["Use as input", "Upscale", "Animate"]


@pytest.mark.parametrize("private", [False, True])
async def test_a_form_that_is_sent_after_the_deletion_of_its_picture_starts_nothing(
    bot: Harness, private: bool
) -> None:
    """Discord may offer message commands under ephemeral messages, as the offline Discord does."""
    await set_rules(bot, private_results=True)
    message = (await bot.ask(**SMALL, private=private)).response.message if private else await made(bot)
    form = await bot.alice.context_menu(bot.channel, "Animate", message)
    await delete(bot, message)
    refused = await submit(bot, form, {"motion": "pan"})
    assert "The result that this needs was deleted" in text_of(bot, refused.response)
    assert (len(bot.calls), bot.messages()) == (1, [])
