"""A change whose COMMIT loses its reply is repeated once, and its caller gets the true result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from bot.database.tables import metadata
from bot.domain.errors import CommitUnknown
from bot.domain.presets import Holder
from bot.domain.results.deliveries import Delivery, DeliveryState, MessageRef
from bot.domain.results.sharing import CopyRequest
from bot.domain.runs import RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store import Store
from tests.commits.proxy import Loss, PostgresProxy
from tests.contract.store.rows import ALICE, GUILD, MOD, audit_log, stored_rules, stored_run
from tests.contract.store.runs import (
    LEASE,
    NOW,
    PERSON,
    RULES,
    accept,
    accepted,
    at,
    awaiting_approval,
    brought_to,
    claimed,
    fetch,
    request,
    take,
)
from tests.sampling import every_nth
from tests.unit.factories import made_preset

PRESET = made_preset(holder=Holder.SERVER, holder_id=GUILD, created_at=NOW, created_by=ALICE)
# A preparation, and the change that returns what its caller is told.
Change = Callable[[], Awaitable[Any]]


async def block(store: Store) -> Change:
    await accepted(store)
    return lambda: store.blocks.block(GUILD, PERSON.id, by=MOD, reason="no", until=None, now=NOW)


async def unblock(store: Store) -> Change:
    await store.blocks.block(GUILD, ALICE, by=MOD, reason=None, until=None, now=NOW)
    return lambda: store.blocks.unblock(GUILD, ALICE, by=MOD, now=NOW)


async def pause(store: Store) -> Change:
    return lambda: store.pause.pause("x", by=1, now=NOW)


async def resume(store: Store) -> Change:
    await store.pause.pause("x", by=1, now=NOW)
    return lambda: store.pause.resume(by=1, now=NOW)


async def change_rules(store: Store) -> Change:
    """Return an edit that takes itself back if it is applied twice."""

    def toggled(rules: ServerRules) -> ServerRules:
        return rules.model_copy(update={"retention_days": 500 - rules.retention_days})

    async def toggle() -> bool:
        return await store.rules.change(GUILD, ALICE, toggled, NOW, "days") == toggled(before)

    before = await store.rules.get(GUILD)
    return toggle


async def put_preset(store: Store) -> Change:
    return lambda: store.presets.put(PRESET, NOW)


async def replace_preset(store: Store) -> Change:
    await store.presets.put(PRESET, NOW)
    return lambda: store.presets.put(replace(PRESET, created_at=at(1)), NOW, replaces=PRESET)


async def remove_preset(store: Store) -> Change:
    await store.presets.put(PRESET, NOW)
    return lambda: store.presets.remove(Holder.SERVER, GUILD, "noir", by=ALICE, now=NOW)


async def set_default(store: Store) -> Change:
    await store.presets.put(PRESET, NOW)

    async def change() -> bool:
        default = await store.presets.set_default(GUILD, 5, "noir", by=ALICE, now=at(1))
        return default is not None and default.preset == PRESET

    return change


async def clear_default(store: Store) -> Change:
    await store.presets.put(PRESET, NOW)
    await store.presets.set_default(GUILD, 5, "noir", by=ALICE, now=NOW)
    return lambda: store.presets.clear_default(GUILD, 5, by=ALICE, now=at(1))


async def delete(store: Store) -> Change:
    run = await brought_to(store, RunState.SUCCEEDED)
    return lambda: store.reviews.delete(run.key, MOD, NOW)


async def discard(store: Store) -> Change:
    run = await brought_to(store, RunState.FAILED)
    return lambda: store.reviews.discard(run.key, ALICE, NOW, remove=True)


async def dismiss(store: Store) -> Change:
    run = await brought_to(store, RunState.SUCCEEDED)
    await store.reviews.report(run.key, ALICE, 9, NOW)
    return lambda: store.reviews.dismiss(run.key, MOD, NOW)


async def record_opening(store: Store) -> Change:
    run = await brought_to(store, RunState.SUCCEEDED)
    return lambda: store.reviews.record_opening(run.key, MOD, NOW)


async def report(store: Store) -> Change:
    run = await brought_to(store, RunState.SUCCEEDED)
    return lambda: store.reviews.report(run.key, ALICE, 9, NOW)


async def approve(store: Store) -> Change:
    run = await awaiting_approval(store)
    return lambda: store.reviews.approve(run.key, MOD, NOW)


async def reject(store: Store) -> Change:
    run = await awaiting_approval(store)
    return lambda: store.reviews.reject(run.key, MOD, "no", NOW)


async def cancel(store: Store) -> Change:
    run = await accepted(store)
    return lambda: store.runs.request_cancel(run.key, NOW, by=run.requester_id)


async def cancel_after_a_refusal(store: Store) -> Change:
    run = await brought_to(store, RunState.RUNNING)
    await store.runs.request_cancel(run.key, NOW, by=run.requester_id)
    await store.runs.refuse_cancel(await fetch(store, run.key))

    async def change() -> bool:
        done = await store.runs.request_cancel(run.key, at(1), by=run.requester_id)
        return done and (await fetch(store, run.key)).cancel_requested_at == at(1)

    return change


async def finish(store: Store) -> Change:
    run = await brought_to(store, RunState.RUNNING)
    return lambda: store.runs.finish(run.key, RunState.TIMED_OUT, NOW, code="deadline")


async def withdraw(store: Store) -> Change:
    run = await accept(store, request())
    return lambda: store.answers.withdraw(run.key)


async def redeliver(store: Store) -> Change:
    key = await stored_run(store, delivery=DeliveryState.UNDELIVERED)
    return lambda: store.deliveries.redeliver(key, request().origin, NOW)


async def share(store: Store) -> Change:
    copy = CopyRequest(key=await stored_run(store), user_id=ALICE, shared_to=7)
    return lambda: store.copies.request(copy, NOW)


async def delete_copy(store: Store) -> Change:
    key, message = await stored_run(store), MessageRef(7, 8)
    await store.copies.request(CopyRequest(key=key, user_id=ALICE, shared_to=7), NOW)
    await store.deliveries.mark_sent(await claimed(store), [message], NOW)
    return lambda: store.copies.delete(key, message, MOD, NOW)


async def withdraw_copy(store: Store) -> Change:
    await store.copies.request(CopyRequest(key=await stored_run(store), user_id=ALICE, shared_to=7), NOW)
    delivery = await claimed(store)
    return lambda: store.deliveries.withdraw(delivery, [])


async def attempted(store: Store) -> Delivery:
    await brought_to(store, RunState.SUCCEEDED)
    delivery = await claimed(store)
    assert await store.deliveries.mark_attempt(delivery, "courier", NOW, LEASE, 1)
    return delivery


async def mark_attempt(store: Store) -> Change:
    delivery = await attempted(store)
    return lambda: store.deliveries.mark_attempt(delivery, "courier", NOW, LEASE, 2)


async def clear_attempt(store: Store) -> Change:
    delivery = await attempted(store)
    return lambda: store.deliveries.clear_attempt(delivery)


async def mark_sent(store: Store) -> Change:
    delivery = await attempted(store)
    return lambda: store.deliveries.mark_sent(delivery, [MessageRef(7, 8)], NOW)


async def complete(store: Store) -> Change:
    delivery = await attempted(store)
    return lambda: store.deliveries.complete(delivery, NOW)


# The result for the caller, with or without a lost reply.
CHANGES: dict[Callable[[Store], Awaitable[Change]], object] = {
    block: 1,
    unblock: True,
    pause: None,
    resume: True,
    change_rules: True,
    put_preset: None,
    replace_preset: None,
    remove_preset: True,
    set_default: True,
    clear_default: True,
    delete: None,
    discard: None,
    dismiss: None,
    record_opening: None,
    report: True,
    approve: None,
    reject: None,
    cancel: True,
    cancel_after_a_refusal: True,
    finish: True,
    withdraw: True,
    redeliver: True,
    share: None,
    delete_copy: None,
    withdraw_copy: (),
    mark_attempt: True,
    clear_attempt: (),
    mark_sent: True,
    complete: True,
}


async def empty(store: Store) -> None:
    """Delete every row, and store the rules again that `Stores.open` stores."""
    async with store.database.write() as connection:
        await connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"))
    await stored_rules(store, GUILD, RULES)


@pytest.mark.parametrize("prepare", every_nth(CHANGES, 2), ids=lambda prepare: prepare.__name__)
async def test_a_lost_reply_changes_no_result(
    behind_proxy: tuple[Store, PostgresProxy], prepare: Callable[[Store], Awaitable[Change]]
) -> None:
    store, proxy = behind_proxy
    written = set()
    for loss in (None, *Loss):
        await empty(store)
        change = await prepare(store)
        before = len(await audit_log(store))
        if loss is not None:
            proxy.lose(lambda step: step.sql == "COMMIT", loss)
        told = await change()
        assert (told, proxy.lost is None) == (CHANGES[prepare], loss is None)
        written.add(len(await audit_log(store)) - before)
    assert len(written) == 1


async def test_a_failed_repetition_is_an_unknown_commit(behind_proxy: tuple[Store, PostgresProxy]) -> None:
    store, proxy = behind_proxy
    change = await unblock(store)
    proxy.goes_away = True
    proxy.lose(lambda step: step.sql == "COMMIT")
    with pytest.raises(CommitUnknown):
        await change()


@pytest.mark.parametrize("loss", Loss)
async def test_a_stored_claim_is_kept(loss: Loss, behind_proxy: tuple[Store, PostgresProxy]) -> None:
    """The process that knows the claim's id makes the one queue call; otherwise the run still waits."""
    store, proxy = behind_proxy
    run = await accepted(store)
    proxy.lose(lambda step: step.sql == "COMMIT", loss)
    claimed = await take(store)
    assert (claimed is not None) is (loss is Loss.REPLY)
    assert (await take(store) is not None) is (loss is Loss.STATEMENT)
    assert (await fetch(store, run.key)).submissions == 1
