"""The drafts of forms: whose they are, and how many are kept."""

from __future__ import annotations

from random import Random

from bot.memory import FormDrafts

ALICE, BOB = 1, 2


def test_only_its_user_gets_a_draft() -> None:
    drafts = FormDrafts(Random(1))
    name = drafts.keep(ALICE, "a fox")
    assert drafts.get(name, ALICE, str) == "a fox"
    assert drafts.get(name, BOB, str) is None
    assert drafts.get("0123abcd", ALICE, str) is None
    assert drafts.get(name, ALICE, int) is None


def test_a_users_oldest_draft_goes_first_and_nobody_elses() -> None:
    drafts = FormDrafts(Random(1), per_user=3)
    other = drafts.keep(BOB, 0)
    names = [drafts.keep(ALICE, number) for number in range(5)]
    assert [drafts.get(name, ALICE, int) for name in names] == [None, None, 2, 3, 4]
    assert drafts.get(other, BOB, int) == 0


def test_the_users_with_the_newest_drafts_keep_theirs() -> None:
    drafts = FormDrafts(Random(1), users=2)
    first = drafts.keep(ALICE, "first")
    bobs = drafts.keep(BOB, "bob's")
    second = drafts.keep(ALICE, "second")
    drafts.keep(3, "another's")
    assert [drafts.get(first, ALICE, str), drafts.get(second, ALICE, str)] == ["first", "second"]
    assert drafts.get(bobs, BOB, str) is None
