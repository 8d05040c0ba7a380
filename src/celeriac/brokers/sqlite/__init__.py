"""Messages in an SQLite file."""

from celeriac.brokers.sqlite.broker import SqliteBroker

__all__ = ["SqliteBroker"]
