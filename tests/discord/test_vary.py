"""Vary: a few more of the same at once, each with a seed of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.standin.deployments import PICTURE_ID
from tests.discord.court import ruled
from tests.discord.seen import RESULT_BUTTONS, buttons_of, galleries_of, pinged, refusal, text_of
from tests.stage import Stage, stage

ONE = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\n'
VARY = "Vary ×4"


async def asked(s: Stage, **options: Any) -> Any:
    await s.alice.slash(s.channel, "generate", **{"prompt": "a fox", "seed": 7, **options})
    await s.play()
    s.clock.move(seconds=1)
    return s.messages()[-1]


async def test_four_more_come_as_one_result_also_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await asked(s, style="ink", gpu="L4")
        await s.restart()
        varied = await s.alice.click(message, label=VARY)
        assert "Picture ×4" in text_of(s, varied.response)
        await s.play()
        first, *others = (call.body for call in s.calls)
        assert [each["inputs"] | {"seed": 7} for each in others] == [first["inputs"]] * 4
        assert len({call.body["inputs"]["seed"] for call in s.calls}) == 5
        assert {each["gpu"] for each in others} == {"L4"}
        assert galleries_of(s, s.messages()[-1]) == [4]
        parent, *children = await s.runs()
        assert {child.parent_key for child in children} == {parent.key}
        assert pinged(s) == [s.alice.id, s.alice.id]


async def test_one_of_several_is_varied_by_itself(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        message = await asked(s, count=2)
        assert VARY not in buttons_of(s, message)
        one = await s.alice.click(message, label="2")
        await s.alice.click(one.response.message, label=VARY)
        await s.play()
        _, second, *children = await s.runs()
        assert [child.parent_key for child in children] == [second.key] * 4


async def test_a_stranger_can_not_spend_with_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        refused = await s.bob.click(await asked(s), label=VARY)
        assert refusal(s, refused) == "Only the person who asked can use this button."
        assert len(s.calls) == 1


async def test_where_the_budget_has_no_room_for_all_nothing_is_started(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await ruled(s, budgets={"person": {"waiting": None, "runs_a_day": 4}})
        refused = await s.alice.click(await asked(s), label=VARY)
        assert "3" in refusal(s, refused)
        await s.play()
        assert len(s.calls) == 1


@pytest.mark.parametrize(("most", "made"), [(2, 2), (1, 1), (10, 4)])
async def test_it_makes_no_more_than_its_button_said_and_the_deployment_takes(
    tmp_path: Path, most: int, made: int
) -> None:
    async with stage(tmp_path, deployments=ONE) as s:
        message = await asked(s)
        (tmp_path / "deployments.toml").write_text(f"{ONE}max_count = {most}\n")
        await s.restart()
        await s.alice.click(message, label=VARY)
        await s.play()
        assert len(s.calls) == 1 + made


async def test_where_fewer_are_taken_at_once_there_is_no_such_button(tmp_path: Path) -> None:
    async with stage(tmp_path, deployments=f"{ONE}max_count = 3\n") as s:
        message = await asked(s)
        assert list(buttons_of(s, message)) == [label for label in RESULT_BUTTONS if label != VARY]
        one = await s.alice.click(await asked(s, count=3), label="2")
        assert VARY not in buttons_of(s, one.response)
