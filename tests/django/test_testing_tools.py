"""The testing tools in a small site: its tests (papershop/orders) are run as its developers would run them."""

import os
import subprocess
import sys
from pathlib import Path

PAPERSHOP = Path(__file__).parent / "papershop"


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these words in the site, whose files are in the folder; no warning is let pass."""
    environment = {
        "PAPERSHOP": str(folder),
        "DJANGO_SETTINGS_MODULE": "papershop.settings",
        "PYTHONPATH": os.pathsep.join([str(PAPERSHOP), os.environ.get("PYTHONPATH", "")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": "",
    }
    return subprocess.run(
        [sys.executable, "-W", "error", *words],
        cwd=PAPERSHOP,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_sites_tests_pass_with_djangos_runner_and_reach_no_broker(tmp_path: Path) -> None:
    done = run(tmp_path, "manage.py", "test", "orders.site_tests")
    assert done.returncode == 0, done.stderr
    assert "Ran 37 tests" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_tests_that_run_beside_each_other_do_not_see_each_others_tasks(tmp_path: Path) -> None:
    done = run(tmp_path, "manage.py", "test", "--parallel", "2", "orders.site_tests")
    assert done.returncode == 0, done.stderr
    assert "Ran 37 tests" in done.stderr


def test_so_they_do_in_processes_that_are_no_copies(tmp_path: Path) -> None:
    words = ("manage.py", "test", "--parallel", "2", "orders.site_tests")
    # Django's spawned processes find no copy of a test database that is a file.
    done = run(tmp_path, *words, PAPERSHOP_START_METHOD="spawn", PAPERSHOP_TEST_NAME=":memory:")
    assert done.returncode == 0, done.stderr
    assert "Ran 37 tests" in done.stderr
    assert not (tmp_path / "queue.sqlite3").exists()


def test_a_sites_tests_pass_with_pytest(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        # By its module, for it may not be installed as a plugin here, and not as that too.
        *("-m", "pytest", "-W", "error", "-p", "no:celeriac", "-p", "celeriac.testing.pytest_plugin"),
        *("-p", "no:cacheprovider"),
        *("--noconftest", "-c", os.devnull, "--rootdir", str(PAPERSHOP)),
        *("orders/site_pytests.py", "orders/site_tests.py"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "45 passed" in done.stdout or "44 passed, 1 skipped" in done.stdout
    assert not (tmp_path / "queue.sqlite3").exists()


def test_a_broker_that_was_opened_while_the_site_was_imported_is_left_alone(tmp_path: Path) -> None:
    done = run(tmp_path, "manage.py", "test", "orders.site_tests.WithoutTheMixin", PAPERSHOP_OPENS_EARLY="yes")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "queue.sqlite3").exists()


def test_the_environment_can_ask_for_real_brokers(tmp_path: Path) -> None:
    done = run(tmp_path, "manage.py", "test", "orders.site_tests.WithoutTheMixin", CELERIAC_TEST_BROKER="real")
    assert done.returncode == 1
    assert "is an instance of <class 'celeriac.brokers.sqlite.broker.SqliteBroker'>" in done.stderr
    assert (tmp_path / "queue.sqlite3").exists()


def test_a_site_that_serves_imports_none_of_it(tmp_path: Path) -> None:
    code = """
import sys, django
django.setup()
from celeriac import current_app
from orders.tasks import pack
pack.delay(1)
tools = [name for name in sys.modules if name.startswith(("celeriac.testing", "django.test."))]
print(type(current_app.broker).__name__, tools)
"""
    done = run(tmp_path, "-c", code)
    assert (done.stdout, done.stderr) == ("SqliteBroker []\n", "")
