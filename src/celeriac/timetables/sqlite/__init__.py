"""A timetable in an SQLite file: that of the messages, that of the results, or one of its own."""

from celeriac.timetables.sqlite.timetable import SqliteTimetable

__all__ = ["SqliteTimetable"]
