"""Results after the fact: deleted, reported, hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demo.standin.deployments import PICTURE_ID
from tests.discord.crowd import moderator
from tests.discord.moderated import review, set_rules
from tests.discord.seen import buttons_of, raw_components, refusal, text_of
from tests.stage import Stage, stage


async def made(s: Stage) -> Any:
    await s.alice.slash(s.channel, "generate", prompt="a fox")
    await s.play()
    return s.messages()[-1]


async def test_the_requester_and_a_moderator_delete_a_stranger_does_not(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        result = await made(s)
        assert (
            refusal(s, await s.bob.click(result, label="Delete"))
            == "Only this server's moderators can do that."
        )
        await s.alice.click(result, label="Delete")
        await s.play()
        assert s.messages() == []
        assert (await s.run()).deleted_at is not None
        another = await made(s)
        await mona.click(another, label="Delete")
        await s.play()
        assert s.messages() == []
        assert len(await s.runs()) == 2


async def test_a_report_reaches_the_moderators_who_delete_or_dismiss(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        place = await review(s)
        await set_rules(s, approval={"mode": "off", "review_channel_id": place.channel.id})
        result = await made(s)
        told = await s.bob.click(result, label="Report")
        assert told.response.content == "Thank you. The moderators will look at it."
        await s.alice.click(result, label="Report")
        await s.play()
        assert "A result of **Picture** was reported" in place.text()
        assert f"/{s.channel.id}/{result.id}" in place.text()
        assert list(buttons_of(s, place.card())) == ["Delete", "Block", "Dismiss"]
        await s.restart()
        await place.mona.click(place.card(), label="Delete")
        await s.play()
        assert s.messages() == []
        assert f"Deleted by <@{place.mona.id}>." in place.text()
        assert len(place.channel.history(viewer=place.mona)) == 1


async def test_a_blocked_person_is_told_and_their_result_stays(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        place = await review(s)
        await set_rules(s, approval={"mode": "off", "review_channel_id": place.channel.id})
        result = await made(s)
        await s.bob.click(result, label="Report")
        await s.play()
        form = await place.mona.click(place.card(), label="Block")
        await place.mona.submit_modal(form, {"reason": "not kind"})
        again = await s.alice.slash(s.channel, "generate", prompt="a fox")
        assert refusal(s, again) == "A moderator has blocked you from generating on this server: not kind"
        assert len(s.messages()) == 1


async def test_without_a_review_channel_a_report_says_so(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        refused = await s.bob.click(await made(s), label="Report")
        assert "This server has no review channel" in refusal(s, refused)


async def test_spoilers_hide_the_picture(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await set_rules(s, spoiler="always")
        result = await made(s)
        assert '"spoiler": true' in str(raw_components(s, result)).replace("'", '"').replace("True", "true")


async def test_an_age_restricted_deployment_needs_such_a_channel(tmp_path: Path) -> None:
    file = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\nage_restricted = true\n'
    async with stage(tmp_path, deployments=file) as s:
        refused = refusal(s, await s.alice.slash(s.channel, "generate", prompt="a fox"))
        assert "runs only in channels that are marked as age-restricted" in refused
        assert s.calls == []
        assert "fox" not in "".join(text_of(s, message) for message in s.messages())
