"""The memory engine passes all suites; so does its timetable apart from the broker."""

import pytest

from celeriac.backends.base import ResultBackend
from celeriac.backends.memory import MemoryBackend
from celeriac.brokers.base import Broker
from celeriac.brokers.memory import MemoryBroker
from celeriac.testing.conformance.backend import BackendConformance
from celeriac.testing.conformance.broker import BrokerConformance
from celeriac.testing.conformance.timetable import TimetableConformance
from celeriac.timetables.base import Timetable
from celeriac.timetables.memory import MemoryTimetable, Plan


class TestMemoryBroker(BrokerConformance):
    def make_broker(self) -> Broker:
        return MemoryBroker(f"memory://broker-{id(self)}")

    def make_backend(self, broker: Broker) -> ResultBackend:
        return MemoryBackend(f"memory://broker-{id(self)}", broker=broker)


class TestMemoryBackend(BackendConformance):
    def make_backend(self) -> ResultBackend:
        return MemoryBackend(f"memory://backend-{id(self)}")


class TestMemoryTimetable(TimetableConformance):
    def make_broker(self) -> Broker:
        return MemoryBroker(f"memory://timetable-{id(self)}")

    def make_timetable(self, broker: Broker) -> Timetable:
        assert isinstance(broker, MemoryBroker)
        return MemoryTimetable(broker)


class TestMemoryTimetableApartFromTheBroker(TimetableConformance):
    @pytest.fixture(autouse=True)
    def _plan(self) -> None:
        self.plan = Plan()

    def make_broker(self) -> Broker:
        return MemoryBroker(f"memory://timetable-{id(self)}")

    def make_timetable(self, broker: Broker) -> Timetable:
        return MemoryTimetable(plan=self.plan)
