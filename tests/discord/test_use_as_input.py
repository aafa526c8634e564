"""Use as input: from any message with a picture, from a result, over restarts."""

from __future__ import annotations

from pathlib import Path

from demo.standin.deployments import EVERY_INPUT_ID, PICTURE_ID, VIDEO_ID
from tests.discord.files import png
from tests.discord.seen import buttons_of, refusal, stored, text_of
from tests.stage import stage

TWO = (
    f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\n'
    f'[deployments.every]\ndeployment_id = "{EVERY_INPUT_ID}"\n'
)


async def test_a_picture_of_anybodys_message_becomes_an_input(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await s.bob.send(s.channel, "look", attachments=[("cat.png", png())])
        offered = await s.alice.context_menu(s.channel, "Use as input", message)
        assert offered.ephemeral
        await s.restart()
        form = await s.alice.click(offered.response.message, label="Use with Picture")
        assert "image" not in [label["label"] for label in form.modal["components"]]
        await s.restart()
        sent = await s.alice.submit_modal(form, {"prompt": "a lion"})
        assert not sent.ephemeral
        await s.play()
        (call,) = s.calls
        assert call.body["inputs"]["image"] == message.attachments[0].url
        assert call.body["inputs"]["prompt"] == "a lion"


async def test_a_result_is_used_by_its_button_and_is_the_parent(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        s.clock.move(seconds=1)
        (message,) = s.messages()
        assert "Use as input" in buttons_of(s, message)
        await s.restart()
        offered = await s.bob.click(message, label="Use as input")
        form = await s.bob.click(offered.response.message, label="Use with Picture")
        await s.bob.submit_modal(form, {"prompt": "a fox at night"})
        await s.play()
        assert s.calls[-1].body["inputs"]["image"].startswith("https://")
        parent, child = await s.runs()
        assert child.parent_key == parent.key


async def test_with_several_deployments_one_is_chosen(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=TWO) as s:
        message = await s.bob.send(s.channel, "look", attachments=[("cat.png", png())])
        offered = await s.alice.context_menu(s.channel, "Use as input", message)
        form = await s.alice.select(offered.response.message, ["picture"])
        await s.alice.submit_modal(form, {"prompt": "a lion"})
        await s.play()
        assert (await s.run()).deployment == "picture"


async def test_a_refused_form_keeps_the_picture_and_what_was_typed(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await s.bob.send(s.channel, "look", attachments=[("cat.png", png())])
        offered = await s.alice.context_menu(s.channel, "Use as input", message)
        form = await s.alice.click(offered.response.message, label="Use with Picture")
        refused = await s.alice.submit_modal(form, {"prompt": "a lion", "width": "9"})
        assert "the smallest is 256" in text_of(s, refused.response)
        again = await s.alice.click(refused.response.message, label="Edit again")
        (prompt, *_) = again.modal["components"]
        assert prompt["component"]["value"] == "a lion"
        await s.alice.submit_modal(again, {"prompt": "a lion", "width": "256"})
        await s.play()
        assert s.calls[-1].body["inputs"]["image"] == message.attachments[0].url


async def test_a_message_without_a_picture_is_told_so(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await s.bob.send(s.channel, "look", attachments=[("notes.txt", b"words")])
        refused = await s.alice.context_menu(s.channel, "Use as input", message)
        assert "no picture in this message" in refusal(s, refused)


async def test_a_picture_behind_an_address_of_another_application_is_not_taken(tmp_path: Path) -> None:
    """What stands there could be another picture once a moderator has agreed to this one."""
    async with stage(tmp_path) as s:
        message = await s.bob.send(s.channel, "look")
        media = {"url": "https://elsewhere.example/cat.png", "content_type": "image/png"}
        stored(s, message).components = [{"type": 12, "items": [{"media": media}]}]
        refused = await s.alice.context_menu(s.channel, "Use as input", message)
        assert "no picture in this message" in refusal(s, refused)


async def test_without_a_deployment_that_takes_pictures_nothing_is_offered(tmp_path: Path) -> None:
    async with stage(tmp_path, comfydeploy_deployment_id=VIDEO_ID) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        assert "Use as input" not in buttons_of(s, s.messages()[0])
        assert s.env.backend.find_command("generate", s.guild.id, type=1)
        names = [command.name for command in s.app.bot.tree.get_commands()]
        assert "Use as input" not in names
