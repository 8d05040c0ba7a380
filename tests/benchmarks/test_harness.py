"""The benchmarks measure, go on when a side hangs, and tell what they have when somebody ends them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmarks.measures.publishing import PUBLISHING
from benchmarks.measures.waiting import ROUND_TRIP
from benchmarks.peers import PEERS
from benchmarks.report import Report
from benchmarks.results import Results
from benchmarks.run import Run
from benchmarks.sizes import COMPARISON, QUICK
from benchmarks.stores import RabbitStore, SqliteStore
from benchmarks.summary import summary
from celeriac import Celeriac
from celeriac.testing.conformance.harness import until
from tests.pages import ROOT
from tests.servers.rabbit_server import RabbitServer

pytestmark = pytest.mark.timeout(120)


def command(directory: Path) -> list[str]:
    words = ["--quick", "--engine", "sqlite", "--peers", "celeriac", "--output", str(directory), "round-trip"]
    return [sys.executable, "-m", "benchmarks", *words]


def test_a_run_of_one_measure_writes_tables_values_and_plots(tmp_path):
    done = subprocess.run(command(tmp_path), cwd=ROOT, check=True, capture_output=True, text=True)

    assert "## Publish one call and wait for its result" in done.stdout
    assert (tmp_path / "sqlite" / "report.md").read_text() == done.stdout.removesuffix("\n")
    measured = json.loads((tmp_path / "sqlite" / "report.json").read_text())["measures"][0]["values"]
    assert measured["p50"]["celeriac"][0] > 0
    assert (tmp_path / "sqlite" / "round-trip-p50.svg").read_text().startswith("<svg")


def test_a_side_that_hangs_is_given_up_and_named_and_the_others_are_measured(tmp_path):
    hanging = replace(PEERS[0], name="sleeper", worker=("python", "-c", "import time; time.sleep(600)"))
    reports: list[Report] = []
    run = Run("sqlite", replace(QUICK, patience=8.0), SqliteStore, keep=reports.append)

    run.measure([hanging, PEERS[0]], [ROUND_TRIP])

    assert reports[-1].results.missing == {"sleeper": {"everything": "does not run: given up after 8 s"}}
    assert reports[-1].results.rows("round-trip") == ["celeriac"]


def test_each_round_of_publishing_has_the_bare_client_right_before_or_after_celeriac(capsys):
    run = Run("sqlite", replace(QUICK, publish_rounds=3, publish=200, bulk=1_000), SqliteStore, keep=lambda _: None)

    run.measure([PEERS[0]], [PUBLISHING])

    said = [line.split(": ")[-1].partition(",")[0] for line in capsys.readouterr().err.splitlines()]
    assert said[1:] == ["SQLite alone", "celeriac", "celeriac", "SQLite alone", "SQLite alone", "celeriac"]
    rates = run.results.values["publish"]["rate"]
    assert len(rates["celeriac"]) == len(rates["SQLite alone"]) == 3
    ratios = sorted(own / bare for own, bare in zip(rates["celeriac"], rates["SQLite alone"], strict=True))
    assert run.results.ratio("publish", PUBLISHING.columns[0], "SQLite alone") == ratios[1]


def test_what_one_measurement_leaves_on_rabbitmq_is_gone_before_the_next(tmp_path):
    with RabbitServer(tmp_path) as server:
        store = RabbitStore(tmp_path, server)
        app = Celeriac("left", broker=store.urls()[0], set_as_current=False)
        app.send_task("left.now")
        app.send_task("left.later", countdown=600)
        app.close()
        assert server.control("list_queues", "name").split()

        store.close()

        assert server.control("list_queues", "name").split() == []


@pytest.fixture
def run(tmp_path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        command(tmp_path), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_ctrl_c_ends_the_children_and_writes_what_there_is(run, tmp_path):
    assert run.stderr is not None
    assert "warming up: celeriac" in run.stderr.readline()
    own = psutil.Process(run.pid)
    while not (family := own.children(recursive=True)):
        assert run.poll() is None

    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=30)

    assert run.returncode == 1
    assert "- interrupted: " in said
    assert (tmp_path / "sqlite" / "report.md").exists()
    # They have been told; the last of them end by themselves, when what they belong to is gone.
    until(lambda: not any(lives(child) for child in family))


def test_a_run_in_short_sets_celeriac_against_the_best_other_and_the_bare_client():
    results = Results()
    for row, rate in {"celeriac": 900.0, "Huey": 300.0, "flexiq": 450.0, "SQLite alone": 1_800.0}.items():
        results.add("publish", row, {"rate": rate})

    said = summary([PUBLISHING], results, ["celeriac", "Huey", "flexiq"], ["SQLite alone"])

    assert said.splitlines()[2:] == [
        "| publish one by one, calls/s | 900 | 450 (2.0) flexiq | 300 (3.0) | 1,800 (0.5) |",
    ]


def test_a_revision_is_slower_when_the_ratio_of_its_rounds_says_so_by_more_than_the_noise():
    results = Results()
    for earlier in (1_000.0, 2_000.0, 1_500.0):
        results.add("publish", "celeriac", {"rate": earlier * 0.9, "cpu": 100.0})
        results.add("publish", "celeriac abc123", {"rate": earlier, "cpu": 98.0})
    report = Report(
        engine="sqlite",
        sizes=COMPARISON,
        measures=[PUBLISHING],
        results=results,
        settings={},
        sides=["celeriac", "celeriac abc123"],
        versions={},
        facts={},
    )

    assert report.slower() == [
        "Publishing, one process, one by one, calls/s: 0.90 times as good as celeriac abc123",
    ]
