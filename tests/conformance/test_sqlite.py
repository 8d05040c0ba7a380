"""The SQLite engine passes all suites; so do broker, results and timetable in files of their own."""

from pathlib import Path

import pytest

from celeriac.backends.base import ResultBackend
from celeriac.backends.sqlite import SqliteBackend
from celeriac.brokers.base import Broker
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.sqlite.database import Database
from celeriac.sqlite.location import Location
from celeriac.testing.conformance.backend import BackendConformance
from celeriac.testing.conformance.broker import BrokerConformance
from celeriac.testing.conformance.timetable import TimetableConformance
from celeriac.timetables.base import Timetable
from celeriac.timetables.sqlite import SqliteTimetable


class SqliteFile:
    url: str

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.url = f"sqlite:///{tmp_path}/celeriac.sqlite3"


class TestSqliteBroker(SqliteFile, BrokerConformance):
    def make_broker(self) -> Broker:
        return SqliteBroker(self.url)

    def make_backend(self, broker: Broker) -> ResultBackend:
        return SqliteBackend(self.url, broker=broker)


class TestSqliteBrokerWithResultsInAnotherFile(SqliteFile, BrokerConformance):
    def make_broker(self) -> Broker:
        return SqliteBroker(self.url)

    def make_backend(self, broker: Broker) -> ResultBackend:
        return SqliteBackend(f"{self.url}-results", broker=broker)


class TestSqliteBackend(SqliteFile, BackendConformance):
    def make_backend(self) -> ResultBackend:
        return SqliteBackend(self.url)


class TestSqliteTimetable(SqliteFile, TimetableConformance):
    def make_broker(self) -> Broker:
        return SqliteBroker(self.url)

    def make_timetable(self, broker: Broker) -> Timetable:
        return SqliteTimetable(Database(Location.from_url(self.url, {})), broker=broker)


class TestSqliteTimetableOfABrokerElsewhere(SqliteFile, TimetableConformance):
    def make_broker(self) -> Broker:
        return SqliteBroker(self.url)

    def make_timetable(self, broker: Broker) -> Timetable:
        return SqliteTimetable(Database(Location.from_url(f"{self.url}-timetable", {})), broker=broker)
