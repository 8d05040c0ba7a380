"""The plugin in projects without Django, run by a pytest of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TASKS = """
from celeriac import Celeriac
app = Celeriac("post", broker="sqlite:///queue.sqlite3", backend="sqlite:///queue.sqlite3")

@app.task(name="post.send")
def send(letter):
    return letter * 2
"""

#: For every way to switch recording on or off: what a test sees that asks for nothing.
LOOKS = """
from tasks import app, send

def test_looks():
    send.delay(1)
    print("sent to", type(app.broker).__name__)
    app.close()
"""


class Project:
    """A folder with tasks, tests and a configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tasks.py").write_text(TASKS)
        self.configure()

    def configure(self, text: str = "") -> None:
        (self.folder / "pytest.ini").write_text(f"[pytest]\naddopts = --strict-config --strict-markers\n{text}")

    def run(self, tests: str, **variables: str) -> str:
        """Return the output of pytest for these tests."""
        (self.folder / "test_post.py").write_text(tests)
        command = [
            *(sys.executable, "-m", "pytest", "-W", "error", "-s", "-p", "no:cacheprovider", "-p", "no:django"),
            # By its module, for it may not be installed as a plugin here, and not as that too.
            *("-p", "no:celeriac", "-p", "celeriac.testing.pytest_plugin", "test_post.py"),
        ]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CELERIAC_", "DJANGO_"))}
        done = subprocess.run(
            command, cwd=self.folder, env=kept | variables, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout + done.stderr

    @property
    def has_queue(self) -> bool:
        return (self.folder / "queue.sqlite3").exists()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_fixture_records_runs_and_moves_time(project: Project) -> None:
    output = project.run("""
import pytest
from celeriac.engines import broker_from_url
from celeriac.testing import RealEngineError
from tasks import app, send

def test_asserts_and_runs(celeriac_tasks):
    result = send.delay(3)
    celeriac_tasks.assert_enqueued(send, [3], times=1)
    assert [run.value for run in celeriac_tasks.run()] == [6]
    assert result.get() == 6

def test_begins_with_nothing(celeriac_tasks):
    celeriac_tasks.assert_not_enqueued(send)
    send.apply_async((1,), countdown=3600)
    assert celeriac_tasks.run() == []
    celeriac_tasks.advance("1h")
    assert len(celeriac_tasks.run()) == 1

def test_refuses_a_real_broker(celeriac_tasks):
    with pytest.raises(RealEngineError):
        broker_from_url("sqlite:///queue.sqlite3")
""")
    assert "3 passed" in output
    assert not project.has_queue


def test_a_project_that_has_celeriac_installed_is_left_alone(project: Project) -> None:
    assert "sent to SqliteBroker" in project.run(LOOKS)
    assert project.has_queue


def test_every_test_records_where_the_configuration_says_so(project: Project) -> None:
    project.configure("celeriac_test_broker = record\n")
    output = project.run(
        LOOKS
        + """
import pytest
from celeriac.testing import TaskNotRunError

send.delay(0)  # while tests are collected

@pytest.fixture(scope="module")
def prepared():
    return send.delay(1)

def test_sees_only_its_own(prepared, celeriac_tasks):
    celeriac_tasks.assert_not_enqueued(send)
    with pytest.raises(TaskNotRunError):
        prepared.get()
"""
    )
    assert "sent to RecordingBroker" in output
    assert "2 passed" in output
    assert not project.has_queue


def test_one_test_can_have_a_real_broker(project: Project) -> None:
    project.configure("celeriac_test_broker = record\n")
    output = project.run(LOOKS.replace("def test", "import pytest\n@pytest.mark.celeriac(real_broker=True)\ndef test"))
    assert "sent to SqliteBroker" in output
    assert project.has_queue


def test_the_environment_comes_before_the_configuration(project: Project) -> None:
    project.configure("celeriac_test_broker = record\n")
    assert "sent to SqliteBroker" in project.run(LOOKS, CELERIAC_TEST_BROKER="real")
    project.configure("celeriac_test_broker = real\n")
    assert "sent to RecordingBroker" in project.run(LOOKS, CELERIAC_TEST_BROKER="record")


def test_what_cannot_be_meant_is_told(project: Project) -> None:
    output = project.run("""
import pytest

@pytest.mark.celeriac(real_broker=True)
def test_contradicts_itself(celeriac_tasks): ...

@pytest.mark.celeriac(real_brokers=True)
def test_slips(celeriac_tasks): ...
""")
    assert "is marked to use a real broker, so nothing is recorded and it cannot use " in output
    assert "unexpected keyword argument 'real_brokers'" in output
    project.configure("celeriac_test_broker = fake\n")
    assert "is 'fake'; it must be one of auto, record, real." in project.run(LOOKS)
