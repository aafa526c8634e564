"""Show messages and forms as text, without ids and times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from tests.fakediscord.errors import Json
from tests.fakediscord.world import Message, World

ROW, BUTTON, SELECT, INPUT, SECTION, TEXT, THUMBNAIL, GALLERY, FILE = 1, 2, 3, 4, 9, 10, 11, 12, 13
SEPARATOR, CONTAINER, LABEL, UPLOAD, RADIO_GROUP, CHECKBOX = 14, 17, 18, 19, 21, 23
SELECTS = (SELECT, 5, 6, 7, 8)
LINK = 5
# What changes from run to run, or with each change of the code, and what a transcript has instead.
_CHANGING: tuple[tuple[str, str], ...] = (
    (r"</([\w -]+):\d+>", r"/\1"),
    (r"<t:\d+(:\w)?>", "⟨time⟩"),
    (r"https://discord\.com/channels/[\d@me]+/\d+/\d+", "⟨link to the message⟩"),
    (r"https?://(127\.0\.0\.1|localhost)[:\w]*/\S+?(?=[\s)>]|$)", "⟨link to the file⟩"),
    (r"(?<![a-z0-9])[a-z2-7]{16}(?![a-z0-9])", "KEY"),
    (r"https://discord\.com/channels/\d+/\d+", "⟨link to the channel⟩"),
    (r"\b\d{5,}\b", "NUMBER"),
)


class Renderer:
    """Writes messages with the names of a world's people, channels and roles."""

    def __init__(self, world: World) -> None:
        self._world = world

    def message(self, message: Message) -> list[str]:
        """Return a message's lines: its text, controls and files, and whom it pinged."""
        lines = [f"| {line}" for line in message.content.splitlines()]
        lines += _joined(self._components(message.body.get("components") or [], ""))
        named = {file.filename for file in message.shown_attachments}
        shown = "\n".join(lines)
        lines += [f"file {file}" for file in sorted(named) if f" {file}" not in shown]
        lines += [f"pings @{self._person(id)}" for id in sorted(message.pinged)]
        return [self.stable(line) for line in lines]

    def form(self, modal: Json) -> list[str]:
        lines = [f"form “{modal['title']}”", *self._components(modal["components"], "  ")]
        return [self.stable(line) for line in lines]

    def stable(self, line: str) -> str:
        """Return a line with names for ids, and without what changes from run to run."""
        for pattern, name in (
            (r"<@&(\d+)>", self._role),
            (r"<@!?(\d+)>", self._person),
            (r"<#(\d+)>", self._channel),
        ):
            line = re.sub(pattern, _named(name), line)
        for pattern, instead in _CHANGING:
            line = re.sub(pattern, instead, line)
        return line.rstrip()

    def _person(self, id: int) -> str:
        user = self._world.users.get(id)
        return user.name if user is not None else "somebody"

    def _role(self, id: int) -> str:
        return f"role of {self._person(id)}"

    def _channel(self, id: int) -> str:
        channel = self._world.channels.get(id)
        return channel.name if channel is not None else "a channel"

    def _components(self, components: list[Json], indent: str) -> Iterator[str]:
        for component in components:
            kind = component["type"]
            if kind == CONTAINER:
                yield from self._components(component["components"], f"{indent}┃ ")
            elif kind == TEXT:
                yield from (f"{indent}| {line}" for line in component["content"].splitlines())
            elif kind in (GALLERY, THUMBNAIL):
                yield from (
                    f"{indent}picture {_media(item)}" for item in component.get("items") or [component]
                )
            elif kind == FILE:
                yield f"{indent}file {component['file']['url']}{_spoiler(component)}"
            elif kind == SEPARATOR:
                yield f"{indent}——"
            elif kind == SECTION:
                yield from self._components([*component["components"], component["accessory"]], indent)
            elif kind == LABEL:
                about = f" ({component['description']})" if component.get("description") else ""
                yield f"{indent}{component['label']}{about}: {self._control(component['component'])}"
            elif kind == ROW:
                yield indent + " ".join(self._control(each) for each in component["components"])
            else:
                yield indent + self._control(component)

    def _control(self, item: Json) -> str:
        kind = item["type"]
        options = [
            f"{option['label']}{' ✓' if option.get('default') else ''}"
            for option in item.get("options") or []
        ]
        if kind == BUTTON:
            emoji = f"{item['emoji']['name']} " if item.get("emoji") else ""
            off = " (off)" if item.get("disabled") else ""
            return f"[{emoji}{item.get('label') or ''}]{off}{' → link' if item['style'] == LINK else ''}"
        if kind in SELECTS:
            options += [f"{self._chosen(each)} ✓" for each in item.get("default_values") or []]
            return f"⟨{item.get('placeholder') or 'choose'}: {' / '.join(options)}⟩"
        if kind == CHECKBOX:
            return "☑" if item.get("default") else "☐"
        if kind == RADIO_GROUP:
            return " / ".join(options)
        if kind == UPLOAD:
            return "⟨upload⟩"
        return f"“{item.get('value') or ''}”" + (
            f" e.g. {item['placeholder']}" if item.get("placeholder") else ""
        )

    def _chosen(self, value: Json) -> str:
        id = int(value["id"])
        return {"user": self._person, "role": self._role, "channel": self._channel}[value["type"]](id)


def _joined(lines: Iterable[str]) -> list[str]:
    """Return lines with those rows of buttons in one that follow each other."""
    joined: list[str] = []
    for line in lines:
        row = line.removeprefix("┃ ")
        if row.startswith("[") and joined and joined[-1].removeprefix("┃ ").startswith("["):
            joined[-1] += f" {row}"
        else:
            joined.append(line)
    return joined


def _named(name: Callable[[int], str]) -> Callable[[re.Match[str]], str]:
    sign = "#" if name.__name__ == "_channel" else "@"
    return lambda found: sign + name(int(found[1]))


def _media(item: Json) -> str:
    name = str(item["media"]["url"]).removeprefix("attachment://")
    about = f" “{item['description']}”" if item.get("description") else ""
    return f"{name}{about}{_spoiler(item)}"


def _spoiler(item: Json) -> str:
    return " behind a spoiler" if item.get("spoiler") else ""
