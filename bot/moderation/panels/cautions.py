"""What will not work as it is set, told in the panel. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.rules import ApprovalMode, ServerRules
from bot.domain.settings_table import Section
from bot.domain.settings_values import Surroundings, gone
from bot.domain.text import quoted
from bot.moderation.panels import names
from bot.strings import say


def cautions(section: Section, rules: ServerRules, around: Surroundings) -> list[str]:
    """Sentences, the gravest first; the overview has all of them."""
    found: list[str] = []
    if around.unreadable:
        found.append(say("settings_warn_unreadable", where=quoted(", ".join(around.unreadable), 150)))
    if section in (Section.HOME, Section.APPROVAL):
        found += _approval(rules, around)
    if section in (Section.HOME, Section.WORDS):
        found += _words(rules, around)
    if gone(rules, around):
        found.append(say("settings_warn_gone"))
    return found


def _approval(rules: ServerRules, around: Surroundings) -> Iterator[str]:
    approval = rules.approval
    if around.review is not None and around.review.missing:  # reports go there too
        yield say(
            "settings_warn_no_access",
            channel=names.channel(approval.review_channel_id, around),
            missing=", ".join(around.review.missing),
        )
    if approval.mode is ApprovalMode.OFF:
        return
    if around.review is None:
        yield say("settings_warn_no_channel")
    if rules.reviewer_role_id not in around.role_ids:
        yield say("settings_warn_no_reviewers")
    elif around.review is not None and not around.review.reviewers_see:
        yield say("settings_warn_reviewers_blind")
    if approval.mode is ApprovalMode.SELECTED and not (approval.deployments or approval.gpus):
        yield say("settings_warn_nothing_selected")


def _words(rules: ServerRules, around: Surroundings) -> Iterator[str]:
    if rules.words.automod is False:
        return
    if not around.manages_server:
        yield say("settings_warn_automod" if rules.words.automod else "settings_warn_unable")
    elif around.automod_away:
        yield say("settings_warn_automod_away")
    elif around.automod_unread:
        shown = dict.fromkeys(
            say(f"settings_unread_{item.code}", rule=quoted(item.rule, 60)) for item in around.automod_unread
        )
        yield say("settings_warn_not_applied", rules=names.listed(shown, 5))
