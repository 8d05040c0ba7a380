"""Django's pool of database connections, on a real PostgreSQL."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.django.small_site import SmallSite

HOST, PORT = os.environ.get("PGHOST", "127.0.0.1"), int(os.environ.get("PGPORT", "5432"))

SETTINGS = f"""
import os
from pathlib import Path
SECRET_KEY = "x"
INSTALLED_APPS = ["celeriac.django", "garden"]
FOLDER = Path(__file__).parent.parent
CELERIAC = {{"broker_url": f"sqlite:///{{FOLDER}}/queue.sqlite3", "result_backend": f"sqlite:///{{FOLDER}}/queue.sqlite3"}}
DATABASES = {{
    alias: {{
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "{HOST}",
        "PORT": {PORT},
        "USER": "postgres",
        "NAME": "postgres",
        "OPTIONS": {{
            "pool": {{"min_size": 1, "max_size": 2, "timeout": 20}},
            "application_name": f"pool {{os.getpid()}}",
        }},
    }}
    for alias in ("default", "other")
}}
"""

TASKS = """
import os
from asgiref.sync import sync_to_async
from django.db import connections
from celeriac import shared_task

def ask(alias):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]

@shared_task
def look(alias):
    return os.getpid(), ask(alias)

@shared_task
async def look_async(alias):
    return os.getpid(), await sync_to_async(ask)(alias)
"""

LOOK = """
import json, os
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "garden.settings"
django.setup()
from garden.tasks import look, look_async
results = [task.delay(alias) for task in (look, look_async) for alias in ["default", "other"] * 30]
print(json.dumps([result.get(timeout=60) for result in results]))
"""

#: Of those processes, the connections that the server still has.
LEFT = """
import os, time
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "garden.settings"
django.setup()
from django.db import connection
deadline = time.monotonic() + 20
while True:
    with connection.cursor() as cursor:
        names = [f"pool {{pid}}" for pid in {pids}]
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = ANY(%s)", [names])
        left = cursor.fetchone()[0]
    if not left or time.monotonic() > deadline:
        break
    time.sleep(0.05)
print(left)
"""


@pytest.fixture
def postgresql() -> None:
    """A server that trusts whoever comes from this machine; PGHOST and PGPORT say where, if not at its usual port."""
    try:
        socket.create_connection((HOST, PORT), timeout=2).close()
    except OSError:
        message = f"NOT RUN: no PostgreSQL answers on {HOST}:{PORT}."
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@pytest.mark.usefixtures("postgresql")
def test_a_child_keeps_its_pools_from_task_to_task_within_their_size_and_closes_them_at_its_end(tmp_path: Path) -> None:
    site = SmallSite(tmp_path)
    site.write("garden/settings.py", SETTINGS)
    site.write("garden/tasks.py", TASKS)
    try:
        worker = site.start("-m", "celeriac", "-A", "garden", "worker", "--concurrency", "2")
        looked = site.python("-c", LOOK)
        assert looked.returncode == 0, looked.stderr
        seen = [tuple(pair) for pair in json.loads(looked.stdout)]
        pids = {pid for pid, _ in seen}
        for pid in pids:
            # Two aliases with two connections each, for 60 tasks a child: they are used again.
            assert len({connection for of, connection in seen if of == pid}) <= 4
        assert worker.end(signal.SIGTERM) == 0
        assert site.python("-c", LEFT.format(pids=sorted(pids))).stdout.strip() == "0"
    finally:
        site.close()
    assert "Traceback" not in worker.log
    assert "PoolTimeout" not in worker.log
