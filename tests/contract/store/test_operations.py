"""Each operation changes what this table says of it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bot.domain.errors import BotError
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store.changes import Rows, changes, put_back, read_all, wrapped
from tests.contract.store.operations import OPERATIONS, Given, arrange

# Operations, by two processes in turn, and what the last of them changes in the requests of `arrange`. An
# arrow names the error that it raises, or says that it returns False.
CHANGES = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")


def table() -> dict[str, str]:
    """Return the changes by the operations that make them."""
    found, names, is_named = dict[str, str](), list[str](), False
    for line in CHANGES.splitlines():
        if not line.startswith(" "):
            names = [*names, line] if is_named else [line]
        else:
            found |= {name: found.get(name, "") + f"{line}\n" for name in names}
        is_named = not line.startswith(" ")
    return found


async def done(store: Store, given: Given, shared: Rows, names: Sequence[str]) -> str:
    """Do these operations, and return what the last one changes."""
    await store.database.write(put_back, shared)
    for number, name in enumerate(names[:-1]):
        with suppress(BotError):
            await OPERATIONS[name].call(store, given, number % 2)
    before = await store.database.read(read_all) if names[1:] else shared
    try:
        result = await OPERATIONS[names[-1]].call(store, given, (len(names) - 1) % 2)
    except BotError as error:
        result = f"{type(error).__name__} {getattr(error, 'code', '')}".strip()
    told = [f"-> {result}"] if result is False or isinstance(result, str) else []
    lines = [*told, *changes(before, await store.database.read(read_all))]
    return wrapped(lines or ["nothing"])


async def test_each_operation_changes_what_the_table_says(stores: Stores) -> None:
    store, expected = await stores.open(rules=None), table()
    assert expected.keys() >= OPERATIONS.keys()
    given = await arrange(store)
    shared = await store.database.read(read_all)
    found = {names: await done(store, given, shared, names.split("; ")) for names in expected}
    assert found == expected
