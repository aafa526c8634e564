"""Figures from which estimates and reservations are made, lists without gaps, and damaged rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update

from bot.database.tables import messages
from bot.delivery.status import MEDIANS_AGE, Estimator
from bot.domain.errors import RefusedError, RefusedForNow
from bot.domain.messages import MessageRef, Part, Place, Rendering, Shows
from bot.domain.moderation import AuditAction, AuditEntry, AuditFilter
from bot.domain.policy import EXPECTED_SECONDS
from bot.domain.requests import Holder, Preset, RunFilter
from bot.domain.run_timing import NEEDED, PLACES, WINDOW, StartedRun, Success
from bot.domain.runs import IN_FLIGHT, Run, RunState
from bot.domain.settings.rules_and_defaults import Approval, ServerRules
from bot.domain.settings.setting_types import SettingsContext
from bot.effects import Effects
from bot.store import Store
from bot.store.audit import add_entries, run_entry
from bot.store.presets import MAX_PRESETS, Usable, read_usable
from bot.store.reading.figures import SUCCESSES, expected_seconds
from bot.store.rules import read_rules
from tests.contract.store.rows import ALICE, BOB, GUILD, audit_log, selects, stored_rules, stored_run
from tests.contract.store.runs import NOW, at, fetch
from tests.harness import Clock
from tests.unit.factories import app_with


async def ended(store: Store, seconds: float = 0, **more: Any) -> str:
    """Insert a run that took a minute and ended `seconds` before now."""
    times = {"submitted_at": at(-seconds - 60), "started_at": at(-seconds - 40), "ended_at": at(-seconds)}
    return await stored_run(store, **{"expected_gpu": "L4", **times, **more})


async def test_recent_successes_of_the_deployment_and_the_gpu_are_read_newest_first(store: Store) -> None:
    month = WINDOW.total_seconds()
    for seconds in (month + 1, 10, month, 5):
        await ended(store, seconds)
    for state in set(RunState) - {RunState.SUCCEEDED}:
        await ended(store, state=state)
    await ended(store, state=RunState.FAILED, partial=True)
    await ended(store, deployment="sdxl")
    await ended(store, expected_gpu="H100")
    await ended(store, 7, expected_gpu=None, started_at=None)

    async def successes(gpu: str) -> list[Success]:
        values = {"of_deployment": "flux", "on_gpu": gpu, "since": NOW - WINDOW}
        return await store.database.read(
            lambda found: [Success(*row) for row in found.execute(SUCCESSES, values)]
        )

    found = await successes("L4")
    assert [(each.ended_at - NOW).total_seconds() for each in found] == [-5, -10, -month]
    assert found[0] == Success(at(-65), at(-45), at(-5))
    (unknown,) = await successes("")
    assert unknown == Success(at(-67), None, at(-7))


async def test_a_reservation_is_the_median_of_what_was_billed(store: Store) -> None:
    for seconds in range(1, 6):
        assert await store.database.read(expected_seconds, "flux", "L4", NOW) == EXPECTED_SECONDS
        await ended(store, run_duration=10.0 * seconds)
        await ended(store, run_duration=None)
    assert await store.database.read(expected_seconds, "flux", "L4", NOW) == 30


async def test_only_runs_in_flight_count_as_running(store: Store) -> None:
    for person, state in enumerate(RunState):
        await stored_run(store, state, person=person, started_at=NOW, progress=0.5, expected_gpu="L4")
    await stored_run(store, RunState.RUNNING, deployment="sdxl", guild=None)
    found = (await store.figures.in_flight())["flux"]
    assert found == [StartedRun("L4", None, NOW, NOW, 0.5)] * len(IN_FLIGHT)
    running = [await store.figures.running(GUILD, person) for person in range(len(RunState))]
    assert running == [(state in IN_FLIGHT, len(IN_FLIGHT)) for state in RunState]
    assert await store.figures.running(None, ALICE) == (1, 1)


@pytest.mark.sqlite_only
async def test_an_estimate_reads_the_medians_every_five_minutes_and_the_runs_in_flight(store: Store) -> None:
    for _ in range(NEEDED):
        await ended(store)
    clock = Clock()
    clock.now = at(0)

    def estimator(slots: int | None = 1) -> Estimator:
        catalogue = SimpleNamespace(get=lambda _: SimpleNamespace(concurrency_limit=slots))
        return Estimator(app_with(store=store, catalogue=catalogue, effects=Effects(now=clock)))

    async def active(state: RunState, **more: Any) -> Run:
        return await fetch(store, await stored_run(store, state, outcome=None, expected_gpu="L4", **more))

    run, asked = await active(RunState.QUEUED), estimator()
    with selects(store) as seen:
        assert await asked.expected_ends([[run]]) == {run.key: at(60)}
        for seconds, reads in ((MEDIANS_AGE.total_seconds() - 1, 1), (1, 2)):
            clock.move(seconds=seconds)
            await asked.expected_ends([[run, run]])
            assert len(seen) == reads
    clock.now = at(0)
    waiting = await active(RunState.WAITING, queue_position=2)
    assert await estimator().expected_ends([[waiting]]) == {waiting.key: at(60 + 60 + 60)}
    for slots in (2, None):
        assert await estimator(slots).expected_ends([[waiting]]) == {}
    far = await active(RunState.WAITING, queue_position=PLACES + 1)
    assert await estimator().expected_ends([[far]]) == {}
    await stored_run(store, RunState.QUEUED, outcome=None, expected_gpu="H100")  # no median says when it ends
    assert await estimator().expected_ends([[waiting]]) == {}


async def collected(export: AsyncIterator[Any], most: int) -> list[Any]:
    """Return all of an export. Stops at more than `most`: one that repeats a chunk would never end."""
    found: list[Any] = []
    async for item in export:
        found.append(item)
        assert len(found) <= most
    return found


async def test_pages_and_exports_have_no_gaps_within_one_instant(store: Store) -> None:
    # Three in each instant, so that pages and chunks end between them.
    made = [(at(number // 3), await stored_run(store, at=at(number // 3))) for number in range(10)]
    for state, partial in ((RunState.TIMED_OUT, True), (RunState.SUCCEEDED, False), (RunState.FAILED, False)):
        await stored_run(store, state, person=BOB, guild=4711, partial=partial)
    assert len(await store.history.page(BOB, RunFilter.DONE, limit=4)) == 2
    pages = [await store.history.page(ALICE, limit=4, offset=offset) for offset in (0, 4, 8, 12)]
    assert [len(page) for page in pages] == [4, 4, 2, 0]
    assert {entry.first.key for page in pages for entry in page} == {key for _, key in made}
    found = await collected(store.history.export(ALICE, chunk_size=2), 10)
    assert {run.key for run in found} == {key for _, key in made}
    assert len(await collected(store.history.export(chunk_size=2), 13)) == 13
    assert [run.created_at for run in found] == sorted((run.created_at for run in found), reverse=True)


async def test_pages_and_exports_of_the_audit_log_have_no_gaps_within_one_instant(store: Store) -> None:
    whose = {"guild_id": GUILD, "actor_id": ALICE, "subject_id": ALICE, "action": AuditAction.REQUEST}
    entries = [AuditEntry(at=at(n // 3), details={"n": n}, **whose) for n in range(25)]  # type: ignore[arg-type]
    await store.database.write(add_entries, *entries)
    log, everything = store.audit, AuditFilter()
    for portions in (
        [await log.page(GUILD, everything, NOW, limit=10, offset=offset) for offset in (0, 10, 20)],
        await collected(log.export(GUILD, everything, NOW, chunk_size=5), 5),
    ):
        assert [line.entry.details["n"] for lines in portions for line in lines] == [*range(24, -1, -1)]
    own = await collected(store.privacy.audit_of(ALICE, chunk_size=10), 3)
    assert [line.entry.details["n"] for lines in own for line in lines] == [*range(25)]


@pytest.mark.sqlite_only
async def test_damaged_rules_are_shown_in_part_and_accept_nothing_until_a_moderator_saves_them(
    store: Store,
) -> None:
    approval = {"mode": "everybody", "review_channel_id": 5, "hours": 100_000}
    damaged = {"people": {"account_days": 5}, "approval": approval, "spoiler": "sometimes", "newer": 1}
    await stored_rules(store, GUILD, damaged)
    rules, lost = await store.rules.read(GUILD)
    assert (rules.people.account_days, rules.approval, lost) == (5, Approval(), ("approval", "spoiler"))
    for guild_id, damage in enumerate(([], "text", 7, {"people": 3})):
        await stored_rules(store, guild_id, damage)
        with pytest.raises(RefusedForNow, match="rules_unreadable"):
            await store.database.read(read_rules, guild_id)
        await store.rules.change(guild_id, 7, lambda old: old, NOW, SettingsContext())
        assert await store.database.read(read_rules, guild_id) == ServerRules()
        ((label, _, new),) = (await audit_log(store))[-1].details["changes"]
        assert (label, new) == ("Unreadable settings", "the default"), damage


def preset(name: str = "noir", holder_id: int = ALICE, **changes: Any) -> Preset:
    holder = Holder.SERVER if holder_id >= GUILD else Holder.PERSON
    made = {"created_at": NOW, "created_by": ALICE, "gpu": "A10G", "inputs": {"cfg": 7.5}}
    return Preset(
        **{"holder": holder, "holder_id": holder_id, "name": name, "deployment": "flux", **made, **changes}
    )


async def test_presets_are_found_in_any_case_by_those_who_may_use_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MAX_PRESETS, Holder.PERSON, 3)
    own = [preset("Noir"), preset("day"), preset("song", deployment="song")]
    servers = preset(holder_id=GUILD)
    for one in (*own, servers, preset(holder_id=BOB)):
        assert await store.presets.put(one, NOW) is None
    with pytest.raises(RefusedError, match="presets_full_own"):
        await store.presets.put(preset("more"), NOW)

    async def usable(person: int, guild: int | None, *channels: int) -> Usable:
        return await store.database.read(read_usable, person, guild, channels, name=" nOIR ")

    found = [(await usable(*who)).named for who in ((ALICE, GUILD), (BOB, GUILD + 1), (7, None))]
    assert found == [[own[0], servers], [preset(holder_id=BOB)], []]
    for name in ("noir", "SONG", None):
        assert await store.presets.set_own_default(ALICE, name)
    assert not await store.presets.set_own_default(ALICE, None), "both are removed"
    for name in ("noir", "SONG", "day"):
        assert await store.presets.set_own_default(ALICE, name)
    # A default survives its replacement, but not another deployment.
    for name, deployment in (("Day", "flux"), ("song", "flux")):
        replaced = await store.presets.put(preset(name, deployment=deployment), NOW, replaces=True)
        assert replaced
        assert replaced.name == name.lower()
    assert [[each.name for each in (await usable(who, None)).own] for who in (ALICE, BOB)] == [["Day"], []]
    assert await store.presets.set_default(GUILD, 5, "NOIR", by=ALICE, now=NOW)
    where = ((GUILD, 4, 5), (GUILD, 6), (GUILD + 1, 5), (None, 5))
    of_channel = [(await usable(ALICE, *each)).channel for each in where]
    assert of_channel == [servers, None, None, None]


@pytest.mark.sqlite_only
async def test_only_what_everybody_may_see_of_a_request_is_linked_and_quoted(store: Store) -> None:
    async def stored(outcome: MessageRef, place: Place = Place.CHANNEL, **more: Any) -> Run:
        key = await stored_run(store, prompt="a fox", **more)
        part = Part(**outcome._asdict(), shows=Shows.RESULT, rev=1, rendering=Rendering.FILES, place=place)
        posted = update(messages).where(messages.c.request_key == key).values(posted=(part,))
        await store.database.write(lambda connection: connection.execute(posted))
        run = await fetch(store, key)
        await store.database.write(add_entries, run_entry(run, AuditAction.REQUEST, ALICE, NOW))
        return run

    async def recorded(run: Run) -> tuple[str | None, MessageRef | None]:
        lines = await store.audit.page(GUILD, AuditFilter(), NOW, limit=50)
        (line,) = [each for each in lines if each.entry.run_key == run.key][-1:]
        return line.prompt, line.message

    there = MessageRef(2, 5)
    shown, private = await stored(there), await stored(there, private=True)
    answer = await stored(there, Place.ANSWER, review_channel_id=9)
    notice = await stored(there, state=RunState.REFUSED, outputs=[])
    child, elsewhere = await stored(there, parent_key=shown.key), await stored(MessageRef(99, 4))
    far = await stored(there, parent_key=elsewhere.key)
    link = f"https://discord.com/channels/{GUILD}/2/5"
    assert [await store.history.parent_link(run) for run in (child, far)] == [link, None]
    found = [await recorded(run) for run in (shown, notice, private, answer)]
    assert found == [("a fox", there), ("a fox", there), (None, None), ("a fox", None)]
    await store.reviews.delete(shown.key, ALICE, NOW)
    await store.reviews.discard(notice.key, ALICE, NOW)
    assert [await recorded(run) for run in (shown, notice)] == [("a fox", None)] * 2
    assert await store.history.parent_link(child) is None
