"""After a COMMIT without a reply, PostgreSQL is asked whether the transaction was committed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import Connection, text

from bot.database.tables import key_values
from bot.domain.errors import CommitUnknown, StoreUnavailable
from bot.store import Store
from tests.commits.proxy import Loss, PostgresProxy, Step, proxy_of
from tests.contract.conftest import Stores
from tests.contract.store.runs import NOW, accepted, fetch, take
from tests.databases import PostgresServer


@pytest.fixture
async def behind_proxy(postgres: PostgresServer) -> AsyncIterator[tuple[Store, PostgresProxy]]:
    """Open a store whose connections go through a proxy."""
    url = await postgres.new_database()
    async with proxy_of(url) as (proxy, behind), AsyncExitStack() as stack:
        yield await Stores(behind, stack).open(), proxy
    postgres.give_back(url)


def insert(connection: Connection) -> int:
    """Store a row, and return the number of rows."""
    connection.execute(key_values.insert().values(name="a", value="b", updated_at=NOW))
    return count(connection)


def count(connection: Connection) -> int:
    return connection.scalar(text("SELECT count(*) FROM key_values")) or 0


def is_commit(step: Step) -> bool:
    return step.sql == "COMMIT"


@pytest.mark.parametrize(
    ("work", "loss", "server", "raised"),
    [
        (insert, Loss.REPLY, "there", None),
        (insert, Loss.STATEMENT, "there", StoreUnavailable),
        (insert, Loss.REPLY, "away", CommitUnknown),
        (insert, Loss.STATEMENT, "away", CommitUnknown),
        (insert, Loss.STATEMENT, "still in the transaction", CommitUnknown),
        (count, Loss.REPLY, "away", None),
    ],
)
async def test_only_an_answer_of_the_server_decides_what_became_of_a_commit(
    behind_proxy: tuple[Store, PostgresProxy],
    work: Callable[[Connection], int],
    loss: Loss,
    server: str,
    raised: type[Exception] | None,
) -> None:
    store, proxy = behind_proxy
    before, error = await store.database.read(count), None
    proxy.goes_away, proxy.keeps_sessions = server == "away", server == "still in the transaction"
    proxy.lose(is_commit, loss)
    try:
        assert await store.database.write(work) == before + (work is insert)
    except StoreUnavailable as caught:
        error = type(caught)
    assert error is raised
    assert proxy.lost is not None
    if server == "there":
        assert await store.database.read(count) == before + (loss is Loss.REPLY)


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
