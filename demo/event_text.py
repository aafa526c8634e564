"""Describe one event of the demo in a line of text. All functions are pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.domain.runs import Run
from demo.fake_comfydeploy.call_log import QueueCall, WebhookAttempt
from demo.log_capture import LogLine
from demo.world import World

Names = Mapping[str, str]
Line = tuple[float, str, str]

_HEADING = re.compile(r"^#+ |^-# ", re.MULTILINE)


def names(world: World) -> Names:
    """Return the displayed names of the users, channels and server that occur in events, by id."""
    people = {str(person.id): f"@{name}" for name, person in world.people.items()}
    channels = {str(channel.id): f"#{channel.name}" for channel in world.channels}
    inboxes = {str(user.dm_channel.id): f"@{name}'s direct messages" for name, user in world.users.items()}
    return {**people, **channels, **inboxes, str(world.guild.id): world.guild.name}


def of_event(event: str, payload: Mapping[str, Any], known: Names) -> str | None:
    """Return the event's line, or None if it is not part of the transcript, such as a person's message."""
    if event == "INTERACTION_CREATE":
        return _interaction(payload, known)
    channel = known.get(str(payload.get("channel_id")), "elsewhere")
    if event == "MESSAGE_DELETE":
        return f"a message of the bot in {channel} is removed"
    if not (payload.get("author") or {}).get("bot"):
        return None
    if event == "MESSAGE_CREATE":
        return f"the bot writes in {channel}: {_text(payload, known)}{_files(payload)}{_pings(payload)}"
    if event == "MESSAGE_UPDATE":
        return f"the bot's message now says: {_text(payload, known)}"
    return None


def of_queue_call(call: QueueCall) -> str:
    body = call.body if isinstance(call.body, dict) else {}
    given = ", ".join(f"{key}={value!r}" for key, value in (body.get("inputs") or {}).items())
    gpu = f" on {body['gpu']}" if body.get("gpu") else ""
    runs = " ".join(run_id[:8] for run_id in call.run_ids) or "none"
    return f"queue call{gpu} with {given} -> {call.status}, run {runs}"


def of_webhook(attempt: WebhookAttempt) -> str:
    plural = "s" if attempt.outputs != 1 else ""
    outputs = f", {attempt.outputs} output{plural}" if attempt.outputs else ""
    event = "output" if attempt.event_type == "run.output" else attempt.status
    share = f" {attempt.progress:.0%}" if attempt.status == "running" else ""
    return f"run {attempt.run_id[:8]} {event}{share}{outputs} -> the bot answers {attempt.answer}"


def of_log(line: LogLine, known: Names) -> str:
    text = line.text
    for number, name in known.items():
        text = text.replace(number, name)
    level = f"{line.level} " if line.level != "INFO" else ""
    return f"{level}{f'{line.key}: ' if line.key else ''}{text}"


def of_row(run: Run) -> str:
    return f"{run.key}: the request is kept, with its inputs and where its result belongs"


def _interaction(payload: Mapping[str, Any], known: Names) -> str | None:
    user = (payload.get("member") or payload).get("user") or {}
    who = f"@{user.get('username')}"
    data = payload.get("data") or {}
    if "custom_id" in data:
        return f"{who} {_pressed(payload, data, known)}"
    if payload.get("type") != 2:
        return None
    return f"{who} sends /{' '.join(_words(data))}"


def _pressed(payload: Mapping[str, Any], data: Mapping[str, Any], known: Names) -> str:
    custom_id = str(data["custom_id"])
    if payload.get("type") == 5:
        return f"sends a form ({custom_id.partition(':')[0]})"
    component = _component((payload.get("message") or {}).get("components") or (), custom_id)
    if "values" in data:
        labels = {option["value"]: option["label"] for option in component.get("options") or ()}
        chosen = [known.get(value) or labels.get(value, value) for value in data["values"]]
        return f"chooses {', '.join(chosen) or 'nothing'}"
    return f"presses {component.get('label') or custom_id}"


def _component(components: Any, custom_id: str) -> Mapping[str, Any]:
    """Return the button or select that was used, or nothing if the message no longer has it."""
    for component in components:
        if component.get("custom_id") == custom_id:
            return dict(component)
        inner = [*(component.get("components") or ()), *filter(None, [component.get("accessory")])]
        if found := _component(inner, custom_id):
            return found
    return {}


def _words(option: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of the command, its subcommands and options, as the user typed them."""
    if "value" in option:
        yield f"{option['name']}:{option['value']}"
        return
    yield str(option.get("name"))
    for inner in option.get("options") or ():
        yield from _words(inner)


def _text(payload: Mapping[str, Any], known: Names) -> str:
    parts = [str(payload.get("content") or ""), *_displays(payload.get("components") or ())]
    text = re.sub(r"<t:(\d+):R>", "just now", _HEADING.sub("", "\n".join(filter(None, parts))))
    for number, name in known.items():
        text = text.replace(f"<@{number}>", name).replace(f"<#{number}>", name)
    return " | ".join(line.removeprefix("> ") for line in text.splitlines() if line)


def _displays(components: Any) -> Iterator[str]:
    for component in components:
        if component.get("type") == 10:
            yield str(component.get("content"))
        yield from _displays(component.get("components") or ())


def _files(payload: Mapping[str, Any]) -> str:
    files = [
        f"{item['filename']} ({item['size'] / 1000:.0f} kB)" for item in payload.get("attachments") or ()
    ]
    return f", with {', '.join(files)}" if files else ""


def _pings(payload: Mapping[str, Any]) -> str:
    people = [f"@{name}" for name in payload["pinged"]]
    return f", pinging {' and '.join(people)}" if people else ""
