"""Describe each event of the demo in a line of text. All functions are pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from demo.fake_comfydeploy.call_log import QueueCall, WebhookAttempt
from demo.world import World

Names = Mapping[str, str]

_HEADING = re.compile(r"^#+ |^-# ", re.MULTILINE)


def names(world: World) -> Names:
    """Return the names of the users, channels and server that occur in events, by id."""
    found = {str(world.guild.id): world.guild.name}
    found |= {str(channel.id): f"#{name}" for name, channel in world.channels.items()}
    for name, person in world.people.items():
        found[str(person.id)] = f"@{name}"
        found[str(person.user.dm_channel.id)] = f"@{name}'s direct messages"
    return found


def of_event(event: str, payload: Mapping[str, Any], known: Names) -> str | None:
    """Return a line about an event, or None for one that isn't printed, such as a person's message."""
    if event == "INTERACTION_CREATE":
        return _interaction(payload, known)
    channel = known.get(str(payload.get("channel_id")), "elsewhere")
    if event == "MESSAGE_DELETE":
        return f"a message of the bot in {channel} is removed"
    if not (payload.get("author") or {}).get("bot"):
        return None
    if event == "MESSAGE_UPDATE":
        return f"the bot's message now says: {_text(payload, known)}"
    if event != "MESSAGE_CREATE":
        return None
    files = [f"{file['filename']} ({file['size'] / 1000:.0f} kB)" for file in payload["attachments"]]
    parts = [f"the bot writes in {channel}: {_text(payload, known)}"]
    parts += [f"with {', '.join(files)}"] if files else []
    parts += (
        [f"pinging {' and '.join(f'@{name}' for name in payload['pinged'])}"] if payload["pinged"] else []
    )
    return ", ".join(parts)


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


def of_log(line: Mapping[str, Any], known: Names) -> str:
    text = line["message"]
    for number, name in known.items():
        text = text.replace(number, name)
    level = f"{line['level']} " if line["level"] != "INFO" else ""
    return f"{level}{line['run'] + ': ' if 'run' in line else ''}{text}"


def _interaction(payload: Mapping[str, Any], known: Names) -> str | None:
    user, data = (payload.get("member") or payload).get("user") or {}, payload.get("data") or {}
    who = f"@{user.get('username')}"
    if payload.get("type") == 5:
        return f"{who} sends a form ({data['custom_id'].partition(':')[0]})"
    if "custom_id" in data:
        message = payload.get("message") or {}
        return f"{who} {_pressed(message, data, known)}"
    return f"{who} sends /{' '.join(_words(data))}" if payload.get("type") == 2 else None


def _pressed(message: Mapping[str, Any], data: Mapping[str, Any], known: Names) -> str:
    used = (
        each for each in _each(message.get("components") or ()) if each.get("custom_id") == data["custom_id"]
    )
    component = next(used, {})
    if "values" in data:
        labels = {option["value"]: option["label"] for option in component.get("options") or ()}
        chosen = [known.get(value) or labels.get(value, value) for value in data["values"]]
        return f"chooses {', '.join(chosen) or 'nothing'}"
    return f"presses {component.get('label') or data['custom_id']}"


def _each(components: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the components at every depth."""
    for component in components:
        yield component
        yield from _each([*(component.get("components") or ()), *filter(None, [component.get("accessory")])])


def _words(option: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of the command, its subcommands and options, as the user typed them."""
    if "value" in option:
        yield f"{option['name']}:{option['value']}"
        return
    yield str(option.get("name"))
    for inner in option.get("options") or ():
        yield from _words(inner)


def _text(payload: Mapping[str, Any], known: Names) -> str:
    shown = [each["content"] for each in _each(payload.get("components") or ()) if each.get("type") == 10]
    text = _HEADING.sub("", "\n".join(filter(None, [str(payload.get("content") or ""), *shown])))
    text = re.sub(r"<t:(\d+):R>", "just now", text)
    for number, name in known.items():
        text = text.replace(f"<@{number}>", name).replace(f"<#{number}>", name)
    return " | ".join(line.removeprefix("> ") for line in text.splitlines() if line)
