"""All errors that the bot raises. Each names the sentence of `bot.strings` that the user reads.

BotError                      code, params
├── StartupError              the process can't start: a list of mistakes, exit code 2
│   └── StartLater            … because of a temporary failure: exit code 1
├── InputError                an option has a value that the deployment doesn't accept
├── RefusedError              a rule forbids the request
├── NotNow                    Discord did not answer; nothing was done, and a retry may succeed
├── AlreadyTaken              another process of the bot handles this interaction
├── StoreUnavailable          the database can't be reached or written
├── MediaError                an output can't be fetched
│   ├── MediaForbidden        its address is not allowed
│   ├── MediaTooLarge         it exceeds the limit
│   ├── MediaExpired          its signed link has expired (GET /run returns a new one)
│   └── MediaUnavailable      anything else: slow, broken, wrong type
└── ComfyError                ComfyDeploy refused or did not answer; `accepted`: a run may exist
    ├── ComfyUnauthorized     401
    ├── ComfyForbidden        403 (no credits, suspended)
    ├── ComfyNotFound         404
    ├── ComfyRejected         400 (the machine rejected the workflow)
    ├── ComfyInvalid          422, naming the fields
    ├── ComfyRateLimited      429
    ├── ComfyUnreachable      no connection: nothing was sent
    ├── ComfyRedirected       3xx: COMFYDEPLOY_API_URL is not the address of the API
    ├── ComfyNotCancellable   the machine can't cancel, or the run is unknown
    ├── ComfyServerError      5xx
    ├── ComfyTimeout          no answer in time, or the connection broke after sending
    └── ComfyBadReply         an unreadable answer

`code` selects the sentence in `bot.strings`, and `params` fill in its placeholders. Neither may contain a
secret: both are stored with the run and shown. Details for the log (status, body, address) are in
`str(error)`.
"""

from __future__ import annotations

from typing import ClassVar

Param = str | int | float | bool | None


class BotError(Exception):
    """Base class: `code` and `params` select the sentence for the user, `str(error)` is for the log."""

    code: ClassVar[str] = "internal"

    def __init__(self, detail: str = "", **params: Param) -> None:
        super().__init__(detail or self.code)
        self.params: dict[str, Param] = params


class StartupError(BotError):
    """The process can't start; `mistakes` lists all reasons as sentences."""

    code = "startup"

    def __init__(self, *mistakes: str) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


class StartLater(StartupError):
    """Something that startup needs is unavailable; the same start may succeed later."""


class CodedError(BotError):
    """Base class of errors whose raiser chooses the sentence."""

    def __init__(self, code: str, detail: str = "", **params: Param) -> None:
        super().__init__(detail or f"{code} {params}", **params)
        self.code = code  # type: ignore[misc]  # the instance's code overrides the class's


class InputError(CodedError):
    """An option has a value that the deployment doesn't accept; params include `option`, its Discord name."""


class RefusedError(CodedError):
    """A rule forbids the request. Raised before the queue call, so nothing was spent."""


class NotNow(BotError):
    """Discord did not answer. Nothing was done, and a retry may succeed."""

    code = "attachment_unavailable"


class AlreadyTaken(BotError):
    """Another process of the bot handles this interaction and answers it."""


class StoreUnavailable(BotError):
    """The database can't be reached or written; nothing was changed."""

    code = "store_unavailable"


class MediaError(BotError):
    """An output can't be fetched."""

    code = "media_unavailable"


class MediaForbidden(MediaError):
    """The address is private, not http(s), or otherwise not allowed."""


class MediaTooLarge(MediaError):
    """The file exceeds the limit; `params['limit']` in bytes."""

    code = "media_too_large"


class MediaExpired(MediaError):
    """The signed link has expired; GET /run returns a new one."""


class MediaUnavailable(MediaError):
    """The download was slow, broken, endless, empty or of the wrong type."""


class ComfyError(BotError):
    """ComfyDeploy refused a call or did not answer.

    `accepted` is False only if no run can have started, so that a retry can't cost twice. `passing` marks
    temporary errors: the same call may succeed later.
    """

    code = "comfy_failed"
    accepted: ClassVar[bool] = True
    passing: ClassVar[bool] = False


class ComfyUnauthorized(ComfyError):
    """401: a missing or invalid key, or a 401 passed on from the machine."""

    code = "comfy_unauthorized"
    accepted = False


class ComfyForbidden(ComfyError):
    """403: no credits, or a suspended account."""

    code = "comfy_forbidden"
    accepted = False


class ComfyNotFound(ComfyError):
    """404: unknown, or owned by another account."""

    code = "comfy_not_found"
    accepted = False


class ComfyRejected(ComfyError):
    """400: the machine rejected the workflow. A `failed` webhook may have arrived before."""

    code = "comfy_rejected"
    accepted = False


class ComfyInvalid(ComfyError):
    """422: `fields` are the input keys that the answer names."""

    code = "comfy_invalid"
    accepted = False

    def __init__(self, detail: str = "", *, fields: tuple[str, ...] = ()) -> None:
        super().__init__(detail, fields=", ".join(fields))
        self.fields = fields


class ComfyRateLimited(ComfyError):
    """429: `retry_after` in seconds, or None if the answer has none."""

    code = "comfy_rate_limited"
    accepted = False
    passing = True

    def __init__(self, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class ComfyUnreachable(ComfyError):
    """No connection was made, so nothing was sent."""

    code = "comfy_unreachable"
    accepted = False
    passing = True


class ComfyRedirected(ComfyError):
    """3xx, never followed: a redirected POST may be repeated or become a GET, and leak the key."""

    code = "comfy_redirected"
    accepted = False


class ComfyNotCancellable(ComfyError):
    """The cancel call answered 500: the machine can't cancel, or the run is unknown. The run continues."""

    code = "comfy_not_cancellable"
    accepted = False


class ComfyServerError(ComfyError):
    """5xx, which happens even after the run has started; `params['status']` is the status code."""

    code = "comfy_server_error"
    passing = True


class ComfyTimeout(ComfyError):
    """No answer in time, or the connection broke after the request was sent."""

    code = "comfy_timeout"
    passing = True


class ComfyBadReply(ComfyError):
    """A 2xx whose body can't be read."""

    code = "comfy_bad_reply"
    passing = True
