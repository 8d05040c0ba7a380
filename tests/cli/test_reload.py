"""The watcher of code: with and without ``watchfiles`` it sees what changes, and only that."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac.worker.reload import CodeWatcher
from tests.cli.conftest import wait_until


@pytest.fixture
def hang_ups() -> Iterator[list[int]]:
    """What the node would handle."""
    received: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _: received.append(number))
    yield received
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(params=[True, False], ids=["polling", "watchfiles"])
def watch(request: pytest.FixtureRequest):
    watchers: list[CodeWatcher] = []

    def start(*folders: Path, resources: tuple[str, ...] = ()) -> None:
        watcher = CodeWatcher(folders, polls=request.param)
        watcher.start(resources=resources)
        watchers.append(watcher)

    yield start
    for watcher in watchers:
        watcher.stop()
    wait_until(lambda: not any(thread.name == "reload" for thread in threading.enumerate()), "ended")


def change_until(hang_ups: list[int], *files: Path) -> None:
    """Change files until it has been seen: the watcher may not have begun yet."""
    number = 0

    def seen() -> bool:
        nonlocal number
        number += 1
        for file in files:
            file.write_text(f"x = {number}\n")
        return bool(hang_ups)

    wait_until(seen, "seen")


def test_a_changed_file_is_told_to_the_node(tmp_path: Path, hang_ups, watch):
    (tmp_path / "package").mkdir()
    watch(tmp_path)
    change_until(hang_ups, tmp_path / "package" / "tasks.py")
    assert set(hang_ups) == {signal.SIGHUP}


def test_what_is_no_code_of_the_projects_is_not(tmp_path: Path, hang_ups, watch, caplog: pytest.LogCaptureFixture):
    others = [tmp_path / name / "x.py" for name in (".git", "__pycache__", "node_modules")] + [tmp_path / "queue.db"]
    for other in others:
        other.parent.mkdir(exist_ok=True)
    watch(tmp_path)
    change_until(hang_ups, *others, tmp_path / "tasks.py")
    assert {record.getMessage() for record in caplog.records} == {"Changed: tasks.py."}


def test_of_resources_every_file_that_is_read_counts(tmp_path: Path, hang_ups, watch, caplog):
    (tmp_path / "code").mkdir()
    (tmp_path / "templates" / "mail").mkdir(parents=True)
    watch(tmp_path / "code", resources=(str(tmp_path / "templates"), str(tmp_path / "nowhere")))
    unread = [tmp_path / "templates" / name for name in (".letter.html.swp", "letter.html~", "django.po")]
    change_until(hang_ups, *unread, tmp_path / "templates" / "mail" / "letter.html", tmp_path / "code" / "notes.txt")
    assert {record.getMessage() for record in caplog.records} == {"Changed: letter.html."}


def test_folders_within_watched_ones_are_watched_once(tmp_path: Path):
    (tmp_path / "package").mkdir()
    assert CodeWatcher([tmp_path / "package", tmp_path])._folders == [tmp_path.resolve()]
