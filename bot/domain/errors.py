"""The errors that the bot's packages share. Each names the sentence of `bot.sentences` for the user.

`code` selects the sentence in `bot.sentences`, and `params` fill in its placeholders. Neither may contain a
secret, because they are shown to users and may be stored with a run. Details for the log (status, body,
address) are in `str(error)`.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

Param = str | int | float | bool | None


def reason_of(error: BaseException) -> str:
    """Say why a connection or a file failed, in an operator's words, without the name of a class."""
    cause = getattr(error, "os_error", error)  # aiohttp's errors have one
    if isinstance(cause, UnicodeDecodeError):
        return "it isn't UTF-8 text"
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, socket.gaierror):
        return "the name can't be resolved"
    if isinstance(cause, ssl.SSLError):
        return "no encrypted connection"
    # If several addresses fail, asyncio joins their errors in a text and sets no errno.
    numbers = re.findall(r"\[Errno (\d+)\]", str(cause))
    return os.strerror(int(numbers[0])) if numbers else str(cause) or "no answer"


class BotError(Exception):
    """Base class. `code` and `params` determine the sentence for the user; `str(error)` is for the log."""

    code: str = "internal"

    def __init_subclass__(cls, *, code: str = "") -> None:
        cls.code = code or cls.code

    def __init__(self, detail: str = "", *, code: str = "", **params: Param) -> None:
        self.code = code or self.code
        super().__init__(detail or self.code)
        self.params: dict[str, Param] = params


class StartupError(BotError, code="startup"):
    """The process can't start or has to stop. `mistakes` lists the reasons as sentences."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


class StartLater(StartupError):
    """Something that startup needs is unavailable; the same start may succeed later."""


class CodedError(BotError):
    """Base class of errors whose code is passed as an argument."""

    def __init__(self, code: str, detail: str = "", /, **params: Param) -> None:
        super().__init__(detail or f"{code} {params}", code=code, **params)


class InputError(CodedError):
    """A value isn't accepted. If it belongs to a Discord option, `params["option"]` is the option's name."""


class InputErrors(InputError):
    """Several values aren't accepted; the code and params are those of the first of `errors`."""

    def __init__(self, errors: Sequence[InputError]) -> None:
        first = errors[0]
        super().__init__(first.code, "; ".join(map(str, errors)), **first.params)
        self.errors = tuple(errors)


class RefusedError(CodedError):
    """A rule forbids what the user asked for. Raised before any queue call, so nothing was spent."""


class PressedTwice(RefusedError):
    """The same user pressed the same button a moment ago, and that request was accepted."""

    def __init__(self) -> None:
        super().__init__("pressed_twice")


class RunGone(RefusedError):
    """The store has no run with this key, for example because it was deleted after its retention."""

    def __init__(self, key: str) -> None:
        super().__init__("run_gone", f"run_gone: {key}")


class RefusedForNow(RefusedError):
    """A rule forbids the request only for now. `again_at` is when the rule will allow it, None if unknown."""

    def __init__(
        self, code: str, detail: str = "", /, *, again_at: datetime | None = None, **params: Param
    ) -> None:
        super().__init__(code, detail, **params)
        self.again_at = again_at


class DiscordAway(BotError, code="discord_away"):
    """Discord did not respond. Nothing was done, and a retry may succeed."""


class AlreadyTaken(BotError):
    """Another process of the bot handles this interaction and answers it."""


class StoreUnavailable(BotError, code="store_unavailable"):
    """The database can't be reached or written. Nothing was changed, unless this is a `CommitUnknown`."""


class CommitUnknown(StoreUnavailable, code="commit_unknown"):
    """The database didn't confirm a commit, so the change may be stored."""


class RequestUnknown(CommitUnknown, code="request_unknown"):
    """The database didn't confirm that it stored a request, and can't be queried either."""


class MediaError(BotError, code="media_unavailable"):
    """An output can't be fetched."""


class MediaForbidden(MediaError):
    """The address is private, not http(s), or otherwise not allowed."""


class MediaTooLarge(MediaError, code="media_too_large"):
    """The file is too large. `params['limit']`, if present, is the limit in bytes."""


class MediaExpired(MediaError):
    """The signed link has expired; getting the run again returns a new one."""


class MediaUnavailable(MediaError):
    """Any other failure, such as a slow download, a lost connection or a wrong type. A retry may help."""


class BackendError(BotError, code="comfy_failed"):
    """The backend refused a call or did not respond.

    `accepted` is False only if the call can't have started a run, so a retry can't cost twice. `passing`
    marks temporary errors, after which the same call may succeed.
    """

    accepted: ClassVar[bool] = True
    passing: ClassVar[bool] = False

    def __init_subclass__(cls, *, passing: bool = False, **code: str) -> None:
        super().__init_subclass__(**code)
        cls.passing = cls.passing or passing


class BackendRefused(BackendError, code="comfy_rejected"):
    """The call can't have started a run, but a `failed` webhook may already have arrived."""

    accepted = False


class BackendUnauthorized(BackendRefused, code="comfy_unauthorized"):
    """The API key is missing or not accepted."""


class BackendForbidden(BackendRefused, code="comfy_forbidden"):
    """The account has no credits left, or is suspended."""


class BackendNotFound(BackendRefused, code="comfy_not_found"):
    """The deployment or run is unknown or belongs to another account."""


class BackendRateLimited(BackendRefused, code="comfy_rate_limited", passing=True):
    """There were too many calls. `retry_after` is in seconds, or None if the reply doesn't state it."""

    def __init__(self, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class BackendUnreachable(BackendRefused, code="comfy_unreachable", passing=True):
    """No connection was made, so nothing was sent."""


class BackendRedirected(BackendRefused, code="comfy_redirected"):
    """The backend redirected the call. The bot follows no redirects, because a POST might be repeated or
    become a GET, and the API key might leak.
    """


class BackendNotCancellable(BackendRefused, code="not_cancellable"):
    """The run can't be cancelled, or is unknown. If it exists, it continues."""


class BackendServerError(BackendError, code="comfy_server_error", passing=True):
    """An internal error of the backend; a run may have started. `params['status']` is the HTTP status."""


class BackendCrashed(BackendServerError):
    """The backend ended a call without a reply of its own, as for a deployment that it can't describe."""


class BackendMachineFailed(BackendServerError, code="comfy_machine_failed"):
    """The machine behind the deployment failed, while the backend responds; a run may have started."""


class BackendTimeout(BackendError, code="comfy_timeout", passing=True):
    """No reply arrived in time, or the connection broke after the request was sent."""


class BackendBadReply(BackendError, code="comfy_bad_reply", passing=True):
    """A webhook or a reply of the backend can't be read. The text doesn't quote it: it may hold secrets."""
