"""The drafts of forms: whose they are, and how many are kept."""

from __future__ import annotations

from random import Random

from bot.memory import FormDrafts

ALICE, BOB = 1, 2


def test_only_its_user_gets_a_draft() -> None:
    drafts = FormDrafts[str](Random(1))
    name = drafts.keep(ALICE, "a fox")
    assert drafts.get(name, ALICE) == "a fox"
    assert drafts.get(name, BOB) is None
    assert drafts.get("0123abcd", ALICE) is None


def test_a_users_oldest_draft_goes_first_and_nobody_elses() -> None:
    drafts = FormDrafts[int](Random(1), per_user=3)
    other = drafts.keep(BOB, 0)
    names = [drafts.keep(ALICE, number) for number in range(5)]
    assert [drafts.get(name, ALICE) for name in names] == [None, None, 2, 3, 4]
    assert drafts.get(other, BOB) == 0


def test_the_users_with_the_newest_drafts_keep_theirs() -> None:
    drafts = FormDrafts[str](Random(1), users=2)
    first = drafts.keep(ALICE, "first")
    bobs = drafts.keep(BOB, "bob's")
    second = drafts.keep(ALICE, "second")
    drafts.keep(3, "another's")
    assert [drafts.get(first, ALICE), drafts.get(second, ALICE)] == ["first", "second"]
    assert drafts.get(bobs, BOB) is None


def test_forgetting_a_user_drops_all_their_drafts() -> None:
    drafts = FormDrafts[str](Random(1))
    own, other = [drafts.keep(ALICE, text) for text in ("a", "b")], drafts.keep(BOB, "c")
    for _ in range(2):
        drafts.forget(ALICE)
    assert [drafts.get(name, ALICE) for name in own] == [None, None]
    assert drafts.get(other, BOB) == "c"
