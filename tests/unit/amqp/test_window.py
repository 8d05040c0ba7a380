"""The window of a channel that several classic queues share: how much the server may push, and how often it is told."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from celeriac.amqp.connection import Connection
from celeriac.brokers.amqp.line import Line
from celeriac.queues import Queue


class _Channel:
    """Notes the windows that the server would be told."""

    number = 1

    def __init__(self) -> None:
        self.windows: list[int] = []
        self.arrivals: list[Any] = []

    def window(self, size: int, *, shared: bool) -> None:
        assert shared
        self.windows.append(size)

    def consume(self, *_: object, **__: object) -> None:
        pass


@pytest.fixture
def channel() -> _Channel:
    return _Channel()


@pytest.fixture
def line(channel: _Channel) -> Line:
    line = Line(cast(Connection, SimpleNamespace(channel=lambda: channel)), shares=True)
    line.add(Queue("celery"))
    return line


def test_the_server_is_not_told_of_each_small_change_in_what_is_wanted(line: Line, channel: _Channel) -> None:
    for wanted in (100, 104, 98, 110, 90, 120):
        line.aim(wanted)
    assert channel.windows == [100]


def test_a_window_without_room_for_four_fifths_of_what_is_wanted_grows(line: Line, channel: _Channel) -> None:
    line.aim(100)
    line.aim(130)
    assert channel.windows == [100, 130]


def test_a_full_large_window_has_room_made_for_the_few_that_are_wanted(
    line: Line, channel: _Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.aim(100)
    monkeypatch.setattr(Line, "handed_out", 100)
    line.aim(1)
    line.aim(5)
    assert channel.windows == [100, 101, 105]


def test_a_small_window_is_exact(line: Line, channel: _Channel) -> None:
    for wanted in (8, 9, 7):
        line.aim(wanted)
    assert channel.windows == [8, 9, 7]
