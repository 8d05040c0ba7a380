"""The rows of a real django-celery-beat become ours: on SQLite and on PostgreSQL, without it being installed."""

import json
import os
import socket
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.django.small_site import SmallSite
from tests.servers.programs import skip_or_fail

HOST, PORT = os.environ.get("PGHOST", "127.0.0.1"), int(os.environ.get("PGPORT", "5432"))

SQLITE = 'DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{0}/site.sqlite3"}}}}\n'
POSTGRESQL = (
    'DATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", "HOST": "{1}", "PORT": {2}, '
    '"USER": "postgres", "NAME": "{0}"}}}}\n'
)

#: Run by the peer, which has django-celery-beat and no celeriac.
PEER = """
import sys
import django
from django.conf import settings
{databases}
settings.configure(INSTALLED_APPS=["django_celery_beat"], DATABASES=DATABASES, USE_TZ=True, SECRET_KEY="x",
                   DEFAULT_AUTO_FIELD="django.db.models.AutoField")
django.setup()
from datetime import UTC, datetime
from django.core.management import call_command
from django_celery_beat.models import *
{code}
"""

ROWS = """
call_command("migrate", verbosity=0)
add = PeriodicTask.objects.create
water = dict(task="beds.tasks.water", args="[2]")
interval = IntervalSchedule.objects.create(every=90, period="seconds")
nightly = CrontabSchedule.objects.create(minute="0", hour="3", day_of_week="mon-fri", timezone="Europe/Berlin")
evening = SolarSchedule.objects.create(event="sunset", latitude="55.750000", longitude="-37.620000")
party = ClockedSchedule.objects.create(clocked_time=datetime(2090, 12, 24, 18, tzinfo=UTC))
past = ClockedSchedule.objects.create(clocked_time=datetime(2020, 12, 24, 18, tzinfo=UTC))
add(name="interval", interval=interval, description="Roses.", **water)
add(name="crontab", crontab=nightly, queue="slow", priority=7, expire_seconds=60, headers='{"tenant": "north"}',
    task="beds.tasks.label")
add(name="amqp", crontab=nightly, exchange="garden", routing_key="beds", task="beds.tasks.label")
add(name="solar", solar=evening, kwargs='{"litres": 3}', task="beds.tasks.water")
add(name="clocked", clocked=party, one_off=True, **water)
add(name="bounded", interval=interval, start_time=datetime(2089, 1, 1, tzinfo=UTC),
    expires=datetime(2089, 2, 1, tzinfo=UTC), **water)
add(name="once", interval=interval, one_off=True, **water)
add(name="once before", interval=interval, one_off=True, total_run_count=1, **water)
add(name="asleep", interval=interval, enabled=False, **water)
add(name="foreign", interval=interval, task="elsewhere.work")
add(name="of the code", interval=interval, **water)
add(name="celery.backend_cleanup", crontab=nightly, task="celery.backend_cleanup")
add(name="gone by", clocked=past, one_off=True, **water)
add(name="broken", interval=interval, task="beds.tasks.water", args="(2,)")
add(name="mistaken", interval=interval, task="beds.tasks.water", args="[1, 2, 3]")
add(name="timeless", interval=interval, **water)
PeriodicTask.objects.filter(name="timeless").update(interval=None)
"""

READ = """
import json, os
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "garden.settings"
django.setup()
from celeriac.django.models import ScheduledTask
print(json.dumps({row["name"]: row for row in ScheduledTask.objects.values()}, default=str))
"""


class Beds(SmallSite):
    """The site whose database the peer has filled."""

    def __init__(self, directory: Path, databases: str, peer_python: str) -> None:
        super().__init__(directory)
        self._databases, self._peer_python = databases, peer_python
        code = 'CELERIAC = {"beat_schedule": {"of the code": {"task": "beds.tasks.label", "schedule": 60.0}}}\n'
        self.append("garden/settings.py", databases + code)

    def run_peer(self, code: str) -> None:
        script = PEER.format(databases=self._databases, code=code)
        done = subprocess.run([self._peer_python, "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def take_over(self, *words: str, status: int = 1) -> dict[str, tuple[str, str]]:
        done = self.manage("celeriac", "import-beat", "--json", *words)
        assert done.returncode == status, done.stderr
        return {row["name"]: (row["outcome"], row["sentence"]) for row in json.loads(done.stdout)}

    def rows(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = json.loads(self.python("-c", READ).stdout)
        return found


@pytest.fixture(scope="module")
def beat_python(peer_python: str) -> str:
    done = subprocess.run([peer_python, "-c", "import django_celery_beat, psycopg"], capture_output=True, check=False)
    if done.returncode:
        skip_or_fail("the peers have no django-celery-beat: make peers installs it")
    return peer_python


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The settings of a database of the test's own."""
    psycopg = pytest.importorskip("psycopg")
    try:
        socket.create_connection((HOST, PORT), timeout=2).close()
    except OSError:
        skip_or_fail(f"no PostgreSQL answers on {HOST}:{PORT}")
    name = f"celeriac_{uuid.uuid4().hex}"
    with psycopg.connect(host=HOST, port=PORT, user="postgres", dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield POSTGRESQL.format(name, HOST, PORT)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def beds(request: pytest.FixtureRequest, tmp_path: Path, beat_python: str) -> Iterator[Beds]:
    is_sqlite = request.param == "sqlite"
    databases = SQLITE.format(tmp_path) if is_sqlite else request.getfixturevalue("postgresql")
    beds = Beds(tmp_path, databases, beat_python)
    beds.run_peer(ROWS)
    beds.manage("migrate")
    yield beds
    beds.close()


def test_rows_are_taken_over_and_what_cannot_be_is_told_with_the_cure(beds: Beds):
    dry = beds.take_over("--dry-run")
    assert beds.rows() == {}
    before = datetime.now(UTC)
    said = beds.take_over()
    assert said == dry or all(said[name][0] == dry[name][0] for name in said)
    rows = beds.rows()
    added = [name for name, (outcome, _) in said.items() if outcome == "added"]
    assert sorted(rows) == sorted(added)
    assert len(added) == 10

    def has(name: str, **values: object) -> None:
        assert {field: rows[name][field] for field in values} == values

    has("interval", kind="every", expression="90 seconds", args=[2], description="Roses.", enabled=True)
    has("crontab", expression="0 3 * * mon-fri", time_zone="Europe/Berlin", queue="slow", priority=7, expires=60)
    has("solar", kind="solar", expression="sunset 55.75 -37.62")
    has("clocked", kind="clocked", one_off=False)
    has("bounded", starts_at="2089-01-01 00:00:00+00:00", ends_at="2089-02-01 00:00:00+00:00")
    has("once", one_off=True, enabled=True)
    has("once before", enabled=False)
    has("asleep", enabled=False)
    assert datetime.fromisoformat(rows["once"]["starts_at"]) >= before
    assert said["crontab"][1] == "every weekday at 03:00 Europe/Berlin"
    assert said["foreign"][1] == "every 90 seconds; elsewhere.work is no task of this app"
    assert said["celery.backend_cleanup"][0] == said["of the code"][0] == "not needed"
    assert "beat_housekeeping = True" in said["celery.backend_cleanup"][1]
    for name, sentence in {
        "gone by": "its last run lies in the past",
        "broken": "Its args are no JSON",
        "mistaken": "too many positional arguments",
        "timeless": "It has no schedule: give it one there, and repeat the import.",
    }.items():
        assert said[name][0] == "left out"
        assert sentence in said[name][1]


def test_it_may_be_repeated_and_overwrites_only_when_asked(beds: Beds):
    printed = beds.manage("celeriac", "import-beat").stdout
    assert "16 rows of django-celery-beat: 10 added, 2 not needed, 4 left out." in printed
    listed = json.loads(beds.manage("celeriac", "schedule", "list", "--json").stdout)
    assert {"crontab", "solar", "once"} <= {each["name"] for each in listed}
    first = beds.rows()
    again = beds.take_over()
    assert {outcome for outcome, _ in again.values()} == {"unchanged", "not needed", "left out"}
    assert beds.rows() == first
    beds.run_peer("""
PeriodicTask.objects.filter(name="interval").update(queue="fast")
PeriodicTask.objects.filter(name__in=["gone by", "broken", "mistaken", "timeless"]).delete()
""")
    assert beds.take_over(status=0)["interval"] == (
        "different",
        "It is here with another queue; --overwrite takes this one.",
    )
    assert beds.rows() == first
    assert beds.take_over("--overwrite", status=0)["interval"][0] == "changed"
    assert beds.rows()["interval"]["queue"] == "fast"


def test_without_its_tables_or_ours_a_sentence_says_so(tmp_path: Path):
    site = SmallSite(tmp_path)
    without_ours = site.manage("celeriac", "import-beat")
    site.manage("migrate")
    without_theirs = site.manage("celeriac", "import-beat")
    site.close()
    assert without_ours.returncode
    assert without_theirs.returncode
    assert "has manage.py migrate been run?" in without_ours.stderr
    assert "has no table django_celery_beat_periodictask" in without_theirs.stderr
    assert "Traceback" not in without_ours.stderr + without_theirs.stderr
