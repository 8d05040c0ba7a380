"""System checks: each finds what it is for, and nothing in a site that is in order."""

import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core import mail
from django.core.checks import registry
from django.test import override_settings

from celeriac import Celeriac, local
from celeriac.checks import engines
from celeriac.django.checks import TAG, check_deployment, check_site, register_checks
from celeriac.django.site_app import make_site_app
from celeriac.exceptions import CeleryWarning
from tests.django.postoffice import run_in_site

ROOT = Path(__file__).parents[2]

Check = Callable[..., dict[str, str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Check]:
    """A function that checks a site with some settings and returns what was found: sentences by id."""
    monkeypatch.delenv("CELERIAC_BROKER_URL", raising=False)
    monkeypatch.setattr(local._apps, "current", None)
    monkeypatch.setattr(local._apps, "make_default", make_site_app)

    def run(celeriac: object = None, *, deploy: bool = False, **settings: object) -> dict[str, str]:
        url = f"sqlite:///{tmp_path}/queue.sqlite3"
        given = (
            {"broker_url": url, "result_backend": url, **(celeriac or {})}
            if isinstance(celeriac, dict | None)
            else celeriac
        )
        local.set_current_app(None)
        with override_settings(**{"CELERIAC": given, **settings}), warnings.catch_warnings():
            warnings.simplefilter("ignore", CeleryWarning)  # loading the settings says the same again
            messages = (check_deployment if deploy else check_site)()
        assert len({message.msg for message in messages}) == len(messages), "each once"
        return {message.id.removeprefix("celeriac."): message.msg for message in messages}

    yield run
    if local._apps.current is not None:
        local._apps.current.close()


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test run, as far as the checks can see; DEBUG is off in one anyway."""
    monkeypatch.delattr(mail, "outbox")


def test_a_site_in_order_hears_nothing(check: Check, production: None) -> None:
    assert check(DEBUG=False) == {}


WRONG = {
    "E001": ({"broker_url": "sqlit:///x"}, "no broker for sqlit:// URLs. Did you mean sqlite://"),
    "E002": ({"result_backend": "memry://"}, "no result backend for memry://"),
    "E004": ({"timezone": "Mars/Olympus"}, "There is no time zone 'Mars/Olympus'"),
    "E005": ({"task_soft_time_limit": 9, "task_time_limit": 9}, "task_soft_time_limit (9 s) comes too late"),
    "E006": ({"task_serializer": "yaml"}, "task_serializer is 'yaml'"),
    "E007": ({"worker_pool": "gevent"}, "There is no executor 'gevent'"),
    "E008": ({"broker_ur": "x"}, "CELERIAC['broker_ur']: did you mean broker_url?"),
    "E013": (
        {"broker_use_ssl": {"context": object()}},
        "The option ssl of broker_use_ssl holds an object of the type object, which a worker cannot hand to its node",
    ),
    "E014": (
        {"task_default_queue_type": "quorum", "task_queue_max_priority": 9},
        "The queue 'celery' is a quorum queue with a highest priority",
    ),
    "W003": (
        {"broker_url": "sqlite:////no/such/place/queue.sqlite3"},
        "The directory /no/such/place of queue.sqlite3 does not exist",
    ),
    "W006": ({"accept_content": ["json", "pickle"]}, "lets pickle in"),
    "W008": ({"result_backend": "disabled", "task_track_started": True}, "results are off"),
    "E015": ({"beat_schedule": {"nightly": {"task": "t", "schedul": 60}}}, "'nightly' says 'schedul'; did you mean"),
    "W014": ({"task_default_rate_limit": "10/m"}, "task_default_rate_limit is not kept"),
    "I002": ({"worker_lost_wait": 3}, "worker_lost_wait has no effect"),
}


@pytest.mark.parametrize("number", WRONG)
def test_what_is_wrong_with_a_setting_is_a_sentence(check: Check, number: str) -> None:
    celeriac, sentence = WRONG[number]
    assert sentence in check(celeriac)[number]


def test_names_of_celery_3_are_mentioned(check: Check) -> None:
    assert "CELERY_ACKS_LATE is a name of Celery 3" in check(CELERY_ACKS_LATE=True)["I001"]
    assert check(CELERY_TIMEZONE="UTC", CELERY_ACCEPT_CONTENT=["json"]) == {}, "what Celery's own guide writes"


def test_a_scheduler_that_keeps_its_entries_elsewhere_is_noticed_too(check: Check) -> None:
    path = "django_celery_beat.schedulers:DatabaseScheduler"
    assert f"beat_scheduler is {path!r}, whose entries nobody here reads" in check(CELERY_BEAT_SCHEDULER=path)["W013"]


def test_a_value_of_the_wrong_kind_is_a_sentence(check: Check) -> None:
    assert "task_time_limit must be a number of seconds" in check({"task_time_limit": "soon"})["E004"]


def test_what_is_no_dict_is_said_beside_the_rest(check: Check) -> None:
    found = check("sqlite://", CELERY_TASK_ACK_LATE=True)
    assert "CELERIAC must be a dict" in found["E008"]
    assert "CELERY_TASK_ACK_LATE: did you mean task_acks_late?" in found["W005"]


def test_a_name_with_the_prefix_is_read_and_one_that_is_no_setting_is_found(check: Check) -> None:
    with override_settings(CELERIAC_TASK_TIME_LIMIT=7, CELERIAC={"task_soft_time_limit": 5}):
        conf = make_site_app().conf
        assert (conf.task_time_limit, conf.task_soft_time_limit) == (7, 5)
    assert (
        "There is no setting CELERIAC_EMAIL_QUEU: did you mean email_queue?" in check(CELERIAC_EMAIL_QUEU="x")["W005"]
    )


def test_other_packages_names_in_celerys_namespace_are_theirs(check: Check) -> None:
    assert check(CELERY_DASHBOARD_OF_OURS=1) == {}


def test_a_broker_in_memory_is_wrong_in_production_only(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    lonely = {"broker_url": "memory://", "result_backend": "memory://", "task_always_eager": True}
    ids = {"W001", "W002", "W007"}
    assert not ids & set(check(lonely, DEBUG=False)), "tests run with DEBUG off"
    assert not ids & set(check(lonely, DEBUG=True))
    assert ids <= set(check(lonely, DEBUG=True, deploy=True))
    monkeypatch.delattr(mail, "outbox")
    assert ids <= set(check(lonely, DEBUG=False))
    assert not ids & set(check(lonely, DEBUG=False, deploy=True)), "said already"


AS_NOBODY = """
import os, sys
from celeriac.checks.engines import check_access, check_file
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
for finding in (*check_access(sys.argv[1]), *check_file(sys.argv[1])):
    print(finding.id, finding.sentence)
"""


CLOSED = {"outer": "may not enter", "inner": "may not write {inner}", "file": "may not write {file}"}


@pytest.mark.parametrize("closed", CLOSED)
def test_a_file_that_this_user_may_not_use_is_found(closed: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # pytest's own folders are closed to others
        outer, inner, file = Path(name), Path(name, "inner"), Path(name, "inner", "queue.sqlite3")
        inner.mkdir()
        file.touch(mode=0o444)
        if os.geteuid() == 0:
            os.chown(inner, 65534, 65534)
        inner.chmod(0o555 if closed == "inner" else 0o755)
        outer.chmod(0o600 if closed == "outer" else 0o755)
        command = [sys.executable, "-c", AS_NOBODY, f"sqlite:///{file}"]
        try:
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        finally:
            outer.chmod(0o755)
            inner.chmod(0o755)
    assert output.startswith("W003 ")
    assert CLOSED[closed].format(inner=inner, file=file) in output


def test_a_file_on_a_network_is_an_error(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_file_system", lambda _: "nfs4")
    assert "network file system (nfs4)" in check()["E003"]


def test_a_disk_that_is_nearly_full_is_found(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_LITTLE", 1 << 62)
    assert "MiB are free on the disk" in check()["W004"]


def test_time_zones_switched_off_are_mentioned(check: Check) -> None:
    assert "USE_TZ is off" in check(USE_TZ=False)["I003"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("celeriac.TaskBackend", "Did you mean 'celeriac.django.TaskBackend'?"),
        ("somebody.elses.Backend", "cannot be imported, 'somebody.elses.Backend'"),
        (None, "BACKEND must be the path of a class"),
    ],
)
def test_a_task_backend_that_is_not_there_is_an_error(check: Check, path: object, sentence: str) -> None:
    assert sentence in check(TASKS={"default": {"BACKEND": path}})["E010"]


def test_the_deployment_check_looks_at_debug_and_at_what_a_power_cut_takes(check: Check, tmp_path: Path) -> None:
    found = check(DEBUG=True, deploy=True)
    assert "DEBUG is on" in found["W012"]
    assert "?synchronous=full" in found["I004"]
    safe = {"broker_url": f"sqlite:///{tmp_path}/queue.sqlite3?synchronous=full"}
    assert check(safe, DEBUG=False, deploy=True) == {}


def test_a_sqlite_database_in_which_tasks_get_in_each_others_way_is_noted(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    for options in ({}, {"transaction_mode": "DEFERRED"}):
        monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", options)
        assert "'transaction_mode': 'IMMEDIATE' to the OPTIONS of DATABASES['default']" in check(deploy=True)["I005"]
        assert "I005" not in check(), "while developing nobody needs to hear it with every command"


def test_other_apps_checks_can_be_asked_for_alone(check: Check) -> None:
    from django.apps import apps

    with override_settings(USE_TZ=False):
        assert check_site([apps.get_app_config("letters")]) == []
        assert check_site([apps.get_app_config("celeriac")]) != []


def test_registering_twice_checks_once() -> None:
    register_checks()
    register_checks()
    named = [each for each in registry.registry.registered_checks if TAG in each.tags]
    assert named == [check_site]
    assert [each for each in registry.registry.deployment_checks if TAG in each.tags] == [check_deployment]


SETTINGS = """
SECRET_KEY = "x" * 60
USE_TZ = True
INSTALLED_APPS = ["celeriac.django", "beds"]
CELERIAC = {"broker_url": "sqlite:///queue.sqlite3", "result_backend": "disabled"}
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3"}}
"""

TASKS = """
from pathlib import Path
from celeriac import shared_task

Path("imported").touch()

@shared_task(soft_time_limit=9, time_limit=8)
def water(): ...

@shared_task(ignore_result=False)
def harvest(): ...

@shared_task(track_started=True, rate_limit="10/m")
def weed(): ...

@shared_task(name="dig")
def dig(): ...

@shared_task(name="dig")
def dig_deeper(): ...
"""

COMMANDS = """
import os, sys
from pathlib import Path
os.chdir(os.environ["FOLDER"])
import django
from django.core.management import call_command
django.setup()
sys.stderr = sys.stdout
call_command("check")
call_command("migrate", verbosity=0)
print("imported by then:", Path("imported").exists())
try:
    call_command("check", deploy=True, tags=["celeriac"])
except Exception as error:
    print(error)
print("imported:", Path("imported").exists())
"""


def test_tasks_are_looked_at_when_deploying_and_not_imported_by_other_commands(tmp_path: Path) -> None:
    for package in ("garden", "beds"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "garden" / "settings.py").write_text(SETTINGS)
    (tmp_path / "beds" / "tasks.py").write_text(TASKS)
    output = run_in_site(
        COMMANDS,
        directory=tmp_path,
        PYTHONPATH=str(tmp_path),
        FOLDER=str(tmp_path),
        DJANGO_SETTINGS_MODULE="garden.settings",
    )
    before, _, after = output.partition("imported by then: False")
    assert "celeriac." not in before
    assert after, output
    assert "(celeriac.E005) The soft time limit of beds.tasks.water (9 s) comes too late" in after
    assert "(celeriac.W009) beds.tasks.harvest has ignore_result=False, and results are off" in after
    assert "(celeriac.W009) beds.tasks.weed has track_started" in after
    assert "(celeriac.W014) The rate_limit of beds.tasks.weed is not kept" in after
    assert "(celeriac.W010) Two tasks are called 'dig': beds.tasks.dig" in after
    assert "imported: True" in after


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import no_such_library\n", "ModuleNotFoundError: No module named 'no_such_library' ({file}, line 1)"),
        ("x = 1\ndef f(:\n", "SyntaxError: invalid syntax (tasks.py, line 2) ({file}, line 2)"),
        ("x = 1\nx.grow()\n", "AttributeError: 'int' object has no attribute 'grow' ({file}, line 2)"),
    ],
)
def test_tasks_that_cannot_be_imported_are_found_with_the_line(
    check: Check, tmp_path: Path, monkeypatch, source, sentence
):
    package = f"shed{abs(hash(source))}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    file = tmp_path / package / "tasks.py"
    file.write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    found = check({"imports": [f"{package}.tasks"]}, deploy=True)
    assert found["E009"] == f"The tasks cannot be imported, so no worker starts: {sentence.format(file=file)}."


def test_the_doctor_tells_them_too(tmp_path: Path) -> None:
    (tmp_path / "garden").mkdir()
    tasks_setting = (
        "TASKS = {'default': {'BACKEND': 'celeriac.TaskBackend'}}\nCELERIAC_TASK_ACK_LATE = 1\nUSE_TZ = False\n"
    )
    (tmp_path / "garden" / "settings.py").write_text(
        SETTINGS.replace(', "beds"', "").replace("USE_TZ = True", tasks_setting)
    )
    code = """
import os, sys
from celeriac.cli import main
os.chdir(os.environ["FOLDER"])
try:
    main(["-A", "garden", "doctor"])
except SystemExit:
    pass
"""
    output = " ".join(run_in_site(code, directory=tmp_path, PYTHONPATH=str(tmp_path), FOLDER=str(tmp_path)).split())
    section = output.partition(" Django ")[2].partition(" Broker ")[0]
    assert "Did you mean 'celeriac.django.TaskBackend'?" in section
    assert "There is no setting CELERIAC_TASK_ACK_LATE" in section
    assert "USE_TZ is off" in section


def test_an_app_of_the_projects_own_is_the_one_that_is_checked(check: Check) -> None:
    own = Celeriac("own", broker="redus://x")
    local.set_current_app(own)
    assert "no broker for redus://" in next(each.msg for each in check_site() if each.id == "celeriac.E001")


def test_the_documentation_lists_the_ids_that_the_code_has() -> None:
    sources = [*(ROOT / "src/celeriac/checks").glob("*.py"), *(ROOT / "src/celeriac/django").glob("*.py")]
    used = {number for path in sources for number in re.findall(r'"(?:celeriac\.)?([EWI]\d{3})"', path.read_text())}
    page = (ROOT / "docs/django-checks.md").read_text()
    rows = re.findall(r"^\| `celeriac\.([EWI]\d{3})` \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    assert [number for number, _, _ in rows] == sorted(used, key=lambda number: ("EWI".index(number[0]), number))
    assert all(cause.strip() and cure.strip() for _, cause, cure in rows)
