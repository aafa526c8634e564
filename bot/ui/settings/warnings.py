"""What the panel of `/settings` warns about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bot.domain.settings.fields import missing_references
from bot.domain.settings.rules_and_defaults import ApprovalMode, ServerRules
from bot.domain.settings.values import SettingsContext
from bot.domain.text import escape_line, listed

# Why an AutoMod rule isn't applied completely.
_UNREAD = {
    "automod_preset": "Discord doesn't publish its word lists",
    "automod_spam": "only Discord knows what is spam",
    "automod_unknown": "an unknown kind",
    "keyword_empty": "a keyword without letters",
    "regex_unsupported": "a regular expression that I can't read",
    "regex_too_large": "a regular expression that is too large",
    "regex_ascii_classes": "a regular expression, beyond plain letters",
}
_WITHOUT = "Members without every restricted GPU"
_UNTIL = "until you save a form here, which stores the defaults that you see."


def warnings(rules: ServerRules, context: SettingsContext) -> Iterator[str]:
    """Yield the warnings, the most serious first."""
    if context.unreadable:
        yield (
            f"I can't read what is stored of: {_names(context.unreadable)}. No request is accepted " + _UNTIL
        )
    yield from _approval(rules, context)
    yield from _words(rules, context)
    if rules.gpu_roles and context.gpu_unknown:
        yield f"The default GPU isn't known for: {_names(context.gpu_unknown)}. {_WITHOUT} must choose one."
    if rules.gpu_roles and context.gpu_not_offered:
        yield f"No GPU can be chosen for: {_names(context.gpu_not_offered)}. {_WITHOUT} can't run them."
    if context.gallery_lacks:
        yield _no_access(rules.gallery_channel_id, context.gallery_lacks)
    if missing_references(rules, context):
        yield "Some settings name things that no longer exist. Clean up removes them."


def _no_access(channel: int | None, lacks: Sequence[str]) -> str:
    return f"In <#{channel}> I need: {', '.join(lacks)}. Grant that in the channel's settings."


def _names(names: Iterable[str]) -> str:
    return listed([escape_line(name, 60) for name in names], 5)


def _approval(rules: ServerRules, context: SettingsContext) -> Iterator[str]:
    channel, review = rules.approval.review_channel_id, context.review
    if review is not None and review.missing:  # reports go there even without approval
        yield _no_access(channel, review.missing)
    if review is not None and review.everybody_sees:
        yield f"Everybody can see requests in <#{channel}>. Change who may view that channel."
    if rules.approval.mode is not ApprovalMode.OFF:
        yield from _waiting(rules, context)


def _waiting(rules: ServerRules, context: SettingsContext) -> Iterator[str]:
    approval, review = rules.approval, context.review
    if review is None:
        yield "The review channel is missing, so requests that need approval are refused. Choose one."
    if rules.reviewer_role_id not in context.role_ids:
        yield (
            "Only people with Manage Server can approve requests, and nobody can approve their own. "
            "Choose a reviewer role."
        )
    elif review is not None and not review.reviewers_see:
        yield "The reviewer role can't see the review channel. Grant it View Channel there."
    if approval.mode is ApprovalMode.WITHOUT_ROLES and not approval.exempt_roles & context.role_ids:
        yield "No role that exists is chosen under “Who doesn't wait”, so everybody waits."
    waits = approval.deployments & context.deployments.keys() or approval.gpus & {*context.gpus}
    if approval.mode is ApprovalMode.SELECTED and not waits:
        yield "No available deployment or GPU is chosen under What needs approval, so nothing waits."


def _words(rules: ServerRules, context: SettingsContext) -> Iterator[str]:
    if rules.words.automod is False:
        return
    if not context.manages_server:
        refused = "requests with text are refused" if rules.words.automod else "they aren't applied"
        yield f"I can't read the AutoMod rules, so {refused}. Grant Manage Server to my role."
    elif context.automod_away:
        yield "The AutoMod rules can't be read at the moment. Requests with text are refused until then."
    elif context.automod_unread:
        shown = [f"{escape_line(each.rule, 60)} ({_UNREAD[each.code]})" for each in context.automod_unread]
        yield f"AutoMod rules of this server that don't apply: {listed(dict.fromkeys(shown), 5)}."
