"""The stage of a story: people who act, and a transcript of what everybody sees.

A story gets the stage, and people by the names of its parameters.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import mimetypes
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import aiohttp
from simcord.components import walk_components as walk

from tests.fakediscord.actions import CannotSend
from tests.fakediscord.answer_schema import answer_mistakes
from tests.fakediscord.errors import Json
from tests.fakediscord.faults import Fault
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.server import FakeDiscord
from tests.fakediscord.world import Attachment, Channel, Message, User
from tests.simulation.engine.boundaries import STATEMENTS
from tests.simulation.engine.patches import TIME
from tests.simulation.promises.privacy import leaks
from tests.simulation.setup import sqlite_url
from tests.simulation.world import ALONE, World, new_world
from tests.stories.render import BUTTON, LABEL, RADIO_GROUP, SELECTS, TEXT, Renderer

Story = Callable[..., Awaitable[None]]
DEPLOYMENTS = Path(__file__).with_name("deployments.toml")
# An answer may take Discord's three seconds; what follows at once is a part of it.
_ANSWER = 4.0
_AT_ONCE = 1.5
_PATIENCE = 300.0
# A changed message with more lines is shown by its new lines, and the files and buttons that are gone.
_LONG = 5
# The last line of a status message, which takes one line of a transcript.
_STATUS = "┃ [Cancel]"
# Where people are when a story begins, unless it says otherwise.
_PLACES = {"owner": "dm:owner", "stranger": "outside"}
# A transcript cuts what people type after so many characters.
_LONGEST = 200
# If more seconds pass, the clocks jump over all but the last minute.
_LONG_TIME = 600.0
# Log lines about a run that don't name it.
_UNNAMED = re.compile(
    r" bot\.(workers\.(submission|reports|reconciler)|delivery\.messenger) (?!.*\b[a-z2-7]{16}\b)"
)
# Seconds after which a killed bot is started again.
_BACK = 2.0


class Stage:
    """The running bot with its servers and people, and the transcript so far.

    The servers, channels and people are those of the simulation (see `World`): Studio with #pictures,
    #gallery, #reports and #adult, Reviewed with #requests and #cards, Elsewhere, and Foreign without the bot.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.lines: list[str] = []
        self._renderer = Renderer(world.discord.world)
        self._shown: dict[int, list[str]] = {}
        self._rendered: dict[tuple[int, int], list[str]] = {}

    def person(self, name: str, where: str = "") -> Person:
        return Person(self, self.world.person(name), where or _PLACES.get(name, "pictures"))

    def channel(self, name: str) -> Channel:
        return self.world.channel(name)

    def tells(self, line: str, *, apart: bool = True) -> None:
        """Add a line of the storyteller to the transcript, by default after an empty one."""
        self.lines += ["", line] if apart else [line]

    @contextmanager
    def unseen(self) -> Iterator[list[str]]:
        """Keep what people do and see in this block out of the transcript, and yield a list that gets it."""
        kept, left_out = len(self.lines), list[str]()
        yield left_out
        self.look()
        left_out += self.lines[kept:]
        del self.lines[kept:]

    @asynccontextmanager
    async def outcome(self) -> AsyncIterator[None]:
        """Wait until all requests of this block are done, and note only the outcome, not each step."""
        before = dict(self._shown)
        with self.unseen():
            yield
            await self.until_done()
        self._shown = before

    def key(self, text: str) -> str:
        """Return the key of the first run that the newest message with this text has a button of."""
        messages = self.world.discord.request_log.messages
        ids = [
            id for each in messages if text in each.text for id in each.custom_ids if id.startswith("run:")
        ]
        return ids[-1].split(":")[1]

    async def inputs(self) -> None:
        """Wait until all requests are done, and note the inputs and the GPU that ComfyDeploy got last."""
        with self.unseen():
            await self.until_done()
        body = self.world.comfydeploy.call_log.queue_calls[-1].body
        given = body["inputs"] | ({"gpu": body["gpu"]} if body.get("gpu") else {})
        told = (f"{name}: {'⟨file⟩' if 'http' in str(value) else value}" for name, value in given.items())
        self.lines.append(self._renderer.stable(f"  ComfyDeploy gets {', '.join(told)}"))

    def counts(self, channel: str = "pictures") -> None:
        """Note how many results a channel shows, and how many runs ComfyDeploy has started."""
        messages = [each for each in self.channel(channel).messages.values() if each.shown_attachments]
        runs = len(list(self.world.comfydeploy.runs))
        self.tells(f"#{channel} shows {len(messages)} results, and ComfyDeploy has started {runs} runs")

    async def passes(self, seconds: float) -> None:
        """Let time pass, then note what everybody sees."""
        jumped = seconds - 60 if seconds > _LONG_TIME else 0.0
        if jumped:
            self.world.discord.messages_service.keep_nonces_in_use(jumped)
            self.world.loop.jump(jumped)
        await asyncio.sleep(seconds - jumped)
        self.tells(f"{_duration(seconds)} later", apart=False)
        self.look()

    async def until_done(self) -> None:
        """Wait until no request is unfinished and no message changes any more, or for five minutes."""
        deadline = TIME.monotonic + _PATIENCE
        before: object = None
        while before != (now := self._versions()) or (self._unfinished() and TIME.monotonic < deadline):
            before = now
            await asyncio.sleep(6)
        kept = len(self.lines)
        self.tells("when it is done", apart=False)
        self.look()
        if len(self.lines) == kept + 1:
            self.lines.pop()

    def _unfinished(self) -> bool:
        """Return whether a message is the status of a request: it offers Cancel, or says what follows."""
        shown = [each for each in self.world.discord.request_log.messages if each.deleted_at is None]
        offers = (id for each in shown for id in each.custom_ids)
        ended = any("Fetching" in each.text or "More about it follows" in each.text for each in shown)
        return ended or any(id.startswith("run:") and id.endswith(":cancel") for id in offers)

    def _versions(self) -> list[tuple[int, int, bool]]:
        messages = self.world.discord.request_log.messages
        return [(each.id, each.edits, each.deleted_at is not None) for each in messages]

    def look(self) -> None:
        """Note every message that is new, has changed or is gone."""
        for message in self.world.discord.request_log.messages:
            before = self._shown.get(message.id)
            if message.deleted_at is not None:
                if before:
                    self._note(f"{self._place(message)}, deleted: {before[0].lstrip('┃| ')}", [])
                    self._shown[message.id] = []
                continue
            now = ["is thinking…"] if message.loading else self._render(message)
            if now != before and message.author.bot:
                shown = _changes(before, now) if before else now
                pings = [line for line in shown if line.startswith("pings ")]
                title = ", ".join([self._place(message), *(["changed"] if before else []), *pings])
                self._note(f"{title}:", [line for line in shown if line not in pings])
            self._shown[message.id] = now

    def _render(self, message: Message) -> list[str]:
        version = (message.id, message.edits)
        if version not in self._rendered:
            self._rendered[version] = self._renderer.message(message)
        return self._rendered[version]

    def _note(self, title: str, lines: list[str]) -> None:
        if lines and lines[-1] == _STATUS:
            self.lines.append(f"  {title} {' / '.join(line.lstrip('┃| ') for line in lines)}")
        else:
            self.lines += [f"  {title}", *(f"    {line}" for line in lines)]

    def _place(self, message: Message) -> str:
        if message.ephemeral and message.interaction is not None:
            return f"only {message.interaction.user.name} sees"
        if message.channel.recipient is not None:
            return f"direct message to {message.channel.recipient.name}"
        return f"#{message.channel.name}"

    def show_form(self, modal: Json) -> None:
        title, *fields = self._renderer.form(modal)
        self._note(title, fields)

    async def restart(self) -> None:
        """Kill the bot and start it again."""
        for process in self.world.running:
            process.kill()
        self.tells("The bot is killed, and starts again")
        await asyncio.sleep(_BACK)
        await self.world.start()

    async def configures(self, **settings: str) -> None:
        """Start the bot again with these settings of the operator, as environment variables."""
        self.world.layout = {ALONE: settings}
        with self.unseen():
            await self.restart()
        told = ", ".join(f"{name}={value}" for name, value in settings.items()) or "nothing any more"
        self.tells(f"The operator sets {told}")

    # Trouble.

    def discord_fails(self, told: str, route: str, fault: Fault, times: int | None = 1) -> None:
        """Let Discord fail at the next calls of a route, or without `times`, until faults are cleared."""
        self.tells(told)
        self.world.discord.faults.add(route, fault, times=times)

    def loses(self, name: str) -> None:
        """Delete a channel in Discord."""
        self.tells(f"#{name} is deleted in Discord")
        self.world.discord.delete_channel(self.channel(name))

    @contextmanager
    def away(self, service: str = "ComfyDeploy") -> Iterator[None]:
        """Let ComfyDeploy or Discord answer every call inside the block with an error."""
        self.tells(f"{service} answers nothing but errors")
        plan, faults = self.world.comfydeploy.world.plan, self.world.discord.faults
        plan.away = service == "ComfyDeploy"
        rule = None if plan.away else faults.add("*", Fault.answer(503), times=None)
        yield
        plan.away = False
        if rule is not None:
            faults.remove(rule)
        self.tells(f"{service} is back")

    @contextmanager
    def closed(self, *channels: str) -> Iterator[None]:
        """Let the bot send nothing to these channels inside the block; `dm:NAME` are direct messages."""
        self.tells(f"The bot can't post: {', '.join(map(_place, channels))}")
        self._close(channels, may_post=False)
        yield
        self._close(channels, may_post=True)
        self.tells(f"It can post again: {', '.join(map(_place, channels))}")

    def _close(self, channels: tuple[str, ...], *, may_post: bool) -> None:
        for name in channels:
            place = self.channel(name)
            if place.recipient is not None:
                place.recipient.accepts_dms = may_post
            elif may_post:
                self.world.discord.grant(place, "send_messages")
            else:
                self.world.discord.withdraw(place, "send_messages")

    def marks(self, channel: str, *, restricted: bool = True) -> None:
        """Let a channel be marked as age-restricted, or lose its mark."""
        self.tells(f"#{channel} {'is marked as age-restricted' if restricted else 'loses its age mark'}")
        place = self.channel(channel)
        place.nsfw = restricted
        self.world.discord._announce(place, "UPDATE")

    async def reloads(self, old: str, new: str) -> None:
        """Let the operator change deployments.toml and use /reload."""
        file = self.world.folder / DEPLOYMENTS.name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
        self.tells(f"The operator changes deployments.toml: {old!r} is {new!r} now".replace("\n", "; "))
        await self.person("owner").types("/reload")

    def next_run(self, told: str, **faults: object) -> None:
        """Set the faults of the next run, as `Faults` names them, and tell the reader of them."""
        self.tells(told)
        self.world.next_faults(faults)

    async def lets_runs_go_on(self) -> None:
        """Release the runs that are held by `hold_at`, and wait until they are done."""
        self.world.comfydeploy.release()
        await self.until_done()

    async def run_makes(self, told: str, files: Mapping[str, bytes | str]) -> None:
        """Tell the bot that the newest run has these files (content or address), or a `text`."""
        self.tells(told)
        bucket, items = self.world.comfydeploy.world.bucket, []
        for name, made in files.items():
            if isinstance(made, bytes):
                bucket.put(name, made, mimetypes.guess_type(name)[0] or "application/octet-stream")
            url = bucket.plain_link(name) if isinstance(made, bytes) else made
            items.append(made if name == "text" else {"url": url, "filename": name, "type": "output"})
        run = list(self.world.comfydeploy.runs)[-1]
        output = {"id": "o", "data": {"files": items}, "node_meta": {"node_id": "9"}}
        event = {"event_type": "run.updated", "run_id": run.id, "status": "success", "outputs": [output]}
        async with aiohttp.ClientSession() as session, session.post(run.webhook, json=event) as reply:
            assert reply.status == 204
        await self.until_done()

    def dies_at(self, route: str, told: str, *, done: bool) -> None:
        """Kill the bot at the next call of a route, before or after Discord executes it, and restart it."""
        self.tells(told)

        def kill(_: Json) -> bool:
            for process in self.world.running:
                self.world.loop.call_later(0.5 if done else 0.0, process.kill)
                self.world.launch_later(_BACK, process.life.name)
            return True

        effect = Fault.delay(1.0, after=True) if done else Fault.drop_before()
        self.world.discord.faults.add(route, effect, times=1, where=kill)


class Person:
    """Somebody who uses the bot in a channel.

    What they do, and what everybody sees then, is added to the transcript.
    """

    def __init__(self, stage: Stage, user: User, where: str) -> None:
        self._stage = stage
        self.user = user
        self.where = where
        self.size_limit: int | None = None  # of a file where the next command is sent; None: as usual
        self._last: Interaction | None = None

    @property
    def _discord(self) -> FakeDiscord:
        return self._stage.world.discord

    def at(self, where: str) -> Person:
        """Go to another channel: a name of the stage's channels, or `dm:NAME` for direct messages."""
        self.where = where
        return self

    def picture(self, name: str = "cat.png", *, size: int = 64, content: bytes = b"") -> Attachment:
        """Return a file for an option or a form, perhaps one that is only named like a picture."""
        from PIL import Image  # noqa: PLC0415  # after the clocks are replaced

        if content:
            return self._discord.file(name, content)
        file = self._stage.world.folder / name
        Image.new("RGB", (size, size), "teal").save(file)
        return self._discord.file(name, file.read_bytes(), width=size, height=size)

    async def types(self, command: str, **options: object) -> None:
        """Send a command: `types("/generate picture", prompt="a fox")`."""
        self._stage.tells(f"{self.user.name} in {self._place}: {command}{_typed(options)}")
        channel = self._stage.channel(self.where)
        try:
            sent = await self._discord.slash(
                self.user, channel, command.removeprefix("/"), options, size_limit=self.size_limit
            )
        except CannotSend as refusal:
            self._stage._note(f"Discord: {refusal}", [])
            return
        await self._answered(sent)

    async def makes(self, command: str = "picture", **options: object) -> None:
        """Send a command, or /generate for a deployment. The transcript has only what was typed."""
        with self._stage.unseen():
            await self.types(_generate(command), **options)
            await self._stage.until_done()
        self._stage.tells(f"{self.user.name} makes in {self._place}: {_generate(command)}{_typed(options)}")

    async def gets(self, command: str = "picture", **options: object) -> None:
        """Send a command, or /generate for a deployment. The transcript has what comes of it."""
        async with self._stage.outcome():
            await self.types(_generate(command), **options)
        self._stage.tells(f"{self.user.name} makes in {self._place}: {_generate(command)}{_typed(options)}")
        self._stage.look()

    async def gets_by(self, label: str, *, beside: str = "", **fields: object) -> None:
        """Press a button, and send the form if one opens. The transcript shows only the outcome."""
        async with self._stage.outcome():
            await self.presses(label, beside=beside, **fields)
        sent = f" and sends{_typed(fields)}" if fields else ""
        self._stage.tells(f"{self.user.name} presses {label}{_beside(beside)}{sent}", apart=False)
        self._stage.look()

    async def begins(self, command: str = "picture", **options: object) -> None:
        """Send a command whose run is held until `lets_runs_go_on`."""
        self._stage.world.next_faults({"hold_at": "running"})
        with self._stage.unseen():
            await self.types(_generate(command), **options)
            await self._stage.passes(5)
        told = f"begins a long run in {self._place}: {_generate(command)}{_typed(options)}"
        self._stage.tells(f"{self.user.name} {told}")

    async def sets(self, section: str, of: str = "", **fields: object) -> None:
        """Change fields of a section of /settings, or of one entry of it. The transcript has one line."""
        with self._stage.unseen() as lines:
            await self.types("/settings")
            await self.presses("Change", beside=f"**{section}**")
            if of:
                await self.chooses(of)
            opened = len(self._stage.lines)
            await self.fills_in(**fields)
            told = self._stage.lines[opened:]
        assert any("✅" in line or "❌" in line for line in told), lines
        about = f"{section}, {of}" if of else section
        self._stage.tells(f"{self.user.name} sets in /settings, {about}:{_typed(fields)}")
        self._stage.lines += [f"  {line.lstrip(' ┃|')}" for line in told if re.match("    ┃ . (⚠️|❌)", line)]

    async def completes(self, command: str, option: str, typed: str, **others: object) -> None:
        """Type into an option that has suggestions, without sending the command."""
        self._stage.tells(f"{self.user.name} types {typed!r} into {option} of {command}")
        channel = self._stage.channel(self.where)
        sent = await self._discord.autocomplete(
            self.user, channel, command.removeprefix("/"), option, typed, **others
        )
        await sent.wait_answer(_ANSWER)
        self._stage._note("suggestions:", [str(choice["name"]) for choice in sent.choices])

    async def presses(self, label: str, *, beside: str = "", **fields: object) -> None:
        """Press the newest visible button with this label; the text before it contains `beside`.

        With fields, also send the form that opens, which the transcript leaves out.
        """
        self._stage.tells(f"{self.user.name} presses {label}{_beside(beside)}", apart=False)
        message, found = self._find(
            lambda item: item["type"] == BUTTON and item.get("label") == label, beside, label
        )
        sent = await self._discord.click(self.user, message, found["custom_id"])
        if not fields:
            await self._answered(sent)
            return
        with self._stage.unseen():
            await self._answered(sent)
        await self.fills_in(**fields)

    async def presses_more(self, label: str, *, beside: str = "", **fields: object) -> None:
        """Press ⋯ More, and a button behind it. The transcript has only what the second press shows."""
        with self._stage.unseen():
            await self.presses("⋯ More", beside=beside)
        self._stage.tells(f"{self.user.name} presses ⋯ More{_beside(beside)}", apart=False)
        await self.presses(label, **fields)

    async def chooses(self, *labels: str, beside: str = "") -> None:
        """Choose options of the newest visible select that has them.

        An option is named by its label, a person or role as `@name`, and a channel as `#name`.
        """
        self._stage.tells(f"{self.user.name} chooses {', '.join(labels)}", apart=False)
        message, found = self._find(lambda item: _offers(item, labels), beside, labels[0])
        values = [self._value(found, label) for label in labels]
        await self._answered(await self._discord.click(self.user, message, found["custom_id"], *values))

    async def fills_in(self, **fields: object) -> None:
        """Change fields of the form that the last action opened, and send it.

        A field's name is its label in lower case with underscores.
        """
        assert self._last is not None
        assert self._last.modal is not None, "no form is open"
        opened, values, told = self._last, {}, []
        labels = {
            _plain(item["label"]): item for item in opened.modal["components"] or () if item["type"] == LABEL
        }
        for name, value in fields.items():
            assert name in labels, f"the form has {sorted(labels)}"
            item = labels[name]["component"]
            told.append(f"{labels[name]['label']}: {_told(value)}")
            many = [value] if isinstance(value, str) else value
            if item["type"] in SELECTS and isinstance(many, (list, tuple)):
                values[item["custom_id"]] = [self._value(item, each) for each in many]
            elif item.get("options"):
                values[item["custom_id"]] = self._value(item, str(value))
            else:
                values[item["custom_id"]] = value
        required = (each["component"] for each in labels.values())
        missing = [each for each in required if each["type"] == RADIO_GROUP and each.get("required")]
        assert all(each["custom_id"] in values or _is_chosen(each) for each in missing), "a choice is needed"
        self._stage.tells(
            f"{self.user.name} sends the form{': ' if told else ''}{'; '.join(told)}", apart=False
        )
        try:
            await self._answered(await self._discord.submit(opened, values))
        except CannotSend as refusal:
            self._stage._note(f"Discord: {refusal}", [])

    async def sends_forged(
        self, custom_id: str, *values: str, on: str = "", form: Mapping[str, str] | None = None
    ) -> str:
        """Send a press or a form that no client offers, under the bot's newest message that contains `on`.

        The transcript has a line with the answer, which is returned.
        """
        stage = self._stage
        message = [each for each in self._visible() if each.author.bot and on in each.text][-1]
        if form is None:
            kind = 3 if values else 2
            sent = await self._discord.forge_press(self.user, message, custom_id, *values, kind=kind)
        else:
            sent = await self._discord.forge_form(self.user, message, custom_id, form)
        await stage.world.until(lambda: sent.shown, _ANSWER)
        for each in (sent.original, *sent.followups):
            if each is not None and each is not message:
                stage._shown[each.id] = stage._renderer.message(each)
        text = " ".join(each.text for each in sent.followups) or sent.text or "nothing"
        answer = f"the form “{sent.modal['title']}”" if sent.modal else text.splitlines()[0]
        told = f"{custom_id}{f' with {dict(form)}' if form else ''}: {answer}"
        stage.lines.append(stage._renderer.stable(f"  {self.user.name} forges {told}"))
        stage.look()
        return answer

    async def uses(self, menu: str, *, on: str = "") -> None:
        """Use a command of the menu of the newest message that shows a file, or contains `on`."""
        self._stage.tells(f"{self.user.name} opens the message's menu, Apps, {menu}")
        found = [each for each in self._visible() if (on in each.text if on else each.shown_attachments)]
        await self._answered(await self._discord.use_on(self.user, found[-1], menu))

    def answer_expires(self) -> None:
        """Let Discord's 15 minutes pass in which the bot may change its answer to the last command."""
        assert self._last is not None
        self._stage.tells(f"The answer to {self.user.name} can't be changed any more")
        self._last.created_at -= 900

    def reads(self, kind: str) -> None:
        """Note the lines of this kind in the newest file that /privacy export has sent."""
        files = [file for message in self._visible() for file in message.shown_attachments]
        data = next(file.data for file in reversed(files) if file.filename.endswith(".jsonl"))
        lines = [line for line in map(json.loads, data.splitlines()) if line.pop("kind") == kind]
        shown = [", ".join(f"{name}: {value}" for name, value in line.items() if value) for line in lines]
        self._stage._note(f"in the file, {kind}:", [self._stage._renderer.stable(line) for line in shown])

    async def deletes(self, on: str) -> None:
        """Delete the newest message that contains a text, as its author or with Manage Messages."""
        self._stage.tells(f"{self.user.name} deletes the message with “{on}” in Discord")
        message = next(each for each in reversed(self._visible()) if on in each.text)
        self._discord.delete_message(message)
        await asyncio.sleep(_AT_ONCE)
        self._stage.look()

    @property
    def _place(self) -> str:
        return _place(self.where)

    def _visible(self) -> list[Message]:
        return self._discord.visible(self.user)

    def _find(self, search: Callable[[Json], bool], beside: str, what: str) -> tuple[Message, Json]:
        """Return the first component that is meant in the newest message that has it."""
        for message in reversed(self._visible()):
            text, ended = message.content, False
            for item in walk(message.body.get("components") or []):
                if item["type"] == TEXT:
                    text, ended = (item["content"] if ended else f"{text}\n{item['content']}"), False
                elif item.get("custom_id"):
                    ended = True
                    if search(item) and not item.get("disabled") and beside in text:
                        return message, item
        raise AssertionError(f"{self.user.name} sees no {what!r}")

    def _value(self, item: Json, label: str) -> str:
        for option in item.get("options") or ():
            if option["label"] == label:
                return str(option["value"])
        world = self._stage.world
        if label.startswith("#"):
            return str(world.channel(label[1:]).id)
        return str(world.person(label.removeprefix("@role of ").removeprefix("@")).id)

    async def _answered(self, sent: Interaction) -> None:
        self._last = sent
        with suppress(TimeoutError):
            await sent.wait_answer(_ANSWER)
            await self._stage.world.until(lambda: sent.shown, _ANSWER)
        if sent.modal is not None:
            self._stage.show_form(sent.modal)
            return
        await asyncio.sleep(_AT_ONCE)
        self._stage.look()


def _place(channel: str) -> str:
    return "direct messages" if channel.startswith("dm:") else f"#{channel}"


def _beside(text: str) -> str:
    return f" beside “{text}”" if text else ""


def _generate(command: str) -> str:
    return command if command.startswith("/") else f"/generate {command}"


def _duration(seconds: float) -> str:
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} seconds"


def _plain(label: str) -> str:
    return "".join(each if each.isalnum() else "_" for each in label.casefold()).strip("_")


def _typed(options: dict[str, object]) -> str:
    return "".join(f" {name}: {_told(value)}" for name, value in options.items())


def _told(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_told, value)) or "nothing"
    if isinstance(value, User):
        return f"@{value.name}"
    text = str(getattr(value, "filename", value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def _changes(before: list[str], now: list[str]) -> list[str]:
    """Return a changed message's lines; of a long one, the new ones, and files and buttons that are gone."""
    if len(now) <= _LONG:
        return now
    new = [line for line in now if line not in before]
    gone = [f"- {line}" for line in before if line not in now and not line.startswith(("┃ |", "|"))]
    return [*new, *gone] or now


def _is_chosen(item: Json) -> bool:
    return any(option.get("default") for option in item["options"])


def _offers(item: Json, labels: tuple[str, ...]) -> bool:
    """Return whether a select has these options, or takes people, roles or channels if they are such."""
    if item["type"] not in SELECTS:
        return False
    offered = {option["label"] for option in item.get("options") or ()}
    return set(labels) <= offered or (not offered and labels[0][0] in "#@")


def play(name: str, story: Story, folder: Path) -> str:
    """Play a story in a new world, and return its transcript."""
    STATEMENTS.strike = None
    with new_world(name, folder, DEPLOYMENTS) as world:
        world.database_url = sqlite_url(folder)
        stage = Stage(world)
        try:
            world.loop.run_until_complete(_play(stage, story))
            assert not list(leaks(world))
            assert not list(answer_mistakes(world.discord.interactions.values()))
            assert not [entry for entry in world.log if _UNNAMED.search(entry.text)]
        except Exception as error:
            log = "\n".join(map(str, world.log[-40:]))
            raise RuntimeError(f"{name}: {error}\n{chr(10).join(stage.lines)}\n{log}") from error
    return "\n".join(stage.lines).strip() + "\n"


async def _play(stage: Stage, story: Story) -> None:
    await stage.world.open()
    try:
        assert await stage.world.start(), stage.world.log
        await asyncio.sleep(1)
        names = [name for name in inspect.signature(story).parameters if name != "stage"]
        await story(stage, *map(stage.person, names))
        await stage.world.stop()
    finally:
        await stage.world.close()
