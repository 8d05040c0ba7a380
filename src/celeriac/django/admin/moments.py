"""Moments and lengths of time, as pages of the admin show them."""

from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from celeriac import clock

__all__ = ["Run", "moment_of", "relative", "runs_of", "seconds_text", "time_tag"]

#: Seconds up to which lengths are told in seconds.
_FEW = 60


class Run(NamedTuple):
    """A run to come, in words."""

    text: str
    iso: str
    #: What is special about it, such as a clock that was set before.
    note: str


def moment_of(unix_time: float) -> datetime:
    """Return the moment, on the clock of the request's zone."""
    return datetime.fromtimestamp(unix_time, UTC).astimezone(timezone.get_current_timezone())


def relative(moment: datetime) -> str:
    """Return how far away it is: "in 3 hours", "5 minutes ago"."""
    now = datetime.fromtimestamp(clock.now(), UTC)
    seconds = round((moment - now).total_seconds())
    if seconds == 0:
        return str(_("now"))
    if abs(seconds) < _FEW:
        number = abs(seconds)
        if seconds >= 0:
            return str(ngettext("in %(number)d second", "in %(number)d seconds", number) % {"number": number})
        return str(ngettext("%(number)d second ago", "%(number)d seconds ago", number) % {"number": number})
    if seconds > 0:
        return str(_("in %(time)s") % {"time": timeuntil(moment, now, depth=1)})
    return str(_("%(time)s ago") % {"time": timesince(moment, now, depth=1)})


def seconds_text(seconds: float) -> str:
    """Return a length of time, as exactly as it matters."""
    if seconds < _FEW:
        return str(_("%(number)s s") % {"number": f"{seconds:.1f}"})
    now = datetime.fromtimestamp(clock.now(), UTC)
    return str(timesince(datetime.fromtimestamp(now.timestamp() - seconds, UTC), now, depth=2))


def time_tag(moment: datetime, zone: tzinfo | None = None) -> SafeString:
    """Return how far away it is, and below when that is on the clock of the zone, or of the request's."""
    local = moment.astimezone(zone or timezone.get_current_timezone())
    return format_html(
        '<time class="celeriac-moment" datetime="{}">{} <small>{}</small></time>',
        local.isoformat(timespec="seconds"),
        relative(moment),
        f"{date_format(local, 'D')} {local:%Y-%m-%d %H:%M:%S}",
    )


def runs_of(moments: list[datetime]) -> list[Run]:
    """Return runs in words, each on the clock of its own zone."""
    runs, offset = [], None
    for moment in moments:
        text = f"{date_format(moment, 'D')} {moment:%Y-%m-%d %H:%M}" + (f":{moment:%S}" if moment.second else "")
        note = ""
        if offset is not None and moment.utcoffset() != offset:
            note = _("the clocks have been set; they show UTC%(offset)s") % {"offset": f"{moment:%z}"[:3]}
        offset = moment.utcoffset()
        runs.append(Run(text, moment.isoformat(timespec="seconds"), note))
    return runs
