"""Compare the messages that people see, the stored rows, and the calls that ComfyDeploy got."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.domain.runs import Run
from tests import questions
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Channel, Message

if TYPE_CHECKING:
    from tests.chaos.environment import Environment


# Stored messages by the key of the request and the run's index.
Stored = Mapping[tuple[str, int], Sequence[questions.Message]]

_BUTTON = re.compile(r"(?:run|pick):([a-z0-9]+):(\w+)(?::\d+)?")
# Two outcomes because of a known gap of docs/reliability.md, which violates nothing.
UNSEEABLE = "unseeable"


@dataclass
class Round:
    """What happened in a channel; `removed` are the messages that a moderator deleted."""

    number: int
    channel: Channel
    happening: str = "nothing"
    died: str = ""
    asked: list[Interaction] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    removed: list[Message] = field(default_factory=list)

    def __str__(self) -> str:
        return f"round {self.number}: {self.happening}; killed: {self.died or 'no'}; {'; '.join(self.faults)}"


class Invariants:
    """The violations found so far, each described, by kind (`lost`, `twice`, …) and run key."""

    def __init__(self, seen: Environment) -> None:
        self._seen = seen
        self._discord, self._comfydeploy = seen.discord, seen.comfydeploy
        self._judged: set[str] = set()
        self.requests = 0
        self.found: dict[tuple[str, str], str] = {}

    @property
    def broken(self) -> dict[tuple[str, str], str]:
        return {of: what for of, what in self.found.items() if of[0] != UNSEEABLE}

    def counts(self, *kinds: str) -> str:
        """Return the numbers of violations, as in `lost=0 twice=0`."""
        counts = Counter(kind for kind, _ in self.found)
        return " ".join(f"{kind}={counts[kind]}" for kind in kinds)

    async def is_quiet(self) -> bool:
        """Return whether all runs have ended and no message is pending."""
        left = await questions.unsettled(self._seen.database)
        return not (self._comfydeploy.world.activity.active or left.in_progress)

    async def judge(self, rounds: Sequence[Round], say: Callable[[str], None]) -> None:
        """Check each run that is new since the last call, and print the evidence for each violation.

        All runs have settled, or had the time to.
        """
        runs, stored = await self._new_runs(), await self._stored()
        ends, cancels = self._messages_of_runs(rounds)
        found: dict[tuple[str, str], str] = {}
        for run in runs:
            # An outcome that consists of links has no buttons of this run.
            seen = ends[run.key] or ends[run.request_key][:1]
            for kind, what in self._judge(run, stored, seen, cancels[run.key]):
                found[kind, run.key] = f"{what} {run} {stored[run.request_key, run.index]}"
        for key in cancels.keys() - {run.key for run in runs} - self._judged:
            found["lost", key] = "a status message without a row"
        outages = {this.channel.id for this in rounds if this.happening == "outage"}
        for run in runs:
            own = stored[run.request_key, run.index]
            if run.channel_id in outages and any(each.state == "undelivered" for each in own):
                found["lost", run.key] = f"undelivered after an outage: {run} {own}"
        self._judged |= {run.key for run in runs}
        self.requests += sum(run.index == 0 for run in runs)
        self.found |= found
        for (kind, key), what in found.items():
            if kind != UNSEEABLE:
                say(f"{kind}: {what}\n{self._evidence(key, rounds)}")

    async def ends(self) -> Counter[str]:
        """Count the stored runs by their states. Raises RuntimeError if the bot calls an unknown route."""
        if unknown := self._discord.request_log.unknown_routes:
            raise RuntimeError(f"the bot calls routes that the fake Discord lacks: {unknown}")
        return Counter(run.state.value for run in await questions.runs(self._seen.database))

    async def _new_runs(self) -> list[Run]:
        return await questions.runs(self._seen.database, but=self._judged)

    async def _stored(self) -> Stored:
        stored: dict[tuple[str, int], list[questions.Message]] = defaultdict(list)
        for message in await questions.messages(self._seen.database):
            stored[message.request_key, message.number].append(message)
        return stored

    def _judge(
        self, run: Run, stored: Stored, ends: Sequence[Message], cancels: Sequence[Message]
    ) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a run whose outcomes and status messages these are."""
        # A batch shares one outcome; a late success of one of its runs is a second message.
        own = stored[run.request_key, run.index]
        shared = [] if run.index == 0 else stored[run.request_key, 0]
        outcomes = [*own, *(message for message in shared if message.kind == "outcome")]
        late = [message for message in own if message.kind == "late" and run.count > 1]
        told = [_description(message) for message in ends]
        if not run.final or any(message.state == "pending" for message in outcomes):
            yield "lost", "never settled:"
        elif not ends and not any(message.state == "undelivered" for message in outcomes):
            yield "lost", "no outcome to be seen:"
        if len(ends) > 1 + sum(bool(message.ids) for message in late):
            # The bot can't look for a post that got no reply if the channel has closed since.
            unseeable = any(self._out_of_reach(run, message) for message in ends[:-1])
            yield UNSEEABLE if unseeable else "twice", f"{len(ends)} outcomes: {told}"
        elif any(not self._out_of_reach(run, message) for message in cancels):
            yield "twice", "a status message is left beside the outcome:"
        calls = [call for call in self._comfydeploy.call_log.calls_for(run.key) if call.status != 429]
        if len(calls) > 1:
            yield "queued_twice", f"{len(calls)} queue calls:"

    def _messages_of_runs(
        self, rounds: Sequence[Round]
    ) -> tuple[dict[str, list[Message]], dict[str, list[Message]]]:
        """Return, by run key, the messages with an outcome, and the existing ones that offer Cancel.

        A message that a moderator deleted counts as an outcome. Further messages of an outcome, which only
        have buttons with numbers, don't count.
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

    def _messages(self, rounds: Sequence[Round]) -> Iterator[Message]:
        """Yield the rounds' messages that anybody sees or saw, including ephemeral ones."""
        for this in rounds:
            yield from this.channel.messages.values()
            yield from this.removed
        for person in self._seen.people:
            yield from self._discord.messages(self._discord.dm(person))

    def _out_of_reach(self, run: Run, message: Message) -> bool:
        """Return whether the bot can no longer delete a message.

        It needs access to the channel, or a valid token for an ephemeral message. An answer whose id wasn't
        stored needs both.
        """
        asked, now = message.interaction, self._discord.world.clock.now()
        lifetime = self._discord.interactions.token_lifetime
        is_expired = asked is not None and now - asked.created_at >= lifetime
        if is_expired and (message.ephemeral or run.status_message_id is None):
            return True
        can_view = message.ephemeral or self._discord.world.bot_permissions(message.channel) & 1 << 10
        return message.channel.deleted or not can_view

    def _evidence(self, key: str, rounds: Sequence[Round]) -> str:
        """Return lines about a run: its rounds, log lines, and calls to Discord and ComfyDeploy."""
        log = self._comfydeploy.call_log
        run_ids = set(log.runs_for(key))
        webhooks = [each for each in log.webhook_attempts if each.run_id in run_ids]
        lately = list(self._discord.request_log.requests)[-60:]
        return "\n".join(
            [
                *(f"--- run {key}", *map(str, rounds)),
                *("log:", *self._seen.log_lines(key)),
                *("queue calls:", *(f"{call.status} {call.run_ids}" for call in log.calls_for(key))),
                *("webhooks:", *(f"{w.method} {w.event_type} {w.status} {w.answer}" for w in webhooks)),
                "Discord, lately:",
                *(f"{r.method} {r.path[:90]} {r.status}" for r in lately),
            ]
        )


def _description(message: Message) -> str:
    where = "dm" if message.channel.guild is None else "channel"
    return f"{where} {message.id}: {json.dumps(message.text[:120])}"
