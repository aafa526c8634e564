"""What somebody has used today and what is left, as they see it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from discord.ui import LayoutView, TextDisplay

from bot.domain.budgets import Limits, Spent, UsageView
from bot.strings import say


def usage_layout(view: UsageView) -> LayoutView:
    layout = LayoutView(timeout=None)
    heading = say("usage_heading") if view.own else say("usage_heading_other", person=view.person_id)
    person = [heading, *_lines(view.usage.person, view.running.person, view.limits), *_hindrances(view)]
    layout.add_item(TextDisplay("\n".join(person)))
    if view.server is not None:
        server = [say("usage_server"), *_lines(view.usage.server, view.running.server, view.server)]
        layout.add_item(TextDisplay("\n".join(server)))
    layout.add_item(TextDisplay(say("usage_returns", until=int(view.usage.day_end.timestamp()))))
    return layout


def _lines(spent: Spent, running: int, limits: Limits) -> Iterator[str]:
    yield _of("usage_runs", limits.runs_a_day, spent.runs)
    yield _of("usage_gpu", limits.gpu_seconds_a_day, round(spent.gpu_seconds))
    yield _of("usage_now", limits.at_once, running)
    yield _of("usage_waiting", limits.waiting, spent.waiting)


def _of(code: str, limit: int | None, used: int) -> str:
    if limit is None:
        return say(code, used=used)
    return say(f"{code}_of", used=used, limit=limit, left=max(limit - used, 0))


def _hindrances(view: UsageView) -> Iterator[str]:
    block, paused = view.usage.block, view.usage.paused
    if block is not None:
        until = int(block.until.timestamp()) if block.until else 0
        yield say("usage_blocked_until" if until else "usage_blocked", until=until)
    if paused is not None:
        yield say("usage_paused", reason=paused)
