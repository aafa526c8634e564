"""The settings from the environment and .env. All mistakes are reported together, each with a remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables
from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr, ValidationError, model_validator
from sqlalchemy.engine import make_url

from bot.comfydeploy.input_classes import input_class
from bot.config.fields import (
    BaseUrl,
    Count,
    DatabaseUrl,
    Host,
    Ids,
    LongSecret,
    Lower,
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
    Upper,
)
from bot.config.roles import ALL_ROLES, CALLING_ROLES, Shards
from bot.deployments.config_file import load_deployments_file, single_deployment
from bot.deployments.schema import DeploymentConfig
from bot.deployments.schema.field_types import Uuid
from bot.domain.errors import StartupError
from bot.domain.mistakes import mistakes
from bot.domain.run_timing import QUEUE_CALL_SECONDS

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogFormat = Literal["text", "json"]
DEFAULT_DEPLOYMENTS_FILE = Path("deployments.toml")
_ENV_FILE = Path(".env")
REQUIRED_SECRETS = {
    "DISCORD_TOKEN": "Create a bot at https://discord.com/developers/applications and copy its token.",
    "COMFYDEPLOY_API_KEY": "Create an API key in ComfyDeploy's dashboard and copy it.",
}


class Settings(BaseModel):
    """The operator's settings. Each field is the variable of the same name in capitals; empty means unset."""

    model_config = ConfigDict(
        frozen=True, hide_input_in_errors=True, alias_generator=str.upper, populate_by_name=True
    )

    # Empty only if no role needs them.
    discord_token: Secret = SecretStr("")
    comfydeploy_api_key: Secret = SecretStr("")
    comfydeploy_api_url: BaseUrl = "https://api.comfydeploy.com/api"
    comfydeploy_deployment_id: Uuid | None = None
    deployments_file: Path | None = None
    public_url: PublicUrl | None = None
    webhook_secret: LongSecret | None = None
    web_host: Host = "0.0.0.0"  # noqa: S104  # ComfyDeploy calls from outside: the documented default
    web_port: Port = 8080
    metrics_token: LongSecret | None = None
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
    run_logs: bool = True
    max_concurrent_runs: Count | None = None
    allow_private_media_networks: PrivateNetworks = ()
    allowed_guild_ids: Ids | None = None
    allow_direct_messages: bool = False
    allow_user_installs: bool = False
    daily_gpu_seconds: Count | None = None
    max_waiting_per_server: Count = 1000
    log_level: Annotated[LogLevel, Upper] = "INFO"
    log_format: Annotated[LogFormat, Lower] = "text"

    _hints: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        checks = (self._keys(), self._sources(), self._ports(), self._sharding(), self._one_process())
        if found := [mistake for check in checks for mistake in check]:
            raise ValueError("\n".join(found))
        return self

    def _keys(self) -> Iterator[str]:
        if not self.roles & CALLING_ROLES:
            return
        missing = [name for name in REQUIRED_SECRETS if not getattr(self, name.lower()).get_secret_value()]
        yield from (f"{name}: is missing. {REQUIRED_SECRETS[name]}" for name in missing)
        if missing and not _ENV_FILE.exists():
            yield (
                f"There is no {_ENV_FILE} in the current folder. Copy .env.example to it, "
                "or start the bot where it is."
            )

    def _sources(self) -> Iterator[str]:
        file, single = self.deployments_file, self.comfydeploy_deployment_id
        if file is not None and single is not None:
            yield "COMFYDEPLOY_DEPLOYMENT_ID and DEPLOYMENTS_FILE are both set. Remove one of them."
        elif self.roles & CALLING_ROLES and not (file or single or DEFAULT_DEPLOYMENTS_FILE.exists()):
            yield (
                "No deployment is named. Set COMFYDEPLOY_DEPLOYMENT_ID to the id of one deployment, "
                "or describe several in deployments.toml."
            )

    def _ports(self) -> Iterator[str]:
        # With 0 the system picks a different port for each.
        if self.metrics_port and self.metrics_port == self.web_port:
            yield "METRICS_PORT: must differ from WEB_PORT. Leave it empty for /metrics on WEB_PORT"

    def _sharding(self) -> Iterator[str]:
        if self.shard_ids and self.shard_count is None:
            yield "SHARD_COUNT: is missing. Set it to how many shards there are in all, or remove SHARD_IDS"
        elif self.shard_ids and max(self.shard_ids) >= (self.shard_count or 0):
            yield "SHARD_IDS: must be below SHARD_COUNT; they are numbered from 0"

    def _one_process(self) -> Iterator[str]:
        if not self.database_url.get_secret_value().startswith("sqlite"):
            return
        is_split = {
            "ROLES": self.roles < ALL_ROLES,
            "SHARD_IDS": 0 < len(set(self.shard_ids)) < (self.shard_count or 0),
        }
        yield from (
            f"{name}: splits the bot over several processes, and SQLite belongs to one. "
            f"Name a PostgreSQL database in DATABASE_URL, or leave {name} empty"
            for name, split in is_split.items()
            if split
        )

    @property
    def shards(self) -> Shards | None:
        """Return the shards that this process connects, or None without sharding."""
        if self.shard_count is None:
            return None
        return Shards(self.shard_count, self.shard_ids or tuple(range(self.shard_count)))

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
    values = {name: value for name, value in sources.all.items() if name in NAMES}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        # No cause: pydantic's error holds the raw input, secrets included.
        raise StartupError(*sources.mistakes, *mistakes(error), *hints) from None
    if sources.mistakes:
        raise StartupError(*sources.mistakes, *hints)
    settings._hints = hints
    return settings


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
    given = _stripped(environment)
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
    return _stripped(values)


def _stripped(values: Mapping[str, str | None]) -> dict[str, str]:
    """Return the values that aren't empty, without white space around them, by upper-case name."""
    return {name.upper(): value.strip() for name, value in values.items() if value and value.strip()}


def load_deployment_configs(settings: Settings) -> tuple[DeploymentConfig, ...]:
    """Return the configured deployments. Raises StartupError with the mistakes in their file."""
    if settings.comfydeploy_deployment_id is not None:
        return (single_deployment(settings.comfydeploy_deployment_id),)
    return load_deployments_file(settings.deployments_file or DEFAULT_DEPLOYMENTS_FILE, input_class)
