"""Check that answers and cards are true, nothing forbidden starts, and outputs are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from bot.strings import say
from tests.chaos.environment import Environment
from tests.chaos.happenings import Round
from tests.chaos.servers import FORBIDDEN
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Message
from tests.questions import Run

# Answers after which nothing may start.
_NO = (say("store_unavailable"), say("words_unavailable"), say("paused", reason=""))
# Statuses of GET /run with which the bot can't read a run, and a fault with which it shows no link.
_UNREADABLE = (404, 500)
_NO_LINK = "private-redirect"


class Promises:
    """Compares messages, rows and queue calls with what people were told."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def opposites(self, runs: Mapping[str, Run], rounds: Sequence[Round]) -> dict[str, str]:
        """Return requests that started despite a refusal, and runs whose review card is wrong."""
        started = self._started_prompts()
        found = {}
        for asked in (asked for this in rounds for asked in this.asked):
            prompt = asked.data["options"][0]["value"]
            if _says_no(asked) and prompt in started:
                found[prompt] = f"told {asked.text!r}, and started"
        for card in self._cards(runs):
            key = _key_of(card)
            if "Approved by" in card.text and runs[key].state in ("rejected", "expired"):
                found[key] = f"its card says approved: {runs[key]}"
            if "Rejected by" in card.text and self._calls(key):
                found[key] = f"its card says rejected, and it was started: {runs[key]}"
        return found

    def opened(self, rounds: Sequence[Round]) -> dict[str, str]:
        """Return what started despite a pause or a forbidden word, and rounds with a wrong refusal.

        A refusal is wrong if another server's slow rules caused it.
        """
        found = {key: "started during a pause" for this in rounds for key in this.opened}
        for prompt in self._started_prompts():
            if FORBIDDEN in prompt:
                found[prompt[:20]] = "started despite a forbidden word"
        for this in rounds:
            if this.happening == "bombs" and not this.died:
                for asked in this.asked:
                    if say("words_unavailable") in asked.text:
                        found[f"round {this.number}"] = "refused because of another server's rules"
        return found

    def second_cards(self, runs: Mapping[str, Run]) -> dict[str, str]:
        count = Counter(_key_of(card) for card in self._cards(runs))
        return {key: f"{number} review cards" for key, number in count.items() if number > 1}

    def everything(self, messages: Iterable[Message]) -> str:
        """Return the texts and file names of messages."""
        parts: list[str] = []
        for message in messages:
            parts += [message.text, *(attachment.filename for attachment in message.attachments)]
        return "\n".join(parts)

    def is_hidden(self, run: Run, seen: str) -> bool:
        """Return whether ComfyDeploy has outputs of a run, and `seen` mentions none of them."""
        made = self._environment.comfydeploy.runs.get(run.run_id or "")
        if made is None or run.failure_code == "cancelled_by_requester":
            return False
        if made.faults.get_status in _UNREADABLE or made.faults.body == _NO_LINK:
            return False
        items = [item for output in made.outputs for kind in output.data.values() for item in kind]
        files = any(isinstance(item, dict) and item.get("type") == "output" for item in items)
        return files and f"-{run.key}-" not in seen and f"/runs/{made.id}/" not in seen

    def _cards(self, runs: Collection[str]) -> list[Message]:
        """Return the review cards of some runs; a scale run has none."""
        servers = getattr(self._environment, "servers", None)
        cards = self._environment.discord.messages(servers.cards) if servers is not None else []
        return [card for card in cards if card.nonce and _key_of(card) in runs]

    def _calls(self, key: str) -> list[Any]:
        return self._environment.comfydeploy.call_log.calls_for(key)

    def _started_prompts(self) -> set[str]:
        calls = self._environment.comfydeploy.call_log.queue_calls
        return {str(call.body["inputs"]["prompt"]) for call in calls}


def _key_of(card: Message) -> str:
    """Return the run key at the beginning of a card's nonce."""
    return (card.nonce or "").partition("-")[0]


def _says_no(asked: Interaction) -> bool:
    texts = [asked.text, *(message.text for message in asked.followups)]
    return any(text.startswith(_NO) for text in texts if text)
