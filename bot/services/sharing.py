"""Post a single result of a batch, and share results in the server's gallery channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from bot.domain.access import OperatorRules
from bot.domain.errors import AlreadyPosted, DiscordAway, RefusedError
from bot.domain.messages.records import MessageRef
from bot.domain.requests import Requester
from bot.domain.results.sharing import CopyRequest, MessageState, check_copyable, copy_code, offers_copy
from bot.domain.results.showing import check_posting
from bot.domain.runs import Run
from bot.services.age_marks import AgeMarks
from bot.store import Store

# (requester, deployment name, texts by option name); raises RefusedError if the server forbids a text.
CheckWords = Callable[[Requester, str, Mapping[str, str]], Awaitable[None]]
# Returns whether one of the bot's messages still exists. Raises DiscordAway.
FetchState = Callable[[MessageRef], Awaitable[MessageState]]
# Posts a copy and returns its URL. Raises RefusedError.
SendCopy = Callable[[CopyRequest], Awaitable[str]]
T = TypeVar("T")


class SharingService:
    """Creates copies of results, only for the results' requesters.

    `post` and `share` check a copy, and `make` posts it while its requester waits. Methods raise
    RefusedError, or StoreUnavailable if the database is unreachable. In these cases no copy is posted.
    """

    def __init__(
        self,
        *,
        store: Store,
        age_marks: AgeMarks,
        operator: OperatorRules,
        send_copy: SendCopy,
        check_words: CheckWords,
        message_state: FetchState,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._age_marks = age_marks
        self._operator = operator
        self._send_copy = send_copy
        self._check_words = check_words
        self._message_state = message_state
        self._clock = clock

    async def is_offered(self, run: Run, requester: Requester) -> bool:
        """Return whether the requester may share the run's result in a gallery that the bot can post in."""
        if not offers_copy(run, requester) or run.guild_id is None or run.private:
            return False
        gallery = (await self._store.rules.get(run.guild_id)).gallery_channel_id
        return gallery is not None and requester.channel_state(gallery).can_post

    def is_postable(self, run: Run, requester: Requester) -> bool:
        """Return whether the requester may post this one result of a batch in the batch's channel."""
        return offers_copy(run, requester) and not run.needs_interaction

    async def post(self, key: str, requester: Requester) -> CopyRequest:
        """Return a copy of a single result of a batch: a separate message in the batch's channel."""
        run = await self._own_result(key, requester)
        # The bot can't post in the channel of a user install.
        if run.count == 1 or run.user_install:
            raise RefusedError("post_nothing")
        copy = CopyRequest(key=key, user_id=requester.person.id)
        await self._check(run, copy)
        return copy

    async def check(self, key: str, requester: Requester) -> Run:
        """Return the run if its result may be shared now. Raises RefusedError otherwise.

        Call it before the form opens. `share` repeats the check, and also checks the texts.
        """
        run, gallery = await self._sharable(key, requester)
        copy = CopyRequest(key=key, user_id=requester.person.id, shared_to=gallery)
        await self._check(run, copy)
        return run

    async def share(self, key: str, requester: Requester, *, with_prompt: bool) -> CopyRequest:
        """Return a share of a result.

        A prompt is checked again, because the word rules may exempt the channel that it was written in. Texts
        that the run made are checked even without the prompt, because they may quote it.
        """
        run, gallery = await self._sharable(key, requester)
        in_gallery = replace(requester, channel_ids=frozenset({gallery}))
        made = "\n".join(output.text for output in run.outputs if output.text)
        await self._check_text(run, "text", made, in_gallery, "share_text")
        await self._check_text(run, "prompt", run.prompt if with_prompt else None, in_gallery, "share_words")
        copy = CopyRequest(key=key, user_id=requester.person.id, shared_to=gallery, with_prompt=with_prompt)
        await self._check(run, copy)
        return copy

    async def make(self, copy: CopyRequest) -> str:
        """Post a copy, and return its URL."""
        return await self._ask(self._send_copy, copy)

    async def _check_text(
        self, run: Run, name: str, text: str | None, requester: Requester, code: str
    ) -> None:
        """Raise RefusedError with this code if the gallery may not show a text.

        The audit log records each refusal, with the `name` of the text.
        """
        if not text:
            return
        try:
            await self._check_words(requester, run.deployment, {name: text})
        except RefusedError as error:
            if error.code == "words_refused":
                raise RefusedError(code, str(error)) from None
            raise

    async def _check(self, run: Run, copy: CopyRequest) -> None:
        """Raise RefusedError if the copy can't be requested now."""
        await self._ask(partial(self._store.copies.check, run), copy)

    async def _ask(self, call: Callable[[CopyRequest], Awaitable[T]], copy: CopyRequest) -> T:
        """Call a function with a copy. If it raises AlreadyPosted, ask Discord for the earlier copy.

        If the earlier copy was deleted in Discord, raise RefusedError. If its whole channel was deleted, call
        the function again, because that says nothing about the result.
        """
        try:
            return await call(copy)
        except AlreadyPosted as error:
            state = MessageState.EXISTS
            with suppress(DiscordAway):
                state = await self._message_state(MessageRef(error.channel_id, error.message_id))
            if state is MessageState.EXISTS:
                raise
            if state is MessageState.DELETED:
                # Only a moderator can have deleted it in Discord, so it isn't posted again.
                raise RefusedError(copy_code(copy, "deleted")) from None
            return await call(replace(copy, deleted_channel=error.channel_id))

    async def _own_result(self, key: str, requester: Requester) -> Run:
        """Return the run if it is the requester's own and a copy may show its result.

        Raises RefusedError otherwise.
        """
        run, origin = await self._store.runs.get(key), requester.origin
        if run is None:
            raise RefusedError("run_gone")
        check_copyable(run, requester)
        usage = await self._store.usage.today(origin.guild_id, requester.person.id, self._clock())
        check_posting(origin, usage, self._operator)
        return run

    async def _sharable(self, key: str, requester: Requester) -> tuple[Run, int]:
        """Return the run and the id of the gallery channel, if the requester may share the result there now.

        Raises RefusedError otherwise.
        """
        run = await self._own_result(key, requester)
        rules = await self._store.rules.current(run.guild_id)
        gallery = rules.gallery_channel_id if run.guild_id is not None else None
        if gallery is None:
            raise RefusedError("share_no_gallery")
        channel = requester.channel_state(gallery)
        if not channel.can_post:
            raise RefusedError("share_closed")
        restricted = self._age_marks.restricts(run, requester)
        # An archived thread isn't in the cache, but the interaction from it contains its parent's mark.
        if (restricted or requester.origin.age_restricted) and not channel.age_restricted:
            raise RefusedError("share_age")
        return run, gallery
