"""Buttons, forms and presets that meet a changed deployment, an unapproved request, or direct messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demo.standin.deployments import PICTURE_ID, SLOW_ID
from tests.discord.court import court
from tests.discord.seen import fields, press, refusal, text_of
from tests.stage import Stage, stage

ONE = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\n'
DROPPED = "This deployment has changed. Left out of your request, because it doesn't take them any more: "


async def asked(s: Stage, **options: Any) -> Any:
    await s.alice.slash(s.channel, "generate", **{"prompt": "a fox", **options})
    await s.play()
    s.clock.move(seconds=1)
    return s.messages()[-1]


async def becomes(s: Stage, folder: Path, text: str) -> None:
    """The operator changes the file and starts the bot anew."""
    (folder / "deployments.toml").write_text(text)
    await s.restart()


async def test_again_takes_what_still_fits_and_says_what_was_left_out(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ONE) as s:
        message = await asked(s, style="ink", gpu="L4", seed=7)
        await becomes(s, tmp_path, ONE.replace(PICTURE_ID, SLOW_ID) + 'gpus = ["T4"]\n')
        again = await s.alice.click(message, label="Again")
        assert not again.ephemeral
        (told,) = again.followups
        assert told.ephemeral
        assert told.content.startswith(DROPPED)
        assert "`style`" in told.content
        assert told.content.endswith("`gpu`.")
        await s.play()
        sent = s.calls[-1].body["inputs"]
        assert set(sent) == {"prompt", "seed"}
        assert sent["prompt"] == "a fox"
        assert sent["seed"] != 7


async def test_again_and_edit_leave_out_a_choice_that_is_gone(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ONE) as s:
        message = await asked(s, style="ink")
        narrower = f'{ONE}[deployments.picture.inputs.style]\nchoices = ["photo", "neon"]\n'
        await becomes(s, tmp_path, narrower)
        again = await s.alice.click(message, label="Again")
        assert [told.content for told in again.followups] == [f"{DROPPED}`style`."]
        await s.play()
        assert s.calls[-1].body["inputs"].get("style") != "ink"
        form = await s.alice.click(message, label="Edit")
        sent = await s.alice.submit_modal(form, {"prompt": "a wolf"})
        assert [told.content for told in sent.followups] == [f"{DROPPED}`style`."]


async def test_nothing_is_said_where_nothing_was_left_out(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ONE) as s:
        message = await asked(s, style="ink")
        again = await s.alice.click(message, label="Again")
        assert again.followups == []


async def test_a_deployment_under_another_name_is_found_again(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ONE) as s:
        message = await asked(s, seed=7)
        await becomes(s, tmp_path, ONE.replace("deployments.picture", "deployments.landscape"))
        await s.alice.click(message, label="Again")
        await s.play()
        assert [run.deployment for run in await s.runs()] == ["picture", "landscape"]


async def test_a_deployment_that_is_gone_is_told_by_every_way(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=ONE) as s:
        message = await asked(s)
        await s.alice.slash(s.channel, "preset save", name="noir")
        await becomes(s, tmp_path, f'[deployments.slow]\ndeployment_id = "{SLOW_ID}"\n')
        for refused in (
            await s.alice.click(message, label="Again"),
            await s.alice.click(message, label="Edit"),
            await s.alice.slash(s.channel, "preset use", name="noir"),
        ):
            assert refusal(s, refused).startswith("That deployment isn't offered any more.")
        use = await s.alice.click(message, label="Use as input")
        assert refusal(s, use) == "None of the deployments here takes a picture."
        assert len(s.calls) == 1


async def test_what_nobody_has_agreed_to_is_the_requesters_alone(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        s = c.s
        await c.ask(prompt="a secret fox")
        run = await s.run()
        await s.bob.slash(s.channel, "help")
        anything = await s.bob.send(s.channel, "hello")
        for action in ("details", "edit", "use"):
            refused = await press(s, s.bob, anything, f"run:{run.key}:{action}")
            assert refused.ephemeral
            assert "fox" not in text_of(s, refused.response)
        hidden = await press(s, s.bob, anything, f"run:{run.key}:details")
        assert refusal(s, hidden) == (
            "Only the requester and the moderators can see this before it is approved."
        )
        own = await press(s, s.alice, anything, f"run:{run.key}:details")
        assert "a secret fox" in text_of(s, own.response)
        form = await press(s, s.alice, anything, f"run:{run.key}:edit")
        assert fields(form.modal)["prompt"]["value"] == "a secret fox"


async def test_what_was_rejected_stays_hidden(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        s = c.s
        await c.ask(prompt="a secret fox")
        await c.reject("no")
        run = await s.run()
        anything = await s.bob.send(s.channel, "hello")
        hidden = await press(s, s.bob, anything, f"run:{run.key}:edit")
        assert "before it is approved" in refusal(s, hidden)


async def test_every_button_works_in_direct_messages(tmp_path: Path) -> None:
    async with stage(tmp_path, allow_direct_messages=True) as s:
        alice = s.alice.user
        await alice.slash("generate", prompt="a fox", style="ink")
        await s.play()
        (message,) = alice.dm_channel.history()
        await s.restart()
        details = await alice.click(message, label="Details")
        assert "/generate prompt:a fox" in text_of(s, details.response)
        await alice.click(message, label="Again")
        form = await alice.click(message, label="Edit")
        await alice.submit_modal(form, {"prompt": "a wolf"})
        offered = await alice.click(message, label="Use as input")
        picture = await alice.click(offered.response.message, label="Use with Picture")
        s.clock.move(seconds=1)
        await alice.submit_modal(picture, {"prompt": "a lion"})
        await alice.slash("preset save", name="noir")
        await alice.slash("preset use", name="noir")
        await s.play()
        assert sorted(call.body["inputs"]["prompt"] for call in s.calls) == [
            "a fox",
            "a fox",
            "a lion",
            "a lion",
            "a wolf",
        ]
        assert {run.guild_id for run in await s.runs()} == {None}
        listed = await alice.slash("runs")
        assert "https://discord.com/channels/@me/" in text_of(s, listed.response)
