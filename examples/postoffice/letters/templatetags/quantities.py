"""How moments, lengths of time and large numbers are written."""

import math
from datetime import datetime, timedelta

from django import template
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def duration(value: float | timedelta) -> str:
    """Milliseconds below one second, else seconds with one digit: `14 ms`, `7.1 s`."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    # Rounded here: Django's formatter cuts off what is too much.
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return _("%(number)s ms") % {"number": number_format(milliseconds)}
    return _("%(number)s s") % {"number": number_format(round(seconds, 1), decimal_pos=1)}


@register.filter
def grouped(value: int) -> str:
    """A large whole number as it is written in the page's language: `2,000`, `2 000`."""
    return number_format(value, force_grouping=True)


@register.filter
def moment(value: datetime) -> str:
    """A day of the year and a time: `Nov 27, 07:00`."""
    return date_format(value, _("M j, H:i"))


@register.filter
def full_date(value: datetime) -> str:
    """`Friday, November 27, 2026`, as the script writes it."""
    return date_format(value, _("l, F j, Y"))


@register.filter
def unlocalized(value: float) -> str:
    """A number as programs write it, with a point in every language."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


@register.filter
def until(seconds: float) -> str:
    """How long it is until something: `in 12 s`, `in 5 min`, `in 3 h`. The script counts down by the same rules."""
    whole = math.ceil(seconds)
    if whole <= 0:
        return _("now")
    if whole < 120:
        return _("in %(number)s s") % {"number": whole}
    if whole < 7200:
        return _("in %(number)s min") % {"number": whole // 60}
    return _("in %(number)s h") % {"number": whole // 3600}
