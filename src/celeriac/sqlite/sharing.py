"""How an engine finds out that another one uses the same file."""

from celeriac.sqlite.database import Database

__all__ = ["SqliteEngine"]


class SqliteEngine:
    """A broker or a result backend in an SQLite file."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def shares_file_with(self, other: object) -> bool:
        """Say whether the other engine's data is in the same file."""
        if not isinstance(other, SqliteEngine):
            return False
        if other.database is self.database:
            return True
        return self.database.location.path.resolve() == other.database.location.path.resolve()
