"""What the bot writes at once: each operation of the store on one shared set of requests.

`test_pairs.py` runs any two of them at the same time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from bot.database.tables import audit, requests
from bot.domain.copies import CopyRequest
from bot.domain.errors import RefusedForNow
from bot.domain.messages import Attempt, Claim, MessageRef, Purpose
from bot.domain.moderation import Report
from bot.domain.picture_check import NOBODY_DECIDED, Verdict, decision_by
from bot.domain.requests import Actor, ChannelState, Holder, Preset, Press
from bot.domain.runs import Output, Run, RunState, RunUpdate
from bot.domain.settings.rules_and_defaults import Budgets, ServerRules
from bot.domain.settings.setting_types import SettingsContext
from bot.ops import backups
from bot.store import Store
from bot.store.claims import hold
from bot.store.erasure import ExpiredRows, erase_chunk
from tests.contract.store.rows import BOB, GUILD, MOD, block, stored_rules, unblock
from tests.contract.store.runs import (
    APPROVAL_ENDS,
    GRACE,
    NEWCOMER,
    NOW,
    PERSON,
    RULES,
    SOON,
    accept,
    at,
    fetch,
    origin_of,
    part_of,
    place,
    posted,
    release,
    request,
    take,
    take_message,
)

S = RunState
YESTERDAY, LONG_AGO = NOW - timedelta(days=1), NOW - timedelta(days=60)
# When the lease of the outcome that is being posted has run out.
LATER = at(120)
SHARED = MessageRef(9, 91)


def said(key: str, state: RunState | None, **more: Any) -> RunUpdate:
    """Return ComfyDeploy's report about a run."""
    return RunUpdate(**{"run_id": f"run-{key}", "state": state, **more})


def success(key: str) -> RunUpdate:
    made = Output("images", url=f"https://outputs.example/{key}.png", filename="a.png")
    return said(key, S.SUCCEEDED, outputs=(made,), run_duration=20.0)


@dataclass(frozen=True)
class Given:
    """What the workers hold of the shared requests: claims, and rows that they have read before."""

    submitting: Run
    cancelled: Run
    posting: Claim
    checking: Claim
    expired: ExpiredRows
    keys: Sequence[str]


def new(key: str, count: int = 1, **changes: Any) -> list[Run]:
    """Return the new runs of a request, whose messages have a channel of their own."""
    keys = [f"{key}{number}" for number in range(count)]
    first = request(key=keys[0], channel_id=sum(key.encode()), **changes)
    own = replace(first, request_key=keys[0], count=count)
    return [replace(own, key=each, index=number, seed=number) for number, each in enumerate(keys)]


async def _accepted(store: Store, batch: list[Run], **more: Any) -> None:
    await accept(store, *batch, **more)
    await store.messages.answered(batch[0].key, 77, NOW)


async def _running(store: Store, key: str, count: int = 1, now: Any = NOW, **changes: Any) -> list[Run]:
    batch = new(key, count, **changes)
    await _accepted(store, batch, now=now)
    for run in batch:
        assert await take(store, now) is not None
        await store.runs.record_update(run.key, said(run.key, S.RUNNING), now, SOON)
    return batch


async def _ended(store: Store, key: str, count: int = 1, now: Any = NOW, **changes: Any) -> list[Run]:
    batch = await _running(store, key, count, now, **changes)
    for run in batch:
        await store.runs.record_update(run.key, success(run.key), now, SOON)
    return batch


async def arrange(store: Store) -> Given:
    """Store requests in every state: each is one that operations meet."""
    await stored_rules(store, GUILD, RULES)
    await _ended(store, "old", now=LONG_AGO)
    await posted(store, MessageRef(1, 11), now=LONG_AGO)

    done = await _ended(store, "done", 2)
    await posted(store, MessageRef(2, 21))
    await store.copies.request(CopyRequest(key=done[0].key, shared_to=9), NOW)
    await posted(store, SHARED)
    await store.reviews.report(done[0].key, Report(5, "rules"), 90, NOW)
    await posted(store, MessageRef(90, 31))

    await _running(store, "late", 2)
    await store.runs.record_update("late0", success("late0"), NOW, SOON)
    await store.runs.finish("late1", S.TIMED_OUT, NOW, code="deadline")
    await posted(store, MessageRef(3, 35))
    await _accepted(store, new("lost"))
    await take(store)
    await store.runs.finish("lost0", S.UNCONFIRMED, NOW, code="comfy_timeout")
    await posted(store, MessageRef(4, 36))

    await _ended(store, "offered")
    offered = await take_message(store)
    assert offered is not None
    await release(store, offered.changed(offered=True), NOW, shown=True)

    await _ended(store, "held")
    held = await take_message(store, owner="checker")
    assert held is not None
    run = replace(held.first, verdicts={"0": [Verdict.HELD, "nudity"]})
    assert await store.messages.checked(held, [run], NOW, SOON, 90)
    await release(store, held, NOW, shown=True)
    await posted(store, MessageRef(90, 41))

    await _ended(store, "checked")
    checking = await take_message(store, owner="checker", until=SOON)
    assert checking is not None
    await _ended(store, "posting")
    posting = await take_message(store)
    assert posting is not None
    part = part_of(posting, MessageRef(5, 0))
    posting = posting.changed(attempt=Attempt(NOW, part), stale=(MessageRef(5, 50),))
    assert await store.messages.begin(posting, SOON)

    await _running(store, "single")
    await _running(store, "running", 2)
    await _running(store, "cancelled")
    await store.runs.request_cancel("cancelled0", NOW, by=PERSON.id)
    await _accepted(store, new("submitting"))
    submitting = await take(store)
    await _accepted(store, new("waiting"), now=YESTERDAY)
    await _accepted(store, new("batch", 2))
    await _accepted(store, new("review"), person=NEWCOMER)
    await _accepted(store, new("wan", guild_id=5, requester_id=7, deployment="wan"))

    for name in ("ink", "oil"):
        await store.presets.put(preset(name), NOW)
        await store.presets.put(preset(name, Holder.PERSON), NOW)
    await store.presets.set_default(GUILD, 1, "ink", by=PERSON.id, now=NOW)
    await block(store, BOB, at=NOW)
    await store.key_values.put("value", "0")
    usage = await store.figures.today(GUILD, PERSON.id, NOW)
    # One more run may be requested today.
    person = {"at_once": None, "waiting": None, "runs_a_day": usage.person.runs + 1}
    await stored_rules(store, GUILD, {**RULES, "budgets": {"person": person, "gpu_weights": {"H100": 2}}})
    newest = select(audit.c.id).order_by(audit.c.id.desc()).limit(9)
    entries = await store.database.read(lambda connection: connection.execute(newest).scalars().all())
    keys = await store.database.read(
        lambda connection: connection.execute(select(requests.c.key)).scalars().all()
    )
    assert submitting is not None
    return Given(
        submitting=submitting,
        cancelled=await fetch(store, "cancelled0"),
        posting=posting,
        checking=checking,
        expired=ExpiredRows(["done0", "old0", "posting0"], entries),
        keys=keys,
    )


def preset(name: str, holder: Holder = Holder.SERVER) -> Preset:
    return Preset(
        holder=holder,
        holder_id=GUILD if holder is Holder.SERVER else PERSON.id,
        name=name,
        deployment="flux",
        inputs={},
        gpu=None,
        created_at=NOW,
        created_by=PERSON.id,
    )


@dataclass(frozen=True)
class Operation:
    """A call by the first or the second of two processes (0 or 1), and the requests that it is about."""

    call: Callable[[Store, Given, int], Awaitable[object]]
    about: frozenset[str]


EVERYTHING = (
    "queue person waiting batch review submitting single running cancelled old done late lost offered held"
    " checked posting"
)
OPERATIONS: dict[str, Operation] = {}


# They pass over locked rows, so they look again once the other process is done, as a worker does.
AGAIN = {"claim a run", "poll due runs", "poll requests in review", "show messages", "take over a lease"}
# One of their statements may lock several requests.
LOCKS_MANY = {
    *("number the queues", "hold a queue", "pause", "resume", "poll everything", "progress", "block"),
    *("change the rules", "erase a person", "remove what has expired"),
}


def _add(name: str, about: str, call: Callable[[Store, Given, int], Any]) -> None:
    OPERATIONS[name] = Operation(call, frozenset(about.split()))


async def _accept(store: Store, who: int, **how: Any) -> Run:
    person, press, interaction = how.get("person", PERSON), how.get("press"), how.get("interaction")
    (run,) = new(f"new{who}", interaction_id=interaction or who + 1)
    asked = Actor(person, origin_of(run), frozenset(), lambda _: ChannelState(), press=press)
    return await store.requests.accept([run], asked, NOW, public=how.get("public", False))


_PRESS = Press("again", NOW)
_add("accept a request", "queue person", lambda store, _, who: _accept(store, who))
_add("accept a press", "queue", lambda store, _, who: _accept(store, who, press=_PRESS))
_add("accept an interaction", "queue", lambda store, _, who: _accept(store, who, interaction=9))
_add(
    "accept publicly for review", "", lambda store, _, who: _accept(store, who, person=NEWCOMER, public=True)
)
_add("accept for review", "queue person", lambda store, _, who: _accept(store, who, person=NEWCOMER))


async def _claim(store: Store, _: Given, __: int) -> list[Run]:
    # Five runs are in flight.
    run = await store.claims.claim_submission({"flux": 6, "wan": 0}.get, NOW, NOW + GRACE)
    return [run] if run is not None else []


_add("claim a run", "queue person waiting batch review submitting running cancelled", _claim)


async def _hold(store: Store, _: Given, __: int) -> None:
    for run in await store.runs.several({"waiting0", "wan0"}):
        await store.database.write(hold, run, RefusedForNow("budget_runs"), NOW)


async def _claim_again(store: Store, given: Given, _: int) -> None:
    await store.claims.requeue(given.submitting, NOW, NOW)
    while (run := await take(store)) is not None and run.key != given.submitting.key:
        pass


_add("hold runs of two servers", "", _hold)
_add("requeue and claim again", "", _claim_again)
_add(
    "requeue",
    "submitting queue",
    lambda store, given, _: store.claims.requeue(given.submitting, SOON, NOW, waits_for="waits_for_backend"),
)
_add("expire what waits", "waiting batch", lambda store, _, __: store.claims.expire_waiting(at(7 * 86400)))
_add("confirm a claim", "submitting", lambda store, given, _: store.claims.confirm(given.submitting, SOON))
_add(
    "number the queues",
    "queue waiting batch review",
    lambda store, _, __: store.claims.update_queue_positions(NOW, broken=["wan"]),
)
_add("hold a queue", "queue", lambda store, _, who: store.claims.hold_queues(f"reason {who}"))
_add("pause", "queue", lambda store, _, who: store.pause.pause(f"reason {who}", by=MOD, now=NOW))
_add("resume", "queue", lambda store, _, __: store.pause.resume(by=MOD, now=NOW))
_add(
    "poll due runs",
    "submitting single running cancelled done review",
    lambda store, _, __: store.claims.claim_checks(at(3600), GRACE, 20),
)
_add(
    "poll requests in review",
    "review",
    lambda store, _, __: store.claims.claim_checks(APPROVAL_ENDS, GRACE, 20, away=True),
)
_add(
    "poll everything",
    "running cancelled done posting old",
    lambda store, _, __: store.claims.make_checks_due(at(1)),
)
_add("stop polling", "cancelled", lambda store, given, _: store.runs.stop_checking(given.cancelled))


def _update(key: str, state: RunState | None, *, asked: bool = False, **more: Any) -> Callable[..., Any]:
    report = said(key, state, **more)
    return lambda store, _, __: store.runs.record_update(key, report, NOW, SOON, asked=asked)


def _success(key: str) -> Callable[..., Any]:
    return lambda store, _, __: store.runs.record_update(key, success(key), NOW, SOON)


def _progress(*keys: str) -> Callable[..., Any]:
    reports = {key: (said(key, S.RUNNING, progress=0.5), NOW) for key in keys}
    return lambda store, _, __: store.runs.save_progress(reports, SOON)


def _finish(key: str, state: RunState, code: str) -> Callable[..., Any]:
    return lambda store, _, __: store.runs.finish(key, state, NOW, code=code)


def _cancel(key: str) -> Callable[..., Any]:
    return lambda store, _, who: store.runs.request_cancel(key, at(who), by=MOD + who)


_add("a first report", "submitting", _update("submitting0", S.QUEUED))
_add("a first report without a status", "submitting", _update("submitting0", None))
_add("a first success", "submitting", _success("submitting0"))
_add("no answer", "submitting", _finish("submitting0", S.UNCONFIRMED, "comfy_timeout"))
_add("a first failure", "submitting", _update("submitting0", S.FAILED))
_add("a report of another run", "", _update("single0", S.RUNNING, run_id="run-another"))
_add("a webhook about a failure", "single", _update("single0", S.FAILED))
_add("a failure", "single", _update("single0", S.FAILED, asked=True, run_duration=9.0, gpu="H100"))
_add(
    "a failure with outputs",
    "single",
    _update("single0", S.FAILED, asked=True, outputs=success("part").outputs),
)
_add("a success", "single", _success("single0"))
_add("a success without outputs", "single", _update("single0", S.SUCCEEDED))
_add("a deadline", "single", _finish("single0", S.TIMED_OUT, "deadline"))
_add("cancel the only run", "single", _cancel("single0"))
_add("a late success", "late", _success("late1"))
_add("a late report", "lost", _update("lost0", S.RUNNING))
_add("a late failure", "lost", _update("lost0", S.FAILED))
_add("a late failure is confirmed", "lost", _update("lost0", S.FAILED, asked=True))
_add("success of a lost run", "lost", _success("lost0"))
_add("one run succeeds", "running", _success("running0"))
_add("the other run succeeds", "running", _success("running1"))
_add("the other run fails", "running", _update("running1", S.FAILED, asked=True, run_duration=9.0))
_add("a run times out", "running", _finish("running0", S.TIMED_OUT, "deadline"))
_add("progress", "running cancelled done", _progress("running0", "cancelled0", "running1", "done0"))
_add("note a deadline", "running", lambda store, _, __: store.runs.note_deadline("running0", "deadline"))
_add("a cancelled run ends", "cancelled", _update("cancelled0", S.CANCELLED, asked=True))
_add("a cancelled run succeeds", "cancelled", _success("cancelled0"))
_add("settle a run", "done", _update("done0", S.SUCCEEDED, asked=True, run_duration=7.0, gpu="H100"))
_add("cancel a waiting run", "waiting queue", _cancel("waiting0"))
_add("cancel a batch", "batch queue", _cancel("batch0"))
_add("cancel a running batch", "running", _cancel("running1"))
_add("cancel a run without id", "submitting", _cancel("submitting0"))
_add("cancel a request in review", "review", _cancel("review0"))
_add(
    "withdraw a cancellation", "cancelled", lambda store, given, _: store.runs.refuse_cancel(given.cancelled)
)

_add("approve", "review queue person", lambda store, _, who: store.reviews.approve("review0", MOD + who, NOW))
_add("reject", "review", lambda store, _, who: store.reviews.reject("review0", MOD + who, "no", NOW))
_add("a review expires", "review", _finish("review0", S.EXPIRED, "expired"))


def _delete(key: str, *, whole_batch: bool = False) -> Callable[..., Any]:
    return lambda store, _, who: store.reviews.delete(key, MOD + who, NOW, whole_batch=whole_batch)


def _copy(key: str, shared_to: int | None = None) -> Callable[..., Any]:
    return lambda store, _, __: store.copies.request(CopyRequest(key=key, shared_to=shared_to), NOW)


_add("delete one result", "done", _delete("done0"))
_add("delete a batch", "done", _delete("done1", whole_batch=True))
_add("delete a held result", "held", _delete("held0"))
_add("delete a result while it is posted", "posting", _delete("posting0"))
_add("discard a message", "posting", lambda store, _, who: store.reviews.discard("posting0", MOD + who, NOW))
_add(
    "report a result",
    "done",
    lambda store, _, who: store.reviews.report("done0", Report(6 + who, "rules"), 90, NOW),
)
_add(
    "report another result",
    "done",
    lambda store, _, who: store.reviews.report("done1", Report(6 + who, "rules"), 90, NOW),
)
_add("dismiss a report", "done", lambda store, _, who: store.reviews.dismiss("done0", MOD + who, NOW))
_add("copy one result", "done", _copy("done1"))
_add("share a result", "done", _copy("done1", 9))
_add("delete a copy", "done", lambda store, _, who: store.copies.delete("done0", SHARED, MOD + who, NOW))
_add(
    "post an offered result",
    "offered",
    lambda store, _, __: store.copies.redeliver("offered0", place(channel_id=7), NOW),
)
_add("delete an offered result", "offered", _delete("offered0"))


async def _checked(store: Store, given: Given, _: int) -> bool:
    run = replace(given.checking.first, verdicts={"0": [Verdict.HELD, "nudity"]})
    return await store.messages.checked(given.checking, [run], NOW, SOON, 90)


_add("hold pictures", "checked", _checked)
_add(
    "show unseen pictures",
    "",
    lambda store, _, __: store.reviews.decide_pictures("checked0", decision_by(MOD, Verdict.SHOW), NOW),
)
_add("delete unchecked pictures", "checked", _delete("checked0"))
_add(
    "show held pictures",
    "held",
    lambda store, _, who: store.reviews.decide_pictures("held0", decision_by(MOD + who, Verdict.SHOW), NOW),
)
_add(
    "held pictures expire",
    "held",
    lambda store, _, __: store.reviews.decide_pictures("held0", NOBODY_DECIDED, NOW),
)


async def _show(store: Store, who: int, now: Any, until: Any) -> list[Claim]:
    claims, _ = await store.messages.turn([], [f"messenger {who}"] * 20, (), now, until)
    return list(claims)


def _release(*, shown: bool, held: bool = True, **more: Any) -> Callable[..., Any]:
    async def call(store: Store, given: Given, _: int) -> None:
        ref = MessageRef(5, 51 if held else 52)
        claim = given.posting.with_part(part_of(given.posting, ref))
        claim = claim if held else replace(claim, lease="lost")
        await release(store, claim, SOON, shown=shown, **more)

    return call


async def _begin(store: Store, given: Given, _: int) -> bool:
    begun = given.posting.changed(attempt=Attempt(SOON, part_of(given.posting, MessageRef(5, 0))))
    return await store.messages.begin(begun, LATER)


async def _begin_next(store: Store, given: Given, _: int) -> bool:
    claim = given.posting.with_part(part_of(given.posting, MessageRef(5, 51), of=2))
    return await store.messages.begin(claim, LATER)


_add("show messages", EVERYTHING, lambda store, _, who: _show(store, who, NOW, SOON))
_add("show one message", "", lambda store, _, __: store.messages.turn([], ["messenger"], (), NOW, SOON))
_add("take over a lease", "posting checked", lambda store, _, who: _show(store, who, LATER, at(180)))
_add("extend a lease", "posting", lambda store, given, _: store.messages.extend(given.posting, LATER))
_add("begin a post", "posting", _begin)
_add("begin the next part", "posting", _begin_next)
_add("store a post", "posting", _release(shown=True, ends_answer=True, changes=[Purpose.REVIEW]))
_add("store a post without the lease", "posting", _release(shown=True, held=False))
_add("fail to post", "posting", _release(shown=False))
_add("make messages due", "posting offered", lambda store, _, __: store.messages.make_due(at(1)))
_add("release all leases", "", lambda store, _, __: store.messages.release_leases())
_add("show the answer", "queue", lambda store, _, __: store.messages.answered("new00", 78, NOW))


async def _erase(store: Store, _: Given, __: int) -> None:
    await store.database.write(erase_chunk, PERSON.id, NOW, 20)


def _block(person: int) -> Callable[..., Any]:
    return lambda store, _, who: block(store, person, at=NOW, by=MOD + who)


def _change_rules(store: Store, _: Given, who: int) -> Any:
    def edit(rules: ServerRules) -> ServerRules:
        days = {"retention_days": rules.retention_days + 1} if who else {}
        spent = {} if who else {"budgets": Budgets()}
        return rules.model_copy(update={**days, **spent})

    return store.rules.change(GUILD, MOD + who, edit, NOW, SettingsContext())


_add("block", "queue person waiting batch review submitting", _block(PERSON.id))
_add("block again", "block", _block(BOB))
_add("unblock", "block", lambda store, _, who: unblock(store, BOB, at=at(who)))
_add("change the rules", "queue person", _change_rules)
_add(
    "reserve flux for a role",
    "",
    lambda store, _, __: stored_rules(store, GUILD, {**RULES, "deployment_roles": {"flux": [5]}}),
)
_add("damage the rules", "", lambda store, _, __: stored_rules(store, GUILD, {"budgets": "none"}))
_add("erase a person", "person old done offered held presets", _erase)
_add("find what has expired", "old", lambda store, _, __: store.retention.claim(NOW))
_add(
    "remove what has expired",
    "old done posting person",
    lambda store, given, _: store.retention.handle(given.expired),
)

_add("save a preset", "presets", lambda store, _, __: store.presets.put(preset("ash"), NOW))
_add(
    "replace a preset",
    "presets",
    lambda store, _, who: store.presets.put(replace(preset("ink"), gpu=f"GPU {who}"), NOW, replaces=True),
)
_add(
    "delete a preset",
    "presets",
    lambda store, _, who: store.presets.remove(Holder.SERVER, GUILD, "ink", by=MOD + who, now=NOW),
)
_add(
    "set a channel's default",
    "presets",
    lambda store, _, who: store.presets.set_default(GUILD, 2, ("ink", "oil")[who], by=MOD, now=NOW),
)
_add(
    "remove a channel's default",
    "presets",
    lambda store, _, __: store.presets.set_default(GUILD, 1, None, by=MOD, now=NOW),
)
_add(
    "set one's default",
    "presets",
    lambda store, _, who: store.presets.set_own_default(PERSON.id, ("ink", "oil")[who]),
)
_add("store a value", "values", lambda store, _, who: store.key_values.put("value", f"{who}"))
_add(
    "change a value",
    "values",
    lambda store, _, who: store.key_values.change("value", lambda text: (f"{text}+{who}", text)),
)
_add(
    "mark as done",
    "values",
    lambda store, _, __: store.key_values.change("done", lambda was: ("", was is None)),
)
_add("claim the daily backup", "values", lambda store, _, __: store.database.write(backups.claim, NOW))
_add(
    "reserve a slot",
    "values",
    lambda store, _, __: store.key_values.reserve_slot("slot", NOW, timedelta(seconds=1)),
)


# Pairs whose rows may differ from both orders, with the reason why that does no harm.
TOLERATED = {
    (
        "erase a person",
        "replace a preset",
    ): "the preset is saved by its own holder, who is erasing their data at this moment",
    ("delete a batch", "show messages"): "any of the messages of one request may be first",
    ("show messages", "block"): "any of the messages of one request may be first",
    ("poll due runs", "poll everything"): "what was polled a moment ago need not be polled at once",
    ("poll due runs", "cancel a running batch"): "one run may be polled before, the other afterwards",
    ("poll due runs", "progress"): "one run may be polled before, the other afterwards",
}


# For each lock, a pair that it keeps apart. These are always tested.
APART = [
    ("one run succeeds", "the other run succeeds"),
    ("one run succeeds", "progress"),
    ("accept a request", "accept a request"),
    ("accept a request", "claim a run"),
    ("accept a request", "block"),
    ("approve", "block"),
    ("block again", "unblock"),
    ("requeue", "block"),
    ("claim a run", "claim a run"),
    ("claim a run", "cancel a waiting run"),
    ("claim a run", "hold a queue"),
    ("claim a run", "block"),
    ("hold a queue", "block"),
    ("poll due runs", "poll due runs"),
    ("a cancelled run ends", "withdraw a cancellation"),
    ("show messages", "show messages"),
    ("share a result", "erase a person"),
    ("share a result", "remove what has expired"),
    ("change the rules", "change the rules"),
    ("replace a preset", "replace a preset"),
    ("replace a preset", "delete a preset"),
    ("delete a preset", "set a channel's default"),
    ("set one's default", "set one's default"),
    ("change a value", "change a value"),
]


def pairs() -> list[tuple[str, str]]:
    """Return the pairs of operations that are about the same requests, each with itself, too."""
    names = list(OPERATIONS)
    return [
        (first, second)
        for number, first in enumerate(names)
        for second in names[number:]
        if OPERATIONS[first].about & OPERATIONS[second].about and (first, second) not in TOLERATED
    ]
