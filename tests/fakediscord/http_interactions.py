"""The routes of interactions: the callback, follow-ups, and messages by the interaction's token."""

from __future__ import annotations

from tests.fakediscord import command_rules, payloads, rules
from tests.fakediscord.calls import Call, Endpoint, Reply
from tests.fakediscord.errors import ApiError, Json, check_sizes, invalid
from tests.fakediscord.interactions import Answer, Interaction, Interactions, Type
from tests.fakediscord.messages import Messages
from tests.fakediscord.world import LOADING, Message, User

_WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
_ONE = f"{_WEBHOOK}/messages/{{message_id}}"
USER_INSTALL_FOLLOWUPS = 5
_ALLOWED: dict[Type, frozenset[Answer]] = {
    Type.COMMAND: frozenset({Answer.MESSAGE, Answer.DEFERRED, Answer.MODAL}),
    Type.COMPONENT: frozenset(Answer) - {Answer.CHOICES},
    Type.AUTOCOMPLETE: frozenset({Answer.CHOICES}),
    Type.MODAL: frozenset({Answer.MESSAGE, Answer.DEFERRED, Answer.DEFERRED_UPDATE, Answer.UPDATE}),
}


class InteractionRoutes:
    def __init__(self, interactions: Interactions, messages: Messages, bot: User) -> None:
        self._interactions = interactions
        self._messages = messages
        self._bot = bot

    def endpoints(self) -> list[Endpoint]:
        callback = "/interactions/{webhook_id}/{webhook_token}/callback"
        return [
            Endpoint("POST", callback, self.callback, auth=False),
            Endpoint("POST", _WEBHOOK, self.follow_up, auth=False),
            Endpoint("GET", _ONE, self.fetch, auth=False),
            Endpoint("PATCH", _ONE, self.edit, auth=False),
            Endpoint("DELETE", _ONE, self.delete, auth=False),
        ]

    def callback(self, call: Call) -> Reply:
        interaction = self._interactions.to_answer(call.id("webhook_id"), call.params["webhook_token"])
        kind = self._kind(interaction, call.body)
        data = call.body.get("data") or {}
        message = self._answer(interaction, kind, data, call)
        interaction.accept(kind, data, message)
        self._interactions.world.changed()
        if call.query.get("with_response", "").lower() not in ("1", "true"):
            return Reply(204)
        return Reply(body=self._resource(interaction, message))

    def _kind(self, interaction: Interaction, body: Json) -> Answer:
        kind = body.get("type")
        if kind not in _ALLOWED[interaction.type] or (
            kind in (Answer.UPDATE, Answer.DEFERRED_UPDATE) and interaction.source is None
        ):
            raise invalid("type", f"{kind} does not answer this.")
        return Answer(kind)

    def _answer(self, interaction: Interaction, kind: Answer, data: Json, call: Call) -> Message | None:
        if kind is Answer.CHOICES:
            choices = data.get("choices") or []
            check_sizes("data", data, {"choices": (0, 25)})
            for number, choice in enumerate(choices):
                command_rules.check_choice(f"data.choices.{number}", choice)
            return None
        if kind is Answer.MODAL:
            rules.check_modal(data)
            return None
        if kind in (Answer.UPDATE, Answer.DEFERRED_UPDATE):
            assert interaction.source is not None
            if kind is Answer.UPDATE:
                self._messages.edit(interaction.source, data, call.files, limit=interaction.size_limit)
            return interaction.source
        return self._create(interaction, data, call, loading=kind is Answer.DEFERRED)

    def _create(self, interaction: Interaction, data: Json, call: Call, *, loading: bool = False) -> Message:
        return self._messages.create(
            interaction.channel,
            self._bot,
            data,
            call.files,
            limit=interaction.size_limit,
            extra_flags=LOADING if loading else 0,
            interaction=interaction,
        )

    def _resource(self, interaction: Interaction, message: Message | None) -> Json:
        about: Json = {"id": str(interaction.id), "type": int(interaction.type)}
        if message is not None:
            about |= {
                "response_message_id": str(message.id),
                "response_message_loading": message.loading,
                "response_message_ephemeral": message.ephemeral,
                "channel_id": str(message.channel.id),
            }
        body: Json = {"interaction": about}
        if interaction.answer_type in (Answer.MESSAGE, Answer.UPDATE) and message is not None:
            shown = payloads.message(message, self._messages.sign)
            body["resource"] = {"type": int(interaction.answer_type), "message": shown}
        return body

    def follow_up(self, call: Call) -> Reply:
        """Post a follow-up. The first one after a deferral replaces "thinking…" and keeps its visibility."""
        interaction = self._interactions.to_follow(call.params["webhook_token"])
        original = interaction.original
        if original is not None and original.loading and original.deleted_at is None:
            self._messages.edit(original, call.body, call.files, limit=interaction.size_limit)
            return self._reply(original)
        if interaction.user_install and len(interaction.followups) >= USER_INSTALL_FOLLOWUPS:
            raise ApiError(40094)
        if interaction.channel.deleted:
            raise ApiError(10003)
        message = self._create(interaction, call.body, call)
        interaction.followups.append(message)
        self._interactions.world.changed()
        return self._reply(message)

    def fetch(self, call: Call) -> Reply:
        return self._reply(self._message(call)[1])

    def edit(self, call: Call) -> Reply:
        interaction, message = self._message(call)
        self._messages.edit(message, call.body, call.files, limit=interaction.size_limit)
        return self._reply(message)

    def delete(self, call: Call) -> Reply:
        self._messages.delete(self._message(call)[1])
        return Reply(204)

    def _message(self, call: Call) -> tuple[Interaction, Message]:
        interaction = self._interactions.to_follow(call.params["webhook_token"])
        wanted = call.params["message_id"]
        if interaction.channel.deleted:
            raise ApiError(10003)
        mine = [m for m in (interaction.original, *interaction.followups) if m is not None]
        for message in mine:
            named = wanted == "@original" and message is interaction.original
            if (named or str(message.id) == wanted) and message.deleted_at is None:
                return interaction, message
        raise ApiError(10008)

    def _reply(self, message: Message) -> Reply:
        body = payloads.message(message, self._messages.sign)
        return Reply(body=body | {"webhook_id": str(self._bot.id), "application_id": str(self._bot.id)})
