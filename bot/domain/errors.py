"""The errors that the bot's packages share. Each names the sentence of `bot.strings` for the user.

`code` selects the sentence in `bot.strings`, and `params` fill in its placeholders. Neither may contain a
secret, because they are shown to users and may be stored with a run. Details for the log (status, body,
address) are in `str(error)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

Param = str | int | float | bool | None


class BotError(Exception):
    """Base class. `code` and `params` determine the sentence for the user; `str(error)` is for the log."""

    code: str = "internal"

    def __init__(self, detail: str = "", **params: Param) -> None:
        super().__init__(detail or self.code)
        self.params: dict[str, Param] = params


class StartupError(BotError):
    """The process can't start or has to stop. `mistakes` lists the reasons as sentences."""

    code = "startup"

    def __init__(self, *mistakes: str) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


class StartLater(StartupError):
    """Something that startup needs is unavailable; the same start may succeed later."""


class CodedError(BotError):
    """Base class of errors whose code is passed as an argument."""

    def __init__(self, code: str, detail: str = "", **params: Param) -> None:
        super().__init__(detail or f"{code} {params}", **params)
        self.code = code


class InputError(CodedError):
    """A value isn't accepted. If it belongs to a Discord option, `params["option"]` is the option's name."""


class InputErrors(InputError):
    """Several values aren't accepted; the code and params are those of the first of `errors`."""

    def __init__(self, errors: Sequence[InputError]) -> None:
        first = errors[0]
        super().__init__(first.code, "; ".join(map(str, errors)), **first.params)
        self.errors = tuple(errors)


class WrongFiles(InputErrors):
    """Files are of the wrong kind; `urls` are their links."""

    def __init__(self, errors: Sequence[InputError], urls: Iterable[str]) -> None:
        super().__init__(errors)
        self.urls = frozenset(urls)


class RefusedError(CodedError):
    """A rule forbids what the user asked for. Raised before any queue call, so nothing was spent."""


class PressedTwice(RefusedError):
    """The same user pressed the same button a moment ago, and that request was accepted."""

    def __init__(self) -> None:
        super().__init__("pressed_twice")


class AlreadyPosted(RefusedError):
    """The copy was posted before, as the message `message_id`, which may have been deleted in Discord."""

    def __init__(self, code: str, url: str, channel_id: int, message_id: int) -> None:
        super().__init__(code, url=url)
        self.channel_id = channel_id
        self.message_id = message_id


class RunGone(RefusedError):
    """The store has no run with this key, for example because it was deleted after its retention."""

    def __init__(self, key: str) -> None:
        super().__init__("run_gone", f"run_gone: {key}")


class RefusedForNow(RefusedError):
    """A rule forbids the request only for now. `again_at` is when the rule will allow it, None if unknown."""

    def __init__(
        self, code: str, detail: str = "", *, again_at: datetime | None = None, **params: Param
    ) -> None:
        super().__init__(code, detail, **params)
        self.again_at = again_at


class NotNow(BotError):
    """Discord did not answer a call, but may answer others. Nothing was done, and a retry may succeed."""

    code = "attachment_unavailable"


class DiscordAway(NotNow):
    """Discord did not answer, and may be down entirely."""

    code = "discord_away"


class AlreadyTaken(BotError):
    """Another process of the bot handles this interaction and answers it."""


class StoreUnavailable(BotError):
    """The database can't be reached or written. Nothing was changed, unless this is a `CommitUnknown`."""

    code = "store_unavailable"


class CommitUnknown(StoreUnavailable):
    """The database didn't confirm a commit, so the change may be stored."""

    code = "commit_unknown"


class RequestUnknown(CommitUnknown):
    """The database didn't confirm that it stored a request, and can't be queried either."""

    code = "request_unknown"


class MediaError(BotError):
    """An output can't be fetched."""

    code = "media_unavailable"


class MediaForbidden(MediaError):
    """The address is private, not http(s), or otherwise not allowed."""


class MediaTooLarge(MediaError):
    """The file is too large. `params['limit']`, if present, is the limit in bytes."""

    code = "media_too_large"


class MediaExpired(MediaError):
    """The signed link has expired; getting the run again returns a new one."""


class MediaGone(MediaError):
    """A run's files are gone, since even new links to them don't work."""


class MediaUnavailable(MediaError):
    """Any other failure, such as a slow download, a lost connection or a wrong type. A retry may help."""


class BackendError(BotError):
    """The backend refused a call or did not answer.

    `accepted` is False only if the call can't have started a run, so a retry can't cost twice. `passing`
    marks temporary errors, after which the same call may succeed.
    """

    code = "comfy_failed"
    accepted: ClassVar[bool] = True
    passing: ClassVar[bool] = False


class BackendUnauthorized(BackendError):
    """The API key is missing or not accepted."""

    code = "comfy_unauthorized"
    accepted = False


class BackendForbidden(BackendError):
    """The account has no credits left, or is suspended."""

    code = "comfy_forbidden"
    accepted = False


class BackendNotFound(BackendError):
    """The deployment or run is unknown or belongs to another account."""

    code = "comfy_not_found"
    accepted = False


class BackendMachineRefused(BackendError):
    """The machine behind the deployment refused the call; the API key and the deployment are fine."""

    code = "comfy_machine"
    accepted = False


class BackendRejected(BackendError):
    """The workflow or the call was refused. A `failed` webhook may already have arrived."""

    code = "comfy_rejected"
    accepted = False


class BackendInvalid(BackendError):
    """The inputs were refused; `fields` are the keys of the inputs that the backend names."""

    code = "comfy_invalid"
    accepted = False

    def __init__(self, detail: str = "", *, fields: tuple[str, ...] = ()) -> None:
        super().__init__(detail, fields=", ".join(fields))
        self.fields = fields


class BackendRateLimited(BackendError):
    """There were too many calls. `retry_after` is in seconds, or None if the answer doesn't state it."""

    code = "comfy_rate_limited"
    accepted = False
    passing = True

    def __init__(self, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class BackendUnreachable(BackendError):
    """No connection was made, so nothing was sent."""

    code = "comfy_unreachable"
    accepted = False
    passing = True


class BackendRedirected(BackendError):
    """The backend redirected the call. The bot follows no redirects, because a POST might be repeated or
    become a GET, and the API key might leak.
    """

    code = "comfy_redirected"
    accepted = False


class BackendNotCancellable(BackendError):
    """The run can't be cancelled, or is unknown. If it exists, it continues."""

    code = "comfy_not_cancellable"
    accepted = False


class BackendServerError(BackendError):
    """An internal error of the backend; a run may have started. `params['status']` is the HTTP status."""

    code = "comfy_server_error"
    passing = True


class BackendCrashed(BackendServerError):
    """The backend ended a call without an answer of its own, as for a deployment that it can't describe."""


class BackendMachineFailed(BackendServerError):
    """The machine behind the deployment failed, while the backend answers; a run may have started."""

    code = "comfy_machine_failed"


class BackendTimeout(BackendError):
    """No answer arrived in time, or the connection broke after the request was sent."""

    code = "comfy_timeout"
    passing = True


class BackendBadReply(BackendError):
    """A webhook or an answer of the backend can't be read. The text doesn't quote it: it may hold secrets."""

    code = "comfy_bad_reply"
    passing = True
