"""The rules of a server, which moderators set with `/settings`. The database stores them as JSON.

Each setting is declared once, as a field with a `Setting`. The panel, its forms, the audit log and the
documentation are made from these declarations by `bot.domain.settings.fields`. Every field has a default, so
that rules stored by an older version stay readable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.domain.picture_check import Flagged, Level
from bot.domain.settings.kinds import (
    WORD_COUNT,
    WORD_LENGTH,
    Choice,
    Names,
    Number,
    Permitted,
    Reference,
    Section,
    Setting,
    SettingsContext,
    Several,
    WordList,
)

Ids = frozenset[int]
Limit = Annotated[int, Field(ge=1, le=1_000_000)] | None
Days = Annotated[int, Field(ge=0, le=3650)]
# Maps a deployment or GPU to the roles that may use it. Everybody may use it if there is no entry.
RolesFor = dict[str, Ids]
Role = Annotated[int, Names.ROLE]
Gpu = Annotated[str, Names.GPU]
Deployment = Annotated[str, Names.DEPLOYMENT]

APPROVAL = Section("approval", "Approval")
SELECTED = Section("selected", "What needs approval", "Nothing")
WORDS = Section("words", "Words")
MEMBER = Section("member", "Limits per member", "No limit", has_twin=True)
SERVER = Section("server", "Limits of the server", "No limit", has_twin=True)
ROLES = Section("roles", "Limits per role", "No role has limits of its own")
GPUS = Section("gpus", "GPUs", "Everybody may use all of them")
DEPLOYMENTS = Section("deployments", "Deployments", "Everybody may use all of them")
PEOPLE = Section("people", "New members", "They may start at once")
RESULTS = Section("results", "Results")
PICTURES = Section("pictures", "Picture check")
RECORD = Section("record", "Cards and audit log")


class ApprovalMode(StrEnum):
    """Determines which requests need a moderator's approval."""

    OFF = "off"
    EVERYBODY = "everybody"
    WITHOUT_ROLES = "without_roles"  # members without any of `exempt_roles`
    SELECTED = "selected"  # requests for one of `deployments` or `gpus`


class Spoiler(StrEnum):
    """Determines which results are posted as spoilers."""

    NEVER = "never"
    NOT_AGE_RESTRICTED = "not_age_restricted"  # in channels that are not marked age-restricted
    ALWAYS = "always"


def _is_on(rules: ServerRules) -> bool:
    return rules.approval.mode is not ApprovalMode.OFF


def _in_mode(mode: ApprovalMode) -> Callable[[ServerRules], bool]:
    return lambda rules: rules.approval.mode is mode


def _needs_channel(rules: ServerRules, context: SettingsContext) -> str | None:
    is_missing = rules.approval.review_channel_id not in context.channel_ids
    return "settings_needs_channel" if _is_on(rules) and is_missing else None


def _needs_reviewers(rules: ServerRules, _context: SettingsContext) -> str | None:
    return "settings_needs_reviewers" if rules.ping_reviewers and rules.reviewer_role_id is None else None


_selected, _without_roles = _in_mode(ApprovalMode.SELECTED), _in_mode(ApprovalMode.WITHOUT_ROLES)
_channel, _role, _roles = Reference(Names.CHANNEL), Reference(Names.ROLE), Several(Names.ROLE)
_limit, _role_limit = Number(), Number("everybody's")
_permitted = Setting("Who may use it", Permitted())


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Approval(_Rules):
    """Rules for approval; an undecided request expires after `hours`."""

    review_channel_id: Annotated[
        int | None, Setting("Review channel", _channel, "For requests and reports", check=_needs_channel)
    ] = None
    mode: Annotated[
        ApprovalMode,
        Setting(
            "Who waits for approval",
            Choice(
                (ApprovalMode.OFF, "Nobody"),
                (ApprovalMode.EVERYBODY, "Everybody"),
                (ApprovalMode.WITHOUT_ROLES, "Everybody but certain roles", "Choose them after saving"),
                (ApprovalMode.SELECTED, "Certain deployments and GPUs", "Choose them after saving"),
            ),
            check=_needs_channel,
        ),
    ] = ApprovalMode.OFF
    exempt_roles: Annotated[Ids, Setting("Who doesn't wait", _roles, "", _without_roles)] = frozenset()
    deployments: Annotated[
        frozenset[str], SELECTED, Setting("Deployments that wait", Several(Names.DEPLOYMENT), "", _selected)
    ] = frozenset()
    gpus: Annotated[
        frozenset[str], SELECTED, Setting("GPUs that wait", Several(Names.GPU), "", _selected)
    ] = frozenset()
    hours: Annotated[
        int,
        Field(ge=1, le=24 * 14),
        Setting("Requests expire after", Number(unit="hour"), "Undecided requests end then.", _is_on),
    ] = 24


class Budget(_Rules):
    """Limits of a member or of the whole server; None is unlimited. Days start at midnight UTC."""

    at_once: Annotated[Limit, Setting("Runs at once", _limit, "More wait in the queue. Empty: no limit.")] = 3
    waiting: Annotated[Limit, Setting("Runs waiting", _limit, "More are refused. Empty: no limit.")] = 10
    runs_a_day: Annotated[Limit, Setting("Runs per day", _limit, "Days are in UTC. Empty: no limit.")] = None
    gpu_seconds_a_day: Annotated[
        Limit, Setting("GPU seconds per day", _limit, "Counted with GPU weights. Empty: no limit.")
    ] = None


class RoleBudget(_Rules):
    """Limits of members with a role. None keeps the default limit; `unlimited` removes a member's limits."""

    at_once: Annotated[Limit, Setting("Runs at once", _role_limit, "Empty: everybody's limit")] = None
    runs_a_day: Annotated[Limit, Setting("Runs per day", _role_limit, "Empty: everybody's limit")] = None
    gpu_seconds_a_day: Annotated[Limit, Setting("GPU seconds per day", _role_limit, "Empty: everybody's")] = (
        None
    )
    unlimited: Annotated[bool, Setting("Limits", Choice((False, "As above"), (True, "None at all")))] = False


class Budgets(_Rules):
    """All limits of a server. `gpu_weights` holds the weight of a second on each GPU, by default 1."""

    person: Annotated[Budget, MEMBER] = Budget()
    server: Annotated[Budget, SERVER] = Budget(at_once=None, waiting=None)
    roles: Annotated[dict[Role, RoleBudget], ROLES] = Field(default_factory=dict)
    gpu_weights: Annotated[
        dict[Gpu, Annotated[float, Field(gt=0, le=100)]],
        GPUS,
        Setting(
            "A second counts as", Number("1", decimal=True), "The weight for GPU seconds per day. Empty: 1."
        ),
    ] = Field(default_factory=dict)


class Words(_Rules):
    """Rules about forbidden words.

    `automod` applies the server's AutoMod keyword rules; None applies them if the bot has the permission to
    read them. `blocked` is the server's own list.
    """

    automod: Annotated[
        bool | None,
        Setting(
            "This server's AutoMod rules",
            Choice(
                (None, "Applied if I may read them"),
                (True, "Always applied", "What I can't check is refused"),
                (False, "Not applied"),
            ),
        ),
    ] = None
    blocked: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=WORD_LENGTH)], ...],
        Field(max_length=WORD_COUNT),
        Setting("The bot's own list", WordList()),
    ] = ()


class People(_Rules):
    """Minimum ages in days of accounts and memberships; 0 means no minimum."""

    account_days: Annotated[Days, Setting("Age of the account", Number("any age", unit="day", empty=0))] = 0
    member_days: Annotated[Days, Setting("Time on this server", Number("any time", unit="day", empty=0))] = 0


class PictureRules(_Rules):
    """What happens to outputs that the operator's checker or the word rules flag, and whose are exempt."""

    flagged: Annotated[
        Flagged,
        Setting(
            "Flagged results",
            Choice(
                (Flagged.OFF, "Not checked"),
                (Flagged.SPOILER, "Posted as a spoiler"),
                (Flagged.HOLD, "Held for the moderators", "Needs a review channel"),
                (Flagged.HIDE, "Not shown"),
            ),
        ),
    ] = Flagged.OFF
    level: Annotated[
        Level,
        Setting(
            "What is flagged",
            Choice(
                (Level.STRICT, "Strict: also suggestive ones"),
                (Level.NORMAL, "Normal: explicit and nudity"),
                (Level.EXPLICIT, "Only explicit"),
            ),
            "Texts with a forbidden word are flagged, too",
        ),
    ] = Level.NORMAL
    exempt_age_restricted: Annotated[
        bool, Setting("In age-restricted channels", Choice((True, "Not checked"), (False, "Checked, too")))
    ] = True
    exempt_roles: Annotated[Ids, Setting("Whose results aren't checked", _roles)] = frozenset()
    exempt_deployments: Annotated[
        frozenset[str], Setting("Deployments that aren't checked", Several(Names.DEPLOYMENT))
    ] = frozenset()
    attached: Annotated[
        bool,
        RESULTS,
        Setting(
            "Attached pictures",
            Choice((False, "Not checked"), (True, "Checked", "A request with a flagged one is refused")),
            has_effect=lambda rules: rules.pictures.flagged is not Flagged.OFF,
        ),
    ] = False


class ServerRules(_Rules):
    """All rules of a server. Moderators have Manage Server or the role `reviewer_role_id`.

    Members share their results in the channel `gallery_channel_id`.
    """

    approval: Annotated[Approval, APPROVAL] = Approval()
    reviewer_role_id: Annotated[
        int | None, APPROVAL, Setting("Reviewer role", _role, "Decides, as people with Manage Server do")
    ] = None
    words: Annotated[Words, WORDS] = Words()
    gpu_roles: Annotated[dict[Gpu, Ids], GPUS, _permitted] = Field(default_factory=dict)
    deployment_roles: Annotated[dict[Deployment, Ids], DEPLOYMENTS, _permitted] = Field(default_factory=dict)
    budgets: Budgets = Budgets()
    people: Annotated[People, PEOPLE] = People()
    spoiler: Annotated[
        Spoiler,
        RESULTS,
        Setting(
            "Spoilers",
            Choice(
                (Spoiler.NEVER, "Never"),
                (
                    Spoiler.NOT_AGE_RESTRICTED,
                    "In all-ages channels",
                    "In channels that aren't age-restricted",
                ),
                (Spoiler.ALWAYS, "Always"),
            ),
            "Which results are hidden until somebody clicks them",
        ),
    ] = Spoiler.NEVER
    gallery_channel_id: Annotated[
        int | None, RESULTS, Setting("Gallery channel", _channel, "Where members share their results")
    ] = None
    private_results: Annotated[
        bool,
        RESULTS,
        Setting(
            "Private results",
            Choice((False, "Not allowed"), (True, "Allowed", "Moderators can open them from /audit")),
            "Only their requester sees them",
        ),
    ] = False
    ping_requesters: Annotated[
        bool,
        RESULTS,
        Setting(
            "Finished requests",
            Choice((True, "Ping the requester"), (False, "Ping nobody")),
            "Without a ping, the message still shows the name",
        ),
    ] = True
    pictures: Annotated[PictureRules, PICTURES] = PictureRules()
    ping_reviewers: Annotated[
        bool,
        RECORD,
        Setting(
            "New cards",
            Choice((False, "Ping nobody"), (True, "Ping the reviewer role", "If I may mention it")),
            "For requests that wait, and reports",
            check=_needs_reviewers,
        ),
    ] = False
    retention_days: Annotated[
        int, Field(ge=1, le=3650), RECORD, Setting("Audit log entries are kept for", Number(unit="day"))
    ] = 365


def parse_stored_rules(stored: object) -> tuple[ServerRules, tuple[str, ...]]:
    """Return stored rules, or the defaults, with the names of the invalid ones, which have their defaults.

    The name "." means that `stored` isn't a mapping.
    """
    if not isinstance(stored, Mapping):
        return ServerRules(), (".",) if stored is not None else ()
    try:
        return ServerRules.model_validate(stored), ()
    except ValidationError as error:
        invalid = tuple(dict.fromkeys(str(each["loc"][0]) for each in error.errors(include_url=False)))
        readable = {name: value for name, value in stored.items() if name not in invalid}
        return ServerRules.model_validate(readable), invalid
