"""`/privacy`: one's own data out and away, with what moderation keeps, and retention by the worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bot.rules import ServerRules
from bot.runs import RunState
from bot.store.audit import AuditAction, AuditEntry
from bot.store.server_rules import RuleStore
from demo.standin.faults import Faults
from tests.discord.crowd import moderator, write
from tests.discord.seen import buttons_of, pinged, press, refusal, text_of, texts
from tests.stage import Stage, stage


async def generated(s: Stage, person: Any, prompt: str) -> None:
    await person.slash(s.channel, "generate", prompt=prompt)
    await s.play()


async def exported(s: Stage, person: Any) -> dict[str, Any]:
    result = await person.slash(s.channel, "privacy export")
    assert result.ephemeral
    (answer,) = result.followups or [result.response]
    (attachment,) = answer.attachments
    assert attachment.filename == "my-data.json"
    held: dict[str, Any] = json.loads(await attachment.read())
    return held


async def asked_to_delete(s: Stage, person: Any) -> Any:
    result = await person.slash(s.channel, "privacy delete")
    assert result.ephemeral
    assert list(buttons_of(s, result.response)) == ["Delete my data"]
    return result.response


async def test_the_export_holds_ones_own_requests_and_nobody_elses(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, "a lighthouse")
        await generated(s, s.bob, "a secret fox")
        mona = moderator(s)
        await mona.slash(s.channel, "block", user=s.alice, reason="too many lighthouses")
        held = await exported(s, s.alice)
        assert [run["prompt"] for run in held["requests"]] == ["a lighthouse"]
        assert held["requests"][0]["inputs"]["prompt"] == "a lighthouse"
        assert [block["reason"] for block in held["blocks"]] == ["too many lighthouses"]
        assert ("block", "a moderator") in [(line["action"], line["by"]) for line in held["record"]]
        for hidden in ("a secret fox", str(s.bob.id), str(mona.id), "interaction_token"):
            assert hidden not in json.dumps(held)


async def test_deletion_asks_first_and_then_takes_prompts_inputs_and_outputs(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, "a lighthouse")
        await generated(s, s.bob, "a fox")
        message = await asked_to_delete(s, s.alice)
        assert "It can't be undone" in message.content
        assert all(run.prompt for run in await s.runs())
        await s.restart()
        await s.alice.click(message, label="Delete my data")
        assert message.content.startswith("Done. Requests emptied: 1.")
        assert buttons_of(s, message) == {}
        found = {run.requester_id: run for run in await s.runs()}
        mine, theirs = found[s.alice.id], found[s.bob.id]
        assert (mine.state, mine.prompt, dict(mine.inputs), mine.outputs) == (
            RunState.SUCCEEDED,
            None,
            {},
            (),
        )
        assert (mine.requester_id, mine.guild_id) == (s.alice.id, s.guild.id)
        assert theirs.prompt == "a fox"
        held = await exported(s, s.alice)
        assert "a lighthouse" not in json.dumps(held)
        assert held["requests"][0]["state"] == "succeeded"
        assert "privacy" in [line["action"] for line in held["record"]]
        listed = text_of(s, (await s.alice.slash(s.channel, "runs")).response)
        assert "Done: **Picture**" in listed
        assert "lighthouse" not in listed


async def test_a_request_under_way_is_left_and_named_and_still_posts_its_result(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        s.standin.next_faults(Faults(hold_at="running"))
        await generated(s, s.alice, "a lighthouse")
        (run,) = await s.runs()
        message = await asked_to_delete(s, s.alice)
        await s.alice.click(message, label="Delete my data")
        assert message.content.startswith("Done. Requests emptied: 0.")
        assert f"haven't ended or aren't posted yet: `{run.key}`." in message.content
        assert (await s.run()).prompt == "a lighthouse"


async def test_again_on_an_emptied_request_gets_a_sentence_and_costs_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, "a lighthouse")
        result = s.messages()[-1]
        await s.alice.click(await asked_to_delete(s, s.alice), label="Delete my data")
        refused = await s.alice.click(result, label="Again")
        assert refusal(s, refused) == "I don't know this request any more."
        await s.play()
        assert len(s.calls) == 1


async def test_nobody_deletes_for_another_and_forged_buttons_change_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await generated(s, s.alice, "a lighthouse")
        message = await asked_to_delete(s, s.alice)
        refused = await press(s, s.bob, message, f"erase:{s.alice.id}")
        assert refusal(s, refused) == "Only the person who asked can use this button."
        assert (await s.run()).prompt == "a lighthouse"


async def test_nothing_of_it_is_public_or_pings(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        before = texts(s)
        await exported(s, s.alice)
        await s.alice.click(await asked_to_delete(s, s.alice), label="Delete my data")
        assert texts(s) == before
        assert pinged(s) == []


async def test_the_worker_removes_what_is_older_than_the_server_keeps(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await RuleStore(s.app.store.database).change(
            s.guild.id, 1, lambda _: ServerRules(retention_days=7), s.clock(), "retention"
        )
        await generated(s, s.alice, "a lighthouse")
        fields: dict[str, Any] = {
            "guild_id": s.guild.id,
            "action": AuditAction.REPORT,
            "subject_id": s.alice.id,
        }
        await write(s, AuditEntry(at=s.clock(), **fields))
        s.clock.move(days=6)
        await s.play()
        assert len(await s.runs()) == 1
        s.clock.move(days=1, minutes=1)
        await s.play()
        assert await s.runs() == []
        assert (await exported(s, s.alice))["record"] == []
