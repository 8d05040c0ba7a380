"""Checks of an app's settings and tasks, as the doctor tells them: with what is right, too."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from celeriac.checks.finding import Finding, Grade
from celeriac.checks.settings import check_settings
from celeriac.checks.tasks import check_tasks
from celeriac.cli.output import count_of
from celeriac.engines import suggested_backend

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["check_app"]


def check_app(app: "Celeriac") -> Iterator[Finding]:
    """Look at all settings and tasks; the modules of tasks have been imported."""
    findings = [*check_settings(app), *check_tasks(app), *_results(app)]
    if not any(finding.grade is Grade.WRONG for finding in findings):
        changed = len(app.conf.changes())
        yield Finding(Grade.OK, f"{count_of(changed, 'setting')} of your own; they fit together.")
    yield from findings
    own = [name for name in app.tasks if not name.startswith(("celery.", "celeriac."))]
    if own:
        yield Finding(Grade.OK, f"{count_of(len(own), 'task')} registered.")
    else:
        yield Finding(
            Grade.WRONG,
            "The app has no tasks: import their modules in the app's module, or name them in the setting imports.",
        )


def _results(app: "Celeriac") -> Iterator[Finding]:
    if app.result_backend_url is None:
        yield Finding(
            Grade.NOTE,
            "Results are off: nobody can wait for a task. If you want to, set result_backend, "
            f"{suggested_backend(app.broker_url)}.",
        )
