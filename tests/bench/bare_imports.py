"""Print the peak MiB of a process that only imports the libraries: `python -m tests.bench.bare_imports`."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

LIBRARIES = (
    "discord.ext.commands",
    "aiohttp.web",
    "sqlalchemy",
)


def main() -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    sys.stdout.write(f"{int(peak) / 1024}\n")


if __name__ == "__main__":
    main()
