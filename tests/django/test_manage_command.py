"""``manage.py celeriac``: the whole command line, for the site that manage.py names."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.django.small_site import SmallSite

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallSite]:
    """A site that these tests share and leave as it was."""
    made = SmallSite(tmp_path_factory.mktemp("site"))
    yield made
    made.close()


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[SmallSite]:
    made = SmallSite(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (("celeriac", "--help"), "Usage: manage.py celeriac [OPTIONS] COMMAND"),
        (("help", "celeriac"), "Usage: manage.py celeriac [OPTIONS] COMMAND"),
        (("celeriac", "worker", "--help"), "Usage: manage.py celeriac worker [OPTIONS]"),
        (("celeriac", "dead", "list", "--help"), "Usage: manage.py celeriac dead list [OPTIONS]"),
        (("celeriac", "schedule", "next", "--help"), "Usage: manage.py celeriac schedule next [OPTIONS] [NAME]"),
    ],
)
def test_help_pages_say_what_to_type(site: SmallSite, words: tuple[str, ...], usage: str) -> None:
    done = site.manage(*words)
    assert done.returncode == 0
    assert done.stdout.startswith(usage)


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("status",), 69, "Start one: python manage.py celeriac worker"),
        (("result", "nobody-knows-it"), 75, "Nothing is known of task nobody-knows-it"),
        (("statsu",), 2, "Did you mean 'status'?"),
        (("call", "beds.tasks.nothing"), 2, "beds.tasks.nothing"),
        (("queues",), 0, ""),
        (("schedule", "run", "nightly"), 2, "start a scheduler: python manage.py celeriac beat"),
    ],
)
def test_exit_statuses_are_those_of_celeriac(
    site: SmallSite, words: tuple[str, ...], status: int, sentence: str
) -> None:
    done = site.manage("celeriac", *words)
    assert done.returncode == status, done.stderr
    assert sentence in done.stderr


@pytest.mark.parametrize(
    "words", [("--settings", "garden.other", "status"), ("status", "--settings=garden.other")], ids=["before", "behind"]
)
def test_djangos_settings_option_may_stand_before_a_command_and_behind(site: SmallSite, words: tuple[str, ...]) -> None:
    assert "other.sqlite3" in site.manage("celeriac", *words).stdout


def test_djangos_verbosity_decides_how_much_is_said(site: SmallSite) -> None:
    assert "Broker" in site.manage("celeriac", "status", "-v", "1").stdout
    assert "Broker" not in site.manage("celeriac", "status", "-v", "0").stdout
    assert "Broker" not in site.manage("celeriac", "--verbosity", "0", "status").stdout


def test_djangos_traceback_shows_where_an_error_was_raised(site: SmallSite) -> None:
    assert "Traceback" not in site.manage("celeriac", "status").stderr
    done = site.manage("celeriac", "status", "--traceback")
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.rstrip().endswith("Start one: python manage.py celeriac worker")
    assert done.returncode == 69


def test_an_option_that_a_command_has_itself_is_the_commands(site: SmallSite) -> None:
    done = site.manage("celeriac", "result", "nobody-knows-it", "--traceback")
    assert done.returncode == 75
    assert "Traceback" not in done.stderr


def test_call_command_prints_where_it_is_told_to_and_leaves_the_site_usable(site: SmallSite) -> None:
    code = """
import io
import django
django.setup()
from django.core.management import CommandError, call_command
from celeriac import current_app
from beds.tasks import water
out, err = io.StringIO(), io.StringIO()
call_command("celeriac", "queues", "--json", stdout=out, stderr=err)
assert '"celery"' in out.getvalue(), out.getvalue()
out = io.StringIO()
try:
    call_command("celeriac", "status", verbosity=0, stdout=out)
except CommandError as error:
    print(error.returncode, error)
assert "Broker" not in out.getvalue()
print(len(water.delay(1).id))
call_command("celeriac", "purge", "-f")
"""
    done = site.python("-c", f"import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'garden.settings'{code}")
    assert done.returncode == 0, done.stderr
    error, length, purged = done.stdout.splitlines()
    assert error.startswith("69 No node is running at sqlite:///")
    assert length == "36"
    assert "1" in purged


def test_system_checks_are_the_workers_business_and_can_be_skipped(own_site: SmallSite) -> None:
    own_site.append(
        "beds/__init__.py",
        """
        from django.core.checks import Error, Warning, register


        @register()
        def look(app_configs, **more):
            return [Error("The roses are dry.", id="beds.E001"), Warning("It may rain.", id="beds.W001")]
        """,
    )
    assert own_site.manage("celeriac", "queues").returncode == 0
    refused = own_site.manage("celeriac", "worker", "-c", "1")
    assert refused.returncode == 2
    assert "system checks have found errors" in refused.stderr
    assert "(beds.E001) The roses are dry." in refused.stderr
    assert "Traceback" not in refused.stderr
    skipped = own_site.start("manage.py", "celeriac", "worker", "-c", "1", "--skip-checks").wait_for("is ready")
    assert skipped.end() == 0
    own_site.edit("beds/__init__.py", 'Error("The roses are dry.", id="beds.E001"), ', "")
    warned = own_site.start("-m", "celeriac", "-A", "garden", "worker", "-c", "1").wait_for("is ready")
    assert "(beds.W001) It may rain." in warned.log
    warned.end()


def test_a_worker_takes_the_place_of_manage_py_and_a_sigterm_lets_a_task_finish(own_site: SmallSite) -> None:
    worker = own_site.start("manage.py", "celeriac", "worker", "-c", "1", "-n", "gardener@here").wait_for("is ready")
    [command] = [command for pid, command in own_site.pids().items() if pid == worker.pid]
    assert command.endswith("manage.py celeriac worker -c 1 -n gardener@here")
    assert "succession" in command
    assert own_site.call("water", "3") == "3"
    own_site.begin("roses")
    worker.process.send_signal(signal.SIGTERM)
    worker.wait_for("warm shutdown")
    own_site.may_end("roses")
    assert worker.process.wait(60) == 0
    assert own_site.has_ended("roses")
    assert own_site.pids() == {}


def test_a_worker_finds_the_site_though_it_is_started_from_elsewhere(own_site: SmallSite, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    words = ("celeriac", "--workdir", "elsewhere", "worker", "-c", "1")
    worker = own_site.start("manage.py", *words).wait_for("is ready")
    assert own_site.call("water", "4") == "4"
    assert worker.end() == 0


def test_reload_is_refused_where_debug_is_off(own_site: SmallSite) -> None:
    own_site.edit("garden/settings.py", "DEBUG = True", "DEBUG = False")
    refused = own_site.manage("celeriac", "worker", "--reload")
    assert refused.returncode == 2
    assert "--reload is for development, and DEBUG is False in this site" in refused.stderr
