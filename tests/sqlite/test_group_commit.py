"""Group commit: threads share transactions, and no failure of one is another's."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac.sqlite.group_commit import GroupCommit, Transaction
from celeriac.testing.conformance.harness import in_thread, until

#: Seconds: long enough.
DEADLINE = 30.0


class Desk:
    """A database whose next transaction begins when ``gate`` is open."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.execute("CREATE TABLE note (text TEXT UNIQUE)")
        self.gate = threading.Event()
        self.gate.set()
        self.begun = 0
        self.waiting = 0
        self.commits = GroupCommit(self.begin, lambda: None)

    def begin(self, deadline: float) -> sqlite3.Connection:
        self.waiting += 1
        assert self.gate.wait(deadline - time.monotonic())
        self.begun += 1
        self.connection.execute("BEGIN IMMEDIATE")
        return self.connection

    def note(self, text: str, timeout: float = DEADLINE) -> None:
        def write(transaction: Transaction) -> None:
            transaction.connection.execute("INSERT INTO note VALUES (?)", (text,))

        self.commits.run(write, time.monotonic() + timeout)

    def notes(self) -> list[str]:
        return sorted(text for (text,) in self.connection.execute("SELECT text FROM note"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "desk.sqlite3")
    yield desk
    desk.connection.close()


def queued(desk: Desk) -> int:
    return len(desk.commits._queue)


def test_what_threads_write_meanwhile_goes_into_one_transaction(desk: Desk) -> None:
    desk.gate.clear()
    threads = [in_thread(desk.note, f"{number:02}") for number in range(20)]
    until(lambda: queued(desk) == 20)
    desk.gate.set()
    for thread in threads:
        thread.join()
    assert desk.begun == 1
    assert desk.notes() == [f"{number:02}" for number in range(20)]


def test_an_operation_that_fails_takes_nobody_with_it(desk: Desk) -> None:
    desk.note("taken")
    desk.gate.clear()
    errors: list[Exception] = []

    def note(text: str) -> None:
        try:
            desk.note(text)
        except sqlite3.IntegrityError as error:
            errors.append(error)

    threads = [in_thread(note, text) for text in ("a", "taken", "b", "taken", "c")]
    until(lambda: queued(desk) == 5)
    desk.gate.set()
    for thread in threads:
        thread.join()
    assert desk.notes() == ["a", "b", "c", "taken"]
    assert len(errors) == 2


def test_an_operation_that_fails_alone_leaves_nothing(desk: Desk) -> None:
    def write_and_fail(transaction: Transaction) -> None:
        transaction.connection.execute("INSERT INTO note VALUES ('half')")
        raise ValueError("No.")

    with pytest.raises(ValueError, match="No"):
        desk.commits.run(write_and_fail, time.monotonic() + DEADLINE)
    desk.note("whole")
    assert desk.notes() == ["whole"]


def test_whoever_waits_too_long_gets_a_timeout_and_is_not_written(desk: Desk) -> None:
    desk.gate.clear()
    leader = in_thread(desk.note, "leader")
    until(lambda: desk.waiting == 1)
    with pytest.raises(TimeoutError):
        desk.note("late", timeout=0.05)
    desk.gate.set()
    leader.join()
    assert desk.notes() == ["leader"]


def test_when_a_leader_cannot_begin_another_tries(desk: Desk) -> None:
    errors: list[BaseException] = []
    real_begin = desk.begin

    def fail_once(deadline: float) -> sqlite3.Connection:
        desk.commits._begin = real_begin
        desk.waiting += 1
        assert desk.gate.wait(DEADLINE)
        raise sqlite3.OperationalError("database is locked")

    desk.commits._begin = fail_once
    desk.gate.clear()

    def lead() -> None:
        try:
            desk.note("leader")
        except sqlite3.OperationalError as error:
            errors.append(error)

    leader = in_thread(lead)
    until(lambda: desk.waiting == 1)
    followers = [in_thread(desk.note, text) for text in ("a", "b")]
    until(lambda: queued(desk) == 3)
    desk.gate.set()
    for thread in [leader, *followers]:
        thread.join()
    assert len(errors) == 1
    assert desk.notes() == ["a", "b"]


def test_an_interrupted_leader_costs_the_others_nothing(desk: Desk) -> None:
    desk.gate.clear()

    def write_and_be_interrupted(transaction: Transaction) -> None:
        transaction.connection.execute("INSERT INTO note VALUES ('interrupted')")
        raise KeyboardInterrupt

    interrupted = threading.Event()

    def lead() -> None:
        try:
            desk.commits.run(write_and_be_interrupted, time.monotonic() + DEADLINE)
        except KeyboardInterrupt:
            interrupted.set()

    leader = in_thread(lead)
    until(lambda: desk.waiting == 1)
    followers = [in_thread(desk.note, text) for text in ("a", "b")]
    until(lambda: queued(desk) == 3)
    desk.gate.set()
    for thread in [leader, *followers]:
        thread.join()
    assert interrupted.is_set()
    assert desk.notes() == ["a", "b"]
    desk.note("c")
    assert desk.notes() == ["a", "b", "c"]


def test_a_pause_keeps_writers_out_until_it_ends(desk: Desk) -> None:
    assert desk.commits.pause(1)
    writer = in_thread(desk.note, "a")
    until(lambda: queued(desk) == 2)
    assert desk.notes() == []
    desk.commits.resume()
    writer.join()
    assert desk.notes() == ["a"]


def test_a_pause_that_is_not_to_be_had_is_given_up(desk: Desk) -> None:
    desk.gate.clear()
    writer = in_thread(desk.note, "a")
    until(lambda: desk.waiting == 1)
    assert not desk.commits.pause(0.05)
    desk.gate.set()
    writer.join()
    assert desk.commits.pause(1)
    desk.commits.resume()
    assert desk.notes() == ["a"]


def test_very_many_threads_all_get_through(desk: Desk) -> None:
    def write(number: int) -> None:
        for step in range(30):
            desk.note(f"{number}-{step}")

    threads = [in_thread(write, number) for number in range(16)]
    for thread in threads:
        thread.join()
    assert len(desk.notes()) == 16 * 30
    assert desk.begun <= 16 * 30
