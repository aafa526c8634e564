"""Edit opens a form with the earlier values, and again with refused ones, also after a restart."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.deployments import CAPTION_ID
from tests.discord.actors import erase_data, submit
from tests.discord.deployments import ADULT, ONE
from tests.discord.moderated_server import set_rules
from tests.discord.rendered import CHECKBOX, RADIO_GROUP, buttons_of, fields, filled, refusal, text_of
from tests.harness import Harness


async def test_an_edit_changes_what_was_typed_and_keeps_the_rest(bot: Harness) -> None:
    message = await bot.made(seed=7, style="ink", gpu="L4")
    form = await bot.alice.click(message, label="Edit")
    shown = fields(form.modal)
    assert list(shown) == ["prompt", "negative", "style", "seed", "width"]
    labels = [each["label"] for each in form.modal["components"]]
    assert labels == ["Prompt", "Negative prompt", "Style", "Seed", "Width"]
    assert (shown["prompt"]["value"], shown["seed"]["value"]) == ("a fox", "7")
    assert shown["negative"]["placeholder"] == "blurry, lowres"
    assert not any("(default" in each.get("description", "") for each in form.modal["components"])
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


WEIGHTED = {"budgets": {"gpu_weights": {"H100": 4, "L4": 0.5}}}


@pytest.mark.bot(
    deployments=f"{ONE}gpus = ['L4', 'H100']\nonly_listed_inputs = true\ninputs.prompt = {{}}\n"
    "inputs.guidance = { default = 9.0 }\n"
)
async def test_a_gpu_says_what_a_second_counts_and_a_whole_number_has_no_point(bot: Harness) -> None:
    message = await bot.made(gpu="L4")
    await set_rules(bot, **WEIGHTED)
    suggested = await bot.alice.autocomplete(bot.channel, "generate", "gpu", "", prompt="x")
    labels = {each["name"]: each["value"] for each in suggested}
    assert labels == {"L4 · counts ×0.5": "L4", "H100 · counts ×4": "H100"}
    form = await bot.alice.click(message, label="Edit")
    shown = fields(form.modal)
    assert {each["label"]: each["value"] for each in shown["gpu"]["options"]} == labels
    assert shown["guidance"].get("value") or shown["guidance"]["placeholder"] == "9"
    await bot.restart()
    await submit(bot, form, filled(form.modal) | {"gpu": ["H100"]})
    assert bot.calls[-1].body["gpu"] == "H100"


async def test_the_number_of_runs_is_one_mistake_among_the_others(bot: Harness) -> None:
    await set_rules(bot, words={"blocked": ["badger"]})
    refused = await bot.alice.slash(bot.channel, "generate", prompt="a badger", count=4, seed=7)
    again = await bot.alice.click(refused.response.message, label="Edit and try again")
    told = await bot.alice.submit_modal(again, filled(again.modal) | {"seed": "y", "count": "9"})
    assert text_of(bot, told.response).splitlines() == [
        "`seed` needs a whole number, not “y”.",
        "`count` is 9, but must be at most 4.",
    ]


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
    again = await bot.alice.click(refused.response.message, label="Edit and try again")
    shown = fields(again.modal)
    assert {name: shown[name]["value"] for name in typed} == typed
    await submit(bot, again, filled(again.modal) | {"width": "512", "height": "", "seed": ""})
    assert bot.calls[-1].body["inputs"]["width"] == 512
    assert len(bot.calls) == 2
    await bot.restart()  # which forgets what was typed
    again = await bot.alice.click(refused.response.message, label="Edit and try again")
    assert fields(again.modal)["prompt"]["value"] == "a fox"


async def test_a_text_that_is_too_long_for_a_form_stays_if_its_field_is_left_empty(bot: Harness) -> None:
    text = ("fox " * 1200).strip()
    message = await bot.made(prompt=text)
    form = await bot.alice.click(message, label="Edit")
    assert not fields(form.modal)["prompt"].get("value")
    await submit(bot, form, filled(form.modal) | {"width": "512"})
    assert bot.calls[-1].body["inputs"] | {"width": 512} == bot.calls[-1].body["inputs"]
    assert bot.calls[-1].body["inputs"]["prompt"] == text
    form = await bot.alice.click(message, label="Edit")
    await submit(bot, form, filled(form.modal) | {"prompt": "a wolf"})
    assert bot.calls[-1].body["inputs"]["prompt"] == "a wolf"


FORBIDDEN = {"words": {"blocked": ["badger"]}}


async def test_a_refused_command_can_be_edited_and_keeps_all_that_was_typed(bot: Harness) -> None:
    await set_rules(bot, **FORBIDDEN, budgets={"person": {"runs_a_day": 3}})
    typed = {"prompt": "a badger", "style": "ink", "seed": 7, "gpu": "L4", "count": 2, "guidance": 4.5}
    refused = await bot.alice.slash(bot.channel, "generate", **typed)
    assert refused.ephemeral
    form = await bot.alice.click(refused.response.message, label="Edit and try again")
    shown = fields(form.modal)
    assert list(shown) == ["prompt", "negative", "style", "guidance", "count"]
    assert [shown[name].get("value") for name in ("prompt", "guidance", "count")] == ["a badger", "4.5", "2"]
    # Refused once more, by a budget.
    refused = await bot.alice.submit_modal(form, filled(form.modal) | {"prompt": "a wolf", "count": "4"})
    assert "You have 3 left today, and asked for 4." in text_of(bot, refused.response)
    form = await bot.alice.click(refused.response.message, label="Edit and try again")
    assert (fields(form.modal)["prompt"]["value"], fields(form.modal)["count"]["value"]) == ("a wolf", "4")
    await submit(bot, form, filled(form.modal) | {"count": "2"})
    first, second = (call.body for call in bot.calls)
    assert (first["inputs"]["prompt"], first["inputs"]["style"]) == ("a wolf", "ink")
    assert (first["inputs"]["guidance"], first["gpu"]) == (4.5, "L4")
    assert [call["inputs"]["seed"] for call in (first, second)] == [7, 8]


async def test_a_mistake_is_corrected_where_it_is(bot: Harness) -> None:
    refused = await bot.alice.slash(bot.channel, "generate", prompt="\u200b")
    form = await bot.alice.click(refused.response.message, label="Edit and try again")
    await submit(bot, form, filled(form.modal) | {"prompt": "a fox"})
    assert bot.calls[-1].body["inputs"]["prompt"] == "a fox"


async def test_a_gpu_that_is_refused_is_chosen_in_the_form(bot: Harness) -> None:
    await set_rules(bot, gpu_roles={"H100": [4242]})
    typed = {"prompt": "a fox", "style": "ink", "seed": 7, "guidance": 4.5, "width": 512, "gpu": "H100"}
    refused = await bot.alice.slash(bot.channel, "generate", **typed)
    form = await bot.alice.click(refused.response.message, label="Edit and try again")
    await submit(bot, form, filled(form.modal) | {"gpu": ["L4"]})
    assert bot.calls[-1].body["gpu"] == "L4"


@pytest.mark.bot(deployments=ADULT)
async def test_a_refusal_that_no_value_avoids_offers_no_form(bot: Harness) -> None:
    refused = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    assert "age-restricted" in refusal(bot, refused)
    assert buttons_of(bot, refused.response) == {}


async def test_what_a_restart_forgets_is_told(bot: Harness) -> None:
    await set_rules(bot, **FORBIDDEN)
    refused = await bot.alice.slash(bot.channel, "generate", prompt="a badger")
    await bot.restart()
    gone = await bot.alice.click(refused.response.message, label="Edit and try again")
    assert refusal(bot, gone) == "I don't have what you typed any more. Please use the command again."


async def test_what_a_person_erases_can_not_be_edited(bot: Harness) -> None:
    await set_rules(bot, **FORBIDDEN)
    refused = await bot.alice.slash(bot.channel, "generate", prompt="a badger")
    await erase_data(bot)
    gone = await bot.alice.click(refused.response.message, label="Edit and try again")
    assert refusal(bot, gone).startswith("I don't have what you typed any more.")


@pytest.mark.bot(comfydeploy_deployment_id=CAPTION_ID)
async def test_a_form_with_space_offers_the_gpu(bot: Harness) -> None:
    message = await bot.made(gpu="L4")
    form = await bot.alice.click(message, label="Edit")
    shown = fields(form.modal)
    assert list(shown) == ["prompt", "seed", "gpu"]
    assert [each["value"] for each in shown["gpu"]["options"] if each.get("default")] == ["L4"]
    await submit(bot, form, {**filled(form.modal), "gpu": ["T4"]})
    assert bot.calls[-1].body["gpu"] == "T4"
