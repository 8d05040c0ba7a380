"""Door bells: heard at once, wherever the file is; and an idle consumer writes nothing."""

import os
import stat
import threading
from pathlib import Path

import pytest

from celeriac.backends.sqlite import SqliteBackend
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.sqlite.bells import Bell, Ringer, make_directory
from celeriac.testing.conformance.harness import until

#: Seconds: far more than a ring takes, far less than a test may.
LONG = 30.0


@pytest.fixture(params=["short", "a very long path " * 10])
def directory(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path: Path = tmp_path / request.param / "live"
    path.parent.mkdir()
    make_directory(path, 0o644)
    return path


def test_a_ring_brings_its_words(directory: Path) -> None:
    bell, ringer = Bell(directory, 0o644), Ringer(directory)
    assert bell.can_ring
    assert ringer.ring(bell.name, ["a", "ü"])
    assert bell.wait(LONG) == ["a", "ü"]
    assert bell.wait(0) == []
    bell.close()
    ringer.close()


def test_a_ring_without_words_means_look_for_yourself(directory: Path) -> None:
    bell, ringer = Bell(directory, 0o644), Ringer(directory)
    ringer.ring(bell.name)
    assert bell.wait(LONG) is None
    bell.wake()
    assert bell.wait(LONG) is None
    bell.close()
    ringer.close()


def test_rings_before_the_wait_are_heard(directory: Path) -> None:
    bell, ringer = Bell(directory, 0o644), Ringer(directory)
    for word in ("a", "b"):
        ringer.ring(bell.name, [word])
    assert bell.wait(LONG) == ["a", "b"]
    bell.close()
    ringer.close()


def test_more_rings_than_a_socket_keeps_mean_look_for_yourself(directory: Path) -> None:
    bell, ringer = Bell(directory, 0o644), Ringer(directory)
    for number in range(2000):
        assert ringer.ring(bell.name, [str(number)])
    assert bell.wait(LONG) is None
    assert bell.wait(0) == []
    bell.close()
    ringer.close()


def test_more_words_than_fit_mean_look_for_yourself(directory: Path) -> None:
    bell, ringer = Bell(directory, 0o644), Ringer(directory)
    assert ringer.ring(bell.name, [f"{number:036}" for number in range(10_000)])
    assert bell.wait(LONG) is None
    bell.close()
    ringer.close()


def test_threads_that_ring_first_at_the_same_time_share_one_socket(directory: Path) -> None:
    ringers = [Ringer(directory) for _ in range(50)]
    before = len(list(Path("/proc/self/fd").iterdir()))
    for ringer in ringers:
        start = threading.Barrier(8)

        def ring(ringer: Ringer = ringer, start: threading.Barrier = start) -> None:
            start.wait()
            ringer.ring("nobody.bell")

        threads = [threading.Thread(target=ring) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(list(Path("/proc/self/fd").iterdir())) == before + len(ringers)
    for ringer in ringers:
        ringer.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_bell_that_is_hung_again_is_heard(directory: Path) -> None:
    bell, ringer = Bell(directory, 0o644), Ringer(directory)
    for is_removed in (False, True):
        if is_removed:
            (directory / bell.name).unlink()
            assert not bell.is_in_place
        bell.hang()
        assert bell.can_ring
        ringer.ring(bell.name, ["a"])
        assert bell.wait(LONG) == ["a"]
    bell.close()
    ringer.close()


def test_a_bell_whose_owner_is_gone_is_found_out(directory: Path) -> None:
    ringer = Ringer(directory)
    assert not ringer.ring("nobody.bell")
    assert not ringer.is_heard("nobody.bell")
    child = os.fork()
    if child == 0:
        bell = Bell(directory, 0o644)
        (directory / "name").write_text(bell.name)
        os._exit(0)
    os.waitpid(child, 0)
    name = (directory / "name").read_text()
    assert (directory / name).exists()
    assert not ringer.is_heard(name)
    assert not ringer.ring(name)
    ringer.close()


def test_whoever_may_write_the_database_may_ring(tmp_path: Path) -> None:
    path = tmp_path / "live"
    make_directory(path, 0o660)
    bell = Bell(path, 0o660)
    assert stat.S_IMODE(path.stat().st_mode) == 0o770
    assert stat.S_IMODE((path / bell.name).stat().st_mode) == 0o660
    bell.close()


def test_a_bell_that_cannot_be_hung_makes_its_waiter_look_often(tmp_path: Path) -> None:
    bell = Bell(tmp_path / "nowhere", 0o644)
    assert not bell.can_ring
    assert bell.patience < 0.1
    bell.wake()
    assert bell.wait(LONG) is None
    bell.close()


def test_without_bells_messages_and_results_still_come(
    path: Path, broker: SqliteBroker, backend: SqliteBackend
) -> None:
    broker.open()
    consumer = broker.consumer([Queue("q")], node="one@here")
    consumer._session.bell._take_down()  # type: ignore[attr-defined]
    until(lambda: consumer.receive(1, 0) == [])
    broker.publish([Message(id="a", queue="q", headers={})])
    assert len(consumer.receive(1, LONG)) == 1
    consumer.close()


def test_an_idle_consumer_writes_nothing(path: Path, broker: SqliteBroker) -> None:
    consumer = broker.consumer([Queue("q"), Queue("other")], node="one@here")
    other = broker.consumer([Queue("q")], node="two@here")
    broker.publish([Message(id="later", queue="q", headers={}, not_before=4_000_000_000.0)])
    assert consumer.receive(10, 0) == []
    log = path.with_name(f"{path.name}-wal")
    before = log.stat()
    for _ in range(20):
        assert consumer.receive(10, 0) == []
        assert consumer.recover() == 0
    assert consumer.receive(10, 1.2) == []
    after = log.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    consumer.close()
    other.close()


def test_a_publish_rings_only_those_who_wait_for_its_queue(broker: SqliteBroker) -> None:
    mine = broker.consumer([Queue("mine")], node="one@here")
    other = broker.consumer([Queue("other")], node="two@here")
    for consumer in (mine, other):
        assert consumer.receive(1, 0) == []
    broker.publish([Message(id="a", queue="mine", headers={})])
    assert mine._session.bell.wait(LONG) is None  # type: ignore[attr-defined]
    assert other._session.bell.wait(0) == []  # type: ignore[attr-defined]
    mine.close()
    other.close()
