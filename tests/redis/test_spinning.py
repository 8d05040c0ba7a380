"""An answer that comes at once is waited for awake; what does not come soon is waited for asleep."""

import os
import select
import socket
from collections.abc import Iterator

import pytest

from celeriac.redis.errors import RedisUnavailable
from celeriac.redis.spinning import AdaptiveSpin
from tests.redis.conftest import MakeConnection
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="with one processor nobody waits awake")


class Line:
    """A socket, its other end, and a poller that counts how often it is asked."""

    def __init__(self) -> None:
        self.far, self.near = socket.socketpair()
        self._poll = select.poll()
        self._poll.register(self.near, select.POLLIN)
        self.looks = 0

    def poll(self, timeout: float) -> object:
        assert timeout == 0, "who spins does not sleep"
        self.looks += 1
        return self._poll.poll(timeout)

    def close(self) -> None:
        self.near.close()
        self.far.close()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


def test_what_is_there_is_seen_by_one_look(line: Line) -> None:
    line.far.send(b"answer")
    assert AdaptiveSpin().sees(line)
    assert line.looks == 1


def test_what_does_not_come_is_looked_for_more_than_once_and_then_given_up(line: Line) -> None:
    assert not AdaptiveSpin().sees(line)
    assert line.looks > 1


def test_who_has_looked_in_vain_pauses_longer_each_time(line: Line) -> None:
    spin = AdaptiveSpin()
    tried = []
    for number in range(200):
        line.looks = 0
        spin.sees(line)
        if line.looks:
            tried.append(number)
    assert tried == [0, 2, 6, 14, 30, 62, 126, 190]


def test_once_answers_come_at_once_again_every_one_is_looked_for(line: Line) -> None:
    spin = AdaptiveSpin()
    for _ in range(200):
        spin.sees(line)
    line.far.send(b"answer")
    seen = [spin.sees(line) for _ in range(400)]
    assert all(seen[-100:])


def test_a_process_with_a_single_processor_never_spins(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    line.far.send(b"answer")
    assert not any(AdaptiveSpin().sees(line) for _ in range(200))
    assert line.looks == 0


def test_calls_one_right_after_the_other_are_answered_in_order(connect: MakeConnection, server: RedisServer) -> None:
    connection = connect(server.url)
    connection.call("DEL", "counter")
    assert [connection.call("INCR", "counter") for _ in range(2000)] == list(range(1, 2001))


def test_a_server_that_stops_amid_calls_is_given_up_when_the_time_is_up(
    connect: MakeConnection, server: RedisServer
) -> None:
    connection = connect(server.url)
    for _ in range(50):
        connection.call("PING")
    server.silence()
    try:
        with pytest.raises(RedisUnavailable, match="did not answer in time") as caught:
            connection.call("PING", timeout=0.3)
    finally:
        server.end_silence()
    assert not connection.is_open
    assert caught.value.maybe_done
    assert connection.call("PING") == b"PONG"
