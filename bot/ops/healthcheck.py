"""`comfydeploy-bot healthcheck`: ask the process on this machine whether it responds.

Containers run it every half minute, so it imports nothing of the bot, which would take 90 MB and a second.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException

from dotenv import dotenv_values

_SECONDS = 4
# Where a server that listens on all addresses is asked.
_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # no server is started


def healthcheck(environment: Mapping[str, str]) -> int:
    """Return 0 if GET /healthz on WEB_PORT gets 200, otherwise 1 with the reason on stderr."""
    settings = {"WEB_HOST": "0.0.0.0", "WEB_PORT": "8080"}  # noqa: S104  # the settings' defaults
    try:
        for source in (dotenv_values(".env"), environment):
            settings |= {name: text.strip() for name, text in source.items() if text and text.strip()}
        host = settings["WEB_HOST"]
        connection = HTTPConnection(_LOCAL.get(host, host), int(settings["WEB_PORT"]), timeout=_SECONDS)
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException, ValueError) as error:
        status, reason = 0, getattr(error, "strerror", None) or error
    else:
        reason = f"{status} from /healthz"
    if status == 200:
        return 0
    sys.stderr.write(f"The bot doesn't answer on port {settings['WEB_PORT']}: {reason}. See its log.\n")
    return 1
