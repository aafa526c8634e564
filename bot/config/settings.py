"""The settings from the environment and .env. All mistakes are reported together, each with a remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables
from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr, ValidationError
from sqlalchemy.engine import make_url

from bot.comfydeploy.input_classes import input_class
from bot.config.consistency import (
    DEFAULT_DEPLOYMENTS_FILE,
    deployment_mistakes,
    port_mistakes,
    sharding_mistakes,
    sqlite_mistakes,
)
from bot.config.fields import (
    BaseUrl,
    Count,
    DatabaseUrl,
    Flag,
    Host,
    Ids,
    MetricsToken,
    OptionalIds,
    PoolSize,
    Port,
    PrivateNetworks,
    PublicUrl,
    RefreshSeconds,
    Roles,
    Seconds,
    Secret,
    ShardCount,
    ShardIds,
    Uuid,
    WebhookSecret,
    one_of,
)
from bot.config.roles import ALL_ROLES, CALLING_ROLES, Role, Shards, role_names, shards_of
from bot.deployments.config_file import load_deployments_file, single_deployment
from bot.deployments.schema import DeploymentConfig
from bot.domain.errors import StartupError
from bot.domain.run_timing import QUEUE_CALL_SECONDS

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogFormat = Literal["text", "json"]
_ENV_FILE = Path(".env")
REQUIRED_SECRETS = {
    "DISCORD_TOKEN": "Create a bot at https://discord.com/developers/applications and copy its token.",
    "COMFYDEPLOY_API_KEY": "Create an API key in ComfyDeploy's dashboard and copy it.",
}


class Settings(BaseModel):
    """The operator's settings. Each field is the variable of the same name in capitals; empty means unset."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, validate_default=True)

    # Empty only if no role needs them, which `load_settings` checks.
    discord_token: Secret = SecretStr("")
    comfydeploy_api_key: Secret = SecretStr("")
    comfydeploy_api_url: BaseUrl = "https://api.comfydeploy.com/api"
    comfydeploy_deployment_id: Uuid | None = None
    deployments_file: Path | None = None
    public_url: PublicUrl | None = None
    webhook_secret: WebhookSecret | None = None
    web_host: Host = "0.0.0.0"  # noqa: S104  # ComfyDeploy calls from outside: the documented default
    web_port: Port = 8080
    metrics_token: MetricsToken | None = None
    metrics_port: Port | None = None
    database_url: DatabaseUrl = SecretStr("sqlite:///data/bot.db")
    database_pool_size: PoolSize = 20
    roles: Roles = ALL_ROLES
    shard_count: ShardCount | None = None
    shard_ids: ShardIds = ()
    deployments_refresh_seconds: RefreshSeconds = 600
    command_guild_ids: Ids = ()
    poll_interval_seconds: Seconds = 15
    run_deadline_seconds: Seconds = 3600
    submit_grace_seconds: Seconds = 180
    run_logs: Flag = True
    max_concurrent_runs: Count | None = None
    allow_private_media_networks: PrivateNetworks = ()
    allowed_guild_ids: OptionalIds = None
    allow_direct_messages: Flag = False
    allow_user_installs: Flag = False
    daily_gpu_seconds: Count | None = None
    max_waiting_per_server: Count = 1000
    log_level: Annotated[LogLevel, one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")] = "INFO"
    log_format: Annotated[LogFormat, one_of("text", "json")] = "text"

    _hints: tuple[str, ...] = PrivateAttr(default=())

    @property
    def shards(self) -> Shards | None:
        """Return the shards that this process connects, or None without sharding."""
        return shards_of(self.shard_count, self.shard_ids)

    def secret_values(self) -> tuple[str, ...]:
        """Return the values of all SecretStr fields for log redaction; of DATABASE_URL, only the password."""
        found = {name: value for name, value in self if isinstance(value, SecretStr)}
        url = found.pop("database_url").get_secret_value()
        values = [*(secret.get_secret_value() for secret in found.values()), make_url(url).password]
        return tuple(value for value in values if value)

    def warnings(self) -> tuple[str, ...]:
        """Return sentences about settings that are allowed but probably a mistake."""
        checks = (
            self._about_public_url(),
            self._about_api_url(),
            self._about_deployments(),
            self._about_user_installs(),
            self._about_command_guilds(),
            self._about_grace(),
        )
        return (*(sentence for sentence in checks if sentence), *self._hints)

    def _about_public_url(self) -> str | None:
        if self.public_url is None:
            return (
                "PUBLIC_URL is not set: the bot asks ComfyDeploy for results instead, first after "
                f"{self.poll_interval_seconds} seconds, then less and less often."
            )
        if _is_loopback(self.public_url):
            if _is_loopback(self.comfydeploy_api_url):
                return None
            return "PUBLIC_URL is an address of this machine only: ComfyDeploy can't reach it."
        if self.public_url.startswith("http:"):
            return "PUBLIC_URL is http: webhooks are unencrypted, and a redirect to https would lose them."
        return None

    def _about_api_url(self) -> str | None:
        if self.comfydeploy_api_url.startswith("http:") and not _is_loopback(self.comfydeploy_api_url):
            return "COMFYDEPLOY_API_URL is http: the API key is sent unencrypted. Use https."
        return None

    def _about_grace(self) -> str | None:
        if self.submit_grace_seconds >= QUEUE_CALL_SECONDS:
            return None
        return (
            "SUBMIT_GRACE_SECONDS is shorter than a queue call, so a run may end as not confirmed before "
            f"ComfyDeploy answers. Set {QUEUE_CALL_SECONDS} or more."
        )

    def _about_user_installs(self) -> str | None:
        if self.allow_user_installs and self.daily_gpu_seconds is None:
            return (
                "ALLOW_USER_INSTALLS lets anybody who adds the bot to their account spend GPU time, "
                "and no server's budgets apply there. Set DAILY_GPU_SECONDS."
            )
        return None

    def _about_command_guilds(self) -> str | None:
        if self.command_guild_ids and (self.allow_user_installs or self.allow_direct_messages):
            return (
                "COMMAND_GUILD_IDS keeps the commands to those servers, so ALLOW_DIRECT_MESSAGES and "
                "ALLOW_USER_INSTALLS have no effect. Leave COMMAND_GUILD_IDS empty for them."
            )
        return None

    def _about_deployments(self) -> str | None:
        if self.comfydeploy_deployment_id and DEFAULT_DEPLOYMENTS_FILE.is_file():
            return "COMFYDEPLOY_DEPLOYMENT_ID is set, so deployments.toml is not read. Remove one of the two."
        return None


NAMES = tuple(name.upper() for name in Settings.model_fields)


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Read `.env` and the environment, which takes precedence. Raises StartupError with all mistakes."""
    sources = _read_sources(environment)
    hints = _misspelled_settings(sources)
    raw = sources.all
    mistakes = [*sources.mistakes]
    if _calls(raw):
        mistakes += (*_missing(raw), *deployment_mistakes(raw))
    mistakes += port_mistakes(raw, Settings.model_fields["web_port"].default)
    mistakes += sharding_mistakes(raw)
    mistakes += sqlite_mistakes(raw, Settings.model_fields["database_url"].default.get_secret_value())
    try:
        settings = Settings(**{name.lower(): value for name, value in raw.items() if name in NAMES})
    except ValidationError as error:
        mistakes = [
            *(_sentence(item["loc"], item["msg"]) for item in error.errors()),
            *mistakes,
        ]
    if mistakes:
        # No cause: pydantic's error holds the raw input, secrets included.
        raise StartupError(*mistakes, *hints) from None
    if settings.comfydeploy_deployment_id is None and settings.deployments_file is None:
        settings = settings.model_copy(update={"deployments_file": DEFAULT_DEPLOYMENTS_FILE})
    settings._hints = hints
    return settings


def _calls(raw: dict[str, str]) -> bool:
    """Return whether any role in ROLES calls Discord or ComfyDeploy. Empty or invalid ROLES count as all."""
    names = role_names(raw.get("ROLES", ""))
    return not names or not names <= set(Role) - CALLING_ROLES


def _missing(raw: dict[str, str]) -> list[str]:
    missing = [
        f"{name} is missing. {remedy}" for name, remedy in REQUIRED_SECRETS.items() if not raw.get(name)
    ]
    if missing and not _ENV_FILE.exists():
        missing.append(
            f"There is no {_ENV_FILE} in the current folder. Copy .env.example to it, "
            "or start the bot where it is."
        )
    return missing


def _misspelled_settings(sources: Sources) -> tuple[str, ...]:
    """Return a hint for each misspelled setting.

    Every variable in the file is checked. The environment holds many unrelated variables, so only those that
    begin with DISCORD_ or COMFYDEPLOY_ are checked there.
    """
    ours = [name for name in sources.environment if name.startswith(("DISCORD_", "COMFYDEPLOY_"))]
    hints = []
    for name in dict.fromkeys([*sources.file, *ours]):
        matches = [] if name in NAMES else difflib.get_close_matches(name, NAMES, n=1, cutoff=0.85)
        hints += [f"{name} is not a setting of this bot. Did you mean {match}?" for match in matches]
    return tuple(hints)


def _sentence(loc: tuple[int | str, ...], message: str) -> str:
    name = str(loc[0]).upper()
    return f"{name} {message.removeprefix('Value error, ')}."


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@dataclass(frozen=True, slots=True)
class Sources:
    """The variables that aren't empty, by upper-case name.

    `mistakes` are sentences about invalid lines of the file.
    """

    file: dict[str, str]
    environment: dict[str, str]
    mistakes: tuple[str, ...] = ()

    @property
    def all(self) -> dict[str, str]:
        """Return all variables; the environment takes precedence over the file."""
        return {**self.file, **self.environment}


def _read_sources(environment: Mapping[str, str]) -> Sources:
    """Read the environment and, if it exists, `.env`. Raises StartupError if the file can't be read."""
    given = {name.upper(): value for name, value in environment.items() if value}
    if not _ENV_FILE.exists():
        return Sources({}, given)
    try:
        with _ENV_FILE.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except IsADirectoryError:
        raise StartupError(f"{_ENV_FILE} is a folder. Put the file with the settings in its place.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(
            f"{_ENV_FILE} can't be read: {type(error).__name__}. Save it as UTF-8 text."
        ) from None
    invalid = [binding.original.line for binding in bindings if binding.error]
    return Sources(
        _variables(bindings, environment),
        given,
        tuple(f"{_ENV_FILE}, line {line}, is not NAME=value." for line in invalid),
    )


def _variables(bindings: Iterable[Binding], environment: Mapping[str, str]) -> dict[str, str]:
    """Return a file's variables. `${NAME}` stands for an earlier line or a variable of the environment."""
    values: dict[str, str | None] = {}
    for binding in bindings:
        if binding.key is not None and binding.value is not None:
            known = {**environment, **values}
            values[binding.key] = "".join(atom.resolve(known) for atom in parse_variables(binding.value))
    return {name.upper(): value for name, value in values.items() if value}


def load_deployment_configs(settings: Settings) -> tuple[DeploymentConfig, ...]:
    """Return the configured deployments. Raises StartupError if there are none or the file has mistakes."""
    if settings.deployments_file is not None:
        return load_deployments_file(settings.deployments_file, input_class)
    if settings.comfydeploy_deployment_id is None:
        raise StartupError("Set COMFYDEPLOY_DEPLOYMENT_ID, or describe deployments in deployments.toml.")
    return (single_deployment(str(settings.comfydeploy_deployment_id)),)
