"""The fixture of a PostgreSQL server."""

from tests.contract.conftest import postgres

__all__ = ["postgres"]
