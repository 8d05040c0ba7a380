"""Database connections around tasks; two aliases, in an interpreter of its own."""

from pathlib import Path

from tests.django.postoffice import run_in_site

PROJECT = """
import os
SECRET_KEY = "x"
INSTALLED_APPS = ["celeriac.django"]
CELERIAC = {"broker_url": "memory://", "result_backend": "memory://"}
DATABASES = {
    alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{os.environ['FOLDER']}/{alias}.sqlite3"}
    for alias in ("default", "other")
}
"""

PRELUDE = """
import asyncio, threading
from celeriac import shared_task, signals
from celeriac.django.finding import find_app
from celeriac.execution import Execution
app = find_app("garden")
from asgiref.sync import sync_to_async
from django.db import connections

used = []

def ask(alias):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")
    used.append((threading.get_ident(), connections[alias]))

def is_open(alias="default"):
    return connections[alias].connection is not None

def execution(task, *args):
    message = app.publisher.message(task.name, args, {}, {}, task=task)
    return Execution.from_message(app, message, ordinal=1, redelivered=False, hostname="garden")
"""


def run(code: str, folder: Path, settings: str = "") -> str:
    package = folder / "garden"
    package.mkdir()
    (package / "settings.py").write_text(PROJECT + settings)
    return run_in_site(PRELUDE + code, directory=folder, FOLDER=str(folder), PYTHONPATH=str(folder))


def test_connections_of_every_alias_are_closed_after_a_task_as_after_a_request(tmp_path: Path) -> None:
    code = """
@shared_task
def look():
    ask("default")
    ask("other")

print(execution(look).run().state, is_open("default"), is_open("other"))
"""
    assert run(code, tmp_path) == "SUCCESS False False"


def test_conn_max_age_keeps_a_connection_for_the_next_task(tmp_path: Path) -> None:
    code = """
@shared_task
def look():
    ask("default")

execution(look).run()
execution(look).run()
print(is_open(), used[0][1] is used[1][1])
"""
    assert run(code, tmp_path, "DATABASES['default']['CONN_MAX_AGE'] = 600\n") == "True True"


def test_a_task_does_not_get_a_broken_connection(tmp_path: Path) -> None:
    code = """
@shared_task
def look():
    ask("default")
    print(connections["default"].connection is not broken)

ask("default")
broken = connections["default"].connection
connections["default"].is_usable = lambda: False  # what a server that has hung up looks like
connections["default"].errors_occurred = True
execution(look).run()
"""
    assert run(code, tmp_path, "DATABASES['default']['CONN_MAX_AGE'] = 600\n") == "True"


def test_an_async_task_has_a_thread_and_connections_of_its_own_which_end_with_it(tmp_path: Path) -> None:
    code = """
@shared_task
async def look(barrier_name):
    await sync_to_async(ask)("default")
    await barrier.wait()   # both tasks have a connection open at this moment
    await sync_to_async(ask)("default")

async def main():
    global barrier
    barrier = asyncio.Barrier(2)
    return await asyncio.gather(execution(look, "a").arun(), execution(look, "b").arun())

reports = asyncio.run(main())
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join(10)
print([report.state for report in reports], len({thread for thread, _ in used}), len({id(c) for _, c in used}))
print([connection.connection for _, connection in used])
"""
    assert run(code, tmp_path).splitlines() == ["['SUCCESS', 'SUCCESS'] 2 2", "[None, None, None, None]"]


def test_an_eager_task_leaves_its_callers_connection_alone(tmp_path: Path) -> None:
    code = """
@shared_task
def look():
    ask("default")

ask("default")
look.apply()
print(is_open())
"""
    assert run(code, tmp_path) == "True"


def test_the_log_of_queries_does_not_grow_from_task_to_task(tmp_path: Path) -> None:
    code = """
@shared_task
def look():
    ask("default")

for _ in range(3):
    execution(look).run()
print(len(connections["default"].queries_log))
"""
    assert run(code, tmp_path, "DEBUG = True\n") == "1"


def test_what_was_opened_while_the_site_was_imported_does_not_stay_open_in_a_worker(tmp_path: Path) -> None:
    code = """
ask("default")
signals.worker_process_init.send(sender=None)
print(is_open())
"""
    assert run(code, tmp_path) == "False"
