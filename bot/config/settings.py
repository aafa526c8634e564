"""The settings from the environment and .env. All mistakes are reported together, each with a remedy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError
from sqlalchemy.engine import make_url

from bot.config import fields
from bot.config.sources import ENV_FILE, hints, read_secrets, read_sources
from bot.deployments.schema import DeploymentSettings, DeploymentsFile, load_deployments_file
from bot.deployments.schema.field_types import Uuid, mistakes
from bot.domain.errors import StartupError
from bot.domain.run_timing import QUEUE_CALL_SECONDS

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogFormat = Literal["text", "json"]
DEFAULT_DEPLOYMENTS_FILE = Path("deployments.toml")
REQUIRED_SECRETS = {
    "DISCORD_TOKEN": "Create a bot at https://discord.com/developers/applications and copy its token.",
    "COMFYDEPLOY_API_KEY": "Create an API key in ComfyDeploy's dashboard and copy it.",
}


class Settings(BaseModel):
    """The operator's settings. Each field is the variable of the same name in capitals; empty means unset.

    `make docs` writes the fields and their descriptions into docs/configuration.md and .env.example.
    """

    model_config = ConfigDict(
        frozen=True,
        hide_input_in_errors=True,
        alias_generator=str.upper,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    discord_token: fields.Secret = SecretStr("")
    """The bot's token: https://discord.com/developers/applications > your application > Bot > Reset Token."""
    comfydeploy_api_key: fields.Secret = SecretStr("")
    """An API key from ComfyDeploy's dashboard."""
    comfydeploy_deployment_id: Uuid | None = None
    """The deployment's id. For several deployments, or to change options, write a deployments.toml
    instead."""
    deployments_file: Path | None = None
    """The file that describes the deployments. Empty = deployments.toml, if it exists."""
    # At least the pause of the worker that refreshes the deployments.
    deployments_refresh_seconds: Annotated[int, Field(ge=15, le=fields.YEAR)] = 600
    """The interval between checks for changed deployments. Each check makes one call per deployment."""
    comfydeploy_api_url: fields.BaseUrl = "https://api.comfydeploy.com/api"
    """ComfyDeploy's API, or that of a self-hosted server."""
    public_url: fields.PublicUrl | None = None
    """The URL at which ComfyDeploy reaches this bot without redirects, such as https://bot.example.com. Empty
    = poll for results."""
    webhook_secret: fields.LongSecret | None = None
    """Signs the webhook URLs. Empty = generated and stored in the database."""
    web_host: fields.Host = "0.0.0.0"  # noqa: S104  # ComfyDeploy calls from outside: the documented default
    """Where the web server listens for webhooks, /healthz, /readyz and /metrics."""
    web_port: fields.Port = 8080
    """The web server's port, to which PUBLIC_URL must lead."""
    metrics_token: fields.LongSecret | None = None
    """The bearer token for /metrics. Empty = readable only from this machine, not through a proxy."""
    metrics_port: fields.Port | None = None
    """A separate port for /metrics, open to everyone who can reach it unless METRICS_TOKEN is set. Empty =
    WEB_PORT."""
    database_url: fields.DatabaseUrl = SecretStr("sqlite:///data/bot.db")
    """sqlite:///path/to/file.db (creates the folder) or postgresql://user:password@host/name."""
    database_pool_size: Annotated[int, Field(ge=2, le=1000)] = 20
    """PostgreSQL: the maximum number of connections per process, plus one that listens."""
    backup_dir: Path | None = None
    """The folder for a backup of the database each day, and for the list of erasures that a restore repeats.
    Empty = no backups."""
    backup_keep: Annotated[int, Field(ge=1, le=10_000)] = 7
    """How many daily backups to keep."""
    roles: fields.Roles = fields.ALL_ROLES
    """The roles of this process, which docs/several-processes.md explains. Empty = all."""
    shard_count: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The total number of shards. Empty = no sharding."""
    shard_ids: fields.ShardIds = ()
    """The shards of this process, such as 0,1. Empty = all."""
    allowed_guild_ids: fields.Ids | None = None
    """The ids of the servers that may use the bot. Empty = all."""
    allow_direct_messages: bool = False
    """Allow direct messages."""
    allow_user_installs: bool = False
    """Let users add the bot to their account and use it anywhere, outside the rules of servers. Set
    DAILY_GPU_SECONDS, too, and tick "User Install" as in docs/setup.md."""
    daily_gpu_seconds: fields.Count | None = None
    """The GPU seconds per day (UTC) for all servers together. Runs count when they start. Empty =
    unlimited."""
    max_waiting_per_server: fields.Count = 1000
    """How many runs of one server may wait in the queue, however many its own settings allow. More are
    refused."""
    max_concurrent_runs: fields.Count | None = None
    """The maximum number of concurrent runs of each deployment. It can only lower a deployment's own
    limit."""
    poll_interval_seconds: fields.Seconds = 15
    """The pause before a silent run is polled, four times as long with PUBLIC_URL. It doubles after each poll
    without news, up to 20 times this value."""
    run_deadline_seconds: fields.Seconds = 3600
    """Cancel a run that takes longer. A deployment's run timeout at ComfyDeploy can only shorten this."""
    submit_grace_seconds: fields.Seconds = 180
    """If ComfyDeploy's answer to a queue call is lost, end the run as not confirmed after this long without
    news."""
    run_logs: bool = True
    """Fetch the log of a failed run. Details shows its end to the requester and moderators, without
    secrets."""
    allow_private_media_networks: fields.PrivateNetworks = ()
    """Fetch results from these private networks, such as 192.168.1.0/24; only for self-hosted machines."""
    picture_check_url: fields.BaseUrl | None = None
    """The checker that looks at pictures before others see them, such as http://picture-check:8090/check. Its
    address may be private. Empty = pictures aren't checked."""
    picture_check_secret: fields.LongSecret = SecretStr("")
    """Signs the pictures that are sent to the checker, which has the same secret."""
    picture_check: Annotated[Literal["off", "spoiler", "hold", "hide"], fields.Lower] = "off"
    """The least that happens to flagged pictures on all servers: off (each server decides), spoiler, hold or
    hide. A server's settings can only be stricter."""
    picture_check_fails: Annotated[Literal["hold", "show"], fields.Lower] = "hold"
    """What happens to pictures that the checker couldn't check: hold (until a moderator decides) or show."""
    picture_check_private: bool = True
    """Check private results, too."""
    releases_url: fields.BaseUrl | None = None
    """The JSON of the newest release, such as https://api.github.com/repos/OWNER/NAME/releases/latest. A
    newer one is mentioned in the log once a day. Empty = not asked."""
    log_level: Annotated[LogLevel, fields.Upper] = "INFO"
    """The lowest level to log, from DEBUG to CRITICAL."""
    log_format: Annotated[LogFormat, fields.Lower] = "text"
    """The format of log lines, text or json."""

    _hints: tuple[str, ...] = PrivateAttr(default=())

    def contradictions(self) -> Iterator[str]:
        """Yield what is missing, and what doesn't fit together, as sentences."""
        yield from self._missing_of_callers() if self.roles & fields.CALLING_ROLES else ()
        if self.deployments_file is not None and self.comfydeploy_deployment_id is not None:
            yield "COMFYDEPLOY_DEPLOYMENT_ID and DEPLOYMENTS_FILE are both set. Remove one of them."
        if self.picture_check_url is not None and not self.picture_check_secret.get_secret_value():
            yield "PICTURE_CHECK_SECRET is missing. Set it to the checker's, or remove PICTURE_CHECK_URL."
        if self.picture_check_url is None and self.picture_check != "off":
            yield "PICTURE_CHECK_URL is missing. Set it to the checker's address, or PICTURE_CHECK to off."
        # With 0 the system picks a different port for each.
        if self.metrics_port and self.metrics_port == self.web_port:
            yield "METRICS_PORT: must differ from WEB_PORT. Leave it empty for /metrics on WEB_PORT."
        if self.shard_ids and self.shard_count is None:
            yield "SHARD_COUNT is missing. Set it to how many shards there are in all, or remove SHARD_IDS."
        elif self.shard_ids and max(self.shard_ids) >= (self.shard_count or 0):
            yield "SHARD_IDS: must be below SHARD_COUNT; they are numbered from 0."
        splits = {
            "ROLES": self.roles < fields.ALL_ROLES,
            "SHARD_IDS": 0 < len(set(self.shard_ids)) < (self.shard_count or 0),
        }
        for name, split in splits.items():
            if split and self.database_url.get_secret_value().startswith("sqlite"):
                yield (
                    f"{name}: splits the bot over several processes, and SQLite belongs to one. "
                    f"Name a PostgreSQL database in DATABASE_URL, or leave {name} empty."
                )

    def _missing_of_callers(self) -> Iterator[str]:
        missing = [name for name in REQUIRED_SECRETS if not getattr(self, name.lower()).get_secret_value()]
        for name in missing:
            yield f"{name} is missing. {REQUIRED_SECRETS[name]} Write it into {ENV_FILE}."
        if missing and not ENV_FILE.exists():
            create = "Create it with `comfydeploy-bot setup` or `python -m bot setup`"
            yield f"There is no {ENV_FILE} in the current folder. {create}, or start the bot where it is."
        named = self.deployments_file or self.comfydeploy_deployment_id
        if not (named or DEFAULT_DEPLOYMENTS_FILE.exists()):
            one = "Set COMFYDEPLOY_DEPLOYMENT_ID to the id of one deployment"
            yield f"No deployment is named. {one}, or describe several in deployments.toml."

    @property
    def shards(self) -> tuple[int, ...]:
        """Return the shards that this process connects. Without sharding, Discord counts one: shard 0."""
        return self.shard_ids or tuple(range(self.shard_count or 1))

    def secret_values(self) -> tuple[str, ...]:
        """Return the values of all SecretStr fields for log redaction; of DATABASE_URL, only the password."""
        found = {name: value for name, value in self if isinstance(value, SecretStr)}
        url = found.pop("database_url").get_secret_value()
        values = [*(secret.get_secret_value() for secret in found.values()), make_url(url).password]
        return tuple(value for value in values if value)

    def warnings(self) -> Iterator[str]:
        """Yield sentences about settings that are allowed but probably a mistake."""
        url, api = self.public_url or "", self.comfydeploy_api_url
        if not url:
            first = f"first after {self.poll_interval_seconds} s, then less and less often"
            yield f"PUBLIC_URL is not set: the bot asks ComfyDeploy for results instead, {first}."
        elif _is_loopback(url) and not _is_loopback(api):
            yield "PUBLIC_URL is an address of this machine only: ComfyDeploy can't reach it."
        if url.startswith("http:") and not _is_loopback(url):
            yield "PUBLIC_URL is http: webhooks are unencrypted, and a redirect to https would lose them."
        if api.startswith("http:") and not _is_loopback(api):
            yield "COMFYDEPLOY_API_URL is http: the API key is sent unencrypted. Use https."
        if self.comfydeploy_deployment_id and DEFAULT_DEPLOYMENTS_FILE.is_file():
            yield "COMFYDEPLOY_DEPLOYMENT_ID is set, so deployments.toml is not read. Remove one of the two."
        if self.allow_user_installs and self.daily_gpu_seconds is None:
            rest = "and no server's budgets apply there. Set DAILY_GPU_SECONDS."
            yield f"ALLOW_USER_INSTALLS lets anybody who adds the bot to their account spend GPU time, {rest}"
        if self.submit_grace_seconds < QUEUE_CALL_SECONDS:
            effect = "a run may end as not confirmed before ComfyDeploy answers"
            remedy = f"Set {QUEUE_CALL_SECONDS} or more."
            yield f"SUBMIT_GRACE_SECONDS is shorter than a queue call, so {effect}. {remedy}"
        yield from self.hints

    @property
    def hints(self) -> tuple[str, ...]:
        return self._hints


NAMES = tuple(name.upper() for name in Settings.model_fields)
# For each of these, NAME_FILE may name a file with the value.
SECRETS = tuple(name for name in NAMES if "SecretStr" in str(Settings.model_fields[name.lower()].annotation))
# The settings of the commands that need only the database. A host that only makes backups has no token.
DATABASE_NAMES = ("DATABASE_URL", "BACKUP_DIR")


def read_settings(
    environment: Mapping[str, str], names: Collection[str] = NAMES
) -> tuple[Settings, list[str]]:
    """Read `.env`, the environment and files of secrets, and return what is wrong as sentences.

    A setting that is wrong has its default. With `names`, no others are read, or compared with each other.
    """
    sources = read_sources(environment)
    values = {**sources.file, **sources.environment}
    wrong = [*sources.mistakes, *read_secrets(values, [name for name in SECRETS if name in names])]
    values = {name: value for name, value in values.items() if name in names}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        wrong += [f"{mistake}." for mistake in mistakes(error)]
        refused = {str(each["loc"][0]) for each in error.errors(include_url=False, include_input=False)}
        left = {name: value for name, value in values.items() if name not in refused}
        settings = Settings.model_validate(left)
    found = hints(sources, NAMES, SECRETS)
    settings._hints = tuple(each for each in found if names is NAMES or any(name in each for name in names))
    # What is missing may be in what can't be read.
    return settings, wrong or ([*settings.contradictions()] if names is NAMES else [])


def load_settings(environment: Mapping[str, str], names: Collection[str] = NAMES) -> Settings:
    """Return the settings. Raises StartupError with all mistakes."""
    settings, wrong = read_settings(environment, names)
    if wrong:
        raise StartupError(*wrong, *settings._hints)
    return settings


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def configured(settings: Settings) -> DeploymentsFile:
    """Return what deployments.toml says, or the one deployment that is set instead. Raises StartupError."""
    if settings.comfydeploy_deployment_id is None:
        return load_deployments_file(settings.deployments_file or DEFAULT_DEPLOYMENTS_FILE)
    only = DeploymentSettings(name="default", deployment_id=settings.comfydeploy_deployment_id)
    return DeploymentsFile.model_construct(deployments={only.name: only})
