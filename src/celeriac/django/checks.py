"""System checks: what is wrong with a site's celeriac, in the sentences of ``manage.py check``.

``check_site`` runs with every command that checks. It connects to nothing and imports no module of tasks, so that
``migrate`` stays what it is. ``check_deployment`` runs with ``check --deploy`` only; it imports them, and looks at what
is only wrong in production. ``celeriac doctor`` tells the same, and also tries broker and results out.

What they find has ids, listed in the documentation: E is an error, W a warning, I an information. There is no check of
Django's database pool: children are forked from a process that has imported nothing of the site, and one that has
(``worker_preload_app``) refuses to begin with a thread or socket open.
"""

import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django import get_version
from django.apps import AppConfig
from django.conf import settings
from django.core import checks, mail

from celeriac.app.base import Celeriac
from celeriac.checks.engines import check_access, check_file, check_urls
from celeriac.checks.finding import ADDITIONAL, Finding, Grade
from celeriac.checks.settings import check_settings
from celeriac.checks.tasks import check_tasks
from celeriac.django.mail_checks import check_mail
from celeriac.django.row_checks import check_rows
from celeriac.django.site_checks import (
    check_databases,
    check_names,
    check_prefix,
    check_site_settings,
    check_tasks_setting,
)
from celeriac.exceptions import CeleriacError
from celeriac.local import get_current_app
from celeriac.sqlite.location import Location

__all__ = ["TAG", "check_deployment", "check_site", "register_checks"]

#: ``manage.py check --tag celeriac``.
TAG = "celeriac"

#: Findings that mean nothing while developing, where memory:// and eager tasks have their place.
_IN_PRODUCTION = frozenset({"W001", "W002", "W007"})

_CLASSES = {"E": checks.Error, "W": checks.Warning, "I": checks.Info}


def register_checks() -> None:
    """Have Django run the checks, and the doctor those it does not know; may be called twice."""
    checks.register(check_site, TAG)
    checks.register(check_deployment, TAG, deploy=True)
    ADDITIONAL["Django"] = _for_doctor


def check_site(app_configs: Sequence[AppConfig] | None = None, **_: object) -> list[checks.CheckMessage]:
    """Check what can be known without importing a module of tasks."""
    if not _is_asked(app_configs):
        return []
    found = _site_findings()
    return _messages(each for each in found if each.id not in _IN_PRODUCTION or _is_production())


def check_deployment(
    app_configs: Sequence[AppConfig] | None = None, databases: Sequence[str] | None = None, **_: object
) -> list[checks.CheckMessage]:
    """Check the tasks, and what is only wrong in production; the periodic tasks in a database that is named."""
    if not _is_asked(app_configs):
        return []
    found = [each for each in _site_findings() if each.id in _IN_PRODUCTION and not _is_production()]
    found += _guarded(_deployment_findings)
    if not any(each.id == "E009" for each in found):
        found += check_rows(get_current_app(), databases or ())
    return _messages(found)


def _site_findings() -> list[Finding]:
    found = [*check_names(), *check_site_settings()]
    if any(each.id == "E008" for each in found):
        return found  # without its settings there is no app
    found += _guarded(_app_findings)
    return found


def _app_findings() -> Iterator[Finding]:
    app = get_current_app()
    # Names of no setting are told by ``check_names``, as they are written.
    yield from (each for each in check_settings(app) if each.id != "W005")
    yield from check_urls(app)
    for url in dict.fromkeys((app.broker_url, app.result_backend_url)):
        if url is not None:
            yield from check_access(url)
            yield from check_file(url)
    yield from _django_findings()


def _django_findings() -> Iterator[Finding]:
    yield from check_tasks_setting(get_current_app())
    yield from check_mail()


def _for_doctor() -> Iterator[Finding]:
    """Yield what the doctor cannot know without Django."""
    found = [*check_prefix(), *check_site_settings(), *check_databases(), *_django_findings()]
    if not any(each.grade is Grade.WRONG for each in found):
        yield Finding(Grade.OK, f"Django {get_version()}; its settings are in order.")
    yield from found


def _deployment_findings() -> Iterator[Finding]:
    app = get_current_app()
    if settings.DEBUG:
        yield Finding(
            Grade.NOTE,
            "DEBUG is on: a worker then keeps the SQL of every query in memory until its task has ended. Set DEBUG = "
            "False.",
            "W012",
        )
    yield from _durability(app)
    yield from check_databases()
    try:
        app.import_task_modules()
    except Exception as error:  # noqa: BLE001 - code of the user's
        yield Finding(Grade.WRONG, _not_imported(error), "E009")
    yield from check_tasks(app)


def _not_imported(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, SyntaxError):
        place = traceback.FrameSummary(error.filename or place.filename, error.lineno, "")
    what = f"{type(error).__name__}: {str(error).rstrip('.')}"
    return f"The tasks cannot be imported, so no worker starts: {what} ({place.filename}, line {place.lineno})."


def _durability(app: Celeriac) -> Iterator[Finding]:
    url = app.broker_url
    if url.startswith("sqlite:") and Location.from_url(url, app.conf.broker_transport_options).synchronous == "normal":
        yield Finding(
            Grade.NOTE,
            "The broker's SQLite file survives crashes of processes; a power cut may take the last messages. If that "
            "must not be, add ?synchronous=full to broker_url: each commit then waits for the disk.",
            "I004",
        )


def _guarded(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Return what a check finds; an error of celeriac's on the way, such as a setting it cannot read, is one too."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except CeleriacError as error:
        found.append(Finding(Grade.WRONG, str(error), "E004"))
    return found


def _messages(findings: Any) -> list[checks.CheckMessage]:
    """Return the findings as Django's messages; each sentence once, and those without id not at all."""
    unique = {finding.sentence: finding for finding in findings if finding.id}
    return [_CLASSES[each.id[0]](each.sentence, obj="celeriac", id=f"celeriac.{each.id}") for each in unique.values()]


def _is_asked(app_configs: Sequence[AppConfig] | None) -> bool:
    """Say whether the checks of this app were asked for: ``manage.py check`` may name others."""
    return app_configs is None or any(config.label == "celeriac" for config in app_configs)


def _is_production() -> bool:
    """Say whether the site is neither being developed nor tested; tests run with DEBUG off."""
    return not settings.DEBUG and not hasattr(mail, "outbox")  # where Django's test runner keeps mails
