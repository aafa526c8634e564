"""Actions: trouble at a chosen moment of a request, while nobody knows yet what has happened."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from demo.fake_comfydeploy.runs import Output, Run
from tests.chaos.faults import ANSWER, DEFER, MESSAGE, MESSAGES, POST
from tests.fakediscord.faults import Fault
from tests.simulation.engine.life import Life
from tests.simulation.people.asking import MORE, press_and_wait, request, result, started
from tests.simulation.people.requests import MEMBERS, derived, picture_file
from tests.simulation.people.settings import change_setting
from tests.simulation.setup import open_panel
from tests.simulation.steps import Draw, Skip, action
from tests.simulation.story import Ask, Story
from tests.simulation.trouble.deaths import add_strike, database_leaves, is_commit, kill, nth_call
from tests.simulation.trouble.places import CHANGES, At
from tests.simulation.trouble.services import FAILURES, jump, watch

_EDIT = f"PATCH {ANSWER}"
# A call to Discord, a COMMIT, or a COMMIT after a call. Few are drawn between a deferral and its acceptance,
# which is mostly the next COMMIT: a kill there is a known gap.
_MOMENTS = {
    DEFER: 0.4,
    _EDIT: 1,
    POST: 10,
    f"GET {MESSAGES}": 1,
    f"PATCH {MESSAGE}": 1,
    f"DELETE {ANSWER}": 2,
    f"DELETE {MESSAGE}": 2,
    "POST /users/@me/channels": 1,
    "COMMIT": 1,
    f"COMMIT after {DEFER}": 0.6,
    f"COMMIT after {POST}": 3,
    f"COMMIT after {_EDIT}": 8,
    "COMMIT after POST /users/@me/channels": 1,
}
_PLACES = ("pictures", "pictures", "adult", "thread", "requests")
_DEPLOYMENTS = ("picture", "picture", "several", "restricted")
# Seconds that a killed process or an unavailable service is away.
_AWAY = (0.1, 1.0, 1.0, 5.0, 20.0, 55.0, 1000.0)
# Seconds that the machine sleeps while the bot is dead; Discord forgets a nonce after less than 400.
_ASLEEP = (0.0, 0.0, 400.0, 4000.0)


def at_moment(
    story: Story, moment: str, nth: int, *, done: bool, act: Callable[[Life | None], object]
) -> None:
    """Call a function once, at the nth such moment from now on, before or after (`done`) what happens then.

    The function gets the process that makes a COMMIT. If it isn't `done`, a call to Discord gets lost;
    otherwise its reply takes a second.
    """
    reached, (what, _, route) = nth_call(nth), moment.partition(" after ")
    begun = list[Any]()

    def called(_: Any) -> bool:
        if not reached():
            return False
        story.world.loop.call_later(0.5 if done else 0.0, act, None)
        return True

    def strike(life: Life, sql: str, after: bool) -> None:
        if (begun or not route) and after is done and is_commit(sql) and reached():
            act(life)

    if what == "COMMIT":
        add_strike(strike)
        if route:
            watch(story, route, begun.append)
    else:
        effect = Fault.delay(1.0, after=True) if done else Fault.drop_before()
        story.discord.faults.add(moment, effect, times=1, where=called)


def kill_at_moment(
    story: Story, moment: str, nth: int, *, done: bool, back: float, asleep: float = 0.0
) -> None:
    where = f"{'after' if done else 'before'} the {nth}. {moment}"
    at_moment(story, moment, nth, done=done, act=lambda life: kill(story, life, back, where, asleep))
    story.strike(f"a kill {where}")


@action("kill", weight=8)
async def kill_at_a_moment(story: Story, draw: Draw) -> None:
    """Kill the bot at a moment from now on, and perhaps let the machine sleep before it starts again."""
    moment, nth, done = draw(moment=_MOMENTS, nth=(1, 1, 1, 2, 3, 6), done=0.6)
    back, asleep = draw(back=(0.1, 1.0, 5.0, 20.0), asleep=_ASLEEP)
    kill_at_moment(story, moment, nth, done=done, back=back, asleep=asleep)


# What strikes, with the seconds that it lasts. Most of it is about the latest request.


def _latest(story: Story) -> Ask:
    if not story.asks:
        raise Skip("there is no request")
    return story.asks[-1]


async def _press(story: Story, label: str, who: str | None = None) -> None:
    await press_and_wait(story, _latest(story).number, who, label, 1)


async def _require_approval(story: Story, _: float) -> None:
    panel = await open_panel(story, "mona", "pictures")
    await change_setting(story, panel, "approval", mode=["everybody"])


def _posts_fail(story: Story, seconds: float) -> None:
    """Let posts in the request's channel fail; only a post can show the result if the token has expired."""
    channel = story.world.channel(_latest(story).where)
    rule = story.discord.faults.add(
        POST, Fault.answer(500), times=None, where=lambda at: int(at["channel_id"]) == channel.id
    )
    story.world.loop.call_later(min(seconds, 120), story.discord.faults.remove, rule)
    story.strike(f"posts in #{channel.name} fail for {min(seconds, 120)} s")


def _change(name: str) -> Callable[[Story, float], Any]:
    def change(story: Story, seconds: float) -> None:
        asked = _latest(story)
        CHANGES[name][1](story, At(asked.who, asked.where, asked, seconds))

    return change


_CHANGES = ("channel gone", "may not send", "mark lifted", "token expired", "message deleted", "DMs refused")
_TROUBLES: dict[str, Callable[[Story, float], Any]] = {
    "kill": lambda story, seconds: kill(story, None, seconds, "at a moment"),
    "database away": database_leaves,
    "posts fail": _posts_fail,
    "reply lost": lambda story, _: story.discord.faults.add(POST, Fault.lose_reply()),
    "lease over": lambda story, _: jump(story, 62),
    "deadline over": lambda story, _: jump(story, 130),
    "nonce forgotten": lambda story, _: jump(story, 400),
    "approval begins": _require_approval,
    "cancelled": lambda story, _: _press(story, "Cancel"),
    "deleted": lambda story, _: _press(story, "Delete"),
    "moderated": lambda story, _: _press(story, "Delete", "mona"),
    "more": lambda story, _: _press(story, MORE),
    "shared": lambda story, _: _press(story, "Share"),
    **{name: FAILURES[name] for name in ("Discord refuses", "ComfyDeploy away", "checker lying")},
    **{name: _change(name) for name in _CHANGES},
}


def _strike(
    story: Story, life: Life | None, troubles: Sequence[str], seconds: float, pause: float, asleep: float
) -> None:
    """Let troubles strike one after the other. A kill strikes at once, in the middle of what the bot does."""

    async def strike(trouble: str) -> None:
        with suppress(Skip):
            done = _TROUBLES[trouble](story, seconds)
            if asyncio.iscoroutine(done):
                await done

    first, *others = troubles
    if first == "kill":
        kill(story, life, seconds, "at a moment", asleep)
    else:
        story.world.later(0, partial(strike, first))
    for trouble in others:
        story.world.later(pause, partial(strike, trouble))


# How a run ends in doubt.


class Doubt(NamedTuple):
    """What keeps the bot from learning how a run ended: its faults, and the seconds until it is released.

    The clocks jump over them if `jumps`. The last webhooks arrive afterwards, unless the run isn't held.
    """

    faults: dict[str, Any]
    seconds: float = 0.0
    jumps: bool = False


# Seconds, a little more than the deadline of runs, and than the grace time after a lost reply.
_DEADLINE, _GRACE = 125.0, 26.0
_RUNNING = {"hold_at": "running"}
_SILENT = {**_RUNNING, "webhook_drop": True}
# With the webhook before it, a 429 means that nothing was started.
_BUSY = {"queue_status": 429, "webhook_before_reply": True, "undocumented": True, "hold_at": "queued"}
_DOUBTS = {
    "none": Doubt({}),
    "held": Doubt(_RUNNING, 1),
    "a part is told": Doubt({**_RUNNING, "cancel_supported": False}, _DEADLINE, jumps=True),
    "ended unread": Doubt({"webhook_drop": True, "get_status": 500}, 3),
    "succeeds after the deadline": Doubt({**_RUNNING, "success_after_cancel": True}, _DEADLINE, jumps=True),
    "can't be cancelled": Doubt({**_RUNNING, "cancel_supported": False}, _DEADLINE, jumps=True),
    "too long": Doubt(_RUNNING, 170),
    "too long and silent": Doubt(_SILENT, 170),
    "reply lost": Doubt({**_SILENT, "queue_drop": True}, _GRACE),
    "only the end is heard": Doubt(_SILENT, 12),
    "refused but started": Doubt({**_SILENT, "queue_status": 500, "queue_starts": 1}, 1),
    "forbidden but started": Doubt({**_SILENT, "queue_status": 403, "queue_starts": 1}, 3),
    "not found but started": Doubt({"queue_status": 404, "queue_starts": 1}),
    "conflict but started": Doubt({"queue_status": 409, "queue_starts": 1}),
    "invalid but started": Doubt({**_SILENT, "queue_status": 422, "queue_starts": 1}, 3),
    "busy but started": Doubt({**_BUSY, "queue_starts": 1}, 15),
    "no outputs told": Doubt({"outputs_missing": True}),
    "no outputs of a failure told": Doubt({"outputs_missing": True, "ends_as": "failed", "made": 1}),
    "no outputs of a timeout told": Doubt({"outputs_missing": True, "ends_as": "timeout", "made": 1}),
}
_USUAL = {"none": 8, "held": 4, "a part is told": 2, "ended unread": 2}


def _troubles(chance: random.Random) -> list[str]:
    return chance.choices([*["kill"] * len(_TROUBLES), *_TROUBLES], k=chance.choice((1, 1, 2)))


@action("moment")
async def request_in_trouble(story: Story, draw: Draw) -> None:
    """Send or repeat a request whose run may end in doubt, and let trouble strike at a moment of it.

    The trouble is prepared before the request, while its run is held, or when the bot has a verdict about it.
    Without a moment, it strikes at once.
    """
    who, where, doubt = draw(who=MEMBERS, where=_PLACES, doubt=dict.fromkeys(_DOUBTS, 1) | _USUAL)
    deployment, count, again = draw(deployment=_DEPLOYMENTS, count=(1, 1, 2, 4), again=0.15)
    moment, nth, done = draw(moment=_MOMENTS | {"": 4}, nth=(1, 1, 1, 1, 2), done=0.7)
    troubles, seconds, pause = draw(troubles=_troubles, seconds=_AWAY, pause=(0.3, 1, 45))
    when, release, asleep = draw(when=range(3), release=(0.0, 0.3, 0.8, 1.5, 4.0, 35.0), asleep=_ASLEEP)
    faults, lasts, jumps = _DOUBTS[doubt]

    def prepare(now: int) -> None:
        def strike(life: Life | None) -> None:
            _strike(story, life, troubles, seconds, pause, asleep)

        if now == when and moment:
            at_moment(story, moment, nth, done=done, act=strike)
            story.strike(
                f"{' and '.join(troubles)} will come {'after' if done else 'at'} the {nth}. {moment}"
            )
        elif now == when:
            strike(None)

    where = "adult" if deployment == "restricted" else where
    earlier = await result(story, who, where, deployment) if again else None
    story.world.next_faults(faults)
    if moment:
        prepare(0)
    if earlier is None:
        asked = await request(story, who, where, deployment, count=count)
    else:
        pressed = await story.press(who, earlier[1], "Again")
        asked = derived(story, earlier[0], pressed, "again")
        await story.answer(pressed)
    run = await started(story, asked) if faults else None
    prepare(1)
    if run is not None and doubt == "a part is told":
        _make_part(story, run)
    await asyncio.sleep(1)
    if jumps:
        jump(story, lasts)
        await asyncio.sleep(2)
    else:
        await asyncio.sleep(lasts)
    prepare(2)
    await asyncio.sleep(release)
    if run is not None:
        run.own_faults = run.faults.model_copy(update={"webhook_drop": False, "get_status": None})
        story.world.comfydeploy.release(run.id)
    # The clocks may jump meanwhile.
    await asyncio.sleep(max(pause, min(seconds, 60)))
    await asyncio.sleep(10)


def _make_part(story: Story, run: Run) -> None:
    """Add a picture to a held run, which only GET /run reports."""
    world = story.world.comfydeploy.world
    path = f"outputs/runs/{run.id}/part.png"
    world.bucket.put(path, picture_file(story).data or b"", "image/png")
    item = {"url": path, "type": "output", "filename": "part.png"}
    run.outputs.append(Output(data={"images": [item]}, node_meta={"node_id": "9"}, created_at=world.now()))
