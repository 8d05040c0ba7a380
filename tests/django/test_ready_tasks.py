"""The tasks that come with celeriac, run by a real worker."""

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from celeriac.backends.base import StoredResult
from tests.django.mail_server import MailServer
from tests.django.mail_site import MailSite

TASKS = "celeriac.django.tasks"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSite]:
    with MailServer() as server:
        site = MailSite(tmp_path_factory.mktemp("garden"), server)
        site.run("from django.core.management import call_command\ncall_command('migrate', verbosity=0)")
        site.start_worker()
        yield site
        site.close()


def call(site: MailSite, name: str, *args: Any, **kwargs: Any) -> Any:
    """Publish a task by its name, as anybody can, and wait for what it returns."""
    return site.app.send_task(f"{TASKS}.{name}", args, kwargs).get(timeout=60)


def failure(site: MailSite, name: str, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(Exception) as caught:
        call(site, name, *args, **kwargs)
    return str(caught.value)


def test_expired_sessions_are_deleted_and_no_others(site: MailSite) -> None:
    session = "from django.contrib.sessions.backends.db import SessionStore\n"
    create = "store = SessionStore()\nstore.set_expiry({})\nstore.create()\n"
    site.run(session + create.format(-60) + create.format(600))
    call(site, "clearsessions")
    site.run("from django.contrib.sessions.models import Session\nassert Session.objects.count() == 1")


def test_a_command_that_is_allowed_runs_and_its_output_is_the_result(site: MailSite) -> None:
    assert call(site, "call_command", "speak", "good", "morning", loud=True) == "GOOD MORNING\n"
    assert "no issues" in call(site, "call_command", "check")


def test_only_the_end_of_a_long_output_is_kept(site: MailSite) -> None:
    assert call(site, "call_command", "speak", "x" * 300, "end") == (
        "… (205 characters before this)\n" + "x" * 95 + " end\n"
    )


def test_a_command_that_is_not_allowed_does_not_run(site: MailSite) -> None:
    said = failure(site, "call_command", "flush", interactive=False)
    assert "Tasks may not run the management command 'flush': add it to CELERIAC_COMMANDS_ALLOWED" in said
    assert "(now 'speak', 'check')" in said


def test_what_a_command_says_is_wrong_is_the_failure_and_no_traceback_in_the_log(site: MailSite) -> None:
    assert failure(site, "call_command", "speak", fail="the well is dry") == "the well is dry"
    assert "the well is dry" in site.log
    assert "Traceback" not in site.log


def test_a_command_that_ends_its_process_ends_its_task_only(site: MailSite) -> None:
    said = failure(site, "call_command", "speak", "bye", status=3)
    assert said == "The command speak ended with exit status 3. bye"
    assert call(site, "call_command", "speak", "fine", status=0) == "fine\n"


def test_expired_results_and_forgotten_attachments_are_pruned(site: MailSite) -> None:
    directory = site.directory / "media" / "celeriac-mail"
    directory.mkdir(parents=True)
    for name, days in (("old", 31), ("new", 29)):
        (directory / name).touch()
        then = time.time() - days * 86400
        os.utime(directory / name, (then, then))
    expired = [StoredResult(task_id=str(each), state="SUCCESS", document=b"{}", lifetime=0.001) for each in range(3)]
    site.app.backend.store(expired)
    site.wait(lambda: not site.app.backend.fetch(["0", "1", "2"]), "expired")
    assert call(site, "prune") == {"results": 3, "attachments": 1}
    assert [path.name for path in directory.iterdir()] == ["new"]


def test_the_names_of_the_tasks_stay(site: MailSite) -> None:
    code = f"""
import {TASKS} as tasks
assert [tasks.__dict__[name].name for name in tasks.__all__] == [f"{TASKS}.{{name}}" for name in tasks.__all__]
assert tasks.__all__ == ["call_command", "clearsessions", "prune", "send_email"]
"""
    site.run(code)


def test_a_wrong_setting_of_theirs_is_a_sentence(site: MailSite) -> None:
    code = """
from django.test import override_settings
from celeriac.django.tasks import call_command
from celeriac.exceptions import ImproperlyConfigured
with override_settings(CELERIAC_COMMANDS_ALLOWED=7):
    try:
        call_command("speak")
    except ImproperlyConfigured as error:
        assert "must be a list" in str(error), error
    else:
        raise AssertionError
"""
    site.run(code)


def test_one_line_has_a_scheduler_tidy_up_the_site(site: MailSite) -> None:
    code = """
from celeriac.app.periodic import code_entries
from celeriac.local import get_current_app
app = get_current_app()
assert not code_entries(app)
# As a web process has it, whose system checks read the setting, too.
app.conf.beat_housekeeping = {"sessions": False}
assert [each.entry.name for each in code_entries(app)] == ["celeriac.prune"]
app.import_task_modules()
app.conf.beat_housekeeping = True
names = {each.entry.name for each in code_entries(app)}
assert names == {"celeriac.prune", "celeriac.django.tasks.clearsessions", "celeriac.django.tasks.prune"}, names
app.conf.beat_housekeeping = {"sessions": False, "attachments": False}
assert [each.entry.name for each in code_entries(app)] == ["celeriac.prune"]
"""
    site.run(code)
