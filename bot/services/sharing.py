"""Check and request copies of results, only for the results' requesters. The messenger posts them."""

from __future__ import annotations

from dataclasses import replace

from bot.context import App
from bot.domain.errors import RefusedError
from bot.domain.messages import Kind
from bot.domain.moderation import AuditAction
from bot.domain.requests import Actor
from bot.domain.results import CopyRequest, check_copyable, check_first_copy, offers_copy
from bot.domain.runs import Run
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.text import message_url
from bot.media.outputs import MEDIA_SECONDS
from bot.services.access import check_may_post, restricts, stored
from bot.services.generation import check_words
from bot.services.runs import until_shown
from bot.store.rules import read_rules


async def is_offered(app: App, actor: Actor, run: Run) -> bool:
    """Return whether the user may share the run's result in a gallery that the bot can post in."""
    if not offers_copy(run, actor) or run.guild_id is None or run.private:
        return False
    gallery = (await app.store.rules.get(run.guild_id)).gallery_channel_id
    return gallery is not None and actor.channel_state(gallery).can_post


async def request_copy(
    app: App, actor: Actor, key: str, kind: Kind, *, with_prompt: bool | None = None
) -> tuple[Run, CopyRequest]:
    """Return the run, and a copy of its result that may be made now. Raises RefusedError otherwise.

    `with_prompt` is None before the form of a share, whose texts are checked only afterwards.
    """
    run = await stored(app, key)
    check_copyable(run, actor)
    await check_may_post(app, actor)
    copy = CopyRequest(key=key, with_prompt=bool(with_prompt))
    if kind is Kind.SHARE:
        rules = await app.store.database.read(read_rules, run.guild_id)
        copy = replace(copy, shared_to=_gallery(app, actor, run, rules))
        if with_prompt is not None:
            await _check_texts(app, actor, run, copy, rules)
    elif run.count == 1 or run.user_install:  # the bot can't post in the channel of a user install
        raise RefusedError("post_nothing")
    check_first_copy(run, copy, await app.store.messages.of_request(run.request_key))
    return run, copy


async def make_copy(app: App, run: Run, copy: CopyRequest) -> str:
    """Have a copy posted, and return its URL. Raises RefusedError if that fails, or takes too long."""
    now = app.now()
    await app.store.copies.request(copy, now)
    found = await until_shown(app, run.request_key, {copy.kind}, MEDIA_SECONDS)
    if found is None:
        raise RefusedError("copy_unknown")
    if refs := found[copy.kind, run.index].refs:
        return message_url(run.guild_id, *refs[0])
    last = await app.store.reviews.last(run, AuditAction(copy.kind))
    failed = last.outcome if last is not None and last.at >= now else None
    raise RefusedError(failed or "copy_failed")


async def _check_texts(app: App, actor: Actor, run: Run, copy: CopyRequest, rules: ServerRules) -> None:
    """Raise RefusedError if the gallery may not show a text. The audit log records each refusal.

    A prompt is checked again, because the word rules may exempt the channel that it was written in. Texts
    that the run made are checked even without the prompt, because they may quote it.
    """
    actor = replace(actor, channel_ids=frozenset({copy.shared_to or 0}))
    made = "\n".join(output.text for output in run.visible if output.text)
    prompt = run.prompt if copy.with_prompt else None
    for name, text, code in (("text", made, "share_text"), ("prompt", prompt, "share_words")):
        try:
            await check_words(app, actor, run, rules, {name: text} if text else {})
        except RefusedError as error:
            if error.code != "words_refused":
                raise
            raise RefusedError(code, str(error)) from None


def _gallery(app: App, actor: Actor, run: Run, rules: ServerRules) -> int:
    """Return the id of the gallery channel if it may show the result now. Raises RefusedError otherwise."""
    gallery = rules.gallery_channel_id if run.guild_id is not None else None
    if gallery is None or not (channel := actor.channel_state(gallery)).can_post:
        raise RefusedError("share_closed")
    # An archived thread isn't in the cache, but the interaction from it contains its parent's mark.
    is_restricted = restricts(app, actor, run) or actor.origin.channel_age_restricted
    if is_restricted and not channel.age_restricted:
        raise RefusedError("share_age")
    return gallery
