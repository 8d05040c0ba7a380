"""Whatever is wrong with the file, a sentence says what, and what to do."""

import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from celeriac.backends.base import StoredResult
from celeriac.backends.sqlite import SqliteBackend
from celeriac.brokers.base import QueueSize
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.exceptions import (
    BackendGetMetaError,
    BackendStoreError,
    BrokerUnavailable,
    ImproperlyConfigured,
    OperationalError,
    PublishUnconfirmed,
)
from celeriac.protocol.message import Message
from celeriac.routing import Queue
from celeriac.sqlite.connections import SCHEMA_VERSION
from celeriac.testing.conformance.harness import until

NOBODY = 65534


def message(task_id: str = "a", size: int = 0) -> Message:
    return Message(id=task_id, queue="q", headers={}, body=b"x" * size)


def expect(error: type[OperationalError], words: str, action: Callable[[], object]) -> None:
    with pytest.raises(error, match=words) as caught:
        action()
    sentence = str(caught.value)
    assert re.search(r"\.$", sentence), f"{sentence!r} is not a sentence."


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    broker = SqliteBroker(f"sqlite:///{tmp_path}/nowhere/q.sqlite3")
    expect(BrokerUnavailable, "nowhere does not exist. Create it", lambda: broker.publish([message()]))
    expect(OperationalError, "nowhere does not exist", broker.open)


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    broker = SqliteBroker(f"sqlite:///{tmp_path}")
    expect(OperationalError, "is a directory, not a database", broker.open)


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, broker: SqliteBroker) -> None:
    path.write_text("This is a letter, and not a database. " * 100)
    expect(BrokerUnavailable, "is not an SQLite database", lambda: broker.publish([message()]))
    assert path.read_text().startswith("This is a letter")


def test_another_application_s_database_is_refused_and_left_alone(path: Path, broker: SqliteBroker) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE auth_user (id INTEGER)")
    expect(OperationalError, "of another application", broker.open)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("auth_user",)]
    connection.close()


def test_a_newer_schema_is_refused(path: Path, broker: SqliteBroker) -> None:
    broker.open()
    broker.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    expect(OperationalError, f"version {SCHEMA_VERSION + 1}, this celeriac knows {SCHEMA_VERSION}", broker.open)


def test_a_damaged_file_is_called_damaged(path: Path, broker: SqliteBroker, backend: SqliteBackend) -> None:
    broker.publish([message(str(number), 500) for number in range(200)])
    broker.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    expect(BrokerUnavailable, "is damaged|is not an SQLite database", lambda: broker.publish([message()]))
    expect(OperationalError, "is damaged", lambda: broker.size("q"))
    expect(BackendGetMetaError, "is damaged", lambda: backend.fetch(["a"]))


def test_a_locked_database_is_waited_for_until_the_deadline(
    path: Path, broker: SqliteBroker, backend: SqliteBackend
) -> None:
    broker.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    expect(BrokerUnavailable, "stayed locked by another process", lambda: broker.publish([message()], timeout=0.2))
    with pytest.raises(BrokerUnavailable) as caught:
        broker.publish([message()], timeout=0)
    assert not isinstance(caught.value, PublishUnconfirmed)
    # Looking needs no lock.
    assert broker.size("q") == QueueSize()
    assert backend.fetch(["a"]) == {}
    other.execute("COMMIT")
    other.close()
    broker.publish([message()])
    assert broker.size("q") == QueueSize(ready=1)


def test_a_file_that_is_deleted_in_use_is_missed_and_a_new_one_is_used(path: Path, broker: SqliteBroker) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    broker.publish([message("before")])
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()

    def is_missed() -> bool:
        try:
            broker.publish([message("lost")])
        except BrokerUnavailable as error:
            return "was deleted while it was in use" in str(error)
        return False

    until(is_missed)
    broker.publish([message("after")])
    [delivery] = consumer.receive(10, 5)
    assert b"after" in delivery.envelope
    assert [node.name for node in broker.nodes()] == ["one@here"]
    assert not consumer.renew()
    assert consumer.renew()
    consumer.close()
    assert broker.size("q") == QueueSize(ready=1)


def test_a_waiting_consumer_notices_that_the_file_is_deleted(path: Path, broker: SqliteBroker) -> None:
    consumer = broker.consumer([Queue("q")], node="one@here")
    assert consumer.receive(1, 0) == []
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    expect(OperationalError, "was deleted while it was in use", lambda: consumer.receive(1, 30))
    SqliteBroker(broker.url).publish([message("after")])
    assert len(consumer.receive(1, 30)) == 1
    consumer.close()


@pytest.mark.parametrize("option", ["synchronous=sometimes", "synchronus=full", "timeout=3"])
def test_an_unknown_option_is_a_mistake_in_the_url(url: str, option: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=option.partition("=")[0]):
        SqliteBroker(f"{url}?{option}")


def test_full_synchronisation_can_be_asked_for(url: str, broker: SqliteBroker) -> None:
    strict = SqliteBroker(f"{url}?synchronous=full")
    strict.publish([message()])
    for database, level in ((strict.database, 2), (broker.database, 1)):
        found = database.write(lambda transaction: transaction.connection.execute("PRAGMA synchronous").fetchone())
        assert found == (level,)
    strict.close()


# With limits that bind root as well: in a process of its own.


def run(program: str, url: str, *, before: Callable[[], None] | None = None, user: int | None = None) -> str:
    """Run a program that has ``broker``, ``backend`` and ``message``; return what it prints."""
    head = (
        "import sys, os\n"
        "from celeriac.routing import Queue\n"
        "from celeriac.backends.base import StoredResult\n"
        "from celeriac.backends.sqlite import SqliteBackend\n"
        "from celeriac.brokers.sqlite import SqliteBroker\n"
        "from celeriac.exceptions import *\n"
        "from celeriac.protocol.message import Message\n"
        # Only now: another user may not be able to read the interpreter's files.
        "if sys.argv[2] and os.geteuid() == 0:\n"
        "    os.setgroups([]), os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))\n"
        "broker = SqliteBroker(sys.argv[1])\n"
        "backend = SqliteBackend(sys.argv[1], broker=broker)\n"
        "message = Message(id='a', queue='q', headers={}, body=b'x' * 100_000)\n"
        "def attempt(action):\n"
        "    try:\n"
        "        action()\n"
        "    except OperationalError as error:\n"
        "        print(type(error).__name__, error)\n"
        "    else:\n"
        "        print('done')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", head + program, url, str(user or "")],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=before,
    )
    return done.stdout


@pytest.fixture
def open_path(tmp_path: Path) -> Iterator[Path]:
    """A directory that other users reach, which pytest's are not."""
    parents = [parent for parent in [tmp_path, *tmp_path.parents] if parent.stat().st_mode & 0o005 != 0o005]
    if os.geteuid() != 0:
        parents = []
    modes = [(parent, parent.stat().st_mode) for parent in parents]
    for parent in parents:
        parent.chmod(0o755)
    yield tmp_path
    for parent, mode in modes:
        parent.chmod(mode)
    (tmp_path / "celeriac.sqlite3").unlink(missing_ok=True)


def test_a_read_only_file_is_called_so(open_path: Path, path: Path, url: str, broker: SqliteBroker) -> None:
    broker.publish([message()])
    broker.close()
    open_path.chmod(0o777)
    path.chmod(0o444)
    output = run("attempt(lambda: broker.publish([message]))", url, user=NOBODY)
    assert output.startswith("BrokerUnavailable This process (user id")
    assert f"may not read and write {path}. Give it the right to." in output


def test_a_read_only_directory_is_called_so(open_path: Path, path: Path, url: str, broker: SqliteBroker) -> None:
    broker.open()
    broker.close()
    path.chmod(0o666)
    open_path.chmod(0o555)
    output = run("attempt(lambda: broker.publish([message]))", url, user=NOBODY)
    open_path.chmod(0o755)
    assert f"may not write in the directory {open_path}" in output


def test_two_users_who_may_both_write_the_file_share_it(
    open_path: Path, path: Path, url: str, broker: SqliteBroker
) -> None:
    open_path.chmod(0o777)
    path.touch()
    path.chmod(0o666)
    consumer = broker.consumer([Queue("q")], node="one@here")
    program = (
        "broker.publish([message])\n"
        "consumer = broker.consumer([Queue('q')], node='two@here')\n"
        "print(len(consumer.receive(1, 5)))\n"
        "consumer.close()\n"
    )
    assert run(program, url, user=NOBODY) == "1\n"
    assert len(consumer.receive(1, 30)) == 1
    consumer.close()


def test_a_file_that_may_not_grow_is_an_error_and_what_is_stored_stays(url: str, broker: SqliteBroker) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    program = (
        "for _ in range(30):\n"
        "    attempt(lambda: broker.publish([message]))\n"
        "attempt(lambda: backend.store([StoredResult(task_id='a', state='SUCCESS', document=message.body * 9)]))\n"
    )
    *published, stored = run(program, url, before=limit).splitlines()
    assert "done" in published
    assert published[-1].startswith("BrokerUnavailable")
    assert "failed (SQLITE_IOERR" in published[-1]
    assert stored.startswith("BackendStoreError")
    assert broker.size("q") == QueueSize(ready=published.count("done"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "celeriac-test", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can make a small disk; the test of a file that may not grow stands for this one")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_called_so_and_nothing_is_lost(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk}/q.sqlite3"
    broker = SqliteBroker(url)
    backend = SqliteBackend(url, broker=broker)
    published = 0

    def publish_until_it_fails() -> None:
        nonlocal published
        while True:
            broker.publish([message(str(published), 50_000)])
            published += 1

    expect(BrokerUnavailable, f"The disk that holds {small_disk}/q.sqlite3 is full", publish_until_it_fails)
    assert published > 0
    expect(
        BackendStoreError,
        "is full",
        lambda: backend.store([StoredResult(task_id="a", state="SUCCESS", document=b"x" * 900_000)]),
    )
    assert broker.size("q") == QueueSize(ready=published)
    backend.close()
    broker.close()
