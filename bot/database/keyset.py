"""Conditions for keyset pagination: a page begins after the last row of the page before, not at an offset.

The rows are ordered by time and, if their times are equal, by a second column. `tie` says which of the rows
with the same time come after that last row.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, or_

# In both functions, only the first condition can use an index. The second one applies `tie`.


def earlier(column: Column[Any], at: datetime, tie: ColumnElement[bool]) -> ColumnElement[bool]:
    """Match the rows on the pages after a row of the time `at`, if the newest rows come first."""
    return and_(column <= at, or_(column < at, tie))


def later(column: Column[Any], at: datetime, tie: ColumnElement[bool]) -> ColumnElement[bool]:
    """Match the rows on the pages after a row of the time `at`, if the oldest rows come first."""
    return and_(column >= at, or_(column > at, tie))
