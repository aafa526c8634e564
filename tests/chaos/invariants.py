"""Compare the messages that people see, the stored rows, and the calls that ComfyDeploy got."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol

from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests import questions
from tests.chaos.rounds import Round
from tests.databases import Database
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Message, User
from tests.questions import Message as StoredMessage
from tests.questions import Run

# Stored messages by the key of the request and the run's index.
StoredMessages = dict[tuple[str, int], list[StoredMessage]]

_BUTTON = re.compile(r"(?:run|pick):([a-z0-9]+):(\w+)(?::\d+)?")
# Statuses of GET /run with which the bot can't read a run, and a fault with which it shows no link.
_UNREADABLE = (404, 500)
_NO_LINK = "private-redirect"


@dataclass
class Verdict:
    """The keys of the runs that violate an invariant, each with a description."""

    lost: dict[str, str] = field(default_factory=dict)
    twice: dict[str, str] = field(default_factory=dict)
    queued_twice: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    """Outputs that nobody sees."""
    unseeable: dict[str, str] = field(default_factory=dict)
    """Two outcomes because of a known gap of docs/reliability.md, which violates nothing."""

    def add(self, other: Verdict) -> None:
        for kind in fields(self):
            getattr(self, kind.name).update(getattr(other, kind.name))

    @property
    def all(self) -> dict[str, str]:
        return self.lost | self.twice | self.queued_twice | self.hidden


class Seen(Protocol):
    """What the checker looks at: a chaos run's environment, or a scale run's cluster."""

    discord: FakeDiscord
    comfydeploy: FakeComfyDeploy
    people: list[User]

    @property
    def database(self) -> Database:
        """Return the bot's database."""
        ...

    def log_lines(self, key: str) -> list[str]:
        """Return what the bot logged about a run."""
        ...


class InvariantChecker:
    def __init__(self, seen: Seen) -> None:
        self._environment = seen
        self._judged: set[str] = set()
        self.requests = 0

    async def is_hidden(self, rounds: Sequence[Round]) -> bool:
        """Return whether outputs aren't shown yet. Some are found only by polls, long after the run's end."""
        return bool(self._hidden(await self._new_runs(), await self._stored_messages(), rounds))

    async def is_quiet(self) -> bool:
        """Return whether all runs have ended and no message is pending."""
        left = await questions.unsettled(self._environment.database)
        return not (self._environment.comfydeploy.world.activity.active or left.in_progress)

    async def _new_runs(self) -> dict[str, Run]:
        found = await questions.runs(self._environment.database, but=self._judged)
        return {run.key: run for run in found}

    async def _stored_messages(self) -> StoredMessages:
        stored: StoredMessages = defaultdict(list)
        for message in await questions.messages(self._environment.database):
            stored[message.request_key, message.number].append(message)
        return stored

    def _hidden(
        self, runs: dict[str, Run], stored: StoredMessages, rounds: Sequence[Round]
    ) -> dict[str, str]:
        """Return the runs whose outputs no message shows and `/runs` doesn't offer."""
        kept = {
            key
            for key, run in runs.items()
            for message in (*_of(run, stored), *stored[run.request.key, 0])
            if message.state == "undelivered"
        }
        seen = "\n".join(
            text
            for message in self._messages(rounds)
            for text in (message.text, *(attachment.filename for attachment in message.attachments))
        )
        return {
            key: f"outputs that nobody sees: {run}"
            for key, run in runs.items()
            if key not in kept and self._is_hidden(run, seen)
        }

    def _is_hidden(self, run: Run, seen: str) -> bool:
        """Return whether ComfyDeploy has outputs of a run, and `seen` mentions none of them."""
        made = self._environment.comfydeploy.runs.get(run.run_id or "")
        if made is None or run.failure_code == "cancelled_by_requester":
            return False
        if made.faults.get_status in _UNREADABLE or made.faults.body == _NO_LINK:
            return False
        items = [item for output in made.outputs for kind in output.data.values() for item in kind]
        files = any(isinstance(item, dict) and item.get("type") == "output" for item in items)
        return files and f"-{run.key}-" not in seen and f"/runs/{made.id}/" not in seen

    def _undelivered_after_outage(
        self, runs: dict[str, Run], stored: StoredMessages, rounds: Sequence[Round]
    ) -> dict[str, str]:
        """Return the undelivered runs of rounds whose only event was an outage."""
        places = {this.channel.id for this in rounds if this.happening == "outage"}
        return {
            key: f"undelivered after an outage: {run} {_of(run, stored)}"
            for key, run in runs.items()
            if run.request.channel_id in places
            and any(each.state == "undelivered" for each in _of(run, stored))
        }

    async def judge(self, rounds: Sequence[Round]) -> Verdict:
        """Check every run that is new since the last call. All have settled, or had the time to."""
        runs, stored = await self._new_runs(), await self._stored_messages()
        ends, cancels = self._seen(rounds)
        verdict = Verdict()
        for key, run in runs.items():
            # A batch shares one outcome; a late success of one of its runs is a second message.
            own, first = _of(run, stored), run.request.key
            others = (
                [message for message in stored[first, 0] if message.kind == "outcome"] if first != key else []
            )
            late = [message for message in own if message.kind == "late" and run.request.count > 1]
            limit = 1 + sum(bool(message.ids) for message in late)
            # An outcome that consists of links has no buttons of this run; `hidden` looks for its outputs.
            seen = ends[key] or ends[first][:1]
            self._judge(verdict, run, [*own, *others], seen, cancels[key], limit=limit)
        for key in cancels.keys() - runs.keys() - self._judged:
            verdict.lost[key] = "a status message without a row"
        verdict.lost |= self._undelivered_after_outage(runs, stored, rounds)
        verdict.hidden |= self._hidden(runs, stored, rounds)
        self._judged |= runs.keys()
        return verdict

    def _judge(
        self,
        verdict: Verdict,
        run: Run,
        stored: list[StoredMessage],
        ends: list[Message],
        cancels: list[Message],
        *,
        limit: int,
    ) -> None:
        self.requests += run.index == 0
        key, kept = run.key, sum(message.state == "undelivered" for message in stored)
        if not run.final or any(message.state == "pending" for message in stored):
            verdict.lost[key] = f"never settled: {run} {stored}"
        elif not ends and not kept:
            verdict.lost[key] = f"no outcome to be seen: {run} {stored}"
        if len(ends) > limit and any(self._out_of_reach(run, message) for message in ends[:-1]):
            # The post got no reply, and then its channel closed, so the bot can't check whether it exists.
            verdict.unseeable[key] = f"{[_description(message) for message in ends]}"
        elif len(ends) > limit:
            verdict.twice[key] = (
                f"{len(ends)} outcomes: {[_description(message) for message in ends]} {run} {stored}"
            )
        elif any(not self._out_of_reach(run, message) for message in cancels):
            verdict.twice[key] = f"a status message is left beside the outcome: {run} {stored}"
        calls = [call for call in self._environment.comfydeploy.call_log.calls_for(key) if call.status != 429]
        if len(calls) > 1:
            verdict.queued_twice[key] = f"{len(calls)} queue calls"

    def _seen(self, rounds: Sequence[Round]) -> tuple[dict[str, list[Message]], dict[str, list[Message]]]:
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

    def _messages(self, rounds: Sequence[Round]) -> Iterable[Message]:
        """Yield the rounds' messages that anybody sees or saw, including ephemeral ones."""
        for this in rounds:
            yield from this.channel.messages.values()
            yield from this.removed
        for person in self._environment.people:
            yield from self._environment.discord.messages(self._environment.discord.dm(person))

    def _out_of_reach(self, run: Run, message: Message) -> bool:
        """Return whether the bot can no longer delete a message.

        It needs access to the channel, or a valid token for an ephemeral message. An answer whose id wasn't
        stored needs both.
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
        """Return lines about a run: its rounds, log lines, and calls to Discord and ComfyDeploy."""
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


def _of(run: Run, stored: StoredMessages) -> list[StoredMessage]:
    return stored[run.request.key, run.index]


def _description(message: Message) -> str:
    where = "dm" if message.channel.guild is None else "channel"
    return f"{where} {message.id}: {json.dumps(message.text[:120])}"
