"""Each section in one line, for the overview. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.rules import ApprovalMode, ServerRules
from bot.domain.settings_table import Section
from bot.domain.settings_values import Surroundings
from bot.moderation.panels import names
from bot.moderation.panels.lines import automod_text, budget_text
from bot.strings import say


def summaries(rules: ServerRules, around: Surroundings) -> Iterator[tuple[Section, str]]:
    """In the order of the panel."""
    yield Section.APPROVAL, _approval(rules, around)
    yield Section.WORDS, _words(rules, around)
    yield Section.BUDGETS, _budgets(rules)
    yield Section.GPUS, _gpus(rules)
    yield Section.PEOPLE, _people(rules)
    yield Section.RESULTS, say(f"settings_spoiler_{rules.spoiler.value}")
    yield Section.RECORD, names.counted("settings_kept_for", rules.retention_days)


def _approval(rules: ServerRules, around: Surroundings) -> str:
    approval = rules.approval
    mode = say(f"settings_brief_{approval.mode.value}")
    if approval.mode is ApprovalMode.OFF:
        return mode
    place = names.channel(approval.review_channel_id, around)
    return f"{mode} · {place} · {names.counted('settings_hours', approval.hours)}"


def _words(rules: ServerRules, around: Surroundings) -> str:
    automod = say("settings_automod", state=automod_text(rules, around))
    count = len(rules.words.blocked)
    return f"{automod} · {names.counted('settings_words_count', count)}" if count else automod


def _budgets(rules: ServerRules) -> str:
    budgets = rules.budgets
    parts = [
        say("settings_each_person", limits=budget_text(budgets.person, ", ")),
        say("settings_whole_server", limits=budget_text(budgets.server, ", ")),
    ]
    if budgets.roles:
        parts.append(names.counted("settings_roles_differ", len(budgets.roles)))
    return " · ".join(parts)


def _gpus(rules: ServerRules) -> str:
    gpus, deployments = len(rules.gpu_roles), len(rules.deployment_roles)
    if not gpus and not deployments:
        return say("settings_open_to_all")
    return say("settings_limited", gpus=gpus, deployments=deployments)


def _people(rules: ServerRules) -> str:
    account, member = rules.people.account_days, rules.people.member_days
    old = names.counted("settings_account_age", account) if account else say("settings_any_account")
    here = names.counted("settings_member_age", member) if member else say("settings_any_member")
    return f"{old} · {here}"
