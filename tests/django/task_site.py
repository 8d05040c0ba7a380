"""A small site whose tasks are Django's own framework's, for tests: its files, its settings, and a worker on it."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import django
import pytest

import celeriac

T = TypeVar("T")

#: Seconds any condition may take to come true before a test fails.
PATIENCE = 30.0

#: Where the framework is.
FRAMEWORK = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"


def require_framework() -> None:
    """Skip what needs Django's task framework where there is none; fail there under CI."""
    if django.VERSION >= (6, 0) or importlib.util.find_spec("django_tasks") is not None:
        return
    sentence = f"Django {django.get_version()} has no task framework: install django-tasks to test the backend for it."
    if os.environ.get("CI") == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence, allow_module_level=True)


SETTINGS = """
import os
from pathlib import Path
BASE_DIR = Path(os.environ["FOLDER"])
SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["celeriac.django", "flowers"FRAMEWORK_APP]
CELERIAC = {"broker_url": f"sqlite:///{BASE_DIR}/queue.sqlite3", "result_backend": f"sqlite:///{BASE_DIR}/queue.sqlite3"}
TASKS = {"default": {
    "BACKEND": "celeriac.django.TaskBackend",
    "QUEUES": ["default", "slow", "apart"],
    "OPTIONS": {"queue_map": {"slow": "celery"}},
}, "elsewhere": {"BACKEND": "FRAMEWORK.backends.dummy.DummyBackend"}}
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
"""

TASKS = """
import asyncio, os, signal, time
from pathlib import Path
from django.db import connection
from django.dispatch import receiver
from celeriac.django import task_options
from FRAMEWORK import task, signals, TaskContext

HERE = Path(os.environ["FOLDER"])

def note(name, text):
    with open(HERE / name, "a") as file:
        file.write(f"{text}\\n")

def wait_for(name):
    while not (HERE / name).exists():
        time.sleep(0.01)

@receiver([signals.task_started, signals.task_finished])
def record(sender, task_result, **_):
    connection.ensure_connection()  # a receiver may ask the database
    note("signals", f"{task_result.id} {task_result.status} {task_result.attempts} {sender.__name__}")

@task
def water(plant, litres=1):
    note("watered", plant)
    return {"plant": plant, "litres": (litres, litres)}

@task
def hold(name):
    note("held", name)
    wait_for(name)
    return "done"

@task
def wither():
    raise ValueError("no water")

@task
@task_options(autoretry_for=(OSError,), retry_kwargs={"countdown": 0.05}, max_retries=2)
def flaky(name):
    note(name, "tried")
    tries = len((HERE / name).read_text().splitlines())
    if tries < 3:
        raise ConnectionError(f"try {tries}")
    return tries

@task
def deadly(name):
    if not (HERE / name).exists():
        note(name, "here")
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"

@task
@task_options(time_limit=0.3)
def endless():
    time.sleep(60)

@task
async def bloom(seconds):
    await asyncio.sleep(seconds)
    return "open"

@task
async def rot():
    raise LookupError("worm")

@task(takes_context=True)
@task_options(autoretry_for=(ConnectionError,), retry_kwargs={"countdown": 0}, max_retries=3)
def grow(context, until):
    assert isinstance(context, TaskContext)
    note("grown", f"{context.attempt} {context.task_result.status} {context.task_result.id}")
    if context.attempt < until:
        raise ConnectionError
    return context.attempt

@task(takes_context=True)
async def climb(context, by):
    return [context.attempt, by]

@task(backend="elsewhere")
def mow(what):
    return f"mown: {what}"

@task(backend="elsewhere")
async def shear():
    return "shorn"

@task
def odd():
    return object()
"""

RUN_WORKER = "from celeriac.cli import main; main()"


class Site:
    """The site in a folder."""

    def __init__(self, folder: Path, *, settings: str = "", tasks: str = "") -> None:
        self.folder = folder
        for package in ("garden", "flowers"):
            (folder / package).mkdir(exist_ok=True)
            (folder / package / "__init__.py").touch()
        app = "" if FRAMEWORK == "django.tasks" else f', "{FRAMEWORK}"'
        source = SETTINGS.replace("FRAMEWORK_APP", app).replace("FRAMEWORK", FRAMEWORK)
        (folder / "garden" / "settings.py").write_text(source + settings)
        (folder / "flowers" / "tasks.py").write_text((TASKS + tasks).replace("FRAMEWORK", FRAMEWORK))

    @property
    def environment(self) -> dict[str, str]:
        """What a process of the site has in its environment."""
        places = [str(self.folder), str(Path(celeriac.__file__).parents[1])]
        return {
            "FOLDER": str(self.folder),
            "DJANGO_SETTINGS_MODULE": "garden.settings",
            "PYTHONPATH": os.pathsep.join(places),
        }

    def start_worker(self, *options: str) -> "Worker":
        """Start a worker with one slot for ``def`` tasks."""
        return Worker(self, options)

    def lines(self, name: str) -> list[str]:
        """Return the lines that tasks have written to a file."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def release(self, name: str) -> None:
        """Let the task go on that waits for a file of this name."""
        (self.folder / name).touch()


class Worker:
    """A worker of the site."""

    def __init__(self, site: Site, options: tuple[str, ...]) -> None:
        self.log_path = site.folder / "worker.log"
        self._log = self.log_path.open("a")
        command = [sys.executable, "-W", "error", "-c", RUN_WORKER, "-A", "garden", "worker", "-c", "1", "-l", "INFO"]
        command += options
        self.process = subprocess.Popen(
            command,
            cwd=site.folder,
            env=os.environ | site.environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.log_path.read_text()

    def kill(self) -> None:
        """Kill its node by SIGKILL; its children end by themselves."""
        self.process.kill()
        self.process.wait()
        self._log.close()

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()


def wait_until(condition: Callable[[], T], what: str) -> T:
    """Wait for a condition to be true and return what it returned."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"after {PATIENCE:g} s: not {what}")
        time.sleep(0.02)
    return value
