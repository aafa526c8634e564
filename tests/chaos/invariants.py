"""Check from outside what people see, what the rows say, and what ComfyDeploy was asked for."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields

from tests import questions
from tests.chaos.environment import Environment
from tests.chaos.happenings import Round
from tests.chaos.promises import Promises
from tests.fakediscord.world import Message
from tests.questions import Message as Owed
from tests.questions import Run

# Messages by the request and the number of the run.
OwedOf = dict[tuple[str, int], list[Owed]]

_BUTTON = re.compile(r"(?:run|pick):([a-z0-9]+):(\w+)(?::\d+)?")
SETTLE_WITHIN = 90.0


@dataclass
class Verdict:
    """The keys of the runs that violate an invariant, with the evidence."""

    lost: dict[str, str] = field(default_factory=dict)
    twice: dict[str, str] = field(default_factory=dict)
    queued_twice: dict[str, str] = field(default_factory=dict)
    opposite: dict[str, str] = field(default_factory=dict)
    """Somebody was told the opposite of what happened."""
    opened: dict[str, str] = field(default_factory=dict)
    """Something forbidden was started, or one server's rules stopped another server."""
    hidden: dict[str, str] = field(default_factory=dict)
    """Outputs that nobody sees."""
    unseeable: dict[str, str] = field(default_factory=dict)
    """Told twice in the one window that is left (see docs/reliability.md): counted by itself."""

    def add(self, other: Verdict) -> None:
        for kind in fields(self):
            getattr(self, kind.name).update(getattr(other, kind.name))

    @property
    def all(self) -> dict[str, str]:
        broken = self.lost | self.twice | self.queued_twice
        return broken | self.opposite | self.opened | self.hidden


class InvariantChecker:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._promises = Promises(environment)
        self._judged: set[str] = set()
        self.requests = 0

    async def settled(self, within: float) -> bool:
        """Return whether all runs ended and no message is pending before so many real seconds have passed."""
        try:
            async with asyncio.timeout(within):
                while self._environment.servers.may_be_paused or not await self._quiet():
                    await self._environment.calm()
                    await asyncio.sleep(0.04)
        except TimeoutError:
            return False
        return True

    async def shown(self, rounds: Sequence[Round], within: float) -> bool:
        """Wait up to `within` real seconds for all outputs to be shown, and return whether they are.

        Polls find some of them long after the end.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._hidden(await self._new_runs(), await self._owed(), rounds):
                    await self._environment.calm()
                    await asyncio.sleep(0.2)
                return True
        return False

    async def _new_runs(self) -> dict[str, Run]:
        found = await questions.runs(self._environment.database, but=self._judged)
        return {run.key: run for run in found}

    async def _owed(self) -> OwedOf:
        owed: OwedOf = defaultdict(list)
        for message in await questions.messages(self._environment.database):
            owed[message.request_key, message.number].append(message)
        return owed

    def _hidden(self, runs: dict[str, Run], owed: OwedOf, rounds: Sequence[Round]) -> dict[str, str]:
        """Return the runs whose outputs no message shows and `/runs` doesn't offer."""
        kept = {
            key
            for key, run in runs.items()
            for message in (*_of(run, owed), *owed[run.request.key, 0])
            if message.state == "undelivered"
        }
        seen = self._promises.everything(self._messages(rounds))
        return {
            key: f"outputs that nobody sees: {run}"
            for key, run in runs.items()
            if key not in kept and self._promises.is_hidden(run, seen)
        }

    def _left_to_the_list(
        self, runs: dict[str, Run], owed: OwedOf, rounds: Sequence[Round]
    ) -> dict[str, str]:
        """Return the runs that only `/runs` offers although nothing but an outage happened."""
        places = {this.channel.id for this in rounds if this.happening == "outage"}
        return {
            key: f"undelivered after an outage: {run} {_of(run, owed)}"
            for key, run in runs.items()
            if run.request.channel_id in places
            and any(each.state == "undelivered" for each in _of(run, owed))
        }

    async def _quiet(self) -> bool:
        left = await questions.unsettled(self._environment.database)
        working = self._environment.comfydeploy.world.activity.active
        return not (working or left.in_review or left.in_progress)

    async def judge(self, rounds: Sequence[Round]) -> Verdict:
        """Check every run that is new since the last call; all of them have settled or had the time to."""
        runs, owed = await self._new_runs(), await self._owed()
        ends, cancels = self._seen(rounds)
        verdict = Verdict()
        for key, run in runs.items():
            # A batch shares one outcome; a late success of one of its runs is a second message.
            own, first = _of(run, owed), run.request.key
            others = (
                [message for message in owed[first, 0] if message.kind == "outcome"] if first != key else []
            )
            late = [message for message in own if message.kind == "late" and run.request.count > 1]
            limit = 1 + sum(bool(message.ids) for message in late)
            # Its own buttons are missing if the outcome became links; `hidden` looks for its outputs.
            seen = ends[key] or ends[first][:1]
            self._judge(verdict, run, [*own, *others], seen, cancels[key], limit=limit)
        for key in cancels.keys() - runs.keys() - self._judged:
            verdict.lost[key] = "a status message without a row"
        verdict.lost |= self._left_to_the_list(runs, owed, rounds)
        verdict.hidden |= self._hidden(runs, owed, rounds)
        verdict.opposite |= self._promises.opposites(runs, rounds)
        verdict.opened |= self._promises.opened(rounds)
        verdict.twice |= self._promises.second_cards(runs)
        self._judged |= runs.keys()
        return verdict

    def _judge(
        self,
        verdict: Verdict,
        run: Run,
        owed: list[Owed],
        ends: list[Message],
        cancels: list[Message],
        *,
        limit: int,
    ) -> None:
        self.requests += run.index == 0
        key, kept = run.key, sum(message.state == "undelivered" for message in owed)
        if not run.final or any(message.state == "pending" for message in owed):
            verdict.lost[key] = f"never settled: {run} {owed}"
        elif not ends and not kept:
            verdict.lost[key] = f"no outcome to be seen: {run} {owed}"
        if len(ends) > limit and any(self._out_of_reach(run, message) for message in ends[:-1]):
            # A post of unknown end in a place that then closed: nobody can look whether it is there.
            verdict.unseeable[key] = f"{[_told(message) for message in ends]}"
        elif len(ends) > limit:
            verdict.twice[key] = f"{len(ends)} outcomes: {[_told(message) for message in ends]} {run} {owed}"
        elif any(not self._out_of_reach(run, message) for message in cancels):
            verdict.twice[key] = f"a status message is left beside the outcome: {run} {owed}"
        calls = [call for call in self._environment.comfydeploy.call_log.calls_for(key) if call.status != 429]
        if len(calls) > 1:
            verdict.queued_twice[key] = f"{len(calls)} queue calls"

    def _seen(self, rounds: Sequence[Round]) -> tuple[dict[str, list[Message]], dict[str, list[Message]]]:
        """Return the messages with a run's outcome, and those that still offer Cancel.

        A message that a moderator deleted afterwards counts as seen. Further messages of an outcome, which
        have only numbers, don't count.
        """
        ends: dict[str, list[Message]] = defaultdict(list)
        cancels: dict[str, list[Message]] = defaultdict(list)
        for message in self._messages(rounds):
            found = {match.groups() for item in message.custom_ids if (match := _BUTTON.fullmatch(item))}
            if not any(item.startswith("run:") for item in message.custom_ids):
                continue
            for key in {key for key, _ in found}:
                if (key, "cancel") not in found:
                    ends[key].append(message)
                elif message.deleted_at is None:
                    cancels[key].append(message)
        return ends, cancels

    def _messages(self, rounds: Sequence[Round]) -> Iterable[Message]:
        """Yield what somebody sees or saw: an ephemeral answer counts, because its requester sees it."""
        for this in rounds:
            for channel in (this.channel, *this.places):
                yield from channel.messages.values()
            yield from this.taken
        for person in self._environment.people:
            yield from self._environment.discord.messages(self._environment.discord.dm(person))

    def _out_of_reach(self, run: Run, message: Message) -> bool:
        """Return whether the bot can no longer remove a message.

        For an ephemeral one it needs the interaction's token, for all others the channel. If the commit of
        the id of a command's answer was lost, the token alone finds the answer.
        """
        world = self._environment.discord.world
        lifetime = self._environment.discord.interactions.token_lifetime
        asked = message.interaction
        expired = asked is not None and world.clock.now() - asked.created_at >= lifetime
        if expired and (message.ephemeral or run.request.answer_id is None):
            return True
        closed = not message.ephemeral and not world.bot_permissions(message.channel) & 1 << 10
        return message.channel.deleted or closed

    def evidence(self, key: str, rounds: Sequence[Round]) -> str:
        """Return what happened to a run: its rounds, log lines, and calls to Discord and ComfyDeploy."""
        call_log = self._environment.comfydeploy.call_log
        run_ids = set(call_log.runs_for(key))
        lines = [f"--- run {key}", *map(str, rounds), "log:", *self._environment.log_lines(key)]
        lines += ["queue calls:", *(f"{c.status} {c.run_ids}" for c in call_log.calls_for(key))]
        lines += ["webhooks:"]
        lines += [
            f"{w.method} {w.event_type} {w.status} {w.answer}"
            for w in call_log.webhook_attempts
            if w.run_id in run_ids
        ]
        lately = list(self._environment.discord.request_log.requests)[-60:]
        lines += ["Discord, lately:"]
        lines += [f"{r.method} {r.path[:90]} {r.status} {r.code} {r.fault or ''}" for r in lately]
        return "\n".join(lines)


def _of(run: Run, owed: OwedOf) -> list[Owed]:
    return owed[run.request.key, run.index]


def _told(message: Message) -> str:
    where = "dm" if message.channel.guild is None else "channel"
    return f"{where} {message.id}: {json.dumps(message.text[:120])}"
