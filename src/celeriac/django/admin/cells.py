"""Cells of the admin's tables: when something runs next, and what became of it last."""

from datetime import tzinfo
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from celeriac import states
from celeriac.beat.periodic_tasks import PeriodicTask
from celeriac.django.admin.looking import Look
from celeriac.django.admin.moments import moment_of, relative, seconds_text, time_tag
from celeriac.exceptions import ImproperlyConfigured
from celeriac.timetables.base import FOREVER

if TYPE_CHECKING:
    from celeriac.django.models import ScheduledTask

__all__ = [
    "last_run",
    "link_to_result",
    "next_run",
    "next_run_of_row",
    "schedule_of_row",
    "state_badge",
    "task_name",
]

#: Seconds up to which a run is said to be in time.
_IN_TIME = 1.0
_NOTHING = SafeString('<span class="celeriac-faint">-</span>')


def schedule_of_row(row: "ScheduledTask") -> SafeString:
    """Return the sentence that the row means, or what is wrong with it."""
    try:
        sentence, zone = row.describe(), str(row.zone)
    except (ValueError, ImproperlyConfigured) as error:
        return format_html('<span class="celeriac-fault">{}</span>', str(error))
    if zone in sentence:
        return format_html("{}", sentence)
    return format_html('{} <small class="celeriac-faint">{}</small>', sentence, zone)


def task_name(name: str) -> SafeString:
    """Return the task's name, which may be broken behind its dots."""
    return format_html_join(SafeString(".<wbr>"), "{}", ((part,) for part in name.split(".")))


def next_run_of_row(row: "ScheduledTask", look: Look) -> SafeString:
    """Return when a row runs next. Of one that no timetable has (yet) its schedule says so."""
    if not row.enabled:
        return _faint(_("disabled"))
    task = look.task
    if task is not None and task.state.entry.enabled:
        return next_run(task, row.zone)
    try:
        moments = row.next_runs(1)
    except (ValueError, ImproperlyConfigured):
        return _NOTHING
    return time_tag(moments[0], row.zone) if moments else _faint(_("never again"))


def next_run(task: PeriodicTask, zone: tzinfo | None = None) -> SafeString:
    """Return when an entry runs next, on the clock of a zone or the request's, or why it does not."""
    if not task.state.entry.enabled:
        return _faint(_("disabled"))
    until = task.state.paused_until
    if task.is_paused and until is not None:
        if until == FOREVER:
            return _badge("paused", _("paused"))
        return format_html("{} {}", _badge("paused", _("paused until")), time_tag(moment_of(until), zone))
    moment = task.next_moment
    return _faint(_("never again")) if moment is None else time_tag(moment_of(moment), zone)


def last_run(look: Look, site: str) -> SafeString:
    """Return when it ran last, how late that was, and what became of it, with a link to that."""
    state = None if look.task is None else look.task.state
    if state is None or state.last_run_id is None or state.last_due is None:
        return _NOTHING
    late = state.lateness if state.lateness is not None and state.lateness > _IN_TIME else None
    return format_html(
        '<span class="celeriac-last">{} <a href="{}">{}</a>{}</span>',
        state_badge(look.run_state),
        _result_url(state.last_run_id, site),
        relative(moment_of(state.last_due)),
        "" if late is None else format_html(' <small class="celeriac-late">{}</small>', late_text(late)),
    )


def late_text(seconds: float) -> str:
    """Return how late a run was."""
    return str(_("%(time)s late") % {"time": seconds_text(seconds)})


def state_badge(state: str) -> SafeString:
    """Return the state of a result; nothing if nobody knows."""
    if not state:
        return SafeString("")
    kind = state.lower() if state in states.ALL_STATES else "custom"
    return _badge(kind, state)


def link_to_result(task_id: str, site: str) -> SafeString:
    """Return a link to the page of a result."""
    return format_html('<a class="celeriac-code" href="{}">{}</a>', _result_url(task_id, site), task_id)


def _result_url(task_id: str, site: str) -> str:
    return str(reverse("admin:celeriac_scheduledtask_result", args=[task_id], current_app=site))


def _badge(kind: str, text: str) -> SafeString:
    return format_html('<span class="celeriac-badge celeriac-{}">{}</span>', kind, text)


def _faint(text: str) -> SafeString:
    return format_html('<span class="celeriac-faint">{}</span>', text)
