"""`tools/structure.py` counts code lines."""

from __future__ import annotations

from tools.structure import code_lines, modules

MODULE = '''"""A docstring
of two lines."""

import os  # a comment behind code

# A comment alone.


class Cat:
    """A class."""

    name = """a string
    that is no docstring"""

    def speak(
        self,

        loudly: bool,  # two lines of code around a blank one
    ) -> str:
        """Return a sound."""
        return os.linesep
'''


def test_blank_lines_comments_and_docstrings_are_no_code() -> None:
    assert code_lines(MODULE) == 9
    assert code_lines('"""Only a docstring."""\n') == code_lines("") == 0


def test_every_module_has_less_code_than_lines() -> None:
    found = list(modules())
    assert len(found) > 100
    assert all(0 < code <= lines for _, lines, code in found)
