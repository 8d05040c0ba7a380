"""The timetable in a file: kill -9 of schedulers, files of older versions, forks, and clocks that are set back."""

import os
import random
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac.brokers.sqlite import SqliteBroker
from celeriac.exceptions import OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.run_id import run_id
from celeriac.schedule_entry import ScheduleEntry
from celeriac.sqlite.database import Database
from celeriac.sqlite.location import Location
from celeriac.sqlite.queries import SCHEMA_STEPS
from celeriac.testing.conformance.harness import in_thread, until
from celeriac.timetables.sqlite import SqliteTimetable
from tests.sqlite.conftest import Start

ENTRIES = [f"entry-{number}" for number in range(6)]
FIRST, LAST = 1000.0, 3000.0
#: Schedulers killed, and how many of them run at the same time.
ROUNDS, TOGETHER = 25, 3


def timetable_at(url: str, broker: SqliteBroker | None = None) -> SqliteTimetable:
    return SqliteTimetable(Database(Location.from_url(url, {})), broker=broker)


def entry(name: str) -> ScheduleEntry:
    return ScheduleEntry(name=name, task="t", schedule={"every": 1})


@pytest.fixture
def timetable(url: str, broker: SqliteBroker) -> Iterator[SqliteTimetable]:
    timetable = timetable_at(url, broker)
    yield timetable
    timetable.close()


@pytest.mark.parametrize("suffix", ["", "-timetable"], ids=["one file", "two files"])
def test_schedulers_killed_at_random_moments_publish_every_run(
    start: Start, url: str, tmp_path: Path, broker: SqliteBroker, suffix: str
) -> None:
    moments = random.Random(20261126)
    timetable = timetable_at(url + suffix, broker)
    timetable.sync("code", [entry(name) for name in ENTRIES], lambda _: FIRST)
    log = tmp_path / "claimed"
    arguments = (url, url + suffix, str(log), str(LAST))
    running: list[subprocess.Popen[str]] = []
    killed = 0
    for _ in range(ROUNDS):
        size = log.stat().st_size if log.exists() else 0
        running.append(start("scheduler", *arguments))
        if len(running) < TOGETHER:
            continue
        until(lambda size=size: has_grown(log, size) or not timetable.due(1).states)  # type: ignore[misc]
        victim = running.pop(0)
        try:
            victim.wait(moments.uniform(0, 0.03))
        except subprocess.TimeoutExpired:
            victim.kill()
        killed += victim.wait() == -9
    assert killed > ROUNDS / 2, "The work was done before most of them could be killed."
    last = start("scheduler", *arguments)
    for process in [*running, last]:
        assert process.wait(60) == 0

    published = Counter(message.id for message in broker.peek("q", 10_000_000))
    dues = [FIRST + number for number in range(int(LAST - FIRST) + 1)]
    assert set(published) == {run_id(timetable.namespace(), name, due) for name in ENTRIES for due in dues}
    if timetable.publishes:
        assert set(published.values()) == {1}
    assert Counter(log.read_text().splitlines()).most_common(1)[0][1] == 1, "Two have had one claim."
    assert timetable.pending(0) == []
    for name in ENTRIES:
        state = timetable.get(name)
        assert state is not None
        assert (state.runs_total, state.next_at, state.last_due) == (len(dues), None, LAST)
        assert [record.due for record in timetable.history(name)] == dues[:-101:-1]
    timetable.close()


def has_grown(log: Path, size: int) -> bool:
    return log.exists() and log.stat().st_size > size


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
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    other = timetable_at(url)
    other.save(entry("b"), 1.0)
    until(lambda: is_found(timetable, "b"))
    timetable.due(1)
    thread = in_thread(other.save, entry("c"), 1.0)
    assert timetable.wait(30)
    thread.join()
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
