"""The routes of interactions: the callback, follow-ups, and messages by the interaction's token."""

from __future__ import annotations

from tests.fakediscord import command_rules, payloads, rules
from tests.fakediscord.calls import Call, Routes
from tests.fakediscord.errors import ApiError, Json, check_sizes, invalid
from tests.fakediscord.interactions import TOKEN_SECONDS, Answer, Interaction, Type
from tests.fakediscord.world import LOADING, Message

_WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
_ONE = f"{_WEBHOOK}/messages/{{message_id}}"
USER_INSTALL_FOLLOWUPS = 5
_ALLOWED: dict[Type, frozenset[Answer]] = {
    Type.COMMAND: frozenset({Answer.MESSAGE, Answer.DEFERRED, Answer.MODAL}),
    Type.COMPONENT: frozenset(Answer) - {Answer.CHOICES},
    Type.AUTOCOMPLETE: frozenset({Answer.CHOICES}),
    Type.MODAL: frozenset({Answer.MESSAGE, Answer.DEFERRED, Answer.DEFERRED_UPDATE, Answer.UPDATE}),
}
routes = Routes()


@routes("POST", "/interactions/{webhook_id}/{webhook_token}/callback")
def callback(call: Call) -> object:
    interaction = call.discord.interactions.get(call.params["webhook_token"])
    if interaction is None or interaction.id != call.id("webhook_id"):
        raise ApiError(10062)
    if interaction.answered:
        raise ApiError(40060)
    if call.discord.world.clock.now() - interaction.created_at > call.discord.answer_within:
        raise ApiError(10062)
    kind = _kind(interaction, call.body)
    data = call.body.get("data") or {}
    message = _answer(interaction, kind, data, call)
    interaction.accept(kind, data, message)
    call.discord.world.changed()
    if call.query.get("with_response", "").lower() not in ("1", "true"):
        return None
    return _resource(interaction, message, call)


def _kind(interaction: Interaction, body: Json) -> Answer:
    kind = body.get("type")
    if kind not in _ALLOWED[interaction.type] or (
        kind in (Answer.UPDATE, Answer.DEFERRED_UPDATE) and interaction.source is None
    ):
        raise invalid("type", f"{kind} does not answer this.")
    return Answer(kind)


def _answer(interaction: Interaction, kind: Answer, data: Json, call: Call) -> Message | None:
    if kind is Answer.CHOICES:
        check_sizes("data", data, {"choices": (0, 25)})
        for number, choice in enumerate(data.get("choices") or []):
            command_rules.check_choice(f"data.choices.{number}", choice)
        return None
    if kind is Answer.MODAL:
        rules.check_modal(data)
        return None
    if kind in (Answer.UPDATE, Answer.DEFERRED_UPDATE):
        assert interaction.source is not None
        if kind is Answer.UPDATE:
            _edit(interaction.source, interaction, data, call)
        return interaction.source
    return _create(interaction, data, call, loading=kind is Answer.DEFERRED)


def _create(interaction: Interaction, data: Json, call: Call, *, loading: bool = False) -> Message:
    return call.discord.messages_service.create(
        interaction.channel,
        call.discord.bot,
        data,
        call.files,
        limit=interaction.size_limit,
        extra_flags=LOADING if loading else 0,
        interaction=interaction,
    )


def _edit(message: Message, interaction: Interaction, data: Json, call: Call) -> None:
    call.discord.messages_service.edit(message, data, call.files, limit=interaction.size_limit)


def _resource(interaction: Interaction, message: Message | None, call: Call) -> Json:
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
        shown = payloads.message(message, call.discord.sign)
        body["resource"] = {"type": int(interaction.answer_type), "message": shown}
    return body


@routes("POST", _WEBHOOK)
def follow_up(call: Call) -> object:
    """Post a follow-up. The first one after a deferral replaces "thinking…" and keeps its visibility."""
    interaction = _interaction(call)
    original = interaction.original
    if original is not None and original.loading and original.deleted_at is None:
        _edit(original, interaction, call.body, call)
        return _shown(original, call)
    if interaction.user_install and len(interaction.followups) >= USER_INSTALL_FOLLOWUPS:
        raise ApiError(40094)
    if interaction.channel.deleted:
        raise ApiError(10003)
    message = _create(interaction, call.body, call)
    interaction.followups.append(message)
    call.discord.world.changed()
    return _shown(message, call)


@routes("GET", _ONE)
def fetch(call: Call) -> object:
    return _shown(_message(call)[1], call)


@routes("PATCH", _ONE)
def edit(call: Call) -> object:
    interaction, message = _message(call)
    _edit(message, interaction, call.body, call)
    return _shown(message, call)


@routes("DELETE", _ONE)
def delete(call: Call) -> object:
    call.discord.delete_message(_message(call)[1])
    return None


def _interaction(call: Call) -> Interaction:
    interaction = call.discord.interactions.get(call.params["webhook_token"])
    if interaction is None or call.discord.world.clock.now() - interaction.created_at > TOKEN_SECONDS:
        raise ApiError(50027)
    if not interaction.answered:
        raise ApiError(10015)
    return interaction


def _message(call: Call) -> tuple[Interaction, Message]:
    interaction = _interaction(call)
    wanted = call.params["message_id"]
    if interaction.channel.deleted:
        raise ApiError(10003)
    mine = [m for m in (interaction.original, *interaction.followups) if m is not None]
    for message in mine:
        named = wanted == "@original" and message is interaction.original
        if (named or str(message.id) == wanted) and message.deleted_at is None:
            return interaction, message
    raise ApiError(10008)


def _shown(message: Message, call: Call) -> Json:
    bot = str(call.discord.bot.id)
    return payloads.message(message, call.discord.sign) | {"webhook_id": bot, "application_id": bot}
