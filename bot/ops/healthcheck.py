"""`comfydeploy-bot healthcheck`, for containers, without the imports of the bot: they take 90 MB."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException

from bot.config.sources import read_sources


def healthcheck(environment: Mapping[str, str]) -> int:
    """Return 0 if GET /healthz on WEB_PORT gets 200, otherwise 1 with the reason on stderr."""
    sources = read_sources(environment)
    given = {"WEB_HOST": "::", "WEB_PORT": "8080", **sources.file, **sources.environment}
    host, port = given["WEB_HOST"], given["WEB_PORT"]
    host = "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104  # all addresses of the machine
    try:
        connection = HTTPConnection(host, int(port), timeout=4)
        connection.request("GET", "/healthz")
        reason = str(connection.getresponse().status)
    except (OSError, HTTPException, ValueError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error)
    if reason == "200":
        return 0
    said = f"The bot doesn't answer on WEB_PORT {port} ({reason}). See its log."
    if not (port.isdecimal() and int(port) < 1 << 16):
        said = "WEB_PORT: must be a whole number below 65536."
    # They don't matter to a bot that runs, but the port may be in what can't be read.
    sys.stderr.write(" ".join(sources.mistakes or [said]) + "\n")
    return 1
