"""Both databases store a text from outside alike: without what one of them refuses."""

from __future__ import annotations

from sqlalchemy import String, literal, select

from bot.database.tables import CleanText, metadata
from bot.domain.requests import Holder
from bot.store import Store
from bot.store.presets import read_usable
from tests.contract.store.rows import ALICE, GUILD, active_blocks, block
from tests.contract.store.runs import NOW, accepted, fetch

# NUL, which PostgreSQL doesn't store; half a surrogate pair, which neither does.
NUL, HALF = "\0", "\ud800"


def test_every_text_is_cleaned() -> None:
    columns = [column for table in metadata.sorted_tables for column in table.columns]
    assert [str(each) for each in columns if isinstance(each.type, String)] == []


async def test_texts_are_cleaned_and_kept_whole(store: Store) -> None:
    sent = select(literal(f"é{NUL}{HALF}" + "x" * 2000, CleanText))
    assert await store.database.read(lambda connection: connection.scalar(sent)) == "é?" + "x" * 2000
    await block(store, ALICE, at=NOW, reason=f"no{NUL}{HALF}")
    assert [each.reason for each in await active_blocks(store, NOW)] == ["no?"]


async def test_structured_values_come_back_as_they_were(store: Store) -> None:
    inputs = {"prompt": f"a {NUL} fox {HALF}"}
    run = await accepted(store, inputs=inputs)
    assert (await fetch(store, run.key)).inputs == inputs


async def test_a_name_that_is_too_long_is_not_found(store: Store) -> None:
    assert (await store.database.read(read_usable, ALICE, GUILD, name="x" * 5000 + NUL)).named == []
    assert not await store.presets.remove(Holder.PERSON, ALICE, "x" * 5000, by=ALICE, now=NOW)
    assert await store.runs.get("x" * 100 + NUL) is None
