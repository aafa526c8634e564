"""The drafts of forms, which a process remembers."""

from __future__ import annotations

from random import Random

from bot.context import FormDrafts

ALICE, BOB = 1, 2


def test_only_its_user_gets_a_draft_and_only_of_its_type() -> None:
    drafts = FormDrafts(Random(1))
    name = drafts.keep(ALICE, "a fox")
    assert drafts.get(name, ALICE, str) == "a fox"
    assert [drafts.get(name, BOB, str), drafts.get("0123abcd", ALICE, str)] == [None, None]
    assert drafts.get(name, ALICE, int) is None


def test_the_oldest_drafts_go_first_and_a_users_can_be_forgotten() -> None:
    drafts = FormDrafts(Random(1), most=3)
    users = [ALICE, BOB, ALICE, BOB]
    names = [(drafts.keep(user, number), user) for number, user in enumerate(users)]
    assert [drafts.get(name, user, int) for name, user in names] == [None, 1, 2, 3]
    drafts.forget(BOB)
    assert [drafts.get(name, user, int) for name, user in names] == [None, None, 2, None]
