"""Edit: a form with what was asked for, refused values brought back, restarts between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demo.standin.deployments import FAILS_ID, PICTURE_ID, SLOW_ID
from tests.discord.seen import buttons_of, fields, refusal, text_of
from tests.stage import Stage, stage


async def asked(s: Stage, **options: Any) -> Any:
    await s.alice.slash(s.channel, "generate", **options)
    await s.play()
    s.clock.move(seconds=1)
    return s.messages()[-1]


async def test_an_edit_changes_what_was_typed_and_keeps_the_rest(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await asked(s, prompt="a fox", seed=7, style="ink", gpu="L4")
        form = await s.alice.click(message, label="Edit")
        shown = fields(form.modal)
        assert list(shown) == ["prompt", "negative", "seed", "width", "gpu"]
        assert (shown["prompt"]["value"], shown["seed"]["value"]) == ("a fox", "7")
        assert [each["value"] for each in shown["gpu"]["options"] if each.get("default")] == ["L4"]
        await s.restart()
        sent = await s.alice.submit_modal(form, {"prompt": "a wolf", "seed": "7", "gpu": ["T4"]})
        assert not sent.ephemeral
        await s.play()
        first, second = (call.body for call in s.calls)
        assert second["inputs"] == first["inputs"] | {"prompt": "a wolf"}
        assert second["gpu"] == "T4"
        parent, child = await s.runs()
        assert (child.parent_key, child.prompt) == (parent.key, "a wolf")


async def test_anybody_may_edit_and_it_becomes_their_own(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await asked(s, prompt="a fox")
        form = await s.bob.click(message, label="Edit")
        await s.bob.submit_modal(form, {"prompt": "a dog"})
        await s.play()
        assert [run.requester_id for run in await s.runs()] == [s.alice.id, s.bob.id]


async def test_a_value_out_of_range_is_told_and_nothing_typed_is_lost(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await asked(s, prompt="a fox")
        form = await s.alice.click(message, label="Edit")
        refused = await s.alice.submit_modal(form, {"prompt": "a wolf", "width": "99999"})
        assert refused.ephemeral
        assert text_of(s, refused.response) == "`width` is 99999; the largest is 1536."
        again = await s.alice.click(refused.response.message, label="Edit again")
        shown = fields(again.modal)
        assert (shown["prompt"]["value"], shown["width"]["value"]) == ("a wolf", "99999")
        await s.alice.submit_modal(again, {"prompt": "a wolf", "width": "512"})
        await s.play()
        assert s.calls[-1].body["inputs"]["width"] == 512
        assert len(s.calls) == 2


async def test_edit_again_after_a_restart_opens_with_what_is_stored(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await asked(s, prompt="a fox")
        form = await s.alice.click(message, label="Edit")
        refused = await s.alice.submit_modal(form, {"prompt": "a wolf", "width": "x"})
        await s.restart()
        again = await s.alice.click(refused.response.message, label="Edit again")
        assert fields(again.modal)["prompt"]["value"] == "a fox"


async def test_a_failure_can_be_edited(tmp_path: Path) -> None:
    async with stage(tmp_path, comfydeploy_deployment_id=FAILS_ID) as s:
        message = await asked(s, prompt="a fox")
        assert list(buttons_of(s, message)) == ["Try again", "Edit", "Details"]
        form = await s.alice.click(message, label="Edit")
        await s.alice.submit_modal(form, {"prompt": "a wolf"})
        await s.play()
        assert s.calls[-1].body["inputs"]["prompt"] == "a wolf"


async def test_a_text_too_long_for_a_form_goes_as_a_file(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await asked(s, prompt="fox " * 1200)
        form = await s.alice.click(message, label="Edit")
        assert fields(form.modal)["prompt"]["custom_id"] == "prompt.txt"
        text = "wolf " * 1000 + "the end"
        ready = await s.alice.submit_modal(form, {"prompt.txt": ("prompt.txt", text.encode())})
        assert len(s.calls) == 1
        (answer,) = ready.followups or [ready.response]
        await s.alice.click(answer.message, label="Send")
        await s.play()
        assert s.calls[-1].body["inputs"]["prompt"] == text


async def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await asked(s, prompt="fox " * 1200)
        form = await s.alice.click(message, label="Edit")
        sent = await s.alice.submit_modal(form, {"prompt.txt": ("a.png", b"\x89PNG\xff\xfe")})
        (answer,) = sent.followups or [sent.response]
        assert "isn't plain text" in text_of(s, answer)
        assert len(s.calls) == 1


async def test_a_changed_deployment_takes_what_still_fits_and_says_what_not(tmp_path: Path) -> None:
    one = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\n'
    async with stage(tmp_path, deployments=one) as s:
        message = await asked(s, prompt="a fox", seed=7, style="ink")
        (tmp_path / "deployments.toml").write_text(one.replace(PICTURE_ID, SLOW_ID))
        await s.restart()
        form = await s.alice.click(message, label="Edit")
        sent = await s.alice.submit_modal(form, {"prompt": "a fox", "seed": "7"})
        await s.play()
        assert s.calls[-1].body["inputs"] == {"prompt": "a fox", "seed": 7}
        (told,) = sent.followups
        assert told.ephemeral
        assert "`style`" in told.content


async def test_a_deployment_that_is_gone_is_told(tmp_path: Path) -> None:
    one = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\n'
    async with stage(tmp_path, deployments=one) as s:
        message = await asked(s, prompt="a fox")
        (tmp_path / "deployments.toml").write_text(f'[deployments.slow]\ndeployment_id = "{SLOW_ID}"\n')
        await s.restart()
        refused = await s.alice.click(message, label="Edit")
        assert "isn't offered any more" in refusal(s, refused)
        shown = await s.alice.click(message, label="Details")
        assert "no command that gives the same" in text_of(s, shown.response)
