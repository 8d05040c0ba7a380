"""The tasks of the interop tests: one file, which Celery and celeriac both run; only the package's name differs.

``INTEROP_SIDE`` is ``celery`` or ``celeriac``, ``INTEROP_SETTINGS`` the app's settings as JSON.
"""

import importlib
import json
import os
import time
from pathlib import Path

SIDE = os.environ["INTEROP_SIDE"]
package = importlib.import_module(SIDE)
exceptions = importlib.import_module(f"{SIDE}.exceptions")

app = package.Celery("work")
app.conf.update(json.loads(os.environ["INTEROP_SETTINGS"]))

#: What a task may know of its own call, whoever published it.
FACTS = ("id", "root_id", "parent_id", "retries", "eta", "expires", "timelimit", "shadow", "ignore_result", "argsrepr")


class OwnError(Exception):
    """An error of the project's own."""


@app.task
def echo(*args, **kwargs):
    """Return what arrived."""
    return {"args": list(args), "kwargs": kwargs}


@app.task
def kinds(*args):
    """Return of which kind each argument is, and what it is."""
    return [[type(value).__name__, repr(value)] for value in args]


@app.task(bind=True)
def look(self, *args, **kwargs):
    """Return what the task knows of its call."""
    request = self.request
    # A producer in another language leaves out much.
    facts = {name: getattr(request, name, None) for name in FACTS}
    facts["priority"] = request.delivery_info.get("priority")
    facts["headers"] = {name: value for name, value in (request.headers or {}).items() if name == "x-tenant"}
    return facts | {"side": SIDE, "at": time.time()}


@app.task
def fail(kind="own"):
    """Raise an error."""
    if kind == "key":
        return {}["absent"]
    raise OwnError("on purpose", 3)


@app.task(bind=True, max_retries=3)
def flaky(self, times, pause=0.1):
    """Succeed after so many retries."""
    if self.request.retries < times:
        raise self.retry(countdown=pause)
    return {"retries": self.request.retries, "side": SIDE, "root": self.request.root_id == self.request.id}


@app.task(bind=True, max_retries=1)
def give_up(self):
    """Try once more, and then let the error be seen."""
    try:
        raise OwnError("still not")
    except OwnError as error:
        raise self.retry(exc=error, countdown=0.1) from error


@app.task(autoretry_for=(KeyError,), max_retries=2, default_retry_delay=0.1)
def automatic(path):
    """Fail until the file has two lines."""
    note(path, "tried")
    return {0: "done"}[2 - len(Path(path).read_text().splitlines())]


@app.task
def told_the_id(failed_id):
    """Be called for a failed task with its id, as a task of its own."""
    return failed_id


@app.task
def told_the_error(request, error, _traceback, path):
    """Be called for a failed task with its error, in the place where it failed."""
    note(path, f"{request.id} {type(error).__name__}")


@app.task
def sleep(seconds):
    """Take some time, without looking at the limits."""
    time.sleep(seconds)


@app.task
def obey(seconds):
    """Take some time, but end when the soft limit says so."""
    try:
        time.sleep(seconds)
    except exceptions.SoftTimeLimitExceeded:
        return "ended softly"
    return "slept"


@app.task
def leave_note(path, text, seconds=0.0):
    """Write down that this has run, and on which side."""
    time.sleep(seconds)
    note(path, f"{text} {SIDE}")


@app.task(bind=True)
def report(self, path):
    """Say how far it is, until the file is there."""
    self.update_state(state="PROGRESS", meta={"done": 7})
    deadline = time.monotonic() + 30
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return "reported"


@app.task(bind=True)
def publish_child(self, value):
    """Publish another task to the queue of this one; return its id."""
    return look.apply_async((value,), queue=self.request.delivery_info["routing_key"]).id


@app.task(bind=True)
def refuse(self):
    """Say that this is for nobody."""
    raise exceptions.Ignore


@app.task
def wait_and_note(gate, path, text):
    """Write down that this has run, once the file is there."""
    deadline = time.monotonic() + 60
    while not Path(gate).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    note(path, f"{text} {SIDE}")


@app.task
def refuse_on(side, path, text):
    """Be refused for good on one side; on the other write down that this has run."""
    if side == SIDE:
        raise exceptions.Reject("not on this side", requeue=False)
    note(path, f"{text} {SIDE}")


def note(path, text):
    """Append a line, whole."""
    with Path(path).open("a") as file:
        file.write(f"{text}\n")
