"""Whole workers whose tasks run longer than the server bears, with results by ``rpc://``."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from celeriac import Celeriac
from celeriac.testing.conformance.harness import until
from tests.amqp.impatient_server import ImpatientServer

pytestmark = [pytest.mark.timeout(180), pytest.mark.soak]

#: Seconds.
TIMEOUT = 4.0

TASKS = """
import os, time
from celeriac import Celeriac

app = Celeriac("long")
app.conf.update(
    broker_url=os.environ["BROKER"],
    result_backend="rpc://",
    broker_transport_options={"consumer_timeout": 4.0},
)

@app.task(name="long.sleep")
def sleep(seconds, journal):
    with open(journal, "a") as file:
        file.write(f"{os.getpid()} begins\\n")
    time.sleep(seconds)
    with open(journal, "a") as file:
        file.write(f"{os.getpid()} ends\\n")
    return os.getpid()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ImpatientServer(tmp_path_factory.mktemp("rabbitmq"), patience=TIMEOUT) as server:
        yield server


@pytest.fixture
def start_worker(server, tmp_path):
    (tmp_path / "long.py").write_text(TASKS)
    source = Path(__file__).parents[2] / "src"
    environment = os.environ | {"BROKER": server.url, "PYTHONPATH": f"{source}{os.pathsep}{tmp_path}"}
    workers: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> tuple[subprocess.Popen[bytes], Path]:
        log = tmp_path / f"{name}.log"
        with log.open("wb") as output:
            worker = subprocess.Popen(
                [sys.executable, "-m", "celeriac", "-A", "long", "worker", "-c", "2", "-n", f"{name}@test"],
                cwd=tmp_path,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        workers.append(worker)
        until(lambda: "is ready" in log.read_text(), timeout=60)
        return worker, log

    yield start
    for worker in workers:
        worker.terminate()
    for worker in workers:
        try:
            worker.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


@pytest.fixture
def app(server):
    app = Celeriac("client")
    app.conf.update(broker_url=server.url, result_backend="rpc://")
    yield app
    app.backend._remove()
    app.close()


def test_a_task_three_times_as_long_is_run_once_beside_short_ones(app, start_worker, tmp_path):
    journal = tmp_path / "journal"
    _, log = start_worker("one")
    start_worker("two")
    long = app.send_task("long.sleep", (3 * TIMEOUT, str(journal)))
    deadline = time.monotonic() + 2 * TIMEOUT
    while time.monotonic() < deadline:
        assert app.send_task("long.sleep", (0, os.devnull)).get(timeout=30)
    pid = long.get(timeout=60)
    assert journal.read_text() == f"{pid} begins\n{pid} ends\n"
    assert "broke with" not in log.read_text()
    assert app.broker.size("celery").ready == 0


def test_a_node_killed_while_it_holds_leaves_its_task_to_another(app, start_worker, tmp_path):
    journal = tmp_path / "journal"
    worker, _ = start_worker("one")
    long = app.send_task("long.sleep", (2 * TIMEOUT, str(journal)))
    until(lambda: journal.exists() and "begins" in journal.read_text())
    # By then it is held by a copy.
    time.sleep(0.75 * TIMEOUT)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    start_worker("two")
    pid = long.get(timeout=90)
    assert journal.read_text().splitlines()[-1] == f"{pid} ends"
    assert len(journal.read_text().splitlines()) == 3
