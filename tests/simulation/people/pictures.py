"""Actions: outputs that the checker flags wait for moderators, whatever happens meanwhile."""

from __future__ import annotations

import asyncio

from tests.chaos.faults import POST
from tests.simulation.people.asking import held_run, press_and_wait, release_all
from tests.simulation.people.moderators import open_cards, press_together
from tests.simulation.people.requests import MEMBERS, MODERATORS
from tests.simulation.people.settings import change_setting
from tests.simulation.setup import open_panel
from tests.simulation.steps import Draw, action, sample
from tests.simulation.story import Story
from tests.simulation.trouble.moments import kill_at_moment
from tests.simulation.trouble.services import jump, set_mood
from tests.simulation.world import LURID

_RULES = ("spoiler", "hide", "off", "hold")
_DECISIONS = ("Post", "Post", "Post as spoiler", "Delete", "Block")
# A card expires after a day, and the bot looks once an hour.
_EXPIRED = 26 * 3600.0


@action("pictures")
async def flagged_pictures(story: Story, draw: Draw) -> None:
    """Request pictures that are flagged; then moderators decide, and somebody presses another button.

    The rule may change before the request and before the result, the checker may misbehave, the bot may be
    killed around the check or the decision, and the card may have expired.
    """
    who, deployment, count = draw(
        who=(*MEMBERS, "mona"), deployment=("picture", "picture", "several"), count=(1, 1, 2, 3)
    )
    first, second = draw(first=(*[None] * 8, *_RULES), second=(*[None] * 10, *_RULES))
    mood, lurid = draw(mood=(*[None] * 12, "away", "slow", "garbage", "lying"), lurid=0.85)
    killed, nth, done, moment = draw(
        killed=(None, None, "check", "decision"),
        nth=(1, 2, 3, 4, 5, 6),
        done=0.5,
        moment={"COMMIT": 7, POST: 3},
    )
    people, late = draw(people=sample(MODERATORS, 1, 2), late=(0, 0, 0, 20, 3600, _EXPIRED))
    labels = draw(labels=lambda chance: chance.choices(_DECISIONS, k=2))
    then = draw(then=("", "Details", "Use as input", "Share", "Delete"))

    def kill(at: str) -> None:
        if killed == at:
            kill_at_moment(story, moment, min(nth, 2) if moment == POST else nth, done=done, back=1.0)

    if first is not None:
        await _set_rule(story, first)
    asked, _ = await held_run(story, who, "pictures", deployment, words=LURID if lurid else "", count=count)
    if second is not None:
        await _set_rule(story, second)
    if mood is not None:
        set_mood(story, 30, mood)
    kill("check")
    release_all(story)
    await story.world.until(lambda: open_cards(story, "Post as spoiler", asked), 90 if killed or mood else 12)
    for card in open_cards(story, "Post as spoiler", asked)[-1:]:
        kill("decision")
        if late > 60:
            jump(story, late)
        await asyncio.sleep(min(late, 60))
        await press_together(story, card, people, labels)
    await asyncio.sleep(70 if killed else 4)
    if then:
        await press_and_wait(story, asked.number, None, then, 1)


async def _set_rule(story: Story, flagged: str) -> None:
    panel = await open_panel(story, "mike", "pictures")
    await change_setting(story, panel, "pictures", flagged=[flagged])
