"""The timetable in a file: files of older versions, forks, files that are deleted, and clocks that are set back."""

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac.brokers.sqlite import SqliteBroker
from celeriac.exceptions import OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.schedule_entry import ScheduleEntry
from celeriac.sqlite.database import Database
from celeriac.sqlite.location import Location
from celeriac.sqlite.queries import SCHEMA_STEPS
from celeriac.testing.conformance.harness import in_thread, until
from celeriac.timetables.sqlite import SqliteTimetable


def timetable_at(url: str, broker: SqliteBroker | None = None) -> SqliteTimetable:
    return SqliteTimetable(Database(Location.from_url(url, {})), broker=broker)


def entry(name: str) -> ScheduleEntry:
    return ScheduleEntry(name=name, task="t", schedule={"every": 1})


@pytest.fixture
def timetable(url: str, broker: SqliteBroker) -> Iterator[SqliteTimetable]:
    timetable = timetable_at(url, broker)
    yield timetable
    timetable.close()


def test_a_file_without_a_timetable_gets_one_and_keeps_what_is_in_it(path: Path, url: str) -> None:
    make_file_of_version_1(path)
    broker = SqliteBroker(url)
    timetable = timetable_at(url, broker)
    timetable.save(entry("a"), 1.0)
    assert [message.id for message in broker.peek("q")] == ["old"]
    assert timetable.count() == 1
    timetable.close()
    broker.close()


def test_a_file_of_an_older_version_can_be_looked_at_before_anybody_writes(path: Path, url: str) -> None:
    make_file_of_version_1(path)
    timetable = timetable_at(url)
    assert timetable.due(10).states == ()
    timetable.close()


def test_all_who_open_a_file_of_an_older_version_at_once_can_use_it(path: Path, url: str) -> None:
    make_file_of_version_1(path)
    timetables = [timetable_at(url) for _ in range(6)]
    threads = [in_thread(timetable.save, entry(f"{number}"), 1.0) for number, timetable in enumerate(timetables)]
    for thread in threads:
        thread.join()
    assert timetables[0].count() == 6
    for timetable in timetables:
        timetable.close()


def test_a_change_rings_whoever_waits(url: str, timetable: SqliteTimetable) -> None:
    timetable.due(1)
    assert not timetable.wait(0)
    bell = timetable._listening._bell
    assert bell is not None
    other = timetable_at(url)
    other.save(entry("a"), 1.0)
    assert bell.wait(30) is None, "Nobody has rung it."
    other.close()


def test_a_fork_s_child_waits_on_a_bell_of_its_own(timetable: SqliteTimetable) -> None:
    timetable.due(1)
    assert not timetable.wait(0)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        timetable.due(1)
        os.write(writer, b"looked")
        os._exit(0 if timetable.wait(30) else 1)
    assert os.read(reader, 10) == b"looked"
    timetable.save(entry("a"), 1.0)
    assert timetable.wait(30)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(reader)
    os.close(writer)


def test_a_wait_goes_on_in_the_file_that_takes_the_place_of_a_deleted_one(
    path: Path, url: str, timetable: SqliteTimetable
) -> None:
    timetable.save(entry("a"), 1.0)
    timetable.due(1)
    assert not timetable.wait(0)
    namespace = timetable.namespace()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    other = timetable_at(url)
    other.save(entry("b"), 1.0)
    until(lambda: is_found(timetable, "b"))
    timetable.due(1)
    thread = in_thread(other.save, entry("c"), 1.0)
    assert timetable.wait(30)
    thread.join()
    assert timetable.namespace() == other.namespace() != namespace
    other.close()


def is_found(timetable: SqliteTimetable, name: str) -> bool:
    try:
        return timetable.get(name) is not None
    except OperationalError:
        return False


def test_a_clock_that_is_set_back_makes_nobody_leader_for_long(path: Path, timetable: SqliteTimetable) -> None:
    assert timetable.lead("one", 60)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schedule_leader SET since = ?, until = ?", (time.time() + 3600, time.time() + 3660))
    connection.close()
    assert timetable.leader() is None
    assert timetable.lead("two", 60)


def make_file_of_version_1(path: Path) -> None:
    old = Message(id="old", queue="q", headers={"task": "t"})
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMA_STEPS[0])
        connection.execute("PRAGMA application_id = 0x636C7263")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("INSERT INTO queue (name) VALUES ('q')")
        row = ("q", 0, envelopes.encode(old))
        connection.execute("INSERT INTO message (queue, urgency, envelope) VALUES (?, ?, ?)", row)
    connection.close()
