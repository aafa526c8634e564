"""Act as a person who uses Discord's client, which sends only what the synced commands allow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.fakediscord import payloads
from tests.fakediscord.command_rules import value_mistake
from tests.fakediscord.components import find_component
from tests.fakediscord.errors import Json
from tests.fakediscord.interactions import Interaction, Type
from tests.fakediscord.world import UPLOAD_LIMIT, Attachment, Channel, Guild, Kind, Message, User
from tests.fakediscord.world_changes import WorldChanges

MESSAGE_COMMAND = 3
_SELECTS = frozenset({3, 5, 6, 7, 8})


class CannotSend(Exception):
    """Raised if Discord's client would not send an interaction."""


class Actions(WorldChanges):
    async def wait_command(self, name: str, *, within: float = 90.0) -> None:
        """Wait until the command is synced and the bot is connected to the gateway."""
        await self.wait_until(lambda: self.commands.find(name) and self.gateway.live, within)

    def file(
        self, filename: str, data: bytes, content_type: str = "", *, width: int = 0, height: int = 0
    ) -> Attachment:
        """Return a file for an attachment option or upload."""
        size = {"width": width or None, "height": height or None}
        file = self.world.file(filename, data, content_type, **size)
        self.user_files[file.id] = file
        return file

    async def slash(
        self,
        user: User,
        channel: Channel,
        name: str,
        options: Mapping[str, object] | None = None,
        *,
        size_limit: int | None = None,
    ) -> Interaction:
        """Send a command; `name` includes its subcommands, as in "generate flux".

        Values of file options come from `file()`, and those of user options are users. Raises CannotSend if
        the client would not send it.
        """
        command, path, leaf = self._command(channel, user, name)
        given = dict(options or {})
        mistakes = _mistakes(leaf, given)
        if mistakes:
            raise CannotSend("; ".join(mistakes))
        entries, resolved = self._entries(channel, leaf, given)
        people = [str(value.id) for value in given.values() if isinstance(value, User)]
        resolved |= self._resolved(channel.guild, people)
        data = self._data(command, path, entries) | ({"resolved": resolved} if resolved else {})
        return self._act(Type.COMMAND, user, channel, data, size_limit=size_limit or UPLOAD_LIMIT)

    async def autocomplete(
        self, user: User, channel: Channel, name: str, option: str, typed: str, **others: object
    ) -> Interaction:
        """Type into `option` while `others` have values. The answer's `choices` are the suggestions."""
        command, path, leaf = self._command(channel, user, name)
        wanted = next(each for each in leaf["options"] if each["name"] == option)
        assert wanted["autocomplete"]
        entries, _ = self._entries(channel, leaf, dict(others))
        entries.append({"name": option, "type": wanted["type"], "value": typed, "focused": True})
        return self._act(Type.AUTOCOMPLETE, user, channel, self._data(command, path, entries))

    async def use_on(self, user: User, message: Message, name: str) -> Interaction:
        """Use a message command, as in a message's menu under Apps."""
        place = message.channel
        command = self.commands.find(name, MESSAGE_COMMAND)
        if command is None or message.deleted_at is not None or message.ephemeral:
            raise CannotSend(f"{name!r} is not offered here")
        self._may_use(command, place, user)
        target = str(message.id)
        shown = {target: payloads.message(message, self.sign)}
        data = {"target_id": target, "type": MESSAGE_COMMAND, "resolved": {"messages": shown}}
        data |= {"id": command["id"], "name": command["name"], "options": []}
        return self._act(Type.COMMAND, user, place, data)

    async def click(self, user: User, message: Message, component: str, *values: str) -> Interaction:
        """Press a button, or choose `values` in a select, by its custom_id or a part of its label."""
        found = find_component(message.body.get("components") or [], component)
        if found is None or "custom_id" not in found:
            raise CannotSend(f"no {component!r} in {message.text!r}: {message.custom_ids}")
        if found.get("disabled") or message.deleted_at is not None:
            raise CannotSend(f"{component!r} can't be clicked any more")
        if message.ephemeral and (message.interaction is None or message.interaction.user is not user):
            raise CannotSend("someone else's ephemeral message")
        data: Json = {
            "custom_id": found["custom_id"],
            "component_type": found["type"],
            "id": found.get("id", 1),
        }
        if found["type"] in _SELECTS:
            data |= {"values": list(values), "resolved": self._resolved(message.channel.guild, values)}
        return self._act(Type.COMPONENT, user, message.channel, data, source=message)

    async def forge_press(
        self, user: User, message: Message, custom_id: str, *values: str, kind: int = 2
    ) -> Interaction:
        """Press a component that the message doesn't have, as only a modified client can.

        The payload contains the component, because discord.py ignores presses of unknown components.
        """
        data: Json = {"custom_id": custom_id, "component_type": kind, "id": 1}
        component: Json = {"type": kind, "id": 990, "custom_id": custom_id}
        if kind in _SELECTS:
            data["values"] = list(values)
            component["options"] = [{"label": value, "value": value} for value in values]
        else:
            component |= {"style": 2, "label": "forged"}
        original = message.body
        row: Json = {"type": 1, "id": 991, "components": [component]}
        message.body = original | {"components": [*(original.get("components") or []), row]}
        try:
            return self._act(Type.COMPONENT, user, message.channel, data, source=message)
        finally:
            message.body = original

    async def forge_form(
        self, user: User, message: Message, custom_id: str, values: Mapping[str, str]
    ) -> Interaction:
        """Submit a form that was never opened, as only a modified client can."""
        boxes = [
            {"type": 4, "id": n + 50, "custom_id": box, "value": text}
            for n, (box, text) in enumerate(values.items())
        ]
        labels = [{"type": 18, "id": n, "component": box} for n, box in enumerate(boxes)]
        data = {"custom_id": custom_id, "components": labels}
        return self._act(Type.MODAL, user, message.channel, data, source=message)

    def _resolved(self, guild: Guild | None, ids: Iterable[str]) -> Json:
        """Return the users, members, roles and channels with these ids, as in `resolved`."""
        found: Json = {"users": {}, "members": {}, "roles": {}, "channels": {}}
        for id in (int(each) for each in ids if each.isdigit()):
            if id in self.world.users:
                found["users"][str(id)] = payloads.user(self.world.users[id])
            if guild is not None and id in guild.members:
                member = payloads.member(self.world, guild, self.world.users[id])
                found["members"][str(id)] = {key: member[key] for key in member if key != "user"}
                found["roles"][str(id)] = payloads.role_of(guild, self.world.users[id])
            if id in self.world.channels:
                found["channels"][str(id)] = payloads.channel(self.world.channels[id], self.bot)
        return {key: value for key, value in found.items() if value}

    async def submit(self, opened: Interaction, values: Mapping[str, object]) -> Interaction:
        """Submit the modal that answered `opened`.

        `values` are by custom_id: a list for a select, a `file()` for an upload.
        """
        modal = opened.modal
        assert modal is not None
        files = {str(each.id): each for each in values.values() if isinstance(each, Attachment)}
        given = {n: [str(v.id)] if isinstance(v, Attachment) else v for n, v in values.items()}
        components = [_submitted(item, given) for item in modal["components"]]
        assert not given, "the modal has no such components"
        data: Json = {"custom_id": modal["custom_id"], "components": components}
        if files:
            shown = {id: payloads.attachment(opened.channel, file, self.sign) for id, file in files.items()}
            data["resolved"] = {"attachments": shown}
        return self._act(Type.MODAL, opened.user, opened.channel, data, source=opened.source)

    def _act(
        self,
        kind: Type,
        user: User,
        channel: Channel,
        data: Json,
        *,
        source: Message | None = None,
        size_limit: int = UPLOAD_LIMIT,
    ) -> Interaction:
        """Send an interaction to the bot; where the bot isn't a member, to the person's own install of it."""
        about = source.interaction if source is not None else None
        interaction = Interaction(
            self.world.snowflake(), kind, user, channel, data, self.world.clock.now(), size_limit, source
        )
        interaction.user_install = channel.has_no_bot or (about is not None and about.user_install)
        self.interactions[interaction.token] = interaction
        body = interaction.payload(self.world, self.bot, self.sign)
        guild_id = channel.guild.id if channel.guild else None
        interaction.delivered_to = self.gateway.dispatch("INTERACTION_CREATE", body, guild_id=guild_id)
        return interaction

    def _command(self, channel: Channel, user: User, name: str) -> tuple[Json, list[Json], Json]:
        """Return the command, its chosen subcommands, and the one of these that has the options."""
        first, *rest = name.split()
        command = self.commands.find(first)
        if command is None:
            raise CannotSend(f"/{first} is not synced here")
        self._may_use(command, channel, user)
        path, leaf = [], command
        for word in rest:
            found = [option for option in leaf["options"] if option["name"] == word]
            if not found:  # a deployment that isn't offered any more
                raise CannotSend(f"/{name} does not exist")
            leaf = found[0]
            path.append(leaf)
        return command, path, leaf

    def _may_use(self, command: Json, channel: Channel, user: User) -> None:
        contexts, here = command.get("contexts"), 2 if channel.kind is Kind.GROUP else 1
        if channel.guild is None and (
            command.get("dm_permission") is False or (contexts is not None and here not in contexts)
        ):
            raise CannotSend(f"/{command['name']} is not offered in direct messages")
        needed = command.get("default_member_permissions")
        held = self.world.member_permissions(channel, user)
        if needed is not None and channel.guild is not None and int(needed) & ~held:
            raise CannotSend(f"/{command['name']} is not offered to {user.name}")

    def _entries(self, channel: Channel, leaf: Json, given: dict[str, object]) -> tuple[list[Json], Json]:
        kinds = {o["name"]: o["type"] for o in leaf.get("options") or []}
        files: Json = {}
        entries: list[Json] = []
        for name, value in given.items():
            sent = str(value.id) if isinstance(value, Attachment | User) else value
            if isinstance(value, Attachment):
                files[str(value.id)] = payloads.attachment(channel, value, self.sign, ephemeral=True)
            entries.append({"name": name, "type": kinds[name], "value": sent})
        return entries, {"attachments": files} if files else {}

    def _data(self, command: Json, path: list[Json], entries: list[Json]) -> Json:
        for step in reversed(path):
            entries = [{"name": step["name"], "type": step["type"], "options": entries}]
        return {"id": command["id"], "name": command["name"], "type": 1, "options": entries}


def _mistakes(leaf: Json, given: dict[str, object]) -> list[str]:
    options = {o["name"]: o for o in leaf.get("options") or []}
    mistakes = [f"there is no option {name}" for name in given if name not in options]
    mistakes += [f"{n} is required" for n, o in options.items() if o.get("required") and n not in given]
    found = [value_mistake(options[name], value) for name, value in given.items() if name in options]
    return mistakes + [mistake for mistake in found if mistake]


def _chosen(item: Json) -> list[str]:
    """Return the values of an unchanged select in a modal; none for an upload."""
    options = [option["value"] for option in item.get("options") or [] if option.get("default")]
    return options + [str(each["id"]) for each in item.get("default_values") or []]


def _submitted(item: Json, given: dict[str, object]) -> Json:
    """Return a modal's component as it is submitted, and remove its value from `given`."""
    if item["type"] == 18:
        return {"type": 18, "id": item.get("id", 1), "component": _submitted(item["component"], given)}
    if "custom_id" not in item:
        return {"type": item["type"], "id": item.get("id", 1)}
    answer: Json = {"type": item["type"], "custom_id": item["custom_id"], "id": item.get("id", 1)}
    value = given.pop(item["custom_id"], None)
    if item["type"] == 23:
        return answer | {"value": bool(item.get("default")) if value is None else value}
    if item["type"] == 21:
        chosen = [option["value"] for option in item["options"] if option.get("default")]
        return answer | {"value": next(iter(chosen), None) if value is None else value}
    if item["type"] != 4:
        return answer | {"values": _chosen(item) if value is None else value}
    text = item.get("value") or "" if value is None else str(value)
    low = item.get("min_length") or (1 if item.get("required", True) else 0)
    if not low <= len(text) <= (item.get("max_length") or 4000) and (text or item.get("required", True)):
        raise CannotSend(f"{item['custom_id']}: {len(text)} characters")
    return answer | {"value": text}
