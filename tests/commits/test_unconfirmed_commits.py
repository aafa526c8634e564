"""After a COMMIT without a reply, PostgreSQL is asked whether the transaction was committed."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from bot.database.tables import key_values
from bot.domain.errors import CommitUnknown, StoreUnavailable
from bot.store import Store
from tests.commits.proxy import Loss, PostgresProxy, Step
from tests.contract.store.runs import NOW, accepted, fetch, take


def insert(connection: Connection) -> int:
    """Store a row, and return the number of rows."""
    connection.execute(key_values.insert().values(name="a", value="b", updated_at=NOW))
    return count(connection)


def count(connection: Connection) -> int:
    return connection.scalar(text("SELECT count(*) FROM key_values")) or 0


def is_commit(step: Step) -> bool:
    return step.sql == "COMMIT"


async def test_a_lost_reply_changes_no_result(behind_proxy: tuple[Store, PostgresProxy]) -> None:
    store, proxy = behind_proxy
    before = await store.database.read(count)
    proxy.lose(is_commit)
    assert await store.database.write(insert) == before + 1
    assert proxy.lost is not None
    assert await store.database.read(count) == before + 1


async def test_a_commit_that_is_lost_itself_stores_nothing(behind_proxy: tuple[Store, PostgresProxy]) -> None:
    store, proxy = behind_proxy
    before = await store.database.read(count)
    proxy.lose(is_commit, Loss.STATEMENT)
    with pytest.raises(StoreUnavailable) as caught:
        await store.database.write(insert)
    assert not isinstance(caught.value, CommitUnknown)
    assert await store.database.read(count) == before


async def test_a_transaction_that_wrote_nothing_is_not_in_doubt(
    behind_proxy: tuple[Store, PostgresProxy],
) -> None:
    store, proxy = behind_proxy
    proxy.goes_away = True
    proxy.lose(is_commit)
    assert await store.database.write(count) >= 0
    assert proxy.lost is not None


@pytest.mark.parametrize("loss", Loss)
async def test_a_commit_is_unknown_while_the_server_is_away(
    loss: Loss, behind_proxy: tuple[Store, PostgresProxy]
) -> None:
    store, proxy = behind_proxy
    proxy.goes_away = True
    proxy.lose(is_commit, loss)
    with pytest.raises(CommitUnknown):
        await store.database.write(insert)


async def test_a_commit_is_unknown_while_its_transaction_is_open(
    behind_proxy: tuple[Store, PostgresProxy],
) -> None:
    store, proxy = behind_proxy
    proxy.keeps_sessions = True
    proxy.lose(is_commit, Loss.STATEMENT)
    with pytest.raises(CommitUnknown):
        await store.database.write(insert)


@pytest.mark.parametrize("loss", Loss)
async def test_a_stored_claim_is_kept(loss: Loss, behind_proxy: tuple[Store, PostgresProxy]) -> None:
    """Only the process that made a stored claim gets the run; if the COMMIT was lost, the run still waits."""
    store, proxy = behind_proxy
    run = await accepted(store)
    proxy.lose(is_commit, loss)
    if loss is Loss.REPLY:
        assert await take(store) is not None
        assert await take(store) is None
    else:
        with pytest.raises(StoreUnavailable):
            await take(store)
        assert await take(store) is not None
    assert (await fetch(store, run.key)).submissions == 1
