"""`python -m bot setup`: ask for what the bot needs, check each value with its service, and write `.env`."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from dotenv import dotenv_values, set_key
from pydantic import SecretStr, ValidationError

from bot.comfydeploy.client import ComfyDeploy, open_session
from bot.comfydeploy.wire import WebhookSigner
from bot.config.logs import Redactor
from bot.config.settings import DEFAULT_DEPLOYMENTS_FILE, REQUIRED_SECRETS, SECRETS, Settings, read_settings
from bot.config.sources import ENV_FILE, read_sources
from bot.deployments.catalogue import Catalogue
from bot.deployments.schema import DeploymentSettings
from bot.deployments.schema.field_types import mistakes
from bot.domain.errors import InputError, StartupError, reason_of
from bot.effects import Effects
from bot.ops.check import key_fault, token_fault
from bot.ops.check_services import (
    CLOCK,
    KEY_REFUSED,
    SERVERS,
    TOKEN_REFUSED,
    UNKNOWN_ID,
    Finding,
    Level,
    check_deployments,
    check_discord,
    check_key,
)

TOKEN, KEY, ID = "DISCORD_TOKEN", "COMFYDEPLOY_API_KEY", "COMFYDEPLOY_DEPLOYMENT_ID"
_ABOUT = {**REQUIRED_SECRETS, ID: "Copy the deployment's id from ComfyDeploy's dashboard."}
# With these words a service says that a value is wrong. Any other fault may be its own.
_REFUSED = (TOKEN_REFUSED, KEY_REFUSED, UNKNOWN_ID)
_EXAMPLE = Path(".env.example")


async def setup(environment: Mapping[str, str], effects: Effects, out: TextIO) -> int:
    """Ask for the three settings and write them, and return the exit code 0.

    Raises StartupError without a terminal, and if the input ends. Nothing is written then.
    """
    if not sys.stdin.isatty():
        raise StartupError(f"setup needs a terminal. Without one, write {ENV_FILE} yourself, and run check.")
    settings, wrong = read_settings(environment)
    if unread := [each for each in wrong if each.startswith((TOKEN, KEY)) and "_FILE " in each]:
        raise StartupError(*unread)
    sources = read_sources(environment)
    entered, links = dict[str, str](), list[Finding]()
    has_file = bool(settings.deployments_file) or DEFAULT_DEPLOYMENTS_FILE.exists()
    for name in (TOKEN, KEY, ID):
        if name == ID and has_file:
            if _value(settings, ID):
                out.write(f"The bot doesn't read deployments.toml while {ID} is set. Remove one of them.\n")
            else:
                out.write(f"deployments.toml describes the deployments, so {ID} isn't needed.\n")
            continue
        if name in SECRETS and f"{name}_FILE" in {*sources.file, *sources.environment}:
            out.write(f"{name} is in the file of {name}_FILE. Change it there; check tests it.\n")
            continue
        settings, findings = await _ask(name, settings, effects, out)
        entered[name] = _value(settings, name)
        links += [finding for finding in findings if finding.subject.endswith(" link")]
    if write_env_file(entered):
        out.write(f"Wrote {', '.join(entered)} to {ENV_FILE}. Test the rest: python -m bot check.\n")
    else:
        out.write(f"{ENV_FILE} has these values already.\n")
    for name in entered:
        if environment.get(name):
            out.write(f"The environment has {name}, too, and takes precedence.\n")
    out.writelines(f"{hint}\n" for hint in read_settings(environment)[0].hints)
    for link in links:
        out.write(f"{link.subject}: {link.summary}\n")
    return 0


async def _ask(
    name: str, settings: Settings, effects: Effects, out: TextIO
) -> tuple[Settings, Sequence[Finding]]:
    """Ask until a service accepts the value; return the settings with it, and what the service said."""
    present = _value(settings, name)
    while True:
        value = _prompt(name, present, out) or present
        try:
            valid = Settings.model_validate({name: value}, context=[])
            own = settings.model_copy(update={name.lower(): getattr(valid, name.lower())})
            return own, await _ask_service(name, own, effects, out)
        except ValidationError as error:
            out.write(f"{next(mistakes(error))}.\n")
        except InputError as error:
            out.write(f"{error.code}\n")


async def _ask_service(name: str, settings: Settings, effects: Effects, out: TextIO) -> Sequence[Finding]:
    """Print and return what a service says. Raises InputError if it, or the user, refuses."""
    value = _value(settings, name)
    fault = token_fault(value) if name == TOKEN else None
    fault = key_fault(value, settings.comfydeploy_api_url) if name == KEY else fault
    if fault:  # it is shown to no service
        raise InputError(f"{name} {fault}.")
    findings, redact = await _check(settings, name, effects), Redactor([] if name == ID else [value])
    out.writelines(f"{redact(str(each))}\n" for each in findings if not each.subject.endswith(" link"))
    # ComfyDeploy gave no clear reply about a key if the finding is a warning.
    bad = (Level.ERROR, Level.WARNING) if name == KEY else (Level.ERROR,)
    # The clock and the servers say nothing about the value.
    wrong = [each for each in findings if each.level in bad and each.subject not in (CLOCK, SERVERS)]
    is_refused = any(said in each.summary for each in wrong for said in _REFUSED)
    if wrong and (is_refused or not _confirm("Write it anyway? [y/N] ")):
        raise InputError(f"{name} wasn't accepted.")
    return findings


def _value(settings: Settings, name: str) -> str:
    value = getattr(settings, name.lower())
    return value.get_secret_value() if isinstance(value, SecretStr) else value or ""


async def _check(settings: Settings, name: str, effects: Effects) -> list[Finding]:
    if name == TOKEN:
        return [finding async for finding in check_discord(settings, effects)]
    async with open_session() as session:
        signer = WebhookSigner("", None)
        asked = ComfyDeploy(session, settings.comfydeploy_api_url, settings.comfydeploy_api_key, signer)
        if name == KEY:
            return [await check_key(asked)]
        configs = [DeploymentSettings(name="default", deployment_id=_value(settings, ID))]
        return await check_deployments(configs, Catalogue(configs, asked), asked)


def _prompt(name: str, present: str, out: TextIO) -> str:
    """Ask for a value. A secret isn't echoed."""
    out.write("\n" if present else f"\n{_ABOUT[name]}\n")
    out.flush()
    notes = ["hidden while you type"] * (name != ID) + ["empty keeps the present one"] * bool(present)
    question = f"{name} ({'; '.join(notes)}): " if notes else f"{name}: "
    with _interruptible():
        return (input(question) if name == ID else getpass.getpass(question)).strip()


def _confirm(question: str) -> bool:
    with _interruptible():
        return input(question).strip().lower() in ("y", "yes")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl+C end a question; the event loop's handler would only note it."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except EOFError:
        raise StartupError("The input ended. Nothing was written.") from None
    finally:
        signal.signal(signal.SIGINT, handler)


def write_env_file(entered: Mapping[str, str]) -> bool:
    """Change the lines of these settings in `.env`, and return whether it changed. Raises StartupError.

    A link remains one. The file keeps its owner, group, mode and access list; a new one gets the owner and
    group of its folder. In a folder of root's with another group, that group may read it.
    """
    path = Path(os.path.realpath(ENV_FILE))
    try:
        is_new = not path.exists()
        if entered.items() <= dotenv_values(path, interpolate=False).items():
            return False
        template = _EXAMPLE if is_new else path
        with TemporaryDirectory(dir=path.parent, prefix=".env.") as folder:
            draft = Path(folder, ENV_FILE)
            draft.write_bytes(template.read_bytes() if template.exists() else b"")
            for name, value in entered.items():
                set_key(draft, name, value, quote_mode="never")
            owner = (path.parent if is_new else path).stat()
            if is_new:
                draft.chmod(0o640 if owner.st_uid == 0 != owner.st_gid else 0o600)
            else:
                shutil.copystat(path, draft)
                os.utime(draft)
            # Windows has no chown. A file whose owner can't be kept isn't replaced: the bot couldn't read it.
            with suppress(AttributeError, *[PermissionError] * is_new):
                os.chown(draft, owner.st_uid, owner.st_gid)
            os.replace(draft, path)
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"{ENV_FILE} can't be written ({reason_of(error)}).") from None
    return True
