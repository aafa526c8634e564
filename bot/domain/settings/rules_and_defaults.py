"""The rules of a server, which moderators set with `/settings`. The database stores them as JSON.

Each setting is declared once, as a field. `bot.domain.settings.fields` makes the panel, its forms, the audit
log and the documentation from these declarations. Every field has a default, so that rules stored by an older
version stay readable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.domain.picture_check import Flagged, Level
from bot.domain.settings.setting_types import (
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
    SettingType,
    Several,
    WordList,
)

Ids = frozenset[int]
Limit = Annotated[int, Field(ge=1, le=1_000_000)]
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
_deployments, _limit, _role_limit = Several(Names.DEPLOYMENT), Number(), Number("everybody's")


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _setting(default: Any, label: str, kind: SettingType, about: str = "", **more: Any) -> Any:
    """Declare a setting: a field with its default, and what `/settings` shows of it.

    `more` are limits, and the other fields of a `Setting`.
    """
    shown = {name: more.pop(name) for name in ("section", "has_effect", "check") if name in more}
    declared: Any = {"setting": Setting(label, kind, about, **shown)}
    return Field(default, json_schema_extra=declared, **more)


class Approval(_Rules):
    """Rules for approval; an undecided request expires after `hours`."""

    review_channel_id: int | None = _setting(
        None, "Review channel", _channel, "For requests, reports and flagged results", check=_needs_channel
    )
    mode: ApprovalMode = _setting(
        ApprovalMode.OFF,
        "Who waits for approval",
        Choice(
            (ApprovalMode.OFF, "Nobody"),
            (ApprovalMode.EVERYBODY, "Everybody"),
            (ApprovalMode.WITHOUT_ROLES, "Everybody but certain roles", "Choose them after saving"),
            (ApprovalMode.SELECTED, "Certain deployments and GPUs", "Choose them after saving"),
        ),
        check=_needs_channel,
    )
    exempt_roles: Ids = _setting(frozenset(), "Who doesn't wait", _roles, has_effect=_without_roles)
    deployments: frozenset[str] = _setting(
        frozenset(), "Deployments that wait", _deployments, section=SELECTED, has_effect=_selected
    )
    gpus: frozenset[str] = _setting(
        frozenset(), "GPUs that wait", Several(Names.GPU), section=SELECTED, has_effect=_selected
    )
    hours: int = _setting(
        24,
        "Requests expire after",
        Number(unit="hour"),
        "Undecided requests end then.",
        has_effect=_is_on,
        ge=1,
        le=24 * 14,
    )


class Budget(_Rules):
    """Limits of a member or of the whole server; None is unlimited. Days start at midnight UTC."""

    at_once: Limit | None = _setting(3, "Runs at once", _limit, "More wait in the queue. Empty: no limit.")
    waiting: Limit | None = _setting(10, "Runs waiting", _limit, "More are refused. Empty: no limit.")
    runs_a_day: Limit | None = _setting(None, "Runs per day", _limit, "Days are in UTC. Empty: no limit.")
    gpu_seconds_a_day: Limit | None = _setting(
        None, "GPU seconds per day", _limit, "Counted with GPU weights. Empty: no limit."
    )


NO_LIMIT = Budget(at_once=None, waiting=None)


class Budgets(_Rules):
    """All limits of a server. `gpu_weights` holds the weight of a second on each GPU, by default 1.

    A role's limit replaces a member's. `unlimited_roles` lift all of a member's limits.
    """

    person: Annotated[Budget, MEMBER] = Budget()
    server: Annotated[Budget, SERVER] = NO_LIMIT
    role_at_once: dict[Role, Limit] = _setting(
        {}, "Runs at once", _role_limit, "Empty: everybody's limit", section=ROLES
    )
    role_runs_a_day: dict[Role, Limit] = _setting(
        {}, "Runs per day", _role_limit, "Empty: everybody's limit", section=ROLES
    )
    role_gpu_seconds_a_day: dict[Role, Limit] = _setting(
        {}, "GPU seconds per day", _role_limit, "Empty: everybody's limit", section=ROLES
    )
    unlimited_roles: dict[Role, Literal[True]] = _setting(
        {}, "Limits", Choice((None, "As above"), (True, "None at all")), section=ROLES
    )
    gpu_weights: dict[Gpu, Annotated[float, Field(gt=0, le=100)]] = _setting(
        {},
        "A second counts as",
        Number("1", decimal=True),
        "The weight for GPU seconds per day. Empty: 1.",
        section=GPUS,
    )

    def limits_of(self, role_ids: frozenset[int]) -> Budget:
        """Return the limits of a member with these roles. A role's limit replaces the default.

        If several roles set a limit, the highest applies. A role without limits lifts them all.
        """
        if not role_ids.isdisjoint(self.unlimited_roles):
            return NO_LIMIT
        by_role = {
            "at_once": self.role_at_once,
            "runs_a_day": self.role_runs_a_day,
            "gpu_seconds_a_day": self.role_gpu_seconds_a_day,
        }
        found = {name: role_ids & limits.keys() for name, limits in by_role.items()}
        most = {name: max(by_role[name][role] for role in roles) for name, roles in found.items() if roles}
        return self.person.model_copy(update=most) if most else self.person

    def weight_of(self, gpu: str | None) -> float:
        """Return the weight of a second on a GPU, which is 1 unless the server gives it another."""
        return self.gpu_weights.get(gpu or "", 1.0)


class Words(_Rules):
    """Rules about forbidden words.

    `automod` applies the server's AutoMod keyword rules; None applies them if the bot has the permission to
    read them. `blocked` is the server's own list.
    """

    automod: bool | None = _setting(
        None,
        "This server's AutoMod rules",
        Choice(
            (None, "Applied if I may read them"),
            (True, "Always applied", "What I can't check is refused"),
            (False, "Not applied"),
        ),
    )
    blocked: tuple[Annotated[str, Field(min_length=1, max_length=WORD_LENGTH)], ...] = _setting(
        (), "The bot's own list", WordList(), max_length=WORD_COUNT
    )


class People(_Rules):
    """Minimum ages in days of accounts and memberships; 0 means no minimum."""

    account_days: Days = _setting(
        0,
        "Minimum account age",
        Number("any age", unit="day", empty=0),
        "Younger accounts can't generate.",
    )
    member_days: Days = _setting(
        0,
        "Minimum membership",
        Number("any time", unit="day", empty=0),
        "Newer members can't generate.",
    )


class PictureRules(_Rules):
    """What happens to outputs that the operator's checker or the word rules flag, and whose are exempt."""

    flagged: Flagged = _setting(
        Flagged.OFF,
        "Flagged results",
        Choice(
            (Flagged.OFF, "Not checked"),
            (Flagged.SPOILER, "Posted as a spoiler"),
            (Flagged.HOLD, "Held for the moderators", "Needs a review channel"),
            (Flagged.HIDE, "Not shown"),
        ),
    )
    level: Level = _setting(
        Level.NORMAL,
        "What is flagged",
        Choice(
            (Level.STRICT, "Strict (also suggestive ones)"),
            (Level.NORMAL, "Normal (explicit and nudity)"),
            (Level.EXPLICIT, "Only explicit"),
        ),
        "Texts with a forbidden word are flagged, too",
    )
    exempt_age_restricted: bool = _setting(
        True, "In age-restricted channels", Choice((True, "Not checked"), (False, "Checked, too"))
    )
    exempt_roles: Ids = _setting(frozenset(), "Whose results aren't checked", _roles)
    exempt_deployments: frozenset[str] = _setting(
        frozenset(), "Deployments that aren't checked", _deployments
    )
    attached: bool = _setting(
        False,
        "Attached pictures",
        Choice((False, "Not checked"), (True, "Checked", "A request with a flagged one is refused")),
        section=RESULTS,
        has_effect=lambda rules: rules.pictures.flagged is not Flagged.OFF,
    )


class ServerRules(_Rules):
    """All rules of a server. Moderators have Manage Server or the role `reviewer_role_id`.

    `gpu_roles` and `deployment_roles` are the roles that may use one; without an entry, everybody may.
    Members share their results in the channel `gallery_channel_id`.
    """

    approval: Annotated[Approval, APPROVAL] = Approval()
    reviewer_role_id: int | None = _setting(
        None, "Reviewer role", _role, "Decides, as people with Manage Server do", section=APPROVAL
    )
    words: Annotated[Words, WORDS] = Words()
    gpu_roles: dict[Gpu, Ids] = _setting({}, "Who may use it", Permitted(), section=GPUS)
    deployment_roles: dict[Deployment, Ids] = _setting({}, "Who may use it", Permitted(), section=DEPLOYMENTS)
    budgets: Budgets = Budgets()
    people: Annotated[People, PEOPLE] = People()
    spoiler: Spoiler = _setting(
        Spoiler.NEVER,
        "Spoilers",
        Choice(
            (Spoiler.NEVER, "Never"),
            (Spoiler.NOT_AGE_RESTRICTED, "In all-ages channels", "In channels that aren't age-restricted"),
            (Spoiler.ALWAYS, "Always"),
        ),
        "Which results are hidden until somebody clicks them",
        section=RESULTS,
    )
    gallery_channel_id: int | None = _setting(
        None, "Gallery channel", _channel, "Where members share their results", section=RESULTS
    )
    private_results: bool = _setting(
        False,
        "Private results",
        Choice((False, "Not allowed"), (True, "Allowed", "Moderators can open them from /audit")),
        "Only their requester sees them",
        section=RESULTS,
    )
    ping_requesters: bool = _setting(
        True,
        "Finished requests",
        Choice((True, "Ping the requester"), (False, "Ping nobody")),
        "Without a ping, the message still shows the name",
        section=RESULTS,
    )
    pictures: Annotated[PictureRules, PICTURES] = PictureRules()
    ping_reviewers: bool = _setting(
        False,
        "New cards",
        Choice((False, "Ping nobody"), (True, "Ping the reviewer role", "If I may mention it")),
        "For requests that wait, and reports",
        section=RECORD,
        check=_needs_reviewers,
    )
    retention_days: int = _setting(
        365, "Audit log entries are kept for", Number(unit="day"), section=RECORD, ge=1, le=3650
    )

    def is_spoiler(self, *, age_restricted: bool) -> bool:
        """Return whether a result is a spoiler in a channel that is `age_restricted` or not."""
        if self.spoiler is Spoiler.NOT_AGE_RESTRICTED:
            return not age_restricted
        return self.spoiler is Spoiler.ALWAYS


# Each request of a server without rules needs them several times.
_DEFAULTS = ServerRules()


def parse_stored_rules(stored: object) -> tuple[ServerRules, tuple[str, ...]]:
    """Return stored rules, or the defaults, with the names of the invalid ones, which have their defaults.

    The name "." means that `stored` isn't a mapping.
    """
    if not isinstance(stored, Mapping):
        return _DEFAULTS, (".",) if stored is not None else ()
    try:
        return ServerRules.model_validate(stored), ()
    except ValidationError as error:
        invalid = tuple(dict.fromkeys(str(each["loc"][0]) for each in error.errors(include_url=False)))
        readable = {name: value for name, value in stored.items() if name not in invalid}
        return ServerRules.model_validate(readable), invalid
