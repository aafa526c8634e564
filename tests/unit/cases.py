"""Read cases from text files: the text of a configuration file, and the sentences about its mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

MARK = "=> "


def read_cases(path: Path) -> list[Any]:
    """Return each block of a file as the parameters of a test: its text, and the expected sentences.

    A blank line ends a block. A sentence begins with `=> `.
    """
    blocks = [block.splitlines() for block in path.read_text(encoding="utf-8").strip().split("\n\n")]
    return [pytest.param(_text(block), _sentences(block), id=block[0][:40]) for block in blocks]


def _text(block: list[str]) -> str:
    return "\n".join(line for line in block if not line.startswith(MARK))


def _sentences(block: list[str]) -> tuple[str, ...]:
    return tuple(line.removeprefix(MARK) for line in block if line.startswith(MARK))
