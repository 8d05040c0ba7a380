"""Tasks published inside transactions; two databases, in an interpreter of its own."""

from pathlib import Path

import pytest

from tests.django.postoffice import run_in_site

SETTINGS = """
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
import asyncio, logging
from celeriac import shared_task, signals
from celeriac.django.finding import find_app
from celeriac.exceptions import EncodeError, OperationalError, TaskNotSent
app = find_app("garden")
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections, transaction
from django.db.transaction import atomic

@shared_task
def sow(seed=None):
    return seed

class Undo(Exception):
    pass

def sent():
    return [eval(message.headers["argsrepr"])[0] for message in app.broker.peek("celery", 100)]
"""


def run(code: str, folder: Path, settings: str = "") -> list[str]:
    package = folder / "garden"
    package.mkdir()
    (package / "settings.py").write_text(SETTINGS + settings)
    return run_in_site(PRELUDE + code, directory=folder, FOLDER=str(folder), PYTHONPATH=str(folder)).splitlines()


def test_a_task_goes_out_when_its_transaction_is_committed_and_its_id_is_known_before(tmp_path: Path) -> None:
    code = """
sow.delay("outside")
with atomic():
    result = sow.delay("inside")
    with atomic():
        sow.delay("deeper")
    print(sent(), bool(result.id))
print(sent(), app.broker.peek("celery", 9)[1].id == result.id)
"""
    assert run(code, tmp_path) == ["['outside'] True", "['outside', 'inside', 'deeper'] True"]


def test_what_is_rolled_back_is_never_sent_to_the_savepoint(tmp_path: Path) -> None:
    code = """
with atomic():
    sow.delay("first")
    try:
        with atomic():
            sow.delay("gone")
            raise Undo
    except Undo:
        pass
    sow.delay("second")
try:
    with atomic():
        lost = sow.delay("gone too")
        raise Undo
except Undo:
    pass
print(sent())
try:
    lost.get(timeout=1)
except TaskNotSent as error:
    print(error)
"""
    first, second = run(code, tmp_path)
    assert first == "['first', 'second']"
    assert "has not been sent" in second
    assert "rolled back" in second


def test_every_way_of_publishing_waits_and_each_can_be_told_not_to(tmp_path: Path) -> None:
    code = """
async def two():
    await sow.adelay("never in a transaction: another thread")

with atomic():
    sow.delay_many([(1,), (2,)])
    app.send_task(sow.name, ("by name",))
    app.publish_many([sow.s("signature")])
    sow.s("signed").apply_async()
    sow.delay_on_commit("as in Celery")
    sow.apply_async_on_commit(("as in Celery, with options",), priority=0)
    print(sent())
    sow.apply_async(("now",), on_commit=False)
    print(sent())
    waiting = len(connections["default"].run_on_commit)
print(sent()[1:], waiting)
"""
    assert run(code, tmp_path) == [
        "[]",
        "['now']",
        "[1, 2, 'by name', 'signature', 'signed', 'as in Celery', 'as in Celery, with options'] 1",
    ]


def test_the_setting_and_the_task_say_whether_to_wait_and_the_call_wins(tmp_path: Path) -> None:
    code = """
@shared_task(on_commit=True)
def patient(seed): pass

with atomic():
    sow.delay("at once")
    patient.delay("patient")
    sow.apply_async(("asked to wait",), on_commit=True)
    print(sent())
print(sent())
"""
    assert run(code, tmp_path, "CELERY_TASK_PUBLISH_ON_COMMIT = False\n") == [
        "['at once']",
        "['at once', 'patient', 'asked to wait']",
    ]


def test_several_open_transactions_ask_which_one_is_meant(tmp_path: Path) -> None:
    code = """
with atomic(using="other"):
    sow.delay("the only open one")
    print(sent())
    with atomic():
        try:
            sow.delay("which?")
        except ValueError as error:
            print(error)
        sow.apply_async(("default",), using="default")
        sow.apply_async(("other",), using="other")
        sow.apply_async(("none",), on_commit=False)
    print(sent())
print(sent())
with atomic():
    sow.apply_async(("not open",), using="other")
    print(sent()[-1])
try:
    sow.apply_async(("unknown",), using="defualt")
except ValueError as error:
    print(error)
"""
    lines = run(code, tmp_path)
    assert lines[0] == "[]"
    assert "using='default'" in lines[1]
    assert lines[2:5] == ["['none', 'default']", "['none', 'default', 'the only open one', 'other']", "not open"]
    assert "did you mean 'default'?" in lines[5]


def test_arguments_are_checked_and_read_at_the_call_and_signals_come_with_the_publish(tmp_path: Path) -> None:
    code = """
seen = []
def before(headers, body, **_):
    seen.append("before")
    headers["added"] = "yes"
    body[0][0] += "!"
signals.before_task_publish.connect(before)
signals.after_task_publish.connect(lambda **_: seen.append("after"), weak=False)
with atomic():
    for wrong in ((object(),), (1, 2)):
        try:
            sow.apply_async(wrong)
        except (TypeError, EncodeError) as error:
            print(type(error).__name__)
    changing = ["as it was"]
    sow.apply_async((changing[0],))
    print(seen)
print(seen, app.broker.peek("celery")[0].headers["added"], b"as it was!" in app.broker.peek("celery")[0].body)
"""
    assert run(code, tmp_path) == ["EncodeError", "TypeError", "[]", "['before', 'after'] yes True"]


def test_asking_opens_no_connection_and_works_in_a_coroutine(tmp_path: Path) -> None:
    code = """
async def view():
    await sow.adelay("from a coroutine")
    sow.delay("without await")
    def block():
        with atomic():
            sow.delay("from its thread")
            return sent()
    return await sync_to_async(block)()

sow.delay("first")
print([each.connection for each in connections.all()])
print(asyncio.run(view()))
print(sent())
"""
    assert run(code, tmp_path) == [
        "[None, None]",
        "['first', 'from a coroutine', 'without await']",
        "['first', 'from a coroutine', 'without await', 'from its thread']",
    ]


def test_follow_ups_of_a_task_never_wait(tmp_path: Path) -> None:
    code = """
from celeriac.execution import Execution

@shared_task(bind=True, max_retries=3)
def again(self):
    with atomic():
        raise self.retry(countdown=0)

def report(task, **options):
    message = app.publisher.message(task.name, (), {}, options, task=task)
    return Execution.from_message(app, message, ordinal=1, redelivered=False, hostname="garden").run()

with atomic():
    print([message.headers["retries"] for message in report(again).follow_ups])
    print([message.headers["task"] for message in report(sow, link=sow.s()).follow_ups])
    print(len(connections["default"].run_on_commit))
"""
    assert run(code, tmp_path) == ["[1]", "['garden.sow']", "0"]


@pytest.mark.parametrize("count", [1, 3])
def test_a_broker_that_is_away_at_the_commit_leaves_the_whole_message_in_the_log(tmp_path: Path, count: int) -> None:
    code = f"""
import sys
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
later = []
with atomic():
    results = [sow.apply_async((f"seed {{number}}",), retry=False) for number in range({count})]
    transaction.on_commit(lambda: later.append("other hooks have their turn"))
    app.conf.broker_url = "sqlite:////proc/nowhere/queue.sqlite3"
print(later)
try:
    results[0].get(timeout=1)
except TaskNotSent as error:
    print(isinstance(error.__cause__, OperationalError))
"""
    lines = run(code, tmp_path)
    logged = [line for line in lines if line.startswith("ERROR")]
    assert len(logged) == count
    for number, line in enumerate(logged):
        assert "was not published" in line
        assert f'[[\\"seed {number}\\"], {{}}' in line
    assert lines[-2:] == ["['other hooks have their turn']", "True"]


def test_a_receiver_that_raises_takes_only_its_own_message(tmp_path: Path) -> None:
    code = """
def refuse(body, **_):
    if body[0] == ["bad"]:
        raise LookupError("not this one")
signals.before_task_publish.connect(refuse)
with atomic():
    sow.delay("good")
    bad = sow.delay("bad")
    sow.delay("as good")
print(sent(), bad.publication.error is None)
"""
    assert run(code, tmp_path)[-1] == "['good', 'bad', 'as good'] True"
