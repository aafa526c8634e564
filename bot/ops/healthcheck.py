"""`comfydeploy-bot healthcheck`, for containers, without the imports of the bot: they take 90 MB."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException

from dotenv import dotenv_values


def healthcheck(environment: Mapping[str, str]) -> int:
    """Return 0 if GET /healthz on WEB_PORT gets 200, otherwise 1 with the reason on stderr."""
    port = ""
    try:
        given = {n: text for each in (dotenv_values(".env"), environment) for n, text in each.items() if text}
        host, port = given.get("WEB_HOST", "::"), given.get("WEB_PORT", "8080")
        host = "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104  # all addresses of the machine
        connection = HTTPConnection(host, int(port), timeout=4)
        connection.request("GET", "/healthz")
        reason = str(connection.getresponse().status)
    except (OSError, HTTPException, ValueError) as error:
        reason = str(getattr(error, "strerror", None) or error)
    if reason == "200":
        return 0
    sys.stderr.write(f"The bot doesn't answer on WEB_PORT {port} ({reason}). See its log.\n")
    return 1
