"""What can go wrong, as a tree. Each error says which sentence of `bot.strings` the person is told.

BotError                      code, params
├── StartupError              the process can't start: a list of mistakes, exit code 2
│   └── StartLater            … and may be able to later, as it is configured: exit code 1
├── InputError                one option holds something the deployment would not take
├── RefusedError              a rule forbids the request
├── NotNow                    Discord did not answer; nothing was done, and another try may succeed
├── AlreadyTaken              another process of the bot has taken this interaction
├── StoreUnavailable          the database can't be reached or written
├── MediaError                an output can't be fetched
│   ├── MediaForbidden        its address is not one we open
│   ├── MediaTooLarge         it passes the limit
│   ├── MediaExpired          its signed link has run out (renew it through GET /run)
│   └── MediaUnavailable      anything else: slow, broken, wrong type
└── ComfyError                ComfyDeploy said no, or nothing; `accepted` tells whether a run may exist
    ├── ComfyUnauthorized     401
    ├── ComfyForbidden        403 (no credits, suspended)
    ├── ComfyNotFound         404
    ├── ComfyRejected         400 (the machine did not take the workflow)
    ├── ComfyInvalid          422, naming the fields
    ├── ComfyRateLimited      429
    ├── ComfyUnreachable      no connection: nothing was sent
    ├── ComfyRedirected       3xx: COMFYDEPLOY_API_URL is not the API's own address
    ├── ComfyNotCancellable   the run's machine has no cancel, or ComfyDeploy does not know the run
    ├── ComfyServerError      5xx
    ├── ComfyTimeout          no answer in time, or the connection broke after sending
    └── ComfyBadReply         an answer that can't be read

`code` names the sentence in `bot.strings`; `params` fill its gaps. Neither may hold a secret: both are stored
with the run and shown. What the log needs (status, body, address) is in `str(error)`.
"""

from __future__ import annotations

from typing import ClassVar

Param = str | int | float | bool | None


class BotError(Exception):
    """Base of all: `code` and `params` choose the sentence the person reads, `str(error)` is for the log."""

    code: ClassVar[str] = "internal"

    def __init__(self, detail: str = "", **params: Param) -> None:
        super().__init__(detail or self.code)
        self.params: dict[str, Param] = params


class StartupError(BotError):
    """The process can't start. `mistakes` are whole sentences, all of them at once."""

    code = "startup"

    def __init__(self, *mistakes: str) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


class StartLater(StartupError):
    """Something that the start needs doesn't answer; the same start may succeed later."""


class CodedError(BotError):
    """A family whose sentence is chosen by the raiser, since its members differ only in words."""

    def __init__(self, code: str, detail: str = "", **params: Param) -> None:
        super().__init__(detail or f"{code} {params}", **params)
        self.code = code  # type: ignore[misc]  # an instance's own sentence over the class's


class InputError(CodedError):
    """One option holds something the deployment would not take; params carry `option` (its Discord name)."""


class RefusedError(CodedError):
    """A rule forbids the request; decided before a queue call, so nothing was spent."""


class NotNow(BotError):
    """Discord did not answer. Nothing was done, and another try may succeed."""

    code = "attachment_unavailable"


class AlreadyTaken(BotError):
    """Another process of the bot has taken this interaction, and answers it."""


class StoreUnavailable(BotError):
    """The database can't be reached or written: nothing was changed."""

    code = "store_unavailable"


class MediaError(BotError):
    """An output that can't be fetched."""

    code = "media_unavailable"


class MediaForbidden(MediaError):
    """Its address is private, not http(s), or otherwise not one we open."""


class MediaTooLarge(MediaError):
    """It passes the byte limit; `params['limit']` in bytes."""

    code = "media_too_large"


class MediaExpired(MediaError):
    """The signed link has run out; GET /run gives a fresh one."""


class MediaUnavailable(MediaError):
    """Slow, broken, endless, empty or of the wrong type."""


class ComfyError(BotError):
    """ComfyDeploy said no, or nothing.

    `accepted` is False only where a run can't have begun, so that asking again costs nothing twice.
    `passing`: the same call may be answered later, without anybody changing anything.
    """

    code = "comfy_failed"
    accepted: ClassVar[bool] = True
    passing: ClassVar[bool] = False


class ComfyUnauthorized(ComfyError):
    """401: no key, a bad one, or the machine's own 401 passed through."""

    code = "comfy_unauthorized"
    accepted = False


class ComfyForbidden(ComfyError):
    """403: no credits, or the account is suspended."""

    code = "comfy_forbidden"
    accepted = False


class ComfyNotFound(ComfyError):
    """404: unknown, or another account's."""

    code = "comfy_not_found"
    accepted = False


class ComfyRejected(ComfyError):
    """400: the machine did not take the workflow. A `failed` webhook may have come first."""

    code = "comfy_rejected"
    accepted = False


class ComfyInvalid(ComfyError):
    """422: `fields` are the input keys that it names, as far as it names any."""

    code = "comfy_invalid"
    accepted = False

    def __init__(self, detail: str = "", *, fields: tuple[str, ...] = ()) -> None:
        super().__init__(detail, fields=", ".join(fields))
        self.fields = fields


class ComfyRateLimited(ComfyError):
    """429: `retry_after` in seconds, None when it does not say."""

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
    """3xx, never followed: a redirected POST may arrive twice, or as a GET, and with the key elsewhere."""

    code = "comfy_redirected"
    accepted = False


class ComfyNotCancellable(ComfyError):
    """The cancel call's 500 for a machine without cancel and for an unknown run. The run goes on."""

    code = "comfy_not_cancellable"
    accepted = False


class ComfyServerError(ComfyError):
    """5xx: seen after the run had started, so it proves nothing; `params['status']` is the number."""

    code = "comfy_server_error"
    passing = True


class ComfyTimeout(ComfyError):
    """No answer in time, or the connection broke after the request went out."""

    code = "comfy_timeout"
    passing = True


class ComfyBadReply(ComfyError):
    """A 2xx whose body can't be read."""

    code = "comfy_bad_reply"
    passing = True
